//! What keeps the tables as they are, whoever asks: the rules that the database itself holds, also against a shell.
//!
//! - They hold against statements, each with any `OR REPLACE`, `ON CONFLICT`, `TRUNCATE` and setting of its session. They
//!   don't hold against who may change the tables themselves: whoever drops a trigger or a table, writes SQLite's schema
//!   (`writable_schema`) or its file, or owns PostgreSQL's schema and disables triggers, can do anything.

use crate::db::dialect::{Guard, On, When};

/// The guards of the first migration.
pub(crate) const FIRST: &[Guard] = &[
    guard("meta", On::Insert, When::Holds("EXISTS (SELECT 1 FROM meta)"), "a control store belongs to one region"),
    guard("meta", On::Delete, When::Always, "a control store belongs to one region"),
    for_good("meta", &["region"], "the region of a control store never changes"),
    guard(
        "meta",
        On::Update,
        When::Holds("NEW.config_version < OLD.config_version"),
        "the configuration version never goes back",
    ),
    guard(
        "workspaces",
        On::Insert,
        When::Holds("NEW.region IS DISTINCT FROM (SELECT region FROM meta)"),
        "a workspace of another region does not belong in this control store",
    ),
    for_good("workspaces", &["region", "id", "number"], "the region of a workspace never changes"),
    for_good("workspaces", &["account"], "a workspace never changes its account"),
    guard("workspaces", On::Delete, When::Always, "a workspace is never deleted, because the logs name it"),
    never_replaced(
        "workspaces",
        "EXISTS (SELECT 1 FROM workspaces WHERE number = NEW.number OR id = NEW.id OR slug = NEW.slug)",
    ),
    for_good("accounts", &["id", "number"], "an account never changes its id"),
    guard("accounts", On::Delete, When::Always, "an account is never deleted, because workspaces belong to it"),
    for_good("sources", &["workspace", "id", "number"], "a source never changes its workspace"),
    guard("sources", On::Delete, When::Always, "a source is marked as deleted, because the logs name it"),
    never_replaced(
        "sources",
        "EXISTS (SELECT 1 FROM sources WHERE number = NEW.number OR id = NEW.id
                 OR (workspace = NEW.workspace AND slug = NEW.slug AND deleted_at IS NULL AND NEW.deleted_at IS NULL))",
    ),
    for_good("write_keys", &["key", "source"], "a write key never changes its source"),
    for_good("destinations", &["workspace", "source", "id", "number"], "a destination never changes its source"),
    for_good("tokens", &["workspace", "id", "number", "hash"], "a token never changes its workspace"),
    for_good("users", &["account", "id", "number"], "a user never changes its account"),
    for_good("permissions", &["workspace"], "a permission never changes its workspace"),
    for_good("identity_providers", &["account", "id", "number"], "an identity provider never changes its account"),
    for_good("things", &["workspace", "kind", "id", "number"], "a thing never changes its workspace"),
    for_good("links", &["workspace", "kind", "a", "b"], "a link never changes its ends"),
    for_good("suppressions", &["workspace", "source", "user_hash"], "a suppression never changes whom it is for"),
    never_replaced("audit", "EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)"),
    guard("audit", On::Update, When::Always, "an audit entry is never changed"),
    guard("audit", On::Delete, When::Always, "an audit entry is never deleted"),
];

/// The guards of the second migration.
pub(crate) const PEOPLE: &[Guard] = &[
    for_good("identities", &["issuer", "subject", "user_number"], "an identity never changes its person"),
    for_good("operator_tokens", &["id", "number", "hash"], "a token of the operator never changes"),
];

/// The guards of the third migration.
pub(crate) const KEPT_KEYS: &[Guard] = &[
    guard("write_keys", On::Delete, When::Always, "a write key is marked as deleted, so that nobody else is given it"),
    never_replaced("write_keys", "EXISTS (SELECT 1 FROM write_keys WHERE key = NEW.key)"),
    never_replaced("accounts", "EXISTS (SELECT 1 FROM accounts WHERE number = NEW.number OR id = NEW.id)"),
    replaces_none(
        "workspaces",
        "NEW.slug IS DISTINCT FROM OLD.slug AND EXISTS (SELECT 1 FROM workspaces WHERE slug = NEW.slug)",
    ),
    replaces_none(
        "sources",
        "NEW.deleted_at IS NULL AND (NEW.slug IS DISTINCT FROM OLD.slug OR OLD.deleted_at IS NOT NULL)
         AND EXISTS (SELECT 1 FROM sources
                     WHERE workspace = NEW.workspace AND slug = NEW.slug AND deleted_at IS NULL)",
    ),
];

/// The guards of the fourth migration. Every change of a row is a step of its state, and there are three.
pub(crate) const TRANSFERS: &[Guard] = &[
    guard(
        "transfers",
        On::Insert,
        When::Holds(
            "NEW.state <> 'requested' OR NEW.approved_by IS NOT NULL OR NEW.approved_at IS NOT NULL
             OR NEW.closed_by IS NOT NULL OR NEW.closed_at IS NOT NULL",
        ),
        "a transfer begins as a request",
    ),
    for_good(
        "transfers",
        &[
            "id",
            "number",
            "workspace",
            "country",
            "vendor",
            "basis",
            "expires",
            "fields",
            "reason",
            "requested_by",
            "requested_name",
            "requested_at",
        ],
        "a transfer is never edited: request a new one",
    ),
    guard(
        "transfers",
        On::Update,
        When::Holds(
            "NOT (OLD.state = 'requested' AND NEW.state IN ('granted', 'declined')
                  OR OLD.state = 'granted' AND NEW.state = 'ended')",
        ),
        "a transfer is requested, then granted or declined, and a granted one ends",
    ),
    guard(
        "transfers",
        On::Update,
        When::Holds(
            "NEW.state = 'granted' AND (NEW.approved_by IS NULL OR NEW.approved_at IS NULL OR NEW.closed_by IS NOT NULL
                 OR NEW.approved_by = NEW.requested_by
                 OR NOT (NEW.approved_by = 'operator'
                         OR NEW.approved_by LIKE 'user:%' AND NEW.requested_by LIKE 'user:%'))",
        ),
        "a transfer is granted by another person than who requested it",
    ),
    guard(
        "transfers",
        On::Update,
        When::Holds(
            "NEW.state <> 'granted' AND (NEW.closed_by IS NULL OR NEW.closed_at IS NULL
                 OR NEW.approved_by IS DISTINCT FROM OLD.approved_by OR NEW.approved_name IS DISTINCT FROM OLD.approved_name
                 OR NEW.approved_at IS DISTINCT FROM OLD.approved_at)",
        ),
        "who ends a transfer stands beside who granted it",
    ),
    guard("transfers", On::Delete, When::Always, "a transfer is never deleted, because what went out names it"),
    never_replaced("transfers", "EXISTS (SELECT 1 FROM transfers WHERE number = NEW.number OR id = NEW.id)"),
];

const fn guard(table: &'static str, on: On, when: When, says: &'static str) -> Guard {
    Guard { table, on, when, says }
}

const fn for_good(table: &'static str, columns: &'static [&'static str], says: &'static str) -> Guard {
    guard(table, On::Update, When::Changes(columns), says)
}

/// SQLite's `REPLACE` deletes without asking the delete guard, unless a shell has set it so.
const fn never_replaced(table: &'static str, there: &'static str) -> Guard {
    guard(table, On::Insert, When::Holds(there), "a row is never replaced")
}

/// As [`never_replaced`], for `UPDATE OR REPLACE`: columns that are unique and may change. Those that never change have
/// [`for_good`].
const fn replaces_none(table: &'static str, there: &'static str) -> Guard {
    guard(table, On::Update, When::Holds(there), "a row is never replaced")
}
