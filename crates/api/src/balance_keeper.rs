//! Keeps the tally under the balance sheet up with the logs.
//!
//! ```text
//! accepted log ──► counts of requests ──┐
//! event log    ──► decisions ───────────┼─► Tally ──► index/balance.json, at most every 10 s
//! event log, as far as the archive is ──┤
//! event log, from each destination on ──┘
//! ```
//!
//! - The checkpoint is a cache: one that is missing, damaged, or of other logs is counted anew from what the logs hold.
//! - The logs keep what no checkpoint has counted yet, so that a restart counts every event once.
//! - What a reader of the sheet sees has both logs counted to the same position.
//! - The keeper reads its own sheet every 10 s while there is something new. A difference of one event is in the metric
//!   `domicile_balance_difference_events` and in the log: nobody has to ask.

use domicile_destinations::{Counts, DestinationFigures, Figures};
use domicile_ledger::{Consumer, Hour, Settled, Sheet, Tally, TallyError};
use domicile_log::{AcceptedLog, AcceptedReader, DecidedCount, EventLog, EventReader, Position, ReadError};
use domicile_workspace::{ConfigVersion, Current, DestinationId, SourceNumber};
use domicile_world::{World, write_whole};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Frames between two moments at which others may run on this thread.
const FRAMES_PER_TURN: usize = 256;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// How often a destination is looked for that the configuration has and that has not begun yet.
const MEET_EVERY: Duration = Duration::from_secs(1);
/// The hours that every look at the sheet has; every hundredth look has all of them.
const WATCHED_HOURS: i64 = 26;
const WATCH_ALL: u64 = 100;
/// Rows are kept for 30 days. The logs keep their events for 32 and destinations their hours for 31, so that a row that is
/// on the sheet is whole.
pub(crate) const HOURS_KEPT: i64 = 30 * 24;

/// Why the tally can't go on. Nothing but the balance sheet depends on it.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The logs do not follow each other as they must.
    #[error("the balance sheet's tally: {0}")]
    Tally(#[from] TallyError),
}

/// The balance sheet, for readers. Cheap to clone.
#[derive(Clone)]
pub struct Balance {
    tally: Arc<Mutex<Tally>>,
    until: watch::Receiver<u64>,
}

impl Balance {
    /// The sheet of all sources of the cell, deleted ones too.
    pub(crate) fn whole(&self, others: &[Consumer]) -> Sheet {
        let tally = lock(&self.tally);
        tally.sheet(&tally.sources(), None, others)
    }

    /// The sheet of `sources` from hour `since` on.
    pub fn sheet(&self, sources: &BTreeSet<SourceNumber>, since: Option<Hour>, others: &[Consumer]) -> Sheet {
        lock(&self.tally).sheet(sources, since, others)
    }

    /// Returns when everything before `position` is counted, or nothing is counted any more.
    pub async fn counted(&self, position: Position) {
        // An error means that the keeper is gone: then the sheet is as it is.
        let _ = self.until.clone().wait_for(|until| *until >= position.0).await;
    }
}

/// The one who counts.
pub struct BalanceKeeper {
    world: World,
    file: PathBuf,
    tally: Arc<Mutex<Tally>>,
    until: watch::Sender<u64>,
    accepted: AcceptedReader,
    events: EventReader,
    archived: EventReader,
    archive_progress: watch::Receiver<Position>,
    log: EventLog,
    current: Current,
    versions: watch::Receiver<ConfigVersion>,
    figures: Figures,
    /// Whether a destination of the configuration has no column yet.
    unmet: bool,
    /// When the checkpoint was written, in monotonic time, and whether the tally has changed since.
    saved_at: Duration,
    dirty: bool,
    /// Looks at the sheet, and the difference that the last one saw.
    looks: u64,
    difference: u64,
}

impl BalanceKeeper {
    /// Takes up the tally where its checkpoint (`index/balance.json`) says. From now on the logs keep what is not counted.
    pub fn open(
        world: &World,
        file: PathBuf,
        accepted: &AcceptedLog,
        events: &EventLog,
        archive_progress: watch::Receiver<Position>,
        (current, figures): (Current, Figures),
    ) -> Result<(Self, Balance), KeeperError> {
        let tally = load(world, &file, accepted, events);
        let (accepted_until, decided_until, archived_until) = tally.until();
        let shown = watch::Sender::new(decided_until);
        let tally = Arc::new(Mutex::new(tally));
        let balance = Balance { tally: Arc::clone(&tally), until: shown.subscribe() };
        let keeper = Self {
            world: world.clone(),
            file,
            tally,
            until: shown,
            accepted: accepted.reader(Position(accepted_until))?,
            events: events.reader("balance sheet", Position(decided_until))?,
            archived: events.reader("balance sheet: archive", Position(archived_until))?,
            archive_progress,
            log: events.clone(),
            versions: current.versions(),
            current,
            figures,
            unmet: true,
            saved_at: world.clock.monotonic(),
            dirty: false,
            looks: 0,
            difference: 0,
        };
        Ok((keeper, balance))
    }

    /// Counts until the event log is closed and read to its end, then writes a last checkpoint.
    ///
    /// Reads with blocking calls, in turns: give it a thread if others on this one are in a hurry. A dropped future loses
    /// at most what the last checkpoint does not have, and a restart counts that again.
    pub async fn run(mut self) -> Result<(), KeeperError> {
        let (mut archive_gone, mut versions_gone) = (false, false);
        loop {
            while self.turn()? {
                tokio::task::yield_now().await;
            }
            if self.unmet {
                self.meet_destinations()?;
            }
            self.save_if_due()?;
            let until_due = CHECKPOINT_EVERY.saturating_sub(self.since_saved());
            let timer = self.world.clock.sleep(if self.unmet { until_due.min(MEET_EVERY) } else { until_due });
            tokio::select! {
                more = self.events.more() => if !more { break },
                changed = self.archive_progress.changed(), if !archive_gone => archive_gone = changed.is_err(),
                changed = self.versions.changed(), if !versions_gone => {
                    versions_gone = changed.is_err();
                    self.unmet = true;
                }
                () = timer, if self.dirty || self.unmet => {}
            }
        }
        while self.turn()? {}
        self.save();
        Ok(())
    }

    /// Gives each destination of the configuration its column, as soon as it has begun, and takes away those of
    /// destinations that are gone.
    fn meet_destinations(&mut self) -> Result<(), KeeperError> {
        let snapshot = self.current.load();
        let wanted: BTreeMap<&DestinationId, SourceNumber> = snapshot
            .destinations
            .values()
            .filter_map(|destination| Some((&destination.id, snapshot.source(&destination.source)?.number)))
            .collect();
        let (have, from, until) = {
            let tally = lock(&self.tally);
            let have: BTreeMap<_, _> =
                tally.owing().map(|(id, from)| (DestinationId::new(id), Position(from))).collect();
            (have, Position(tally.from()), Position(tally.until().1))
        };
        let mut unmet = false;
        let mut new = Vec::new();
        for (id, source) in &wanted {
            match self.figures.of(id) {
                None => unmet = true,
                Some(figures) if have.get(*id) == Some(&figures.from) => {}
                Some(figures) => new.push(((*id).clone(), *source, figures.from, Vec::new())),
            }
        }
        if let Some(first) = new.iter().map(|(_, _, begun, _)| *begun).min() {
            let mut reader = self.log.reader("balance sheet: destinations", first.max(from).min(until))?;
            while reader.position() < until {
                let Some(decided) = reader.next_count()? else { break };
                for (_, source, begun, kept) in &mut new {
                    if *source == decided.source && *begun <= decided.span.first {
                        kept.push((decided.received_at, decided.kept()));
                    }
                }
            }
        }
        let mut tally = lock(&self.tally);
        for gone in have.keys().filter(|id| !wanted.contains_key(id)) {
            tally.end_owing(gone.as_str());
        }
        for (id, source, begun, kept) in new {
            tally.begin_owing(id.as_str(), source, begun.0, kept);
        }
        drop(tally);
        self.unmet = unmet;
        Ok(())
    }

    /// Counts one turn's frames. Says whether there may be more to count now.
    fn turn(&mut self) -> Result<bool, KeeperError> {
        let decided = read_counts(&mut self.events, |_| true)?;
        let mut requests = Vec::new();
        if let Some(last) = decided.last() {
            while self.accepted.position() < last.span.end {
                let Some(next) = self.accepted.next_count()? else { break };
                requests.push(next);
            }
        }
        let progress = *self.archive_progress.borrow_and_update();
        // Frames that the archive is only in the middle of wait until it is past them.
        let archived = if self.archived.position() < progress {
            read_counts(&mut self.archived, |position| position < progress)?
        } else {
            Vec::new()
        };
        if decided.is_empty() && archived.is_empty() {
            return Ok(false);
        }
        let mut tally = lock(&self.tally);
        for (span, source, received_at) in requests {
            tally.count_accepted((span.first.0, span.end.0), source, received_at)?;
        }
        for counted in decided {
            let span = (counted.span.first.0, counted.span.end.0);
            tally.count_decided(span, counted.source, counted.received_at, counted.outcomes)?;
        }
        for counted in archived {
            let span = (counted.span.first.0, counted.span.end.0);
            tally.count_archived(span, counted.source, counted.received_at, counted.kept())?;
        }
        let (_, until, _) = tally.until();
        drop(tally);
        self.dirty = true;
        self.until.send_replace(until);
        Ok(true)
    }

    fn since_saved(&self) -> Duration {
        self.world.clock.monotonic().saturating_sub(self.saved_at)
    }

    fn save_if_due(&mut self) -> Result<(), KeeperError> {
        if self.dirty && self.since_saved() >= CHECKPOINT_EVERY {
            // A destination that could not begin at once may since have begun elsewhere than it said.
            self.meet_destinations()?;
            self.watch()?;
            self.save();
        }
        Ok(())
    }

    /// Reads the sheet as anyone would, and says when it does not add up.
    fn watch(&mut self) -> Result<(), KeeperError> {
        // In this order, so that no destination has settled an event that the tally does not have.
        let others = consumers(&self.figures);
        while self.turn()? {}
        let since =
            (!self.looks.is_multiple_of(WATCH_ALL)).then(|| Hour(Hour::of(self.world.clock.now()).0 - WATCHED_HOURS));
        self.looks += 1;
        let sheet = {
            let tally = lock(&self.tally);
            let sources = tally.sources();
            tally.sheet(&sources, since, &others)
        };
        let (difference, region) = (sheet.difference(), self.current.load().region.to_string());
        metrics::gauge!("domicile_balance_difference_events", "region" => region.clone()).set(difference as f64);
        if difference != self.difference {
            match difference {
                0 => tracing::info!(%region, "the balance sheet adds up again"),
                _ => tracing::error!(%region, difference, "the balance sheet does not add up: see `domicile balance`"),
            }
            self.difference = difference;
        }
        Ok(())
    }

    /// Writes the checkpoint and lets the logs go up to it. A full disk only means that more is counted again later.
    fn save(&mut self) {
        self.saved_at = self.world.clock.monotonic();
        let (text, (accepted, decided, archived)) = {
            let mut tally = lock(&self.tally);
            tally.forget_before(Hour(Hour::of(self.world.clock.now()).0 - HOURS_KEPT));
            (checkpoint(&tally), tally.until())
        };
        match text.and_then(|text| write_whole(self.world.disk.as_ref(), &self.file, text.as_bytes())) {
            Ok(()) => {
                self.dirty = false;
                self.accepted.release(Position(accepted));
                self.events.release(Position(decided));
                self.archived.release(Position(archived));
            }
            Err(error) => tracing::warn!(%error, "the balance sheet's checkpoint could not be written"),
        }
    }
}

/// What the destinations say that they have settled.
pub(crate) fn consumers(figures: &Figures) -> Vec<Consumer> {
    figures.all().into_iter().map(consumer).collect()
}

fn consumer(figures: DestinationFigures) -> Consumer {
    let settled = figures.hours.iter().map(|hour| {
        let Counts { delivered, dead, off, filtered } = hour.counts;
        ((hour.source, Hour::of(hour.hour)), Settled { off, filtered, delivered, dead })
    });
    Consumer { name: figures.id.to_string(), settled_until: figures.position.0, settled: settled.collect() }
}

/// Reads up to a turn's counts, while the next frame begins where `wanted` says.
fn read_counts(reader: &mut EventReader, wanted: impl Fn(Position) -> bool) -> Result<Vec<DecidedCount>, ReadError> {
    let mut read = Vec::new();
    while read.len() < FRAMES_PER_TURN && wanted(reader.position()) {
        let Some(counted) = reader.next_count()? else { break };
        read.push(counted);
    }
    Ok(read)
}

/// The tally of the checkpoint, or one that begins where the logs begin.
fn load(world: &World, file: &std::path::Path, accepted: &AcceptedLog, events: &EventLog) -> Tally {
    let start = accepted.start().max(events.start()).0;
    let anew = || Tally::new(start);
    let text = match world.disk.read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return anew(),
        Err(error) => {
            tracing::warn!(%error, "the balance sheet's checkpoint can't be read; counting anew");
            return anew();
        }
    };
    let Some(tally) = read_checkpoint(&text) else {
        tracing::warn!("the balance sheet's checkpoint is damaged; counting anew");
        return anew();
    };
    let (accepted_until, decided_until, archived_until) = tally.until();
    let in_logs = |until: u64| (start..=events.end().0).contains(&until);
    if accepted_until != decided_until || !in_logs(decided_until) || !in_logs(archived_until) {
        tracing::warn!(until = decided_until, "the balance sheet's checkpoint is not of these logs; counting anew");
        return anew();
    }
    tally
}

/// The tally as JSON, and its checksum on a line of its own.
fn checkpoint(tally: &Tally) -> std::io::Result<String> {
    let json = serde_json::to_string(tally)?;
    let sum = crc32c::crc32c(json.as_bytes());
    Ok(format!("{json}\n{sum:08x}\n"))
}

fn read_checkpoint(text: &[u8]) -> Option<Tally> {
    let (json, sum) = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.rsplit_once('\n')?;
    let holds = sum == format!("{:08x}", crc32c::crc32c(json.as_bytes()));
    serde_json::from_str(json).ok().filter(|_| holds)
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    // Each change under the lock is whole as soon as it is made.
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_world::Millis;

    #[test]
    fn a_checkpoint_with_any_bit_flipped_or_cut_off_is_no_checkpoint() {
        let mut tally = Tally::new(3);
        tally.count_accepted((3, 9), SourceNumber(1), Millis(1)).expect("counts");
        let text = checkpoint(&tally).expect("writes").into_bytes();
        assert_eq!(read_checkpoint(&text), Some(tally));
        for byte in 0..text.len() {
            assert_eq!(read_checkpoint(&text[..byte]), None, "cut at {byte}");
            for bit in 0..8 {
                let mut bad = text.clone();
                bad[byte] ^= 1 << bit;
                assert_eq!(read_checkpoint(&bad), None, "byte {byte} bit {bit}");
            }
        }
    }
}
