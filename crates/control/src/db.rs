//! The database: one small surface that SQLite and PostgreSQL both have.
//!
//! ```text
//! View, Change ──► Tx ──► Connection ──► sqlite     the file of one machine
//!                                   └──► postgres   a thread of its own, a pipe of the border's
//! ```
//!
//! - SQL is written once, in what both understand: `?1` for a value, `RETURNING number`, `IS DISTINCT FROM`; times, counts
//!   and yes-or-no are 64-bit integers. What they write differently is in [`dialect`].
//! - Everything happens in a transaction. One that is dropped is rolled back.
//! - Reads go beside one another and beside the change that is under way, [`READERS_MAX`] at once; the next waits, for a
//!   few seconds. [`Database::begin_following`] has a connection of its own.
//! - Changes are made one after the other, whoever makes them: a change holds the database's one place for writing (SQLite)
//!   or the row of `meta` (PostgreSQL) from its first statement to its end.
//! - A NUL in a text becomes U+FFFD, because PostgreSQL can't hold it: what it is compared with has none.

pub(crate) mod dialect;
pub(crate) mod postgres;
mod readers;
pub(crate) mod sqlite;
mod value;

pub(crate) use value::{Row, Rows, ToValue, Value, values};

use readers::{Connect, Lent, READERS_MAX, Readers};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Reads one state of the database, beside whatever is being changed.
    View,
    /// Changes it; waits for the change that is under way.
    Change,
    /// Changes it, when nobody else does: fails at once as busy.
    ChangeIfFree,
    /// Makes and changes tables; waits for another program that does.
    Migrate,
}

/// What an engine can do. One caller at a time.
pub(crate) trait Connection: Send {
    fn begin(&self, what: Begin) -> Result<(), DbError>;
    fn commit(&self) -> Result<(), DbError>;
    /// Also after an error, and when the connection is lost.
    fn rollback(&self);
    /// Runs one statement; gives the number of rows it changed.
    fn run(&self, sql: &str, values: &[Value]) -> Result<u64, DbError>;
    fn rows(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        Ok(self.rows_within(sql, values, usize::MAX)?.rows)
    }
    /// The first rows, as many as `bytes` hold, and at least one. What is left off takes no memory.
    fn rows_within(&self, sql: &str, values: &[Value], bytes: usize) -> Result<Rows, DbError>;
    /// Runs several statements without values.
    fn batch(&self, sql: &str) -> Result<(), DbError>;
    /// Whether nothing can be done with it any more. One that connects anew by itself is not.
    fn is_broken(&self) -> bool {
        false
    }
}

/// The connections of a store: one that changes it, a few that read, one that follows others' changes.
pub(crate) struct Database {
    pub(crate) engine: Engine,
    /// For messages: the file, or the server and schema without user and password.
    pub(crate) at: String,
    writer: Mutex<Box<dyn Connection>>,
    readers: Readers,
    /// Beside the others, so that a cell full of long views still hears of what another program changed.
    follower: Readers,
}

impl Database {
    /// `connect` opens a connection for reading; it is asked when all that there are read something.
    pub(crate) fn new(engine: Engine, at: String, writer: Box<dyn Connection>, connect: Connect) -> Self {
        let readers = Readers::new(engine, READERS_MAX, Arc::clone(&connect));
        let follower = Readers::new(engine, 1, connect);
        Self { engine, at, writer: Mutex::new(writer), readers, follower }
    }

    /// A view on a connection that no other view takes.
    pub(crate) fn begin_following(&self) -> Result<Tx<'_>, DbError> {
        Place::Reader(self.follower.lend()?).begin(Begin::View)
    }

    pub(crate) fn begin(&self, what: Begin) -> Result<Tx<'_>, DbError> {
        let place = match what {
            Begin::View => Place::Reader(self.readers.lend()?),
            // A panic while the lock was held dropped its transaction: the connection is as good as before.
            _ => Place::Writer(self.writer.lock().unwrap_or_else(PoisonError::into_inner)),
        };
        place.begin(what)
    }

    /// A change, unless somebody makes one: another thread, or another program. All else that goes wrong is an error.
    pub(crate) fn begin_if_free(&self) -> Result<Option<Tx<'_>>, DbError> {
        let writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        match Place::Writer(writer).begin(Begin::ChangeIfFree) {
            Ok(tx) => Ok(Some(tx)),
            Err(error) if error.fault == Fault::Busy => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The connection of a transaction, for as long as it is open.
enum Place<'a> {
    Writer(MutexGuard<'a, Box<dyn Connection>>),
    Reader(Lent<'a>),
}

impl<'a> Place<'a> {
    fn begin(self, what: Begin) -> Result<Tx<'a>, DbError> {
        self.connection().begin(what)?;
        Ok(Tx { place: self, open: true })
    }

    fn connection(&self) -> &(dyn Connection + 'static) {
        match self {
            Self::Writer(writer) => &***writer,
            Self::Reader(reader) => reader.connection(),
        }
    }
}

/// An open transaction. Dropped without a commit, it is rolled back.
pub(crate) struct Tx<'a> {
    place: Place<'a>,
    open: bool,
}

impl Tx<'_> {
    /// Commits, and calls `then` while no other transaction of this connection can begin.
    pub(crate) fn commit(mut self, then: impl FnOnce()) -> Result<(), DbError> {
        self.place.connection().commit()?;
        self.open = false;
        then();
        Ok(())
    }
}

impl Deref for Tx<'_> {
    type Target = dyn Connection;

    fn deref(&self) -> &Self::Target {
        self.place.connection()
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if self.open {
            self.place.connection().rollback();
        }
    }
}

/// What a caller treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A file that is no database.
    NotADatabase,
    Damaged,
    /// Somebody else holds what it needs. Passes with them.
    Busy,
    /// Passes by itself or with room on the disk: full, connection lost, server restarting.
    Passes,
    /// All else.
    Lasts,
}

/// Why a statement failed. Its text holds no value of a row.
pub struct DbError {
    pub(crate) fault: Fault,
    engine: Engine,
    what: String,
}

impl DbError {
    pub(crate) fn new(engine: Engine, fault: Fault, what: impl Into<String>) -> Self {
        Self { fault, engine, what: what.into() }
    }

    /// A row that is not as this program writes it.
    pub(crate) fn odd(what: impl Into<String>) -> Self {
        Self::new(Engine::Sqlite, Fault::Damaged, what)
    }

    pub(crate) fn mend(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite => "see that the disk has room, and that this user may write to the file and its folder",
            Engine::Postgres => {
                "see that the server runs, takes connections from here and has room, and that its user may create a schema"
            }
        }
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl fmt::Debug for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DbError({:?}, {})", self.fault, self.what)
    }
}

impl std::error::Error for DbError {}
