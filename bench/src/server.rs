//! The accept server: an ingest point and its accepted log, as the program has them, and nothing behind.

use crate::fill::source;
use domicile_ingest::{Intake, PublicUrls, Settings as IngestSettings};
use domicile_keys::Keyring;
use domicile_listen::{Listener, Settings};
use domicile_log::{AcceptedLog, LogSettings};
use domicile_region::{PointName, RegionId, Topology};
use domicile_workspace::{ConfigVersion, Current, Snapshot};
use domicile_world::World;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The write key of the bench's one source.
pub const KEY: &str = "benchbenchbenchbenchbenchbenchbe";

/// Serves until the process is killed.
pub async fn serve(address: SocketAddr, folder: &Path) -> io::Result<()> {
    let world = World::real();
    let topology = Arc::new(Topology::built_in());
    let (region, point) = (RegionId::new("eu-west"), PointName::new("dublin"));
    let keyring = Keyring::open(&world, &folder.join("keys")).map_err(io::Error::other)?;
    let (log, committer) =
        AcceptedLog::open(&world, &region, &folder.join("accepted"), &keyring, LogSettings::default())
            .map_err(io::Error::other)?;
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().build().map(|runtime| runtime.block_on(committer.run()))
    });
    let snapshot = Snapshot::new(ConfigVersion(1), region.clone(), Vec::new(), vec![source(&point)], Vec::new());
    let urls = Arc::new(PublicUrls::new());
    let intake = Intake::new(world.clone(), topology, region, Current::new(snapshot), urls, IngestSettings::default());
    let listener = Listener::bind(address).await.map_err(io::Error::other)?;
    println!("ready {}", listener.address());
    let service = intake.point(point, log).service();
    listener.serve(world.clock, service, Settings::default(), std::future::pending()).await;
    Ok(())
}
