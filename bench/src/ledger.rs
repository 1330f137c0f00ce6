//! Rows of the ledger: how long an auditor waits, and what a proof costs.

use crate::row::{Goal, Row, median};
use domicile_keys::Keyring;
use domicile_ledger::verify::{Folder, Question, verify};
use domicile_ledger::{
    Accepted, Book, Counts, Decided, Digest, Entry, FrameLeaf, Head, Opened, Receipt, Time, VKey, What,
};
use domicile_world::{Millis, World};
use std::collections::BTreeMap;
use std::io;
use std::time::Instant;

const NOW: Millis = Millis(1_800_000_000_000);
const NAME: &str = "domicile/eu-west/0a1b2c3d";
/// Requests of one entry: what comes in 200 ms at some 300,000 events a second, in batches of 50.
const REQUESTS: u64 = 1_000;

pub fn rows(entries: u64) -> io::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let world = World::real();
    let keyring = Keyring::open(&world, &folder.path().join("keys")).map_err(io::Error::other)?;
    let (key, _) = keyring.new_ledger_key().map_err(io::Error::other)?;
    let path = folder.path().join("ledger");
    let noted = folder.path().join("keys/ledger.head");
    let mut book = Book::begin(world.disk.clone(), &path, &noted, NAME, key.clone()).map_err(io::Error::other)?;
    let began = Instant::now();
    let mut bytes = 0;
    for first in (0..entries).step_by(10_000) {
        let group: io::Result<Vec<_>> = (first..(first + 10_000).min(entries)).map(entry).collect();
        let group = group?;
        bytes += group.iter().map(Vec::len).sum::<usize>();
        book.append(&group).map_err(io::Error::other)?;
        book.take_old_away();
    }
    let written = began.elapsed().as_secs_f64();
    let vkey = VKey::of(NAME, &key);
    let question = Question { key: Some(vkey.clone()), ..Question::default() };
    let ledger = Folder { disk: world.disk.clone(), path };
    // Once before, so that all of it is in memory in every round.
    let (mut seconds, mut floors) = (Vec::new(), Vec::new());
    for round in 0..4 {
        let began = Instant::now();
        let report = verify(&ledger, None, &question, |_| {})?;
        if round > 0 {
            seconds.push(began.elapsed().as_secs_f64());
        }
        if !report.holds() {
            return Err(io::Error::other(format!("the ledger does not verify: {:?}", report.findings.first())));
        }
        floors.push(floor(bytes / entries as usize, entries));
    }
    let (seconds, floor) = (median(seconds), median(floors));
    let millions = entries as f64 / 1e6;
    let mut rows = vec![Row::new(
        &format!("verify {millions} M ledger entries"),
        seconds,
        " s",
        Goal::AtMost(10.0 * millions.max(1.0)),
        format!(
            "{:.1} times {floor:.2} s of SHA-256 over the same {} MB; written in {written:.1} s",
            seconds / floor,
            bytes / 1_000_000
        ),
    )];
    rows.extend(proofs(&book, book.head(), &vkey)?);
    Ok(rows)
}

/// An opening, then a window's two entries, over and over.
fn entry(n: u64) -> io::Result<Vec<u8>> {
    let window = |n: u64| [(n - 1) / 2 * 50, (n - 1) / 2 * 50 + 50];
    let counts = |events| BTreeMap::from([("9f8e7d6c5b4a39281706".to_owned(), events)]);
    let workspace = "1a2b3c4d5e6f70819203".to_owned();
    let what = if n == 0 {
        let region = "eu-west".to_owned();
        What::Opened(Opened { region, program: "0.1.0".to_owned(), accepted: 0, decided: 0, configuration: 1 })
    } else if n % 2 == 1 {
        What::Accepted(Accepted {
            workspace,
            window: window(n),
            events: 50,
            sources: counts(50),
            points: BTreeMap::from([("dublin".to_owned(), 50)]),
            location: "dublin-a".to_owned(),
            requests: 1,
            digest: Digest::sha256(&n.to_be_bytes()),
            received: [Time(NOW), Time(NOW.plus(200))],
        })
    } else {
        let kept = Counts { kept: 50, ..Counts::default() };
        let sources = BTreeMap::from([("9f8e7d6c5b4a39281706".to_owned(), kept)]);
        What::Decided(Decided { workspace, window: window(n), sources })
    };
    Entry { at: NOW.plus(100 * n as i64), what }.to_bytes().map_err(io::Error::other)
}

/// Seconds to hash as many entries of the middle size: what nobody who verifies can do without.
fn floor(bytes: usize, entries: u64) -> f64 {
    let mut entry = vec![b'x'; bytes];
    let began = Instant::now();
    for n in 0..entries {
        entry[..8].copy_from_slice(&n.to_be_bytes());
        std::hint::black_box(Digest::sha256(&entry));
    }
    began.elapsed().as_secs_f64()
}

fn proofs(book: &Book, head: Head, vkey: &VKey) -> io::Result<Vec<Row>> {
    let (mut made, mut size) = (Vec::new(), 0);
    for n in 0..1_000 {
        let index = (n * 7_919_777) % head.size;
        let began = Instant::now();
        let way = book.inclusion(index).map_err(io::Error::other)?;
        made.push(began.elapsed().as_secs_f64() * 1e3);
        size = size.max(32 * way.len());
    }
    made.sort_by(f64::total_cmp);
    let worst = made[made.len() * 99 / 100];
    let frames: Vec<_> = (0..REQUESTS)
        .map(|n| FrameLeaf { span: [50 * n, 50 * n + 50], blake3: Digest::sha256(&n.to_be_bytes()) })
        .collect();
    let way = book.inclusion(1).map_err(io::Error::other)?;
    let began = Instant::now();
    let receipt = Receipt::new(&frames, 17, &entry(1)?, (1, &way), book.checkpoint(), vkey)
        .ok_or_else(|| io::Error::other("no receipt"))?;
    let receipt_ms = began.elapsed().as_secs_f64() * 1e3;
    let row = |what: &str, value, unit, most, detail| {
        Row::new(&format!("ledger: {what}"), value, unit, Goal::AtMost(most), detail)
    };
    Ok(vec![
        row("inclusion proof, p50", median(made), " ms", 1.0, format!("in {} entries, p99 {worst:.2} ms", head.size)),
        row("inclusion proof, size", size as f64, " bytes", 1024.0, "hashes of 32 bytes".to_owned()),
        row(
            "receipt, made",
            receipt_ms,
            " ms",
            5.0,
            format!("of a window of {REQUESTS} requests, {} bytes of JSON", serde_json::to_vec(&receipt)?.len()),
        ),
    ])
}
