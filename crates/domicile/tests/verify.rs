//! `domicile verify` on the folders of a cell that was stopped, as they are and changed.

use crate::{Up, domicile};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

fn verify(data: &Path, more: &[&str]) -> Output {
    let shown = data.display().to_string();
    let mut all = vec!["verify", "--region", "eu-west", "--data", &shown];
    all.extend(more);
    domicile(&all)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_changed_byte_of_any_file_ends_with_1_and_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    Up::start(&data).stop();
    let whole = verify(&data, &[]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let ledger = data.join("cells/eu-west/ledger");
    let all = files(&ledger);
    assert!(all.len() >= 4, "{all:?}");
    for file in all {
        let good = fs::read(&file).expect("reads");
        // Its ends and its middle; `crates/ledger` changes every byte.
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).expect("writes");
            let output = verify(&data, &[]);
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{} at {at}: {output:?}", file.display());
            assert!(said.contains("DOES NOT HOLD"), "{said}");
        }
        fs::write(&file, &good).expect("writes");
    }
    assert_eq!(verify(&data, &[]).status.code(), Some(0));
}

#[test]
fn what_is_no_key_is_usage_and_what_can_not_be_read_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let not_a_key = dir.path().join("key");
    fs::write(&not_a_key, "nonsense").expect("writes");
    let key = not_a_key.display().to_string();
    for (args, code, told) in [
        (vec!["--ledger", "/no/such/ledger"], 3, "/no/such/ledger"),
        (vec!["--key", key.as_str()], 2, "NAME+ID+KEY"),
        (vec!["--archive", "/tmp"], 2, "--ledger"),
        (vec![], 3, "mend: name a ledger by --ledger"),
        (vec!["--receipt", "/no/such/receipt"], 3, "/no/such/receipt"),
    ] {
        let output = verify(&dir.path().join("nowhere"), &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(told), "{told} in {said}");
    }
    let output = verify(dir.path(), &["--receipt", &key]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
