//! Runs: the entries of a span of positions, sorted, in one file that never changes.
//!
//! ```text
//! file    = blocks | fences | filters | trailer
//! fences  = the first key of each block
//! trailer = "DOMIRUN\n" | format u32 | span u64 u64 | keys u64 | blocks u32 | newest minute u32
//!           | filter bytes u64 | crc32c of fences and filters u32 | crc32c of the trailer so far u32
//! ```
//!
//! - Fences and filters are in memory: a look-up reads one block when the filter says "perhaps", else nothing.
//! - Fences, filters and trailer are checked when the run is opened, a block whenever it is read.
//! - A run holds only events whose decisions are in the event log on disk.

use super::block::{BLOCK_BYTES, BLOCK_ENTRIES, Block};
use super::entry::{Entry, KEY_BYTES, Minute};
use super::filter::{Filters, SHARD_BLOCKS};
use super::{Damage, IndexError};
use domicile_log::{EventKey, Position, Span};
use domicile_world::{Disk, ReadFile};
use std::path::{Path, PathBuf};

pub(crate) const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"DOMIRUN\n";
pub(crate) const TRAILER_BYTES: usize = 60;

/// What a run's trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) span: Span,
    pub(crate) keys: u64,
    pub(crate) blocks: u32,
    /// The minute of the newest entry: when it is outside the window, the whole run is.
    pub(crate) newest: Minute,
    pub(crate) filter_bytes: u64,
    pub(crate) memory_crc: u32,
}

impl Trailer {
    pub(crate) fn write(&self) -> [u8; TRAILER_BYTES] {
        let mut out = Vec::with_capacity(TRAILER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.span.first.0.to_le_bytes());
        out.extend_from_slice(&self.span.end.0.to_le_bytes());
        out.extend_from_slice(&self.keys.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.newest.as_u32().to_le_bytes());
        out.extend_from_slice(&self.filter_bytes.to_le_bytes());
        out.extend_from_slice(&self.memory_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        let mut trailer = [0; TRAILER_BYTES];
        trailer.copy_from_slice(&out);
        trailer
    }

    fn read(bytes: &[u8; TRAILER_BYTES]) -> Result<Self, &'static str> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if crc32c::crc32c(&bytes[..TRAILER_BYTES - 4]) != u32_at(TRAILER_BYTES - 4) {
            return Err("the trailer's checksum does not hold");
        }
        if bytes[..8] != MAGIC || u32_at(8) != FORMAT {
            return Err("the run is of another format");
        }
        let span = Span { first: Position(u64_at(12)), end: Position(u64_at(20)) };
        Ok(Self {
            span,
            keys: u64_at(28),
            blocks: u32_at(36),
            newest: Minute::from_u32(u32_at(40)),
            filter_bytes: u64_at(44),
            memory_crc: u32_at(52),
        })
    }

    /// The length that the file must have.
    fn file_bytes(&self) -> u64 {
        u64::from(self.blocks) * (BLOCK_BYTES + KEY_BYTES) as u64
            + self.filter_bytes.min(u64::MAX / 2)
            + TRAILER_BYTES as u64
    }
}

/// A run that is open for look-ups.
pub(crate) struct Run {
    pub(crate) path: PathBuf,
    pub(crate) trailer: Trailer,
    file: Box<dyn ReadFile>,
    fences: Vec<EventKey>,
    filters: Filters,
}

impl Run {
    /// The name of the file of the run over `span`.
    pub(crate) fn name(span: Span) -> String {
        format!("run-{}-{}.run", span.first, span.end)
    }

    /// Opens the run over `span` and checks all of it but the blocks.
    pub(crate) fn open(disk: &dyn Disk, folder: &Path, span: Span) -> Result<Self, IndexError> {
        let path = folder.join(Self::name(span));
        let io = |error| IndexError::Io { file: path.clone(), error };
        let damage =
            |offset: u64, what: &str| IndexError::Damage(Damage { file: path.clone(), offset, what: what.into() });
        let file = disk.open_read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damage(0, "the file is missing"),
            _ => io(error),
        })?;
        let bytes = file.bytes().map_err(io)?;
        let Some(trailer_at) = bytes.checked_sub(TRAILER_BYTES as u64) else {
            return Err(damage(bytes, "the file is cut off"));
        };
        let mut trailer = [0; TRAILER_BYTES];
        if file.read_full_at(&mut trailer, trailer_at).map_err(io)? != TRAILER_BYTES {
            return Err(damage(trailer_at, "the file is cut off"));
        }
        let trailer = Trailer::read(&trailer).map_err(|what| damage(trailer_at, what))?;
        if trailer.span != span || trailer.file_bytes() != bytes {
            return Err(damage(trailer_at, "the trailer is not this file's"));
        }
        let memory_at = u64::from(trailer.blocks) * BLOCK_BYTES as u64;
        // The lengths add up to the file's, so that this is no larger than it.
        let mut memory = vec![0; (trailer_at - memory_at) as usize];
        if file.read_full_at(&mut memory, memory_at).map_err(io)? != memory.len() {
            return Err(damage(memory_at, "the file is cut off"));
        }
        if crc32c::crc32c(&memory) != trailer.memory_crc {
            return Err(damage(memory_at, "the checksum of fences and filters does not hold"));
        }
        let (fences, filters) = memory.split_at(trailer.blocks as usize * KEY_BYTES);
        let (fences, _) = fences.as_chunks::<KEY_BYTES>();
        let fences: Vec<_> = fences.iter().map(|key| EventKey(*key)).collect();
        let firsts = fences.iter().copied().step_by(SHARD_BLOCKS).collect();
        let filters = Filters::read(filters, firsts).map_err(|what| damage(memory_at, what))?;
        Ok(Self { path, trailer, file, fences, filters })
    }

    pub(crate) fn keys(&self) -> u64 {
        self.trailer.keys
    }

    /// Whether the run may hold `key`: reads nothing.
    #[inline]
    pub(crate) fn may_hold(&self, key: &EventKey) -> bool {
        self.filters.may_hold(key)
    }

    /// The entry of `key`: reads one block.
    pub(crate) fn find(&self, key: &EventKey) -> Result<Option<(Minute, Position)>, IndexError> {
        let Some(number) = self.fences.partition_point(|first| first <= key).checked_sub(1) else {
            return Ok(None);
        };
        let mut bytes = [0; BLOCK_BYTES];
        let block = self.read_blocks(&mut bytes, number)?;
        let entry = block.first().ok_or_else(|| self.damage(number, "the block is cut off"))?.find(key);
        Ok(entry.map(|entry| (entry.kept().minute(), entry.kept().position(self.trailer.span.end))))
    }

    /// Fills `bytes` (whole blocks) from block `number` on and checks each.
    fn read_blocks<'a>(&self, bytes: &'a mut [u8], number: usize) -> Result<Vec<Block<'a>>, IndexError> {
        let read = self.file.read_full_at(bytes, (number * BLOCK_BYTES) as u64);
        let read = read.map_err(|error| IndexError::Io { file: self.path.clone(), error })?;
        let mut blocks = Vec::with_capacity(bytes.len() / BLOCK_BYTES);
        for (n, bytes) in bytes[..read].chunks(BLOCK_BYTES).enumerate() {
            let number = number + n;
            let block = Block::check(bytes, number as u32).map_err(|what| self.damage(number, what))?;
            if self.fences.get(number) != Some(&block.entry(0).key()) {
                return Err(self.damage(number, "the block is another run's"));
            }
            let full = number + 1 < self.fences.len();
            if full && block.len() != BLOCK_ENTRIES {
                return Err(self.damage(number, "the block is not full"));
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn damage(&self, block: usize, what: &str) -> IndexError {
        let offset = (block * BLOCK_BYTES) as u64;
        IndexError::Damage(Damage { file: self.path.clone(), offset, what: what.into() })
    }
}

/// Reads a run from its first entry to its last, for merging.
pub(crate) struct Cursor {
    run: std::sync::Arc<Run>,
    ahead: std::vec::IntoIter<Entry>,
    next_block: usize,
}

/// How much a cursor reads at once: 256 KiB.
const READ_AHEAD_BLOCKS: usize = 64;

impl Cursor {
    pub(crate) fn new(run: std::sync::Arc<Run>) -> Self {
        Self { run, ahead: Vec::new().into_iter(), next_block: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>, IndexError> {
        if let Some(entry) = self.ahead.next() {
            return Ok(Some(entry));
        }
        let blocks = READ_AHEAD_BLOCKS.min(self.run.fences.len() - self.next_block);
        if blocks == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; blocks * BLOCK_BYTES];
        let read = self.run.read_blocks(&mut bytes, self.next_block)?;
        if read.len() != blocks {
            return Err(self.run.damage(self.next_block + read.len(), "the block is cut off"));
        }
        self.next_block += blocks;
        let entries: Vec<_> = read.iter().flat_map(|block| (0..block.len()).map(|n| block.entry(n))).collect();
        self.ahead = entries.into_iter();
        Ok(self.ahead.next())
    }
}
