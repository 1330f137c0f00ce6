//! The loop: accepted frames in, decisions out, in groups.
//!
//! ```text
//! accepted log ── read ──► decide ──► add … add ──► commit ──► the index may keep it
//!                            ▲ found      │ kept
//!                            └── index ◄──┘
//! ```
//!
//! - The event log's end is how far process has come. Nothing else remembers it.
//! - The index learns of a kept event at once, so that the next frame of the same group sees it, but writes it only after
//!   the commit.
//! - No decision reads the clock: it only says when a mark is due and how long to wait for a full disk.

use crate::decide::{CellSalt, Reading};
use crate::index::{Damage, Index, IndexError, IndexSettings};
use crate::measure::Measures;
use domicile_keys::UserHasher;
use domicile_ledger::Outcome;
use domicile_log::{
    Accepted, AcceptedLog, AcceptedReader, CommitError, EventFrame, EventLog, EventReader, EventWriter, OpenError,
    Position, ReadError, WriteError,
};
use domicile_region::RegionId;
use domicile_workspace::{Current, Snapshot};
use domicile_world::{Millis, World};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A group is committed when it has this many bytes or frames, or when there is no more to read.
const GROUP_BYTES: usize = 4 << 20;
const GROUP_FRAMES: usize = 2_000;
/// How long to wait before trying again what the disk had no room for: doubled each time, from the first to the last.
const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_LAST: Duration = Duration::from_secs(2);
/// Frames read at once while the index is filled from the event log.
const FILL_FRAMES: usize = 256;

#[derive(Clone, Debug)]
pub struct ProcessSettings {
    /// Makes the messageIds that the cell gives, and the hashes by which suppressed users are known; the same for ever.
    pub salt: CellSalt,
    /// A mark is written so long after the first event behind the last one.
    pub mark_every: Duration,
    pub index: IndexSettings,
}

impl ProcessSettings {
    pub fn new(salt: CellSalt) -> Self {
        Self { salt, mark_every: Duration::from_secs(60), index: IndexSettings::default() }
    }
}

/// Why process stopped. The program has to stop too: a new start goes on from what is on disk.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The two logs do not fit together.
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// The decision of a cell, before [`Process::run`] lets it work.
pub struct Process {
    world: World,
    current: Current,
    accepted: AcceptedLog,
    events: EventLog,
    writer: EventWriter,
    index: Index,
    settings: ProcessSettings,
    hasher: UserHasher,
    /// Keeps the event log from where the index's runs end.
    hold: EventReader,
    measures: Measures,
    /// The newest log time decided.
    log_time: Millis,
    /// When the first event behind the last mark was decided, in monotonic time.
    unmarked_since: Option<Duration>,
    found: Vec<Option<Position>>,
}

impl Process {
    /// Takes up where the event log ends. What the index lacks is filled in from the event log by [`Process::run`].
    pub fn open(
        world: World,
        region: &RegionId,
        current: Current,
        accepted: AcceptedLog,
        (events, writer): (EventLog, EventWriter),
        index_folder: &Path,
        settings: ProcessSettings,
    ) -> Result<Self, ProcessError> {
        events.check_against(&accepted)?;
        let index = Index::open(Arc::clone(&world.disk), index_folder, settings.index.clone(), events.end())?;
        let hold = events.reader("process", index.covered().max(events.start()))?;
        let log_time = writer.log_time();
        Ok(Self {
            world,
            current,
            accepted,
            events,
            writer,
            index,
            hasher: UserHasher::new(&settings.salt),
            settings,
            hold,
            measures: Measures::new(region),
            log_time,
            unmarked_since: None,
            found: Vec::new(),
        })
    }

    /// Decides until the accepted log is closed and all of it is decided; then writes a last mark and closes the event log.
    ///
    /// Works with blocking reads and writes: give it a thread of its own. A dropped future leaves what the disk has.
    pub async fn run(mut self) -> Result<(), ProcessError> {
        self.fill_index().await?;
        let mut reader = self.accepted.reader(self.writer.next())?;
        loop {
            self.wait_for_index().await?;
            let idle = self.decide_group(&mut reader).await?;
            self.mark_if_due().await?;
            if idle && !self.wait_for_more(&mut reader).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        if self.unmarked_since.take().is_some() {
            self.writer.mark(self.log_time);
            self.commit().await?;
        }
        self.writer.close()?;
        Ok(())
    }

    /// Decides what can be read, up to a group's size, and commits it. Says whether there is nothing more to read.
    async fn decide_group(&mut self, reader: &mut AcceptedReader) -> Result<bool, ProcessError> {
        let snapshot = self.current.load();
        let mut outcomes = [0; Outcome::ALL.len()];
        let mut idle = false;
        for _ in 0..GROUP_FRAMES {
            if self.writer.added_bytes() >= GROUP_BYTES {
                break;
            }
            let Some(accepted) = reader.next()? else {
                idle = true;
                break;
            };
            self.decide_frame(&accepted, &snapshot, &mut outcomes).await?;
        }
        if self.writer.added_bytes() > 0 {
            self.commit().await?;
            reader.release(self.writer.next());
            self.unmarked_since.get_or_insert_with(|| self.world.clock.monotonic());
        }
        self.measures.decided(outcomes, self.accepted.end().0.saturating_sub(self.writer.next().0));
        Ok(idle)
    }

    async fn decide_frame(
        &mut self,
        accepted: &Accepted,
        snapshot: &Snapshot,
        outcomes: &mut [u64; Outcome::ALL.len()],
    ) -> Result<(), ProcessError> {
        let mut wait = WAIT_FIRST;
        loop {
            let reading = Reading::of(accepted, snapshot, &self.settings.salt);
            self.find_all(&reading, accepted.log_time).await?;
            let decided = reading.decide(&self.found, snapshot, &self.hasher);
            let kept: Vec<_> =
                decided.decisions().map(|(position, decision)| (position, decision.outcome, decision.key)).collect();
            match self.writer.add(decided, accepted.workspace) {
                Ok(()) => {
                    for (position, outcome, key) in kept {
                        outcomes[outcome as usize] += 1;
                        if let (Outcome::Kept | Outcome::Blocked | Outcome::Filtered, Some(key)) = (outcome, key) {
                            self.index.insert(key, accepted.log_time, position);
                        }
                    }
                    self.log_time = self.log_time.max(accepted.log_time);
                    return Ok(());
                }
                Err(CommitError::Failed(error)) => return Err(error.into()),
                // A new key needs room on the disk, too.
                Err(error) => self.wait(&mut wait, &error).await,
            }
        }
    }

    /// Asks the index about all of `reading`. An index that can't answer is filled again from the event log, once.
    async fn find_all(&mut self, reading: &Reading<'_>, log_time: Millis) -> Result<(), ProcessError> {
        let damage = match self.index.find_all(reading.keys(), log_time, &mut self.found) {
            Ok(()) => return Ok(()),
            Err(IndexError::Damage(damage)) => damage,
            Err(IndexError::Io { file, error }) => {
                Damage { file, offset: 0, what: format!("it can't be read: {error}") }
            }
            Err(error) => return Err(error.into()),
        };
        // The decisions that are not on disk yet would be missing in the new index.
        self.commit().await?;
        self.index.begin_again(&damage)?;
        self.fill_index().await?;
        Ok(self.index.find_all(reading.keys(), log_time, &mut self.found)?)
    }

    /// Puts on disk what was added, however long the disk is full.
    async fn commit(&mut self) -> Result<(), ProcessError> {
        let mut wait = WAIT_FIRST;
        loop {
            match self.writer.commit() {
                Ok(()) => break,
                Err(CommitError::Failed(error)) => return Err(error.into()),
                Err(error) => self.wait(&mut wait, &error).await,
            }
        }
        self.index.committed(self.events.end(), self.log_time)?;
        self.hold.release(self.index.covered());
        Ok(())
    }

    async fn wait(&mut self, wait: &mut Duration, error: &CommitError) {
        if *wait == WAIT_FIRST {
            tracing::warn!(%error, "process waits: its decisions can't be stored now");
        }
        self.world.clock.sleep(*wait).await;
        *wait = (*wait * 2).min(WAIT_LAST);
    }

    /// Waits while the index has more to write than may be in memory.
    async fn wait_for_index(&mut self) -> Result<(), ProcessError> {
        while !self.index.has_room()? {
            self.world.clock.sleep(WAIT_FIRST).await;
        }
        Ok(())
    }

    /// Returns when there is more to read or a mark is due; `false` when the accepted log is closed and read to its end.
    async fn wait_for_more(&mut self, reader: &mut AcceptedReader) -> bool {
        let Some(since) = self.unmarked_since else { return reader.more().await };
        let due = (since + self.settings.mark_every).saturating_sub(self.world.clock.monotonic());
        tokio::select! {
            biased;
            more = reader.more() => more,
            () = self.world.clock.sleep(due) => true,
        }
    }

    async fn mark_if_due(&mut self) -> Result<(), ProcessError> {
        let now = self.world.clock.monotonic();
        if self.unmarked_since.is_some_and(|since| now.saturating_sub(since) >= self.settings.mark_every) {
            self.unmarked_since = None;
            self.writer.mark(self.log_time);
            self.commit().await?;
        }
        Ok(())
    }

    /// Inserts into the index what the event log has behind the index's runs.
    async fn fill_index(&mut self) -> Result<(), ProcessError> {
        let from = self.index.covered().max(self.events.start());
        let end = self.events.end();
        if end.0.saturating_sub(from.0) > 1_000_000 {
            tracing::info!(from = from.0, end = end.0, "the dedup index is filled from the event log");
        }
        let mut reader = self.events.reader("process: dedup index", from)?;
        let mut marked = false;
        loop {
            for _ in 0..FILL_FRAMES {
                match reader.next()? {
                    None => {
                        self.hold.release(self.index.covered());
                        // Events behind the last mark must get theirs. Where nothing was read, there may be some.
                        let unmarked = end.0 > 0 && !marked;
                        self.unmarked_since = unmarked.then(|| self.world.clock.monotonic());
                        return Ok(());
                    }
                    Some(EventFrame::Mark(_)) => marked = true,
                    Some(EventFrame::Decided(decided)) => {
                        marked = false;
                        for (position, decision) in decided.decisions() {
                            if let (Outcome::Kept | Outcome::Blocked | Outcome::Filtered, Some(key)) =
                                (decision.outcome, decision.key)
                            {
                                self.index.insert(key, decided.log_time, position);
                            }
                        }
                        self.index.committed(decided.span.end, decided.log_time)?;
                    }
                }
            }
            self.wait_for_index().await?;
            reader.release(reader.position());
            tokio::task::yield_now().await;
        }
    }
}
