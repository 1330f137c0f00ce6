//! From events to files: which events share a file, decided by the events alone.
//!
//! An event goes to the open file of its source and day. A file is closed
//!
//! 1. at each mark of the log, with all others;
//! 2. when its bytes, as they came, reach `file_bytes_max`;
//! 3. when those of all open files pass `open_bytes_max`: then the largest (of equals: the lowest source, the earliest
//!    day), until they do not.
//!
//! - No clock, no I/O, no randomness. Two folds that begin with no file open and take the same events and marks close the
//!   same files, byte for byte.
//! - Bytes count before compression, so that neither level nor library moves a border between files.

use crate::layout::Day;
use crate::member::Packer;
use domicile_log::Position;
use domicile_workspace::SourceNumber;
use std::collections::BTreeMap;

/// Where files end, and how they are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// Bytes of events, uncompressed, at which a file is closed; the event that reaches it is in.
    pub file_bytes_max: u64,
    /// Bytes of events, uncompressed, in all open files. Bounds memory: the last 256 KiB of each are kept as they came.
    pub open_bytes_max: u64,
    /// Gzip level, 0 to 9. Changes bytes, never borders.
    pub level: u32,
}

impl Default for ArchiveSettings {
    /// 64 MiB a file, 256 MiB in all. Level 2, measured on 32 MiB of events in members of 256 KiB: level 1 packs 2.20 to
    /// one at 210 MB/s, level 2 2.91 at 126, level 3 2.99 at 102, level 6 3.07 at 65.
    fn default() -> Self {
        Self { file_bytes_max: 64 << 20, open_bytes_max: 256 << 20, level: 2 }
    }
}

/// Events that share a file have these in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileKey {
    pub source: SourceNumber,
    pub day: Day,
}

/// A finished file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClosedFile {
    pub key: FileKey,
    pub first: Position,
    pub last: Position,
    pub events: u64,
    pub gzip: Vec<u8>,
}

/// Raw bytes that make one gzip member. Smaller ones cost size (64 KiB: 3 % more), larger ones memory.
const MEMBER_BYTES: usize = 256 << 10;

struct OpenFile {
    first: Position,
    last: Position,
    events: u64,
    /// Of all events, uncompressed.
    bytes: u64,
    /// Those that are not in a member yet.
    plain: Vec<u8>,
    gzip: Vec<u8>,
}

/// The open files.
pub(crate) struct Fold {
    settings: ArchiveSettings,
    packer: Packer,
    open: BTreeMap<FileKey, OpenFile>,
    open_bytes: u64,
    closed: Vec<ClosedFile>,
}

impl Fold {
    pub fn new(settings: ArchiveSettings) -> Self {
        let packer = Packer::new(settings.level);
        Self { settings, packer, open: BTreeMap::new(), open_bytes: 0, closed: Vec::new() }
    }

    /// Adds the next event. Positions rise from call to call.
    pub fn event(&mut self, key: FileKey, position: Position, event: &[u8]) {
        let file = self.open.entry(key).or_insert_with(|| OpenFile::new(position));
        file.last = position;
        file.events += 1;
        file.plain.extend_from_slice(event);
        file.plain.push(b'\n');
        let bytes = event.len() as u64 + 1;
        file.bytes += bytes;
        self.open_bytes += bytes;
        if file.plain.len() >= MEMBER_BYTES {
            file.pack(&mut self.packer);
        }
        if file.bytes >= self.settings.file_bytes_max {
            self.close(key);
        }
        while self.open_bytes > self.settings.open_bytes_max {
            let largest = self.open.iter().max_by_key(|(key, file)| (file.bytes, std::cmp::Reverse(**key)));
            let Some((&key, _)) = largest else { break };
            self.close(key);
        }
    }

    /// Closes all files, in the order of sources and days.
    pub fn mark(&mut self) {
        while let Some((&key, _)) = self.open.first_key_value() {
            self.close(key);
        }
    }

    /// The files closed since the last call, in the order of closing.
    pub fn closed(&mut self) -> Vec<ClosedFile> {
        std::mem::take(&mut self.closed)
    }

    /// Whether no file is open: the only moments from which a new fold makes the same files.
    pub fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }

    /// The first position that is in an open file.
    pub fn first_open(&self) -> Option<Position> {
        self.open.values().map(|file| file.first).min()
    }

    fn close(&mut self, key: FileKey) {
        let Some(mut file) = self.open.remove(&key) else { return };
        self.open_bytes -= file.bytes;
        if !file.plain.is_empty() {
            file.pack(&mut self.packer);
        }
        self.closed.push(ClosedFile { key, first: file.first, last: file.last, events: file.events, gzip: file.gzip });
    }
}

impl OpenFile {
    fn new(first: Position) -> Self {
        Self { first, last: first, events: 0, bytes: 0, plain: Vec::new(), gzip: Vec::new() }
    }

    fn pack(&mut self, packer: &mut Packer) {
        packer.pack(&self.plain, &mut self.gzip);
        self.plain.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_world::Millis;

    /// Events of `NAME:BYTES` (with the line break), and `mark`; what was closed, by source, span and in order.
    fn folded(settings: ArchiveSettings, script: &str) -> String {
        let mut fold = Fold::new(settings);
        let mut out = Vec::new();
        for (position, word) in script.split_whitespace().enumerate() {
            match word.split_once(':') {
                Some((source, bytes)) => {
                    let number = SourceNumber(u32::from(source.as_bytes()[0] - b'a'));
                    let key = FileKey { source: number, day: Day::of(Millis(0)) };
                    fold.event(key, Position(position as u64), &vec![b'x'; bytes.parse::<usize>().unwrap() - 1]);
                }
                None => fold.mark(),
            }
            out.extend(
                fold.closed()
                    .into_iter()
                    .map(|file| format!("{} {}-{}", char::from(b'a' + file.key.source.0 as u8), file.first, file.last)),
            );
        }
        if !fold.is_quiet() {
            out.push(format!("open from {}", fold.first_open().unwrap()));
        }
        out.join(", ")
    }

    #[test]
    fn files_end_at_marks_at_their_size_and_when_all_are_too_many() {
        let settings = ArchiveSettings { file_bytes_max: 100, open_bytes_max: 150, level: 1 };
        for (script, expected) in [
            ("a:10 b:10 a:10", "open from 0"),
            ("a:10 b:10 a:10 mark", "a 0-2, b 1-1"),
            ("mark a:10 mark mark", "a 1-1"),
            // By size: the event that reaches the size is in the file, and the next one begins another.
            ("a:60 a:40 a:10", "a 0-1, open from 2"),
            ("a:99 a:1 mark", "a 0-1"),
            ("a:500 mark", "a 0-0"),
            // By all: the largest, not the one that made it too much.
            ("a:90 b:50 c:10", "open from 0"),
            ("a:90 b:50 c:11", "a 0-0, open from 1"),
            // Of equals the lowest source.
            ("c:50 b:50 a:50 a:1 b:1", "a 2-3, open from 0"),
            ("c:60 b:60 a:31", "b 1-1, open from 0"),
            ("", ""),
        ] {
            assert_eq!(folded(settings, script), expected, "{script}");
        }
    }

    #[test]
    fn a_source_that_is_received_on_two_days_has_two_files() {
        let mut fold = Fold::new(ArchiveSettings::default());
        for (position, day) in [(0, 1), (1, 0), (2, 1)] {
            let key = FileKey { source: SourceNumber(1), day: Day::of(Millis(day * 86_400_000)) };
            fold.event(key, Position(position), b"{}");
        }
        fold.mark();
        let spans: Vec<_> = fold.closed().iter().map(|file| (file.first.0, file.last.0)).collect();
        assert_eq!(spans, [(1, 1), (0, 2)]);
    }
}
