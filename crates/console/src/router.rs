//! Every route of the console.

use crate::oidc::{BorderFetch, Oidc};
use crate::page::{self, secured};
use crate::session::Sessions;
use crate::{account, overview, sign_in, sign_in_elsewhere, transfers};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::routing::{get, post};
use domicile_api::Cell;
use domicile_control::Throttle;
use ipnet::IpNet;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A form has a few short fields in it.
const FORM_BYTES_MAX: usize = 8 * 1024;

/// Passwords that are looked at a time: each takes a core and 19 MiB.
const HASHING_MAX: usize = 4;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Console {
    pub cell: Arc<Cell>,
    pub sessions: Sessions,
    pub throttle: Arc<Throttle>,
    pub hashing: Arc<Semaphore>,
    pub oidc: Oidc,
    /// Peers that are believed about where a request comes from.
    pub trusted_proxies: Arc<[IpNet]>,
}

impl Console {
    /// The cell's public address, where it is known.
    pub fn address(&self) -> Option<&str> {
        self.cell.addresses.cells.get(&self.cell.region.id).map(String::as_str)
    }
}

/// The console's pages, to be merged with what else the cell's port serves. `trusted_proxies`: whose `Forwarded` and
/// `X-Forwarded-For` are believed, as ingest points do.
pub fn router(cell: Arc<Cell>, trusted_proxies: &[IpNet]) -> Router {
    let fetch = BorderFetch::new(cell.border.clone());
    let console = Console {
        sessions: Sessions::new(cell.world.clone()),
        throttle: Arc::default(),
        hashing: Arc::new(Semaphore::new(HASHING_MAX)),
        oidc: Oidc::new(cell.world.clone(), Arc::new(fetch)),
        trusted_proxies: trusted_proxies.into(),
        cell,
    };
    Router::new()
        .route("/", get(overview::page))
        .route("/live", get(overview::live))
        .route("/transfers", get(transfers::page).post(transfers::request))
        .route("/transfers/{id}/approve", post(transfers::approve))
        .route("/transfers/{id}/end", post(transfers::end))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-in/oidc/{provider}", get(sign_in_elsewhere::begin))
        .route("/sign-in/oidc/{provider}/answer", get(sign_in_elsewhere::answer))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/sign-out-everywhere", post(sign_in::sign_out_everywhere))
        .route("/workspaces", get(account::workspaces).post(account::choose))
        .route("/password", get(account::password).post(account::change_password))
        .route("/invite/{token}", get(account::invite).post(account::accept))
        .merge(page::assets())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(map_response(secured))
        .with_state(console)
}
