//! What a start finds on disk, and what it may believe.
//!
//! - The acknowledged prefix is kept, all of it. A torn write behind it is cut.
//! - Anything else that does not hold is damage: the start stops, names file and offset, and changes nothing.
//!
//! A write is torn when its end is missing, or a whole sector of it never reached the disk (it reads as zeros; sealed bytes
//! never do). A bad frame of any other look was whole once: that is damage. So is a bad frame below the `durable` of a later
//! one, and any bad frame of a log that was closed in order (`closed` names its end). A log whose last group was lost from
//! behind without a trace is found by its partner: the event log has decided positions that the accepted log lacks.

use crate::error::OpenError;
use crate::frame::{HEADER_BYTES, Header, MAGIC};
use crate::segment::Segment;
use crate::store::Store;
use crate::{Position, code};
use domicile_world::{Disk, Millis, write_whole};
use std::path::{Path, PathBuf};

const CLOSED_FILE: &str = "closed";
const SECTOR_BYTES: u64 = 512;

/// What the last segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The length of its good part.
    pub good_bytes: u64,
    pub end: Position,
    pub log_time: Millis,
}

/// Before anything is believed: the last segment as it is on disk, and not as the system remembers it. Bytes that a
/// killed program wrote and never synced would else be counted, decided on, and gone after a power loss.
pub(crate) fn settle_last(disk: &dyn Disk, folder: &Path) -> Result<(), OpenError> {
    // Its names too: a removed closing note must not come back beside a segment that was begun after it.
    disk.sync_folder(folder).map_err(|e| OpenError::io(folder, e))?;
    let entries = disk.list(folder).map_err(|e| OpenError::io(folder, e))?;
    let Some(last) = entries.iter().rfind(|entry| entry.name.ends_with(".log")) else { return Ok(()) };
    let path = folder.join(&last.name);
    disk.settle(&path).map_err(|e| OpenError::io(&path, e))
}

/// Reads the last segment frame by frame; hands each good one to `on_frame`.
pub(crate) fn recover(
    disk: &dyn Disk,
    segment: &Segment,
    closed: Option<&Closed>,
    mut on_frame: impl FnMut(&Header, &[u8]) -> Result<(), OpenError>,
) -> Result<Recovered, OpenError> {
    let bytes = disk.read(&segment.path).map_err(|e| OpenError::io(&segment.path, e))?;
    let mut at = usize::try_from(segment.frames_at).unwrap_or(usize::MAX);
    let mut end = segment.header.first;
    let mut log_time = segment.header.log_time;
    while at < bytes.len() {
        let fault = match read_frame(&bytes[at..], end) {
            Ok((header, payload)) => {
                on_frame(&header, payload)?;
                end = header.span().end;
                log_time = log_time.max(header.log_time);
                at += HEADER_BYTES + payload.len();
                continue;
            }
            Err(fault) => fault,
        };
        if closed.is_some() || !torn(&bytes, at, fault.bytes) || promised_later(&bytes[at..], end) {
            return Err(OpenError::damage(&segment.path, at as u64, fault.what));
        }
        break;
    }
    let recovered = Recovered { good_bytes: at as u64, end, log_time };
    if let Some(closed) = closed
        && (closed.sequence, closed.bytes, closed.end) != (segment.header.sequence, recovered.good_bytes, end)
    {
        let what = format!("the log was closed at position {} and now ends at {end}", closed.end);
        return Err(OpenError::damage(&segment.path, recovered.good_bytes, what));
    }
    Ok(recovered)
}

struct FrameFault {
    what: &'static str,
    /// How many bytes the frame was to have; the header's length when that is not known.
    bytes: usize,
}

fn read_frame(bytes: &[u8], expected: Position) -> Result<(Header, &[u8]), FrameFault> {
    let fault = |what, bytes| FrameFault { what, bytes };
    let header = Header::read(bytes).ok_or(fault("the frame's header does not hold", HEADER_BYTES))?;
    let length = usize::try_from(header.length).unwrap_or(usize::MAX);
    let whole = HEADER_BYTES.saturating_add(length);
    if header.first != expected {
        return Err(fault("the frame has another position than its place", whole));
    }
    let payload = bytes.get(HEADER_BYTES..whole).ok_or(fault("the frame is cut off", whole))?;
    if crc32c::crc32c(payload) != header.payload_crc {
        return Err(fault("the frame's checksum does not hold", whole));
    }
    Ok((header, payload))
}

/// Whether the frame at `at` looks like a write that the power cut short.
fn torn(file: &[u8], at: usize, length: usize) -> bool {
    let end = at.saturating_add(length);
    if end > file.len() {
        return true;
    }
    let sector = SECTOR_BYTES as usize;
    let mut start = at;
    while start < end {
        // The whole sector, also behind the frame: a few zeros at a frame's end are no sign that it was not written.
        let sector_end = ((start / sector + 1) * sector).min(file.len());
        if file[start..sector_end].iter().all(|b| *b == 0) {
            return true;
        }
        start = sector_end;
    }
    false
}

/// Whether a later frame says that position `end` was on disk already.
fn promised_later(bytes: &[u8], end: Position) -> bool {
    let mut at = 1;
    while let Some(n) = bytes.get(at..).and_then(|rest| rest.windows(MAGIC.len()).position(|w| w == MAGIC)) {
        at += n;
        if Header::read(&bytes[at..]).is_some_and(|header| header.durable > end) {
            return true;
        }
        at += 1;
    }
    false
}

/// What a log that was closed in order leaves beside its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub sequence: u64,
    pub bytes: u64,
    pub end: Position,
}

impl Closed {
    pub(crate) fn write(self, store: &Store) -> std::io::Result<()> {
        let mut out = Vec::new();
        code::put_u64(&mut out, self.sequence);
        code::put_u64(&mut out, self.bytes);
        code::put_u64(&mut out, self.end.0);
        let crc = crc32c::crc32c(&out);
        code::put_u32(&mut out, crc);
        write_whole(store.world.disk.as_ref(), &store.folder.join(CLOSED_FILE), &out)
    }

    /// What the last closing left, if there was one since the last opening.
    pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, OpenError> {
        let file = Self::path(folder);
        if !disk.exists(&file) {
            return Ok(None);
        }
        let bytes = disk.read(&file).map_err(|e| OpenError::io(&file, e))?;
        let read = || {
            let mut cursor = code::Cursor(&bytes);
            let closed = Self { sequence: cursor.u64()?, bytes: cursor.u64()?, end: Position(cursor.u64()?) };
            (cursor.u32()? == crc32c::crc32c(&bytes[..24]) && cursor.0.is_empty()).then_some(closed)
        };
        read().map(Some).ok_or_else(|| OpenError::damage(&file, 0, "the closing note does not hold"))
    }

    /// A closing note beside which there is nothing that was closed.
    pub(crate) fn without_segments(folder: &Path) -> OpenError {
        OpenError::damage(folder, 0, "the log was closed in order, but its segments are gone")
    }

    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(CLOSED_FILE)
    }
}
