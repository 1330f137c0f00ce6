//! `GET /events/live` and `GET /events/{messageId}`. Both show payload, and are on the audit trail.

use crate::answer::{ApiError, data};
use crate::ask::{Caller, Id, Query};
use crate::cell::Cell;
use crate::life::{self, Found};
use crate::live::{LiveEvents, SourceNames};
use crate::sent;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domicile_archive::object_of;
use domicile_control::Resource;
use domicile_ledger::Outcome;
use domicile_log::Position;
use domicile_workspace::SourceId;
use http::{HeaderMap, HeaderValue, header};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longer than any messageId that the tracking API takes.
const MESSAGE_ID_BYTES_MAX: usize = 1_024;

/// `?source=ID-or-slug&from=POSITION`. `Last-Event-ID` goes on behind that position; without either, from now on.
pub(crate) async fn live(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    mut query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let only = query.take("source")?;
    let from = query.take("from")?.map(|text| position("from", &text)).transpose()?;
    query.done()?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let from = last.map(|last: u64| Position(last.saturating_add(1))).or(from);
    let opened = Arc::clone(&cell);
    let open = move |_: &Cell| LiveEvents::open(&opened, caller.scope, only, from);
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

fn position(name: &str, text: &str) -> Result<Position, ApiError> {
    text.parse().map(Position).map_err(|_| ApiError::invalid(name, format!("{name} is not a position")))
}

/// Accepted, decided, stored, sent: where and when, for each place where the messageId was accepted.
pub(crate) async fn life(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Id(message_id): Id,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.done()?;
    if message_id.len() > MESSAGE_ID_BYTES_MAX {
        return Err(Resource::Event.into());
    }
    let wanted = message_id.clone();
    let search = move |cell: &Cell| {
        cell.control.note_view(&caller.actor(), caller.workspace(), "event", &wanted)?;
        let names = SourceNames::of(cell, caller.workspace())?;
        let search = life::search(cell, &names, &wanted)?;
        Ok(search)
    };
    let search = cell.blocking(search).await?;
    if search.found.is_empty() {
        return Err(Resource::Event.into());
    }
    let mut occurrences = Vec::with_capacity(search.found.len());
    let attempts = cell.figures.attempts_of(&message_id);
    for found in &search.found {
        let sent = if found.is_kept() { sent::of(&cell, found, &attempts) } else { Vec::new() };
        occurrences.push(occurrence(&cell, found, sent).await);
    }
    Ok(data(json!({
        "event": { "messageId": message_id, "occurrences": occurrences },
        "searched": { "from": search.from.0, "until": search.until.0 },
    })))
}

async fn occurrence(cell: &Cell, found: &Found, sent: Vec<Value>) -> Value {
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
        "stored": stored(cell, found).await,
        "sent": sent,
        "event": found.seen.event.as_deref().map(tree),
    })
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
