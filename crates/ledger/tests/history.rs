//! Whoever has the files but not the key, an old key or another ledger's writes no history that holds; whoever has the key
//! too can't contradict a checkpoint that somebody has seen.

use crate::bed::{
    self, FOLDER, KEYS, Map, NAME, Written, at, configured, entries, findings, key, report, story, tree, write,
    written, written_in,
};
use domicile_ledger::verify::{Question, verify};
use domicile_ledger::{BookError, Entry, Head, LedgerError, VKey, What};
use domicile_testkit::Handles;
use std::collections::BTreeMap;
use std::path::Path;

/// The ledger with other entries, rebuilt whole but for what only the key can make.
fn rebuilt(ledger: &Written, others: &[Vec<u8>]) -> Map {
    let mut files = tree(&ledger.vkey.name, &key(99), others, 7);
    for path in ["checkpoint", "vkey"] {
        *files.file(path) = ledger.files.0[path].clone();
    }
    files
}

#[test]
fn entries_that_are_dropped_moved_altered_or_added_are_found_although_all_hashes_fit() {
    let ledger = written();
    let all = entries(&ledger.files);
    assert!(report(&rebuilt(&ledger, &all), &ledger.question()).holds(), "the same entries make the same ledger");
    let mut others = Vec::new();
    for n in 0..all.len() {
        let mut dropped = all.clone();
        dropped.remove(n);
        others.push((format!("entry {n} dropped"), dropped));
        let mut doubled = all.clone();
        doubled.insert(n, all[n].clone());
        others.push((format!("entry {n} doubled"), doubled));
        let mut altered = all.clone();
        let mut entry = Entry::read(&all[n]).expect("an entry");
        entry.at = entry.at.plus(1);
        altered[n] = entry.to_bytes().expect("spelled");
        others.push((format!("entry {n} altered"), altered));
        if n > 0 {
            let mut moved = all.clone();
            moved.swap(n, n - 1);
            others.push((format!("entries {} and {n} changed places", n - 1), moved));
        }
        others.push((format!("cut at entry {n}"), all[..n].to_vec()));
    }
    for (what, others) in others {
        assert!(!report(&rebuilt(&ledger, &others), &ledger.question()).holds(), "not found: {what}");
    }
}

#[test]
fn a_ledger_signed_with_another_key_is_found_by_who_has_the_right_one() {
    let ledger = written();
    let other = tree(&ledger.vkey.name, &key(99), &entries(&ledger.files), 100);
    let found = findings(&report(&other, &ledger.question()));
    assert_eq!(found, ["vkey: another key than the one that was given", "checkpoint: the key did not sign it"]);
    // Its own key shows integrity only: the report says which one it was.
    let believed = report(&other, &Question::default());
    assert!(believed.holds() && believed.vkey != Some(ledger.vkey.clone()));
    // The right `vkey` on top helps nobody.
    let mut hidden = other.clone();
    *hidden.file("vkey") = ledger.files.0["vkey"].clone();
    assert!(!report(&hidden, &ledger.question()).holds() && !report(&hidden, &Question::default()).holds());
}

#[test]
fn another_ledgers_checkpoint_is_found() {
    let ledger = written();
    for (region, seed) in [("us-west", 1), ("us-west", 8), ("eu-west", 8)] {
        let other = written_in(region, seed, &story());
        let mut files = ledger.files.clone();
        *files.file("checkpoint") = other.files.0["checkpoint"].clone();
        assert!(!report(&files, &ledger.question()).holds() && !report(&files, &Question::default()).holds());
        *files.file("vkey") = other.files.0["vkey"].clone();
        assert!(!report(&files, &ledger.question()).holds(), "with its key too");
        assert!(!report(&other.files, &ledger.question()).holds(), "all of it");
    }
    // One key, two regions' names: what one signed is nothing in the other.
    let head = Head::read(&ledger.files.0["checkpoint"], &ledger.vkey, &[]).expect("signed").0;
    let mut files = ledger.files.clone();
    *files.file("checkpoint") = head.sign("domicile/us-west/0a1b2c3d", &ledger.key).expect("signed");
    let found = findings(&report(&files, &ledger.question()));
    assert_eq!(found, ["checkpoint: it is of another ledger"]);
}

#[test]
fn a_signature_more_is_found_whoever_made_it() {
    let ledger = written();
    let note = ledger.files.0["checkpoint"].clone();
    let (_, lines) = {
        let text = String::from_utf8(note.clone()).expect("text");
        let (text, lines) = text.split_once("\n\n").expect("a note");
        (text.to_owned(), lines.to_owned())
    };
    for line in [lines.clone(), "— stranger AAAAAAA=\n".to_owned(), lines.replace("domicile", "domicil")] {
        let mut files = ledger.files.clone();
        files.file("checkpoint").extend_from_slice(line.as_bytes());
        assert!(!report(&files, &ledger.question()).holds(), "{line}");
    }
}

#[test]
fn an_earlier_checkpoint_finds_what_was_rolled_back_or_forked() {
    let whole = story();
    let long = written();
    let short = written_in("eu-west", 1, &whole[..5]);
    assert_eq!(short.vkey, long.vkey, "one region at two times");
    let seen = |ledger: &Written| Question { earlier: Some(ledger.files.0["checkpoint"].clone()), ..ledger.question() };

    assert!(report(&long.files, &seen(&short)).holds(), "{:?}", findings(&report(&long.files, &seen(&short))));
    assert!(report(&long.files, &seen(&long)).holds());
    let found = findings(&report(&short.files, &seen(&long)));
    assert_eq!(
        found,
        ["the earlier checkpoint: it signs 21 entries, and the ledger has 13: some were taken away"],
        "an old copy holds by itself, and not against what was seen"
    );

    // The same key, another history.
    let mut all = entries(&long.files);
    let mut entry = Entry::read(&all[3]).expect("an entry");
    entry.at = entry.at.plus(1);
    all[3] = entry.to_bytes().expect("spelled");
    let fork = tree(&long.vkey.name, &long.key, &all, 5);
    assert!(report(&fork, &long.question()).holds(), "a fork holds by itself");
    for earlier in [&short, &long] {
        let found = findings(&report(&fork, &seen(earlier)));
        assert_eq!(
            found,
            ["the earlier checkpoint: the ledger does not begin with what it signs: two histories were signed"]
        );
    }
    // Cut and gone on otherwise.
    all.truncate(10);
    all.extend((0..300).map(|n| at(n).to_bytes().expect("spelled")));
    let fork = tree(&long.vkey.name, &long.key, &all, 50);
    assert!(!report(&fork, &seen(&long)).holds());
    // What is no checkpoint of this ledger shows nothing.
    for earlier in [Vec::new(), b"x".to_vec(), written_in("us-west", 1, &whole).files.0["checkpoint"].clone()] {
        assert!(!report(&long.files, &Question { earlier: Some(earlier), ..long.question() }).holds());
    }
}

#[test]
fn consistency_is_shown_and_refused_for_all_sizes_up_to_300() {
    let signing = key(7);
    let all: Vec<Vec<u8>> = (0..300).map(|n| at(n).to_bytes().expect("spelled")).collect();
    let (world, hands) = domicile_testkit::world(0);
    let mut book = bed::begin(&world, NAME, &signing).expect("a new ledger");
    let vkey = VKey::of(NAME, &signing);
    let mut heads = vec![book.head()];
    let mut folders = BTreeMap::new();
    for (n, entry) in (1_u64..).zip(&all) {
        book.append(std::slice::from_ref(entry)).expect("appended");
        book.take_old_away();
        let head = book.head();
        for (m, old) in heads.iter().enumerate() {
            assert!(head.extends(old, &book).expect("read"), "{m} in {n}");
            assert!(!old.extends(&head, &book).expect("read"), "{n} in {m}");
            let mut other = *old;
            other.root.0[m % 32] ^= 1;
            // Of nothing there is only one history.
            assert_eq!(head.extends(&other, &book).expect("read"), m == 0, "another {m} in {n}");
        }
        heads.push(head);
        if n % 37 == 0 {
            folders.insert(n, Map::of(&hands, FOLDER));
        }
    }
    // The whole way, with signatures, at some of them.
    for (n, folder) in folders {
        for m in (0..=300).step_by(23) {
            let earlier = Some(heads[m].sign(NAME, &signing).expect("signed"));
            let question = Question { key: Some(vkey.clone()), earlier, ..Question::default() };
            let report = verify(&folder, None, &question, |_| {}).expect("read");
            let of_earlier = report.findings.iter().filter(|finding| finding.place.contains("earlier")).count();
            assert_eq!(of_earlier == 0, m as u64 <= n, "{m} in {n}: {:?}", report.findings);
        }
    }
}

fn opening(hands: &Handles) -> Result<(), LedgerError> {
    bed::open(&hands.restart(), "eu-west").map(drop)
}

#[test]
fn a_ledger_that_was_rolled_back_does_not_open_and_is_not_written_on() {
    let (world, hands) = domicile_testkit::world(1);
    let whole = story();
    bed::run(write(&world, &hands, "eu-west", &whole[..4]));
    let old = Map::of(&hands, FOLDER);
    bed::run(write(&hands.restart(), &hands, "eu-west", &[vec![configured(2)]]));
    opening(&hands).expect("what was written opens");
    put(&hands, &old);
    let before = hands.disk.contents();
    let refused = opening(&hands).expect_err("it is shorter than what was signed");
    assert!(matches!(refused, LedgerError::Book(BookError::Changed { .. })), "{refused}");
    assert!(refused.to_string().contains("it ends at entry 10, and 11 were signed"), "{refused}");
    assert_eq!(hands.disk.contents(), before, "nothing was changed");
}

#[test]
fn a_fork_signed_with_the_same_key_does_not_open() {
    let (world, hands) = domicile_testkit::world(1);
    bed::run(write(&world, &hands, "eu-west", &story()));
    let ledger = written();
    let mut all = entries(&ledger.files);
    all.truncate(4);
    all.extend((0..300).map(|n| at(n).to_bytes().expect("spelled")));
    put(&hands, &tree(&ledger.vkey.name, &ledger.key, &all, 100));
    let refused = opening(&hands).expect_err("another history");
    assert!(refused.to_string().contains("does not begin with the entries that were signed before"), "{refused}");
}

#[test]
fn a_ledger_without_its_key_or_a_key_without_its_ledger_does_not_open() {
    for (gone, what) in [
        ("/keys/ledger.key", "the key that signs it is gone"),
        ("/ledger/checkpoint", "the checkpoint is gone"),
        ("/ledger/vkey", "not the key of this ledger"),
        ("/ledger/tile/0/000.p/21", "missing"),
        ("/ledger/tile/entries/000.p/21", "missing"),
    ] {
        let (world, hands) = domicile_testkit::world(1);
        bed::run(write(&world, &hands, "eu-west", &story()));
        hands.restart().disk.remove(Path::new(gone)).expect("it was there");
        let refused = opening(&hands).expect_err(gone);
        assert!(matches!(refused, LedgerError::Book(BookError::Changed { .. })), "{gone}: {refused}");
        assert!(refused.to_string().contains(what), "{gone}: {refused}");
    }
    // Nor one of which any byte at the end was changed, or whose head can't be read.
    let (world, hands) = domicile_testkit::world(1);
    bed::run(write(&world, &hands, "eu-west", &story()));
    let kept = hands.disk.snapshot();
    for (path, bytes) in hands.disk.contents().into_iter().filter(|(path, _)| path.starts_with(FOLDER)) {
        for byte in (0..bytes.len()).step_by(13) {
            hands.disk.flip(&path, byte, 3);
            opening(&hands).expect_err("it was changed");
            hands.disk.restore(&kept);
        }
    }
    hands.disk.flip(&Path::new(KEYS).join("ledger.head"), 40, 3);
    opening(&hands).expect_err("the noted head was changed");
    hands.disk.restore(&kept);
    opening(&hands).expect("all is as it was");
}

#[test]
fn entries_that_are_none_are_found_although_they_are_signed() {
    let ledger = written();
    let mut all = entries(&ledger.files);
    for wrong in [&b""[..], b"{}", b"x", b"{\"at\":\"2026-11-24T16:00:00.000Z\",\"kind\":\"sold\"}", &[0xff; 100]] {
        all.push(wrong.to_vec());
        let files = tree(&ledger.vkey.name, &ledger.key, &all, 100);
        let found = findings(&report(&files, &ledger.question()));
        assert!(found.iter().any(|found| found.starts_with("entry 21: not an entry")), "{found:?}");
        all.pop();
    }
    let what = What::Closed(domicile_ledger::Closed { accepted: 12, decided: 12 });
    all[0] = Entry { at: at(0).at, what }.to_bytes().expect("spelled");
    let files = tree(&ledger.vkey.name, &ledger.key, &all, 100);
    let found = findings(&report(&files, &ledger.question()));
    assert!(found.contains(&"entry 0: a ledger begins with the opening of its cell".to_owned()), "{found:?}");
}

/// Puts a folder in the place of the one that is there.
fn put(hands: &Handles, files: &Map) {
    let world = hands.restart();
    for (path, _) in hands.disk.contents().into_iter().filter(|(path, _)| path.starts_with(FOLDER)) {
        world.disk.remove(&path).expect("it was there");
    }
    for (path, bytes) in &files.0 {
        let path = Path::new(FOLDER).join(path);
        world.disk.make_folder(path.parent().expect("not the root"), false).expect("a folder");
        world.disk.open_append(&path).expect("a file").append(&[std::io::IoSlice::new(bytes)]).expect("written");
    }
}
