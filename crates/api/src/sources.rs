//! Sources and write keys.

use crate::answer::{ApiError, data, success};
use crate::ask::{Body, Caller, Id, Ids, Query};
use crate::cell::Cell;
use crate::fields::Fields;
use crate::page::PageAsk;
use crate::shape;
use axum::Json;
use axum::extract::State;
use domicile_control::{NewSource, Resource, SourceChange};
use domicile_region::PointName;
use domicile_workspace::{RateLimit, Source, SourceId, SourceKind, WorkspaceId};
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

type Answer = Result<Json<Value>, ApiError>;

/// A source of the workspace.
pub(crate) fn find(cell: &Cell, workspace: &WorkspaceId, id: &str) -> Result<Arc<Source>, ApiError> {
    let snapshot = cell.control.current().load();
    let found = snapshot.source(&SourceId::new(id)).filter(|source| source.workspace == *workspace);
    found.cloned().ok_or_else(|| Resource::Source.into())
}

fn shown(source: &Source) -> Json<Value> {
    data(json!({ "source": shape::source(source) }))
}

/// `GET /sources`.
pub(crate) async fn list(State(cell): State<Arc<Cell>>, caller: Caller, mut query: Query) -> Answer {
    let ask = PageAsk::read(&mut query)?;
    query.done()?;
    let snapshot = cell.control.current().load();
    let own = snapshot.sources.values().filter(|source| source.workspace == *caller.workspace()).collect();
    let (page, pagination) = ask.of(own, |source| format!("{:010}", source.number.0));
    let sources: Vec<_> = page.into_iter().map(|source| shape::source(source)).collect();
    Ok(data(json!({ "sources": sources, "pagination": pagination })))
}

/// `GET /sources/{id}`.
pub(crate) async fn get(State(cell): State<Arc<Cell>>, caller: Caller, Id(id): Id, query: Query) -> Answer {
    query.done()?;
    let source = find(&cell, caller.workspace(), &id)?;
    Ok(data(json!({ "source": shape::source(&source), "trackingPlanId": null })))
}

/// `POST /sources`.
pub(crate) async fn create(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    query: Query,
    Body(mut fields): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.done()?;
    let kind = SourceKind::named(&fields.needed_text("metadataId"));
    let new = NewSource {
        slug: fields.needed_text("slug"),
        name: fields.text("name"),
        kind: kind.unwrap_or(SourceKind::Website),
        enabled: fields.flag("enabled").unwrap_or(true),
        ingestion_region: fields.text("ingestionRegion").map(PointName::new),
        strict: fields.flag("strict").unwrap_or(false),
        rate_limit: rate_limit(&mut fields).flatten(),
    };
    // Segment's field for a thing that does not exist here yet: nothing is connected, so nothing has to be disconnected.
    fields.flag("disconnectAllWarehouses");
    refuse_settings(&mut fields);
    fields.done()?;
    if kind.is_none() {
        let message = "metadataId is no source of the catalog; choose one of: website, mobile, server";
        return Err(ApiError::invalid("metadataId", message));
    }
    let create = move |cell: &Cell| Ok(cell.control.create_source(&caller.actor(), caller.workspace(), &new)?);
    Ok((StatusCode::CREATED, shown(&*cell.blocking(create).await?)))
}

/// `PATCH /sources/{id}`.
pub(crate) async fn update(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
    Body(mut fields): Body,
) -> Answer {
    query.done()?;
    let source = find(&cell, caller.workspace(), &id)?;
    let change = SourceChange {
        slug: fields.text("slug"),
        name: fields.text("name"),
        enabled: fields.flag("enabled"),
        ingestion_region: fields.text("ingestionRegion").map(PointName::new),
        strict: fields.flag("strict"),
        rate_limit: rate_limit(&mut fields),
    };
    refuse_settings(&mut fields);
    fields.refuse("region", "of a source is its workspace's and never changes; its ingest point is `ingestionRegion`");
    fields.done()?;
    let update =
        move |cell: &Cell| Ok(cell.control.update_source(&caller.actor(), caller.workspace(), &source.id, &change)?);
    Ok(shown(&*cell.blocking(update).await?))
}

/// `DELETE /sources/{id}`.
pub(crate) async fn delete(State(cell): State<Arc<Cell>>, caller: Caller, Id(id): Id, query: Query) -> Answer {
    query.done()?;
    let source = find(&cell, caller.workspace(), &id)?;
    let delete = move |cell: &Cell| Ok(cell.control.delete_source(&caller.actor(), caller.workspace(), &source.id)?);
    cell.blocking(delete).await?;
    Ok(success())
}

/// `POST /sources/{id}/writekey`: one more key, the last of `writeKeys`.
pub(crate) async fn add_write_key(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
    Body(fields): Body,
) -> Answer {
    query.done()?;
    fields.done()?;
    let source = find(&cell, caller.workspace(), &id)?;
    let add = move |cell: &Cell| Ok(cell.control.add_write_key(&caller.actor(), caller.workspace(), &source.id)?);
    Ok(shown(&*cell.blocking(add).await?))
}

/// `PATCH /sources/{id}/writekey/{key}`: `{"enabled": bool}`. Segment has no such call.
pub(crate) async fn update_write_key(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Ids(id, key): Ids,
    query: Query,
    Body(mut fields): Body,
) -> Answer {
    query.done()?;
    let source = find(&cell, caller.workspace(), &id)?;
    let enabled = fields.flag("enabled");
    fields.done()?;
    let Some(enabled) = enabled else { return Err(ApiError::invalid("enabled", "enabled is missing")) };
    let update = move |cell: &Cell| {
        Ok(cell.control.enable_write_key(&caller.actor(), caller.workspace(), &source.id, &key, enabled)?)
    };
    Ok(shown(&*cell.blocking(update).await?))
}

/// `DELETE /sources/{id}/writekey/{key}`.
pub(crate) async fn delete_write_key(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Ids(id, key): Ids,
    query: Query,
) -> Answer {
    query.done()?;
    let source = find(&cell, caller.workspace(), &id)?;
    let delete =
        move |cell: &Cell| Ok(cell.control.delete_write_key(&caller.actor(), caller.workspace(), &source.id, &key)?);
    cell.blocking(delete).await?;
    Ok(success())
}

fn rate_limit(fields: &mut Fields) -> Option<Option<RateLimit>> {
    fields.nested("rateLimit", |limit| RateLimit {
        per_second: limit.needed_count("perSecond"),
        burst: limit.needed_count("burst"),
    })
}

/// Segment's sources have settings; ours have none, and one that was sent must not be thought to hold.
fn refuse_settings(fields: &mut Fields) {
    if fields.map("settings").is_some_and(|settings| !settings.is_empty()) {
        fields.wrong::<()>("settings", "of this kind of source are none; leave it out or send {}");
    }
}
