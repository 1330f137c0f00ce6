//! Wrong passwords are slowed: for each e-mail address, and for each address that they come from.
//!
//! ```text
//! wrong tries of one e-mail address   1 … 5: at once    6: 1 s later    7: 2 s    8: 4 s  …  at most 15 min
//!                                     the tenth within a minute: 15 min
//! of one client address               the same, from the 20th on and from the 60th within a minute
//! ```
//!
//! - A try counts as wrong from its beginning, until it is told to have been right: many at once get no more than one
//!   after the other.
//! - Whether there is a person with that e-mail address changes nothing.
//! - A right password ends the slowing of its e-mail address. Of the client address it takes back its own try alone, so
//!   that somebody with an account of their own can't try others' passwords in between.
//! - Memory is bounded: who has the fewest wrong tries gives way first.
//!
//! It knows what this process has seen. Times are monotonic: nobody ends a wait by setting a clock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// How long after its last try, or its wait, something is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
const MINUTE: Duration = Duration::from_secs(60);
/// E-mail addresses, and client addresses, that are remembered at a time.
const REMEMBERED_MAX: usize = 10_000;

/// How many wrong tries are free.
struct Patience {
    /// The next one waits.
    free: u32,
    /// This many within a minute wait as long as can be.
    per_minute: u32,
}

const OF_EMAIL: Patience = Patience { free: 5, per_minute: 10 };
/// Many people can share one: an office, a mobile network.
const OF_ADDRESS: Patience = Patience { free: 20, per_minute: 60 };

/// The tries of a cell's sign-in page.
pub struct Throttle {
    tried: Mutex<Tried>,
}

#[derive(Default)]
struct Tried {
    emails: HashMap<String, Tries>,
    addresses: HashMap<IpAddr, Tries>,
}

#[derive(Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Duration,
    /// No try is looked at before.
    until: Duration,
    /// Tries since the beginning of this minute, which began then.
    in_minute: u32,
    minute: Duration,
}

/// Come back later: this password was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon {
    pub wait: Duration,
}

impl TooSoon {
    /// For `Retry-After`: whole seconds, rounded up.
    pub fn seconds(self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Throttle {
    pub fn new() -> Self {
        Self { tried: Mutex::default() }
    }

    /// A try begins, at `now` of the monotonic clock. It counts as wrong until [`Self::right`] is called.
    ///
    /// # Errors
    /// `TooSoon`: don't look at the password. A try that is refused doesn't lengthen the wait.
    pub fn begin(&self, email: &str, address: IpAddr, now: Duration) -> Result<(), TooSoon> {
        let (email, address) = (email_key(email), network_of(address));
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = [
            tried.emails.get(&email).map(|tries| tries.until.saturating_sub(now)),
            tried.addresses.get(&address).map(|tries| tries.until.saturating_sub(now)),
        ];
        if let Some(wait) = waits.into_iter().flatten().max().filter(|wait| !wait.is_zero()) {
            return Err(TooSoon { wait });
        }
        count(&mut tried.emails, email, now, &OF_EMAIL);
        count(&mut tried.addresses, address, now, &OF_ADDRESS);
        Ok(())
    }

    /// The try that began was right.
    pub fn right(&self, email: &str, address: IpAddr) {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.emails.remove(&email_key(email));
        if let Some(tries) = tried.addresses.get_mut(&network_of(address)) {
            tries.wrong = tries.wrong.saturating_sub(1);
            tries.in_minute = tries.in_minute.saturating_sub(1);
            if tries.wrong <= OF_ADDRESS.free && tries.in_minute < OF_ADDRESS.per_minute {
                tries.until = Duration::ZERO;
            }
        }
    }
}

/// Spelling it otherwise gives nobody more tries.
fn email_key(email: &str) -> String {
    email.trim().chars().take(320).collect::<String>().to_lowercase()
}

/// The network that a client is counted with: of IPv6, a subscriber has a /64 at least.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

fn count<K: std::hash::Hash + Eq + Clone>(map: &mut HashMap<K, Tries>, key: K, now: Duration, patience: &Patience) {
    if map.len() >= REMEMBERED_MAX && !map.contains_key(&key) {
        make_room(map, now);
    }
    let new = Tries { wrong: 0, last: now, until: Duration::ZERO, in_minute: 0, minute: now };
    let tries = map.entry(key).or_insert(new);
    if is_forgotten(tries, now) {
        *tries = new;
    }
    if now.saturating_sub(tries.minute) >= MINUTE {
        (tries.minute, tries.in_minute) = (now, 0);
    }
    tries.wrong = tries.wrong.saturating_add(1);
    tries.in_minute = tries.in_minute.saturating_add(1);
    tries.last = now;
    tries.until = now + wait_after(tries, patience);
}

fn wait_after(tries: &Tries, patience: &Patience) -> Duration {
    if tries.in_minute >= patience.per_minute {
        return WAIT_MAX;
    }
    match tries.wrong.checked_sub(patience.free) {
        None => Duration::ZERO,
        // 2^10 s are more than the longest wait.
        Some(over) => Duration::from_secs(1 << over.min(10)).min(WAIT_MAX),
    }
}

fn is_forgotten(tries: &Tries, now: Duration) -> bool {
    now.saturating_sub(tries.last.max(tries.until)) >= FORGOTTEN_AFTER
}

fn make_room<K: std::hash::Hash + Eq + Clone>(map: &mut HashMap<K, Tries>, now: Duration) {
    map.retain(|_, tries| !is_forgotten(tries, now));
    if map.len() >= REMEMBERED_MAX {
        let least = map.iter().min_by_key(|(_, tries)| (tries.wrong, tries.last)).map(|(key, _)| key.clone());
        least.map(|key| map.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_testkit::HandClock;
    use domicile_world::Clock;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    /// One step a line: `+SECONDS`, `wrong [EMAIL] [ADDRESS]`, `right [EMAIL] [ADDRESS]`; after `|`, what is expected:
    /// `looked` or `wait SECONDS`.
    async fn check(steps: &str) {
        let (clock, throttle) = (HandClock::new(), Throttle::new());
        for (n, step) in steps.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
            let (said, expected) = step.split_once('|').map_or((step, "looked"), |(s, e)| (s.trim(), e.trim()));
            if let Some(seconds) = said.strip_prefix('+') {
                clock.advance(Duration::from_secs(seconds.parse().expect("seconds"))).await;
                continue;
            }
            let mut words = said.split_whitespace();
            let what = words.next().expect("a word");
            let email = words.next().unwrap_or("anna@example.com");
            let address = words.next().map_or(HOME, |text| text.parse().expect("an address"));
            let found = match throttle.begin(email, address, clock.monotonic()) {
                Ok(()) => "looked".to_owned(),
                Err(soon) => format!("wait {}", soon.seconds()),
            };
            if what == "right" && found == "looked" {
                throttle.right(email, address);
            }
            assert_eq!(found, expected, "step {}: {step}", n + 1);
        }
    }

    #[tokio::test]
    async fn five_wrong_tries_are_free_and_then_each_waits_twice_as_long() {
        check(
            "wrong\nwrong\nwrong\nwrong\nwrong
               wrong | wait 1
               right | wait 1
               +1
               wrong
               wrong | wait 2
               +2
               wrong
               wrong | wait 4
               +4
               right
               wrong\nwrong\nwrong\nwrong\nwrong
               wrong | wait 1",
        )
        .await;
    }

    #[tokio::test]
    async fn ten_wrong_tries_within_a_minute_lock_for_a_quarter_of_an_hour_and_no_longer() {
        check(
            "wrong\nwrong\nwrong\nwrong\nwrong\n+1\nwrong\n+2\nwrong\n+4\nwrong\n+8\nwrong\n+16
               wrong
               right | wait 900
               right Anna@Example.com 198.51.100.1 | wait 900
               +899
               right | wait 1
               +1
               right",
        )
        .await;
    }

    #[tokio::test]
    async fn the_wait_never_passes_a_quarter_of_an_hour_and_is_forgotten_after_another() {
        check(
            "wrong\nwrong\nwrong\nwrong\nwrong\n+1\nwrong\n+61\nwrong\n+61\nwrong\n+61\nwrong\n+61\nwrong\n+61\nwrong
               +64\nwrong\n+128\nwrong\n+256\nwrong\n+512\nwrong\n+900\nwrong
               wrong | wait 900
               +1799
               wrong
               wrong | wait 900
               +1800
               wrong
               wrong",
        )
        .await;
    }

    #[tokio::test]
    async fn a_client_that_tries_many_people_is_slowed_too_and_an_account_of_its_own_does_not_help() {
        let mut steps: String =
            (0..19).map(|n| format!("wrong p{n}@example.com\nright mallory@example.com\n")).collect();
        steps += "wrong p19@example.com
                  wrong p20@example.com | wait 1
                  right mallory@example.com | wait 1
                  wrong p20@example.com 198.51.100.1";
        check(&steps).await;
    }

    #[tokio::test]
    async fn neighbours_in_one_ipv6_network_count_as_one() {
        let steps: String = (0..20).map(|n| format!("wrong p{n}@example.com 2001:db8::{n}\n")).collect();
        check(&(steps + "wrong q@example.com 2001:db8::ffff | wait 1\nwrong q@example.com 2001:db8:0:1::1")).await;
    }

    #[test]
    fn many_tries_at_once_get_no_more_than_one_after_the_other() {
        let throttle = Throttle::new();
        let begun = (0..1_000).filter(|_| throttle.begin("a@example.com", HOME, Duration::ZERO).is_ok()).count();
        assert_eq!(begun, 5);
    }

    #[test]
    fn memory_is_bounded_and_who_is_slowed_stays_slowed() {
        let throttle = Throttle::new();
        for _ in 0..5 {
            throttle.begin("victim@example.com", HOME, Duration::ZERO).expect("free");
        }
        for n in 0..u32::try_from(REMEMBERED_MAX + 500).expect("few") {
            let address = IpAddr::V4((0x0A00_0000 + n).into());
            throttle.begin(&format!("p{n}@example.com"), address, Duration::ZERO).expect("free");
        }
        let tried = throttle.tried.lock().expect("no panic");
        assert!(tried.emails.len() <= REMEMBERED_MAX && tried.addresses.len() <= REMEMBERED_MAX);
        drop(tried);
        assert!(throttle.begin("victim@example.com", HOME, Duration::ZERO).is_err());
    }
}
