//! Where a URL points: scheme, host and port, read once and strictly.
//!
//! What two URL parsers could read differently is refused, whatever either of them makes of it: userinfo, backslashes,
//! white space, control characters, percent signs and fragments around the host, addresses in any but their one canonical
//! form, and hosts that `http::Uri` does not read the same.

use crate::refusal::{Code, Fault};
use crate::{Ask, Purpose};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longer URLs are refused: none of a real partner comes near.
const URL_BYTES_MAX: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    /// PostgreSQL's own protocol, which begins in the clear and asks for TLS.
    Postgres(SslMode),
}

/// What a database's address says about TLS. A certificate must always be valid for the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    /// Nothing is said: TLS is required, but in a network of the operator's it is taken only when it is offered.
    Unsaid,
    Require,
    /// In the clear; only in a network of the operator's.
    Disable,
}

/// A host in its one canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// ASCII, lower case, without the final dot.
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// The addresses that are known without asking; else the name to resolve.
    pub fn known(&self) -> Result<Vec<IpAddr>, &str> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            // RFC 6761: such a name is the loopback addresses, whatever a resolver says.
            Self::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
                Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
            }
            Self::Name(name) => Err(name),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
        }
    }
}

/// Where a URL points. The path is the request's, not the connection's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
}

impl Target {
    /// Where an ask points. Databases are for the control store and warehouses alone, and these for databases.
    pub fn of(ask: &Ask) -> Result<Self, Fault> {
        match ask.purpose {
            Purpose::ControlStore | Purpose::Warehouse => Self::read_database(&ask.url),
            Purpose::Webhook | Purpose::Command | Purpose::SignIn | Purpose::Witness => Self::read(&ask.url),
        }
    }

    /// Reads the URL of a partner who speaks HTTP.
    pub fn read(url: &str) -> Result<Self, Fault> {
        let target = Self::read_as(url, |scheme, _| match scheme {
            "http" => Ok(Scheme::Http),
            "https" => Ok(Scheme::Https),
            _ => Err(Fault::new(Code::SchemeRefused, "it does not begin with http:// or https://")),
        })?;
        if PORTS_REFUSED.binary_search(&target.port).is_ok() {
            return Err(Fault::new(Code::PortRefused, "the port belongs to a service that is not HTTP"));
        }
        Ok(target)
    }

    fn read_database(url: &str) -> Result<Self, Fault> {
        Self::read_as(url, |scheme, rest| {
            if !matches!(scheme, "postgres" | "postgresql") {
                return Err(Fault::new(Code::SchemeRefused, "it does not begin with postgres://"));
            }
            // PostgreSQL's own clients take hosts from the query too.
            match rest.split_once('?').map(|(_, query)| query) {
                None | Some("") => Ok(Scheme::Postgres(SslMode::Unsaid)),
                Some("sslmode=require" | "sslmode=verify-full") => Ok(Scheme::Postgres(SslMode::Require)),
                Some("sslmode=disable") => Ok(Scheme::Postgres(SslMode::Disable)),
                Some(query) if query.starts_with("sslmode=") && !query.contains('&') => {
                    Err(Fault::new(Code::UrlInvalid, "`sslmode` is not one of: disable, require, verify-full"))
                }
                Some(_) => Err(Fault::new(Code::UrlInvalid, "its query has more than one `sslmode`")),
            }
        })
    }

    fn read_as(url: &str, scheme_of: impl FnOnce(&str, &str) -> Result<Scheme, Fault>) -> Result<Self, Fault> {
        if url.len() > URL_BYTES_MAX {
            return Err(Fault::new(Code::UrlInvalid, "it is longer than 4,096 bytes"));
        }
        if let Some(odd) = url.chars().find(|c| !c.is_ascii_graphic()) {
            let what = if odd.is_ascii() { "a space or control character" } else { "a character outside ASCII" };
            return Err(Fault::new(Code::UrlInvalid, what));
        }
        if url.contains('\\') {
            return Err(Fault::new(Code::UrlInvalid, "a backslash"));
        }
        if url.contains('#') {
            return Err(Fault::new(Code::UrlInvalid, "a fragment (`#`)"));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(Fault::new(Code::SchemeRefused, "it begins with no scheme and `://`"));
        };
        let scheme = scheme_of(&scheme.to_ascii_lowercase(), rest)?;
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        if authority.contains('@') {
            return Err(Fault::new(Code::UserinfoRefused, "a user name or password stands before the host"));
        }
        let (host, port) = split_port(authority)?;
        let target = Self { scheme, host: read_host(host)?, port: port.unwrap_or(default_port(scheme)) };
        target.agrees_with(url)?;
        Ok(target)
    }

    /// The `Host` header: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        if self.port == default_port(self.scheme) {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Two other parsers, that of browsers and that of the HTTP client, must see the same host and port.
    fn agrees_with(&self, url: &str) -> Result<(), Fault> {
        let disagree = || Fault::new(Code::UrlInvalid, "it can be read in two ways");
        let browsers =
            url::Url::parse(url).map_err(|_| Fault::new(Code::HostInvalid, "browsers read no host in it"))?;
        let same_host = match (&self.host, browsers.host()) {
            (Host::Name(name), Some(url::Host::Domain(host))) => {
                let host = host.to_ascii_lowercase();
                host.strip_suffix('.').unwrap_or(&host) == name
            }
            // Of a scheme that they do not know, browsers take an address for a name.
            (Host::Address(address), Some(url::Host::Domain(host))) => host == address.to_string(),
            (Host::Address(address), Some(url::Host::Ipv4(host))) => *address == host,
            (Host::Address(address), Some(url::Host::Ipv6(host))) => *address == host,
            _ => false,
        };
        if !same_host || browsers.port_or_known_default().unwrap_or(default_port(self.scheme)) != self.port {
            return Err(disagree());
        }
        let uri: http::Uri = url.parse().map_err(|_| Fault::new(Code::UrlInvalid, "it is not a URL"))?;
        let host = uri.host().ok_or_else(disagree)?.to_ascii_lowercase();
        let same_host = match &self.host {
            Host::Name(name) => host.strip_suffix('.').unwrap_or(&host) == name,
            Host::Address(IpAddr::V4(v4)) => host == v4.to_string(),
            Host::Address(IpAddr::V6(v6)) => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                bare.and_then(|bare| bare.parse().ok()) == Some(*v6)
            }
        };
        let same_port = uri.port_u16().unwrap_or(default_port(self.scheme)) == self.port;
        if same_host && same_port { Ok(()) } else { Err(disagree()) }
    }
}

fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
        Scheme::Postgres(_) => 5432,
    }
}

/// Host and port of an authority without userinfo; the host of an IPv6 literal keeps its brackets.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), Fault> {
    let port_at = match authority.rfind(']') {
        Some(bracket) if authority[bracket + 1..].is_empty() => None,
        Some(bracket) if authority[bracket + 1..].starts_with(':') => Some(bracket + 1),
        Some(_) => return Err(Fault::new(Code::HostInvalid, "something stands behind the bracket")),
        None if authority.starts_with('[') => return Err(Fault::new(Code::HostInvalid, "the bracket is not closed")),
        None => authority.find(':'),
    };
    let Some(at) = port_at else { return Ok((authority, None)) };
    let digits = &authority[at + 1..];
    let plain = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if plain => Ok((&authority[..at], Some(port))),
        _ => Err(Fault::new(Code::PortRefused, "the port is not a number from 1 to 65535")),
    }
}

fn read_host(host: &str) -> Result<Host, Fault> {
    if let Some(literal) = host.strip_prefix('[') {
        let literal = literal.strip_suffix(']').unwrap_or(literal);
        if literal.contains('%') {
            return Err(Fault::new(Code::HostInvalid, "an address with a zone is of one machine only"));
        }
        return match literal.parse::<Ipv6Addr>() {
            Ok(v6) => Ok(Host::Address(v6.into())),
            Err(_) => Err(Fault::new(Code::HostInvalid, "what stands in brackets is not an IPv6 address")),
        };
    }
    let lower = host.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if name.is_empty() {
        return Err(Fault::new(Code::HostInvalid, "there is no host"));
    }
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(Fault::new(
            Code::HostInvalid,
            "a host has letters, digits, hyphens and dots; an international name is written in its xn-- form",
        ));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if ends_in_number(last) {
        // `Ipv4Addr` takes only four decimal parts without leading zeros.
        return match name.parse::<Ipv4Addr>() {
            Ok(v4) if !host.ends_with('.') => Ok(Host::Address(v4.into())),
            _ => Err(Fault::new(Code::AddressForm, "an IPv4 address has four decimal parts without leading zeros")),
        };
    }
    Ok(Host::Name(name.to_owned()))
}

/// One label of a name. Underscores are not of the letter of the law, but such hosts exist.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label != "xn"
}

/// Whether browsers take a host with this last label for an IPv4 address: digits, or a hexadecimal number.
fn ends_in_number(last: &str) -> bool {
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|b| b.is_ascii_digit())
}

/// Ports of services that are not HTTP and could be made to read a request as commands: those that browsers refuse
/// (the Fetch standard's list), and databases, brokers and container engines. Sorted.
const PORTS_REFUSED: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376,
    2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669,
    6679, 6697, 9042, 9092, 9093, 9094, 9200, 9300, 10080, 10250, 11211, 27017,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refused_ports_are_sorted() {
        assert!(PORTS_REFUSED.is_sorted());
    }

    #[test]
    fn a_host_has_one_canonical_form() {
        let check = |url: &str, host: &str, port: u16| {
            let target = Target::read(url).unwrap_or_else(|fault| panic!("{url}: {fault:?}"));
            assert_eq!((target.host.to_string().as_str(), target.port), (host, port), "{url}");
        };
        check("https://Partner.Example/hook?a=b", "partner.example", 443);
        check("HTTPS://PARTNER.EXAMPLE", "partner.example", 443);
        check("http://partner.example.", "partner.example", 80);
        check("http://partner.example.:8080/", "partner.example", 8080);
        check("http://partner.example?x", "partner.example", 80);
        check("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443);
        check("http://a_b.example/", "a_b.example", 80);
        check("http://8.8.8.8:81/", "8.8.8.8", 81);
        check("http://[2A00:1450::1]/", "[2a00:1450::1]", 80);
        check("http://[2a00:1450:0:0::1]:81/", "[2a00:1450::1]", 81);
        check("https://partner.example/a%20b", "partner.example", 443);
    }

    #[test]
    fn no_text_makes_the_reader_panic_or_two_readers_differ() {
        // Every arrangement of up to five of the pieces that parsers trip over.
        let pieces = ["a.b", "1", "@", ":", "/", "[", "]", "::1", ".", "%", "0x", "?", "é", "-", "80"];
        let mut urls = vec![String::from("http://")];
        for _ in 0..4 {
            urls = urls.iter().flat_map(|url| pieces.iter().map(move |piece| format!("{url}{piece}"))).collect();
            for url in &urls {
                let Ok(target) = Target::read(url) else { continue };
                let again = Target::read(&format!("http://{}", target.authority()));
                assert_eq!(again.as_ref(), Ok(&target), "{url}");
            }
        }
    }
}
