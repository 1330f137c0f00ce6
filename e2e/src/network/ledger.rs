//! The ledger of a cell, read by nothing but C2SP's tlog-tiles, against what the lab knows.
//!
//! ```text
//! ledger/tile/entries/x001/234        bundle 1234: up to 256 entries
//! ledger/tile/entries/x001/234.p/17   its first 17
//! bundle = length u16 | entry | length u16 | entry | …    (big endian; an entry is one JSON object)
//! ```

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Whether cells write a ledger. Until they do, its check is shown as skipped.
pub const LEDGER: bool = false;

/// What the ledger is held against.
#[derive(Debug, Default)]
pub struct Known {
    /// Of the balance sheet.
    pub accepted: u64,
    /// Lines of the archive.
    pub archived: u64,
    /// Delivered, by destination: what the partners have.
    pub delivered: BTreeMap<String, u64>,
    /// Destinations with events that the border refused.
    pub refused: Vec<String>,
    /// Bytes that crossed to each host that is neither a client nor the name server.
    pub crossed: BTreeMap<Ipv4Addr, u64>,
}

/// Every entry in order.
pub fn entries(ledger: &Path) -> Result<Vec<Value>, String> {
    let root = ledger.join("tile/entries");
    let mut bundles = BTreeMap::new();
    collect(&root, String::new(), &mut bundles)?;
    let mut entries = Vec::new();
    for (expected, (number, (_, bytes))) in bundles.iter().enumerate() {
        if *number != expected as u64 {
            return Err(format!("{}: bundle {expected} is missing", root.display()));
        }
        entries.extend(read_bundle(bytes).map_err(|why| format!("{}: bundle {number}: {why}", root.display()))?);
    }
    Ok(entries)
}

/// Of each bundle the form with the most entries: number, entries it says it has, bytes.
fn collect(folder: &Path, digits: String, bundles: &mut BTreeMap<u64, (u32, Vec<u8>)>) -> Result<(), String> {
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for entry in fs::read_dir(folder).map_err(|error| at(folder, error))? {
        let path = entry.map_err(|error| at(folder, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let strange = || format!("{}: no part of a bundle's name", path.display());
        let number = |name: &str| format!("{digits}{name}").parse::<u64>().map_err(|_| strange());
        let mut put = |number: u64, count: u32, path: &Path| {
            if bundles.get(&number).is_none_or(|(known, _)| *known < count) {
                bundles.insert(number, (count, fs::read(path).map_err(|error| at(path, error))?));
            }
            Ok::<_, String>(())
        };
        if let Some(more) = name.strip_prefix('x').filter(|_| path.is_dir()) {
            collect(&path, format!("{digits}{more}"), bundles)?;
        } else if let Some(last) = name.strip_suffix(".p") {
            let number = number(last)?;
            for part in fs::read_dir(&path).map_err(|error| at(&path, error))? {
                let part = part.map_err(|error| at(&path, error))?;
                let count = part.file_name().to_string_lossy().parse().map_err(|_| strange())?;
                put(number, count, &part.path())?;
            }
        } else {
            put(number(&name)?, 256, &path)?;
        }
    }
    Ok(())
}

fn read_bundle(mut bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let cut = || format!("entry {} is cut off", entries.len());
        let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(cut)?;
        entries.push(serde_json::from_slice(entry).map_err(|error| format!("entry {}: {error}", entries.len()))?);
        bytes = rest;
    }
    Ok(entries)
}

/// All that differs; nothing when ledger and lab agree to the event.
pub fn differences(entries: &[Value], known: &Known) -> Vec<String> {
    let kind = |name: &'static str| entries.iter().filter(move |entry| entry["kind"] == name);
    let sum = |name, field: &str| kind(name).map(|entry| entry[field].as_u64().unwrap_or(0)).sum::<u64>();
    let all = |value: &Value| value.as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum::<u64>();
    let mut wrong = Vec::new();
    let mut same = |what: &str, ledger: u64, lab: u64| {
        if ledger != lab {
            wrong.push(format!("{what}: the ledger says {ledger}, the lab {lab}"));
        }
    };
    same("accepted", sum("accepted", "events"), known.accepted);
    same("accepted by source", kind("accepted").map(|entry| all(&entry["sources"])).sum(), known.accepted);
    same("accepted by point", kind("accepted").map(|entry| all(&entry["points"])).sum(), known.accepted);
    same("decided", kind("decided").map(|entry| all(&entry["outcomes"])).sum(), known.accepted);
    same("stored", sum("stored", "events"), known.archived);
    for (destination, delivered) in &known.delivered {
        let of_it = kind("sent").filter(|entry| entry["destination"] == destination.as_str());
        same(
            &format!("sent to {destination}"),
            of_it.map(|entry| entry["delivered"].as_u64().unwrap_or(0)).sum(),
            *delivered,
        );
    }
    for destination in &known.refused {
        let is_there = kind("refused").any(|entry| entry["destination"] == destination.as_str());
        same(&format!("refused for {destination}, entries or none"), u64::from(is_there), 1);
    }
    let mut sent: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    for entry in kind("sent") {
        let address = entry["address"].as_str().unwrap_or_default();
        match address.split(':').next().unwrap_or_default().parse() {
            Ok(address) => *sent.entry(address).or_default() += entry["bytes"].as_u64().unwrap_or(0),
            Err(_) => wrong.push(format!("sent to `{address}`, which is no address of the lab")),
        }
    }
    for (address, crossed) in &known.crossed {
        match sent.get(address) {
            None => wrong.push(format!("{crossed} bytes crossed to {address}, and no entry says so")),
            Some(bytes) if bytes > crossed => {
                wrong.push(format!("{bytes} bytes sent to {address}, and only {crossed} crossed"));
            }
            Some(_) => {}
        }
    }
    let unseen = sent.keys().filter(|address| !known.crossed.contains_key(address));
    wrong.extend(unseen.map(|address| format!("sent to {address}, and nothing crossed to it")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> (Vec<Value>, Known) {
        let entries = vec![
            json!({ "kind": "accepted", "events": 3, "sources": { "a": 1, "b": 2 }, "points": { "dublin": 3 } }),
            json!({ "kind": "accepted", "events": 1, "sources": { "a": 1 }, "points": { "dublin": 1 } }),
            json!({ "kind": "decided", "outcomes": { "kept": 3, "duplicate": 1 } }),
            json!({ "kind": "stored", "object": "o", "events": 3, "bytes": 90 }),
            json!({ "kind": "sent", "destination": "d", "address": "10.99.4.1:8080", "delivered": 2, "bytes": 500 }),
            json!({ "kind": "refused", "destination": "r", "code": "country_refused" }),
        ];
        let known = Known {
            accepted: 4,
            archived: 3,
            delivered: [("d".to_owned(), 2)].into(),
            refused: vec!["r".to_owned()],
            crossed: [(Ipv4Addr::new(10, 99, 4, 1), 900)].into(),
        };
        (entries, known)
    }

    #[test]
    fn a_ledger_that_says_what_the_lab_knows_has_no_difference_and_every_change_is_one() {
        let (entries, known) = good();
        assert_eq!(differences(&entries, &known), [""; 0]);
        for (entry, field, value) in [
            (0, "events", json!(4)),
            (0, "sources", json!({ "a": 1 })),
            (1, "points", json!({})),
            (2, "outcomes", json!({ "kept": 3 })),
            (3, "events", json!(2)),
            (4, "delivered", json!(1)),
            (4, "address", json!("10.99.4.2:8080")),
            (4, "address", json!("partner.test")),
            (4, "bytes", json!(901)),
            (5, "destination", json!("d")),
        ] {
            let mut changed = entries.clone();
            changed[entry][field] = value;
            assert!(!differences(&changed, &known).is_empty(), "{entry} {field}");
        }
        for left_out in 0..entries.len() {
            let mut fewer = entries.clone();
            fewer.remove(left_out);
            assert!(!differences(&fewer, &known).is_empty(), "without {left_out}");
        }
    }

    #[test]
    fn bundles_are_read_in_order_the_fullest_form_of_each() {
        let folder = std::env::temp_dir().join(format!("domicile-bundles-{}", std::process::id()));
        let write = |path: &str, texts: &[&str]| {
            let path = folder.join("tile/entries").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes =
                texts.iter().flat_map(|text| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat());
            fs::write(path, bytes.collect::<Vec<u8>>()).unwrap();
        };
        write("001.p/1", &["3"]);
        write("001.p/2", &["3", "4"]);
        write("000", &["1", "2"]);
        write("000.p/1", &["1"]);
        let read = entries(&folder).unwrap();
        write("x001/000", &["5"]);
        let gap = entries(&folder).unwrap_err();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read, [1, 2, 3, 4].map(Value::from));
        assert!(gap.contains("bundle 2 is missing"), "{gap}");
        assert!(read_bundle(&[0, 2, b'1']).unwrap_err().contains("cut off"));
    }
}
