//! Decided events as they come, for one workspace: a stream of server-sent events.
//!
//! ```text
//! event: decided          id: the position; data: one event with what became of it
//! event: missed           data: {"missed": N}: N positions were passed over, because this reader was too slow
//! : still here            every 15 s without an event
//! ```
//!
//! - Each reader has its own place in the event log, and nothing is read ahead of what it takes: a slow one costs disk
//!   reads and no memory, and holds nobody up. One that falls too far behind is set to the end and told how much it missed.
//! - Only events of the workspace's own sources are shown, and how many others there were is not told.
//! - A reader sees what its token or person may see at that moment: with each version of the configuration the scope is
//!   read anew. One whose token ends is cut off with it, and within 15 s when it runs out.

use crate::answer::ApiError;
use crate::cell::Cell;
use bytes::Bytes;
use domicile_control::{Area, Level, Scope, SourceName};
use domicile_event::Stamp;
use domicile_ledger::{Outcome, Reason};
use domicile_log::{Decided, Decision, EventFrame, EventLog, EventReader, Position, ReadError};
use domicile_workspace::{ConfigVersion, SourceNumber};
use futures::Stream;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Live views of one cell at once.
const SEATS: usize = 64;
/// Live views of one token or person at once.
const SEATS_OF_ONE: usize = 8;
/// Positions that a reader may be behind before it is set to the end.
const BEHIND_MAX: u64 = 20_000;
/// Bytes of one piece of the stream, about: a piece ends after the frame that passes it.
const PIECE_BYTES: usize = 128 * 1024;
const FRAMES_PER_PIECE: usize = 64;
const STILL_HERE: Duration = Duration::from_secs(15);

/// The places of live views: so many in all, and so many for one token or person. And the one place of a drill.
#[derive(Clone)]
pub struct LiveSeats {
    all: Arc<Semaphore>,
    drill: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

impl Default for LiveSeats {
    fn default() -> Self {
        let [all, drill] = [SEATS, 1].map(|seats| Arc::new(Semaphore::new(seats)));
        Self { all, drill, taken: Arc::default() }
    }
}

impl LiveSeats {
    /// The place of a drill, until it is dropped.
    pub(crate) fn take_drill(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let seat = Arc::clone(&self.drill).try_acquire_owned();
        seat.map_err(|_| ApiError::busy("another drill is running; try again when it has ended"))
    }

    /// A place for a token or person, until it is dropped.
    pub(crate) fn take(&self, who: &str) -> Result<Seat, ApiError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(who).is_some_and(|own| *own >= SEATS_OF_ONE) {
            let message =
                format!("this token or person has {SEATS_OF_ONE} live views open, and may have no more; close one");
            return Err(ApiError::busy(&message));
        }
        let Ok(seat) = Arc::clone(&self.all).try_acquire_owned() else {
            return Err(ApiError::busy("all places for live views are taken; try again later"));
        };
        *taken.entry(who.to_owned()).or_default() += 1;
        Ok(Seat { _seat: seat, taken: Arc::clone(&self.taken), who: who.to_owned() })
    }
}

pub(crate) struct Seat {
    _seat: OwnedSemaphorePermit,
    taken: Arc<Mutex<HashMap<String, usize>>>,
    who: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

/// Ids and slugs by source number, of one workspace; deleted sources too.
#[derive(Clone, Default)]
pub struct SourceNames(HashMap<SourceNumber, (String, String)>);

impl SourceNames {
    /// Those that the caller may see. May wait for the disk.
    pub fn of(cell: &Cell, scope: &Scope) -> Result<Self, ApiError> {
        let names = seen_sources(cell, scope)?;
        let by_number = names.into_iter().map(|name| (name.number, (name.id.to_string(), name.slug)));
        Ok(Self(by_number.collect()))
    }

    pub(crate) fn get(&self, number: SourceNumber) -> Option<(&str, &str)> {
        self.0.get(&number).map(|(id, slug)| (id.as_str(), slug.as_str()))
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = SourceNumber> {
        self.0.keys().copied()
    }
}

/// The sources, deleted ones too, that the caller's roles reach.
pub(crate) fn seen_sources(cell: &Cell, scope: &Scope) -> Result<Vec<SourceName>, ApiError> {
    let reach = scope.grants.reach(Area::Source, Level::Read);
    cell.control.view(|view| {
        let mut names = view.source_names(&scope.workspace)?;
        if !reach.is_whole() {
            let labels = view.labels_of_sources(&scope.workspace)?;
            names.retain(|name| reach.covers(name.id.as_str(), labels.of(name.id.as_str())));
        }
        Ok(names)
    })
}

/// One decided event, as people see it.
pub struct Seen {
    pub position: Position,
    pub source_id: String,
    pub source_slug: String,
    pub received_at: String,
    pub point: String,
    pub client: Option<String>,
    pub outcome: Outcome,
    pub reason: Reason,
    /// For a duplicate: the event that was kept instead.
    pub first: Option<Position>,
    /// The finished JSON object of a kept event.
    pub event: Option<Box<RawValue>>,
}

impl Seen {
    /// The shape of a live event.
    pub fn shown(&self) -> Value {
        json!({
            "position": self.position.0,
            "sourceId": self.source_id,
            "sourceSlug": self.source_slug,
            "receivedAt": self.received_at,
            "point": self.point,
            "clientAddress": self.client,
            "outcome": self.outcome.as_str(),
            "reason": if self.reason == Reason::None { None } else { Some(self.reason.as_str()) },
            "firstPosition": self.first.map(|first| first.0),
        })
    }

    /// One server-sent event. The customer's JSON goes through byte for byte; it has no line break.
    fn write(&self, out: &mut String) {
        let mut shown = self.shown().to_string();
        shown.pop();
        out.push_str(&format!("event: decided\nid: {}\ndata: {shown},\"event\":", self.position));
        out.push_str(self.event.as_ref().map_or("null", |event| event.get()));
        out.push_str("}\n\n");
    }
}

/// Those events of a frame that are `names`' and at or behind `from`.
pub(crate) fn seen(decided: &Decided, names: &SourceNames, from: Position) -> Vec<Seen> {
    let Some((source_id, source_slug)) = names.get(decided.source) else { return Vec::new() };
    let mut kept: HashMap<Position, &[u8]> = decided.kept().collect();
    let see = |(position, decision): (Position, &Decision)| Seen {
        position,
        source_id: source_id.to_owned(),
        source_slug: source_slug.to_owned(),
        received_at: Stamp::of(decided.received_at.0).as_str().to_owned(),
        point: decided.point.to_string(),
        client: decided.client.map(|address| address.to_string()),
        outcome: decision.outcome,
        reason: decision.reason,
        first: decision.first,
        event: kept.remove(&position).and_then(raw),
    };
    decided.decisions().filter(|(position, _)| *position >= from).map(see).collect()
}

fn raw(json: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(json).ok().filter(|text| !text.contains(['\n', '\r']))?;
    RawValue::from_string(text.to_owned()).ok()
}

/// The newest events of a workspace among the last `positions` of the log, oldest first, at most `events`. Reads files.
pub fn recent(log: &EventLog, names: &SourceNames, positions: u64, events: usize) -> Result<Vec<Seen>, ReadError> {
    let end = log.end();
    let from = Position(end.0.saturating_sub(positions)).max(log.start());
    let mut reader = log.reader("recent events", from)?;
    let mut found = std::collections::VecDeque::new();
    while reader.position() < end {
        match reader.next()? {
            None => break,
            Some(EventFrame::Mark(_)) => {}
            Some(EventFrame::Decided(decided)) => found.extend(seen(&decided, names, from)),
        }
        while found.len() > events {
            found.pop_front();
        }
    }
    Ok(found.into())
}

/// What a live view shows.
pub struct LiveEvents {
    cell: Arc<Cell>,
    scope: Scope,
    names: SourceNames,
    /// The configuration that scope and names are of, at least.
    learned_at: ConfigVersion,
    /// Only the source with this id or slug.
    only: Option<String>,
    reader: EventReader,
    /// Nothing before it is shown.
    from: Position,
    checked_at: Duration,
    _seat: Seat,
}

impl LiveEvents {
    /// Takes a place and begins at `from`, or at the end of the log. Notes on the audit trail that this workspace's events
    /// are looked at. `scope`: what the request was let in with; it is read anew. May wait for the disk.
    pub fn open(
        cell: &Arc<Cell>,
        scope: Scope,
        only: Option<String>,
        from: Option<Position>,
    ) -> Result<Self, ApiError> {
        let seat = cell.live.take(&scope.id)?;
        // The version comes first: what changes after it is learned with the next one.
        let learned_at = cell.control.current().load().version;
        let Some(scope) = cell.control.scope_again(&scope)? else { return Err(ApiError::unauthenticated()) };
        let names = SourceNames::of(cell, &scope)?;
        let end = cell.events.end();
        // Not so far back that it would be set to the end at once.
        let earliest = Position(end.0.saturating_sub(BEHIND_MAX)).max(cell.events.start());
        let from = from.map_or(end, |from| from.clamp(earliest, end));
        let reader = cell.events.reader("live view", from)?;
        cell.control.note_view(&scope.actor, &scope.workspace, "events", only.as_deref().unwrap_or("live"))?;
        let checked_at = cell.world.clock.monotonic();
        Ok(Self { cell: Arc::clone(cell), scope, names, learned_at, only, reader, from, checked_at, _seat: seat })
    }

    /// The stream's pieces, until the log is closed or the token ends.
    pub fn pieces(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
        futures::stream::unfold(self, |live| async {
            let (piece, live) = live.next().await?;
            Some((Ok(piece), live))
        })
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let piece = self.read();
                (piece, self)
            });
            let piece;
            (piece, self) = read.await.ok()?;
            match piece {
                // An error was logged where it arose; the viewer sees the stream end, and may open it again.
                Err(_) | Ok(None) => return None,
                Ok(Some(piece)) if !piece.is_empty() => return Some((Bytes::from(piece), self)),
                Ok(Some(_)) => {}
            }
            if self.reader.position() < self.cell.events.end() {
                continue;
            }
            let still_here = self.cell.world.clock.sleep(STILL_HERE);
            tokio::select! {
                more = self.reader.more() => if !more { return None },
                () = still_here => return Some((Bytes::from_static(b": still here\n\n"), self)),
            }
        }
    }

    /// Reads scope and names anew when the configuration is another, or it is time to. Whether the scope holds.
    fn learn(&mut self) -> Result<bool, ApiError> {
        let (now, version) = (self.cell.world.clock.monotonic(), self.cell.control.current().load().version);
        if self.learned_at == version && now.saturating_sub(self.checked_at) < STILL_HERE {
            return Ok(true);
        }
        let Some(scope) = self.cell.control.scope_again(&self.scope)? else { return Ok(false) };
        self.checked_at = now;
        if self.learned_at != version || self.scope != scope {
            self.names = SourceNames::of(&self.cell, &scope)?;
            (self.scope, self.learned_at) = (scope, version);
        }
        Ok(true)
    }

    /// Reads the next piece; empty when nothing of it is to be shown; `None` when the token has ended.
    fn read(&mut self) -> Result<Option<String>, ApiError> {
        if !self.learn()? {
            return Ok(None);
        }
        let mut piece = String::new();
        let end = self.cell.events.end();
        let behind = end.0.saturating_sub(self.reader.position().0);
        if behind > BEHIND_MAX {
            self.reader = self.cell.events.reader("live view", end)?;
            self.from = end;
            piece.push_str(&format!("event: missed\ndata: {{\"missed\":{behind}}}\n\n"));
        }
        for _ in 0..FRAMES_PER_PIECE {
            let Some(frame) = self.reader.next()? else { break };
            let EventFrame::Decided(decided) = frame else { continue };
            // A piece takes as long as its reader: what was changed meanwhile counts.
            if !self.learn()? {
                return Ok(None);
            }
            for seen in seen(&decided, &self.names, self.from) {
                if self.only.as_ref().is_none_or(|only| *only == seen.source_id || *only == seen.source_slug) {
                    seen.write(&mut piece);
                }
            }
            if piece.len() >= PIECE_BYTES {
                break;
            }
        }
        // The log may delete what this view has passed.
        self.reader.release(self.reader.position());
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_drill_at_a_time() {
        let seats = LiveSeats::default();
        let first = seats.take_drill().expect("the place is free");
        assert!(seats.clone().take_drill().is_err(), "a clone shares the place");
        drop(first);
        assert!(seats.take_drill().is_ok());
    }
}
