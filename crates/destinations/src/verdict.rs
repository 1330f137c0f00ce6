//! What a partner's answer means for an event, and when the next try is.

use domicile_world::{Millis, Random};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    /// The partner may take it another time.
    Again,
    /// It never will.
    Dead,
}

/// As Segment delivers: 408, 423, 429 and 5xx but 501 are tried again; a redirect is not followed and never heals.
pub(crate) fn verdict(status: StatusCode) -> Verdict {
    match status.as_u16() {
        200..=299 => Verdict::Delivered,
        408 | 423 | 429 => Verdict::Again,
        501 => Verdict::Dead,
        500..=599 => Verdict::Again,
        _ => Verdict::Dead,
    }
}

/// How long and how often an event is tried. An event is dead when both `length` and `tries_min` are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The first wait is up to this long; each next one up to twice as long.
    pub wait_min: Duration,
    pub wait_max: Duration,
    /// From the first try on. A restart begins it anew.
    pub length: Duration,
    pub tries_min: u32,
}

impl Default for Retries {
    /// 1 s to 5 min, for 4 hours and at least 10 tries.
    fn default() -> Self {
        Self {
            wait_min: Duration::from_secs(1),
            wait_max: Duration::from_secs(5 * 60),
            length: Duration::from_secs(4 * 3600),
            tries_min: 10,
        }
    }
}

/// What a partner may ask for by `Retry-After`; more is taken for a mistake.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

impl Retries {
    /// Whether an event that failed so often, first so long ago, is tried no more.
    pub(crate) fn spent(&self, tries: u32, since_first: Duration) -> bool {
        tries >= self.tries_min && since_first >= self.length
    }

    /// The wait after the `tries`th failed try: anything up to the exponential bound ("full jitter"), so that what failed
    /// together does not come back together. Never shorter than what the partner asked for.
    pub(crate) fn wait(&self, tries: u32, asked: Option<Duration>, random: &dyn Random) -> Duration {
        let doublings = tries.saturating_sub(1).min(20);
        let bound = self.wait_min.saturating_mul(1 << doublings).min(self.wait_max);
        let bound_ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(1 + random.below(bound_ms));
        wait.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
    }
}

/// `Retry-After`, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: Millis) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    let ms = date.timestamp().as_millisecond().saturating_sub(now.0);
    u64::try_from(ms).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_testkit::SeedRandom;

    #[test]
    fn each_status_has_one_verdict() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], Verdict::Delivered),
            (&[408, 423, 429, 500, 502, 503, 504, 599], Verdict::Again),
            (&[101, 301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422, 501, 600, 999], Verdict::Dead),
        ] {
            for status in statuses {
                let status = StatusCode::from_u16(*status).expect("a status");
                assert_eq!(verdict(status), expected, "{status}");
            }
        }
    }

    #[test]
    fn an_event_is_tried_for_four_hours_and_at_least_ten_times() {
        let retries = Retries::default();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        for (tries, since_first, spent) in [
            (1, hours(0), false),
            (9, hours(5), false),
            (10, hours(3), false),
            (10, hours(4), true),
            (99, hours(4), true),
        ] {
            assert_eq!(retries.spent(tries, since_first), spent, "{tries} tries in {since_first:?}");
        }
    }

    #[test]
    fn waits_grow_are_spread_and_stay_in_bounds() {
        let (retries, random) = (Retries::default(), SeedRandom::new(1));
        for (tries, bound_s) in [(1, 1), (2, 2), (3, 4), (5, 16), (9, 256), (10, 300), (11, 300), (4_000_000_000, 300)]
        {
            let waits: Vec<u128> = (0..200).map(|_| retries.wait(tries, None, &random).as_millis()).collect();
            let (min, max) = (waits.iter().min().expect("some"), waits.iter().max().expect("some"));
            assert!(*max <= bound_s * 1000 && *max > bound_s * 900, "{tries}: {max}");
            assert!(*min < bound_s * 100, "{tries}: {min}");
        }
    }

    #[test]
    fn a_partner_may_ask_for_a_wait_of_up_to_an_hour() {
        let (retries, random) = (Retries::default(), SeedRandom::new(1));
        let now = Millis(1_800_000_000_000);
        for (header, seconds) in [
            ("7", 7),
            (" 7 ", 7),
            ("0", 0),
            ("99999999999", 3600),
            ("Fri, 15 Jan 2027 08:02:00 GMT", 120),
            ("Fri, 15 Jan 2027 07:00:00 GMT", 0),
            ("soon", 0),
            ("-5", 0),
            ("99999999999999999999999999", 0),
            ("", 0),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, header.parse().expect("a value"))]);
            let wait = retries.wait(1, retry_after(&headers, now), &random);
            let asked = Duration::from_secs(seconds);
            assert!(wait >= asked && wait <= asked.max(Duration::from_secs(1)), "{header}: {wait:?}");
        }
    }
}
