//! From a request to an answer: who asks, may they, is it well formed, do it.
//!
//! ```text
//! request ──► token ──► rate ──► role ──► body ≤ 1 MiB ──► Ask::read ──► one transaction: roles, the handler ──► answer
//!              401       429      403        413            400, 422            403, 404, 409, 412
//! ```
//!
//! The caller's roles are checked inside the transaction that does the work, so that a role taken away meanwhile counts;
//! what waits for something else than the store is checked before it waits.

use super::ask::{Ask, Caller};
use super::operation::{Answer, Answered, ChangeFn, Group, Needs, Of, Operation, Run, Verb};
use crate::answer::ApiError;
use crate::cell::Cell;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Router, extract::State};
use bytes::Bytes;
use domicile_control::{Answered as Kept, Area, LabelValue, Level, Resource, Scope, View};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The routes of a table.
pub(crate) fn routes(groups: impl Iterator<Item = &'static Group>) -> Router<Arc<Cell>> {
    let mut by_path: BTreeMap<&'static str, MethodRouter<Arc<Cell>>> = BTreeMap::new();
    for operation in groups.flat_map(|group| group.operations) {
        // The document is in the table, and has no handler of this kind.
        if matches!(operation.answer, Answered::Document) {
            continue;
        }
        let so_far = by_path.remove(operation.path).unwrap_or_default();
        by_path.insert(operation.path, so_far.merge(route(operation)));
    }
    by_path.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}

fn route(operation: &'static Operation) -> MethodRouter<Arc<Cell>> {
    let filter = match operation.verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Delete => MethodFilter::DELETE,
    };
    on(filter, move |State(cell): State<Arc<Cell>>, path: Result<RawPathParams, RawPathParamsRejection>, request: Request| async move {
        let Ok(path) = path else {
            return ApiError::malformed("the path is not UTF-8 when decoded").into_response();
        };
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut limits = HeaderMap::new();
        let answer = serve(operation, &cell, path, request, &mut limits).await;
        let mut response = answer.unwrap_or_else(IntoResponse::into_response);
        response.headers_mut().extend(limits);
        response
    })
    .layer(DefaultBodyLimit::max(operation.body_bytes_max))
}

async fn serve(
    operation: &'static Operation,
    cell: &Arc<Cell>,
    path: Vec<(String, String)>,
    request: Request,
    limits: &mut HeaderMap,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let bearer = bearer(&parts.headers).ok_or_else(ApiError::unauthenticated)?.to_owned();
    let scope = cell.blocking(move |cell| Ok(cell.control.scope_of_token(&bearer)?)).await?;
    let caller = Caller { scope: scope.ok_or_else(ApiError::unauthenticated)? };
    let (now, wall) = (cell.world.clock.monotonic(), cell.world.clock.now());
    match cell.limits.take(&caller.scope.id, operation.id, operation.per_minute, now) {
        Ok(taken) => taken.show(limits, wall),
        Err(exceeded) => {
            exceeded.show(limits, wall);
            return Err(ApiError::too_many(exceeded.message(), exceeded.data()));
        }
    }
    admitted(operation, &caller.scope)?;
    let body = read_body(operation, Request::from_parts(parts.clone(), body)).await?;
    let mut ask = Ask::read(operation, caller, path, parts.uri.query(), parts.headers, &body)?;
    match operation.run {
        Run::View(run) => {
            let answer = cell
                .blocking(move |cell| {
                    cell.control.view(|view| {
                        authorize(operation, view, &mut ask)?;
                        run(view, cell, &ask)
                    })
                })
                .await?;
            Ok(answered(operation, answer))
        }
        Run::Change(run) => cell.blocking(move |cell| change(operation, cell, ask, run)).await,
        Run::Rehearsal(run) => {
            let answer = cell.blocking(move |cell| rehearse(operation, cell, ask, run)).await?;
            Ok(answered(operation, answer))
        }
        Run::Wait(run) => {
            let ask = cell
                .blocking(move |cell| {
                    cell.control.view(|view| authorize(operation, view, &mut ask))?;
                    Ok(ask)
                })
                .await?;
            run(Arc::clone(cell), ask).await
        }
    }
}

fn change(operation: &'static Operation, cell: &Cell, mut ask: Ask, run: ChangeFn) -> Result<Response, ApiError> {
    let by = ask.caller.scope.actor.clone();
    let Some(once) = ask.once.take() else {
        let answer = cell.control.change(&by, |change| {
            authorize(operation, change, &mut ask)?;
            run(change, cell, &ask)
        })?;
        return Ok(answered(operation, answer));
    };
    let Kept { body, replayed, .. } = cell.control.change(&by, |change| {
        authorize(operation, change, &mut ask)?;
        change.once(&once, |change| {
            let answer = run(change, cell, &ask)?;
            Ok::<_, ApiError>((operation.answer.status().as_u16(), answer.kept()))
        })
    })?;
    let mut response = answered(operation, Answer::from_kept(&body)?);
    if replayed {
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn rehearse(operation: &Operation, cell: &Cell, mut ask: Ask, run: ChangeFn) -> Result<Answer, ApiError> {
    let by = ask.caller.scope.actor.clone();
    cell.control.rehearse(&by, |change| {
        authorize(operation, change, &mut ask)?;
        run(change, cell, &ask)
    })
}

fn answered(operation: &Operation, answer: Answer) -> Response {
    let mut response = json_response(operation.answer.status(), json!({ "data": answer.data }).to_string().into());
    if let Some(tag) = answer.version.and_then(|version| HeaderValue::try_from(format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, Body::from(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

async fn read_body(operation: &Operation, request: Request) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(operation.body_bytes_max),
        _ => ApiError::malformed("the body could not be read to its end"),
    })
}

/// Whether the caller has a role of the kind that the operation needs, for anything at all. Looked at before the body is
/// read, so that who may not ask learns nothing from what is said about the request.
fn admitted(operation: &Operation, scope: &Scope) -> Result<(), ApiError> {
    operation.needs.iter().try_for_each(|needs| admits(needs, scope))
}

fn admits(needs: &Needs, scope: &Scope) -> Result<(), ApiError> {
    match needs {
        Needs::Operator | Needs::OrOperator(_) if scope.is_operator() => Ok(()),
        Needs::OrOperator(needs) => admits(needs, scope),
        Needs::Operator => Err(ApiError::forbidden("the operator")),
        // An operator's token runs the cell; it opens no workspace.
        _ if scope.is_operator() => Err(ApiError::forbidden("a workspace's token")),
        Needs::Token => Ok(()),
        Needs::Owner if scope.grants.is_owner() => Ok(()),
        Needs::Owner => Err(ApiError::forbidden("Workspace Owner")),
        Needs::Role(area, level, of) => {
            let reach = scope.grants.reach(*area, *level);
            if reach.is_empty() || (*of == Of::All && !reach.is_whole()) { Err(lacks(*area, *level)) } else { Ok(()) }
        }
    }
}

fn lacks(area: Area, level: Level) -> ApiError {
    ApiError::forbidden(&format!("a role for {} of {}", area.plural(), level.word()))
}

/// Whether the caller's roles, as they are in this state of the store, allow the operation on what it names.
///
/// A thing that the caller may not even read is not there for them: 404. One that they may read and not change: 403.
fn authorize(operation: &Operation, view: &View<'_>, ask: &mut Ask) -> Result<(), ApiError> {
    // A body may take its time: the token may have ended, or lost a role, since it was looked up.
    ask.caller.scope = view.scope_again(&ask.caller.scope)?.ok_or_else(ApiError::unauthenticated)?;
    admitted(operation, &ask.caller.scope)?;
    let (ask, scope) = (&*ask, &ask.caller.scope);
    if scope.is_operator() {
        return Ok(());
    }
    for needs in operation.needs {
        let needs = if let Needs::OrOperator(needs) = needs { needs } else { needs };
        let Needs::Role(area, level, of) = *needs else { continue };
        let reach = scope.grants.reach(area, level);
        if reach.is_whole() {
            continue;
        }
        let id = match of {
            Of::All | Of::Any => continue,
            Of::One(name) => ask.id(name).to_owned(),
            Of::BodySource(field) => ask.text(field).unwrap_or_default().to_owned(),
            Of::Destination(name) => view.source_of_destination(&scope.workspace, ask.id(name))?.to_string(),
        };
        covered(view, ask, area, level, &id)?;
    }
    Ok(())
}

/// Whether the caller's roles reach one thing, for handlers that find it only on the way.
pub(crate) fn covered(view: &View<'_>, ask: &Ask, area: Area, level: Level, id: &str) -> Result<(), ApiError> {
    let scope = &ask.caller.scope;
    let reach = scope.grants.reach(area, level);
    if reach.is_whole() {
        return Ok(());
    }
    let labels: Vec<LabelValue> = view.labels_of(&scope.workspace, id)?;
    if reach.covers(id, &labels) {
        return Ok(());
    }
    let readable = scope.grants.reach(area, Level::Read).covers(id, &labels);
    Err(if readable { lacks(area, level) } else { Resource::Thing.into() })
}
