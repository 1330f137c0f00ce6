//! Damage to the index's files: seen or harmless, never a wrong answer.

use crate::cell::{Cell, INDEX, run, tiny};
use crate::index::{Log, START, key};
use domicile_log::Position;
use domicile_process::{IndexError, IndexSettings, UpkeepIn};
use domicile_testkit::{Crash, Handles, SimDisk};
use domicile_world::Disk as _;
use std::path::{Path, PathBuf};

const KEYS: u64 = 90;

fn settings() -> IndexSettings {
    IndexSettings { generation_keys: 40, runs_max: 5, upkeep: UpkeepIn::Steps(100), ..IndexSettings::default() }
}

/// An index of two runs and a manifest, and the log that it was made of.
fn two_runs() -> (Handles, Log) {
    let (world, handles) = domicile_testkit::world(1);
    let mut log = Log::default();
    for n in 0..KEYS {
        log.entries.push((key(n), START, Position(n)));
    }
    log.end = KEYS;
    drop(log.open(world.disk, Path::new(INDEX), settings()));
    (handles, log)
}

fn files(disk: &SimDisk) -> Vec<(PathBuf, u64)> {
    disk.files().into_iter().filter(|(path, _)| path.starts_with(INDEX)).collect()
}

/// Opens the index after `what` was done to it, and asks about everything, filling it again when it says that it must.
fn answers_are_right(handles: &Handles, log: &Log, what: &str) {
    let mut index = log.open(handles.restart().disk, Path::new(INDEX), settings());
    let keys: Vec<_> = (0..2 * KEYS).map(key).collect();
    let mut found = Vec::new();
    match index.find_all(&keys, START, &mut found) {
        Ok(()) => {}
        Err(IndexError::Damage(damage)) => {
            assert!(damage.to_string().contains(INDEX), "{damage}");
            index.begin_again(&damage).expect("begins again");
            log.fill(&mut index);
            index.find_all(&keys, START, &mut found).expect("no damage any more");
        }
        Err(error) => panic!("{what}: {error}"),
    }
    for (n, found) in found.iter().enumerate() {
        let n = n as u64;
        assert_eq!(*found, (n < KEYS).then_some(Position(n)), "key {n} after {what}");
    }
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_file_changes_no_answer() {
    let (handles, log) = two_runs();
    let whole = handles.disk.snapshot();
    let files = files(&handles.disk);
    assert_eq!(files.len(), 3, "{files:?}");
    for (file, bytes) in files {
        for byte in 0..bytes as usize {
            handles.disk.restore(&whole);
            handles.disk.flip(&file, byte, (byte % 8) as u8);
            answers_are_right(&handles, &log, &format!("a flip in byte {byte} of {}", file.display()));
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_changes_no_answer() {
    let (handles, log) = two_runs();
    let whole = handles.disk.snapshot();
    for (file, bytes) in files(&handles.disk) {
        for length in (0..bytes as usize).step_by(7).chain(bytes as usize - 10..bytes as usize) {
            handles.disk.restore(&whole);
            handles.disk.truncate(&file, length);
            answers_are_right(&handles, &log, &format!("a cut at {length} of {}", file.display()));
        }
    }
}

#[test]
fn files_that_are_swapped_missing_or_zeroed_change_no_answer() {
    let (handles, log) = two_runs();
    let whole = handles.disk.snapshot();
    let files = files(&handles.disk);
    for (a, bytes) in &files {
        for (b, _) in files.iter().filter(|(b, _)| a < b) {
            handles.disk.restore(&whole);
            handles.disk.swap(a, b);
            answers_are_right(&handles, &log, &format!("{} swapped with {}", a.display(), b.display()));
        }
        handles.disk.restore(&whole);
        handles.disk.restart().remove(a).expect("removed");
        answers_are_right(&handles, &log, &format!("{} removed", a.display()));
        handles.disk.restore(&whole);
        handles.disk.zero(a, 0..512.min(*bytes as usize));
        answers_are_right(&handles, &log, &format!("{} zeroed at its start", a.display()));
    }
}

#[test]
fn a_damaged_file_is_kept_beside() {
    let (handles, log) = two_runs();
    let (run, bytes) = files(&handles.disk).into_iter().find(|(path, _)| path.extension().is_some()).expect("a run");
    handles.disk.flip(&run, bytes as usize - 1, 3);
    answers_are_right(&handles, &log, "a flip");
    let names: Vec<_> = files(&handles.disk).into_iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(names.contains(&format!("{}.damaged", run.display())), "{names:?}");
}

#[test]
fn process_goes_on_deciding_right_when_a_block_breaks_under_it() {
    run(async {
        let mut cell = Cell::start(1, tiny()).await;
        cell.perform("accept web a b c d e f g h").await;
        cell.perform("restart").await;
        cell.handles.clock.settle().await;
        let runs = files(&cell.handles.disk).into_iter().filter(|(path, _)| path.extension().is_some());
        for (run, _) in runs {
            cell.handles.disk.flip(&run, 100, 1);
        }
        cell.perform("accept web x").await;
        cell.perform("accept web a h x").await;
        cell.handles.clock.settle().await;
        let log = cell.event_log();
        assert_eq!(log[8..], ["mark", "8 x", "9 duplicate of 0", "10 duplicate of 7", "11 duplicate of 8"]);
        cell.crash(Crash::Kill).await;
    });
}
