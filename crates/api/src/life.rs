//! The life of an event: every place where a messageId was accepted, and what became of it there.
//!
//! Reads forward through the last million events of the log: the hash that dedup knows an event by is all that is looked
//! at, so that no event is parsed that is not asked for.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::live::{Seen, SourceNames, seen};
use domicile_event::{Stamp, field, text};
use domicile_ledger::Outcome;
use domicile_log::{Accepted, EventFrame, EventKey, Position};
use domicile_process::event_key;
use domicile_workspace::SourceNumber;
use domicile_world::Millis;
use std::collections::HashMap;

/// How far back is looked, in events.
const BACK_MAX: u64 = 1_000_000;
/// How many events that are not decided yet are looked through.
const UNDECIDED_MAX: u64 = 100_000;
/// Occurrences of one messageId that are told.
const FOUND_MAX: usize = 100;

/// One place where the messageId was accepted.
pub(crate) struct Found {
    pub source: SourceNumber,
    pub received_at: Millis,
    pub seen: Seen,
    /// Accepted, and not decided yet: `seen.outcome` says nothing.
    pub undecided: bool,
}

/// What was found, and the positions that were looked through.
pub(crate) struct Search {
    pub found: Vec<Found>,
    pub from: Position,
    pub until: Position,
}

/// Looks for `message_id` among the workspace's sources. Reads files for as long as there are events to read.
pub(crate) fn search(cell: &Cell, names: &SourceNames, message_id: &str) -> Result<Search, ApiError> {
    let keys: HashMap<EventKey, SourceNumber> =
        names.numbers().map(|number| (event_key(number, message_id), number)).collect();
    let end = cell.events.end();
    let from = Position(end.0.saturating_sub(BACK_MAX)).max(cell.events.start());
    let mut found = Vec::new();
    let mut reader = cell.events.reader("an event's life", from)?;
    while found.len() < FOUND_MAX && reader.position() < end {
        let Some(frame) = reader.next()? else { break };
        reader.release(reader.position());
        let EventFrame::Decided(decided) = frame else { continue };
        let is_it = |key: Option<EventKey>| key.and_then(|key| keys.get(&key)) == Some(&decided.source);
        if !decided.decisions().any(|(_, decision)| is_it(decision.key)) {
            continue;
        }
        let here: Vec<Position> =
            decided.decisions().filter(|(_, decision)| is_it(decision.key)).map(|(position, _)| position).collect();
        for seen in seen(&decided, names, decided.span.first).into_iter().filter(|seen| here.contains(&seen.position)) {
            let (source, received_at) = (decided.source, decided.received_at);
            found.push(Found { source, received_at, seen, undecided: false });
        }
    }
    let until = search_undecided(cell, names, message_id, reader.position(), &mut found)?;
    Ok(Search { found, from, until })
}

/// Looks through what is accepted and not decided. Gives where it stopped.
fn search_undecided(
    cell: &Cell,
    names: &SourceNames,
    message_id: &str,
    decided: Position,
    found: &mut Vec<Found>,
) -> Result<Position, ApiError> {
    let end = cell.accepted.end().min(decided.plus(UNDECIDED_MAX));
    let mut reader = cell.accepted.reader(decided)?;
    while found.len() < FOUND_MAX && reader.position() < end {
        let Some(accepted) = reader.next()? else { break };
        reader.release(reader.position());
        let Some((source_id, source_slug)) = names.get(accepted.receipt.source) else { continue };
        for position in occurrences(&accepted, message_id) {
            let receipt = &accepted.receipt;
            let seen = Seen {
                position,
                source_id: source_id.to_owned(),
                source_slug: source_slug.to_owned(),
                received_at: Stamp::of(receipt.received_at.0).as_str().to_owned(),
                point: receipt.point.to_string(),
                client: receipt.client.map(|address| address.to_string()),
                outcome: Outcome::Kept,
                reason: domicile_ledger::Reason::None,
                first: None,
                event: None,
            };
            found.push(Found { source: receipt.source, received_at: receipt.received_at, seen, undecided: true });
        }
    }
    Ok(reader.position())
}

fn occurrences(accepted: &Accepted, message_id: &str) -> Vec<Position> {
    let is_it = |item: &std::ops::Range<u32>| {
        let raw = accepted.body().get(item.start as usize..item.end as usize)?;
        let id = text(field(raw, &["messageId"])?)?;
        (id == message_id).then_some(())
    };
    let items = accepted.envelope.items.iter().enumerate();
    items.filter(|(_, item)| is_it(item).is_some()).map(|(n, _)| accepted.span.first.plus(n as u64)).collect()
}
