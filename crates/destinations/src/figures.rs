//! What is known of each destination now, for the balance sheet, the API, and the life of an event.

use crate::progress::{Counts, Progress};
use domicile_border::Granted;
use domicile_log::Position;
use domicile_region::Country;
use domicile_workspace::{DestinationId, SourceNumber};
use domicile_world::Millis;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tries that are kept in memory per destination.
const ATTEMPTS_KEPT: usize = 10_000;

/// Events that a filter left out, of which this is remembered per destination.
const LEFT_OUT_KEPT: usize = 10_000;

/// The figures of all destinations of a cell. Cheap to clone; holds for as long as the program runs.
#[derive(Clone, Default)]
pub struct Figures {
    boards: Arc<Mutex<BTreeMap<DestinationId, Arc<Board>>>>,
}

/// One destination, at one moment.
///
/// Of the kept events of its source in `from..position`, exactly `delivered + dead + off + filtered` are settled; what the
/// event log has from `position` on is waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationFigures {
    pub id: DestinationId,
    /// Where the destination began: earlier events are not its own.
    pub from: Position,
    /// Every event before it is settled.
    pub position: Position,
    /// Whether it is switched off: it gets nothing, and nothing waits for it.
    pub off: bool,
    pub totals: Counts,
    /// The last 31 days with events, in order.
    pub hours: Vec<HourFigures>,
    /// Settled in hours before these.
    pub earlier: Counts,
    /// Events in memory: on their way, or waiting for their next try.
    pub in_memory: usize,
    /// The border's code, while it refuses the connection and the events wait.
    pub refused: Option<&'static str>,
    /// What went wrong last, until something is delivered again. No payload.
    pub last_error: Option<String>,
}

/// Settled events of one source by the hour in which they were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourFigures {
    pub source: SourceNumber,
    pub hour: Millis,
    pub counts: Counts,
}

/// One try to deliver one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub destination: DestinationId,
    pub at: Millis,
    pub position: Position,
    /// Counts from 1.
    pub attempt: u32,
    /// Where it went and under which rule; `None` when there was no permit.
    pub host: Option<String>,
    pub address: Option<SocketAddr>,
    pub country: Option<Country>,
    pub rule: Option<String>,
    pub status: Option<u16>,
    /// Why there was no status: `timed_out`, `country_refused`.
    pub error: Option<&'static str>,
    pub took_ms: u64,
}

/// An [`Attempt`] as it is kept: what a connection's requests have in common is there once.
#[derive(Clone)]
pub(crate) struct Tried {
    pub at: Millis,
    pub position: Position,
    pub message_id: Arc<str>,
    pub attempt: u32,
    pub granted: Option<Arc<Granted>>,
    pub address: Option<SocketAddr>,
    pub status: Option<u16>,
    pub error: Option<&'static str>,
    pub took_ms: u64,
}

/// One destination's figures, shared by its delivery and its readers.
pub(crate) struct Board {
    id: DestinationId,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub progress: Progress,
    pub in_memory: usize,
    pub refused: Option<&'static str>,
    pub last_error: Option<String>,
    tried: VecDeque<Tried>,
    left_out: VecDeque<Position>,
}

impl State {
    /// Remembers an event that a filter left out.
    pub fn left_out(&mut self, position: Position) {
        if self.left_out.len() == LEFT_OUT_KEPT {
            self.left_out.pop_front();
        }
        self.left_out.push_back(position);
    }

    pub fn tried(&mut self, tried: Tried) {
        if self.tried.len() == ATTEMPTS_KEPT {
            self.tried.pop_front();
        }
        self.tried.push_back(tried);
    }
}

impl Board {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Figures {
    /// All destinations, by id.
    pub fn all(&self) -> Vec<DestinationFigures> {
        self.boards().iter().map(|board| board.figures()).collect()
    }

    pub fn of(&self, id: &DestinationId) -> Option<DestinationFigures> {
        let board = lock(&self.boards).get(id).cloned();
        board.map(|board| board.figures())
    }

    /// The latest tries for an event, at every destination, oldest first. Remembers 10,000 tries per destination, since
    /// the program's start.
    pub fn attempts_of(&self, message_id: &str) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = self.boards().iter().flat_map(|board| board.attempts_of(message_id)).collect();
        attempts.sort_by_key(|attempt| attempt.at);
        attempts
    }

    /// Whether a filter of the destination left out the event at this position. Remembers 10,000 events per destination,
    /// since the program's start.
    pub fn left_out(&self, id: &DestinationId, position: Position) -> bool {
        let board = lock(&self.boards).get(id).cloned();
        board.is_some_and(|board| board.lock().left_out.contains(&position))
    }

    /// The board of a destination; a new one begins with `progress`.
    pub(crate) fn board(&self, id: &DestinationId, progress: Progress) -> Arc<Board> {
        let mut boards = lock(&self.boards);
        let board = boards.entry(id.clone()).or_insert_with(|| {
            let state = State {
                progress: progress.clone(),
                in_memory: 0,
                refused: None,
                last_error: None,
                tried: VecDeque::new(),
                left_out: VecDeque::new(),
            };
            Arc::new(Board { id: id.clone(), state: Mutex::new(state) })
        });
        let mut state = board.lock();
        state.progress = progress;
        state.in_memory = 0;
        drop(state);
        Arc::clone(board)
    }

    /// A destination that is there and can't run yet.
    pub(crate) fn failed(&self, id: &DestinationId, error: String) {
        let board = lock(&self.boards).get(id).cloned();
        let board = board.unwrap_or_else(|| self.board(id, Progress::new(Position(0))));
        board.lock().last_error = Some(error);
    }

    pub(crate) fn forget(&self, id: &DestinationId) {
        lock(&self.boards).remove(id);
    }

    fn boards(&self) -> Vec<Arc<Board>> {
        lock(&self.boards).values().cloned().collect()
    }
}

impl Board {
    fn figures(&self) -> DestinationFigures {
        let state = self.lock();
        let progress = &state.progress;
        let hours = progress.hours.iter();
        DestinationFigures {
            id: self.id.clone(),
            from: progress.from,
            position: progress.position,
            off: progress.off,
            totals: progress.totals(),
            hours: hours
                .map(|((source, hour), counts)| HourFigures { source: *source, hour: hour.begin(), counts: *counts })
                .collect(),
            earlier: progress.earlier,
            in_memory: state.in_memory,
            refused: state.refused,
            last_error: state.last_error.clone(),
        }
    }

    fn attempts_of(&self, message_id: &str) -> Vec<Attempt> {
        let state = self.lock();
        let tried = state.tried.iter().filter(|tried| &*tried.message_id == message_id);
        tried
            .map(|tried| Attempt {
                destination: self.id.clone(),
                at: tried.at,
                position: tried.position,
                attempt: tried.attempt,
                host: tried.granted.as_ref().map(|granted| granted.host()),
                address: tried.address,
                country: tried.granted.as_ref().map(|granted| granted.country()),
                rule: tried.granted.as_ref().map(|granted| granted.rule().to_string()),
                status: tried.status,
                error: tried.error,
                took_ms: tried.took_ms,
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
