//! From which address a connection goes out.
//!
//! A partner that lets in only the region's `egress_addresses` must see no other, and no other may show where a cell stands: when
//! none of the list is on this machine, nothing goes out.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Addresses of one list that are tried for being this machine's. A /20 has as many.
const TRIED_MAX: usize = 4_096;

/// The addresses that a border may go out from.
pub(crate) struct Egress(Vec<IpNet>);

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSource {
    /// The list has no address of the family.
    Family,
    /// None of them is on this machine.
    Machine,
}

impl NoSource {
    pub fn what(self) -> &'static str {
        match self {
            Self::Family => "the region's `egress_addresses` have none of the host's family",
            Self::Machine => "no address of the region's `egress_addresses` is on this machine",
        }
    }
}

impl Egress {
    pub fn new(ranges: &[IpNet]) -> Self {
        Self(ranges.to_vec())
    }

    /// The address to go out from to `to`; `None` when the system may choose. Asked for each connection, because an address
    /// may move to another machine.
    ///
    /// Loopback can be reached from loopback alone, and no packet to it leaves the machine: addresses there go out from a
    /// loopback address of the list, or from any when it has none.
    pub fn source(&self, to: IpAddr) -> Result<Option<IpAddr>, NoSource> {
        let fits =
            |range: &&IpNet| range.addr().is_ipv4() == to.is_ipv4() && range.addr().is_loopback() == to.is_loopback();
        let ranges: Vec<&IpNet> = self.0.iter().filter(fits).collect();
        if ranges.is_empty() {
            return if self.0.is_empty() || to.is_loopback() { Ok(None) } else { Err(NoSource::Family) };
        }
        // What the system would choose by its routes, if it is in the list; asking sends nothing.
        let chosen = system_choice(to).filter(|source| ranges.iter().any(|range| range.contains(source)));
        let mut all = ranges.iter().flat_map(|range| addresses(range)).take(TRIED_MAX);
        chosen.or_else(|| all.find(|source| is_here(*source))).map(Some).ok_or(NoSource::Machine)
    }
}

fn addresses(range: &IpNet) -> impl Iterator<Item = IpAddr> {
    let first = range.network();
    let last = range.broadcast();
    let next = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
    };
    std::iter::successors(Some(first), next).take_while(move |address| *address <= last)
}

fn system_choice(to: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((to, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether an address can be bound to.
fn is_here(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(list: &[&str], to: &str) -> String {
        let ranges: Vec<IpNet> = list.iter().map(|range| range.parse().expect("a range")).collect();
        match Egress::new(&ranges).source(to.parse().expect("an address")) {
            Ok(source) => source.map_or("any".to_owned(), |source| source.to_string()),
            Err(no) => no.what().to_owned(),
        }
    }

    #[test]
    fn a_connection_goes_out_from_the_list_or_not_at_all() {
        for (list, to, expected) in [
            (&[][..], "9.9.9.9", "any"),
            (&[], "127.0.0.1", "any"),
            (&["127.0.0.9/32"], "127.0.0.1", "127.0.0.9"),
            (&["127.0.0.8/30"], "127.0.0.1", "127.0.0.8"),
            // No address of the documentation's ranges is anybody's.
            (&["198.51.100.0/29"], "9.9.9.9", NoSource::Machine.what()),
            (&["198.51.100.0/29", "203.0.113.7/32"], "9.9.9.9", NoSource::Machine.what()),
            (&["198.51.100.0/29"], "2a00:1450::1", NoSource::Family.what()),
            (&["2001:db8::/64"], "9.9.9.9", NoSource::Family.what()),
            (&["2001:db8::/64"], "2a00:1450::1", NoSource::Machine.what()),
            (&["198.51.100.0/29"], "127.0.0.1", "any"),
            (&["198.51.100.0/29"], "::1", "any"),
            (&["127.0.0.0/8"], "9.9.9.9", NoSource::Family.what()),
        ] {
            assert_eq!(source(list, to), expected, "{list:?} to {to}");
        }
    }

    #[test]
    fn a_range_ends_at_its_end() {
        let all = |range: &str| addresses(&range.parse().expect("a range")).map(|a| a.to_string()).collect::<Vec<_>>();
        assert_eq!(all("255.255.255.254/31"), ["255.255.255.254", "255.255.255.255"]);
        assert_eq!(all("2001:db8::7/128"), ["2001:db8::7"]);
    }
}
