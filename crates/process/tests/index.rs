//! The index alone, against a table in memory.

use domicile_log::{EventKey, Position};
use domicile_process::{Index, IndexSettings, UpkeepIn};
use domicile_testkit::Dice;
use domicile_world::{Disk, Millis, World};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub const START: Millis = Millis(1_800_000_000_000);

pub fn key(n: u64) -> EventKey {
    let hash = xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes()).to_be_bytes();
    EventKey(hash[..10].try_into().expect("ten bytes"))
}

/// What was inserted, in order: as the event log has it.
#[derive(Default)]
pub struct Log {
    pub entries: Vec<(EventKey, Millis, Position)>,
    pub end: u64,
}

impl Log {
    /// Opens the index and inserts what it lacks, as process does at its start.
    pub fn open(&self, disk: Arc<dyn Disk>, folder: &Path, settings: IndexSettings) -> Index {
        let mut index = Index::open(disk, folder, settings, Position(self.end)).expect("opens");
        self.fill(&mut index);
        index
    }

    pub fn fill(&self, index: &mut Index) {
        let from = self.entries.partition_point(|(_, _, position)| *position < index.covered());
        for (key, time, position) in &self.entries[from..] {
            index.insert(*key, *time, *position);
            index.committed(position.plus(1), *time).expect("is looked after");
        }
    }
}

/// Random events with time going on, against a table. Returns how many duplicates there were.
fn compare(disk: Arc<dyn Disk>, folder: &Path, settings: &IndexSettings, ops: u64, seed: u64) -> u64 {
    let mut dice = Dice::new(seed);
    let mut log = Log::default();
    let mut index = log.open(Arc::clone(&disk), folder, settings.clone());
    let mut table: HashMap<EventKey, (i64, Position)> = HashMap::new();
    let (mut now, mut duplicates, mut found) = (START, 0, Vec::new());
    while log.end < ops {
        now = now.plus(dice.below(2_000) as i64);
        // Old keys and new ones, some of them twice in a frame.
        let frame: Vec<_> = (0..1 + dice.below(40)).map(|_| key(dice.below(1 + log.end + log.end / 2))).collect();
        index.find_all(&frame, now, &mut found).expect("no damage");
        let minute = now.0 / 60_000;
        let mut new = Vec::new();
        for (n, key) in frame.iter().enumerate() {
            let position = Position(log.end + n as u64);
            let expected = table.get(key).filter(|(kept, _)| minute - kept <= i64::from(settings.window_minutes));
            assert_eq!(found[n], expected.map(|(_, first)| *first), "{position:?} seed {seed}");
            duplicates += u64::from(expected.is_some());
            if expected.is_none() && !new.contains(key) {
                new.push(*key);
                log.entries.push((*key, now, position));
                index.insert(*key, now, position);
            }
        }
        for (key, _, position) in log.entries[log.entries.len() - new.len()..].iter() {
            table.insert(*key, (minute, *position));
        }
        log.end += frame.len() as u64;
        index.committed(Position(log.end), now).expect("is looked after");
        if dice.below(2_000) == 0 {
            drop(index);
            index = log.open(Arc::clone(&disk), folder, settings.clone());
        }
    }
    duplicates
}

fn small() -> IndexSettings {
    IndexSettings { generation_keys: 3_000, runs_max: 5, upkeep: UpkeepIn::Steps(2), window_minutes: 60 * 24 * 365 }
}

#[test]
fn a_million_random_events_are_decided_as_by_a_table_in_memory() {
    let (world, _) = domicile_testkit::world(3);
    let duplicates = compare(world.disk, Path::new("/index"), &small(), 1_000_000, 3);
    assert!(duplicates > 100_000, "{duplicates}");
}

#[test]
fn random_events_are_decided_as_by_a_table_while_the_window_moves_on() {
    for seed in 0..10 {
        let (world, _) = domicile_testkit::world(seed);
        // A frame takes a second, so that the window holds some 6,000 events.
        let settings = IndexSettings { generation_keys: 100 + 50 * seed as usize, window_minutes: 5, ..small() };
        let duplicates = compare(world.disk, Path::new("/index"), &settings, 20_000, seed);
        assert!(duplicates > 1_000, "{duplicates}");
    }
}

#[test]
fn random_events_are_decided_the_same_with_a_thread_and_a_real_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = IndexSettings { generation_keys: 1_000, upkeep: UpkeepIn::Thread, ..small() };
    compare(World::real().disk, folder.path(), &settings, 50_000, 4);
}

#[test]
fn of_a_million_different_keys_none_is_taken_for_a_duplicate() {
    let (world, _) = domicile_testkit::world(5);
    let settings = IndexSettings { generation_keys: 20_000, ..small() };
    let mut index = Index::open(world.disk, Path::new("/index"), settings, Position(0)).expect("opens");
    let mut found = Vec::new();
    for first in (0..1_000_000).step_by(500) {
        let frame: Vec<_> = (first..first + 500).map(key).collect();
        index.find_all(&frame, START, &mut found).expect("no damage");
        assert!(found.iter().all(Option::is_none), "a new key in {first}..");
        frame.iter().enumerate().for_each(|(n, key)| index.insert(*key, START, Position(first + n as u64)));
        index.committed(Position(first + 500), START).expect("is looked after");
    }
}

#[test]
fn expired_runs_leave_the_disk() {
    let (world, _) = domicile_testkit::world(6);
    let settings = IndexSettings { generation_keys: 100, window_minutes: 10, upkeep: UpkeepIn::Steps(50), ..small() };
    let mut index = Index::open(world.disk.clone(), Path::new("/index"), settings, Position(0)).expect("opens");
    for n in 0..20_000 {
        let now = START.plus(n as i64 * 1_000);
        index.insert(key(n), now, Position(n));
        index.committed(Position(n + 1), now).expect("is looked after");
    }
    // Ten minutes hold 600 keys: a few runs of one block each, where all keys together would fill 88.
    let bytes: u64 = world.disk.list(Path::new("/index")).expect("lists").iter().map(|entry| entry.bytes).sum();
    assert!(bytes < 20 * 4_096, "{bytes}");
}

#[test]
fn an_index_that_is_ahead_of_the_event_log_is_set_aside() {
    let (world, handles) = domicile_testkit::world(7);
    let mut log = Log::default();
    let settings = IndexSettings { generation_keys: 10, ..small() };
    let mut index = log.open(world.disk.clone(), Path::new("/index"), settings.clone());
    for n in 0..100 {
        log.entries.push((key(n), START, Position(n)));
        log.end = n + 1;
    }
    log.fill(&mut index);
    let covered = index.covered();
    assert!(covered > Position(50));
    drop(index);
    let open =
        |end| Index::open(handles.restart().disk, Path::new("/index"), settings.clone(), Position(end)).expect("opens");
    assert_eq!(open(covered.0).covered(), covered);
    assert_eq!(open(covered.0 - 1).covered(), Position(0));
}
