//! One cell: a region's logs, stores and parts, opened in the order of an event's way and closed in the same order.

use crate::exit::Failure;
use crate::part::Part;
use crate::register::{Looked, Refusals, Teller};
use crate::witness::show_to_all;
use domicile_api::{Balance, BalanceKeeper};
use domicile_archive::{Archive, ArchiveSettings, FolderStore};
use domicile_border::{Border, Witness};
use domicile_control::{Place, PostgresUrl, Store};
use domicile_destinations::{Destinations, Figures};
use domicile_ingest::{Intake, PublicUrls, Settings as IngestSettings, Uplink};
use domicile_keys::{IdentifierHasher, Keyring};
use domicile_ledger::{Closed, Ledger, What};
use domicile_log::{AcceptedLog, EventLog, LogSettings, Position, Recorded, Recorder, Retention};
use domicile_process::{Process, ProcessSettings};
use domicile_region::{IngestPoint, PointName, Region, Topology};
use domicile_world::World;
use futures::StreamExt;
use futures::future::select_all;
use futures::stream::FuturesUnordered;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What a cell is made of.
pub struct Plan {
    pub world: World,
    pub topology: Arc<Topology>,
    pub region: Region,
    /// The data folder of the whole `up`.
    pub data: PathBuf,
    /// Where the control store is, when not in a file beside the logs.
    pub control_store: Option<PostgresUrl>,
    pub urls: Arc<PublicUrls>,
    /// Where the program itself listens: the border never connects there.
    pub own: Vec<SocketAddr>,
    /// What the operator's database says of where addresses are, if there is one.
    pub witness: Option<Arc<Witness>>,
    /// The socket of the border process, when the cell has no way out of its own.
    pub border: Option<PathBuf>,
    pub ingest: IngestSettings,
}

/// A running cell.
pub struct Cell {
    pub region: Region,
    pub store: Store,
    pub accepted: AcceptedLog,
    pub events: EventLog,
    pub intake: Intake,
    /// Up to where the archive has everything.
    pub archived: watch::Receiver<Position>,
    pub archive_store: Arc<FolderStore>,
    pub balance: Balance,
    pub figures: Figures,
    pub border: Border,
    pub ledger: Ledger,
    /// Each ingest point and the log that it promises with: the region's own, or a remote point's spool.
    pub points: Vec<(PointName, AcceptedLog)>,
    spools: Vec<Spool>,
    committer: Part,
    process: Part,
    consumers: Vec<Part>,
    recorder: Part,
    teller: Part,
    stop_teller: watch::Sender<bool>,
    recorded: watch::Receiver<Recorded>,
    ledger_writer: Part,
    _follower: Follower,
    _watch: Follower,
    _witnesses: Vec<Follower>,
    _gate: Follower,
}

/// A task beside the parts, until it is dropped.
struct Follower(tokio::task::JoinHandle<()>);

impl Follower {
    /// Says when the border's transfers come to their end.
    fn watch_transfers(border: &Border) -> Self {
        let border = border.clone();
        Self(tokio::spawn(async move { border.watch_transfers().await }))
    }

    /// Keeps the border process told of what is in force, if there is one.
    fn keep_gate(border: &Border) -> Self {
        let border = border.clone();
        Self(tokio::spawn(async move { border.keep_gate().await }))
    }

    /// Brings in what other programs change in the control store.
    fn start(world: &World, store: &Store) -> Self {
        let (clock, store) = (Arc::clone(&world.clock), store.clone());
        Self(tokio::spawn(async move {
            let mut failing = false;
            loop {
                clock.sleep(FOLLOW).await;
                let store = store.clone();
                let followed = tokio::task::spawn_blocking(move || store.follow()).await;
                // Said once: what it has, it keeps.
                if let Ok(Err(error)) = &followed
                    && !failing
                {
                    tracing::warn!(%error, "could not look for changes in the control store");
                }
                failing = !matches!(followed, Ok(Ok(_)));
            }
        }))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A remote point's spool, and what carries it on.
struct Spool {
    log: AcceptedLog,
    committer: Part,
    uplink: Part,
}

/// A spool's segments are small, so that what was forwarded is soon deleted.
const SPOOL_SEGMENT_BYTES: u64 = 8 << 20;

/// How long a stop waits for a spool to be carried to its region.
const UPLINK_WAIT: Duration = Duration::from_secs(10);

/// How often other programs' changes of the control store are looked for.
const FOLLOW: Duration = Duration::from_millis(250);

/// How long a part that ended is asked about, while another may say why.
const CAUSE_WAIT: Duration = Duration::from_secs(1);

impl Cell {
    /// Opens everything on disk, checks that it fits together, and starts the parts.
    pub fn start(plan: Plan) -> Result<Self, Failure> {
        let Plan { world, topology, region, data, control_store, urls, own, witness, border: gate, ingest } = plan;
        let folder = data.join("cells").join(region.id.as_str());
        // What is in `index` can be deleted: it comes back from the logs. What destinations have done is nowhere else.
        let (index, sent) = (folder.join("index"), folder.join("destinations"));
        for private in [&folder, &index, &sent, &folder.join("archive")] {
            world.disk.make_folder(private, true).map_err(|error| unwritable(private, &error))?;
        }
        let keyring = Keyring::open(&world, &folder.join("keys")).map_err(Failure::unreached)?;
        let (ledger, mut ledger_writer) =
            Ledger::open(&world, &region.id, &folder.join("ledger"), &keyring).map_err(Failure::unreached)?;
        // Without its transfers: each is put in force when the ledger has it.
        let mut closed = region.clone();
        closed.border.transfers.clear();
        let refusals = Arc::new(Refusals::default());
        let mut border = Border::new(world.clone(), &closed, &topology.networks)
            .with_own(own)
            .with_register(Arc::clone(&refusals) as _)
            .with_identifiers(IdentifierHasher::new(&keyring.cell_salt()));
        if let Some(witness) = witness {
            border = border.with_witness(witness);
        }
        if let Some(socket) = gate {
            border = border.through_gate(&socket);
        }
        let watch = Follower::watch_transfers(&border);
        let gate = Follower::keep_gate(&border);
        let file = folder.join("control.db");
        let place = match &control_store {
            None => Place::File(&file),
            Some(url) => Place::Postgres { url, border: &border },
        };
        let store = Store::open_at(&world, place, &region, &keyring).map_err(Failure::unreached)?;
        let follower = Follower::start(&world, &store);
        let current = store.current();
        let settings = LogSettings::default();
        let (accepted, committer) = AcceptedLog::open(&world, &region.id, &folder.join("accepted"), &keyring, settings)
            .map_err(Failure::unreached)?;
        let (events, writer) =
            EventLog::open(&world, &folder.join("events"), &keyring, settings).map_err(Failure::unreached)?;
        let name = {
            let region = region.id.clone();
            move |part: &str| format!("{region} {part}")
        };

        // The recorder and the consumers take hold of the logs before anything is written to them.
        let program = env!("CARGO_PKG_VERSION");
        let recorder = Recorder::open(&world, &region, program, &current, &ledger, (&accepted, &events))
            .map_err(Failure::unreached)?;
        let recorded = recorder.recorded();
        let looked = Looked {
            world: world.clone(),
            ledger: ledger.clone(),
            keyring: keyring.clone(),
            store: store.clone(),
            border: border.clone(),
            policy: region.border.clone(),
            refusals,
            file: index.join("ledger.json"),
        };
        let stop_teller = watch::Sender::new(false);
        let teller = Teller::open(looked, stop_teller.subscribe()).map_err(Failure::unreached)?;
        ledger_writer.write_now().map_err(Failure::unreached)?;
        teller.put_in_force();
        let archive_store = Arc::new(FolderStore::new(&world, folder.join("archive")));
        let archive = Archive::open(
            world.clone(),
            current.clone(),
            &events,
            Arc::clone(&archive_store) as _,
            // Inside the archive, so that who deletes the archive has it written again.
            folder.join("archive").join("archive.cursor"),
            ArchiveSettings::default(),
        )
        .map_err(Failure::unreached)?
        .with_ledger(ledger.clone(), region.country.to_string());
        let archived = archive.progress();
        let destinations = Destinations::new(
            world.clone(),
            region.id.clone(),
            current.clone(),
            events.clone(),
            border.clone(),
            &sent,
            domicile_destinations::Settings::default(),
        )
        .with_ledger(ledger.clone());
        let figures = destinations.figures();
        let (keeper, balance) = BalanceKeeper::open(
            &world,
            index.join("balance.json"),
            &accepted,
            &events,
            archived.clone(),
            (current.clone(), figures.clone()),
        )
        .map_err(Failure::unreached)?;

        let process = Process::open(
            world.clone(),
            &region.id,
            current.clone(),
            accepted.clone(),
            (events.clone(), writer),
            &index,
            ProcessSettings::new(keyring.cell_salt()),
        )
        .map_err(Failure::unreached)?;

        let intake =
            Intake::new(world.clone(), Arc::clone(&topology), region.id.clone(), current.clone(), urls, ingest);
        let witnesses = show_to_all(&region, &ledger, &border)?.into_iter().map(Follower).collect();
        let (mut points, mut spools) = (Vec::new(), Vec::new());
        for point in &region.ingest {
            if !point.remote {
                points.push((point.name.clone(), accepted.clone()));
                continue;
            }
            let spool = Spool::start(&world, &topology, &region, point, &data, &store, &accepted)?;
            points.push((point.name.clone(), spool.log.clone()));
            spools.push(spool);
        }
        let consumers = vec![
            start(name("archive"), move || archive.run())?,
            start(name("balance sheet"), move || keeper.run())?,
            start(name("destinations"), move || async {
                destinations.run().await;
                Ok::<(), Infallible>(())
            })?,
        ];
        Ok(Self {
            ledger_writer: start(name("ledger"), move || ledger_writer.run())?,
            recorder: start(name("recorder"), move || recorder.run())?,
            teller: start(name("teller"), move || teller.run())?,
            stop_teller,
            recorded,
            ledger,
            committer: start(name("accepted log"), move || committer.run())?,
            process: start(name("process"), move || process.run())?,
            region,
            store,
            accepted,
            events,
            intake,
            archived,
            archive_store,
            balance,
            figures,
            border,
            points,
            spools,
            consumers,
            _follower: follower,
            _watch: watch,
            _witnesses: witnesses,
            _gate: gate,
        })
    }

    /// Ends when a part ends before it was told to; says which, and why.
    pub async fn failed(&mut self) -> String {
        let mut writers = vec![&mut self.committer, &mut self.process, &mut self.ledger_writer];
        let mut readers = vec![&mut self.recorder, &mut self.teller];
        for spool in &mut self.spools {
            writers.push(&mut spool.committer);
            readers.push(&mut spool.uplink);
        }
        readers.extend(&mut self.consumers);
        let cause = first_error(writers.into_iter().map(Part::end));
        let effect = select_all(readers.into_iter().map(|part| {
            Box::pin(async {
                let end = part.end().await;
                end.err().unwrap_or_else(|| format!("{}: ended too early", part.name))
            })
        }));
        tokio::pin!(cause);
        tokio::select! {
            biased;
            why = &mut cause => why,
            // A log that fails ends those that read it, often before its writer could say why.
            (why, _, _) = effect => tokio::time::timeout(CAUSE_WAIT, cause).await.unwrap_or(why),
        }
    }

    /// Goes down the event's way: what was promised is forwarded, decided and archived before the next part is closed.
    /// The ingest points have to be closed already.
    ///
    /// # Errors
    /// The first part that did not end in order.
    pub async fn stop(&mut self) -> Result<(), String> {
        for spool in &mut self.spools {
            spool.log.close();
            spool.committer.end().await?;
            // With the region's disk full it tries for ever; what is left in the spool goes at the next start.
            match tokio::time::timeout(UPLINK_WAIT, spool.uplink.end()).await {
                Ok(end) => end?,
                Err(_) => {
                    tracing::warn!(part = spool.uplink.name, "not everything was forwarded; it goes at the next start")
                }
            }
        }
        self.accepted.close();
        self.committer.end().await?;
        self.process.end().await?;
        for consumer in &mut self.consumers {
            consumer.end().await?;
        }
        self.recorder.end().await?;
        self.stop_teller.send_replace(true);
        self.teller.end().await?;
        let Recorded { accepted, decided } = *self.recorded.borrow();
        self.ledger.enter(What::Closed(Closed { accepted: accepted.0, decided: decided.0 }));
        self.ledger.close();
        self.ledger_writer.end().await
    }
}

/// The first that ends with an error. A writer without one has only come to the end of what it reads.
async fn first_error(ends: impl Iterator<Item = impl Future<Output = Result<(), String>>>) -> String {
    let mut ends: FuturesUnordered<_> = ends.collect();
    while let Some(end) = ends.next().await {
        if let Err(why) = end {
            return why;
        }
    }
    std::future::pending().await
}

impl Spool {
    fn start(
        world: &World,
        topology: &Topology,
        region: &Region,
        point: &IngestPoint,
        data: &Path,
        store: &Store,
        region_log: &AcceptedLog,
    ) -> Result<Self, Failure> {
        let folder = data.join("ingest").join(spool_name(topology, region, &point.name));
        world.disk.make_folder(&folder, true).map_err(|error| unwritable(&folder, &error))?;
        // The spool's own keys: a point outside the region never holds a data key of the region.
        let keyring = Keyring::open(world, &folder.join("keys")).map_err(Failure::unreached)?;
        let settings = LogSettings {
            segment_bytes_max: SPOOL_SEGMENT_BYTES,
            // What the region has is not needed here.
            retention: Retention { age_ms: 0, bytes_max: 0 },
        };
        let (log, committer) = AcceptedLog::open(world, &region.id, &folder.join("spool"), &keyring, settings)
            .map_err(Failure::unreached)?;
        let uplink = Uplink::new(world.clone(), point.name.clone(), &log, region_log.clone(), store.current())
            .map_err(Failure::unreached)?;
        let name = |part: &str| format!("{} {} {part}", region.id, point.name);
        Ok(Self {
            log,
            committer: start(name("spool"), move || committer.run())?,
            uplink: start(name("uplink"), move || uplink.run())?,
        })
    }
}

/// A point's folder. Two regions may have remote points of one name: then the region's name stands in front.
pub fn spool_name(topology: &Topology, region: &Region, point: &PointName) -> String {
    let alike = |other: &&Region| other.ingest.iter().any(|p| p.remote && p.name == *point);
    match topology.regions.iter().find(alike) {
        Some(first) if first.id != region.id => format!("{}.{point}", region.id),
        _ => point.to_string(),
    }
}

fn start<E, F>(name: String, run: impl FnOnce() -> F + Send + 'static) -> Result<Part, Failure>
where
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    Part::start(name, run).map_err(|error| Failure::unreached(format!("could not start a thread: {error}")))
}

fn unwritable(folder: &Path, error: &std::io::Error) -> Failure {
    let folder = folder.display();
    Failure::unreached(format!(
        "{folder}: {error}\n  mend: give a data folder that this user may write to (--data DIR)"
    ))
}
