//! Frames: the unit that is sealed, checked and promised.
//!
//! ```text
//! 0   magic u32 | header crc32c u32 (over 8..104)
//! 8   payload length u32 | payload crc32c u32
//! 16  first position u64 | events u32 | flags u32
//! 32  source u32 | workspace u32 | key generation u32 | ingest point u32
//! 48  seal count u64 | received at i64 | log time i64 | durable u64
//! 80  in the event log: how many of its events came to each outcome 5 × u32 | zero u32
//! 104 payload: sealed bytes and their tag                                        (all little endian)
//! ```
//!
//! - The ingest point is a hash of its name, so that the ledger tells points apart without opening payload; 0 in the event
//!   log. What counts is the name inside the seal.
//! - The header is checked by itself, so that a length is never believed before it is known to be good.
//! - The counts are outside the seal, so that the balance sheet is counted without opening payload, also when a key is
//!   destroyed; the seal binds them.
//! - `durable` is the end of what was on disk when the frame was written: a bad frame below the `durable` of a later one
//!   was promised, so it is damage and no torn write.

use crate::code::Cursor;
use crate::{Position, Span};
use domicile_keys::KeyId;
use domicile_ledger::Outcome;
use domicile_region::PointName;
use domicile_workspace::SourceNumber;
use domicile_world::Millis;

pub(crate) const HEADER_BYTES: usize = 104;
pub(crate) const MAGIC: [u8; 4] = *b"dFr1";
/// A payload is a body, the finished events made of it, and what is noted beside: far below this.
pub(crate) const PAYLOAD_BYTES_MAX: u32 = 64 << 20;
/// The frame is a mark: no events, no payload.
pub(crate) const FLAG_MARK: u32 = 1;
/// The request came from a remote point's spool.
pub(crate) const FLAG_ORIGIN: u32 = 2;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub length: u32,
    pub payload_crc: u32,
    pub first: Position,
    pub events: u32,
    pub flags: u32,
    pub source: SourceNumber,
    pub key: KeyId,
    /// [`point_mark`] of the ingest point.
    pub point: u32,
    pub count: u64,
    pub received_at: Millis,
    pub log_time: Millis,
    pub durable: Position,
    /// By [`Outcome`]; all zero in the accepted log and in marks.
    pub outcomes: [u32; Outcome::ALL.len()],
}

impl Header {
    pub(crate) fn span(&self) -> Span {
        Span::new(self.first, u64::from(self.events))
    }

    pub(crate) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.length)
    }

    /// What is bound to the seal: all that is known before the frame has its place in the log.
    pub(crate) fn bound(&self) -> [u8; 48] {
        let mut out = [0; 48];
        out[..4].copy_from_slice(&self.events.to_le_bytes());
        out[4..8].copy_from_slice(&self.flags.to_le_bytes());
        out[8..12].copy_from_slice(&self.source.0.to_le_bytes());
        out[12..16].copy_from_slice(&self.key.workspace.to_le_bytes());
        out[16..20].copy_from_slice(&self.key.generation.to_le_bytes());
        out[20..28].copy_from_slice(&self.received_at.0.to_le_bytes());
        write_counts(&self.outcomes, &mut out[28..]);
        out
    }

    pub(crate) fn write(&self, out: &mut [u8]) {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.events.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.flags.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.source.0.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.key.workspace.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.key.generation.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.point.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.count.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.received_at.0.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.log_time.0.to_le_bytes());
        bytes[72..80].copy_from_slice(&self.durable.0.to_le_bytes());
        write_counts(&self.outcomes, &mut bytes[80..]);
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        out[..HEADER_BYTES].copy_from_slice(&bytes);
    }

    /// `None` when the bytes are no good header.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let mut cursor = Cursor(bytes);
        if cursor.array::<4>()? != MAGIC || cursor.u32()? != crc32c::crc32c(&bytes[8..]) {
            return None;
        }
        let (length, payload_crc) = (cursor.u32()?, cursor.u32()?);
        let (first, events, flags) = (Position(cursor.u64()?), cursor.u32()?, cursor.u32()?);
        let source = SourceNumber(cursor.u32()?);
        let key = KeyId { workspace: cursor.u32()?, generation: cursor.u32()? };
        let point = cursor.u32()?;
        let (count, received_at, log_time) = (cursor.u64()?, cursor.millis()?, cursor.millis()?);
        let durable = Position(cursor.u64()?);
        let mut outcomes = [0; Outcome::ALL.len()];
        for count in &mut outcomes {
            *count = cursor.u32()?;
        }
        let counted: u64 = outcomes.iter().map(|count| u64::from(*count)).sum();
        let mark = flags & FLAG_MARK != 0;
        // An event takes at least a byte: who makes room for them by this number needs no more than the file has. When
        // the key is destroyed, no seal says that the number is true.
        let room = events <= length && first.0.checked_add(u64::from(events)).is_some();
        let sane = length <= PAYLOAD_BYTES_MAX && durable <= first && mark == (events == 0) && room;
        let sane = sane && (counted == 0 || counted == u64::from(events));
        sane.then_some(Self {
            length,
            payload_crc,
            first,
            events,
            flags,
            source,
            key,
            point,
            count,
            received_at,
            log_time,
            durable,
            outcomes,
        })
    }
}

/// What a header carries of an ingest point's name: never 0.
pub(crate) fn point_mark(point: &PointName) -> u32 {
    let hash = xxhash_rust::xxh3::xxh3_64(point.as_str().as_bytes());
    (hash as u32).max(1)
}

fn write_counts(counts: &[u32], out: &mut [u8]) {
    for (count, place) in counts.iter().zip(out.chunks_exact_mut(4)) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// A request's body on its way into a frame: room for the header stands in front, so that the body is sealed where it
/// lies and written without a copy.
#[derive(Debug)]
pub struct FrameBuf {
    pub(crate) bytes: Vec<u8>,
}

impl FrameBuf {
    /// Room for a body of `body` bytes without growing.
    pub fn with_capacity(body: usize) -> Self {
        // What is noted beside the body takes 8 bytes an event and some 100 more.
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body + body / 64 + 256);
        bytes.resize(HEADER_BYTES, 0);
        Self { bytes }
    }

    pub fn extend_from_slice(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    pub fn body_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEADER_BYTES..]
    }

    /// Bytes of body so far.
    pub fn len(&self) -> usize {
        self.bytes.len() - HEADER_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
