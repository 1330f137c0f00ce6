//! Doors: every address that listens, bound before anything is served, closed in order.

use crate::cell::Cell;
use crate::exit::Failure;
use crate::up::UpArgs;
use domicile_api::Addresses;
use domicile_listen::{Listener, Settings, Tls};
use domicile_region::{PointName, PortPlan, Region, RegionId, Topology};
use domicile_world::World;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Begins to record metrics. Parts find their recorder when they are made: call it before any.
pub fn record_metrics() -> Result<PrometheusHandle, Failure> {
    PrometheusBuilder::new().install_recorder().map_err(|error| Failure::unreached(format!("no metrics: {error}")))
}

/// Addresses that are taken, and not served yet.
pub struct Bound {
    front_door: Listener,
    cells: Vec<BoundCell>,
}

struct BoundCell {
    region: RegionId,
    cell: Listener,
    points: Vec<(PointName, Listener)>,
}

/// Binds the front door and what belongs to the chosen regions.
pub async fn bind(ports: &PortPlan, regions: &[Region]) -> Result<Bound, Failure> {
    let listen = |address| async move { Listener::bind(address).await.map_err(Failure::unreached) };
    let mut cells = Vec::new();
    for region in ports.regions.iter().filter(|ports| regions.iter().any(|region| region.id == ports.region)) {
        let cell = listen(region.cell).await?;
        let mut points = Vec::new();
        for (point, address) in &region.points {
            points.push((point.clone(), listen(*address).await?));
        }
        cells.push(BoundCell { region: region.region.clone(), cell, points });
    }
    Ok(Bound { front_door: listen(ports.front_door).await?, cells })
}

impl Bound {
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let cells = self.cells.iter().flat_map(|BoundCell { cell, points, .. }| {
            std::iter::once(cell.address()).chain(points.iter().map(|(_, point)| point.address()))
        });
        std::iter::once(self.front_door.address()).chain(cells).collect()
    }
}

/// Everything that is served.
pub struct Doors {
    stop_ingest: watch::Sender<bool>,
    stop_rest: watch::Sender<bool>,
    ingest: Vec<JoinHandle<()>>,
    rest: Vec<JoinHandle<()>>,
}

impl Doors {
    pub fn open(
        bound: Bound,
        world: &World,
        topology: &Arc<Topology>,
        cells: &[Cell],
        settings: Settings,
        addresses: &Addresses,
        metrics: PrometheusHandle,
    ) -> Self {
        let mut doors = Self {
            stop_ingest: watch::Sender::new(false),
            stop_rest: watch::Sender::new(false),
            ingest: Vec::new(),
            rest: Vec::new(),
        };
        let clock = || Arc::clone(&world.clock);
        for BoundCell { region, cell: cell_listener, points } in bound.cells {
            let Some(cell) = cells.iter().find(|cell| cell.region.id == region) else { continue };
            for (name, listener) in points {
                let Some((_, log)) = cell.points.iter().find(|(point, _)| *point == name) else { continue };
                let service = cell.intake.point(name, log.clone()).service();
                let stop = stopped(&doors.stop_ingest);
                doors.ingest.push(tokio::spawn(listener.serve(clock(), service, settings.clone(), stop)));
            }
            let trusted = &settings.trusted_proxies;
            let router = crate::router::router(cell, topology, world, addresses, trusted, &metrics);
            let router = TowerToHyperService::new(router);
            let stop = stopped(&doors.stop_rest);
            doors.rest.push(tokio::spawn(cell_listener.serve(clock(), router, settings.clone(), stop)));
        }
        let front = TowerToHyperService::new(domicile_console::front_door(topology, &addresses.cells));
        let stop = stopped(&doors.stop_rest);
        doors.rest.push(tokio::spawn(bound.front_door.serve(clock(), front, settings, stop)));
        spawn_upkeep(metrics);
        doors
    }

    /// Ingest points take nothing new; what is on its way is answered.
    pub async fn close_ingest(&self) {
        self.stop_ingest.send_replace(true);
        while self.ingest.iter().any(|door| !door.is_finished()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub async fn close_rest(self) {
        self.stop_rest.send_replace(true);
        for door in self.rest {
            let _ = door.await;
        }
    }
}

async fn stopped_by(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn stopped(stop: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + use<> {
    stopped_by(stop.subscribe())
}

/// What all doors have in common. The certificate is read here, before anything is begun on disk.
pub fn settings(args: &UpArgs, world: &World) -> Result<Settings, Failure> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(Tls::read(world, certificate.clone(), key.clone()).map_err(Failure::usage)?)
        }
        _ => None,
    };
    Ok(Settings { trusted_proxies: args.trusted_proxies.clone(), tls, ..Settings::default() })
}

/// Histograms grow until somebody asks for them, or this does.
fn spawn_upkeep(metrics: PrometheusHandle) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            metrics.run_upkeep();
        }
    });
}
