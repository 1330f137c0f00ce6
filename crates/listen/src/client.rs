//! The client's address behind proxies: one rule for whatever counts, limits or notes by it. Pure.

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address: the peer's, unless the peer is a trusted proxy that names another.
///
/// The list that proxies have written is walked from its end, where the nearest proxy wrote, over trusted addresses to
/// the first that is not one: what stands before that, anybody may have sent. An entry that is no address ends the walk
/// too. `Forwarded` (RFC 7239) and `X-Forwarded-For` are both read; when a request has both and they differ, one of
/// them was passed through from the client, so neither is believed.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let trusts = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    if !trusts(&peer) {
        return peer;
    }
    let forwarded = headers.contains_key(FORWARDED).then(|| {
        let entries = lines(headers, FORWARDED.as_str()).flat_map(|line| split_quoted(line, ',')).map(forwarded_for);
        walk(peer, entries.collect(), trusts)
    });
    let x_forwarded = headers.contains_key(X_FORWARDED_FOR).then(|| {
        let entries = lines(headers, X_FORWARDED_FOR).flat_map(|line| line.split(',')).map(address);
        walk(peer, entries.collect(), trusts)
    });
    match (forwarded, x_forwarded) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

/// A line that is no text counts as an entry that is no address.
fn lines<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unknown"))
}

fn walk(peer: IpAddr, entries: Vec<Option<IpAddr>>, trusts: impl Fn(&IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for entry in entries.into_iter().rev() {
        let Some(ip) = entry else { break };
        client = ip;
        if !trusts(&ip) {
            break;
        }
    }
    client
}

/// An address with or without port and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(IpAddr::to_canonical(&ip))
}

/// The `for` of one element of a `Forwarded` header.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    split_quoted(element, ';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| address(value))
    })?
}

/// Splits at `at`, but not inside quotes.
fn split_quoted(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == at && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[(&'static str, &str)], client: &str) {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).to_vec();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = client_address(peer.parse().unwrap(), &map, &trusted);
        assert_eq!(found.to_string(), client, "{peer} {headers:?}");
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn a_peer_that_is_not_trusted_is_the_client_whatever_it_says() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &[(XFF, "198.51.100.1")], "203.0.113.9");
        check("203.0.113.9", &[("forwarded", "for=198.51.100.1")], "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &[(XFF, "198.51.100.1")], "198.51.100.1");
        check("10.0.0.1", &[(XFF, "198.51.100.1:4711")], "198.51.100.1");
        check("10.0.0.1", &[(XFF, "2001:db8::1")], "2001:db8::1");
        check("10.0.0.1", &[(XFF, "[2001:db8::1]:443")], "2001:db8::1");
        check("10.0.0.1", &[(XFF, "::ffff:198.51.100.1")], "198.51.100.1");
        check("fd00::1", &[("forwarded", "for=198.51.100.1;proto=https;by=10.0.0.1")], "198.51.100.1");
        check("10.0.0.1", &[("forwarded", r#"proto=https; For="[2001:db8:cafe::17]:4711""#)], "2001:db8:cafe::17");
        check("10.0.0.1", &[("forwarded", r#"for="[2001:db8::17]""#)], "2001:db8::17");
        check("10.0.0.1", &[("forwarded", r#"ext="a,b;for=1.1.1.1";for=198.51.100.1"#)], "198.51.100.1");
    }

    #[test]
    fn what_a_client_put_in_front_is_not_believed() {
        check("10.0.0.1", &[(XFF, "8.8.8.8, 198.51.100.1")], "198.51.100.1");
        check("10.0.0.1", &[(XFF, "8.8.8.8, 198.51.100.1, 10.0.0.2")], "198.51.100.1");
        check("10.0.0.1", &[(XFF, "8.8.8.8"), (XFF, "198.51.100.1")], "198.51.100.1");
        check("10.0.0.1", &[("forwarded", "for=8.8.8.8, for=198.51.100.1,for=10.9.9.9")], "198.51.100.1");
        check("10.0.0.1", &[("forwarded", "for=8.8.8.8"), (XFF, "198.51.100.1")], "10.0.0.1");
    }

    #[test]
    fn the_walk_ends_at_what_is_no_address() {
        check("10.0.0.1", &[(XFF, "198.51.100.1, unknown")], "10.0.0.1");
        check("10.0.0.1", &[(XFF, "198.51.100.1, unknown, 10.0.0.3")], "10.0.0.3");
        check("10.0.0.1", &[("forwarded", "for=_hidden")], "10.0.0.1");
        check("10.0.0.1", &[("forwarded", "proto=https")], "10.0.0.1");
        check("10.0.0.1", &[("forwarded", r#"for="198.51.100.1"#)], "198.51.100.1");
        check("10.0.0.1", &[(XFF, "")], "10.0.0.1");
        check("10.0.0.1", &[(XFF, ",,,")], "10.0.0.1");
    }

    #[test]
    fn trusted_to_the_end_is_the_first_of_the_list() {
        check("10.0.0.1", &[(XFF, "10.0.0.9, 10.0.0.8")], "10.0.0.9");
    }

    #[test]
    fn both_headers_that_agree_are_believed() {
        check("10.0.0.1", &[("forwarded", "for=198.51.100.1"), (XFF, "198.51.100.1")], "198.51.100.1");
    }
}
