//! Every route of the API, from the table of operations.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{self, Answered, BODY_BYTES_MAX, Group, Operation, get};
use crate::resources;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::Value;
use std::sync::Arc;

static ABOUT: &[Operation] = &[get("getOpenApi", "/openapi.json", "This document.").answer(Answered::Document)];
static ABOUT_GROUP: &[Group] = &[Group { name: "About", operations: ABOUT }];

fn groups() -> impl Iterator<Item = &'static Group> {
    resources::GROUPS.iter().chain(ABOUT_GROUP)
}

/// The Public API under `/api`, to be merged with what else the cell's port serves.
pub fn router(cell: Arc<Cell>) -> Router {
    // Written once: it is long, and anyone may ask for it.
    let text = Bytes::from(openapi(&cell).to_string());
    let document = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], text) }
    };
    let routes = contract::routes(groups())
        .route("/openapi.json", axum::routing::get(document))
        .fallback(|| async { ApiError::not_found("path") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(map_response(private))
        .with_state(cell);
    // `/api/` is what a client makes of the base address and the path `/`.
    Router::new().nest("/api", routes.clone()).nest_service("/api/", routes)
}

/// The OpenAPI document of this cell.
pub fn openapi(cell: &Cell) -> Value {
    let server = cell.addresses.cells.get(&cell.region.id).map_or_else(String::new, Clone::clone);
    contract::document(groups(), &format!("{server}/api"))
}

/// No answer is for a cache, and none is to be taken for a page.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
