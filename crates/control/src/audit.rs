//! The audit trail: who changed or looked at what. It only grows; triggers in the database hold that.

use crate::store::Change;
use crate::{ControlError, Resource, Store, StoreError};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use rusqlite::params;
use serde_json::Value;

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Who runs the program: the demo's set-up, commands on the machine itself.
    Operator,
    /// Someone with an API token.
    Token { id: String, name: String },
}

impl Actor {
    fn code(&self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Token { id, .. } => format!("token:{id}"),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Operator => "operator",
            Self::Token { name, .. } => name,
        }
    }
}

/// One line of the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Goes up; a page ends with one and the next begins after it.
    pub number: u64,
    pub at: Millis,
    /// `operator` or `token:ID`.
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

/// What an entry is about.
pub(crate) struct Resourced<'a> {
    pub(crate) workspace: u32,
    pub(crate) resource: Resource,
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

pub(crate) fn insert(
    change: &Change<'_>,
    kind: &'static str,
    of: &Resourced<'_>,
    before: Option<Value>,
    after: Option<Value>,
) -> rusqlite::Result<()> {
    change
        .db
        .prepare_cached(
            "INSERT INTO audit (at, actor, actor_name, workspace, type, resource_kind, resource_id, resource_name,
                                before, after, config_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, (SELECT config_version FROM meta) + 1)",
        )?
        .execute(params![
            change.at.0,
            change.by.code(),
            change.by.name(),
            of.workspace,
            kind,
            of.resource.as_str(),
            of.id,
            of.name,
            before.map(|value| value.to_string()),
            after.map(|value| value.to_string()),
        ])?;
    Ok(())
}

impl Store {
    /// Notes that someone looks at payload: `what` says at which (`event`, or `events` for a live view). Call it before
    /// the payload is shown, and show nothing when it fails.
    pub fn note_view(&self, by: &Actor, workspace: &WorkspaceId, what: &str, id: &str) -> Result<(), ControlError> {
        self.note(by, |change| {
            let number = change.workspace(workspace)?;
            change.run(
                "note a view",
                "INSERT INTO audit (at, actor, actor_name, workspace, type, resource_kind, resource_id, resource_name,
                                    config_version)
                 VALUES (?1, ?2, ?3, ?4, 'Payload Viewed', ?5, ?6, ?6, (SELECT config_version FROM meta))",
                params![change.at.0, by.code(), by.name(), number, what, id],
            )?;
            Ok(())
        })
    }

    /// Up to `limit` entries of a workspace after entry number `after` (0: from the first), oldest first.
    pub fn audit(&self, workspace: &WorkspaceId, after: u64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.read("read the audit trail", |db| {
            db.prepare_cached(
                "SELECT a.number, at, actor, actor_name, type, resource_kind, resource_id, resource_name, before, after,
                        config_version
                 FROM audit a JOIN workspaces w ON w.number = a.workspace
                 WHERE w.id = ?1 AND a.number > ?2 ORDER BY a.number LIMIT ?3",
            )?
            .query_map(params![workspace.as_str(), after, limit], |row| {
                let json = |n| -> rusqlite::Result<Option<Value>> {
                    Ok(row.get::<_, Option<String>>(n)?.and_then(|text| serde_json::from_str(&text).ok()))
                };
                Ok(AuditEntry {
                    number: row.get(0)?,
                    at: Millis(row.get(1)?),
                    actor: row.get(2)?,
                    actor_name: row.get(3)?,
                    kind: row.get(4)?,
                    resource_kind: row.get(5)?,
                    resource_id: row.get(6)?,
                    resource_name: row.get(7)?,
                    before: json(8)?,
                    after: json(9)?,
                    config_version: row.get(10)?,
                })
            })?
            .collect()
        })
    }
}
