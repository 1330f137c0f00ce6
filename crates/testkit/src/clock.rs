//! A clock turned by hand.

use domicile_world::{Clock, Millis, Sleep};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Turns of the scheduler without any sign of work after which everything is taken to be waiting.
const QUIET_TURNS: u32 = 50;
/// Rounds of [`HandClock::drive`] with nobody asleep and nothing happening after which the program is taken to be stuck.
const STUCK_ROUNDS: u32 = 2_000;

/// Wall and monotonic time that pass only when a test says so. Clones share the time.
///
/// Its waits work in any executor; [`Self::advance`], [`Self::settle`] and [`Self::drive`] need tokio's current-thread
/// runtime, where letting the others run is a matter of yielding.
#[derive(Clone)]
pub struct HandClock {
    shared: Arc<Mutex<Time>>,
    activity: Arc<AtomicU64>,
}

struct Time {
    monotonic: Duration,
    /// What the wall clock shows when `monotonic` is 0; a jump moves it.
    wall_base_ms: i64,
    /// Who waits, by the moment and the order of asking.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    asked: u64,
}

impl HandClock {
    /// 2027-01-15T08:00:00Z.
    pub const START: Millis = Millis(1_800_000_000_000);

    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let time = Time { monotonic: Duration::ZERO, wall_base_ms: Self::START.0, sleepers: BTreeMap::new(), asked: 0 };
        Self { shared: Arc::new(Mutex::new(time)), activity: Arc::new(AtomicU64::new(0)) }
    }

    /// Sets the wall clock forward (or back, when negative) and leaves monotonic time alone.
    pub fn jump_wall(&self, ms: i64) {
        let mut time = self.lock();
        time.wall_base_ms = time.wall_base_ms.saturating_add(ms);
    }

    /// Lets `length` pass: whoever wakes in between runs at its moment, and everybody has run when this returns.
    pub async fn advance(&self, length: Duration) {
        self.settle().await;
        let end = self.lock().monotonic + length;
        while self.step(end) {
            self.settle().await;
        }
        self.lock().monotonic = end;
        self.settle().await;
    }

    /// Lets the other tasks run until all of them wait.
    pub async fn settle(&self) {
        let mut seen = self.activity.load(Ordering::Relaxed);
        let mut quiet = 0;
        while quiet < QUIET_TURNS {
            tokio::task::yield_now().await;
            let now = self.activity.load(Ordering::Relaxed);
            quiet = if now == seen { quiet + 1 } else { 0 };
            seen = now;
        }
    }

    /// Runs `future` to its end; whenever everybody waits, time goes on to the next moment that somebody waits for.
    ///
    /// # Panics
    /// When the future waits and nobody sleeps: nothing could ever wake it.
    pub async fn drive<F: Future>(&self, future: F) -> F::Output {
        let time_goes_on = pin!(async {
            let mut stuck = 0;
            loop {
                self.settle().await;
                stuck = if self.step(Duration::MAX) { 0 } else { stuck + 1 };
                assert!(stuck < STUCK_ROUNDS, "the program is stuck: it waits, and nobody sleeps");
            }
        });
        match futures::future::select(pin!(future), time_goes_on).await {
            futures::future::Either::Left((output, _)) => output,
            futures::future::Either::Right((never, _)) => never,
        }
    }

    /// How many wait for a moment of this clock.
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    /// A counter that parts of the simulation raise when something happens, so that [`Self::settle`] waits on.
    pub(crate) fn activity(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.activity)
    }

    /// Goes to the next moment up to `end` that somebody waits for, and wakes those; false when there is none.
    fn step(&self, end: Duration) -> bool {
        let mut time = self.lock();
        let Some((&(moment, _), _)) = time.sleepers.first_key_value() else { return false };
        if moment > end {
            return false;
        }
        time.monotonic = time.monotonic.max(moment);
        let later = time.sleepers.split_off(&(moment, u64::MAX));
        let due = std::mem::replace(&mut time.sleepers, later);
        drop(time);
        due.into_values().for_each(Waker::wake);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Millis {
        let time = self.lock();
        Millis(time.wall_base_ms.saturating_add(time.monotonic.as_millis() as i64))
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn sleep(&self, length: Duration) -> Sleep {
        let moment = self.lock().monotonic.saturating_add(length);
        Box::pin(HandSleep { clock: self.clone(), moment, asked: None })
    }
}

struct HandSleep {
    clock: HandClock,
    moment: Duration,
    asked: Option<u64>,
}

impl Future for HandSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut time = clock.lock();
        if time.monotonic >= self.moment {
            return Poll::Ready(());
        }
        let asked = *self.asked.get_or_insert_with(|| {
            // Only the first time: to be polled again is no sign of work.
            clock.activity.fetch_add(1, Ordering::Relaxed);
            time.asked += 1;
            time.asked
        });
        time.sleepers.insert((self.moment, asked), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for HandSleep {
    fn drop(&mut self) {
        if let Some(asked) = self.asked {
            self.clock.lock().sleepers.remove(&(self.moment, asked));
        }
    }
}
