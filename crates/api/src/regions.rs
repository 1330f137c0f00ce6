//! The regions of the topology: all that cells know of each other.

use crate::answer::{ApiError, data};
use crate::ask::{Caller, Query};
use crate::cell::Cell;
use crate::page::PageAsk;
use crate::shape;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /regions`, in the order of the topology.
pub(crate) async fn list(
    State(cell): State<Arc<Cell>>,
    _caller: Caller,
    mut query: Query,
) -> Result<Json<Value>, ApiError> {
    let ask = PageAsk::read(&mut query)?;
    query.done()?;
    let numbered = cell.topology.regions.iter().enumerate().collect();
    let (page, pagination) = ask.of(numbered, |(n, _)| format!("{n:010}"));
    let regions: Vec<_> = page.iter().map(|(_, region)| shape::region(region, &cell)).collect();
    Ok(data(json!({ "regions": regions, "pagination": pagination })))
}
