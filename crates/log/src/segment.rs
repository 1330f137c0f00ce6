//! Segment files.
//!
//! ```text
//! accepted/0000000007-00000000000000004096.log        sequence and first position
//! header = magic "dSeg0001" | crc32c u32 | length u32 | salt 16 | sequence u64 | first position u64 | log time i64
//!        | bytes of the segment before u64 | origins: n u8, each: name, end u64
//! then frames
//! ```
//!
//! - Sequences have no gap, and each header says how long the segment before it is: a lost, cut or swapped segment is
//!   found at the start without reading it.
//! - A segment's header is on disk, and so is its name, before the first frame is written into it.
//! - Each opening of a log begins a new segment with a new salt, so that no seal count is used twice.

use crate::code::{Cursor, put_point, put_u64};
use crate::{OpenError, Position, frame};
use domicile_keys::Salt;
use domicile_region::PointName;
use domicile_world::{Disk, Millis};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"dSeg0001";
/// magic, crc, length
const LEAD_BYTES: usize = 16;
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// What a segment's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub salt: Salt,
    pub sequence: u64,
    pub first: Position,
    pub log_time: Millis,
    pub previous_bytes: u64,
    /// For each remote point, the end of what was taken from its spool.
    pub origins: BTreeMap<PointName, Position>,
}

/// A segment on disk.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub path: PathBuf,
    pub header: SegmentHeader,
    /// Where the first frame begins.
    pub frames_at: u64,
    /// The file's length; for the segment being written, see the tail.
    pub bytes: u64,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.salt);
        put_u64(&mut out, self.sequence);
        put_u64(&mut out, self.first.0);
        out.extend_from_slice(&self.log_time.0.to_le_bytes());
        put_u64(&mut out, self.previous_bytes);
        out.push(u8::try_from(self.origins.len()).unwrap_or(u8::MAX));
        for (point, end) in self.origins.iter().take(usize::from(u8::MAX)) {
            put_point(&mut out, point);
            put_u64(&mut out, end.0);
        }
        let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
        out[12..16].copy_from_slice(&length.to_le_bytes());
        let crc = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header and its length.
    fn decode(bytes: &[u8]) -> Option<(Self, u64)> {
        let mut cursor = Cursor(bytes);
        if cursor.bytes(8)? != MAGIC {
            return None;
        }
        let (crc, length) = (cursor.u32()?, cursor.u32()?);
        let whole = bytes.get(..usize::try_from(length).ok()?)?;
        if whole.len() < LEAD_BYTES || crc != crc32c::crc32c(&whole[12..]) {
            return None;
        }
        let mut cursor = Cursor(&whole[LEAD_BYTES..]);
        let salt = cursor.array()?;
        let (sequence, first) = (cursor.u64()?, Position(cursor.u64()?));
        let (log_time, previous_bytes) = (cursor.millis()?, cursor.u64()?);
        let mut origins = BTreeMap::new();
        for _ in 0..cursor.u8()? {
            let point = cursor.point()?;
            origins.insert(point, Position(cursor.u64()?));
        }
        let header = Self { salt, sequence, first, log_time, previous_bytes, origins };
        Some((header, u64::from(length)))
    }

    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:010}-{:020}.log", self.sequence, self.first.0))
    }
}

/// What is found under a segment's name.
pub(crate) enum Found {
    Segment(Segment),
    /// A header that never was on disk as a whole: the segment was being made when the power went, so it has no frames.
    Unborn(PathBuf),
}

/// Reads the headers of all segments of a folder, in order, and checks that none is missing, cut or swapped.
///
/// # Errors
/// `Damage` names the file. Nothing is changed.
pub(crate) fn find_segments(disk: &dyn Disk, folder: &Path) -> Result<(Vec<Segment>, Option<PathBuf>), OpenError> {
    let entries = disk.list(folder).map_err(|e| OpenError::io(folder, e))?;
    let names: Vec<_> = entries.into_iter().filter(|entry| entry.name.ends_with(".log")).collect();
    let (mut segments, mut unborn): (Vec<Segment>, _) = (Vec::new(), None);
    for (n, entry) in names.iter().enumerate() {
        let path = folder.join(&entry.name);
        let segment = match read_segment(disk, &path, n + 1 == names.len())? {
            Found::Segment(segment) => segment,
            Found::Unborn(path) => {
                unborn = Some(path);
                continue;
            }
        };
        if segment.header.path(folder) != path {
            return Err(OpenError::damage(&path, 0, "the header belongs to a segment of another name"));
        }
        if let Some(previous) = segments.last() {
            if segment.header.sequence != previous.header.sequence + 1 {
                return Err(OpenError::damage(&path, 0, "a segment before this one is missing"));
            }
            if segment.header.first < previous.header.first {
                let what = format!(
                    "it begins at {}, and the segment before it at {}",
                    segment.header.first, previous.header.first
                );
                return Err(OpenError::damage(&path, 0, what));
            }
            if segment.header.previous_bytes != previous.bytes {
                let what = format!("its length is {}, but it was {}", previous.bytes, segment.header.previous_bytes);
                return Err(OpenError::damage(&previous.path, previous.bytes.min(segment.header.previous_bytes), what));
            }
        }
        segments.push(segment);
    }
    Ok((segments, unborn))
}

fn read_segment(disk: &dyn Disk, path: &Path, last: bool) -> Result<Found, OpenError> {
    let file = disk.open_read(path).map_err(|e| OpenError::io(path, e))?;
    let bytes = file.bytes().map_err(|e| OpenError::io(path, e))?;
    let mut head = vec![0; HEADER_BYTES_MAX.min(usize::try_from(bytes).unwrap_or(HEADER_BYTES_MAX))];
    let n = file.read_full_at(&mut head, 0).map_err(|e| OpenError::io(path, e))?;
    head.truncate(n);
    match SegmentHeader::decode(&head) {
        Some((header, frames_at)) => Ok(Found::Segment(Segment { path: path.to_path_buf(), header, frames_at, bytes })),
        // Frames are written only after the header is on disk, so a header torn by a power loss stands in a file that
        // is no longer than a header. A longer one had frames: that is damage.
        None if last && torn_header(&head) => Ok(Found::Unborn(path.to_path_buf())),
        None => Err(OpenError::damage(path, 0, "the segment's header does not hold")),
    }
}

/// Cut short, or with a sector that never reached the disk.
fn torn_header(bytes: &[u8]) -> bool {
    let length = bytes.get(12..16).and_then(|b| Some(u32::from_le_bytes(b.try_into().ok()?)));
    let whole = bytes.len() >= LEAD_BYTES && length.is_some_and(|n| bytes.len() as u64 >= u64::from(n));
    let no_frames = !length.is_some_and(|n| n > 0 && bytes.len() as u64 > u64::from(n));
    // A damaged length must not make a segment with frames look like one that was never begun.
    let no_frames = no_frames
        && !bytes
            .windows(frame::MAGIC.len())
            .enumerate()
            .any(|(at, word)| word == frame::MAGIC && frame::Header::read(&bytes[at..]).is_some());
    (!whole || bytes.chunks(512).any(|sector| sector.iter().all(|b| *b == 0))) && no_frames
}
