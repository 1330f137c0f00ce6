//! One destination at work: reads its source's events, sends them, and settles each.
//!
//! One task owns everything; each try is a task of its own that brings its event back. Nothing is decided twice: what the
//! window, the cursor and the letters say is changed here only.

use crate::dead_letters::{Cause, DeadLetters, put_letter};
use crate::destinations::{Cell, Settings};
use crate::event::{Event, User};
use crate::figures::{Board, Tried};
use crate::partner::{Outcome, Partner, Reply, Trip, partner_of};
use crate::progress::{CursorError, Progress, Settled, cursor_path};
use crate::sent::Outgoing;
use crate::window::Window;
use domicile_border::Refusal;
use domicile_event::filter::{self, Outcome as Passed};
use domicile_ledger::{Closing, all_written};
use domicile_log::{Decided, EventFrame, EventReader, Position, ReadError};
use domicile_workspace::{Destination, SourceNumber};
use futures::future::BoxFuture;
use metrics::{Counter, Histogram};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Frames read before the other tasks get their turn.
const FRAMES_A_TURN: usize = 64;
/// A cursor that moved by settled events is written after this long.
const SAVE_SETTLED: Duration = Duration::from_secs(1);
/// One that moved only over other sources' events.
const SAVE_PASSED: Duration = Duration::from_secs(30);
/// How long to wait when the disk did not take letters or cursor.
const DISK_AGAIN: Duration = Duration::from_secs(1);

/// How long to wait for a border process that does not answer.
const BORDER_AGAIN: Duration = Duration::from_secs(1);

/// What a delivery is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Run,
    /// The log is closed: send what can be sent at once.
    Finish,
    /// The destination was changed or switched off: begin nothing more.
    Halt,
}

/// Why a delivery stopped by itself. It is started again from its cursor.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{file}: {error}\n  mend: make room, or let this user write the folder")]
    Save { file: String, error: io::Error },
    #[error(transparent)]
    Ledger(#[from] Closing),
    #[error("a try to send ended by a fault of the program")]
    Crashed,
}

pub(crate) struct Delivery {
    cell: Arc<Cell>,
    source: SourceNumber,
    destination: Arc<Destination>,
    partner: Arc<dyn Partner>,
    cursor: PathBuf,
    board: Arc<Board>,
    reader: EventReader,
    /// The log is closed and read to its end.
    at_end: bool,
    window: Window,
    tries: JoinSet<Landed>,
    letters: DeadLetters,
    /// Events whose letters are not on disk yet.
    dying: Vec<(User, Event, Cause)>,
    letters_due: Duration,
    /// The border refuses: nothing is tried before.
    paused_until: Option<Duration>,
    /// Tries in a row that got no verdict of 2xx or dead.
    failures: u32,
    saved: Saved,
    /// What the ledger was not told yet.
    outgoing: Outgoing,
    /// The cursor that is written when the ledger has what goes before it.
    saving: Option<Saving>,
    meters: Meters,
}

struct Saving {
    progress: Progress,
    told: BoxFuture<'static, Result<(), Closing>>,
}

/// What the cursor file says, and when it is written next.
struct Saved {
    position: Position,
    settled: u64,
    due: Option<Duration>,
}

/// A try that has ended: of each event whose it is, and the event, in the same order.
struct Landed {
    users: Vec<User>,
    events: Vec<Event>,
    reply: Reply,
}

struct Meters {
    delivered: Counter,
    filtered: Counter,
    dead: Counter,
    retried: Counter,
    refused: Counter,
    latency: Histogram,
}

impl Delivery {
    /// Reads the cursor and opens the log there. A new destination begins at the end of the log.
    pub fn open(cell: &Arc<Cell>, destination: &Arc<Destination>, source: SourceNumber) -> Result<Self, DeliveryError> {
        let disk = &*cell.world.disk;
        let cursor = cursor_path(&cell.folder, &destination.id);
        let end = cell.events.end();
        let loaded = Progress::load(disk, &cursor)?;
        let is_news = loaded.as_ref().is_none_or(|progress| progress.off);
        let mut progress = loaded.unwrap_or_else(|| Progress::new(end));
        if progress.off {
            progress.off = false;
            progress.off_until = end;
        }
        let start = cell.events.start();
        if progress.position < start {
            let (from, to) = (progress.position, start);
            tracing::warn!(destination = %destination.id, %from, %to, "the log no longer has the events after the cursor");
            progress.read_to(start);
        }
        if is_news {
            let save = progress.save(disk, &cursor);
            save.map_err(|error| DeliveryError::Save { file: cursor.display().to_string(), error })?;
        }
        let reader = cell.events.reader(&format!("destination-{}", destination.id), progress.position)?;
        let saved = Saved { position: progress.position, settled: 0, due: None };
        Ok(Self {
            source,
            partner: partner_of(cell, destination),
            cursor,
            board: cell.figures.board(&destination.id, progress),
            reader,
            at_end: false,
            window: Window::default(),
            tries: JoinSet::new(),
            letters: DeadLetters::new(Arc::clone(&cell.world.disk), &cell.folder, &destination.id),
            dying: Vec::new(),
            letters_due: Duration::ZERO,
            paused_until: None,
            failures: 0,
            saved,
            outgoing: Outgoing::default(),
            saving: None,
            meters: Meters::new(cell, destination),
            destination: Arc::clone(destination),
            cell: Arc::clone(cell),
        })
    }

    /// Works until it is told to stop. Dropping the future is a crash: nothing is lost, some events are sent again.
    pub async fn run(mut self, mut orders: watch::Receiver<Order>) -> Result<(), DeliveryError> {
        let mut stop_at = None;
        loop {
            let order = *orders.borrow_and_update();
            let now = self.now();
            if order != Order::Run && stop_at.is_none() {
                stop_at = Some(now + self.settings().drain);
            }
            let read_on = order != Order::Halt && self.read()?;
            self.bury();
            self.save_if_due();
            if order != Order::Halt {
                self.launch();
            }
            if stop_at.is_some_and(|at| at <= now) || (order != Order::Run && self.is_idle(read_on)) {
                break;
            }
            if read_on {
                tokio::task::yield_now().await;
            }
            let wake = self.wakes_at(order).into_iter().chain(stop_at).min();
            let alarm = wake.map(|at| self.cell.world.clock.sleep(at.saturating_sub(now)));
            tokio::select! {
                biased;
                changed = orders.changed() => if changed.is_err() { return Ok(()) },
                told = async { self.saving.as_mut().expect("guarded").told.as_mut().await }, if self.saving.is_some() => {
                    self.told(told);
                }
                Some(landed) = self.tries.join_next() => self.land(landed.map_err(|_| DeliveryError::Crashed)?),
                more = self.reader.more(), if order != Order::Halt && !self.at_end && self.has_room() => {
                    self.at_end = !more;
                }
                () = async { alarm.expect("guarded").await }, if wake.is_some() => {}
            }
            while let Some(landed) = self.tries.try_join_next() {
                self.land(landed.map_err(|_| DeliveryError::Crashed)?);
            }
        }
        // What is still on its way is sent again at the next start.
        self.bury();
        self.finish().await
    }

    /// Writes the last cursor, behind the last entries.
    async fn finish(&mut self) -> Result<(), DeliveryError> {
        if let Some(saving) = self.saving.take() {
            saving.told.await?;
        }
        let progress = self.board.lock().progress.clone();
        if let Some(ledger) = &self.cell.ledger {
            all_written(self.outgoing.tell(ledger, &self.destination)).await?;
        }
        self.save(progress).map_err(|error| DeliveryError::Save { file: self.cursor.display().to_string(), error })
    }

    /// Reads as much as the window and this turn allow. Whether there may be more at once.
    fn read(&mut self) -> Result<bool, ReadError> {
        for _ in 0..FRAMES_A_TURN {
            if !self.has_room() {
                return Ok(false);
            }
            match self.reader.next()? {
                Some(EventFrame::Decided(decided)) => self.take_in(&decided),
                Some(EventFrame::Mark(_)) => {}
                None => return Ok(false),
            }
            self.board.lock().progress.read_to(self.reader.position());
            self.note_progress();
        }
        Ok(true)
    }

    fn take_in(&mut self, decided: &Decided) {
        if decided.source != self.source {
            return;
        }
        let mut state = self.board.lock();
        // The first frame after a start may begin before the cursor.
        let from = state.progress.position;
        for (position, raw) in decided.kept().filter(|(position, _)| *position >= from) {
            state.progress.begin(position, decided.source, decided.received_at);
            if position < state.progress.off_until {
                state.progress.settle(position, Settled::Off);
                continue;
            }
            match filter::apply(self.destination.filters.iter(), raw) {
                Passed::Kept(body) => {
                    // Whose event it is stands in the event as it came: a filter may cut that, and order is kept still.
                    let (user, event) = Event::new(position, decided.received_at, raw, body);
                    self.window.push(user, event);
                }
                Passed::Dropped { .. } => {
                    state.progress.settle(position, Settled::Filtered);
                    state.left_out(position);
                    self.saved.settled += 1;
                    self.meters.filtered.increment(1);
                }
            }
        }
        state.in_memory = self.window.events();
    }

    /// Begins tries. When nothing but failures comes back, one at a time is enough to see when that ends.
    fn launch(&mut self) {
        let now = self.now();
        self.window.wake(now);
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        self.paused_until = None;
        let lanes = self.settings().lanes;
        let is_down = self.failures as usize >= lanes || self.board.lock().refused.is_some();
        let lanes = if is_down { 1 } else { lanes };
        while self.tries.len() < lanes
            && let Some((user, mut event)) = self.window.take()
        {
            event.first_try_at.get_or_insert(now);
            let partner = Arc::clone(&self.partner);
            self.tries.spawn(async move {
                let events = vec![event];
                let reply = partner.send(&events).await;
                Landed { users: vec![user], events, reply }
            });
        }
    }

    /// Decides about the events of a try that has ended.
    fn land(&mut self, landed: Landed) {
        let Landed { users, mut events, reply } = landed;
        let mut outcomes = reply.outcomes;
        outcomes.resize_with(events.len(), Outcome::unknown);
        for (event, _) in
            events.iter_mut().zip(&outcomes).filter(|(_, outcome)| !matches!(outcome, Outcome::Refused(_)))
        {
            event.tries += 1;
            self.board.lock().refused = None;
        }
        for trip in &reply.trips {
            self.note_trip(&events, trip);
        }
        for ((user, event), outcome) in users.into_iter().zip(events).zip(outcomes) {
            match outcome {
                Outcome::Delivered => self.delivered(user, event),
                Outcome::LeftOut(_) => self.left_out(user, event),
                Outcome::Again(cause, asked) => self.again(user, event, cause, asked),
                Outcome::Dead(cause) => self.dies(user, event, cause),
                Outcome::Refused(refusal) => self.refused(user, event, &refusal),
            }
        }
    }

    fn delivered(&mut self, user: User, event: Event) {
        let id = &self.destination.id;
        if self.failures >= 3 {
            tracing::info!(destination = %id, failures = self.failures, "the destination takes events again");
        }
        self.failures = 0;
        self.meters.delivered.increment(1);
        let age_ms = self.cell.world.clock.now().since(event.received_at).max(0);
        self.meters.latency.record(age_ms as f64 / 1000.0);
        self.board.lock().last_error = None;
        self.settle(user, &event, Settled::Delivered);
    }

    fn left_out(&mut self, user: User, event: Event) {
        self.meters.filtered.increment(1);
        self.board.lock().left_out(event.position);
        self.settle(user, &event, Settled::Filtered);
    }

    fn again(&mut self, user: User, event: Event, cause: Cause, asked: Option<Duration>) {
        let now = self.now();
        self.failures = self.failures.saturating_add(1);
        if self.failures == 3 {
            tracing::warn!(destination = %self.destination.id, reason = cause.reason, "the destination fails");
        }
        self.board.lock().last_error = Some(cause.reason.clone());
        let retries = self.settings().retries;
        let since_first = now.saturating_sub(event.first_try_at.unwrap_or(now));
        if retries.spent(event.tries, since_first) {
            self.dying.push((user, event, cause));
        } else {
            self.meters.retried.increment(1);
            let wait = retries.wait(event.tries, asked, &*self.cell.world.random);
            self.window.wait(user, event, now + wait);
        }
    }

    fn dies(&mut self, user: User, event: Event, cause: Cause) {
        // The partner works; it is the event that it does not want.
        self.failures = 0;
        self.board.lock().last_error = Some(cause.reason.clone());
        self.dying.push((user, event, cause));
    }

    /// The border's no is about the host, or there is no border to ask: it holds for all events, and is no try of any.
    fn refused(&mut self, user: User, mut event: Event, refusal: &Refusal) {
        if event.tries == 0 {
            event.first_try_at = None;
        }
        self.meters.refused.increment(1);
        self.window.put_back(user, event);
        let wait = if refusal.may_pass() { BORDER_AGAIN } else { self.settings().refused_wait };
        self.paused_until = Some(self.now() + wait);
        let mut state = self.board.lock();
        let code = refusal.code.as_str();
        if state.refused != Some(code) {
            tracing::warn!(destination = %self.destination.id, workspace = %refusal.workspace, host = refusal.host,
                address = refusal.address.map(tracing::field::display), country = refusal.country.map(tracing::field::display),
                code, mend = refusal.mend(), "refused by the border; the events wait");
        }
        state.refused = Some(code);
        state.last_error = Some(refusal.to_string());
    }

    /// Writes the letters of the dying and settles them; when the disk does not take them they stay.
    fn bury(&mut self) {
        if self.dying.is_empty() || self.now() < self.letters_due {
            return;
        }
        let at = self.cell.world.clock.now();
        let mut lines = Vec::new();
        for (_, event, cause) in &self.dying {
            put_letter(&mut lines, event, cause, at);
        }
        match self.letters.write(&lines) {
            Ok(()) => {
                for (user, event, _) in std::mem::take(&mut self.dying) {
                    self.meters.dead.increment(1);
                    self.settle(user, &event, Settled::Dead);
                }
            }
            Err(error) => {
                tracing::error!(destination = %self.destination.id, %error, "dead letters could not be written");
                self.board.lock().last_error = Some(error.to_string());
                self.letters_due = self.now() + DISK_AGAIN;
            }
        }
    }

    fn settle(&mut self, user: User, event: &Event, settled: Settled) {
        self.window.settle(user, event);
        let mut state = self.board.lock();
        state.progress.settle(event.position, settled);
        state.in_memory = self.window.events();
        drop(state);
        self.saved.settled += 1;
        self.note_progress();
    }

    /// Sets the time of the next save, if there is something to save.
    fn note_progress(&mut self) {
        if self.board.lock().progress.position > self.saved.position {
            let wait = if self.saved.settled > 0 { SAVE_SETTLED } else { SAVE_PASSED };
            let due = self.now() + wait;
            self.saved.due = Some(self.saved.due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    fn save_if_due(&mut self) {
        if self.saving.is_some() || self.saved.due.is_none_or(|due| self.now() < due) {
            return;
        }
        let progress = self.board.lock().progress.clone();
        match &self.cell.ledger {
            Some(ledger) if !self.outgoing.is_empty() => {
                let told = Box::pin(all_written(self.outgoing.tell(ledger, &self.destination)));
                self.saved.due = None;
                self.saved.settled = 0;
                self.saving = Some(Saving { progress, told });
            }
            _ => self.try_save(progress),
        }
    }

    /// The ledger has what goes before the cursor.
    fn told(&mut self, told: Result<(), Closing>) {
        let Some(saving) = self.saving.take() else { return };
        // A ledger that is closed is that of a program that stops: the next start sends again what is behind the old cursor.
        if told.is_ok() {
            self.try_save(saving.progress);
        }
    }

    fn try_save(&mut self, progress: Progress) {
        if let Err(error) = self.save(progress) {
            tracing::error!(destination = %self.destination.id, %error, "the cursor could not be written");
            self.saved.due = Some(self.now() + DISK_AGAIN);
        }
    }

    fn save(&mut self, mut progress: Progress) -> io::Result<()> {
        progress.save(&*self.cell.world.disk, &self.cursor)?;
        self.saved = Saved { position: progress.position, settled: 0, due: None };
        self.reader.release(progress.position);
        // What was settled while the ledger was told is saved next.
        self.note_progress();
        Ok(())
    }

    fn note_trip(&mut self, events: &[Event], trip: &Trip) {
        if self.cell.ledger.is_some() {
            self.outgoing.note(trip);
        }
        for event in trip.events.iter().filter_map(|place| events.get(*place)) {
            let tried = Tried {
                at: self.cell.world.clock.now(),
                position: event.position,
                message_id: Arc::clone(&event.message_id),
                attempt: event.tries.max(1),
                granted: trip.granted.clone(),
                address: trip.address,
                status: trip.status,
                error: trip.error,
                took_ms: u64::try_from(trip.took.as_millis()).unwrap_or(u64::MAX),
            };
            self.board.lock().tried(tried);
        }
    }

    /// Nothing is on its way and nothing could be begun now.
    fn is_idle(&self, read_on: bool) -> bool {
        let could_begin = self.window.has_ready() && self.paused_until.is_none();
        self.tries.is_empty() && !read_on && !could_begin
    }

    /// The next moment at which there is something to do.
    fn wakes_at(&self, order: Order) -> Option<Duration> {
        let tries = match self.paused_until {
            _ if order == Order::Halt => None,
            Some(until) => Some(until),
            None => self.window.next_due(),
        };
        let letters = (!self.dying.is_empty()).then_some(self.letters_due);
        [tries, letters, self.saved.due].into_iter().flatten().min()
    }

    fn has_room(&self) -> bool {
        let settings = self.settings();
        self.window.events() < settings.window_events_max && self.window.bytes() < settings.window_bytes_max
    }

    fn now(&self) -> Duration {
        self.cell.world.clock.monotonic()
    }

    fn settings(&self) -> &Settings {
        &self.cell.settings
    }
}

impl Meters {
    fn new(cell: &Cell, destination: &Destination) -> Self {
        let region = cell.border.region().to_string();
        let id = destination.id.to_string();
        let counter = |result: &'static str| {
            metrics::counter!("domicile_destination_events_total", "region" => region.clone(),
                "destination" => id.clone(), "result" => result)
        };
        Self {
            delivered: counter("delivered"),
            filtered: counter("filtered"),
            dead: counter("dead"),
            retried: counter("retried"),
            refused: counter("refused"),
            latency: metrics::histogram!("domicile_destination_latency_seconds", "region" => region.clone(),
                "destination" => id.clone()),
        }
    }
}
