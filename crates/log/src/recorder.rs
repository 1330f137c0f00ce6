//! What the logs have, told in the ledger.
//!
//! ```text
//! accepted log ──► windows ──► `accepted` entries, one for each workspace in the window
//! event log    ──► windows ──► `decided` entries
//! ```
//!
//! - Where it goes on after a restart is read from the ledger itself: each position is in exactly one window.
//! - Holds both logs until what they have is in the ledger under a checkpoint.
//! - Opens no payload: numbers are in the headers, digests are of the sealed bytes.

use crate::accepted::{AcceptedLog, AcceptedReader};
use crate::decided::{EventLog, EventReader};
use crate::error::{OpenError, ReadError};
use crate::frame::{Header, point_mark};
use crate::{Position, Span};
use domicile_ledger::{
    Accepted, Closing, Counts, Decided, Digest, FrameLeaf, Ledger, Opened, Pending, Time, What, digest_of,
};
use domicile_region::Region;
use domicile_workspace::{Current, Snapshot, SourceNumber};
use domicile_world::{Millis, World};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A window is told so long after its first request.
const WINDOW: Duration = Duration::from_secs(5);
/// …or when its requests have so many bytes: whoever asks for a receipt has a window read again.
const WINDOW_BYTES: u64 = 32 << 20;
/// After something new it waits so long before it reads: to be woken by each commit would cost more than to read.
const GATHER: Duration = Duration::from_millis(100);
/// Frames between two moments at which others may run on this thread.
const FRAMES_PER_TURN: usize = 256;

/// Why the recorder stopped.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Ledger(#[from] Closing),
}

/// Up to which positions the ledger has what the logs have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub accepted: Position,
    pub decided: Position,
}

/// Reads both logs and tells the ledger.
pub struct Recorder {
    world: World,
    ledger: Ledger,
    names: Names,
    accepted: AcceptedReader,
    events: EventReader,
    accepted_window: Window<AcceptedPart>,
    decided_window: Window<DecidedPart>,
    /// The entries that were handed in last, and what is recorded with them.
    pending: Option<(Pending, Recorded)>,
    window: Duration,
    recorded: watch::Sender<Recorded>,
}

impl Recorder {
    /// Goes on where the ledger ends, and tells it that the cell is open. From now on the logs keep what is not told yet, so
    /// open it before anything is written to them.
    ///
    /// # Errors
    /// Damage when the ledger has more than the logs: promised events are gone.
    pub fn open(
        world: &World,
        region: &Region,
        program: &str,
        current: &Current,
        ledger: &Ledger,
        (accepted, events): (&AcceptedLog, &EventLog),
    ) -> Result<Self, OpenError> {
        let start = Recorded { accepted: accepted.start(), decided: events.start() };
        let from = last_recorded(ledger).map_err(|error| OpenError::ledger(&error))?.unwrap_or(start);
        for (told, log, has) in [(from.accepted, "accepted", accepted.end()), (from.decided, "decided", events.end())] {
            if told > has {
                return Err(OpenError::Behind { log, told: told.0, has: has.0 });
            }
        }
        let opened = Opened {
            region: region.id.to_string(),
            program: program.to_owned(),
            accepted: from.accepted.0,
            decided: from.decided.0,
            configuration: current.load().version.0,
        };
        ledger.enter(What::Opened(opened));
        Ok(Self {
            world: world.clone(),
            ledger: ledger.clone(),
            names: Names::new(region, current),
            accepted: accepted.reader(from.accepted)?,
            events: events.reader("ledger", from.decided)?,
            accepted_window: Window::new(from.accepted),
            decided_window: Window::new(from.decided),
            pending: None,
            window: WINDOW,
            recorded: watch::Sender::new(from),
        })
    }

    /// Tells a window so long after its first request: 5 s without this.
    pub fn with_window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Up to which positions everything is in the ledger.
    pub fn recorded(&self) -> watch::Receiver<Recorded> {
        self.recorded.subscribe()
    }

    /// Runs until both logs are closed and all of them is in the ledger.
    pub async fn run(mut self) -> Result<(), RecorderError> {
        let (mut accepting, mut deciding) = (true, true);
        loop {
            let read = self.read()?;
            if self.is_due() {
                self.tell().await?;
            }
            if read {
                tokio::task::yield_now().await;
                continue;
            }
            if !accepting && !deciding {
                self.tell().await?;
                self.settle().await?;
                return Ok(());
            }
            let alarm = self.due_in().map(|due| self.world.clock.sleep(due));
            let waiting = alarm.is_some();
            let gather = tokio::select! {
                biased;
                more = self.accepted.more(), if accepting => {
                    accepting = more;
                    more
                }
                more = self.events.more(), if deciding => {
                    deciding = more;
                    more
                }
                () = async { if let Some(alarm) = alarm { alarm.await } }, if waiting => false,
            };
            if gather {
                self.world.clock.sleep(GATHER.min(self.window)).await;
            }
        }
    }

    /// Reads a turn's frames of each log; whether there were any.
    fn read(&mut self) -> Result<bool, ReadError> {
        let now = self.world.clock.monotonic();
        let mut any = false;
        for _ in 0..FRAMES_PER_TURN {
            if self.accepted_window.bytes >= WINDOW_BYTES {
                break;
            }
            let (window, names) = (&mut self.accepted_window, &mut self.names);
            let read = self.accepted.next_sealed(|header, payload| {
                let leaf = leaf(header, payload);
                window.take(now, header.span(), payload.len() as u64);
                let (workspace, source) = names.of(header.source);
                let part = window.parts.entry(workspace).or_insert_with(|| AcceptedPart::new(header.received_at));
                part.take(header, source, names.point(header.point), leaf);
            })?;
            if read.is_none() {
                break;
            }
            any = true;
        }
        for _ in 0..FRAMES_PER_TURN {
            let Some(count) = self.events.next_count()? else { break };
            any = true;
            self.decided_window.take(now, count.span, 0);
            let (workspace, source) = self.names.of(count.source);
            let part = self.decided_window.parts.entry(workspace).or_default();
            add(part.entry(source).or_default(), count.outcomes);
        }
        Ok(any)
    }

    fn due_at(&self) -> Option<Duration> {
        let windows = [self.accepted_window.since, self.decided_window.since];
        windows.into_iter().flatten().min().map(|since| since + self.window)
    }

    fn due_in(&self) -> Option<Duration> {
        self.due_at().map(|due| due.saturating_sub(self.world.clock.monotonic()))
    }

    fn is_due(&self) -> bool {
        self.accepted_window.bytes >= WINDOW_BYTES || self.due_in().is_some_and(|due| due.is_zero())
    }

    /// Hands both windows in. Waits for those before: no more than two are on their way.
    async fn tell(&mut self) -> Result<(), Closing> {
        self.settle().await?;
        let location = Arc::clone(&self.names.location);
        let mut entries: Vec<What> = Vec::new();
        let (span, parts) = self.accepted_window.end();
        entries.extend(parts.into_iter().map(|(workspace, part)| part.entry(workspace, span, &location)));
        let (span, parts) = self.decided_window.end();
        entries.extend(parts.into_iter().map(|(workspace, part)| {
            let sources =
                part.into_iter().map(|(source, outcomes)| (source.to_string(), Counts::of(outcomes))).collect();
            What::Decided(Decided { workspace: workspace.to_string(), window: [span.first.0, span.end.0], sources })
        }));
        let recorded = Recorded { accepted: self.accepted.position(), decided: self.events.position() };
        if let Some(last) = self.ledger.enter_all(entries).pop() {
            self.pending = Some((last, recorded));
        }
        Ok(())
    }

    /// Waits until what was handed in is in the ledger, and lets the logs go up to there.
    async fn settle(&mut self) -> Result<(), Closing> {
        if let Some((last, recorded)) = self.pending.take() {
            last.written().await?;
            self.accepted.release(recorded.accepted);
            self.events.release(recorded.decided);
            self.recorded.send_replace(recorded);
        }
        Ok(())
    }
}

/// Where the ledger says that the logs ended.
fn last_recorded(ledger: &Ledger) -> std::io::Result<Option<Recorded>> {
    let (mut accepted, mut decided) = (None, None);
    for entry in ledger.backwards() {
        match entry?.1.what {
            What::Accepted(entry) => accepted = accepted.or(Some(entry.window[1])),
            What::Decided(entry) => decided = decided.or(Some(entry.window[1])),
            What::Opened(Opened { accepted: a, decided: d, .. }) => {
                let (accepted, decided) = (Position(accepted.unwrap_or(a)), Position(decided.unwrap_or(d)));
                return Ok(Some(Recorded { accepted, decided }));
            }
            _ => {}
        }
        if let (Some(accepted), Some(decided)) = (accepted, decided) {
            return Ok(Some(Recorded { accepted: Position(accepted), decided: Position(decided) }));
        }
    }
    Ok(None)
}

/// A request's frame as the ledger digests it.
pub(crate) fn leaf(header: &Header, payload: &[u8]) -> FrameLeaf {
    let Span { first, end } = header.span();
    FrameLeaf { span: [first.0, end.0], blake3: Digest(*blake3::hash(payload).as_bytes()) }
}

/// What is read since the last entries.
struct Window<P> {
    first: Position,
    next: Position,
    /// When its first request was read, in monotonic time.
    since: Option<Duration>,
    bytes: u64,
    parts: BTreeMap<Arc<str>, P>,
}

impl<P> Window<P> {
    fn new(first: Position) -> Self {
        Self { first, next: first, since: None, bytes: 0, parts: BTreeMap::new() }
    }

    fn take(&mut self, now: Duration, span: Span, bytes: u64) {
        self.since.get_or_insert(now);
        self.next = span.end;
        self.bytes += bytes;
    }

    /// Takes out what it has; the next one begins behind it.
    fn end(&mut self) -> (Span, BTreeMap<Arc<str>, P>) {
        let ended = std::mem::replace(self, Self::new(self.next));
        (Span { first: ended.first, end: ended.next }, ended.parts)
    }
}

/// One workspace's requests.
struct AcceptedPart {
    events: u64,
    sources: BTreeMap<Arc<str>, u64>,
    points: BTreeMap<Arc<str>, u64>,
    leaves: Vec<FrameLeaf>,
    received: [Millis; 2],
}

impl AcceptedPart {
    fn new(received_at: Millis) -> Self {
        let received = [received_at; 2];
        Self { events: 0, sources: BTreeMap::new(), points: BTreeMap::new(), leaves: Vec::new(), received }
    }

    fn take(&mut self, header: &Header, source: Arc<str>, point: Arc<str>, leaf: FrameLeaf) {
        let events = u64::from(header.events);
        self.events += events;
        *self.sources.entry(source).or_default() += events;
        *self.points.entry(point).or_default() += events;
        self.leaves.push(leaf);
        self.received = [self.received[0].min(header.received_at), self.received[1].max(header.received_at)];
    }

    fn entry(self, workspace: Arc<str>, window: Span, location: &str) -> What {
        let texts =
            |counts: BTreeMap<Arc<str>, u64>| counts.into_iter().map(|(name, n)| (name.to_string(), n)).collect();
        What::Accepted(Accepted {
            workspace: workspace.to_string(),
            window: [window.first.0, window.end.0],
            events: self.events,
            sources: texts(self.sources),
            points: texts(self.points),
            location: location.to_owned(),
            requests: self.leaves.len() as u64,
            digest: digest_of(&self.leaves),
            received: self.received.map(Time),
        })
    }
}

type DecidedPart = BTreeMap<Arc<str>, [u64; domicile_ledger::Outcome::ALL.len()]>;

fn add<const N: usize>(sum: &mut [u64; N], more: [u64; N]) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// The names of what frames carry as numbers, each looked up once for a version of the configuration.
struct Names {
    current: Current,
    snapshot: Arc<Snapshot>,
    sources: HashMap<SourceNumber, (Arc<str>, Arc<str>)>,
    points: HashMap<u32, Arc<str>>,
    location: Arc<str>,
}

impl Names {
    fn new(region: &Region, current: &Current) -> Self {
        Self {
            current: current.clone(),
            snapshot: current.load(),
            sources: HashMap::new(),
            points: region.ingest.iter().map(|point| (point_mark(&point.name), point.name.as_str().into())).collect(),
            location: region.locations.first().map_or(region.id.as_str(), |location| location.as_str()).into(),
        }
    }

    /// Workspace and source of a frame. One that no configuration knows keeps its number.
    fn of(&mut self, number: SourceNumber) -> (Arc<str>, Arc<str>) {
        if let Some((workspace, source)) = self.sources.get(&number) {
            return (Arc::clone(workspace), Arc::clone(source));
        }
        if self.snapshot.source_of_frame(number).is_none() {
            self.snapshot = self.current.load();
        }
        let names: (Arc<str>, Arc<str>) = match self.snapshot.source_of_frame(number) {
            Some(source) => (source.workspace.as_str().into(), source.id.as_str().into()),
            None => ("unknown".into(), format!("source-{}", number.0).into()),
        };
        self.sources.insert(number, names.clone());
        names
    }

    fn point(&self, mark: u32) -> Arc<str> {
        self.points.get(&mark).cloned().unwrap_or_else(|| "unknown".into())
    }
}
