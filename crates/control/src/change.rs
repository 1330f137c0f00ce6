//! A change under way: the open transaction and who makes it. All rules are its methods, each beside the noun it is about.
//!
//! - A change notes what it did ([`Change::note`]): the audit entries and the rows are one transaction.
//! - Each row that it writes gets the version that it makes.

use crate::audit::{self, Actor, Resourced};
use crate::db::{Row, Value, values};
use crate::view::View;
use crate::{ControlError, Resource, StoreError};
use domicile_keys::KeyError;
use domicile_world::Random;
use serde_json::{Map, Value as Json};
use std::ops::Deref;

/// One change. What it has written so far, it also reads.
pub struct Change<'a> {
    view: View<'a>,
    by: &'a Actor,
    version: u64,
    changed: bool,
}

impl<'a> Deref for Change<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &Self::Target {
        &self.view
    }
}

impl<'a> Change<'a> {
    pub(crate) fn new(view: View<'a>, by: &'a Actor, version: u64) -> Self {
        Self { view, by, version, changed: false }
    }

    /// Who makes it.
    pub fn by(&self) -> &'a Actor {
        self.by
    }

    /// The configuration version that it makes, if it changes anything.
    pub(crate) fn makes(&self) -> u64 {
        self.version
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.inner.world.random
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Says that something of the configuration changed, where no audit entry says it.
    pub(crate) fn touch(&mut self) {
        self.changed = true;
    }

    /// Puts an entry on the audit trail, and so says that something changed.
    pub(crate) fn note(
        &mut self,
        kind: &str,
        of: &Resourced<'_>,
        before: Option<Json>,
        after: Option<Json>,
    ) -> Result<(), ControlError> {
        audit::insert(self, kind, of, before, after)?;
        self.changed = true;
        Ok(())
    }

    /// Counts the change: the configuration has its version from now on.
    pub(crate) fn take_version(&mut self) -> Result<(), ControlError> {
        self.run("count a change", "UPDATE meta SET config_version = ?1", values![self.version]).map(drop)
    }

    /// Runs one statement; gives the number of rows it changed. `doing` completes "could not …".
    pub(crate) fn run(&self, doing: &'static str, sql: &str, values: &[Value]) -> Result<u64, ControlError> {
        self.db.run(sql, values).map_err(|e| self.inner.sql(doing, e))
    }

    /// Runs an `INSERT … RETURNING number`; `what` completes "the cell has given out all its … numbers".
    pub(crate) fn insert(
        &self,
        doing: &'static str,
        what: &str,
        sql: &str,
        values: &[Value],
    ) -> Result<u32, ControlError> {
        let number: Option<i64> = self.one(doing, sql, values, |row: &Row| row.get(0))?;
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| ControlError::Conflict {
            what: format!("the cell has given out all its {what} numbers"),
            mend: format!("make the {what} in another cell"),
        })
    }

    /// Seals what must not be read back. `id`: whose secret it is, for the message.
    pub(crate) fn seal(&self, id: &str, secrets: &Map<String, Json>) -> Result<Option<Vec<u8>>, ControlError> {
        if secrets.is_empty() {
            return Ok(None);
        }
        let text = Json::Object(secrets.clone()).to_string();
        self.inner.keys.seal_secret(text.as_bytes()).map(Some).map_err(|error| self.secret(id, error))
    }
}

impl View<'_> {
    /// Opens what [`Change::seal`] sealed. Only for who sends with it: it never goes into an answer.
    pub(crate) fn unseal(&self, id: &str, sealed: Option<&[u8]>) -> Result<Map<String, Json>, ControlError> {
        let Some(sealed) = sealed else { return Ok(Map::new()) };
        let plain = self.inner.keys.open_secret(sealed).map_err(|error| self.secret(id, error))?;
        serde_json::from_slice(&plain).map_err(|_| self.damaged(format!("{id}: its secrets are not a JSON object")))
    }

    pub(crate) fn secret(&self, id: &str, error: KeyError) -> ControlError {
        ControlError::Store(StoreError::Secret { file: self.inner.db.at.clone(), id: id.to_owned(), error })
    }

    pub(crate) fn damaged(&self, what: String) -> ControlError {
        ControlError::Store(StoreError::Damaged { file: self.inner.db.at.clone(), what })
    }
}

/// Refuses a change of something that was changed since its maker read it.
pub(crate) fn refuse_stale(resource: Resource, version: u64, wanted: Option<u64>) -> Result<(), ControlError> {
    match wanted {
        Some(wanted) if wanted != version => Err(ControlError::Stale { resource, version }),
        _ => Ok(()),
    }
}
