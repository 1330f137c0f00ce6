//! R5: damage is seen.
//!
//! Goal: whatever happens to the bytes of a log or a key, either nobody reads anything else than before, or the file and
//! the place are named and nothing is changed. Never a wrong event, never "empty".
//! Method: a small closed pair of logs; every bit flipped, every file cut at every byte, every two files swapped, sectors
//! zeroed, records doubled; each time the whole is opened and read.

use domicile_ledger::{Outcome, Reason};
use domicile_log::{
    Decided, DecidedBuilder, EventFrame, EventKey, EventLog, EventWriter, LogSettings, OpenError, Position, Span,
};
use domicile_region::PointName;
use domicile_reliability::{
    ACCEPTED, Cell, CellSettings, INDEX, Life, Request, archived, born, for_each_seed, in_one_thread, send, wait,
};
use domicile_testkit::{Crash, Dice, Handles, SampleEvents, Snapshot};
use domicile_workspace::{ConfigVersion, SourceNumber, WorkspaceNumber};
use domicile_world::Millis;
use std::path::{Path, PathBuf};

const EVENTS: &str = "/cell/events";

fn settings() -> LogSettings {
    LogSettings { segment_bytes_max: 450, ..LogSettings::default() }
}

/// All that a reader can learn of both logs.
type Content = Vec<String>;

fn open_events(life: &Life) -> Result<(EventLog, EventWriter), OpenError> {
    EventLog::open(&life.world, Path::new(EVENTS), &life.keyring, settings())
}

/// Opens both logs as a start does, and reads all there is.
async fn read_all(handles: &Handles) -> Result<Content, String> {
    let life = Life::begin(handles, settings()).map_err(|e| e.to_string())?;
    let (events, _writer) = open_events(&life).map_err(|e| e.to_string())?;
    events.check_against(&life.log).map_err(|e| e.to_string())?;
    let mut content = Vec::new();
    let mut accepted = life.log.reader(life.log.start()).map_err(|e| e.to_string())?;
    while let Some(a) = accepted.next().map_err(|e| e.to_string())? {
        content.push(format!("{:?} {:?} {:?} {:?} {:?}", a.span, a.receipt, a.log_time, a.erased, a.body()));
    }
    let mut decided = events.reader("test", events.start()).map_err(|e| e.to_string())?;
    while let Some(frame) = decided.next().map_err(|e| e.to_string())? {
        content.push(match frame {
            EventFrame::Mark(mark) => format!("{mark:?}"),
            EventFrame::Decided(d) => {
                let kept: Vec<_> = d.kept().collect();
                format!("{:?} {:?} {:?} {:?} {kept:?} {:?}", d.span, d.source, d.log_time, d.config, d.decisions)
            }
        });
    }
    Ok(content)
}

fn decided(dice: &mut Dice, first: Position) -> Decided {
    let span = Span::new(first, 3);
    let point = PointName::new("dublin");
    let times = (Millis(1_800_000_000_000), Millis(1_800_000_000_001));
    let mut builder = DecidedBuilder::new(span, SourceNumber(1), times.0, times.1, ConfigVersion(1), point, None);
    for n in 0..3 {
        builder.out().extend_from_slice(format!(r#"{{"n":{}}}"#, dice.below(1_000)).as_bytes());
        match n {
            1 => builder.drop(Outcome::Duplicate, Reason::None, Some(EventKey([1; 10])), Some(first)),
            _ => builder.keep(EventKey([n; 10])),
        }
    }
    builder.finish()
}

/// Both logs with several segments from two openings, closed in order.
fn machine(seed: u64) -> Handles {
    machine_that_ends(seed, true)
}

/// The same; or left as a kill leaves them, with nothing decided in the last life, so that the accepted log has to know
/// by itself what was promised.
fn machine_that_ends(seed: u64, in_order: bool) -> Handles {
    let mut dice = Dice::new(seed);
    let handles = born(seed);
    for opening in 0..2 {
        in_one_thread(async {
            let life = Life::begin(&handles, settings()).expect("opens");
            let (_, mut writer) = open_events(&life).expect("opens");
            for n in 0..3 {
                let request = Request { events: 3, ..Request::new(&mut dice, 1, opening * 3 + n) };
                let span = life.append(&request).await.expect("appends");
                if in_order || opening == 0 {
                    writer.add(decided(&mut dice, span.first), WorkspaceNumber(1)).expect("adds");
                    writer.commit().expect("commits");
                }
            }
            writer.mark(Millis(1_800_000_000_002));
            writer.commit().expect("commits");
            if in_order || opening == 0 {
                writer.close().expect("closes");
                life.close().await.expect("closes");
            }
        });
    }
    handles.disk.crash(Crash::Kill);
    handles
}

/// A machine whose files a test damages and puts right again, and what it counts.
struct Bench {
    handles: Handles,
    whole: Content,
    good: Snapshot,
    found: u64,
    harmless: u64,
}

impl Bench {
    fn new(handles: Handles) -> Self {
        let good = handles.disk.snapshot();
        let whole = in_one_thread(read_all(&handles)).expect("what is whole can be read");
        handles.disk.restore(&good);
        Self { handles, whole, good, found: 0, harmless: 0 }
    }

    fn files(&self) -> Vec<(PathBuf, usize)> {
        self.handles.disk.files().into_iter().map(|(path, bytes)| (path, bytes as usize)).collect()
    }

    /// Does the damage, opens and reads: the error that named a file, or `None` when nothing else was read than before.
    fn try_with(&mut self, what: &str, damage: impl FnOnce(&Handles)) -> Option<String> {
        damage(&self.handles);
        let damaged = self.handles.disk.contents();
        let read = in_one_thread(read_all(&self.handles));
        let error = match read {
            Ok(content) => {
                assert!(content == self.whole, "{what}: it reads otherwise, and nobody is told");
                self.harmless += 1;
                None
            }
            Err(error) => {
                self.found += 1;
                assert!(error.starts_with("/cell/"), "{what}: no file is named: {error}");
                let now = self.handles.disk.contents();
                // The closing note of the log that did open is taken away, as at every start.
                let kept = |file: &(PathBuf, _)| file.0.ends_with("closed") || now.contains(file);
                assert!(damaged.iter().all(kept), "{what}: a file was changed: {error}");
                Some(error)
            }
        };
        self.handles.disk.restore(&self.good);
        error
    }

    fn tell(&self) {
        println!("{} damages found, {} harmless", self.found, self.harmless);
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

#[test]
fn every_flipped_bit_is_found_with_its_file_and_place_or_harmless() {
    let mut bench = Bench::new(machine(1));
    for (path, bytes) in bench.files() {
        for byte in 0..bytes {
            for bit in 0..8 {
                let what = format!("{} byte {byte} bit {bit}", path.display());
                let error = bench.try_with(&what, |handles| handles.disk.flip(&path, byte, bit));
                if let Some(error) = error.filter(|_| is_log(&path)) {
                    assert!(error.contains(" at byte "), "{what}: no place is named: {error}");
                }
            }
        }
    }
    bench.tell();
}

#[test]
fn every_cut_is_found_with_its_file_or_harmless() {
    let mut bench = Bench::new(machine(2));
    for (path, bytes) in bench.files() {
        for length in 0..bytes {
            let what = format!("{} cut to {length}", path.display());
            bench.try_with(&what, |handles| handles.disk.truncate(&path, length));
        }
    }
    bench.tell();
    assert_eq!(bench.harmless, 0);
}

#[test]
fn files_that_changed_places_are_found() {
    let mut bench = Bench::new(machine(3));
    let files = bench.files();
    for (n, (a, _)) in files.iter().enumerate() {
        for (b, _) in &files[n + 1..] {
            let what = format!("{} for {}", a.display(), b.display());
            bench.try_with(&what, |handles| handles.disk.swap(a, b));
        }
    }
    bench.tell();
    assert_eq!(bench.harmless, 0);
}

#[test]
fn zeroed_sectors_doubled_records_and_strange_ends_are_found() {
    let mut bench = Bench::new(machine(4));
    for (path, bytes) in bench.files() {
        let content = bench.handles.disk.contents().into_iter().find(|(p, _)| *p == path).expect("is there").1;
        for sector in (0..bytes).step_by(512) {
            let range = sector..bytes.min(sector + 512);
            let what = format!("{} zeros at {sector}", path.display());
            assert!(bench.try_with(&what, |handles| handles.disk.zero(&path, range)).is_some(), "{what}");
        }
        for from in (0..bytes).step_by(7) {
            let doubled = [&content[..], &content[from..]].concat();
            let what = format!("{} doubled from {from}", path.display());
            bench.try_with(&what, |handles| handles.disk.overwrite(&path, &doubled));
        }
        for end in [&[0_u8; 1][..], &[0; 600], b"x", &[0xFF; 80]] {
            let longer = [&content[..], end].concat();
            let what = format!("{} and {} bytes more", path.display(), end.len());
            bench.try_with(&what, |handles| handles.disk.overwrite(&path, &longer));
        }
    }
    bench.tell();
}

#[test]
fn a_lost_segment_or_key_is_found() {
    let bench = Bench::new(machine(5));
    let files = bench.files();
    for (n, (path, _)) in files.iter().enumerate() {
        let oldest = is_log(path) && (n == 0 || files[n - 1].0.parent() != path.parent() || !is_log(&files[n - 1].0));
        // To be without the oldest segment is what retention does, without a data key what an erasure does.
        let allowed = oldest || path.to_string_lossy().contains("/data-") || path.ends_with("closed");
        let gone = Path::new("/gone");
        let error = in_one_thread(async {
            let disk = bench.handles.restart().disk;
            disk.rename(path, gone).expect("renames");
            let error = read_all(&bench.handles).await.err();
            bench.handles.disk.restore(&bench.good);
            error
        });
        assert!(error.is_some() || allowed, "{} is gone, and nobody is told", path.display());
    }
}

/// Method: the log was not closed, so its last group could be torn; but all of it was promised.
#[test]
fn a_flipped_bit_in_a_log_that_was_not_closed_is_never_taken_for_a_torn_write() {
    for_each_seed(200, |seed| {
        let mut dice = Dice::new(seed);
        let mut bench = Bench::new(machine_that_ends(seed, false));
        let files = bench.files().into_iter().filter(|(path, _)| is_log(path) && path.starts_with(ACCEPTED));
        for (path, bytes) in files {
            for _ in 0..40 {
                // Most of all near the end.
                let byte = if dice.coin() { dice.index(bytes) } else { bytes - 1 - dice.index(bytes.min(400)) };
                let bit = dice.below(8) as u8;
                let what = format!("{} byte {byte} bit {bit}", path.display());
                bench.try_with(&what, |handles| handles.disk.flip(&path, byte, bit));
            }
        }
    });
}

/// Method: a cell that was closed in order; one file of the index or the archive's cursor is damaged; then everything is
/// sent again. The index is a cache of the event log: whatever it lost comes back, and the archive stays the same.
#[test]
fn a_damaged_index_or_cursor_lets_no_duplicate_pass_and_loses_nothing() {
    let mut dice = Dice::new(7);
    let handles = born(7);
    let mut settings = CellSettings::small(&mut dice);
    settings.index.generation_keys = 20;
    let batches: Vec<_> = (0..12).map(|n| SampleEvents::new(&format!("b{n}"), n).batch(10)).collect();
    let send_all = || {
        in_one_thread(handles.clock.drive(async {
            let cell = Cell::begin(handles.restart(), &settings)?;
            for events in &batches {
                send(&cell.world, &cell.accepted, 1, events).await.map_err(|e| e.to_string())?;
                wait(&cell.world, 10).await;
            }
            cell.close().await
        }))
    };
    send_all().expect("a healthy disk");
    let sorted = || {
        let mut lines: Vec<_> = archived(&handles).into_iter().map(|archived| archived.line).collect();
        lines.sort();
        lines
    };
    let (good, whole) = (handles.disk.snapshot(), sorted());
    assert_eq!(whole.len(), 120);
    let files = handles.disk.files().into_iter().filter(|(path, _)| path.starts_with(INDEX));
    let files: Vec<_> = files.map(|(path, bytes)| (path, bytes as usize)).collect();
    assert!(files.len() > 3, "a manifest, runs and a cursor: {files:?}");
    let mut tries = 0;
    for (path, bytes) in &files {
        for byte in (0..*bytes).step_by(1 + bytes / 150) {
            let what = format!("{} byte {byte}", path.display());
            match byte % 3 {
                0 => handles.disk.truncate(path, byte),
                1 => handles.disk.zero(path, byte..*bytes.min(&(byte + 512))),
                _ => handles.disk.flip(path, byte, dice.below(8) as u8),
            }
            send_all().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(sorted() == whole, "{what}: the archive is another one");
            handles.disk.restore(&good);
            tries += 1;
        }
    }
    for (n, (a, _)) in files.iter().enumerate() {
        for (b, _) in &files[n + 1..] {
            handles.disk.swap(a, b);
            send_all().unwrap_or_else(|error| panic!("{} for {}: {error}", a.display(), b.display()));
            assert!(sorted() == whole, "{} for {}: the archive is another one", a.display(), b.display());
            handles.disk.restore(&good);
            tries += 1;
        }
    }
    println!("{tries} damages to {} files of the index made good", files.len());
}
