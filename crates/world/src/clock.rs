//! Time, as it is handed in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// This moment and `ms` milliseconds more.
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// A wait that ends when the clock says so.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A wall clock (may jump), a monotonic clock (never does), and a way to wait.
pub trait Clock: Send + Sync {
    /// The wall clock's time. It may jump either way: never use it for order or for length of time.
    fn now(&self) -> Millis;

    /// Time since some fixed start; never goes back, not set by anyone.
    fn monotonic(&self) -> Duration;

    /// Ends after `length` of monotonic time.
    fn sleep(&self, length: Duration) -> Sleep;
}

/// The operating system's clocks; waits are tokio's.
pub struct RealClock {
    start: Instant,
}

impl RealClock {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Millis {
        // A clock before 1970 is as wrong as one that jumped: count it as 1970.
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Millis(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, length: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(length))
    }
}
