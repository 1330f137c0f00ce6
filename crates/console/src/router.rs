//! Every route of the console.

use crate::page::{self, secured};
use crate::session::Sessions;
use crate::{overview, sign_in};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::routing::{get, post};
use domicile_api::Cell;
use std::sync::Arc;

/// A form has a token in it, and nothing else.
const FORM_BYTES_MAX: usize = 8 * 1024;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Console {
    pub cell: Arc<Cell>,
    pub sessions: Sessions,
}

/// The console's pages, to be merged with what else the cell's port serves.
pub fn router(cell: Arc<Cell>) -> Router {
    let console = Console { sessions: Sessions::new(cell.world.clone()), cell };
    Router::new()
        .route("/", get(overview::page))
        .route("/live", get(overview::live))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .merge(page::assets())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(map_response(secured))
        .with_state(console)
}
