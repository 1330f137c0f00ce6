//! Write keys: what a source is known by on the wire.
//!
//! - A source always has a key, so that it can be rotated without a moment in which nothing is taken.
//! - A key made here names its region (`euw_…`); the audit trail and logs show its first letters only.

use crate::audit::Actor;
use crate::store::Change;
use crate::{ControlError, Resource, Store, id, source};
use domicile_workspace::{Source, SourceId, WorkspaceId};
use rusqlite::{OptionalExtension, params};
use serde_json::json;
use std::sync::Arc;

/// Letters and digits of a write key after its region's prefix: 190 bits.
const WRITE_KEY_CHARS: usize = 32;
/// Keys of one source: enough to give each of its apps one and to rotate.
const WRITE_KEYS_MAX: u32 = 100;
impl Store {
    /// Gives a source one more write key, switched on. It stands last in [`Source::write_keys`].
    pub fn add_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
    ) -> Result<Arc<Source>, ControlError> {
        let ((), snapshot) = self.change(by, |change| {
            let row = source::find(change, workspace, id)?;
            if count(change, row.number)? >= WRITE_KEYS_MAX {
                return Err(ControlError::Conflict {
                    what: format!("the source has {WRITE_KEYS_MAX} write keys"),
                    mend: "delete one that is no longer used".to_owned(),
                });
            }
            let key = insert(change, row.number)?;
            change.note("Source Write Key Created", &row.resourced(), None, Some(json!({ "writeKey": shown(&key) })))
        })?;
        snapshot.source(id).cloned().ok_or(ControlError::NotFound(Resource::Source))
    }

    /// Switches a write key on or off. Events with a key that is off are refused.
    pub fn enable_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
        enabled: bool,
    ) -> Result<Arc<Source>, ControlError> {
        let ((), snapshot) = self.change(by, |change| {
            let row = source::find(change, workspace, id)?;
            let before: bool = change
                .db
                .query_row(
                    "SELECT enabled FROM write_keys WHERE key = ?1 AND source = ?2",
                    params![key, row.number],
                    |row| row.get(0),
                )
                .optional()
                .map_err(|e| change.sql("find a write key", e))?
                .ok_or(ControlError::NotFound(Resource::WriteKey))?;
            if before == enabled {
                return Ok(());
            }
            change.run(
                "switch a write key",
                "UPDATE write_keys SET enabled = ?2 WHERE key = ?1",
                params![key, enabled],
            )?;
            let state = |enabled: bool| Some(json!({ "writeKey": shown(key), "enabled": enabled }));
            change.note("Source Write Key Modified", &row.resourced(), state(before), state(enabled))
        })?;
        snapshot.source(id).cloned().ok_or(ControlError::NotFound(Resource::Source))
    }

    /// Takes a write key away for good.
    ///
    /// # Errors
    /// `Conflict` for a source's last key: a source without one could never be sent to again.
    pub fn delete_write_key(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
    ) -> Result<(), ControlError> {
        self.change(by, |change| {
            let row = source::find(change, workspace, id)?;
            let keys = count(change, row.number)?;
            let deleted = change.run(
                "delete a write key",
                "DELETE FROM write_keys WHERE key = ?1 AND source = ?2",
                params![key, row.number],
            )?;
            if deleted == 0 {
                return Err(ControlError::NotFound(Resource::WriteKey));
            }
            if keys == 1 {
                return Err(ControlError::Conflict {
                    what: "this is the source's last write key".to_owned(),
                    mend: "create the next key first, or switch the source off".to_owned(),
                });
            }
            change.note("Source Write Key Deleted", &row.resourced(), Some(json!({ "writeKey": shown(key) })), None)
        })?;
        Ok(())
    }
}

fn count(change: &Change<'_>, source: u32) -> Result<u32, ControlError> {
    change
        .db
        .query_row("SELECT count(*) FROM write_keys WHERE source = ?1", [source], |row| row.get(0))
        .map_err(|e| change.sql("count write keys", e))
}

pub(crate) fn insert(change: &Change<'_>, source: u32) -> Result<String, ControlError> {
    let inner = change.inner;
    let key = format!("{}_{}", inner.region.key_prefix, id::base62(&*inner.world.random, WRITE_KEY_CHARS));
    // Keys are ordered by their time; two of one millisecond would stand in the order of their letters.
    change.run(
        "make a write key",
        "INSERT INTO write_keys (key, source, enabled, created_at)
         VALUES (?1, ?2, 1, max(?3, coalesce((SELECT max(created_at) + 1 FROM write_keys WHERE source = ?2), 0)))",
        params![key, source, change.at.0],
    )?;
    Ok(key)
}

/// Enough of a key to tell it from the source's others, too little to send with.
fn shown(key: &str) -> String {
    let shown: String = key.chars().take(8).collect();
    format!("{shown}…")
}
