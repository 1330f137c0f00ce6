//! The database, and the one way to change it.

use crate::audit::{Actor, Resourced};
use crate::{ControlError, Resource, StoreError, migration, snapshot};
use domicile_keys::Keyring;
use domicile_region::{Region, RegionId};
use domicile_workspace::{Current, Snapshot, WorkspaceId};
use domicile_world::{Millis, World};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use std::cell::Cell;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one program waits for another that holds the file (a backup, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What every file of SQLite begins with.
const SQLITE_BEGIN: &[u8; 16] = b"SQLite format 3\0";

/// The control store of a cell. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// For messages.
    pub(crate) file: String,
    pub(crate) world: World,
    pub(crate) region: Region,
    pub(crate) keys: Keyring,
    current: Current,
    writer: Mutex<Connection>,
    /// Reads go beside a change that waits for the disk (WAL).
    reader: Mutex<Connection>,
}

impl Store {
    /// Opens the store of `region`, or makes it; applies the migrations that are missing; reads the configuration.
    ///
    /// # Errors
    /// `OtherRegion` when the file belongs to another cell, and everything that keeps it from being read whole.
    pub fn open(world: &World, path: &Path, region: &Region, keys: &Keyring) -> Result<Self, StoreError> {
        let file = path.display().to_string();
        make_file(world, path).map_err(|error| StoreError::Io { file: file.clone(), error })?;
        let mut writer = connect(path, &file)?;
        refuse_other_region(&writer, &file, &region.id)?;
        let now = world.clock.now();
        let applied = migration::migrate(&mut writer, &file, now)?;
        if applied > 0 {
            tracing::info!(region = %region.id, applied, "control store migrated");
        }
        let sql = |doing| move |e| StoreError::sql(path.to_str().unwrap_or("control.db"), doing, e);
        writer
            .execute(
                "INSERT INTO meta (one, region, config_version) SELECT 1, ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM meta)",
                [region.id.as_str()],
            )
            .map_err(sql("note the region"))?;
        refuse_other_region(&writer, &file, &region.id)?;
        let health: String =
            writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(sql("check the file"))?;
        if health != "ok" {
            return Err(StoreError::Damaged { file, what: health });
        }
        let reader = connect(path, &file)?;
        reader.pragma_update(None, "query_only", true).map_err(sql("open for reading"))?;
        let snapshot = snapshot::read(&reader, &file, region, keys)?;
        let inner = Inner {
            file,
            world: world.clone(),
            region: region.clone(),
            keys: keys.clone(),
            current: Current::new(snapshot),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether what lies at `path` can be a control store: a first look, which opens and changes nothing.
    ///
    /// # Errors
    /// `NotOurs`, and `Io` when it can't be read.
    pub fn look(world: &World, path: &Path) -> Result<(), StoreError> {
        if !world.disk.exists(path) {
            return Ok(());
        }
        let file = path.display().to_string();
        let mut begin = [0; SQLITE_BEGIN.len()];
        let read = world.disk.open_read(path).and_then(|file| file.read_full_at(&mut begin, 0));
        match read.map_err(|error| StoreError::Io { file: file.clone(), error })? {
            // Made, and not written yet.
            0 => Ok(()),
            _ if begin == *SQLITE_BEGIN => Ok(()),
            _ => Err(StoreError::NotOurs { file }),
        }
    }

    /// Where the newest configuration is found.
    pub fn current(&self) -> Current {
        self.inner.current.clone()
    }

    /// The region that this store belongs to.
    pub fn region(&self) -> &RegionId {
        &self.inner.region.id
    }

    /// Makes one change: whole, or not at all. `make` notes what it did with [`Change::note`]; when it noted nothing,
    /// nothing has changed and the version stays. Also gives the configuration as it is after the change.
    pub(crate) fn change<T>(
        &self,
        by: &Actor,
        make: impl FnOnce(&Change<'_>) -> Result<T, ControlError>,
    ) -> Result<(T, Arc<Snapshot>), ControlError> {
        let inner = &*self.inner;
        let sql = |doing| move |e| ControlError::Store(StoreError::sql(&inner.file, doing, e));
        let mut writer = lock(&inner.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("begin a change"))?;
        let change = Change { db: &tx, inner, by, at: inner.world.clock.now(), noted: Cell::new(false) };
        // From here on an early return drops the transaction, which rolls it back.
        let made = make(&change)?;
        if change.noted.get() {
            tx.execute("UPDATE meta SET config_version = config_version + 1", []).map_err(sql("count a change"))?;
            // Read before the commit: a change that can't be read back is not made.
            let snapshot = snapshot::read(&tx, &inner.file, &inner.region, &inner.keys)?;
            tx.commit().map_err(sql("commit a change"))?;
            // Still under the lock, so that versions are put in their order.
            inner.current.put(snapshot);
        }
        Ok((made, inner.current.load()))
    }

    /// Writes what is no configuration: a look at payload, a token's last use.
    pub(crate) fn note<T>(
        &self,
        by: &Actor,
        make: impl FnOnce(&Change<'_>) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let inner = &*self.inner;
        let sql = |doing| move |e| ControlError::Store(StoreError::sql(&inner.file, doing, e));
        let mut writer = lock(&inner.writer);
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql("begin a note"))?;
        let change = Change { db: &tx, inner, by, at: inner.world.clock.now(), noted: Cell::new(false) };
        let made = make(&change)?;
        tx.commit().map_err(sql("commit a note"))?;
        Ok(made)
    }

    /// Reads beside whatever is being changed.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        read(&lock(&self.inner.reader)).map_err(|e| StoreError::sql(&self.inner.file, doing, e))
    }
}

/// A change under way: the open transaction and who makes it.
pub(crate) struct Change<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) inner: &'a Inner,
    pub(crate) by: &'a Actor,
    pub(crate) at: Millis,
    noted: Cell<bool>,
}

impl Change<'_> {
    /// Puts an entry on the audit trail, and so says that something changed.
    pub(crate) fn note(
        &self,
        kind: &'static str,
        of: &Resourced<'_>,
        before: Option<serde_json::Value>,
        after: Option<serde_json::Value>,
    ) -> Result<(), ControlError> {
        crate::audit::insert(self, kind, of, before, after).map_err(|e| self.sql("write the audit trail", e))?;
        self.noted.set(true);
        Ok(())
    }

    pub(crate) fn sql(&self, doing: &'static str, error: rusqlite::Error) -> ControlError {
        ControlError::Store(StoreError::sql(&self.inner.file, doing, error))
    }

    /// The number of a workspace.
    pub(crate) fn workspace(&self, id: &WorkspaceId) -> Result<u32, ControlError> {
        self.db
            .query_row("SELECT number FROM workspaces WHERE id = ?1", [id.as_str()], |row| row.get(0))
            .optional()
            .map_err(|e| self.sql("find a workspace", e))?
            .ok_or(ControlError::NotFound(Resource::Workspace))
    }

    /// Runs one statement.
    pub(crate) fn run(
        &self,
        doing: &'static str,
        statement: &str,
        values: impl rusqlite::Params,
    ) -> Result<usize, ControlError> {
        self.db.execute(statement, values).map_err(|e| self.sql(doing, e))
    }
}

/// A panic while the lock was held rolled its transaction back: the connection is as good as before.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes an empty private file where there is none: SQLite would make it readable for all. Its side files (`-wal`,
/// `-shm`) take the mode from it.
fn make_file(world: &World, path: &Path) -> std::io::Result<()> {
    if world.disk.exists(path) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        world.disk.make_folder(folder, true)?;
    }
    drop(world.disk.open_append(path)?);
    path.parent().map_or(Ok(()), |folder| world.disk.sync_folder(folder))
}

fn connect(path: &Path, file: &str) -> Result<Connection, StoreError> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        // FULL: a change that was answered outlives a power loss.
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "trusted_schema", false)?;
        // Lets the delete triggers see what REPLACE takes away.
        db.pragma_update(None, "recursive_triggers", true)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    };
    open().map_err(|e| StoreError::sql(file, "open the control store", e))
}

fn refuse_other_region(db: &Connection, file: &str, here: &RegionId) -> Result<(), StoreError> {
    let sql = |e| StoreError::sql(file, "read whose file it is", e);
    let made: bool = db
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'meta'", params![], |row| {
            Ok(row.get::<_, i64>(0)? > 0)
        })
        .map_err(sql)?;
    if !made {
        return Ok(());
    }
    let found: Option<String> = db
        .query_row(
            "SELECT region FROM meta UNION SELECT region FROM workspaces WHERE region IS NOT ?1 LIMIT 1",
            [here.as_str()],
            |row| row.get(0),
        )
        .optional()
        .map_err(sql)?;
    match found {
        Some(found) if found != here.as_str() => {
            Err(StoreError::OtherRegion { file: file.to_owned(), found: RegionId::new(found), here: here.clone() })
        }
        _ => Ok(()),
    }
}
