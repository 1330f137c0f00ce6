//! A second verifier, written from the documents and in another language, comes to the same verdicts: what is written here
//! can be checked by somebody who has none of our code.

use crate::bed::{Map, NAME, Written, at, key, report, tree, written};
use crate::receipts::made;
use domicile_ledger::{Receipt, VKey};
use domicile_testkit::Dice;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/ledger/verify.py");

/// The program, answering line by line.
struct Python {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Python {
    /// `None` where there is no Python; that is said.
    fn start() -> Option<Self> {
        let spawned = Command::new("python3").args([PROGRAM, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = spawned else {
            eprintln!("SKIPPED: python3 is missing, and the independent check was not made");
            return None;
        };
        let (asks, answers) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let folder = tempfile::tempdir().expect("a folder");
        Some(Self { child, asks, answers: BufReader::new(answers), folder })
    }

    /// What it says of a folder: `holds SIZE`, or what is wrong.
    fn folder(&mut self, files: &Map, vkey: &VKey) -> String {
        let path = self.folder.path().join("ledger");
        let _ = fs::remove_dir_all(&path);
        for (name, bytes) in &files.0 {
            put(&path.join(name), bytes);
        }
        self.ask("folder", &path, vkey)
    }

    fn receipt(&mut self, receipt: &[u8], vkey: &VKey) -> String {
        let path = self.folder.path().join("receipt.json");
        put(&path, receipt);
        self.ask("receipt", &path, vkey)
    }

    fn ask(&mut self, what: &str, path: &Path, vkey: &VKey) -> String {
        writeln!(self.asks, "{what}\t{}\t{vkey}", path.display()).expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert!(!answer.is_empty(), "it ended");
        answer.trim_end().to_owned()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(path: &PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_verifier_written_from_the_documents_alone_agrees_about_folders() {
    let Some(mut python) = Python::start() else { return };
    let ledger = written();
    assert_eq!(python.folder(&ledger.files, &ledger.vkey), "holds 21");
    let signing = key(1);
    let vkey = VKey::of(NAME, &signing);
    let all: Vec<Vec<u8>> = (0..600).map(|n| at(n).to_bytes().expect("spelled")).collect();
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 600] {
        let files = tree(NAME, &signing, &all[..size], 97);
        assert_eq!(python.folder(&files, &vkey), format!("holds {size}"));
    }
    let long = Written { files: tree(NAME, &signing, &all, 97), vkey, key: signing };
    assert!(python.folder(&ledger.files, &long.vkey).starts_with("another key"));
    let mut dice = Dice::new(1);
    for ledger in [&ledger, &long] {
        for (path, bytes) in &ledger.files.0 {
            for round in 0..12 {
                let mut files = ledger.files.clone();
                let file = files.file(path);
                match round {
                    0 => _ = files.0.remove(path),
                    1 => file.push(b'\n'),
                    2 => file.truncate(dice.index(bytes.len())),
                    3 => _ = files.0.insert(format!("{path}.old"), bytes.clone()),
                    _ => file[dice.index(bytes.len())] ^= 1 << dice.below(8),
                }
                let verdict = python.folder(&files, &ledger.vkey);
                assert!(!verdict.starts_with("holds"), "{path}, round {round}: {verdict}");
                assert!(!report(&files, &ledger.question()).holds(), "{path}, round {round}: they say {verdict}");
            }
        }
    }
}

#[test]
fn a_verifier_written_from_the_documents_alone_agrees_about_receipts() {
    let Some(mut python) = Python::start() else { return };
    for (requests, before, after) in [(1, 0, 0), (2, 0, 7), (7, 256, 1), (100, 30, 300)] {
        let made = made(requests, before, after);
        for receipt in made.receipts.iter().take(10) {
            let text = serde_json::to_vec(receipt).expect("JSON");
            assert_eq!(python.receipt(&text, &made.vkey), format!("holds {}", before + 1 + after));
        }
    }
    let made = made(5, 3, 9);
    let text = serde_json::to_vec(&made.receipts[2]).expect("JSON");
    let mut dice = Dice::new(1);
    for byte in 0..text.len() {
        let mut changed = text.clone();
        changed[byte] ^= 1 << dice.below(8);
        let verdict = python.receipt(&changed, &made.vkey);
        let ours = Receipt::read(&changed).and_then(|receipt| receipt.check(Some(&made.vkey)));
        assert!(!verdict.starts_with("holds") && ours.is_err(), "byte {byte}: {verdict}");
    }
}
