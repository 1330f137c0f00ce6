//! The archive's files, against what the ledger says was stored.

use crate::bed::{Map, archive, findings, object, written};
use domicile_ledger::verify::{Report, verify};

fn is_whole(bytes: &[u8]) -> bool {
    bytes == b"cursor"
}

fn checked(archive: &Map) -> Report {
    let ledger = written();
    verify(&ledger.files, Some((archive, is_whole)), &ledger.question(), |_| {}).expect("what can be read is judged")
}

#[test]
fn an_archive_as_it_was_written_holds() {
    let mut files = archive();
    let report = checked(&files);
    assert!(report.holds(), "{:?}", findings(&report));
    assert_eq!((report.objects, report.unnamed), (3, 0));
    assert_eq!(report.object_bytes, files.0.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    files.0.insert("archive.cursor".into(), b"cursor".to_vec());
    assert!(checked(&files).holds());
}

#[test]
fn every_byte_and_every_length_of_an_archive_is_looked_at() {
    let files = archive();
    for (path, bytes) in &files.0 {
        for byte in 0..bytes.len() {
            for bit in 0..8 {
                let mut files = files.clone();
                files.file(path)[byte] ^= 1 << bit;
                let report = checked(&files);
                assert!(!report.holds() && report.findings[0].place.starts_with(path), "{path} {byte} {bit}");
            }
            let mut files = files.clone();
            files.file(path).truncate(byte);
            assert!(!checked(&files).holds(), "{path} cut to {byte}");
        }
    }
}

#[test]
fn a_file_that_is_missing_swapped_or_unheard_of_is_found() {
    let files = archive();
    let (acme, beta) = ("segment-logs/acme/0-9.gz", "segment-logs/beta/0-9.gz");
    for path in files.0.keys() {
        let mut files = files.clone();
        files.0.remove(path);
        let found = findings(&checked(&files));
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("the archive does not have it any more") && found[0].starts_with(path), "{found:?}");
    }
    let mut swapped = files.clone();
    let other = files.0[beta].clone();
    swapped.0.extend([(acme.to_owned(), other), (beta.to_owned(), files.0[acme].clone())]);
    assert_eq!(
        findings(&checked(&swapped)),
        [
            format!("{beta} (entry 10): the archive has something else under this name"),
            format!("{acme} (entry 17): the archive has something else under this name"),
        ],
        "in the order of the entries"
    );
    for name in ["segment-logs/acme/0-8.gz", "segment-logs/acme/0-9.gz.new", "archive.cursor.old", "x"] {
        let mut files = files.clone();
        files.0.insert(name.into(), object(1));
        let report = checked(&files);
        let what = "it is in the archive, and the ledger does not say that it was stored";
        assert_eq!((findings(&report), report.unnamed), (vec![format!("{name}: {what}")], 1));
    }
}

#[test]
fn a_cursor_that_was_changed_is_found() {
    for wrong in [&b""[..], b"cursos", b"cursor\n"] {
        let mut files = archive();
        files.0.insert("archive.cursor".into(), wrong.to_vec());
        assert_eq!(findings(&checked(&files)), ["archive.cursor: the archive's cursor was changed"]);
    }
}

#[test]
fn a_file_with_other_lines_than_the_ledger_says_is_found_although_its_hash_is_signed() {
    use crate::bed::{accepted, decided, opened, stored, written_in};
    use domicile_ledger::{Digest, What};
    let named = |bytes: &[u8]| {
        let What::Stored(mut stored) = stored("acme", "a/1.gz", 2) else { panic!("stored") };
        (stored.bytes, stored.sha256) = (bytes.len() as u64, Digest::sha256(bytes));
        let story = [vec![
            opened(0, 0),
            accepted("acme", [0, 2], 2),
            decided("acme", [0, 2], [2, 0, 0, 0, 0]),
            What::Stored(stored),
        ]];
        let ledger = written_in("eu-west", 1, &story);
        let archive = Map([("a/1.gz".to_owned(), bytes.to_vec())].into());
        let report = verify(&ledger.files, Some((&archive, is_whole)), &ledger.question(), |_| {}).expect("judged");
        findings(&report)
    };
    assert!(named(&object(2)).is_empty());
    // Two gzip members, one behind the other, are one file.
    assert!(named(&[object(1), object(1)].concat()).is_empty());
    for wrong in [
        object(1),
        object(3),
        Vec::new(),
        b"{}\n{}\n".to_vec(),
        [object(2), b"x".to_vec()].concat(),
        object(2)[..20].to_vec(),
    ] {
        assert_eq!(named(&wrong), ["a/1.gz (entry 3): it does not hold the 2 events that the ledger says"]);
    }
}
