//! Write keys that were made elsewhere: they are kept as they are, so that nothing has to be released again to be imported.

use crate::change::Change;
use crate::write_key;
use crate::{ControlError, SourceRecord};
use domicile_workspace::{SourceId, WorkspaceId};
use serde_json::json;

/// Keys of all vendors that are known are shorter.
const CHARS_MAX: usize = 128;

impl Change<'_> {
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
