//! `domicile up`: everything in one process.

use crate::cell::{Cell, Plan};
use crate::exit::{Exit, Failure};
use crate::look::look_at;
use crate::points::{Doors, bind, record_metrics, settings};
use crate::{demo, operator};
use clap::Args;
use domicile_api::Addresses;
use domicile_border::Witness;
use domicile_control::PostgresUrl;
use domicile_ingest::{PublicUrl, PublicUrls};
use domicile_region::{PortPlan, Region, RegionId, Topology};
use domicile_world::World;
use ipnet::IpNet;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Args)]
pub struct UpArgs {
    /// Where logs, stores and archives are kept
    #[arg(long, default_value = "./domicile-data", value_name = "DIR")]
    pub data: PathBuf,
    /// The front door's port; everything else follows it
    #[arg(long, default_value_t = 7000, value_name = "N")]
    pub port_base: u16,
    /// The regions; two demo regions without it
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// Run only this region's cell: how one machine runs in production
    #[arg(long, value_name = "R", requires = "topology")]
    pub region: Option<String>,
    /// Keep the control store in this PostgreSQL: postgres://USER@HOST:PORT/DATABASE. The password comes from PGPASSWORD or
    /// the next option
    #[arg(long, value_name = "URL", requires = "region")]
    pub control_store: Option<String>,
    /// A file that holds the password of the control store's user
    #[arg(long, value_name = "FILE", requires = "control_store")]
    pub control_store_password_file: Option<PathBuf>,
    /// Go out by the `domicile border` that listens on this socket, and by nothing else
    #[arg(long, value_name = "PATH", requires = "region")]
    pub border: Option<PathBuf>,
    /// Make no demo workspaces
    #[arg(long)]
    pub no_demo: bool,
    /// The folder with the browser SDK's files, served under /analytics.js and /analytics-next
    #[arg(long, value_name = "DIR")]
    pub scripts: Option<PathBuf>,
    /// A proxy in front whose Forwarded, X-Forwarded-For and PROXY headers are believed; may be given several times
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    pub trusted_proxies: Vec<IpNet>,
    /// Serve HTTPS with this certificate chain (PEM); re-read when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

pub fn run(args: UpArgs) -> Result<Exit, Failure> {
    crate::logging::start();
    let world = World::real();
    let topology = Arc::new(read_topology(args.topology.as_deref(), &world)?);
    let ports = topology.ports(args.port_base).map_err(Failure::usage)?;
    let regions = chosen(&topology, args.region.as_deref())?;
    let control_store = control_store(&args)?;
    let witness = witness(args.topology.as_deref(), &topology, &world)?;
    if let Some(folder) = args.scripts.as_ref().filter(|folder| !folder.is_dir()) {
        // Else only browsers would notice.
        let mend = "name the folder with the browser SDK's files, `dist/umd` of its package";
        return Err(Failure::usage(format!("{}: no such folder\n  mend: {mend}", folder.display())));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unreached(format!("could not start threads: {error}")))?;
    runtime.block_on(serve(args, world, (topology, witness), (ports, regions), control_store))
}

/// The PostgreSQL of the control store, if it is in one.
fn control_store(args: &UpArgs) -> Result<Option<PostgresUrl>, Failure> {
    let Some(url) = &args.control_store else { return Ok(None) };
    let url = PostgresUrl::read(url).map_err(Failure::usage)?;
    let password = match &args.control_store_password_file {
        None => std::env::var("PGPASSWORD").ok(),
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            Some(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    Ok(Some(url.with_password(password)))
}

/// The topology of a file; the built-in one without.
pub fn read_topology(file: Option<&Path>, world: &World) -> Result<Topology, Failure> {
    let Some(file) = file else { return Ok(Topology::built_in()) };
    let today = domicile_event::Stamp::of(world.clock.now().0);
    Topology::read(&file.display().to_string(), &read_text(file)?, today.day()).map_err(Failure::usage)
}

/// The text of a file that an operator named.
pub fn read_text(file: &Path) -> Result<String, Failure> {
    let shown = file.display().to_string();
    let text = std::fs::read(file).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{shown}: not UTF-8 from byte {at} on\n  mend: save the file as UTF-8"))
    })
}

/// The second witness of countries that the topology names, by a path that begins where the topology is.
pub fn witness(file: Option<&Path>, topology: &Topology, world: &World) -> Result<Option<Arc<Witness>>, Failure> {
    let (Some(file), Some(named)) = (file, &topology.ip_countries) else { return Ok(None) };
    let path = file.parent().unwrap_or(Path::new("")).join(named);
    Witness::read(&*world.disk, &path).map(|witness| Some(Arc::new(witness))).map_err(Failure::usage)
}

/// The regions meant: the named one, or all.
pub fn chosen(topology: &Topology, region: Option<&str>) -> Result<Vec<Region>, Failure> {
    let Some(name) = region else { return Ok(topology.regions.clone()) };
    match topology.region(&RegionId::new(name)) {
        Some(region) => Ok(vec![region.clone()]),
        None => {
            let known: Vec<_> = topology.regions.iter().map(|region| region.id.as_str()).collect();
            Err(Failure::usage(format!("the topology has no region `{name}`; it has {}", known.join(", "))))
        }
    }
}

async fn serve(
    args: UpArgs,
    world: World,
    (topology, witness): (Arc<Topology>, Option<Arc<Witness>>),
    (ports, regions): (PortPlan, Vec<Region>),
    control_store: Option<PostgresUrl>,
) -> Result<Exit, Failure> {
    let doors = settings(&args, &world)?;
    let _lock = lock(&args.data, &world)?;
    let metrics = record_metrics()?;
    let bound = bind(&ports, &regions).await?;
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    let urls = Arc::new(public_urls(&topology, &ports, scheme)?);
    let addresses = Addresses { cells: cell_urls(&topology, &ports, scheme), points: PublicUrls::clone(&urls) };
    // Before anything is begun: from here on a signal means a stop in order, also one that comes with the line `ready`.
    let signals = Signals::listen()?;
    look_at(&world, &topology, &regions, &args.data)?;
    let mut cells = Vec::new();
    for region in regions {
        let receipts = addresses.cells.get(&region.id).cloned();
        cells.push(Cell::start(Plan {
            world: world.clone(),
            topology: Arc::clone(&topology),
            region,
            data: args.data.clone(),
            control_store: control_store.clone(),
            urls: Arc::clone(&urls),
            own: bound.addresses(),
            witness: witness.clone(),
            border: args.border.clone(),
            ingest: domicile_ingest::Settings {
                trusted_proxies: args.trusted_proxies.clone(),
                scripts: args.scripts.clone(),
                receipts,
                ..domicile_ingest::Settings::default()
            },
        })?);
    }
    operator::write_file(&args.data, &world, &cells, &addresses)?;
    let demo = if args.no_demo { None } else { Some(demo::make(&args.data, &world, &cells, &addresses)?) };
    let doors = Doors::open(bound, &world, &topology, &cells, doors, &addresses, metrics);
    announce(&topology, &ports, scheme, &urls, demo.as_ref());
    let ended = wait(&mut cells, signals).await;
    match ended {
        Ok(signal) => tracing::info!(signal, "stopping: what was promised is decided and archived first"),
        // What failed is on disk as it is; nothing more may be promised, so nothing is closed in order.
        Err(failure) => return Err(failure),
    }
    doors.close_ingest().await;
    for cell in &mut cells {
        cell.stop().await.map_err(Failure::unreached)?;
    }
    doors.close_rest().await;
    Ok(Exit::Done)
}

/// Two programs must not write the same logs.
fn lock(data: &Path, world: &World) -> Result<std::fs::File, Failure> {
    let fail = |error: &dyn std::fmt::Display| {
        Failure::unreached(format!(
            "{}: {error}\n  mend: give a data folder that this user may write to (--data DIR)",
            data.display()
        ))
    };
    world.disk.make_folder(data, true).map_err(|error| fail(&error))?;
    let file = std::fs::File::create(data.join("lock")).map_err(|error| fail(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::unreached(format!(
            "{}: another `domicile up` runs on this data folder\n  mend: stop it, or give another folder (--data DIR)",
            data.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(fail(&error)),
    }
}

/// What SDKs are told: the topology's `url`, or where the point listens.
fn public_urls(topology: &Topology, ports: &PortPlan, scheme: &str) -> Result<PublicUrls, Failure> {
    let mut urls = PublicUrls::new();
    for region in &topology.regions {
        for point in &region.ingest {
            let listens = ports.region(&region.id).and_then(|ports| ports.point(&point.name));
            let url = match (&point.url, listens) {
                (Some(url), _) => url.clone(),
                (None, Some(address)) => format!("{scheme}://{address}"),
                (None, None) => continue,
            };
            let url = PublicUrl::read(&url).map_err(Failure::usage)?;
            urls.insert(region.id.clone(), point.name.clone(), url);
        }
    }
    Ok(urls)
}

/// Where people find the consoles: the topology's `api`, or where the cell listens.
fn cell_urls(topology: &Topology, ports: &PortPlan, scheme: &str) -> HashMap<RegionId, String> {
    let url = |region: &Region| {
        let listens = ports.region(&region.id).map(|ports| format!("{scheme}://{}", ports.cell));
        Some((region.id.clone(), region.api.clone().or(listens)?))
    };
    topology.regions.iter().filter_map(url).collect()
}

fn announce(topology: &Topology, ports: &PortPlan, scheme: &str, urls: &PublicUrls, demo: Option<&demo::Demo>) {
    println!("front door  {scheme}://{}", ports.front_door);
    for region in &ports.regions {
        println!("{:<11} {scheme}://{}", region.region.as_str(), region.cell);
        for (point, _) in &region.points {
            let Some(url) = urls.of(&region.region, point) else { continue };
            println!("  {:<11} {}://{}", point.as_str(), url.protocol(), url.host());
        }
    }
    if let Some(curl) = demo.and_then(demo::Demo::curl) {
        println!("\nsend a first event:\n\n  {curl}\n");
    }
    if topology.regions.len() > 1 {
        println!(
            "All regions run side by side here to show them at work; in production each cell has machines of its own."
        );
    }
    println!("domicile is ready");
}

/// What tells the program to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::unreached(format!("no signals: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The name of the first that comes.
    pub async fn come(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Waits for a signal to stop, or for a part that failed.
async fn wait(cells: &mut [Cell], mut signals: Signals) -> Result<&'static str, Failure> {
    let failed = futures::future::select_all(cells.iter_mut().map(|cell| Box::pin(cell.failed())));
    tokio::select! {
        signal = signals.come() => Ok(signal),
        (why, _, _) = failed => Err(Failure::unreached(why)),
    }
}
