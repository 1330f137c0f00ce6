//! Whatever is done to the files of a ledger by hand is found: every byte, every length, every name.

use crate::bed::{Map, Written, accepted, decided, findings, opened, report, stored, written, written_in};
use domicile_ledger::What;
use domicile_ledger::verify::{Folder, verify};
use domicile_testkit::Dice;
use std::path::Path;
use std::sync::Arc;

/// A ledger of more than one tile: 1 opening, 2 entries for each window.
fn long() -> Written {
    let window = |n: u64| [accepted("acme", [n, n + 1], 1), decided("acme", [n, n + 1], [1, 0, 0, 0, 0])];
    let first = vec![opened(0, 0)];
    let story: Vec<Vec<What>> =
        std::iter::once(first).chain((0..15).map(|n| (10 * n..10 * (n + 1)).flat_map(window).collect())).collect();
    written_in("eu-west", 2, &story)
}

#[track_caller]
fn is_found(ledger: &Written, files: &Map, what: &str) {
    for question in [ledger.question(), domicile_ledger::verify::Question::default()] {
        let report = report(files, &question);
        assert!(!report.holds(), "not found: {what}");
        assert!(!report.findings.is_empty());
    }
}

#[test]
fn a_ledger_as_it_was_written_holds() {
    for ledger in [written(), long()] {
        let report = report(&ledger.files, &ledger.question());
        assert!(report.holds(), "{:?}", findings(&report));
    }
    let report = report(&written().files, &written().question());
    assert_eq!(report.head.map(|head| head.size), Some(21));
    assert_eq!(report.kinds.len(), 14, "{:?}", report.kinds);
    assert!(report.closed);
    assert_eq!((report.sums.accepted, report.sums.decided, report.sums.refused), (12, 12, 2));
    let acme = &report.sums.sources["acme-web"];
    assert_eq!((acme.accepted, acme.decided.kept, acme.stored, acme.erased), (8, 4, 3, 1));
    assert_eq!(report.sums.sent["IE"], (4, 3, 900));
}

#[test]
fn every_byte_of_every_file_is_looked_at() {
    let ledger = written();
    let mut dice = Dice::new(1);
    for (path, bytes) in &ledger.files.0 {
        // Each bit of what is signed; elsewhere a bit of each byte, as the dice fall.
        let is_small = bytes.len() < 1024;
        for byte in 0..bytes.len() {
            let bits: &[u8] = if is_small { &[0, 1, 2, 3, 4, 5, 6, 7] } else { &[dice.below(8) as u8] };
            for bit in bits {
                let mut files = ledger.files.clone();
                files.file(path)[byte] ^= 1 << bit;
                is_found(&ledger, &files, &format!("{path}, bit {bit} of byte {byte}"));
            }
        }
    }
}

#[test]
fn any_change_in_a_longer_ledger_is_found() {
    let ledger = long();
    let mut dice = Dice::new(2);
    assert!(ledger.files.0.contains_key("tile/1/000.p/1"));
    for (path, bytes) in &ledger.files.0 {
        for _ in 0..20 {
            let (byte, bit) = (dice.index(bytes.len()), dice.below(8));
            let mut files = ledger.files.clone();
            files.file(path)[byte] ^= 1 << bit;
            is_found(&ledger, &files, &format!("{path}, bit {bit} of byte {byte}"));
        }
        for _ in 0..5 {
            let mut files = ledger.files.clone();
            files.file(path).truncate(dice.index(bytes.len()));
            is_found(&ledger, &files, &format!("{path} cut"));
        }
    }
}

#[test]
fn a_file_of_any_other_length_is_found() {
    let ledger = written();
    for (path, bytes) in &ledger.files.0 {
        let step = bytes.len().div_ceil(400);
        for length in (0..bytes.len()).step_by(step) {
            let mut files = ledger.files.clone();
            files.file(path).truncate(length);
            is_found(&ledger, &files, &format!("{path} cut to {length}"));
        }
        for more in [&b"\n"[..], b"\0", &[0; 32], &bytes.clone()] {
            let mut files = ledger.files.clone();
            files.file(path).extend_from_slice(more);
            is_found(&ledger, &files, &format!("{path} made longer by {}", more.len()));
        }
    }
}

#[test]
fn a_file_that_is_missing_swapped_or_added_is_found() {
    for ledger in [written(), long()] {
        let paths: Vec<&String> = ledger.files.0.keys().collect();
        for path in &paths {
            let mut files = ledger.files.clone();
            files.0.remove(*path);
            is_found(&ledger, &files, &format!("{path} is missing"));
            for other in &paths {
                let mut files = ledger.files.clone();
                if path != other {
                    let bytes = files.0[*other].clone();
                    *files.file(path) = bytes;
                    is_found(&ledger, &files, &format!("{path} is a copy of {other}"));
                }
                if path < other {
                    let mut files = ledger.files.clone();
                    let (a, b) = (files.0[*path].clone(), files.0[*other].clone());
                    files.0.extend([((*path).clone(), b), ((*other).clone(), a)]);
                    is_found(&ledger, &files, &format!("{path} and {other} changed places"));
                }
            }
            for name in [
                format!("{path}.old"),
                format!("{path}~"),
                format!("copy/{path}"),
                path.replace("tile/", "tile/7/"),
                path.replace("000", "999"),
                path.replace("000", "x001/000"),
                path.replace(".p/", ".p/1"),
            ] {
                let mut files = ledger.files.clone();
                if files.0.insert(name.clone(), ledger.files.0[*path].clone()).is_none() {
                    is_found(&ledger, &files, &format!("{path} is there as {name} too"));
                }
            }
        }
    }
}

#[test]
fn on_a_disk_as_well_a_folder_in_a_files_place_is_found_and_a_folder_that_is_not_there_is_an_error() {
    let ledger = written();
    let put = |files: &Map| {
        let (world, hands) = domicile_testkit::world(3);
        for (path, bytes) in &files.0 {
            let path = Path::new("/copy").join(path);
            world.disk.make_folder(path.parent().expect("not the root"), false).expect("a folder");
            let mut file = world.disk.open_append(&path).expect("a file");
            file.append(&[std::io::IoSlice::new(bytes)]).expect("written");
        }
        (world, hands)
    };
    let check = |disk| verify(&Folder { disk, path: "/copy".into() }, None, &ledger.question(), |_| {});
    let (world, _) = put(&ledger.files);
    assert!(check(Arc::clone(&world.disk)).expect("read").holds());
    for path in ledger.files.0.keys() {
        let mut files = ledger.files.clone();
        files.0.remove(path);
        let (world, _) = put(&files);
        world.disk.make_folder(&Path::new("/copy").join(path), false).expect("a folder");
        assert!(!check(Arc::clone(&world.disk)).expect("read").holds(), "{path} is a folder");
        // A file where a folder belongs, which others lie in.
        if let Some((folder, _)) = path.rsplit_once('/') {
            files.0.retain(|path, _| !path.starts_with(folder));
            files.0.insert(folder.to_owned(), Vec::new());
            let (world, _) = put(&files);
            assert!(!check(Arc::clone(&world.disk)).expect("read").holds(), "{folder} is a file");
        }
    }
    let (world, _hands) = domicile_testkit::world(4);
    assert!(check(world.disk).is_err());
}

#[test]
fn a_signed_head_over_more_entries_than_any_disk_holds_is_judged_at_once() {
    let ledger = written();
    let mut head = report(&ledger.files, &ledger.question()).head.expect("it has one");
    for size in [22, 256, 1 << 20, 1 << 40, u64::MAX - 1, u64::MAX] {
        head.size = size;
        let mut files = ledger.files.clone();
        *files.file("checkpoint") = head.sign(&ledger.vkey.name, &ledger.key).expect("signed");
        is_found(&ledger, &files, &format!("{size} entries"));
    }
}

#[test]
fn an_object_named_outside_of_the_archive_is_found_and_not_looked_for() {
    struct Strict;
    impl domicile_ledger::verify::Files for Strict {
        fn read(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
            panic!("{path} was asked for");
        }
        fn list(&self) -> std::io::Result<Option<Vec<String>>> {
            Ok(Some(Vec::new()))
        }
    }
    for name in
        ["../secret", "/etc/passwd", "a/../../b", "a//b", "", ".", "a/.", "a\0b", "a\\b", "c:/x", &"x".repeat(256)]
    {
        let story = [vec![
            opened(0, 0),
            accepted("acme", [0, 1], 1),
            decided("acme", [0, 1], [1, 0, 0, 0, 0]),
            stored("acme", name, 1),
        ]];
        let ledger = written_in("eu-west", 5, &story);
        let report = verify(&ledger.files, Some((&Strict, |_| true)), &ledger.question(), |_| {}).expect("judged");
        assert_eq!(findings(&report), ["entry 3: its object is not a name below the archive's folder"], "{name:?}");
    }
}

#[test]
fn a_ledger_that_grows_while_it_is_looked_at_holds() {
    use crate::bed::{FOLDER, NAME, at, begin, key};
    use domicile_ledger::{Book, VKey, verify::Files, verify::Question};
    use std::cell::{Cell, RefCell};
    /// Grows by some entries before every third file that is read.
    struct Growing {
        folder: Folder,
        book: RefCell<Book>,
        reads: Cell<u64>,
    }
    impl Files for Growing {
        fn read(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
            let read = self.reads.replace(self.reads.get() + 1);
            if read % 7 == 3 {
                let entries: Vec<_> = (0..100 + read).map(|n| at(n).to_bytes().expect("spelled")).collect();
                let mut book = self.book.borrow_mut();
                book.append(&entries).expect("appended");
                book.take_old_away();
            }
            self.folder.read(path)
        }
        fn list(&self) -> std::io::Result<Option<Vec<String>>> {
            self.folder.list()
        }
    }
    let (world, _hands) = domicile_testkit::world(1);
    let book = begin(&world, NAME, &key(1)).expect("a new ledger");
    let folder = Folder { disk: world.disk, path: FOLDER.into() };
    let growing = Growing { folder, book: book.into(), reads: Cell::new(0) };
    let question = Question { key: Some(VKey::of(NAME, &key(1))), ..Question::default() };
    for _ in 0..10 {
        let report = verify(&growing, None, &question, |_| {}).expect("read");
        let found: Vec<_> =
            findings(&report).into_iter().filter(|found| !found.starts_with("entry 0: a ledger begins")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(growing.book.borrow().head().size > 5_000);
}
