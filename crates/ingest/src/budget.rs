//! Memory for request bodies: one budget, spent as bodies grow.
//!
//! Who announces much and sends slowly holds no more than has come, so that a few hundred of them don't keep others out.

use domicile_world::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes of bodies that may be in memory at once.
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    free: Semaphore,
    bytes_max: usize,
    wait: Duration,
}

/// The part of the budget that one body has. Given back when dropped.
pub(crate) struct Room<'a> {
    budget: &'a Budget,
    permit: Option<SemaphorePermit<'a>>,
    bytes: usize,
}

/// The budget was spent for as long as a request waits.
#[derive(Debug)]
pub(crate) struct Spent;

impl Budget {
    pub fn new(clock: Arc<dyn Clock>, bytes_max: usize, wait: Duration) -> Self {
        // A request counts its permits in 32 bits.
        let bytes_max = bytes_max.clamp(1, u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self { clock, free: Semaphore::new(bytes_max), bytes_max, wait }
    }

    /// No room yet.
    pub fn room(&self) -> Room<'_> {
        Room { budget: self, permit: None, bytes: 0 }
    }
}

impl Room<'_> {
    /// Bytes that it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Grows to at least `bytes`; waits a while for others to finish. A body larger than the whole budget takes it all.
    pub async fn hold(&mut self, bytes: usize) -> Result<(), Spent> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let budget = self.budget;
        let more = bytes.min(budget.bytes_max).saturating_sub(self.bytes) as u32;
        let permit = match budget.free.try_acquire_many(more) {
            Ok(permit) => permit,
            Err(_) => tokio::select! {
                permit = budget.free.acquire_many(more) => permit.map_err(|_| Spent)?,
                () = budget.clock.sleep(budget.wait) => return Err(Spent),
            },
        };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Gives back what is above `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        if let Some(held) = &mut self.permit {
            drop(held.split(held.num_permits().saturating_sub(bytes)));
        }
        self.bytes = self.bytes.min(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_testkit::HandClock;

    fn budget(clock: &HandClock) -> Budget {
        Budget::new(Arc::new(clock.clone()), 100, Duration::from_secs(2))
    }

    #[tokio::test]
    async fn room_grows_shrinks_and_comes_back() {
        let clock = HandClock::new();
        let budget = budget(&clock);
        let mut room = budget.room();
        room.hold(30).await.unwrap();
        room.hold(20).await.unwrap();
        assert_eq!((room.bytes(), budget.free.available_permits()), (30, 70));
        room.hold(90).await.unwrap();
        room.shrink(40);
        room.shrink(50);
        assert_eq!((room.bytes(), budget.free.available_permits()), (40, 60));
        drop(room);
        assert_eq!(budget.free.available_permits(), 100);
    }

    #[tokio::test]
    async fn a_body_larger_than_the_budget_takes_all_of_it() {
        let clock = HandClock::new();
        let budget = budget(&clock);
        let mut room = budget.room();
        room.hold(60).await.unwrap();
        room.hold(1_000).await.unwrap();
        assert_eq!(budget.free.available_permits(), 0);
        room.hold(2_000).await.unwrap();
        room.shrink(10);
        assert_eq!(budget.free.available_permits(), 90);
    }

    #[tokio::test]
    async fn two_that_wait_for_each_other_give_up_in_time() {
        let clock = HandClock::new();
        let budget = budget(&clock);
        let (mut one, mut other) = (budget.room(), budget.room());
        one.hold(50).await.unwrap();
        other.hold(50).await.unwrap();
        let (first, second) = clock.drive(async { tokio::join!(one.hold(60), other.hold(60)) }).await;
        assert!(first.is_err() && second.is_err());
    }
}
