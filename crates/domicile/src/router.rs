//! What the cell's port serves.

use crate::cell::Cell;
use crate::exit::Failure;
use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use domicile_region::Topology;
use domicile_world::World;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

pub fn router(
    cell: &Cell,
    topology: &Arc<Topology>,
    world: &World,
    metrics: &PrometheusHandle,
) -> Result<Router, Failure> {
    let _ = (topology, world);
    let intake = cell.intake.clone();
    let settings = move |Path(key): Path<String>, request: Request| async move { intake.settings(&request, &key) };
    let metrics = metrics.clone();
    Ok(Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
        .route(
            "/metrics",
            get(move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()) }),
        )
        .route("/v1/projects/{key}/settings", get(settings.clone()))
        .route("/projects/{key}/settings", get(settings)))
}
