//! A look at one state of the store. All reads are its methods, each beside the noun that it reads.

use crate::db::{Connection, DbError, Row, Value, values};
use crate::store::Inner;
use crate::{ControlError, Resource};
use domicile_region::Region;
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use std::cell::RefCell;

/// One state of the store: all that is read through one view fits together.
pub struct View<'a> {
    pub(crate) db: &'a dyn Connection,
    pub(crate) inner: &'a Inner,
    pub(crate) now: Millis,
    /// The workspace that was asked for last and its number, which never changes: most views are about one.
    number: RefCell<Option<(WorkspaceId, u32)>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(db: &'a dyn Connection, inner: &'a Inner) -> Self {
        Self { db, inner, now: inner.world.clock.now(), number: RefCell::new(None) }
    }
}

impl View<'_> {
    /// The configuration version of this state.
    pub fn version(&self) -> Result<u64, ControlError> {
        let version = self.one("read the version", "SELECT config_version FROM meta", &[], |row| row.get(0))?;
        version.ok_or_else(|| self.inner.sql("read the version", DbError::odd("the row of `meta` is missing")))
    }

    /// The region that the store belongs to.
    pub fn region(&self) -> &Region {
        &self.inner.region
    }

    /// When the view or change began.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// All rows of an answer. `doing` completes "could not …".
    pub(crate) fn all<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value],
        read: impl FnMut(&Row) -> Result<T, DbError>,
    ) -> Result<Vec<T>, ControlError> {
        let rows = self.db.rows(sql, values).and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(|e| self.inner.sql(doing, e))
    }

    /// The first row of an answer.
    pub(crate) fn one<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: &[Value],
        read: impl FnOnce(&Row) -> Result<T, DbError>,
    ) -> Result<Option<T>, ControlError> {
        let row = self.db.rows(sql, values).and_then(|rows| rows.first().map(read).transpose());
        row.map_err(|e| self.inner.sql(doing, e))
    }

    /// What `SELECT count(*) …` gives.
    pub(crate) fn count(&self, doing: &'static str, sql: &str, values: &[Value]) -> Result<u64, ControlError> {
        Ok(self.one(doing, sql, values, |row| row.get(0))?.unwrap_or(0))
    }

    /// The number of a workspace.
    pub(crate) fn workspace_number(&self, id: &WorkspaceId) -> Result<u32, ControlError> {
        if let Some((_, number)) = self.number.borrow().as_ref().filter(|(known, _)| known == id) {
            return Ok(*number);
        }
        let sql = "SELECT number FROM workspaces WHERE id = ?1";
        let number = self.one("find a workspace", sql, values![id.as_str()], |row| row.get(0))?;
        let number: u32 = number.ok_or(ControlError::NotFound(Resource::Workspace))?;
        *self.number.borrow_mut() = Some((id.clone(), number));
        Ok(number)
    }
}
