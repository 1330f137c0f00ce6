//! `GET /events/live` and `GET /events/{messageId}`. Both show payload, and are on the audit trail.

use crate::answer::{ApiError, data};
use crate::cell::Cell;
use crate::contract::{Answered, Ask, ID, Needs, Object, Of, Operation, Schema, get, list, may, need, text};
use crate::life::{self, Found};
use crate::live::{LiveEvents, SourceNames};
use crate::sent;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use domicile_archive::object_of;
use domicile_control::{Area, Level, Resource};
use domicile_ledger::Outcome;
use domicile_log::{Position, entry_of};
use domicile_workspace::{SourceId, WorkspaceId};
use futures::FutureExt;
use http::{HeaderValue, header};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longer than any messageId that the tracking API takes.
const MESSAGE_ID_BYTES_MAX: usize = 1_024;

const POSITION: Schema = Schema::Count { min: 0, max: i64::MAX };
static OCCURRENCE: Object = Object {
    name: "EventOccurrence",
    fields: &[
        need("position", POSITION),
        need("sourceId", ID),
        need("sourceSlug", ID),
        need("accepted", Schema::Map).about("Where, when and from which address it was taken."),
        need("decided", Schema::Null(&Schema::Map)).about("Null: not yet."),
        need("recorded", Schema::Null(&Schema::Map))
            .about("The entry of the ledger that it is in, and its receipt. Null: not yet."),
        need("stored", Schema::Null(&Schema::Map)).about("The archive's object."),
        need("sent", list(&Schema::Map, 1_000)).about("By destination: what became of it, and each try."),
        need("event", Schema::Any),
    ],
};
static EVENT: Object = Object {
    name: "EventLife",
    fields: &[
        need("messageId", text(MESSAGE_ID_BYTES_MAX)),
        need("occurrences", list(&Schema::Object(&OCCURRENCE), 100)),
    ],
};
static SEARCHED: Object = Object { name: "Searched", fields: &[need("from", POSITION), need("until", POSITION)] };
static LIFE: Object =
    Object { name: "", fields: &[need("event", Schema::Object(&EVENT)), need("searched", Schema::Object(&SEARCHED))] };

pub(crate) static OPERATIONS: &[Operation] = &[
    get("streamEvents", "/events/live", "Events as they are decided, as server-sent events. On the audit trail.")
        .needs(READ)
        .query(&[
            may("source", ID).about("The id or slug of one source."),
            may("from", POSITION).about("The first position; the end of the log when it is not given."),
        ])
        .answer(Answered::Events)
        .wait(|cell, ask| live(cell, ask).boxed()),
    get(
        "getEvent",
        "/events/{messageId}",
        "The life of an event: accepted, decided, stored, sent, where and when. On the audit trail.",
    )
    .needs(READ)
    .data(&LIFE)
    .wait(|cell, ask| life(cell, ask).boxed()),
];

const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Any)];

/// `Last-Event-ID` goes on behind that position.
async fn live(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let asked = ask.query_count("from").and_then(|from| u64::try_from(from).ok()).map(Position);
    let last = ask.headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let from = last.map(|last: u64| Position(last.saturating_add(1))).or(asked);
    let only = ask.query("source").map(str::to_owned);
    let opened = Arc::clone(&cell);
    let open = move |_: &Cell| LiveEvents::open(&opened, ask.caller.scope, only, from);
    Ok(stream(cell.blocking(open).await?))
}

/// A stream of server-sent events as an answer.
pub fn stream(live: LiveEvents) -> Response {
    let mut response = Body::from_stream(live.pieces()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies must pass each event on as it comes.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// For each place where the messageId was accepted.
async fn life(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let message_id = ask.id("messageId").to_owned();
    if message_id.len() > MESSAGE_ID_BYTES_MAX {
        return Err(Resource::Event.into());
    }
    let (wanted, workspace) = (message_id.clone(), ask.caller.scope.workspace.clone());
    let search = move |cell: &Cell| {
        let scope = &ask.caller.scope;
        cell.control.note_view(&scope.actor, &scope.workspace, "event", &wanted)?;
        let names = SourceNames::of(cell, scope)?;
        life::search(cell, &names, &wanted)
    };
    let search = cell.blocking(search).await?;
    if search.found.is_empty() {
        return Err(Resource::Event.into());
    }
    let mut occurrences = Vec::with_capacity(search.found.len());
    let attempts = cell.figures.attempts_of(&message_id);
    let recorded = recorded(&cell, &search.found, workspace).await?;
    for (found, recorded) in search.found.iter().zip(recorded) {
        let sent = if found.is_kept() { sent::of(&cell, found, &attempts) } else { Vec::new() };
        occurrences.push(occurrence(&cell, found, recorded, sent).await);
    }
    Ok(data(json!({
        "event": { "messageId": message_id, "occurrences": occurrences },
        "searched": { "from": search.from.0, "until": search.until.0 },
    }))
    .into_response())
}

async fn occurrence(cell: &Cell, found: &Found, recorded: Value, sent: Vec<Value>) -> Value {
    let seen = found.seen.shown();
    let decided = json!({
        "outcome": seen["outcome"],
        "reason": seen["reason"],
        "firstPosition": seen["firstPosition"],
    });
    json!({
        "position": seen["position"],
        "sourceId": seen["sourceId"],
        "sourceSlug": seen["sourceSlug"],
        "accepted": {
            "point": seen["point"],
            "receivedAt": seen["receivedAt"],
            "clientAddress": seen["clientAddress"],
        },
        "decided": if found.undecided { Value::Null } else { decided },
        "recorded": recorded,
        "stored": stored(cell, found).await,
        "sent": sent,
        "event": found.seen.event.as_deref().map(tree),
    })
}

/// Where the ledger has each: the index of its entry, and the path of its receipt.
async fn recorded(cell: &Arc<Cell>, found: &[Found], workspace: WorkspaceId) -> Result<Vec<Value>, ApiError> {
    let positions: Vec<Position> = found.iter().map(|found| found.seen.position).collect();
    let look = move |cell: &Cell| {
        let one = |position: Position| match entry_of(&cell.ledger, &workspace, position) {
            Ok(Some((index, _))) => json!({ "entry": index, "receipt": format!("/api/ledger/receipts/{position}") }),
            Ok(None) => Value::Null,
            Err(error) => {
                tracing::warn!(%error, "the ledger could not be read");
                Value::Null
            }
        };
        Ok(positions.into_iter().map(one).collect())
    };
    cell.blocking(look).await
}

/// An event as a part of the answer. One that no tree of values can hold (`1e999`, hundreds of nested lists) is shown as its
/// text.
fn tree(event: &RawValue) -> Value {
    serde_json::from_str(event.get()).unwrap_or_else(|_| Value::from(event.get()))
}

/// Where the archive has a kept event: `{"state": "delivered", "object": NAME}`, or that it waits.
async fn stored(cell: &Cell, found: &Found) -> Value {
    if !found.is_kept() {
        return Value::Null;
    }
    let position = found.seen.position;
    let source = SourceId::new(found.seen.source_id.as_str());
    let object = object_of(&*cell.archive.store, &source, found.received_at, position).await;
    match object {
        Ok(Some(object)) => json!({ "state": "delivered", "object": object }),
        Ok(None) if position < *cell.archive.progress.borrow() => json!({ "state": "delivered", "object": null }),
        Ok(None) => json!({ "state": "waiting", "object": null }),
        Err(error) => {
            tracing::warn!(%error, "the archive could not be asked");
            json!({ "state": "unknown", "object": null })
        }
    }
}

impl Found {
    fn is_kept(&self) -> bool {
        !self.undecided && self.seen.outcome == Outcome::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_no_tree_can_hold_is_shown_as_its_text() {
        let deep = format!("{{\"n\":{}{}}}", "[".repeat(300), "]".repeat(300));
        for (event, is_tree) in [("{\"n\":1}", true), ("{\"n\":1e999}", false), (&deep, false)] {
            let raw = RawValue::from_string(event.to_owned()).expect("is JSON");
            assert_eq!(tree(&raw).is_object(), is_tree);
            assert!(tree(&raw).as_str().is_none_or(|text| text == event));
        }
    }
}
