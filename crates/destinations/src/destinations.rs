//! All destinations of a cell: each enabled one has a delivery at work, started and stopped as the configuration changes.

use crate::delivery::{Delivery, DeliveryError, Order};
use crate::figures::Figures;
use crate::progress::{CursorError, Progress, cursor_path};
use crate::verdict::Retries;
use domicile_border::{Border, Limits};
use domicile_ledger::Ledger;
use domicile_log::EventLog;
use domicile_region::RegionId;
use domicile_workspace::{Current, Destination, DestinationId, Snapshot, SourceNumber};
use domicile_world::{Disk, World};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

/// How long a delivery that failed by itself rests before it is started again.
const REST: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Requests to one destination at a time.
    pub lanes: usize,
    /// What of one destination is in memory; one frame of the log may go beyond.
    pub window_events_max: usize,
    pub window_bytes_max: usize,
    pub limits: Limits,
    pub retries: Retries,
    /// How long to wait before the border is asked again after a refusal.
    pub refused_wait: Duration,
    /// How long a stop waits for what is on its way.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lanes: 16,
            window_events_max: 2_000,
            window_bytes_max: 8 * 1024 * 1024,
            limits: Limits::WEBHOOK,
            retries: Retries::default(),
            refused_wait: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

/// What all deliveries of a cell share.
pub(crate) struct Cell {
    pub world: World,
    pub events: EventLog,
    pub border: Border,
    /// Told of everything that goes out.
    pub ledger: Option<Ledger>,
    pub folder: PathBuf,
    pub settings: Settings,
    pub figures: Figures,
}

/// The destinations of one cell.
pub struct Destinations {
    cell: Arc<Cell>,
    current: Current,
    region: RegionId,
    at_work: HashMap<DestinationId, AtWork>,
    tasks: JoinSet<Result<(), DeliveryError>>,
    ids: HashMap<Id, DestinationId>,
    /// Failed by themselves; not started before.
    resting: HashMap<DestinationId, Duration>,
    /// Known to be switched off in their cursor files.
    off: HashSet<DestinationId>,
}

/// A delivery at work, and what it was started with.
struct AtWork {
    destination: Arc<Destination>,
    source: SourceNumber,
    orders: watch::Sender<Order>,
}

impl AtWork {
    /// Tells it to stop, if it was not told to already.
    fn order(&self, order: Order) {
        self.orders.send_if_modified(|told| {
            let running = *told == Order::Run;
            if running {
                *told = order;
            }
            running
        });
    }
}

impl Destinations {
    /// `folder`: where cursors and dead letters are kept. They come from nowhere else.
    pub fn new(
        world: World,
        region: RegionId,
        current: Current,
        events: EventLog,
        border: Border,
        folder: &Path,
        settings: Settings,
    ) -> Self {
        let folder = folder.to_owned();
        let cell = Cell { world, events, border, ledger: None, folder, settings, figures: Figures::default() };
        Self {
            cell: Arc::new(cell),
            current,
            region,
            at_work: HashMap::new(),
            tasks: JoinSet::new(),
            ids: HashMap::new(),
            resting: HashMap::new(),
            off: HashSet::new(),
        }
    }

    /// Tells the ledger of everything that goes out. Before [`Self::run`].
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        if let Some(cell) = Arc::get_mut(&mut self.cell) {
            cell.ledger = Some(ledger);
        }
        self
    }

    /// The figures of all destinations, now and later.
    pub fn figures(&self) -> Figures {
        self.cell.figures.clone()
    }

    /// Runs until the event log is closed, and then at most `Settings::drain` longer. Dropping the future stops all
    /// deliveries as a crash would.
    pub async fn run(mut self) {
        let mut versions = self.current.versions();
        let events = self.cell.events.clone();
        let closed = events.closed();
        tokio::pin!(closed);
        loop {
            versions.borrow_and_update();
            self.follow(&self.current.load());
            let now = self.cell.world.clock.monotonic();
            let rested = self.resting.values().min().copied();
            let alarm = rested.map(|at| self.cell.world.clock.sleep(at.saturating_sub(now)));
            tokio::select! {
                biased;
                () = &mut closed => break,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Ok(()) = versions.changed() => {}
                () = async { match alarm { Some(alarm) => alarm.await, None => std::future::pending().await } } => {}
            }
        }
        for work in self.at_work.values() {
            work.order(Order::Finish);
        }
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.ended(ended);
        }
    }

    /// Starts and stops deliveries so that those at work are those that the snapshot wants.
    fn follow(&mut self, snapshot: &Snapshot) {
        let now = self.cell.world.clock.monotonic();
        self.resting.retain(|_, until| *until > now);
        let mut wanted = HashMap::new();
        for destination in snapshot.destinations.values() {
            let source = snapshot.source(&destination.source).map(|source| source.number);
            match source.filter(|_| destination.enabled) {
                Some(source) => drop(wanted.insert(destination.id.clone(), (destination, source))),
                None => self.switch_off(&destination.id),
            }
        }
        for (id, work) in &self.at_work {
            let same = |(destination, source): &(&Arc<Destination>, SourceNumber)| {
                *source == work.source && is_same(destination, &work.destination)
            };
            if !wanted.get(id).is_some_and(same) {
                work.order(Order::Halt);
            }
        }
        for (id, (destination, source)) in wanted {
            if !self.at_work.contains_key(&id) && !self.resting.contains_key(&id) {
                self.off.remove(&id);
                self.start(destination, source);
            }
        }
    }

    fn start(&mut self, destination: &Arc<Destination>, source: SourceNumber) {
        let id = destination.id.clone();
        let delivery = match Delivery::open(&self.cell, destination, source) {
            Ok(delivery) => delivery,
            Err(error) => return self.failed(id, &error),
        };
        tracing::info!(region = %self.region, destination = %id, "the destination is at work");
        let (orders, told) = watch::channel(Order::Run);
        let handle = self.tasks.spawn(delivery.run(told));
        self.ids.insert(handle.id(), id.clone());
        self.at_work.insert(id, AtWork { destination: Arc::clone(destination), source, orders });
    }

    /// A delivery's task has ended: told to, or by a failure.
    fn ended(&mut self, ended: Result<(Id, Result<(), DeliveryError>), JoinError>) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, result),
            Err(error) => (error.id(), Err(DeliveryError::Crashed)),
        };
        let Some(id) = self.ids.remove(&task) else { return };
        self.at_work.remove(&id);
        if let Err(error) = result {
            self.failed(id.clone(), &error);
        }
        if self.current.load().destination(&id).is_none() {
            self.switch_off(&id);
            self.cell.figures.forget(&id);
        }
    }

    fn failed(&mut self, id: DestinationId, error: &DeliveryError) {
        tracing::error!(region = %self.region, destination = %id, %error, "the destination stopped");
        self.cell.figures.failed(&id, error.to_string());
        self.resting.insert(id, self.cell.world.clock.monotonic() + REST);
    }

    /// Notes in the cursor file that the destination is switched off, once it is not at work any more: what comes now is
    /// not for it, also when it is switched on again.
    fn switch_off(&mut self, id: &DestinationId) {
        if self.at_work.contains_key(id) || self.off.contains(id) {
            return;
        }
        match mark_off(&*self.cell.world.disk, &cursor_path(&self.cell.folder, id)) {
            Ok(progress) => {
                if let Some(progress) = progress {
                    self.cell.figures.board(id, progress);
                }
                self.off.insert(id.clone());
            }
            Err(error) => tracing::error!(destination = %id, %error, "could not be noted as switched off"),
        }
    }
}

/// The cursor of a destination that is now switched off; `None` when it was never at work.
fn mark_off(disk: &dyn Disk, path: &Path) -> Result<Option<Progress>, CursorError> {
    let Some(mut progress) = Progress::load(disk, path)? else { return Ok(None) };
    if !progress.off {
        progress.off = true;
        let io = |error| CursorError::Io { file: path.display().to_string(), error };
        progress.save(disk, path).map_err(io)?;
    }
    Ok(Some(progress))
}

/// Whether a delivery that was started with one may go on with the other.
fn is_same(one: &Destination, other: &Destination) -> bool {
    one.workspace == other.workspace && one.kind == other.kind && one.filters == other.filters
}
