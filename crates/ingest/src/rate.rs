//! Rate limits: a token bucket a source, counted in events.

use domicile_workspace::{RateLimit, Source, SourceNumber};
use domicile_world::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The buckets of a cell's sources, shared by its ingest points in this process.
pub(crate) struct Rates {
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<SourceNumber, Bucket>>,
}

/// Tokens are events; below 0 after a batch that was larger than what was left.
struct Bucket {
    limit: RateLimit,
    tokens: f64,
    at: Duration,
}

impl Rates {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, buckets: Mutex::default() }
    }

    /// Takes `events` from the source's bucket, or says how many seconds to wait. A batch larger than the burst passes
    /// when the bucket is full, and is paid off afterwards: it would never pass otherwise. With 0 events it only asks
    /// whether a single one would pass.
    pub fn take(&self, source: &Source, events: usize) -> Result<(), Duration> {
        let Some(limit) = source.rate_limit else { return Ok(()) };
        let now = self.clock.monotonic();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Bucket { limit, tokens: f64::from(limit.burst.max(1)), at: now };
        let bucket = buckets.entry(source.number).or_insert_with(full);
        if bucket.limit != limit {
            *bucket = full();
        }
        bucket.take(now, events)
    }
}

impl Bucket {
    fn take(&mut self, now: Duration, events: usize) -> Result<(), Duration> {
        let burst = f64::from(self.limit.burst.max(1));
        let rate = f64::from(self.limit.per_second);
        self.tokens = (self.tokens + rate * now.saturating_sub(self.at).as_secs_f64()).min(burst);
        self.at = now;
        let needed = (events.max(1) as f64).min(burst);
        // A millionth of an event is rounding, not a lack.
        if self.tokens + 1e-6 >= needed {
            self.tokens -= events as f64;
            return Ok(());
        }
        // With no rate at all the longest wait is told; `try_from` refuses the endless one.
        Err(Duration::try_from_secs_f64((needed - self.tokens) / rate).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(per_second: u32, burst: u32) -> Bucket {
        Bucket { limit: RateLimit { per_second, burst }, tokens: f64::from(burst), at: Duration::ZERO }
    }

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut b = bucket(10, 5);
        for _ in 0..5 {
            assert_eq!(b.take(s(0.0), 1), Ok(()));
        }
        assert_eq!(b.take(s(0.0), 1), Err(s(0.1)));
        assert_eq!(b.take(s(0.1), 1), Ok(()));
        assert_eq!(b.take(s(0.15), 1), Err(s(0.05)));
        assert_eq!(b.take(s(100.0), 5), Ok(()), "a rest fills no more than the burst");
        assert!(b.take(s(100.0), 1).is_err());
    }

    #[test]
    fn a_batch_above_the_burst_passes_when_the_bucket_is_full_and_is_paid_off() {
        let mut b = bucket(10, 5);
        assert_eq!(b.take(s(0.0), 50), Ok(()));
        assert_eq!(b.take(s(1.0), 1).map_err(|wait| wait.as_secs_f64().ceil()), Err(4.0));
        assert_eq!(b.take(s(4.6), 1), Ok(()));
    }

    #[test]
    fn asking_takes_nothing() {
        let mut b = bucket(1, 1);
        assert_eq!(b.take(s(0.0), 0), Ok(()));
        assert_eq!(b.take(s(0.0), 1), Ok(()));
        assert_eq!(b.take(s(0.0), 0), Err(s(1.0)));
    }

    #[test]
    fn a_rate_of_nothing_waits_for_ever() {
        let mut b = bucket(0, 1);
        assert_eq!(b.take(s(0.0), 1), Ok(()));
        assert_eq!(b.take(s(1e6), 1), Err(Duration::MAX));
    }

    #[test]
    fn a_clock_that_stands_still_or_a_late_look_gives_nothing() {
        let mut b = bucket(10, 1);
        assert_eq!(b.take(s(5.0), 1), Ok(()));
        assert!(b.take(s(4.0), 1).is_err());
    }
}
