//! What the writer and the readers of one log share: its segments, its end, and who still needs what.

use crate::segment::Segment;
use crate::tail::{Newest, Tail};
use crate::{Position, ReadError};
use domicile_keys::{FrameKey, KeyError, KeyId, Keyring, Salt};
use domicile_region::PointName;
use domicile_world::{Millis, World};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// A new segment is begun when the present one has this many bytes. Segments are deleted whole.
    pub segment_bytes_max: u64,
    pub retention: Retention,
}

/// When a segment may be deleted. Never while a reader needs it, never the one being written.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// All its events are older than this, by the log's own time.
    pub age_ms: i64,
    /// Or the log is larger than this.
    pub bytes_max: u64,
}

impl Default for LogSettings {
    /// Segments of 64 MiB, kept for 32 days: the dedup window of 30 days can be rebuilt from them.
    fn default() -> Self {
        Self { segment_bytes_max: 64 << 20, retention: Retention { age_ms: 32 * 24 * 3_600_000, bytes_max: u64::MAX } }
    }
}

pub(crate) struct Store {
    pub world: World,
    pub folder: PathBuf,
    pub keyring: Keyring,
    pub settings: LogSettings,
    pub tail: Newest,
    segments: Mutex<VecDeque<Arc<Segment>>>,
    holds: Mutex<Holds>,
    frame_keys: Mutex<HashMap<(KeyId, Salt), Arc<FrameKey>>>,
}

/// Positions that readers still need, by reader.
#[derive(Default)]
struct Holds {
    next: u64,
    from: BTreeMap<u64, Position>,
}

/// Derived keys that are kept: a busy cell's workspaces times the two or three openings that are being read.
const FRAME_KEYS_MAX: usize = 4_096;

impl Store {
    pub(crate) fn new(
        world: World,
        folder: PathBuf,
        keyring: Keyring,
        settings: LogSettings,
        segments: VecDeque<Arc<Segment>>,
        tail: Tail,
    ) -> Self {
        Self {
            world,
            folder,
            keyring,
            settings,
            tail: Newest::new(tail),
            segments: Mutex::new(segments),
            holds: Mutex::default(),
            frame_keys: Mutex::default(),
        }
    }

    fn segments(&self) -> MutexGuard<'_, VecDeque<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that opens frames of this data key in segments of this salt; `None` when the data key is destroyed.
    pub(crate) fn frame_key(&self, id: KeyId, salt: Salt) -> Result<Option<Arc<FrameKey>>, KeyError> {
        let mut keys = self.frame_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(&(id, salt)) {
            return Ok(Some(Arc::clone(key)));
        }
        let Some(key) = self.keyring.frame_key(id, &salt)? else { return Ok(None) };
        if keys.len() >= FRAME_KEYS_MAX {
            keys.clear();
        }
        let key = Arc::new(key);
        keys.insert((id, salt), Arc::clone(&key));
        Ok(Some(key))
    }

    pub(crate) fn end(&self) -> Position {
        self.tail.get().end
    }

    /// The first position that is still kept.
    pub(crate) fn start(&self) -> Position {
        self.segments().front().map_or(self.end(), |segment| segment.header.first)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        let tail = self.tail.get();
        self.segments().iter().map(|s| if s.header.sequence == tail.sequence { tail.offset } else { s.bytes }).sum()
    }

    /// The segment in which a reader of `from` begins: the last one that begins at or before it.
    pub(crate) fn segment_at(&self, from: Position) -> Option<Arc<Segment>> {
        let segments = self.segments();
        let after = segments.partition_point(|segment| segment.header.first <= from);
        // Several segments may begin at one position, when those before it hold only marks: begin at the first of them.
        let first = segments.get(after.checked_sub(1)?)?.header.first;
        let n = segments.partition_point(|segment| segment.header.first < first);
        segments.get(n).cloned()
    }

    /// The first position of the segment in which a place of a remote point's spool was taken, if it is kept.
    pub(crate) fn segment_of_origin(&self, point: &PointName, place: Position) -> Option<Position> {
        let segments = self.segments();
        let taken_before = |segment: &Arc<Segment>| segment.header.origins.get(point).is_none_or(|end| *end <= place);
        let after = segments.partition_point(taken_before);
        segments.get(after.checked_sub(1)?).map(|segment| segment.header.first)
    }

    pub(crate) fn segment(&self, sequence: u64) -> Option<Arc<Segment>> {
        let segments = self.segments();
        let first = segments.front()?.header.sequence;
        segments.get(usize::try_from(sequence.checked_sub(first)?).ok()?).cloned()
    }

    /// How far the segment may be read, and whether that is its end for good.
    pub(crate) fn limit(&self, sequence: u64) -> Result<(u64, bool), ReadError> {
        let tail = self.tail.get();
        if tail.sequence == sequence {
            return Ok((tail.offset, false));
        }
        match self.segment(sequence) {
            Some(segment) => Ok((segment.bytes, true)),
            None => Err(ReadError::damage(&self.folder, 0, format!("segment {sequence} is gone while it is read"))),
        }
    }

    /// Puts a new segment behind the present one, whose length is now known.
    pub(crate) fn rolled(&self, previous_bytes: u64, segment: Segment) {
        let mut segments = self.segments();
        if let Some(previous) = segments.back_mut() {
            let mut done = Segment::clone(previous);
            done.bytes = previous_bytes;
            *previous = Arc::new(done);
        }
        segments.push_back(Arc::new(segment));
    }

    pub(crate) fn hold(&self, from: Position) -> u64 {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.next += 1;
        let id = holds.next;
        holds.from.insert(id, from);
        id
    }

    pub(crate) fn move_hold(&self, id: u64, to: Position) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = holds.from.get_mut(&id) {
            *from = (*from).max(to);
        }
    }

    pub(crate) fn let_go(&self, id: u64) {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner).from.remove(&id);
    }

    /// Deletes the oldest segments that retention and all readers let go. Called by the writer when it begins a segment.
    pub(crate) fn retire(&self, now: Millis) -> std::io::Result<usize> {
        let needed = self.holds.lock().unwrap_or_else(PoisonError::into_inner).from.values().min().copied();
        let mut total = self.bytes();
        let mut retired = 0;
        while let Some(segment) = self.retirable(now, total, needed) {
            // One at a time, and no younger one while an older one may still be there: to the next start that would look
            // like a lost segment.
            let removed = match self.world.disk.remove(&segment.path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            };
            if let Err(error) = removed.and_then(|()| self.world.disk.sync_folder(&self.folder)) {
                self.segments().push_front(segment);
                return Err(error);
            }
            total -= segment.bytes;
            retired += 1;
        }
        Ok(retired)
    }

    /// Takes the oldest segment out, if it may go.
    fn retirable(&self, now: Millis, total: u64, needed: Option<Position>) -> Option<Arc<Segment>> {
        let mut segments = self.segments();
        let next = segments.get(1)?;
        let old = now.since(next.header.log_time) > self.settings.retention.age_ms;
        let large = total > self.settings.retention.bytes_max;
        if !(old || large) || needed.is_some_and(|needed| next.header.first > needed) {
            return None;
        }
        segments.pop_front()
    }
}
