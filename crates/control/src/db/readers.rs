//! The connections that read: opened when they are needed, lent to one view at a time.
//!
//! - A view that takes long holds one of them. The others go on.
//! - When a further one can't be opened, its view waits for one that there is; only without any does it fail.

use super::{Begin, Connection, DbError, Engine, Fault, Rows, Value};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Views at once; the next waits. Each costs a file handle and a cache of pages, or a connection of the server.
pub(crate) const READERS_MAX: usize = 4;

/// Opens a connection for reading.
pub(crate) type Connect = Box<dyn Fn() -> Result<Box<dyn Connection>, DbError> + Send + Sync>;

pub(crate) struct Readers {
    connect: Connect,
    kept: Mutex<Kept>,
    returned: Condvar,
}

#[derive(Default)]
struct Kept {
    free: Vec<Box<dyn Connection>>,
    /// Those that are lent, too.
    open: usize,
}

impl Readers {
    pub(crate) fn new(connect: Connect) -> Self {
        Self { connect, kept: Mutex::default(), returned: Condvar::new() }
    }

    /// Nothing that can panic happens while the lock is held.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lend(&self) -> Result<Lent<'_>, DbError> {
        let (mut kept, mut failed) = (self.kept(), false);
        loop {
            if let Some(connection) = kept.free.pop() {
                return Ok(Lent { readers: self, connection });
            }
            if kept.open == READERS_MAX || (failed && kept.open > 0) {
                kept = self.returned.wait(kept).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            kept.open += 1;
            drop(kept);
            let opened = (self.connect)();
            let error = match opened {
                Ok(connection) => return Ok(Lent { readers: self, connection }),
                Err(error) => error,
            };
            kept = self.kept();
            kept.open -= 1;
            // Somebody who waits may open one now.
            self.returned.notify_one();
            if kept.open == 0 {
                return Err(error);
            }
            tracing::warn!(%error, "could not open a further connection for reading");
            failed = true;
        }
    }
}

/// A connection that goes back when it is dropped.
pub(crate) struct Lent<'a> {
    readers: &'a Readers,
    connection: Box<dyn Connection>,
}

impl Lent<'_> {
    pub(crate) fn connection(&self) -> &(dyn Connection + 'static) {
        &*self.connection
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let connection = std::mem::replace(&mut self.connection, Box::new(Gone));
        self.readers.kept().free.push(connection);
        self.readers.returned.notify_one();
    }
}

/// Stands where a connection was that went back.
struct Gone;

impl Gone {
    fn error() -> DbError {
        DbError::new(Engine::Sqlite, Fault::Lasts, "the connection went back already")
    }
}

impl Connection for Gone {
    fn begin(&self, _: Begin) -> Result<(), DbError> {
        Err(Self::error())
    }

    fn commit(&self) -> Result<(), DbError> {
        Err(Self::error())
    }

    fn rollback(&self) {}

    fn run(&self, _: &str, _: &[Value]) -> Result<u64, DbError> {
        Err(Self::error())
    }

    fn rows_within(&self, _: &str, _: &[Value], _: usize) -> Result<Rows, DbError> {
        Err(Self::error())
    }

    fn batch(&self, _: &str) -> Result<(), DbError> {
        Err(Self::error())
    }
}
