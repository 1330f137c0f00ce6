//! What the cell's port serves: the API, the console, settings documents, metrics.

use crate::cell::Cell;
use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use domicile_api::{Addresses, ArchiveView, Limits, LiveSeats};
use domicile_region::Topology;
use domicile_world::World;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

pub fn router(
    cell: &Cell,
    topology: &Arc<Topology>,
    world: &World,
    addresses: &Addresses,
    metrics: &PrometheusHandle,
) -> Router {
    let view = Arc::new(domicile_api::Cell {
        world: world.clone(),
        topology: Arc::clone(topology),
        region: cell.region.clone(),
        addresses: addresses.clone(),
        control: cell.store.clone(),
        accepted: cell.accepted.clone(),
        events: cell.events.clone(),
        balance: cell.balance.clone(),
        archive: ArchiveView { store: Arc::clone(&cell.archive_store) as _, progress: cell.archived.clone() },
        figures: cell.figures.clone(),
        border: cell.border.clone(),
        limits: Limits::default(),
        live: LiveSeats::default(),
    });
    let intake = cell.intake.clone();
    let settings = move |Path(key): Path<String>, request: Request| async move { intake.settings(&request, &key) };
    let (metrics, measured) = (metrics.clone(), Arc::clone(&view));
    let render = move || async move {
        measure(&measured);
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], of_region(&metrics.render(), measured.region.id.as_str()))
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ready\n" }))
        .route("/metrics", get(render))
        .route("/v1/projects/{key}/settings", get(settings.clone()))
        .route("/projects/{key}/settings", get(settings))
        .merge(domicile_api::router(Arc::clone(&view)))
        .merge(domicile_console::router(view))
}

/// The lines of one region: several cells in one process share a recorder, and each shows its own figures only.
fn of_region(text: &str, region: &str) -> String {
    let own = format!("region=\"{region}\"");
    let shown = text.lines().filter(|line| line.starts_with('#') || !line.contains("region=\"") || line.contains(&own));
    let mut out = String::with_capacity(text.len());
    for line in shown {
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Where the logs end and how far behind the archive is: read when somebody asks.
fn measure(cell: &domicile_api::Cell) {
    let region = cell.region.id.to_string();
    let set = |name: &'static str, value: u64| gauge!(name, "region" => region.clone()).set(value as f64);
    let (accepted, decided) = (cell.accepted.end().0, cell.events.end().0);
    set("domicile_accepted_log_end_position", accepted);
    set("domicile_event_log_end_position", decided);
    set("domicile_accepted_log_bytes", cell.accepted.bytes());
    set("domicile_event_log_bytes", cell.events.bytes());
    set("domicile_archive_unstored_events", decided.saturating_sub(cell.archive.progress.borrow().0));
}
