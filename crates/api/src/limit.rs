//! The rate limit: how much one token may ask.
//!
//! Each token has a bucket of 1,000 points, into which 50 a second flow back (3,000 a minute); a request takes one. So a
//! script may ask 100 times a second for 20 seconds, and 50 times a second for ever. Where Segment limits an operation by
//! itself (`60/min`), a second bucket of that size counts that operation for that token, and both must have room.
//!
//! - A refused request takes nothing.
//! - Memory is bounded. A bucket that is full again is forgotten, which changes nothing; when all are in use, the fullest
//!   gives way.
//! - Time is monotonic; the moment in `X-RateLimit-Reset` is worked out from the wall clock and only shown.

use domicile_world::Millis;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Points of a full bucket.
const BURST: u32 = 1_000;
/// Points that flow back in a minute.
const PER_MINUTE: u32 = 3_000;
/// Buckets at a time: a token has one, and one for each limited operation that it used lately.
const BUCKETS_MAX: usize = 20_000;

/// The buckets of a cell's tokens.
#[derive(Default)]
pub struct Limits {
    buckets: Mutex<HashMap<(String, &'static str), Bucket>>,
}

/// What is missing from a bucket, in the time that it takes to flow back.
#[derive(Clone, Copy)]
struct Bucket {
    /// When it is full again.
    full_at: Duration,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    burst: u32,
    per_minute: u32,
}

impl Size {
    /// How long one point takes to flow back.
    fn point(self) -> Duration {
        Duration::from_secs(60) / self.per_minute.max(1)
    }
}

/// A request that may go on: the figures of the bucket that is nearer to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub consumed: u32,
    pub remaining: u32,
    /// Until all points are back.
    pub reset_in: Duration,
}

/// A request that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    pub consumed: u32,
    /// Until there is a point again.
    pub wait: Duration,
    pub reset_in: Duration,
}

impl Limits {
    /// Takes a point for a request of `operation_id` with the token `token_id`, at `now` of the monotonic clock.
    /// `per_minute`: the operation's own limit, where it has one.
    pub fn take(
        &self,
        token_id: &str,
        operation_id: &'static str,
        per_minute: Option<u32>,
        now: Duration,
    ) -> Result<Taken, Exceeded> {
        let whole = ((token_id.to_owned(), ""), Size { burst: BURST, per_minute: PER_MINUTE });
        let own = per_minute.map(|n| ((token_id.to_owned(), operation_id), Size { burst: n, per_minute: n }));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted: Vec<_> = [Some(whole), own].into_iter().flatten().collect();
        let found = wanted.into_iter().map(|(key, size)| {
            let full_at = buckets.get(&key).map_or(now, |bucket| bucket.full_at.max(now));
            (key, Bucket { full_at, size })
        });
        let found: Vec<_> = found.collect();
        if let Some(exceeded) = found.iter().filter_map(|(_, bucket)| bucket.exceeded(now)).max_by_key(|no| no.wait) {
            return Err(exceeded);
        }
        let mut nearest: Option<Taken> = None;
        for (key, mut bucket) in found {
            bucket.full_at += bucket.size.point();
            let taken = bucket.taken(now);
            if nearest.is_none_or(|nearest| taken.remaining < nearest.remaining) {
                nearest = Some(taken);
            }
            if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
                make_room(&mut buckets, now);
            }
            buckets.insert(key, bucket);
        }
        Ok(nearest.unwrap_or(Taken { consumed: 0, remaining: BURST, reset_in: Duration::ZERO }))
    }
}

impl Bucket {
    /// Points that are missing, a point on its way back counting as missing.
    fn missing(&self, now: Duration) -> u32 {
        let missing = self.full_at.saturating_sub(now).as_nanos().div_ceil(self.size.point().as_nanos().max(1));
        u32::try_from(missing).unwrap_or(u32::MAX)
    }

    fn exceeded(&self, now: Duration) -> Option<Exceeded> {
        let reset_in = self.full_at.saturating_sub(now);
        let room = self.size.point() * self.size.burst.saturating_sub(1);
        let wait = reset_in.checked_sub(room).filter(|wait| !wait.is_zero())?;
        Some(Exceeded { consumed: self.missing(now).min(self.size.burst), wait, reset_in })
    }

    fn taken(&self, now: Duration) -> Taken {
        let consumed = self.missing(now).min(self.size.burst);
        Taken { consumed, remaining: self.size.burst - consumed, reset_in: self.full_at.saturating_sub(now) }
    }
}

fn make_room(buckets: &mut HashMap<(String, &'static str), Bucket>, now: Duration) {
    buckets.retain(|_, bucket| bucket.full_at > now);
    if buckets.len() >= BUCKETS_MAX {
        let fullest = buckets.iter().min_by_key(|(_, bucket)| bucket.full_at).map(|(key, _)| key.clone());
        fullest.map(|key| buckets.remove(&key));
    }
}

impl Taken {
    /// Puts `X-RateLimit-Consumed`, `-Remaining` and `-Reset` on an answer. `wall`: now, of the wall clock.
    pub fn show(&self, headers: &mut HeaderMap, wall: Millis) {
        show(headers, self.consumed, self.remaining, self.reset_in, wall);
    }
}

impl Exceeded {
    /// The same headers, and `Retry-After`.
    pub fn show(&self, headers: &mut HeaderMap, wall: Millis) {
        show(headers, self.consumed, 0, self.reset_in, wall);
        let seconds = self.wait.as_millis().div_ceil(1_000).max(1);
        if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
            headers.insert(header::RETRY_AFTER, value);
        }
    }

    pub fn message(&self) -> String {
        format!("too many requests with this token; try again in {} ms", self.wait_ms())
    }

    /// The error's `data`.
    pub fn data(&self) -> Value {
        json!({ "remainingPoints": 0, "msBeforeNext": self.wait_ms(), "consumedPoints": self.consumed })
    }

    fn wait_ms(&self) -> u64 {
        u64::try_from(self.wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
    }
}

fn show(headers: &mut HeaderMap, consumed: u32, remaining: u32, reset_in: Duration, wall: Millis) {
    let mut set = |name: &'static str, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-ratelimit-consumed", consumed.to_string());
    set("x-ratelimit-remaining", remaining.to_string());
    set("x-ratelimit-reset", date(wall, reset_in));
}

/// A date of RFC 5322 in the form that HTTP uses: `Tue, 24 Nov 2026 12:04:09 GMT`. Rounded up to the second.
fn date(wall: Millis, later: Duration) -> String {
    let later_ms = i64::try_from(later.as_millis()).unwrap_or(i64::MAX);
    let seconds = wall.plus(later_ms).plus(999).0.div_euclid(1_000);
    let moment = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn taken(limits: &Limits, token: &str, operation: &'static str, per_minute: Option<u32>, at: Duration) -> u32 {
        let mut taken = 0;
        while limits.take(token, operation, per_minute, at).is_ok() {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_token_has_a_thousand_points_at_once_and_fifty_a_second_after() {
        let limits = Limits::default();
        for (token, at, expected) in
            [("a", S, 1_000), ("a", S, 0), ("a", 2 * S, 50), ("b", 2 * S, 1_000), ("a", 80 * S, 1_000)]
        {
            assert_eq!(taken(&limits, token, "listSources", None, at), expected, "{token} at {at:?}");
        }
    }

    #[test]
    fn a_script_may_ask_a_hundred_times_a_second_for_twenty_seconds() {
        let limits = Limits::default();
        let refused = (0..3_000u32).find(|n| limits.take("a", "getSource", None, S + *n * S / 100).is_err());
        assert_eq!(refused, Some(1_999));
    }

    #[test]
    fn an_operation_of_its_own_limit_is_refused_alone() {
        let limits = Limits::default();
        assert_eq!(taken(&limits, "a", "createLabel", Some(5), S), 5);
        let no = limits.take("a", "createLabel", Some(5), S).expect_err("exceeded");
        assert_eq!(no, Exceeded { consumed: 5, wait: 12 * S, reset_in: 60 * S });
        let yes = limits.take("a", "listLabels", None, S).expect("another operation");
        assert_eq!((yes.consumed, yes.remaining), (6, 994), "a refused request took nothing");
        assert!(limits.take("b", "createLabel", Some(5), S).is_ok());
        assert!(limits.take("a", "createLabel", Some(5), 13 * S).is_ok());
        assert!(limits.take("a", "createLabel", Some(5), 13 * S).is_err());
    }

    #[test]
    fn the_headers_say_what_is_left_and_when_it_is_back() {
        let limits = Limits::default();
        let mut headers = HeaderMap::new();
        let wall = Millis(1_800_000_000_000);
        limits.take("a", "createLabel", Some(60), S).expect("room").show(&mut headers, wall);
        let text = |headers: &HeaderMap, name: &str| headers[name].to_str().expect("text").to_owned();
        assert_eq!(text(&headers, "x-ratelimit-consumed"), "1");
        assert_eq!(text(&headers, "x-ratelimit-remaining"), "59");
        assert_eq!(text(&headers, "x-ratelimit-reset"), "Fri, 15 Jan 2027 08:00:01 GMT");
        taken(&limits, "a", "createLabel", Some(60), S);
        let no = limits.take("a", "createLabel", Some(60), S).expect_err("exceeded");
        no.show(&mut headers, wall);
        assert_eq!(text(&headers, "x-ratelimit-remaining"), "0");
        assert_eq!(text(&headers, "x-ratelimit-reset"), "Fri, 15 Jan 2027 08:01:00 GMT");
        assert_eq!(text(&headers, "retry-after"), "1");
        assert_eq!(no.data(), json!({"remainingPoints": 0, "msBeforeNext": 1_000, "consumedPoints": 60}));
    }

    #[test]
    fn memory_is_bounded_and_a_bucket_in_use_outlives_the_flood() {
        let limits = Limits::default();
        assert_eq!(taken(&limits, "busy", "", None, S), 1_000);
        for n in 0..BUCKETS_MAX + 100 {
            limits.take(&format!("t{n}"), "getSource", None, S).expect("room");
        }
        assert!(limits.buckets.lock().expect("no panic").len() <= BUCKETS_MAX);
        assert!(limits.take("busy", "", None, S).is_err());
    }
}
