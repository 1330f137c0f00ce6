//! How far the archive has come: a small file that may be lost.
//!
//! ```text
//! archive.cursor   one JSON object, a line break, `crc32c` and 8 hexadecimal digits, a line break
//! ```

use crate::ArchiveSettings;
use domicile_log::Position;
use domicile_world::{Disk, write_whole};
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

/// A position at which no file was open and everything before it was in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    position: u64,
    // The borders between files follow from these: with others, files behind the position may have other names.
    file_bytes_max: u64,
    open_bytes_max: u64,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub position: Position,
    /// Whether a file may have been open here, or files that are in the store may end elsewhere than they would now. Then
    /// the store is asked what it has.
    pub unsure: bool,
}

/// Reads the cursor. `log` is what the event log holds; without a cursor in it, the archive begins at the log's start.
pub(crate) fn load(disk: &dyn Disk, file: &Path, settings: &ArchiveSettings, log: RangeInclusive<Position>) -> Resume {
    let over = Resume { position: *log.start(), unsure: true };
    let content = match disk.read(file) {
        Ok(bytes) => read(&bytes).ok_or_else(|| io::Error::other("not a cursor of the archive")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return over,
        Err(error) => Err(error),
    };
    match content {
        Ok(content) if log.contains(&Position(content.position)) => {
            let now = (settings.file_bytes_max, settings.open_bytes_max);
            let unsure = (content.file_bytes_max, content.open_bytes_max) != now;
            Resume { position: Position(content.position), unsure }
        }
        Ok(Content { position, .. }) => {
            let (start, end) = (log.start(), log.end());
            tracing::error!(position, %start, %end, "the archive's cursor is outside the event log; starting over");
            over
        }
        Err(error) => {
            tracing::warn!(%error, "the archive's cursor can't be read; starting over");
            over
        }
    }
}

pub(crate) fn save(disk: &dyn Disk, file: &Path, settings: &ArchiveSettings, position: Position) -> io::Result<()> {
    let content = Content {
        position: position.0,
        file_bytes_max: settings.file_bytes_max,
        open_bytes_max: settings.open_bytes_max,
    };
    write_whole(disk, file, &spelled(content)?)
}

/// Whether bytes are a cursor as the archive writes it: no byte of it can be changed unseen.
pub fn cursor_is_whole(bytes: &[u8]) -> bool {
    read(bytes).is_some()
}

fn spelled(content: Content) -> io::Result<Vec<u8>> {
    let mut out = serde_json::to_vec(&content)?;
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(format!("\ncrc32c {crc:08x}\n").as_bytes());
    Ok(out)
}

fn read(bytes: &[u8]) -> Option<Content> {
    let json = bytes.split(|byte| *byte == b'\n').next()?;
    let content = serde_json::from_slice(json).ok()?;
    spelled(content).is_ok_and(|spelled| spelled == bytes).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_cursor_of_this_log_begins_at_its_start_and_asks_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("archive.cursor");
        let disk = domicile_world::RealDisk;
        let settings = ArchiveSettings::default();
        let load = |settings: &ArchiveSettings| load(&disk, &file, settings, Position(10)..=Position(20));
        let over = Resume { position: Position(10), unsure: true };
        assert_eq!(load(&settings), over, "no file");
        for content in
            ["", "{", "17", "{\"position\":17}", "{\"position\":-1,\"file_bytes_max\":1,\"open_bytes_max\":1}", "\0\0"]
        {
            std::fs::write(&file, content).unwrap();
            assert_eq!(load(&settings), over, "{content}");
        }
        for (position, expected) in [(9, 10), (10, 10), (17, 17), (20, 20), (21, 10)] {
            save(&disk, &file, &settings, Position(position)).unwrap();
            let whole = std::fs::read(&file).unwrap();
            for bit in 0..whole.len() * 8 {
                let mut changed = whole.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(cursor_is_whole(&whole) && !cursor_is_whole(&changed), "bit {bit}");
            }
            let unsure = expected != position;
            assert_eq!(load(&settings), Resume { position: Position(expected), unsure }, "{position}");
        }
        save(&disk, &file, &settings, Position(17)).unwrap();
        let other = ArchiveSettings { file_bytes_max: 1, ..settings };
        assert_eq!(load(&other), Resume { position: Position(17), unsure: true }, "other borders");
        let other = ArchiveSettings { level: 9, ..settings };
        assert_eq!(load(&other), Resume { position: Position(17), unsure: false }, "another level moves no border");
    }
}
