//! Write keys that were made elsewhere or before: they are kept as they are, so that nothing has to be released again to be
//! imported, or to be restored from an export.

use crate::change::Change;
use crate::db::values;
use crate::write_key;
use crate::{ControlError, SourceRecord};
use domicile_workspace::{SourceId, WorkspaceId};
use serde_json::json;

/// Keys of all vendors that are known are shorter.
const CHARS_MAX: usize = 128;

impl Change<'_> {
    /// Brings a deleted source back, when one of `keys` was its: the source of this workspace and slug, with its id and
    /// its number. Its keys are its own to keep again, its destinations stay deleted.
    ///
    /// Only so can a key of a deleted source be used again: a row of a key never changes its source.
    ///
    /// # Errors
    /// `Conflict` when its catalog's kind is another than `catalog`.
    pub(crate) fn restore_source(
        &mut self,
        workspace: &WorkspaceId,
        slug: &str,
        catalog: &str,
        keys: &[String],
    ) -> Result<Option<SourceRecord>, ControlError> {
        let number = self.workspace_number(workspace)?;
        let mut found = None;
        for key in keys {
            found = self.one(
                "look for a deleted source",
                "SELECT s.number, s.id, s.kind FROM write_keys k JOIN sources s ON s.number = k.source
                 WHERE k.key = ?1 AND s.workspace = ?2 AND s.slug = ?3 AND s.deleted_at IS NOT NULL",
                values![key, number, slug],
                |row| Ok((row.get::<u32>(0)?, SourceId::new(row.get::<String>(1)?), row.get::<String>(2)?)),
            )?;
            if found.is_some() {
                break;
            }
        }
        let Some((source, id, was)) = found else { return Ok(None) };
        if was != catalog {
            return Err(ControlError::Conflict {
                what: format!("its write keys were those of a deleted source `{slug}` of type `{was}`"),
                mend: format!("say `type: {was}` to have it back, or leave `writeKeys` out"),
            });
        }
        self.run(
            "restore a source",
            "UPDATE sources SET deleted_at = NULL WHERE number = ?1 AND deleted_at IS NOT NULL",
            values![source],
        )?;
        self.run(
            "take a restored source's keys away",
            "UPDATE write_keys SET enabled = 0, deleted_at = ?2 WHERE source = ?1 AND deleted_at IS NULL",
            values![source, self.now],
        )?;
        self.touch_source(source)?;
        let row = self.source(workspace, &id)?;
        self.note("Source Created", &row.resourced(), None, Some(json!({ "slug": slug, "restored": true })))?;
        Ok(Some(row))
    }

    /// Gives a source a write key that was made elsewhere.
    ///
    /// # Errors
    /// `Invalid` for what could be no key; `Conflict` when a source of this cell has it, or had it.
    pub fn keep_write_key(
        &mut self,
        workspace: &WorkspaceId,
        id: &SourceId,
        key: &str,
    ) -> Result<SourceRecord, ControlError> {
        let row = self.source(workspace, id)?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'~');
        if key.is_empty() || key.len() > CHARS_MAX || !key.bytes().all(fits) {
            let mend = format!("give 1 to {CHARS_MAX} letters, digits, `_`, `-`, `.` and `~`");
            return Err(ControlError::invalid("writeKeys", "holds what can be no write key", mend));
        }
        if row.write_keys.iter().any(|has| has.key == key) {
            return Ok(row);
        }
        self.refuse_many_keys(&row)?;
        self.claim_key(row.number, key)?;
        self.touch_source(row.number)?;
        let after = json!({ "writeKey": write_key::shown(key) });
        self.note("Source Write Key Created", &row.resourced(), None, Some(after))?;
        self.source(workspace, id)
    }
}
