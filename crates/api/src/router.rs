//! Every route of the API.

use crate::answer::ApiError;
use crate::ask::BODY_BYTES_MAX;
use crate::cell::Cell;
use crate::{balance, destinations, events, regions, sources, workspaces};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::{HeaderValue, header};
use std::sync::Arc;

/// The Public API under `/api`, to be merged with what else the cell's port serves.
pub fn router(cell: Arc<Cell>) -> Router {
    let routes = Router::new()
        .route("/", get(workspaces::own))
        .route("/workspaces", get(workspaces::list))
        .route("/workspaces/{id}", get(workspaces::get).patch(workspaces::update))
        .route("/regions", get(regions::list))
        .route("/sources", get(sources::list).post(sources::create))
        .route("/sources/{id}", get(sources::get).patch(sources::update).delete(sources::delete))
        .route("/sources/{id}/writekey", post(sources::add_write_key))
        .route("/sources/{id}/writekey/{key}", delete(sources::delete_write_key).patch(sources::update_write_key))
        .route("/sources/{id}/connected-destinations", get(destinations::list_of_source))
        .route("/destinations", get(destinations::list).post(destinations::create))
        .route("/destinations/{id}", get(destinations::get).patch(destinations::update).delete(destinations::delete))
        .route("/balance", get(balance::get))
        .route("/events/live", get(events::live))
        .route("/events/{message_id}", get(events::life))
        .fallback(|| async { ApiError::not_found("path") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(map_response(private))
        .with_state(cell);
    // `/api/` is what a client makes of the base address and the path `/`.
    Router::new().nest("/api", routes.clone()).nest_service("/api/", routes)
}

/// No answer is for a cache, and none is to be taken for a page.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
