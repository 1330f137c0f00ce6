//! The audit trail: who changed or looked at what. It only grows; guards in the database hold that.
//!
//! - A text of more than [`TEXT_BYTES_MAX`] bytes (a function's code) stands on it as `{"sha256": …, "bytes": …}`: that it
//!   changed, and to what, can be shown; each change does not cost its length twice.
//! - What an entry says it was, and what it is, have at most [`VALUE_BYTES_MAX`] bytes each. Of what is longer, fields stand
//!   there as their hashes too, the longest first; when that is not enough, the whole does.

use crate::change::Change;
use crate::db::{DbError, Row, ToValue, Value as Column, values};
use crate::id::sha256;
use crate::page::{List, Listed, Page};
use crate::view::View;
use crate::{ControlError, Resource, Store};
use data_encoding::HEXLOWER;
use domicile_ledger::Digest;
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::{Value, json};

/// Bytes of a text that stands on the trail as it is.
const TEXT_BYTES_MAX: usize = 1_000;
/// Bytes of what an entry says it was, and of what it is, as JSON.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Who runs the program: the demo's set-up, commands on the machine itself.
    Operator,
    /// Someone who signed in. `name`: the e-mail address.
    User { id: String, name: String },
    /// Someone with an API token.
    Token { id: String, name: String },
}

impl Actor {
    /// `operator`, `user:ID` or `token:ID`.
    pub fn code(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::User { id, .. } => format!("user:{id}"),
            Self::Token { id, .. } => format!("token:{id}"),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::User { name, .. } | Self::Token { name, .. } => name,
        }
    }
}

/// One line of the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Goes up; a page ends with one and the next begins after it.
    pub number: u64,
    pub at: Millis,
    /// `operator`, `user:ID` or `token:ID`.
    pub actor: String,
    pub actor_name: String,
    /// Segment's word where it has one, for example `Source Modified`; destinations are `Integration …`.
    pub kind: String,
    pub resource_kind: String,
    pub resource_id: String,
    pub resource_name: String,
    /// What it was and what it is: JSON objects without secrets.
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// The configuration version that the change made; the one it was seen under, for a look.
    pub config_version: u64,
}

/// Which entries of a trail are wanted; what is `None` is not asked for.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub resource_id: Option<String>,
    /// `source` and so on.
    pub resource_kind: Option<String>,
    /// `Source Modified` and so on.
    pub kind: Option<String>,
    /// `user:ID` and so on.
    pub actor: Option<String>,
    /// From this moment on.
    pub from: Option<Millis>,
    /// Before this moment.
    pub until: Option<Millis>,
}

/// What an entry is about.
pub(crate) struct Resourced<'a> {
    /// `None`: the account or the cell.
    pub(crate) workspace: Option<u32>,
    pub(crate) resource: Resource,
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

const INSERT: &str = "INSERT INTO audit (at, actor, actor_name, workspace, type, resource_kind, resource_id,
                                         resource_name, before, after, config_version)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

pub(crate) fn insert(
    change: &Change<'_>,
    kind: &str,
    of: &Resourced<'_>,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<(), ControlError> {
    let values = values![
        change.now,
        change.by().code(),
        change.by().name(),
        of.workspace,
        kind,
        of.resource.as_str(),
        of.id,
        of.name,
        before.map(bounded),
        after.map(bounded),
        change.makes(),
    ];
    change.run("write the audit trail", INSERT, values).map(drop)
}

/// The value as JSON that is never too long.
fn bounded(value: Value) -> String {
    let mut value = shortened(value);
    let mut text = value.to_string();
    if text.len() > VALUE_BYTES_MAX
        && let Value::Object(fields) = &mut value
    {
        let mut sizes: Vec<(usize, String)> =
            fields.iter().map(|(name, field)| (field.to_string().len(), name.clone())).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let mut bytes = text.len();
        for (size, name) in sizes {
            if bytes <= VALUE_BYTES_MAX {
                break;
            }
            let Some(field) = fields.get_mut(&name) else { continue };
            let short = hashed(&field.to_string());
            let is = short.to_string().len();
            if is < size {
                bytes -= size - is;
                *field = short;
            }
        }
        text = value.to_string();
    }
    if text.len() > VALUE_BYTES_MAX { hashed(&text).to_string() } else { text }
}

fn hashed(text: &str) -> Value {
    json!({ "sha256": HEXLOWER.encode(&sha256(text.as_bytes())), "bytes": text.len() })
}

/// The value, its long texts as their hashes. As deep as what was parsed.
fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > TEXT_BYTES_MAX => hashed(&text),
        Value::Array(list) => list.into_iter().map(shortened).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, shortened(value))).collect(),
        short => short,
    }
}

impl Change<'_> {
    /// Notes that someone looks at payload: `what` says at which (`event`, or `events` for a live view). Show nothing
    /// when the change fails. It is no change of the configuration: the version stays.
    pub fn note_view(&mut self, workspace: &WorkspaceId, what: &str, id: &str) -> Result<(), ControlError> {
        let number = self.workspace_number(workspace)?;
        let (by, seen_under) = (self.by(), self.version()?);
        let nothing: Option<String> = None;
        let values = values![
            self.now,
            by.code(),
            by.name(),
            number,
            "Payload Viewed",
            what,
            id,
            id,
            nothing,
            nothing,
            seen_under
        ];
        self.run("note a view", INSERT, values).map(drop)
    }
}

impl Store {
    /// As [`Change::note_view`](crate::Change::note_view).
    pub fn note_view(&self, by: &Actor, workspace: &WorkspaceId, what: &str, id: &str) -> Result<(), ControlError> {
        self.change(by, |change| change.note_view(workspace, what, id))
    }
}

const COLUMNS: &str =
    "number, at, actor, actor_name, type, resource_kind, resource_id, resource_name, before, after, config_version";

impl View<'_> {
    /// A page of a workspace's trail, oldest first ([`Page::last`] gives the newest entries).
    pub fn audit(
        &self,
        workspace: &WorkspaceId,
        filter: &AuditFilter,
        page: &Page,
    ) -> Result<Listed<AuditEntry>, ControlError> {
        let values = vec![self.workspace_number(workspace)?.to_value()];
        self.trail("audit WHERE workspace = ?1", values, filter, page)
    }

    /// The lines behind `number`, at most 10,000 at once: the first and the last number, and the SHA-256 over them all, each
    /// as a JSON list of its columns and a line break. What was anchored so can't be changed unseen. `None`: there are none.
    pub fn trail_after(&self, number: u64) -> Result<Option<([u64; 2], Digest)>, ControlError> {
        let sql = format!("SELECT {COLUMNS} FROM audit WHERE number > ?1 ORDER BY number LIMIT 10000");
        let lines = self.all("anchor the audit trail", &sql, values![number], line)?;
        let (Some((first, _)), Some((last, _))) = (lines.first(), lines.last()) else { return Ok(None) };
        let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
        Ok(Some(([*first, *last], Digest::sha256(text.as_bytes()))))
    }

    /// A page of the trail of the cell itself: accounts, their people, entitlements and identity providers.
    pub fn audit_of_cell(&self, filter: &AuditFilter, page: &Page) -> Result<Listed<AuditEntry>, ControlError> {
        self.trail("audit WHERE workspace IS NULL", Vec::new(), filter, page)
    }

    fn trail(
        &self,
        from: &str,
        mut values: Vec<Column>,
        filter: &AuditFilter,
        page: &Page,
    ) -> Result<Listed<AuditEntry>, ControlError> {
        let mut from = from.to_owned();
        let wanted: [(&str, Column); 6] = [
            ("resource_id =", filter.resource_id.to_value()),
            ("resource_kind =", filter.resource_kind.to_value()),
            ("type =", filter.kind.to_value()),
            ("actor =", filter.actor.to_value()),
            ("at >=", filter.from.to_value()),
            ("at <", filter.until.to_value()),
        ];
        for (condition, value) in wanted {
            if value != Column::Null {
                values.push(value);
                from.push_str(&format!(" AND {condition} ?{}", values.len()));
            }
        }
        let list = List {
            doing: "read the audit trail",
            columns: COLUMNS,
            from: &from,
            count_from: &from,
            number: "number",
            values: &values,
        };
        self.page(&list, page, entry)
    }
}

/// A line of the trail as it is anchored in the ledger: all columns, as they are stored.
fn line(row: &Row) -> Result<(u64, Value), DbError> {
    let text = |n| row.get::<Option<String>>(n);
    let (number, at, version): (u64, Millis, u64) = (row.get(0)?, row.get(1)?, row.get(10)?);
    let line =
        json!([number, at.0, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?, text(7)?, text(8)?, text(9)?, version]);
    Ok((number, line))
}

/// The number stands twice, because a page's rows begin with it.
fn entry(row: &Row) -> Result<AuditEntry, DbError> {
    let json = |n| -> Result<Option<Value>, DbError> {
        Ok(row.get::<Option<String>>(n)?.and_then(|text| serde_json::from_str(&text).ok()))
    };
    Ok(AuditEntry {
        number: row.get(1)?,
        at: row.get(2)?,
        actor: row.get(3)?,
        actor_name: row.get(4)?,
        kind: row.get(5)?,
        resource_kind: row.get(6)?,
        resource_id: row.get(7)?,
        resource_name: row.get(8)?,
        before: json(9)?,
        after: json(10)?,
        config_version: row.get(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("is JSON")
    }

    #[test]
    fn of_a_long_value_the_longest_fields_are_hashes_and_the_short_ones_stand() {
        let words: Vec<String> = (0..900).map(|n| format!("word number {n}")).collect();
        let value = json!({ "name": "Web", "many": words, "more": words[..400] });
        let told = read(&bounded(value.clone()));
        assert_eq!((&told["name"], &told["more"]), (&value["name"], &value["more"]));
        assert_eq!(told["many"], hashed(&value["many"].to_string()));
    }

    #[test]
    fn a_value_is_never_too_long_whatever_it_is() {
        let fields = |n: usize| (0..n).map(|n| (format!("field{n}"), json!("x".repeat(900)))).collect::<Value>();
        for (value, stands) in [
            (json!({}), true),
            (fields(17), true),
            (fields(19), false),
            (fields(100_000), false),
            (json!(vec!["word"; 100_000]), false),
            (json!({ "x".repeat(20_000): 1 }), false),
        ] {
            let told = bounded(value.clone());
            assert!(told.len() <= VALUE_BYTES_MAX, "{}", told.len());
            assert_eq!(read(&told) == value, stands, "{}", told.len());
        }
    }
}
