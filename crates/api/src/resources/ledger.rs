//! The region's ledger: its signed head, a workspace's own entries, receipts; for who runs the cell, its files.

use crate::answer::{ApiError, data};
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, Needs, Object, Of, Operation, Schema, any_text, bearer, get, list, may, need, text,
};
use axum::response::{IntoResponse, Response};
use domicile_control::{Area, Level, Resource};
use domicile_ledger::Entry;
use domicile_log::{Position, receipt};
use domicile_region::PointName;
use domicile_workspace::{Source, SourceNumber, WorkspaceId};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;

const INDEX: Schema = Schema::Count { min: 0, max: i64::MAX };
/// Entries of one answer.
const ENTRIES_MAX: i64 = 200;
/// Entries that one request looks through.
const LOOKED_MAX: usize = 20_000;
/// When to ask again for a receipt that is not there yet.
const AGAIN: HeaderValue = HeaderValue::from_static("5");

static HEAD: Object = Object {
    name: "LedgerHead",
    fields: &[
        need("name", text(200)),
        need("key", text(500))
            .about("The public key, as C2SP's signed-note spells it. Keep it: a proof is worth what the key is."),
        need("size", INDEX).about("How many entries are signed."),
        need("root", text(100)),
        need("checkpoint", any_text(20_000))
            .about("The signed note. Who keeps it can tell later whether history was changed."),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("ledger", Schema::Object(&HEAD))] };
static ENTRIES: Object = Object {
    name: "",
    fields: &[
        need("entries", list(&Schema::Map, 1_000)).about("Newest first, each with its `index`."),
        need("next", Schema::Null(&INDEX)).about("Give it as `before` to read on; null at the ledger's beginning."),
    ],
};
static RECEIPT: Object = Object { name: "", fields: &[need("receipt", Schema::Map)] };

/// For all sources: entries and receipts name each source of the workspace.
const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::All)];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("getLedger", "/ledger", "The signed head of the region's ledger, and the key that it is signed with.")
        .needs(&[Needs::Token])
        .data(&ONE)
        .view(|_, cell, _| {
            let signed = cell.ledger.signed();
            let checkpoint = String::from_utf8_lossy(&signed.checkpoint).into_owned();
            let (vkey, head) = (cell.ledger.vkey(), signed.head);
            Ok(Answer::of(json!({ "ledger": {
                "name": vkey.name,
                "key": vkey.to_string(),
                "size": head.size,
                "root": head.root.to_string(),
                "checkpoint": checkpoint,
            } })))
        }),
    get(
        "listLedgerEntries",
        "/ledger/entries",
        "The workspace's entries of the ledger and those of the region itself, newest first.",
    )
    .needs(READ)
    .query(&[
        may("before", INDEX).about("Only entries before this index."),
        may("kind", text(40)).about("Only this kind, for example `sent`."),
        may("count", Schema::Count { min: 1, max: ENTRIES_MAX }),
    ])
    .data(&ENTRIES)
    .wait(|cell, ask| entries(cell, ask).boxed()),
    get(
        "getReceipt",
        "/ledger/receipts/{position}",
        "The receipt for the request that a position of the accepted log lies in: a proof that can be checked offline.",
    )
    .needs(READ)
    .data(&RECEIPT)
    .wait(|cell, ask| of_position(cell, ask).boxed()),
];

async fn entries(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let number = |name: &str| ask.query_count(name).and_then(|n| u64::try_from(n).ok());
    let (before, count) = (number("before"), number("count").unwrap_or(50));
    let (kind, workspace) = (ask.query("kind").map(str::to_owned), ask.caller.scope.workspace.to_string());
    let read = move |cell: &Cell| {
        let (mut entries, mut next) = (Vec::new(), None);
        for (looked, entry) in cell.ledger.backwards_from(before.unwrap_or(u64::MAX)).enumerate() {
            let (index, entry) = entry.map_err(|error| unread(&error))?;
            let is_own = entry.what.workspace().is_none_or(|of| of == workspace);
            if is_own && kind.as_ref().is_none_or(|kind| entry.what.kind() == kind) {
                entries.push(shown(index, &entry)?);
            }
            if index > 0 && (entries.len() as u64 == count || looked + 1 == LOOKED_MAX) {
                next = Some(index);
                break;
            }
        }
        Ok(data(json!({ "entries": entries, "next": next })).into_response())
    };
    cell.blocking(read).await
}

fn shown(index: u64, entry: &Entry) -> Result<Value, ApiError> {
    let bytes = entry.to_bytes().map_err(|_| ApiError::internal())?;
    let mut shown: Value = serde_json::from_slice(&bytes).map_err(|_| ApiError::internal())?;
    shown["index"] = json!(index);
    Ok(shown)
}

fn unread(error: &std::io::Error) -> ApiError {
    tracing::error!(%error, "the ledger could not be read");
    ApiError::internal()
}

async fn of_position(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let position = ask.id("position").parse().map(Position).map_err(|_| Resource::Receipt)?;
    let workspace = ask.caller.scope.workspace.clone();
    let found = cell.blocking(move |cell| find(cell, &workspace, None, position)).await?;
    let receipt = found.ok_or(Resource::Receipt)?;
    Ok(data(json!({ "receipt": receipt })).into_response())
}

fn find(
    cell: &Cell,
    workspace: &WorkspaceId,
    source: Option<SourceNumber>,
    position: Position,
) -> Result<Option<Value>, ApiError> {
    let snapshot = cell.control.current().load();
    let found = receipt(&cell.ledger, &cell.accepted, &snapshot, (workspace, source), position)?;
    found.map(|receipt| serde_json::to_value(receipt).map_err(|_| ApiError::internal())).transpose()
}

/// The receipt of a request that a source sent to an ingest point; `place`: where it lies in that point's log. For who has
/// the source's write key.
pub async fn receipt_of_source(cell: Arc<Cell>, source: Arc<Source>, point: String, place: u64) -> Response {
    let found = move |cell: &Cell| {
        let point = PointName::new(point);
        let remote = cell.region.point(&point).ok_or(Resource::Receipt)?.remote;
        let position = if remote { cell.accepted.position_of(&point, Position(place))? } else { Some(Position(place)) };
        match position {
            Some(position) => find(cell, &source.workspace, Some(source.number), position),
            None => Ok(None),
        }
    };
    match cell.blocking(found).await {
        Ok(Some(receipt)) => axum::Json(receipt).into_response(),
        // It may be that of somebody else: nobody is told.
        Ok(None) => {
            let mut answer = ApiError::from(Resource::Receipt).into_response();
            answer.headers_mut().insert(header::RETRY_AFTER, AGAIN);
            answer
        }
        Err(error) => error.into_response(),
    }
}

/// A file of the ledger's folder, for the operator's token: the whole ledger speaks of all workspaces.
pub async fn ledger_file(cell: Arc<Cell>, headers: &HeaderMap, path: String) -> Response {
    let token = bearer(headers).map(str::to_owned);
    let read = move |cell: &Cell| {
        let scope = token.and_then(|token| cell.control.scope_of_token(&token).transpose()).transpose()?;
        if !scope.ok_or_else(ApiError::unauthenticated)?.is_operator() {
            return Err(ApiError::forbidden("the operator"));
        }
        let is_plain = |part: &str| {
            !part.is_empty() && part != ".." && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        };
        let is_tile = path.starts_with("tile/") && path.split('/').all(is_plain);
        if !is_tile && !matches!(path.as_str(), "checkpoint" | "vkey") {
            return Err(ApiError::not_found("path"));
        }
        match cell.ledger.file(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ApiError::not_found("path")),
            Err(error) => Err(unread(&error)),
        }
    };
    match cell.blocking(read).await {
        Ok(bytes) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        Err(error) => error.into_response(),
    }
}
