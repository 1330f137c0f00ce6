//! How far a destination has come, and the counts up to there: one small file per destination.
//!
//! ```text
//! destination-ID.cursor   one JSON object, a line break, `crc32c` and 8 hexadecimal digits, a line break
//! ```
//!
//! - `position`: every event before it is settled. Counts are of exactly the events in `from..position`: they are in the
//!   file together, so that no crash can part them.
//! - A file that is damaged stops its destination with a message; it never looks like a new destination.

use crate::disk::aside;
use domicile_log::Position;
use domicile_workspace::{DestinationId, SourceNumber};
use domicile_world::{Disk, Millis, write_whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const HOUR_MS: i64 = 3_600_000;
/// Hours that keep counts of their own, back from the newest one; older ones are added up.
const HOURS_KEPT: i64 = 31 * 24;

/// What became of an event at a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Delivered,
    Dead,
    /// The destination was switched off when it came.
    Off,
    /// One of the destination's filters left it out.
    Filtered,
}

/// Settled events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub delivered: u64,
    pub dead: u64,
    /// Passed over because the destination was switched off; a replay can send them.
    pub off: u64,
    /// Left out by the destination's filters.
    #[serde(default)]
    pub filtered: u64,
}

impl Counts {
    fn count(&mut self, settled: Settled) {
        match settled {
            Settled::Delivered => self.delivered += 1,
            Settled::Dead => self.dead += 1,
            Settled::Off => self.off += 1,
            Settled::Filtered => self.filtered += 1,
        }
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.delivered += more.delivered;
        self.dead += more.dead;
        self.off += more.off;
        self.filtered += more.filtered;
    }
}

/// An hour of received_at, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hour(i64);

impl Hour {
    pub fn of(received_at: Millis) -> Self {
        Self(received_at.0.div_euclid(HOUR_MS))
    }

    pub fn begin(self) -> Millis {
        Millis(self.0.saturating_mul(HOUR_MS))
    }
}

/// The cursor, the counts, and what was read beyond the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Where the destination began.
    pub from: Position,
    /// Every event before it is settled.
    pub position: Position,
    /// Events before it are passed over: the destination was switched off.
    pub off_until: Position,
    /// Whether the destination is switched off.
    pub off: bool,
    pub hours: BTreeMap<(SourceNumber, Hour), Counts>,
    pub earlier: Counts,
    /// Events from `position` on that have been read.
    read: BTreeMap<Position, (SourceNumber, Hour, Option<Settled>)>,
    read_to: Position,
}

/// Why a destination can't start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CursorError {
    #[error(
        "{file}: damaged: {what}\n  the destination stands still, so that no event is skipped or sent from the wrong place\n  \
         mend: put the file back from a backup; or remove it, and the destination begins at the present end of the log"
    )]
    Damage { file: String, what: &'static str },
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
}

impl Progress {
    /// A destination that begins at `from`.
    pub fn new(from: Position) -> Self {
        Self {
            from,
            position: from,
            off_until: from,
            off: false,
            hours: BTreeMap::new(),
            earlier: Counts::default(),
            read: BTreeMap::new(),
            read_to: from,
        }
    }

    /// An event that has been read, in the order of the log.
    pub fn begin(&mut self, position: Position, source: SourceNumber, received_at: Millis) {
        self.read.insert(position, (source, Hour::of(received_at), None));
    }

    /// An event that was begun is settled.
    pub fn settle(&mut self, position: Position, settled: Settled) {
        if let Some((_, _, place)) = self.read.get_mut(&position) {
            *place = Some(settled);
        }
        self.advance();
    }

    /// The log has been read up to here.
    pub fn read_to(&mut self, position: Position) {
        self.read_to = self.read_to.max(position);
        self.advance();
    }

    /// The cursor goes on to the first event that is not settled; the counts with it.
    fn advance(&mut self) {
        while let Some(entry) = self.read.first_entry()
            && let (source, hour, Some(settled)) = *entry.get()
        {
            entry.remove();
            self.hours.entry((source, hour)).or_default().count(settled);
        }
        let next = self.read.first_key_value().map_or(self.read_to, |(position, _)| *position);
        self.position = self.position.max(next);
    }

    /// Adds up the hours that are too old to keep.
    fn forget_old_hours(&mut self) {
        let Some(newest) = self.hours.keys().map(|(_, hour)| hour.0).max() else { return };
        let earlier = &mut self.earlier;
        self.hours.retain(|(_, hour), counts| {
            let keep = hour.0 > newest - HOURS_KEPT;
            if !keep {
                earlier.add(*counts);
            }
            keep
        });
    }

    pub fn totals(&self) -> Counts {
        let mut totals = self.earlier;
        self.hours.values().for_each(|counts| totals.add(*counts));
        totals
    }

    /// Reads the file; `None` when there is none: the destination is new.
    pub fn load(disk: &dyn Disk, path: &Path) -> Result<Option<Self>, CursorError> {
        let file = || path.display().to_string();
        let bytes = match aside(|| disk.read(path)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(CursorError::Io { file: file(), error }),
        };
        let damage = |what| CursorError::Damage { file: file(), what };
        let text = std::str::from_utf8(&bytes).map_err(|_| damage("it is not text"))?;
        let (json, sum) = text.split_once('\n').ok_or_else(|| damage("it is cut off"))?;
        if sum != checksum(json) {
            return Err(damage("its checksum does not hold"));
        }
        let file: CursorFile = serde_json::from_str(json).map_err(|_| damage("it can't be read"))?;
        if !(1..=VERSION).contains(&file.version) {
            return Err(damage("it is of another version"));
        }
        Ok(Some(file.into()))
    }

    /// Writes the file whole.
    pub fn save(&mut self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        self.forget_old_hours();
        let json = serde_json::to_string(&CursorFile::from(&*self)).map_err(io::Error::other)?;
        let content = format!("{json}\n{}", checksum(&json));
        aside(|| write_whole(disk, path, content.as_bytes()))
    }
}

/// Where a destination's cursor is kept.
pub(crate) fn cursor_path(folder: &Path, id: &DestinationId) -> PathBuf {
    folder.join(format!("destination-{id}.cursor"))
}

fn checksum(json: &str) -> String {
    format!("crc32c {:08x}\n", crc32c::crc32c(json.as_bytes()))
}

/// 1 knew nothing of filters.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct CursorFile {
    version: u32,
    from: u64,
    position: u64,
    off_until: u64,
    off: bool,
    earlier: Counts,
    /// Source number, hour since 1970, delivered, dead, off.
    hours: Vec<(u32, i64, u64, u64, u64)>,
    /// Source number, hour since 1970, filtered: the hours above that have any.
    #[serde(default)]
    filtered: Vec<(u32, i64, u64)>,
}

impl From<&Progress> for CursorFile {
    fn from(progress: &Progress) -> Self {
        let hours = progress
            .hours
            .iter()
            .map(|((source, hour), counts)| (source.0, hour.0, counts.delivered, counts.dead, counts.off))
            .collect();
        let filtered = progress.hours.iter().filter(|(_, counts)| counts.filtered > 0);
        let filtered = filtered.map(|((source, hour), counts)| (source.0, hour.0, counts.filtered)).collect();
        Self {
            version: VERSION,
            from: progress.from.0,
            position: progress.position.0,
            off_until: progress.off_until.0,
            off: progress.off,
            earlier: progress.earlier,
            hours,
            filtered,
        }
    }
}

impl From<CursorFile> for Progress {
    fn from(file: CursorFile) -> Self {
        let mut hours: BTreeMap<_, Counts> = file
            .hours
            .into_iter()
            .map(|(source, hour, delivered, dead, off)| {
                ((SourceNumber(source), Hour(hour)), Counts { delivered, dead, off, filtered: 0 })
            })
            .collect();
        for (source, hour, filtered) in file.filtered {
            hours.entry((SourceNumber(source), Hour(hour))).or_default().filtered = filtered;
        }
        Self {
            off_until: Position(file.off_until),
            off: file.off,
            hours,
            earlier: file.earlier,
            position: Position(file.position),
            read_to: Position(file.position),
            ..Self::new(Position(file.from))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SOURCE: SourceNumber = SourceNumber(1);

    fn progress() -> Progress {
        let mut progress = Progress::new(Position(10));
        for (position, hour) in [(11, 500_000), (13, 500_000), (14, 500_001)] {
            progress.begin(Position(position), SOURCE, Millis(hour * HOUR_MS + 5));
        }
        progress.read_to(Position(20));
        progress
    }

    #[test]
    fn the_cursor_stops_at_the_first_event_that_is_not_settled_and_the_counts_with_it() {
        let mut progress = progress();
        let mut shown = Vec::new();
        for (position, settled) in [(13, Settled::Delivered), (11, Settled::Dead), (14, Settled::Filtered)] {
            progress.settle(Position(position), settled);
            let Counts { delivered, dead, filtered, .. } = progress.totals();
            shown.push((progress.position.0, delivered, dead, filtered));
        }
        assert_eq!(shown, [(11, 0, 0, 0), (14, 1, 1, 0), (20, 1, 1, 1)]);
        assert_eq!(progress.hours.len(), 2);
    }

    #[test]
    fn a_file_gives_back_what_was_written_and_nothing_of_what_lies_beyond_the_cursor() {
        let (world, _handles) = domicile_testkit::world(1);
        let path = Path::new("/index/destination-d.cursor");
        world.disk.make_folder(Path::new("/index"), false).expect("a folder");
        assert_eq!(Progress::load(&*world.disk, path).expect("reads"), None);
        let mut progress = progress();
        progress.settle(Position(11), Settled::Filtered);
        progress.settle(Position(14), Settled::Delivered);
        progress.save(&*world.disk, path).expect("writes");
        let back = Progress::load(&*world.disk, path).expect("reads").expect("is there");
        assert_eq!((back.position, back.totals().filtered), (Position(13), 1));
        assert_eq!(back.hours, progress.hours);
    }

    #[test]
    fn a_file_from_before_there_were_filters_is_read() {
        let (world, _handles) = domicile_testkit::world(1);
        let path = Path::new("/index/destination-d.cursor");
        world.disk.make_folder(Path::new("/index"), false).expect("a folder");
        let json = r#"{"version":1,"from":1,"position":9,"off_until":1,"off":false,"#.to_owned()
            + r#""earlier":{"delivered":1,"dead":0,"off":0},"hours":[[1,500000,3,2,1]]}"#;
        let write = |json: &str| {
            write_whole(&*world.disk, path, format!("{json}\n{}", checksum(json)).as_bytes()).expect("writes");
        };
        write(&json);
        let back = Progress::load(&*world.disk, path).expect("reads").expect("is there");
        assert_eq!(back.totals(), Counts { delivered: 4, dead: 2, off: 1, filtered: 0 });
        write(&json.replacen('1', "3", 1));
        assert!(Progress::load(&*world.disk, path).is_err(), "a newer program's file");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_the_file_is_seen() {
        let (world, _handles) = domicile_testkit::world(1);
        world.disk.make_folder(Path::new("/index"), false).expect("a folder");
        let path = Path::new("/index/destination-d.cursor");
        progress().save(&*world.disk, path).expect("writes");
        let good = world.disk.read(path).expect("reads");
        let flipped = (0..good.len() * 8).map(|bit| {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            bad
        });
        let cut = (0..good.len()).map(|bytes| good[..bytes].to_vec());
        for bad in flipped.chain(cut) {
            write_whole(&*world.disk, path, &bad).expect("writes");
            let error = Progress::load(&*world.disk, path).expect_err("damage");
            assert!(matches!(error, CursorError::Damage { .. }), "{error}");
        }
    }

    #[test]
    fn hours_older_than_a_month_are_added_up() {
        let mut progress = Progress::new(Position(0));
        for (position, hour) in [(0, 0), (1, 1), (2, 744), (3, 745)] {
            progress.begin(Position(position), SOURCE, Millis(hour * HOUR_MS));
            progress.settle(Position(position), Settled::Delivered);
        }
        progress.forget_old_hours();
        assert_eq!((progress.hours.len(), progress.earlier.delivered, progress.totals().delivered), (2, 2, 4));
    }
}
