//! A writer of the MaxMind DB format (version 2.0), from its public description: small databases for tests.
//!
//! ```text
//! search tree (24-bit records) | 16 zero bytes | data | \xab\xcd\xefMaxMind.com | metadata
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

/// A branch of the tree: to another node, or to data.
#[derive(Clone, Copy, Default)]
enum Branch {
    #[default]
    Nothing,
    Node(usize),
    Data(usize),
}

/// `("9.9.9.0/24", "CH")`; an empty country is a record without one. `ip_version` 4 takes IPv4 ranges only; in a database of
/// version 6 they lie in `::/96`.
pub fn mmdb(ip_version: u16, ranges: &[(&str, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut offsets: BTreeMap<&str, usize> = BTreeMap::new();
    let mut nodes = vec![[Branch::Nothing; 2]];
    for (range, country) in ranges {
        let offset = *offsets.entry(country).or_insert_with(|| {
            let offset = data.len();
            let inside = if country.is_empty() { Vec::new() } else { map(&[("iso_code", text(country))]) };
            let about = if country.is_empty() { text("an orphan") } else { inside };
            data.extend(map(&[(if country.is_empty() { "about" } else { "country" }, about)]));
            offset
        });
        let (address, bits) = range.split_once('/').expect("a range");
        let bits: usize = bits.parse().expect("bits");
        let way: Vec<bool> = match (ip_version, address.parse().expect("an address")) {
            (4, IpAddr::V4(v4)) => bits_of(&v4.octets(), bits),
            (_, IpAddr::V4(v4)) => bits_of(&v4.to_ipv6_compatible().octets(), 96 + bits),
            (_, IpAddr::V6(v6)) => bits_of(&v6.octets(), bits),
        };
        insert(&mut nodes, &way, offset);
    }
    let count = nodes.len();
    let mut file = Vec::new();
    for branch in nodes.iter().flatten() {
        let value = match branch {
            Branch::Nothing => count,
            Branch::Node(node) => *node,
            Branch::Data(offset) => count + 16 + offset,
        };
        file.extend_from_slice(&(value as u32).to_be_bytes()[1..]);
    }
    file.extend_from_slice(&[0; 16]);
    file.extend(data);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    file.extend(map(&[
        ("node_count", number(6, count as u64)),
        ("record_size", number(5, 24)),
        ("ip_version", number(5, u64::from(ip_version))),
        ("database_type", text("Test-Country")),
        ("languages", vec![1, 4].into_iter().chain(text("en")).collect()),
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", number(9, 1_800_000_000)),
        ("description", map(&[("en", text("made by a test"))])),
    ]));
    file
}

fn bits_of(octets: &[u8], bits: usize) -> Vec<bool> {
    (0..bits).map(|bit| octets[bit / 8] >> (7 - bit % 8) & 1 == 1).collect()
}

fn insert(nodes: &mut Vec<[Branch; 2]>, way: &[bool], offset: usize) {
    let (last, before) = way.split_last().expect("a range of more than no bits");
    let mut at = 0;
    for bit in before {
        let bit = usize::from(*bit);
        at = match nodes[at][bit] {
            Branch::Node(node) => node,
            _ => {
                nodes.push([Branch::Nothing; 2]);
                let node = nodes.len() - 1;
                nodes[at][bit] = Branch::Node(node);
                node
            }
        };
    }
    nodes[at][usize::from(*last)] = Branch::Data(offset);
}

/// Types from 8 on are spelled in a byte of their own, as what they are more than 7.
fn control(kind: u8, size: usize) -> Vec<u8> {
    let size = u8::try_from(size).ok().filter(|size| *size < 29).expect("tests write nothing long");
    if kind < 8 { vec![kind << 5 | size] } else { vec![size, kind - 7] }
}

fn text(text: &str) -> Vec<u8> {
    let mut out = control(2, text.len());
    out.extend_from_slice(text.as_bytes());
    out
}

fn number(kind: u8, number: u64) -> Vec<u8> {
    let bytes: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let mut out = control(kind, bytes.len());
    out.extend(bytes);
    out
}

fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = control(7, members.len());
    for (key, value) in members {
        out.extend(text(key));
        out.extend_from_slice(value);
    }
    out
}
