//! Write keys: what a source is known by on the wire.
//!
//! - A source always has a key, so that it can be rotated without a moment in which nothing is taken.
//! - A key belongs to one source for good. One that was deleted keeps its row and can come back to its own source only, and
//!   one of a deleted source with that source: whoever still sends with it must not become somebody else's.
//! - A key made here names its region (`euw_…`); the audit trail and logs show its first letters only.

use crate::change::Change;
use crate::db::values;
use crate::source::SourceRecord;
use crate::{ControlError, Resource, id};
use domicile_workspace::{SourceId, WorkspaceId};
use domicile_world::Millis;
use serde_json::json;

/// Letters and digits of a write key after its region's prefix: 190 bits.
const WRITE_KEY_CHARS: usize = 32;
/// Keys of one source: enough to give each of its apps one and to rotate.
const WRITE_KEYS_MAX: usize = 100;

impl Change<'_> {
    /// Gives a source one more write key, switched on. It stands last in [`SourceRecord::write_keys`].
    pub fn add_write_key(&mut self, workspace: &WorkspaceId, id: &SourceId) -> Result<SourceRecord, ControlError> {
        let row = self.source(workspace, id)?;
        self.refuse_many_keys(&row)?;
        let key = self.insert_write_key(row.number)?;
        self.touch_source(row.number)?;
        let after = json!({ "writeKey": shown(&key) });
        self.note("Source Write Key Created", &row.resourced(), None, Some(after))?;
        self.source(workspace, id)
    }

    /// Switches a write key on or off. Events with a key that is off are refused.
    pub fn enable_write_key(
        &mut self,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
        enabled: bool,
    ) -> Result<SourceRecord, ControlError> {
        let row = self.source(workspace, id)?;
        let found = row.write_keys.iter().find(|found| found.key == key);
        let before = found.ok_or(ControlError::NotFound(Resource::WriteKey))?.enabled;
        if before == enabled {
            return Ok(row);
        }
        self.run("switch a write key", "UPDATE write_keys SET enabled = ?2 WHERE key = ?1", values![key, enabled])?;
        self.touch_source(row.number)?;
        let state = |enabled: bool| Some(json!({ "writeKey": shown(key), "enabled": enabled }));
        self.note("Source Write Key Modified", &row.resourced(), state(before), state(enabled))?;
        self.source(workspace, id)
    }

    /// Takes a write key away: nothing is taken with it until its own source keeps it again.
    ///
    /// # Errors
    /// `Conflict` for a source's last key: a source without one could never be sent to again.
    pub fn delete_write_key(
        &mut self,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
    ) -> Result<SourceRecord, ControlError> {
        let row = self.source(workspace, id)?;
        if !row.write_keys.iter().any(|found| found.key == key) {
            return Err(ControlError::NotFound(Resource::WriteKey));
        }
        if row.write_keys.len() == 1 {
            return Err(ControlError::Conflict {
                what: "this is the source's last write key".to_owned(),
                mend: "create the next key first, or switch the source off".to_owned(),
            });
        }
        self.run(
            "delete a write key",
            "UPDATE write_keys SET enabled = 0, deleted_at = ?3 WHERE key = ?1 AND source = ?2",
            values![key, row.number, self.now],
        )?;
        self.touch_source(row.number)?;
        let before = json!({ "writeKey": shown(key) });
        self.note("Source Write Key Deleted", &row.resourced(), Some(before), None)?;
        self.source(workspace, id)
    }

    pub(crate) fn insert_write_key(&mut self, source: u32) -> Result<String, ControlError> {
        let key = format!("{}_{}", self.region().key_prefix, id::base62(self.random(), WRITE_KEY_CHARS));
        self.insert_given_key(source, &key)?;
        Ok(key)
    }

    pub(crate) fn refuse_many_keys(&self, row: &SourceRecord) -> Result<(), ControlError> {
        if row.write_keys.len() < WRITE_KEYS_MAX {
            return Ok(());
        }
        Err(ControlError::Conflict {
            what: format!("the source has {WRITE_KEYS_MAX} write keys"),
            mend: "delete one that is no longer used".to_owned(),
        })
    }

    fn insert_given_key(&mut self, source: u32, key: &str) -> Result<(), ControlError> {
        let made_at = self.next_key_time(source)?;
        self.run(
            "make a write key",
            "INSERT INTO write_keys (key, source, enabled, created_at) VALUES (?1, ?2, 1, ?3)",
            values![key, source, made_at],
        )
        .map(drop)
    }

    /// Gives a source a key that it does not have: one that nobody had, or its own that was deleted.
    ///
    /// # Errors
    /// `Conflict` when another source has it, or had it.
    pub(crate) fn claim_key(&mut self, source: u32, key: &str) -> Result<(), ControlError> {
        let sql = "SELECT k.source, k.deleted_at IS NOT NULL, s.deleted_at IS NOT NULL
                   FROM write_keys k JOIN sources s ON s.number = k.source WHERE k.key = ?1";
        let found = self.one("look for a write key", sql, values![key], |row| {
            let whose = match (row.get(1)?, row.get(2)?) {
                (_, true) => "was a deleted source's",
                (true, false) => "was that of another source of this cell",
                (false, false) => "is that of another source of this cell",
            };
            Ok((row.get::<u32>(0)?, whose))
        })?;
        match found {
            None => self.insert_given_key(source, key),
            Some((owner, _)) if owner == source => {
                let made_at = self.next_key_time(source)?;
                self.run(
                    "take a write key back",
                    "UPDATE write_keys SET enabled = 1, deleted_at = NULL, created_at = ?2 WHERE key = ?1",
                    values![key, made_at],
                )
                .map(drop)
            }
            Some((_, whose)) => Err(ControlError::Conflict {
                what: format!("the write key `{}` {whose}", shown(key)),
                mend: "a key names one source for good: leave it out, and give what sends with it a new one".to_owned(),
            }),
        }
    }

    /// Keys are ordered by their time; two of one millisecond would stand in the order of their letters.
    fn next_key_time(&self, source: u32) -> Result<Millis, ControlError> {
        let sql = "SELECT max(created_at) FROM write_keys WHERE source = ?1";
        let newest: Option<Millis> =
            self.one("read a source's newest key", sql, values![source], |row| row.get(0))?.flatten();
        Ok(newest.map_or(self.now, |newest| self.now.max(newest.plus(1))))
    }
}

/// Enough of a key to tell it from the source's others, too little to send with.
pub(crate) fn shown(key: &str) -> String {
    let shown: String = key.chars().take(8).collect();
    format!("{shown}…")
}
