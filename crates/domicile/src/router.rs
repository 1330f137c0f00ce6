//! What the cell's port serves: the API, the console, settings documents, metrics.

use crate::cell::Cell;
use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::{CONTENT_TYPE, STRICT_TRANSPORT_SECURITY};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domicile_api::{Addresses, ArchiveView, Limits, LiveSeats};
use domicile_region::Topology;
use domicile_world::World;
use ipnet::IpNet;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;

pub fn router(
    cell: &Cell,
    topology: &Arc<Topology>,
    world: &World,
    addresses: &Addresses,
    trusted_proxies: &[IpNet],
    metrics: &PrometheusHandle,
) -> Router {
    let view = Arc::new(domicile_api::Cell {
        world: world.clone(),
        topology: Arc::clone(topology),
        region: cell.region.clone(),
        addresses: addresses.clone(),
        control: cell.store.clone(),
        ledger: cell.ledger.clone(),
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
    let (keys, of_key) = (intake.clone(), Arc::clone(&view));
    let receipt = move |Path((point, place)): Path<(String, u64)>, request: Request| async move {
        match keys.source_of(request.headers()) {
            Ok(source) => domicile_api::receipt_of_source(of_key, source, point, place).await,
            Err(refused) => refused.into_response(),
        }
    };
    let of_file = Arc::clone(&view);
    let ledger_file = move |Path(path): Path<String>, request: Request| async move {
        domicile_api::ledger_file(of_file, request.headers(), path).await
    };
    let settings = move |Path(key): Path<String>, request: Request| async move { intake.settings(&request, &key) };
    let (metrics, measured) = (metrics.clone(), Arc::clone(&view));
    let render = move || async move {
        measure(&measured);
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], of_region(&metrics.render(), measured.region.id.as_str()))
    };
    let asked = Arc::clone(&view);
    let is_https = addresses.cells.get(&cell.region.id).is_some_and(|url| url.starts_with("https://"));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(move || is_ready(Arc::clone(&asked))))
        .route("/metrics", get(render))
        .route("/v1/receipts/{point}/{place}", get(receipt))
        .route("/ledger/{*path}", get(ledger_file))
        .route("/v1/projects/{key}/settings", get(settings.clone()))
        .route("/projects/{key}/settings", get(settings))
        .merge(domicile_api::router(Arc::clone(&view)))
        .merge(domicile_console::router(view, trusted_proxies))
        .layer(map_response(move |response: Response| async move { kept_to_https(response, is_https) }))
}

/// Whether the control store can be read; what ingest needs of it is in memory and goes on without.
async fn is_ready(cell: Arc<domicile_api::Cell>) -> (StatusCode, &'static str) {
    match cell.blocking(|cell| cell.control.view(|view| Ok(view.version()?))).await {
        Ok(_) => (StatusCode::OK, "ready\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the control store can't be read\n"),
    }
}

/// Where the cell's public address is https, browsers are told to use nothing else for half a year.
fn kept_to_https(mut response: Response, is_https: bool) -> Response {
    if is_https {
        let half_a_year = HeaderValue::from_static("max-age=15552000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, half_a_year);
    }
    response
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
