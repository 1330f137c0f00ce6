//! Reading frames in order, behind the writer.

use crate::frame::{HEADER_BYTES, Header};
use crate::segment::Segment;
use crate::store::Store;
use crate::tail::Tail;
use crate::{Position, ReadError};
use domicile_world::ReadFile;
use std::sync::Arc;

/// Bytes read at once. Larger frames are read whole.
const CHUNK_BYTES: usize = 512 * 1024;
/// Bytes read at once by who wants headers alone: most of what lies between them is not read.
const HEADERS_BYTES: usize = 4 * 1024;

/// Follows a log: each frame once, in order, none that is not on disk. Holds the log's segments from where it is until
/// [`FrameReader::release`].
pub(crate) struct FrameReader {
    store: Arc<Store>,
    hold: u64,
    segment: Arc<Segment>,
    file: Box<dyn ReadFile>,
    /// Where the next frame begins in the file.
    offset: u64,
    /// Up to where the file may be read, as last seen.
    limit: u64,
    /// Bytes of the file from `chunk_at` on.
    chunk: Vec<u8>,
    chunk_at: u64,
    /// The position that the next frame must have.
    next: Position,
}

/// A frame's header, its payload as it lies on disk, and the segment that it lies in.
pub(crate) struct RawFrame {
    pub header: Header,
    pub payload: Vec<u8>,
    pub segment: Arc<Segment>,
    pub offset: u64,
}

impl FrameReader {
    /// Begins with the frame that `from` lies in, or the first one after it.
    pub(crate) fn open(store: &Arc<Store>, from: Position) -> Result<Self, ReadError> {
        let hold = store.hold(from);
        let open = || {
            let segment = store.segment_at(from).ok_or_else(|| {
                let start = store.start();
                ReadError::damage(&store.folder, 0, format!("position {from} is not kept: the log begins at {start}"))
            })?;
            let file = store.world.disk.open_read(&segment.path).map_err(|e| ReadError::io(&segment.path, e))?;
            Ok((segment, file))
        };
        let (segment, file) = match open() {
            Ok(opened) => opened,
            Err(error) => {
                store.let_go(hold);
                return Err(error);
            }
        };
        let mut reader = Self {
            store: Arc::clone(store),
            hold,
            offset: segment.frames_at,
            limit: segment.frames_at,
            next: segment.header.first,
            segment,
            file,
            chunk: Vec::new(),
            chunk_at: 0,
        };
        while let Some(header) = reader.peek(HEADERS_BYTES)? {
            if header.span().end > from || header.first >= from {
                break;
            }
            reader.pass(&header);
        }
        Ok(reader)
    }

    /// Where the next frame begins.
    pub(crate) fn position(&self) -> Position {
        self.next
    }

    /// Segments before `position` are not needed any more.
    pub(crate) fn release(&self, position: Position) {
        self.store.move_hold(self.hold, position);
    }

    /// The next frame that is on disk now; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RawFrame>, ReadError> {
        let Some(header) = self.peek(CHUNK_BYTES)? else { return Ok(None) };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let payload = self.bytes(self.offset + HEADER_BYTES as u64, length, CHUNK_BYTES)?.to_vec();
        if crc32c::crc32c(&payload) != header.payload_crc {
            return Err(self.damage("the frame's checksum does not hold"));
        }
        let frame = RawFrame { header, payload, segment: Arc::clone(&self.segment), offset: self.offset };
        self.pass(&header);
        Ok(Some(frame))
    }

    /// The next frame's header and its payload, which is not checked.
    pub(crate) fn next_sealed<T>(&mut self, look: impl FnOnce(&Header, &[u8]) -> T) -> Result<Option<T>, ReadError> {
        let Some(header) = self.peek(CHUNK_BYTES)? else { return Ok(None) };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let looked = look(&header, self.bytes(self.offset + HEADER_BYTES as u64, length, CHUNK_BYTES)?);
        self.pass(&header);
        Ok(Some(looked))
    }

    /// The next frame's header; the payload is passed over.
    pub(crate) fn next_header(&mut self) -> Result<Option<Header>, ReadError> {
        let Some(header) = self.peek(HEADERS_BYTES)? else { return Ok(None) };
        self.pass(&header);
        Ok(Some(header))
    }

    /// Returns when there is more to read, or the log is closed and read to its end (`false`).
    pub(crate) async fn more(&mut self) -> bool {
        let (sequence, offset) = (self.segment.header.sequence, self.offset);
        let is_more = |tail: &Tail| tail.sequence > sequence || tail.offset > offset;
        let tail = self.store.tail.wait_for(|tail| is_more(tail) || tail.closed).await;
        is_more(&tail)
    }

    /// The next frame's header, having moved on to the segment that it lies in.
    fn peek(&mut self, ahead: usize) -> Result<Option<Header>, ReadError> {
        loop {
            // Once everything in it was released, the segment may be deleted while the reader still stands at its end.
            let here = self.segment.header.sequence;
            let (limit, done) = self.store.limit(here).unwrap_or((self.offset, true));
            self.limit = limit;
            if self.offset < limit {
                let header = Header::read(self.bytes(self.offset, HEADER_BYTES, ahead)?);
                let header = header.ok_or_else(|| self.damage("the frame's header does not hold"))?;
                if self.offset + header.frame_bytes() > limit {
                    return Err(self.damage("the frame is cut off"));
                }
                if header.first != self.next {
                    return Err(self.damage(format!("position {} where {} belongs", header.first, self.next)));
                }
                return Ok(Some(header));
            }
            if !done {
                return Ok(None);
            }
            let after = |segment: &Arc<Segment>| segment.header.sequence > here;
            let next = self.store.segment(here + 1).or_else(|| self.store.segment_at(self.next).filter(after));
            let Some(segment) = next else {
                return Err(self.damage(format!("segment {} is missing", here + 1)));
            };
            if segment.header.first != self.next {
                let what = format!("the next segment begins at {} and not at {}", segment.header.first, self.next);
                return Err(self.damage(what));
            }
            self.file = self.store.world.disk.open_read(&segment.path).map_err(|e| ReadError::io(&segment.path, e))?;
            self.offset = segment.frames_at;
            self.segment = segment;
            self.chunk.clear();
        }
    }

    fn pass(&mut self, header: &Header) {
        self.offset += header.frame_bytes();
        self.next = header.span().end;
    }

    /// `length` bytes at `at`, from the chunk, or read anew with as many as `ahead` in all.
    fn bytes(&mut self, at: u64, length: usize, ahead: usize) -> Result<&[u8], ReadError> {
        let inside = |chunk_at: u64, chunk: &[u8]| {
            let start = usize::try_from(at.checked_sub(chunk_at)?).ok()?;
            let end = start.checked_add(length)?;
            (end <= chunk.len()).then_some(start..end)
        };
        if inside(self.chunk_at, &self.chunk).is_none() {
            // Not past what is on disk: bytes there may still change.
            let room = usize::try_from(self.limit.saturating_sub(at)).unwrap_or(usize::MAX);
            self.chunk.resize(ahead.max(length).min(room), 0);
            let n = self.file.read_full_at(&mut self.chunk, at).map_err(|e| ReadError::io(&self.segment.path, e))?;
            self.chunk.truncate(n);
            self.chunk_at = at;
        }
        match inside(self.chunk_at, &self.chunk) {
            Some(range) => Ok(&self.chunk[range]),
            None => Err(self.damage("the file is cut off")),
        }
    }

    fn damage(&self, what: impl Into<String>) -> ReadError {
        ReadError::damage(&self.segment.path, self.offset, what)
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        self.store.let_go(self.hold);
    }
}
