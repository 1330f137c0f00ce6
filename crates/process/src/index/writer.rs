//! Writes a run, from its first entry to its last, in little memory.

use super::IndexError;
use super::block::{self, BLOCK_BYTES, BLOCK_ENTRIES};
use super::entry::{Entry, Minute, low_bits};
use super::filter::{self, SHARD_KEYS};
use super::run::{Run, Trailer};
use domicile_log::Span;
use domicile_world::{AppendFile, Disk};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

/// Blocks are handed to the disk in pieces of this size.
const WRITE_BYTES: usize = 64 * BLOCK_BYTES;
/// What is written is synced in pieces too: a sync of gigabytes would hold up the logs on the same disk.
const SYNC_BYTES: usize = 8 << 20;

/// A run that is being written. Until [`RunWriter::finish`] has returned, it is a file that nothing names.
pub(crate) struct RunWriter {
    path: PathBuf,
    folder: PathBuf,
    span: Span,
    file: Box<dyn AppendFile>,
    unsynced: usize,
    block: Vec<Entry>,
    out: Vec<u8>,
    blocks: u32,
    keys: u64,
    newest: Minute,
    fences: Vec<u8>,
    /// The low bits of the keys of the shard that is not complete.
    bits: Vec<u64>,
    filters: Vec<u8>,
}

impl RunWriter {
    pub(crate) fn new(disk: &dyn Disk, folder: &Path, span: Span) -> Result<Self, IndexError> {
        let path = folder.join(Run::name(span));
        let open = || {
            // A file of this name that no manifest names was left half by a crash.
            if disk.exists(&path) {
                disk.remove(&path)?;
            }
            disk.open_append(&path)
        };
        let file = open().map_err(|error| IndexError::Io { file: path.clone(), error })?;
        Ok(Self {
            path,
            folder: folder.into(),
            span,
            file,
            unsynced: 0,
            block: Vec::with_capacity(BLOCK_ENTRIES),
            out: Vec::with_capacity(WRITE_BYTES),
            blocks: 0,
            keys: 0,
            newest: Minute::default(),
            fences: Vec::new(),
            bits: Vec::new(),
            filters: Vec::new(),
        })
    }

    /// Adds an entry; its key must be greater than the last one's.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), IndexError> {
        if self.block.is_empty() {
            self.fences.extend_from_slice(&entry.key().0);
        }
        self.keys += 1;
        self.newest = self.newest.max(entry.kept().minute());
        self.bits.push(low_bits(&entry.key()));
        self.block.push(entry);
        if self.block.len() == BLOCK_ENTRIES {
            self.end_block()?;
        }
        if self.bits.len() == SHARD_KEYS {
            filter::build(&mut self.bits, &mut self.filters);
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), IndexError> {
        block::write(&mut self.out, self.blocks, &self.block);
        self.block.clear();
        self.blocks += 1;
        if self.out.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        let mut write = || -> io::Result<()> {
            self.file.append(&[IoSlice::new(&self.out)])?;
            self.unsynced += self.out.len();
            if self.unsynced >= SYNC_BYTES {
                self.file.sync()?;
                self.unsynced = 0;
            }
            Ok(())
        };
        write().map_err(|error| IndexError::Io { file: self.path.clone(), error })?;
        self.out.clear();
        Ok(())
    }

    /// Writes the rest and syncs file and folder; `None` when there was no entry. The run is not part of the index before
    /// a manifest names it.
    pub(crate) fn finish(mut self, disk: &dyn Disk) -> Result<Option<Run>, IndexError> {
        if self.keys == 0 {
            disk.remove(&self.path).map_err(|error| IndexError::Io { file: self.path.clone(), error })?;
            return Ok(None);
        }
        if !self.block.is_empty() {
            self.end_block()?;
        }
        if !self.bits.is_empty() {
            filter::build(&mut self.bits, &mut self.filters);
        }
        self.flush()?;
        let trailer = Trailer {
            span: self.span,
            keys: self.keys,
            blocks: self.blocks,
            newest: self.newest,
            filter_bytes: self.filters.len() as u64,
            memory_crc: crc32c::crc32c_append(crc32c::crc32c(&self.fences), &self.filters),
        };
        let trailer = trailer.write();
        let mut write = || {
            let parts = [IoSlice::new(&self.fences), IoSlice::new(&self.filters), IoSlice::new(&trailer)];
            self.file.append(&parts)?;
            self.file.sync()?;
            disk.sync_folder(&self.folder)
        };
        write().map_err(|error| IndexError::Io { file: self.path.clone(), error })?;
        // Read back what lies there: a run that could not be opened at the next start must not enter the manifest.
        drop(std::mem::take(&mut self.filters));
        Run::open(disk, &self.folder, self.span).map(Some)
    }
}
