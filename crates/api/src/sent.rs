//! Where a kept event was sent: a part of its life.

use crate::cell::Cell;
use crate::life::Found;
use domicile_destinations::{Attempt, DestinationFigures};
use domicile_event::Stamp;
use domicile_workspace::Destination;
use serde_json::{Value, json};

/// One event at one destination. The words are the balance sheet's, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Decided before the destination existed.
    Before,
    Waiting,
    Delivered,
    Dead,
    /// Left out by one of the destination's filters.
    Filtered,
    /// Delivered, dead, off or filtered; which of them is not remembered since the program's start.
    Settled,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Filtered => "filtered",
            Self::Settled => "settled",
        }
    }

    fn of(found: &Found, figures: &DestinationFigures, last: Option<&Attempt>, left_out: bool) -> Self {
        let position = found.seen.position;
        let took = last.and_then(|attempt| attempt.status).is_some_and(|status| (200..300).contains(&status));
        match last {
            _ if position < figures.from => Self::Before,
            Some(_) if took => Self::Delivered,
            _ if left_out => Self::Filtered,
            _ if position >= figures.position => Self::Waiting,
            Some(_) => Self::Dead,
            None => Self::Settled,
        }
    }
}

/// Each destination of the event's source: what became of the event there, and the tries that are remembered.
pub(crate) fn of(cell: &Cell, found: &Found, attempts: &[Attempt]) -> Vec<Value> {
    let snapshot = cell.control.current().load();
    let of_source = |destination: &&std::sync::Arc<Destination>| {
        snapshot.source(&destination.source).is_some_and(|source| source.number == found.source)
    };
    let show = |destination: &std::sync::Arc<Destination>| {
        let figures = cell.figures.of(&destination.id)?;
        let is_its =
            |attempt: &&Attempt| attempt.destination == destination.id && attempt.position == found.seen.position;
        let tries: Vec<&Attempt> = attempts.iter().filter(is_its).collect();
        let left_out = cell.figures.left_out(&destination.id, found.seen.position);
        let state = State::of(found, &figures, tries.last().copied(), left_out);
        Some(json!({
            "destinationId": destination.id.as_str(),
            "name": destination.name,
            "state": state.as_str(),
            "refused": figures.refused.filter(|_| state == State::Waiting),
            "attempts": tries.into_iter().map(show_attempt).collect::<Vec<_>>(),
        }))
    };
    snapshot.destinations.values().filter(of_source).filter_map(show).collect()
}

fn show_attempt(attempt: &Attempt) -> Value {
    json!({
        "attempt": attempt.attempt,
        "at": Stamp::of(attempt.at.0).as_str(),
        "host": attempt.host,
        "address": attempt.address.map(|address| address.to_string()),
        "country": attempt.country.map(|country| country.to_string()),
        "rule": attempt.rule,
        "status": attempt.status,
        "error": attempt.error,
        "tookMs": attempt.took_ms,
    })
}
