//! Destinations.

use crate::answer::{ApiError, data, success};
use crate::ask::{Body, Caller, Id, Query};
use crate::cell::Cell;
use crate::page::PageAsk;
use crate::{shape, sources};
use axum::Json;
use axum::extract::State;
use domicile_control::{DestinationChange, NewDestination, Resource};
use domicile_workspace::{Destination, DestinationId, SourceId, WorkspaceId};
use serde_json::{Value, json};
use std::sync::Arc;

type Answer = Result<Json<Value>, ApiError>;

fn find(cell: &Cell, workspace: &WorkspaceId, id: &str) -> Result<Arc<Destination>, ApiError> {
    let snapshot = cell.control.current().load();
    let is_it = |found: &&Arc<Destination>| found.id.as_str() == id && found.workspace == *workspace;
    snapshot.destinations.iter().find(is_it).cloned().ok_or_else(|| Resource::Destination.into())
}

fn shown(destination: &Destination) -> Json<Value> {
    data(json!({ "destination": shape::destination(destination) }))
}

fn page(cell: &Cell, ask: &PageAsk, wanted: impl Fn(&Destination) -> bool) -> Json<Value> {
    let snapshot = cell.control.current().load();
    let all = snapshot.destinations.iter().filter(|destination| wanted(destination)).collect();
    let (page, pagination) = ask.of(all, |destination| destination.id.to_string());
    let destinations: Vec<_> = page.into_iter().map(|destination| shape::destination(destination)).collect();
    data(json!({ "destinations": destinations, "pagination": pagination }))
}

/// `GET /destinations`.
pub(crate) async fn list(State(cell): State<Arc<Cell>>, caller: Caller, mut query: Query) -> Answer {
    let ask = PageAsk::read(&mut query)?;
    query.done()?;
    Ok(page(&cell, &ask, |destination| destination.workspace == *caller.workspace()))
}

/// `GET /sources/{id}/connected-destinations`.
pub(crate) async fn list_of_source(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Id(id): Id,
    mut query: Query,
) -> Answer {
    let ask = PageAsk::read(&mut query)?;
    query.done()?;
    let source = sources::find(&cell, caller.workspace(), &id)?;
    Ok(page(&cell, &ask, |destination| destination.source == source.id))
}

/// `GET /destinations/{id}`.
pub(crate) async fn get(State(cell): State<Arc<Cell>>, caller: Caller, Id(id): Id, query: Query) -> Answer {
    query.done()?;
    Ok(shown(&*find(&cell, caller.workspace(), &id)?))
}

/// `POST /destinations`.
pub(crate) async fn create(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    query: Query,
    Body(mut fields): Body,
) -> Answer {
    query.done()?;
    let new = NewDestination {
        source: SourceId::new(fields.needed_text("sourceId")),
        metadata_id: fields.needed_text("metadataId"),
        name: fields.text("name"),
        enabled: fields.flag("enabled").unwrap_or(true),
        settings: fields.map("settings").unwrap_or_default(),
    };
    fields.done()?;
    let create = move |cell: &Cell| Ok(cell.control.create_destination(&caller.actor(), caller.workspace(), &new)?);
    Ok(shown(&*cell.blocking(create).await?))
}

/// `PATCH /destinations/{id}`. Settings that are not named stay; `null` takes one away.
pub(crate) async fn update(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    Id(id): Id,
    query: Query,
    Body(mut fields): Body,
) -> Answer {
    query.done()?;
    let change = DestinationChange {
        name: fields.text("name"),
        enabled: fields.flag("enabled"),
        settings: fields.map("settings"),
    };
    fields.done()?;
    let id = DestinationId::new(id);
    let update =
        move |cell: &Cell| Ok(cell.control.update_destination(&caller.actor(), caller.workspace(), &id, &change)?);
    Ok(shown(&*cell.blocking(update).await?))
}

/// `DELETE /destinations/{id}`.
pub(crate) async fn delete(State(cell): State<Arc<Cell>>, caller: Caller, Id(id): Id, query: Query) -> Answer {
    query.done()?;
    let id = DestinationId::new(id);
    let delete = move |cell: &Cell| Ok(cell.control.delete_destination(&caller.actor(), caller.workspace(), &id)?);
    cell.blocking(delete).await?;
    Ok(success())
}
