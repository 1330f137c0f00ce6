//! What the API is handed of a running cell.

use crate::answer::ApiError;
use crate::balance_keeper::Balance;
use crate::limit::Limits;
use crate::live::LiveSeats;
use domicile_border::Border;
use domicile_control::Store;
use domicile_destinations::Figures;
use domicile_ingest::PublicUrls;
use domicile_ledger::Ledger;
use domicile_log::{AcceptedLog, EventLog, Position};
use domicile_region::{Region, RegionId, Topology};
use domicile_world::World;
use object_store::ObjectStore;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A cell, as far as its API and console need it. They share one in an `Arc`.
pub struct Cell {
    pub world: World,
    pub topology: Arc<Topology>,
    /// The region of this cell, one of the topology's.
    pub region: Region,
    pub addresses: Addresses,
    pub control: Store,
    /// The way out: for trying a warehouse's connection.
    pub border: Border,
    pub ledger: Ledger,
    pub accepted: AcceptedLog,
    pub events: EventLog,
    pub balance: Balance,
    pub archive: ArchiveView,
    /// What the destinations tell about themselves.
    pub figures: Figures,
    /// Bounds how much each token asks.
    pub limits: Limits,
    /// Bounds how many look at the event log at once.
    pub live: LiveSeats,
}

impl Cell {
    /// Runs what waits for a lock or a disk where waiting is allowed.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let cell = Arc::clone(self);
        match tokio::task::spawn_blocking(move || work(&cell)).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a request's work did not end");
                Err(ApiError::internal())
            }
        }
    }
}

/// The public addresses that people and SDKs are told.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Of the cells, for example `http://127.0.0.1:7200`.
    pub cells: HashMap<RegionId, String>,
    pub points: PublicUrls,
}

/// The archive, for those who only look.
#[derive(Clone)]
pub struct ArchiveView {
    pub store: Arc<dyn ObjectStore>,
    /// Every kept event before it is in the store.
    pub progress: watch::Receiver<Position>,
}
