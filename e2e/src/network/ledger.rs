//! The ledger of a cell, read by nothing but C2SP's tlog-tiles, against what the lab knows.
//!
//! ```text
//! ledger/tile/entries/x001/234        bundle 1234: up to 256 entries
//! ledger/tile/entries/x001/234.p/17   its first 17
//! bundle = length u16 | entry | length u16 | entry | …    (big endian; an entry is one JSON object)
//! ```

use super::cell::Counts;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// What the ledger is held against.
#[derive(Debug, Default)]
pub struct Known {
    /// Of the balance sheet, by source id.
    pub sources: BTreeMap<String, Counts>,
    /// Lines of the archive, by source id.
    pub archived: BTreeMap<String, u64>,
    /// Bytes of each file of the archive, by its name there.
    pub objects: BTreeMap<String, u64>,
    /// By destination id: what its partner has.
    pub arrived: BTreeMap<String, Arrived>,
    /// Host and code of what the border refused.
    pub refused: Vec<(String, &'static str)>,
    /// Bytes that crossed to each partner's host.
    pub crossed: BTreeMap<Ipv4Addr, u64>,
}

/// What came to a partner from one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Taken, each counted once.
    pub delivered: u64,
    pub requests: u64,
    pub bytes: u64,
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

/// All that differs; nothing when ledger and lab agree to the event and to the byte.
pub fn differences(entries: &[Value], known: &Known) -> Vec<String> {
    let mut wrong = Differences::default();
    let kind = |name: &'static str| entries.iter().filter(move |entry| entry["kind"] == name);
    let count = |value: &Value| value.as_u64().unwrap_or(0);

    let all: u64 = known.sources.values().map(|counts| counts.accepted).sum();
    wrong.same("accepted", kind("accepted").map(|entry| count(&entry["events"])).sum(), all);
    for (source, counts) in &known.sources {
        wrong.same(
            &format!("accepted of {source}"),
            kind("accepted").map(|entry| count(&entry["sources"][source])).sum(),
            counts.accepted,
        );
        let Counts { kept, duplicate, invalid, .. } = *counts;
        for (outcome, known) in [("kept", kept), ("duplicate", duplicate), ("invalid", invalid)] {
            let decided = kind("decided").map(|entry| count(&entry["sources"][source][outcome])).sum();
            wrong.same(&format!("{outcome} of {source}"), decided, known);
        }
    }
    for (source, lines) in &known.archived {
        let stored = kind("stored").filter(|entry| entry["source"] == source.as_str());
        wrong.same(&format!("stored of {source}"), stored.map(|entry| count(&entry["events"])).sum(), *lines);
    }
    for (object, bytes) in &known.objects {
        let stored = kind("stored").filter(|entry| entry["object"] == object.as_str());
        wrong.same(&format!("bytes of {object}"), stored.map(|entry| count(&entry["bytes"])).sum(), *bytes);
    }
    wrong.same("files in the archive", kind("stored").count() as u64, known.objects.len() as u64);
    for (destination, arrived) in &known.arrived {
        let of_it = || kind("sent").filter(|entry| entry["destination"] == destination.as_str());
        let sum = |field: &str| of_it().map(|entry| count(&entry[field])).sum();
        let Arrived { delivered, requests, bytes } = *arrived;
        for (field, known) in [("delivered", delivered), ("requests", requests), ("bytes", bytes)] {
            wrong.same(&format!("{field} of destination {destination}"), sum(field), known);
        }
    }
    for (host, code) in &known.refused {
        let is_there = kind("refused").any(|entry| entry["host"] == host.as_str() && entry["code"] == *code);
        wrong.same(&format!("whether {host} was refused for {code}"), u64::from(is_there), 1);
    }
    let mut sent: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    for entry in kind("sent") {
        let address = entry["address"].as_str().unwrap_or_default();
        match address.split(':').next().unwrap_or_default().parse() {
            Ok(address) => *sent.entry(address).or_default() += count(&entry["bytes"]),
            Err(_) => wrong.0.push(format!("sent to `{address}`, which is no address of the lab")),
        }
    }
    for (address, crossed) in &known.crossed {
        match sent.get(address) {
            None => wrong.0.push(format!("{crossed} bytes crossed to {address}, and no entry says so")),
            Some(bytes) if bytes > crossed => {
                wrong.0.push(format!("{bytes} bytes sent to {address}, and only {crossed} crossed"));
            }
            Some(_) => {}
        }
    }
    let unseen = sent.keys().filter(|address| !known.crossed.contains_key(address));
    wrong.0.extend(unseen.map(|address| format!("sent to {address}, and nothing crossed to it")));
    wrong.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn same(&mut self, what: &str, ledger: u64, lab: u64) {
        if ledger != lab {
            self.0.push(format!("{what}: the ledger says {ledger}, the lab {lab}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> (Vec<Value>, Known) {
        let entries = vec![
            json!({ "kind": "accepted", "events": 3, "sources": { "a": 1, "b": 2 } }),
            json!({ "kind": "accepted", "events": 1, "sources": { "a": 1 } }),
            json!({ "kind": "decided", "sources": { "a": { "kept": 1, "duplicate": 1 }, "b": { "kept": 1, "invalid": 1 } } }),
            json!({ "kind": "stored", "source": "a", "object": "o", "events": 1, "bytes": 90 }),
            json!({ "kind": "sent", "destination": "d", "address": "10.99.4.1:8080", "delivered": 1, "requests": 2, "bytes": 500 }),
            json!({ "kind": "refused", "host": "turns.test", "code": "country_refused" }),
        ];
        let counts = |accepted, duplicate, invalid, kept| Counts { accepted, duplicate, invalid, kept };
        let known = Known {
            sources: [("a".to_owned(), counts(2, 1, 0, 1)), ("b".to_owned(), counts(2, 0, 1, 1))].into(),
            archived: [("a".to_owned(), 1)].into(),
            objects: [("o".to_owned(), 90)].into(),
            arrived: [("d".to_owned(), Arrived { delivered: 1, requests: 2, bytes: 500 })].into(),
            refused: vec![("turns.test".to_owned(), "country_refused")],
            crossed: [(Ipv4Addr::new(10, 99, 4, 1), 900)].into(),
        };
        (entries, known)
    }

    #[test]
    fn a_ledger_that_says_what_the_lab_knows_has_no_difference_and_every_change_is_one() {
        let (entries, known) = good();
        assert_eq!(differences(&entries, &known), [""; 0]);
        for (entry, at, value) in [
            (0, "/events", json!(4)),
            (0, "/sources/a", json!(2)),
            (2, "/sources/a/kept", json!(2)),
            (2, "/sources/b/invalid", json!(0)),
            (3, "/events", json!(2)),
            (3, "/bytes", json!(91)),
            (3, "/object", json!("p")),
            (4, "/delivered", json!(2)),
            (4, "/requests", json!(1)),
            (4, "/bytes", json!(499)),
            (4, "/address", json!("10.99.4.2:8080")),
            (4, "/address", json!("partner.test")),
            (5, "/host", json!("other.test")),
            (5, "/code", json!("address_refused")),
        ] {
            let mut changed = entries.clone();
            *changed[entry].pointer_mut(at).unwrap() = value;
            assert!(!differences(&changed, &known).is_empty(), "{entry} {at}");
        }
        for left_out in 0..entries.len() {
            let mut fewer = entries.clone();
            fewer.remove(left_out);
            assert!(!differences(&fewer, &known).is_empty(), "without {left_out}");
        }
        let crossed = [(Ipv4Addr::new(10, 99, 4, 1), 499)].into();
        assert_eq!(differences(&entries, &Known { crossed, ..known }).len(), 1);
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
