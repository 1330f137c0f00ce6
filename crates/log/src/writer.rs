//! The one writer of a log: groups of frames, synced, then shown to the readers.

use crate::error::{OpenError, WriteError};
use crate::frame::Header;
use crate::recovery::{Closed, recover, settle_last};
use crate::segment::{Segment, SegmentHeader, find_segments};
use crate::store::{LogSettings, Store};
use crate::tail::Tail;
use crate::{Position, Span};
use domicile_keys::{Keyring, SALT_BYTES, Salt};
use domicile_region::PointName;
use domicile_world::{AppendFile, Millis, World};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// A frame that is sealed and waits for its place: its header's bytes stand in front and are filled in here.
pub(crate) struct Ready {
    pub header: Header,
    pub bytes: Vec<u8>,
}

/// Why a group of frames was not written.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No room. Nothing of the group is kept; the next one may succeed.
    Full,
    /// Final.
    Failed(WriteError),
}

pub(crate) struct SegmentWriter {
    store: Arc<Store>,
    file: Box<dyn AppendFile>,
    segment: SegmentHeader,
    written: u64,
    next: Position,
    log_time: Millis,
    origins: BTreeMap<PointName, Position>,
}

impl SegmentWriter {
    /// Recovers what is in `folder` and begins a new segment with a new salt.
    ///
    /// `origin_of` reads from a recovered frame which part of which spool it came from.
    pub(crate) fn open(
        world: &World,
        folder: &Path,
        keyring: &Keyring,
        settings: LogSettings,
        mut origin_of: impl FnMut(&Segment, &Header, &[u8]) -> Result<Option<(PointName, Span)>, OpenError>,
    ) -> Result<Self, OpenError> {
        let disk = world.disk.as_ref();
        disk.make_folder(folder, true).map_err(|e| OpenError::io(folder, e))?;
        let closed = Closed::read(disk, folder)?;
        settle_last(disk, folder)?;
        let (mut segments, unborn) = find_segments(disk, folder)?;
        let (mut next, mut log_time, mut sequence, mut previous_bytes) = (Position(0), Millis(i64::MIN), 0, 0);
        let mut origins = BTreeMap::new();
        match segments.last_mut() {
            None if closed.is_some() => return Err(Closed::without_segments(folder)),
            None => {}
            Some(last) => {
                origins = last.header.origins.clone();
                let recovered = recover(disk, last, closed.as_ref(), |header, payload| {
                    if let Some((point, span)) = origin_of(last, header, payload)? {
                        origins.insert(point, span.end);
                    }
                    Ok(())
                })?;
                if recovered.good_bytes < last.bytes {
                    let cut = disk.open_append(&last.path).and_then(|mut file| {
                        file.cut(recovered.good_bytes)?;
                        file.sync()
                    });
                    cut.map_err(|e| OpenError::io(&last.path, e))?;
                    last.bytes = recovered.good_bytes;
                }
                (next, log_time) = (recovered.end, recovered.log_time);
                (sequence, previous_bytes) = (last.header.sequence + 1, last.bytes);
            }
        }
        if let Some(path) = unborn {
            disk.remove(&path).map_err(|e| OpenError::io(&path, e))?;
        }
        if closed.is_some() {
            let file = Closed::path(folder);
            disk.remove(&file).and_then(|()| disk.sync_folder(folder)).map_err(|e| OpenError::io(&file, e))?;
        }
        let mut salt: Salt = [0; SALT_BYTES];
        world.random.fill(&mut salt);
        let header = SegmentHeader { salt, sequence, first: next, log_time, previous_bytes, origins: origins.clone() };
        let (file, segment) = begin(world, folder, &header).map_err(|e| OpenError::io(&header.path(folder), e))?;
        let tail = Tail { sequence, offset: segment.bytes, end: next, closed: false };
        let written = segment.bytes;
        let mut segments: VecDeque<_> = segments.into_iter().map(Arc::new).collect();
        segments.push_back(Arc::new(segment));
        let store = Store::new(world.clone(), folder.to_path_buf(), keyring.clone(), settings, segments, tail);
        Ok(Self { store: Arc::new(store), file, segment: header, written, next, log_time, origins })
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn salt(&self) -> Salt {
        self.segment.salt
    }

    /// The position of the next event.
    pub(crate) fn next(&self) -> Position {
        self.next
    }

    pub(crate) fn log_time(&self) -> Millis {
        self.log_time
    }

    pub(crate) fn origins(&self) -> &BTreeMap<PointName, Position> {
        &self.origins
    }

    /// Gives the frames their places and puts them on disk, all or none, in order. `log_time` never goes back.
    pub(crate) fn write(
        &mut self,
        frames: &mut [Ready],
        origins: BTreeMap<PointName, Position>,
    ) -> Result<(), Trouble> {
        if self.written >= self.store.settings.segment_bytes_max {
            self.roll()?;
        }
        let (durable, mut next, mut log_time, mut bytes) = (self.next, self.next, self.log_time, 0);
        for frame in frames.iter_mut() {
            frame.header.first = next;
            frame.header.durable = durable;
            log_time = log_time.max(frame.header.log_time);
            frame.header.log_time = log_time;
            frame.header.write(&mut frame.bytes);
            next = frame.header.span().end;
            bytes += frame.bytes.len() as u64;
        }
        let parts: Vec<_> = frames.iter().map(|frame| IoSlice::new(&frame.bytes)).collect();
        if let Err(error) = self.file.append(&parts) {
            // What was written of the group must not stay: the next group belongs where it began.
            self.file.cut(self.written).map_err(|cut| self.failed("cut after a failed write", cut))?;
            return Err(if is_full(&error) { Trouble::Full } else { self.failed("write", error) });
        }
        self.file.sync().map_err(|error| self.failed("sync", error))?;
        self.written += bytes;
        (self.next, self.log_time) = (next, log_time);
        self.origins.extend(origins);
        self.show(false);
        Ok(())
    }

    /// Leaves the closing note, so that the next start knows that nothing may be torn.
    pub(crate) fn close(self) -> Result<(), WriteError> {
        let note = Closed { sequence: self.segment.sequence, bytes: self.written, end: self.next };
        note.write(&self.store).map_err(|error| WriteError {
            file: Closed::path(&self.store.folder).display().to_string(),
            what: "write the closing note",
            error,
        })?;
        self.show(true);
        Ok(())
    }

    /// Tells the readers that nothing more comes.
    pub(crate) fn show_failed(&self) {
        self.show(true);
    }

    fn show(&self, closed: bool) {
        self.store.tail.put(Tail { sequence: self.segment.sequence, offset: self.written, end: self.next, closed });
    }

    fn roll(&mut self) -> Result<(), Trouble> {
        let header = SegmentHeader {
            salt: self.segment.salt,
            sequence: self.segment.sequence + 1,
            first: self.next,
            log_time: self.log_time,
            previous_bytes: self.written,
            origins: self.origins.clone(),
        };
        let path = header.path(&self.store.folder);
        let (file, segment) = match begin(&self.store.world, &self.store.folder, &header) {
            Ok(begun) => begun,
            Err(error) if is_full(&error) => {
                // A half-made segment would look like damage to the next start once this one grows.
                let disk = &self.store.world.disk;
                if disk.exists(&path) {
                    disk.remove(&path).map_err(|e| self.failed("remove a half-made segment", e))?;
                }
                return Err(Trouble::Full);
            }
            Err(error) => return Err(self.failed("begin a segment", error)),
        };
        let previous_bytes = std::mem::replace(&mut self.written, segment.bytes);
        self.store.rolled(previous_bytes, segment);
        (self.file, self.segment) = (file, header);
        self.show(false);
        match self.store.retire(self.log_time) {
            Ok(0) => {}
            Ok(n) => tracing::info!(folder = %self.store.folder.display(), segments = n, "segments retired"),
            Err(error) => {
                tracing::warn!(folder = %self.store.folder.display(), %error, "could not delete an old segment");
            }
        }
        Ok(())
    }

    fn failed(&self, what: &'static str, error: io::Error) -> Trouble {
        let file = self.segment.path(&self.store.folder).display().to_string();
        Trouble::Failed(WriteError { file, what, error })
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Makes a segment's file: its header and its name are on disk before anything is written behind it.
fn begin(world: &World, folder: &Path, header: &SegmentHeader) -> io::Result<(Box<dyn AppendFile>, Segment)> {
    let path = header.path(folder);
    let bytes = header.encode();
    let mut file = world.disk.open_append(&path)?;
    file.append(&[IoSlice::new(&bytes)])?;
    file.sync()?;
    world.disk.sync_folder(folder)?;
    let length = bytes.len() as u64;
    Ok((file, Segment { path, header: header.clone(), frames_at: length, bytes: length }))
}
