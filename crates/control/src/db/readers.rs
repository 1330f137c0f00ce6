//! The connections that read: opened when they are needed, lent to one view at a time.
//!
//! - A view that takes long holds one of them. The others go on; who finds none free waits for at most [`WAIT`].
//! - When a further one can't be opened, its view waits for one that there is; only without any does it fail.
//! - One that is broken is not lent again: another is opened in its place.

use super::{Connection, DbError, Engine, Fault};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Views at once; the next waits. Each costs a file handle and a cache of pages, or a connection of the server.
pub(crate) const READERS_MAX: usize = 4;
/// How long a view waits for a connection.
const WAIT: Duration = Duration::from_secs(5);

/// Opens a connection for reading.
pub(crate) type Connect = Arc<dyn Fn() -> Result<Box<dyn Connection>, DbError> + Send + Sync>;

pub(crate) struct Readers {
    engine: Engine,
    connect: Connect,
    max: usize,
    wait: Duration,
    kept: Mutex<Kept>,
    returned: Condvar,
}

#[derive(Default)]
struct Kept {
    free: Vec<Box<dyn Connection>>,
    /// Those that are lent or being opened, too.
    open: usize,
}

impl Readers {
    pub(crate) fn new(engine: Engine, max: usize, connect: Connect) -> Self {
        Self { engine, connect, max, wait: WAIT, kept: Mutex::default(), returned: Condvar::new() }
    }

    /// Nothing that can panic happens while the lock is held.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// One that passes when none came back in time; that of the connection when none is open and none can be.
    pub(crate) fn lend(&self) -> Result<Lent<'_>, DbError> {
        let mut failed = false;
        loop {
            let none = |kept: &mut Kept| kept.free.is_empty() && (kept.open >= self.max || (failed && kept.open > 0));
            let waited = self.returned.wait_timeout_while(self.kept(), self.wait, none);
            let (mut kept, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            if let Some(connection) = kept.free.pop() {
                return Ok(Lent { readers: self, connection: Some(connection) });
            }
            if timed_out.timed_out() {
                let what = "all connections for reading are in use";
                return Err(DbError::new(self.engine, Fault::Passes, what));
            }
            kept.open += 1;
            drop(kept);
            // Dropped without a connection, also by a panic, it makes its place free.
            let mut lent = Lent { readers: self, connection: None };
            match (self.connect)() {
                Ok(connection) => {
                    lent.connection = Some(connection);
                    return Ok(lent);
                }
                Err(error) => {
                    drop(lent);
                    if self.kept().open == 0 {
                        return Err(error);
                    }
                    tracing::warn!(%error, "could not open a further connection for reading");
                    failed = true;
                }
            }
        }
    }
}

/// A connection that goes back when it is dropped.
pub(crate) struct Lent<'a> {
    readers: &'a Readers,
    /// `None` only while it is opened and dropped.
    connection: Option<Box<dyn Connection>>,
}

impl Lent<'_> {
    pub(crate) fn connection(&self) -> &(dyn Connection + 'static) {
        self.connection.as_deref().expect("it is lent until it is dropped")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let whole = self.connection.take().filter(|connection| !connection.is_broken());
        let mut kept = self.readers.kept();
        match whole {
            Some(connection) => kept.free.push(connection),
            None => kept.open -= 1,
        }
        drop(kept);
        // All: one that waits may be one that waits for any, or one that may open another.
        self.readers.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Begin, Rows, Value};
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    struct Fake(Arc<AtomicBool>);

    impl Connection for Fake {
        fn begin(&self, _: Begin) -> Result<(), DbError> {
            Ok(())
        }

        fn commit(&self) -> Result<(), DbError> {
            Ok(())
        }

        fn rollback(&self) {}

        fn run(&self, _: &str, _: &[Value]) -> Result<u64, DbError> {
            Ok(0)
        }

        fn rows_within(&self, _: &str, _: &[Value], _: usize) -> Result<Rows, DbError> {
            Ok(Rows::default())
        }

        fn batch(&self, _: &str) -> Result<(), DbError> {
            Ok(())
        }

        fn is_broken(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// Two of them; `open` is told how many were opened before.
    fn two(open: impl Fn(usize) -> Result<Fake, DbError> + Send + Sync + 'static) -> Readers {
        let opened = AtomicUsize::new(0);
        let connect: Connect = Arc::new(move || Ok(Box::new(open(opened.fetch_add(1, Ordering::Relaxed))?)));
        Readers { wait: Duration::ZERO, ..Readers::new(Engine::Sqlite, 2, connect) }
    }

    fn whole() -> Fake {
        Fake(Arc::default())
    }

    fn refused() -> DbError {
        DbError::new(Engine::Sqlite, Fault::Lasts, "refused")
    }

    #[test]
    fn who_finds_none_free_in_time_fails_with_what_passes() {
        let readers = two(|_| Ok(whole()));
        let (first, _second) = (readers.lend().expect("one"), readers.lend().expect("another"));
        assert_eq!(readers.lend().err().map(|error| error.fault), Some(Fault::Passes));
        drop(first);
        assert!(readers.lend().is_ok());
    }

    #[test]
    fn who_waits_gets_the_one_that_comes_back() {
        let readers = Readers { wait: Duration::from_secs(60), ..two(|_| Ok(whole())) };
        let (first, second) = (readers.lend().expect("one"), readers.lend().expect("another"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| readers.lend().is_ok());
            drop(first);
            assert!(waiting.join().expect("no panic"));
        });
        drop(second);
        assert_eq!(readers.kept().open, 2);
    }

    #[test]
    fn a_broken_one_does_not_go_back_and_its_place_is_free() {
        let broken = Arc::new(AtomicBool::new(false));
        let breaks = Arc::clone(&broken);
        let readers = two(move |n| Ok(if n == 0 { Fake(Arc::clone(&breaks)) } else { whole() }));
        let lent = readers.lend().expect("one");
        broken.store(true, Ordering::Relaxed);
        drop(lent);
        let open = readers.kept().open;
        assert_eq!(open, 0);
        assert!(!readers.lend().expect("a new one").connection().is_broken());
    }

    #[test]
    fn a_panic_while_one_is_opened_takes_no_place() {
        let readers = two(|n| if n < 3 { panic!("on purpose") } else { Ok(whole()) });
        for _ in 0..3 {
            let fell = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(readers.lend())));
            assert!(fell.is_err());
        }
        let (_first, _second) = (readers.lend().expect("one"), readers.lend().expect("another"));
    }

    #[test]
    fn without_any_the_error_is_told_and_with_one_it_is_waited_for() {
        let readers = two(|n| if n == 1 { Ok(whole()) } else { Err(refused()) });
        assert_eq!(readers.lend().err().map(|error| error.fault), Some(Fault::Lasts));
        let only = readers.lend().expect("the second try");
        assert_eq!(readers.lend().err().map(|error| error.fault), Some(Fault::Passes));
        drop(only);
        assert!(readers.lend().is_ok());
    }
}
