//! SQLite: the control store of one machine, a file.
//!
//! - WAL with `synchronous = FULL`: a change that was answered outlives a power loss, and reads go beside it.
//! - SQLite opens its own files: this is the one place whose disk is not the [`World`]'s.

use super::{Begin, Connection, Database, DbError, Engine, Fault, Row, Rows, Value};
use crate::StoreError;
use domicile_world::World;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ErrorCode, OpenFlags, ToSql};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long one program waits for another that holds the file (a backup, a shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// What every file of SQLite begins with.
const SQLITE_BEGIN: &[u8; 16] = b"SQLite format 3\0";
/// Marks the file as ours: "Domi".
const APPLICATION_ID: i64 = 0x446f_6d69;
const WAL_TRIES: u32 = 20;
const STATEMENTS_KEPT: usize = 256;

/// Opens the file, or makes an empty private one. `NotOurs` for one that something else wrote.
pub(crate) fn open(world: &World, path: &Path) -> Result<Database, StoreError> {
    let at = path.display().to_string();
    make_file(world, path).map_err(|error| StoreError::Io { file: at.clone(), error })?;
    let sql = |doing| {
        let at = at.clone();
        move |e| StoreError::sql(&at, doing, e)
    };
    let writer = connect(path).map_err(sql("open the control store"))?;
    claim(&writer, &at)?;
    let path = path.to_owned();
    let reader = move || -> Result<Box<dyn Connection>, DbError> {
        let reader = connect(&path)?;
        reader.0.pragma_update(None, "query_only", true).map_err(fault)?;
        Ok(Box::new(reader))
    };
    Ok(Database::new(Engine::Sqlite, at, Box::new(writer), Arc::new(reader)))
}

/// Whether what lies at `path` can be a control store: a first look, which opens and changes nothing.
pub(crate) fn look(world: &World, path: &Path) -> Result<(), StoreError> {
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

/// Reads through the file's pages in search of damage.
pub(crate) fn check(database: &Database) -> Result<(), StoreError> {
    let sql = |e| StoreError::sql(&database.at, "check the file", e);
    let tx = database.begin(Begin::View).map_err(sql)?;
    let found = tx.rows("PRAGMA quick_check(1)", &[]).map_err(sql)?;
    let health: String = found.first().map_or(Ok(String::new()), |row| row.get(0)).map_err(sql)?;
    match health.as_str() {
        "ok" => Ok(()),
        what => Err(StoreError::Damaged { file: database.at.clone(), what: what.to_owned() }),
    }
}

/// Refuses a file of another program, and marks an empty one as ours.
fn claim(db: &Sqlite, at: &str) -> Result<(), StoreError> {
    let sql = |e| StoreError::sql(at, "read whose file it is", e);
    db.begin(Begin::Migrate).map_err(sql)?;
    let number =
        |statement| -> Result<i64, DbError> { db.rows(statement, &[])?.first().map_or(Ok(0), |row| row.get(0)) };
    let claimed = (|| {
        let application = number("PRAGMA application_id").map_err(sql)?;
        let tables = number("SELECT count(*) FROM sqlite_schema").map_err(sql)?;
        if application != APPLICATION_ID && (application != 0 || tables != 0) {
            return Err(StoreError::NotOurs { file: at.to_owned() });
        }
        if application == APPLICATION_ID {
            return Ok(());
        }
        db.batch(&format!("PRAGMA application_id = {APPLICATION_ID}")).map_err(sql)
    })();
    match claimed {
        Ok(()) => db.commit().map_err(sql),
        Err(error) => {
            db.rollback();
            Err(error)
        }
    }
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

fn connect(path: &Path) -> Result<Sqlite, DbError> {
    let open = || -> rusqlite::Result<rusqlite::Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = rusqlite::Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        keep_ahead_log(&db)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "trusted_schema", false)?;
        // Lets the delete triggers see what REPLACE takes away.
        db.pragma_update(None, "recursive_triggers", true)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        Ok(db)
    };
    open().map(Sqlite).map_err(fault)
}

/// Turns WAL on. Of programs that do this to one new file at once, SQLite lets some fail without the busy time-out; a
/// transaction waits with it for whoever is ahead.
fn keep_ahead_log(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    for _ in 0..WAL_TRIES {
        match db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                db.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
            }
            done => return done,
        }
    }
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
}

struct Sqlite(rusqlite::Connection);

impl Connection for Sqlite {
    fn begin(&self, what: Begin) -> Result<(), DbError> {
        // Immediate: of two programs that change one file, the second waits, and then sees what the first has done.
        match what {
            Begin::View => self.batch("BEGIN"),
            Begin::Change | Begin::Migrate => self.batch("BEGIN IMMEDIATE"),
            Begin::ChangeIfFree => {
                self.0.busy_timeout(Duration::ZERO).map_err(fault)?;
                let begun = self.batch("BEGIN IMMEDIATE");
                self.0.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
                begun
            }
        }
    }

    fn commit(&self) -> Result<(), DbError> {
        self.batch("COMMIT")
    }

    fn rollback(&self) {
        // A full disk may have rolled it back already.
        if !self.0.is_autocommit()
            && let Err(error) = self.batch("ROLLBACK")
        {
            tracing::error!(%error, "could not roll back a change");
        }
    }

    fn run(&self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        let run = || self.0.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values));
        run().map(|rows| rows as u64).map_err(fault)
    }

    fn rows_within(&self, sql: &str, values: &[Value], bytes: usize) -> Result<Rows, DbError> {
        let read = || {
            let mut statement = self.0.prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(values))?;
            let mut found = Rows::default();
            while let Some(row) = rows.next()? {
                let columns: rusqlite::Result<Vec<Value>> = (0..columns).map(|n| row.get_ref(n).map(owned)).collect();
                if !found.take(Row(columns?), bytes) {
                    break;
                }
            }
            Ok(found)
        };
        read().map_err(fault)
    }

    fn batch(&self, sql: &str) -> Result<(), DbError> {
        self.0.execute_batch(sql).map_err(fault)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(int) => Value::Int(int),
        // No column has this type.
        ValueRef::Real(_) => Value::Null,
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

fn fault(error: rusqlite::Error) -> DbError {
    let fault = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Fault::NotADatabase,
        Some(ErrorCode::DatabaseCorrupt) => Fault::Damaged,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Fault::Busy,
        Some(ErrorCode::DiskFull) => Fault::Passes,
        _ => Fault::Lasts,
    };
    DbError::new(Engine::Sqlite, fault, error.to_string())
}
