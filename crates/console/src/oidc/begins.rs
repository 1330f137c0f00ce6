//! How often sign-ins are begun, for each network that clients come from: nobody fills the memory of used tickets, or makes
//! this cell ask a provider over and over.
//!
//! Memory is bounded: who has begun the least gives way first. Times are monotonic.

use domicile_control::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What one costs, and how much of that can be owed: 60 at once, and then one a second. Many people can share a network.
const COST: Duration = Duration::from_secs(1);
const OWED_MAX: Duration = Duration::from_secs(60);
/// Networks that are remembered at a time.
const REMEMBERED_MAX: usize = 10_000;

/// Until when each network's begins are paid for.
#[derive(Default)]
pub(super) struct Begins(Mutex<HashMap<IpAddr, Duration>>);

impl Begins {
    /// Whether `client` may begin another one at `now`; if so, it counts.
    pub fn take(&self, client: IpAddr, now: Duration) -> bool {
        let client = network_of(client);
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = paid.get(&client).map_or(now, |until| *until.max(&now)) + COST;
        if until > now + OWED_MAX {
            return false;
        }
        if paid.len() >= REMEMBERED_MAX && !paid.contains_key(&client) {
            paid.retain(|_, until| *until > now);
            if paid.len() >= REMEMBERED_MAX {
                let least = paid.iter().min_by_key(|(_, until)| **until).map(|(client, _)| *client);
                least.and_then(|client| paid.remove(&client));
            }
        }
        paid.insert(client, until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn a_network_begins_sixty_at_once_and_then_one_a_second() {
        let begins = Begins::default();
        let (one, other) = (IpAddr::from([198, 51, 100, 1]), IpAddr::from([198, 51, 100, 2]));
        let at = Duration::from_secs;
        assert_eq!((0..100).filter(|_| begins.take(one, at(5))).count(), 60);
        assert!(begins.take(other, at(5)), "another network");
        assert_eq!((0..100).filter(|_| begins.take(one, at(15))).count(), 10);
        let host = |n: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
        assert_eq!((0..100).filter(|n| begins.take(host(*n), at(5))).count(), 60, "a /64 is one network");
        let mapped = Ipv4Addr::new(198, 51, 100, 1).to_ipv6_mapped();
        assert!(!begins.take(mapped.into(), at(15)), "spelling it otherwise gives nobody more");
    }

    #[test]
    fn many_networks_take_no_more_memory_and_free_nobody_who_began_often() {
        let begins = Begins::default();
        let often = IpAddr::from([198, 51, 100, 1]);
        while begins.take(often, Duration::ZERO) {}
        for n in 0..11_000_u32 {
            assert!(begins.take(Ipv4Addr::from(0x0a00_0000 + n).into(), Duration::ZERO));
        }
        assert_eq!(begins.0.lock().expect("no panic").len(), REMEMBERED_MAX);
        assert!(!begins.take(often, Duration::ZERO));
    }
}
