//! Group commit: whatever waits is written together, synced once, and then answered.

use crate::error::{AppendError, WriteError};
use crate::store::Store;
use crate::writer::{Ready, SegmentWriter, Trouble};
use crate::{Origin, Position, Span};
use domicile_region::PointName;
use domicile_world::{Millis, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Bytes written and synced together at the most.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// Between the requests that append and the one writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    appends: Vec<Append>,
    closing: bool,
    failed: bool,
    origins: BTreeMap<PointName, Position>,
}

pub(crate) struct Append {
    pub ready: Ready,
    pub origin: Option<Origin>,
    pub done: oneshot::Sender<Result<Span, AppendError>>,
}

impl Queue {
    pub(crate) fn new(origins: BTreeMap<PointName, Position>) -> Self {
        let waiting = Waiting { origins, ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), arrived: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, append: Append) -> Result<(), AppendError> {
        let mut waiting = self.lock();
        if waiting.failed {
            return Err(AppendError::Failed);
        }
        if waiting.closing {
            return Err(AppendError::Closing);
        }
        waiting.appends.push(append);
        // Only the first of a group has to wake the writer.
        let wake = waiting.appends.len() == 1;
        drop(waiting);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The end of what was taken from a remote point's spool.
    pub(crate) fn origin_end(&self, point: &PointName) -> Position {
        self.lock().origins.get(point).copied().unwrap_or_default()
    }

    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.arrived.notify_one();
    }
}

/// The writer of an accepted log. Run it on a thread of its own (it blocks in `write` and `fdatasync`), or as a task in
/// a test's one thread.
pub struct Committer {
    writer: SegmentWriter,
    queue: Arc<Queue>,
    clock: LogClock,
}

impl Committer {
    pub(crate) fn new(writer: SegmentWriter, queue: Arc<Queue>) -> Self {
        let clock = LogClock::new(&writer.store().world, writer.log_time());
        Self { writer, queue, clock }
    }

    /// Writes groups until the log is closed and everything that waited is answered.
    ///
    /// # Errors
    /// A write or sync that failed for good: everything that waits has been refused, and the program has to stop.
    pub async fn run(mut self) -> Result<(), WriteError> {
        loop {
            let (group, closing) = self.take();
            if group.is_empty() {
                if closing {
                    return self.writer.close();
                }
                self.queue.arrived.notified().await;
                continue;
            }
            if let Err(error) = self.commit(group) {
                self.refuse_rest();
                self.writer.show_failed();
                return Err(error);
            }
        }
    }

    /// Takes what waits, in order, up to a group's size.
    fn take(&self) -> (Vec<Append>, bool) {
        let mut waiting = self.queue.lock();
        let mut bytes = 0;
        let n = waiting.appends.iter().take_while(|append| {
            let first = bytes == 0;
            bytes += append.ready.bytes.len();
            first || bytes <= GROUP_BYTES_MAX
        });
        let n = n.count();
        let rest = waiting.appends.split_off(n);
        (std::mem::replace(&mut waiting.appends, rest), waiting.closing)
    }

    fn commit(&mut self, group: Vec<Append>) -> Result<(), WriteError> {
        let log_time = self.clock.tick(&self.writer.store().world);
        let (mut frames, mut answers) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        let mut origins = BTreeMap::new();
        for Append { mut ready, origin, done } in group {
            if let Some(origin) = origin {
                let taken = origins.get(&origin.point).or_else(|| self.writer.origins().get(&origin.point));
                let taken = taken.copied().unwrap_or_default();
                if origin.span.first > taken {
                    let _ = done.send(Err(AppendError::Gap));
                    continue;
                }
                if origin.span.end <= taken {
                    // Forwarded before: an empty span says that it is here already.
                    let _ = done.send(Ok(Span::new(self.writer.next(), 0)));
                    continue;
                }
                origins.insert(origin.point, origin.span.end);
            }
            ready.header.log_time = log_time;
            frames.push(ready);
            answers.push(done);
        }
        if frames.is_empty() {
            return Ok(());
        }
        match self.writer.write(&mut frames, origins) {
            Ok(()) => {
                self.queue.lock().origins.clone_from(self.writer.origins());
                for (frame, done) in frames.iter().zip(answers) {
                    // A receiver that is gone was a cancelled request: its events stay.
                    let _ = done.send(Ok(frame.header.span()));
                }
                Ok(())
            }
            Err(Trouble::Full) => {
                for done in answers {
                    let _ = done.send(Err(AppendError::Full));
                }
                Ok(())
            }
            Err(Trouble::Failed(error)) => {
                for done in answers {
                    let _ = done.send(Err(AppendError::Failed));
                }
                Err(error)
            }
        }
    }

    fn refuse_rest(&self) {
        let mut waiting = self.queue.lock();
        waiting.failed = true;
        for append in waiting.appends.drain(..) {
            let _ = append.done.send(Err(AppendError::Failed));
        }
    }
}

/// The log's own time: begins at the wall clock's or the log's last, never goes back, and passes no faster than
/// monotonic time. A wall clock that jumps a year ahead so ends no dedup window early.
struct LogClock {
    now: Millis,
    last_monotonic: Duration,
}

impl LogClock {
    fn new(world: &World, last: Millis) -> Self {
        Self { now: last.max(world.clock.now()), last_monotonic: world.clock.monotonic() }
    }

    fn tick(&mut self, world: &World) -> Millis {
        let monotonic = world.clock.monotonic();
        let passed = monotonic.saturating_sub(self.last_monotonic);
        let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        // Whole milliseconds only: what is left over counts next time.
        self.last_monotonic += Duration::from_millis(u64::try_from(passed_ms).unwrap_or(0));
        self.now = self.now.plus(passed_ms);
        self.now
    }
}

/// Dropping the committer without running it to its end (a crash in a test) closes nothing.
impl Drop for Queue {
    fn drop(&mut self) {
        for append in self.lock().appends.drain(..) {
            let _ = append.done.send(Err(AppendError::Closing));
        }
    }
}

pub(crate) fn start(store_of: SegmentWriter) -> (Arc<Store>, Arc<Queue>, Committer) {
    let store = Arc::clone(store_of.store());
    let queue = Arc::new(Queue::new(store_of.origins().clone()));
    let committer = Committer::new(store_of, Arc::clone(&queue));
    (store, queue, committer)
}
