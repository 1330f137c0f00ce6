//! The front door: which regions there are and where their consoles stand. It holds no data.

use axum::Router;
use axum::routing::get;
use domicile_region::Topology;
use std::sync::Arc;

pub fn router(topology: &Arc<Topology>) -> Router {
    let _ = topology;
    Router::new().route("/healthz", get(|| async { "ok\n" }))
}
