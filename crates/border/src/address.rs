//! Which addresses are public, and what the others are.
//!
//! The list follows IANA's special-purpose registries. Of IPv6 only `2000::/3` has been given out: all else is refused.

use domicile_region::{Network, NetworkCountry};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is to the border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// In the public internet.
    Public,
    /// In a range that the operator's `networks` list.
    Listed(IpNet, NetworkCountry),
    /// Somewhere that no connection may go; the word says what.
    Refused(&'static str),
}

/// Judges one address. The operator can list any range but those that are no single host's address.
pub(crate) fn standing(address: IpAddr, networks: &[Network]) -> Standing {
    let special = match address {
        IpAddr::V4(v4) => V4.iter().find(|(range, _)| range.contains(&v4)).map(|(_, what)| *what),
        IpAddr::V6(v6) => V6
            .iter()
            .find(|(range, _)| range.contains(&v6))
            .map(|(_, what)| *what)
            .or_else(|| (!V6_GIVEN_OUT.contains(&v6)).then_some("reserved")),
    };
    match special {
        Some(what @ (UNSPECIFIED | MULTICAST | BROADCAST)) => Standing::Refused(what),
        special => match listed(address, networks) {
            Some(network) => Standing::Listed(network.range, network.country),
            None => special.map_or(Standing::Public, Standing::Refused),
        },
    }
}

/// The narrowest listed range with the address.
fn listed(address: IpAddr, networks: &[Network]) -> Option<&Network> {
    networks.iter().filter(|network| network.range.contains(&address)).max_by_key(|network| network.range.prefix_len())
}

const UNSPECIFIED: &str = "unspecified";
const MULTICAST: &str = "multicast";
const BROADCAST: &str = "broadcast";

/// The narrower range stands before the wider one.
const V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), UNSPECIFIED),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([168, 63, 129, 16], 32), "cloud metadata"),
    (v4([169, 254, 169, 254], 32), "cloud metadata"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 192], 32), "cloud metadata"),
    (v4([192, 0, 0, 0], 24), "protocol assignments"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    (v4([255, 255, 255, 255], 32), BROADCAST),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

const V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), UNSPECIFIED),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "IPv4-mapped"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "IPv4-compatible"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "NAT64"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "cloud metadata"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "private"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
];

const V6_GIVEN_OUT: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str, networks: &[Network]) -> Standing {
        standing(address.parse().expect("an address"), networks)
    }

    #[test]
    fn neighbours_of_the_special_ranges_are_public() {
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.112.255",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "3ffe::1",
        ] {
            assert_eq!(judged(public, &[]), Standing::Public, "{public}");
        }
    }

    #[test]
    fn a_listed_network_opens_its_own_range_only() {
        let listed =
            |range: &str| [Network { range: range.parse().expect("a range"), country: NetworkCountry::Declared }];
        let local = listed("127.0.0.0/8");
        assert!(matches!(judged("127.0.0.9", &local), Standing::Listed(..)));
        assert_eq!(judged("10.0.0.1", &local), Standing::Refused("private"));
        assert_eq!(judged("::1", &local), Standing::Refused("loopback"));
        assert_eq!(judged("::ffff:127.0.0.1", &local), Standing::Refused("IPv4-mapped"));
    }

    #[test]
    fn what_is_no_hosts_address_can_not_be_listed() {
        let all = ["0.0.0.0/0", "::/0"]
            .map(|range| Network { range: range.parse().expect("a range"), country: NetworkCountry::Declared });
        for never in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "ff02::1"] {
            assert!(matches!(judged(never, &all), Standing::Refused(_)), "{never}");
        }
        assert!(matches!(judged("10.1.2.3", &all), Standing::Listed(..)));
    }
}
