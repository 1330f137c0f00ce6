//! One life of a cell without its network: both logs, process, the archive and the ledger, in one thread.

use crate::life::{ACCEPTED, KEYS, REGION, source};
use domicile_archive::{Archive, ArchiveError, ArchiveSettings, FolderStore};
use domicile_event::Envelope;
use domicile_keys::Keyring;
use domicile_ledger::verify::{Files, Folder, Question, Report, verify};
use domicile_ledger::{BookError, Closed, Ledger, What};
use domicile_log::{
    AcceptedLog, AppendError, EventLog, FrameBuf, LogSettings, Receipt, Recorded, Recorder, RecorderError, Span,
    WriteError,
};
use domicile_process::{IndexSettings, Process, ProcessError, ProcessSettings, UpkeepIn};
use domicile_region::{PointName, RegionId, Topology};
use domicile_testkit::{Dice, Handles, SampleEvent, batch_body};
use domicile_workspace::{ConfigVersion, Current, Snapshot, Source, SourceNumber};
use domicile_world::World;
use flate2::read::MultiGzDecoder;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub const EVENTS: &str = "/cell/events";
pub const INDEX: &str = "/cell/index";
pub const ARCHIVE: &str = "/cell/archive";
pub const LEDGER: &str = "/cell/ledger";
/// How many sources the configuration has, from number 1.
const SOURCES: u32 = 3;

/// Sizes, small enough that a short run rolls segments, writes and merges runs, and closes files.
#[derive(Clone, Debug)]
pub struct CellSettings {
    pub log: LogSettings,
    pub index: IndexSettings,
    pub archive: ArchiveSettings,
}

impl CellSettings {
    pub fn small(dice: &mut Dice) -> Self {
        Self {
            log: LogSettings { segment_bytes_max: *dice.pick(&[2_000, 20_000]), ..LogSettings::default() },
            index: IndexSettings {
                generation_keys: *dice.pick(&[20, 100]),
                runs_max: 3,
                upkeep: UpkeepIn::Steps(4),
                ..IndexSettings::default()
            },
            archive: ArchiveSettings {
                file_bytes_max: *dice.pick(&[2_000, 1 << 20]),
                open_bytes_max: *dice.pick(&[5_000, 1 << 20]),
                level: 1,
            },
        }
    }
}

pub struct Cell {
    pub world: World,
    pub accepted: AcceptedLog,
    pub events: EventLog,
    committer: JoinHandle<Result<(), WriteError>>,
    process: JoinHandle<Result<(), ProcessError>>,
    archive: JoinHandle<Result<(), ArchiveError>>,
    recorder: JoinHandle<Result<(), RecorderError>>,
    recorded: watch::Receiver<Recorded>,
    ledger: Ledger,
    ledger_writer: JoinHandle<Result<(), BookError>>,
}

fn said(error: impl Display) -> String {
    error.to_string()
}

impl Cell {
    /// Opens everything in the order in which the program does, and lets it work. Needs a runtime of one thread.
    ///
    /// # Errors
    /// The text that the program would end with.
    pub fn begin(world: World, settings: &CellSettings) -> Result<Self, String> {
        let region = RegionId::new(REGION);
        let sources = (1..=SOURCES).map(|n| Source::clone(source(n).shown())).collect();
        let snapshot = Snapshot::new(ConfigVersion(1), region.clone(), Vec::new(), sources, Vec::new());
        let current = Current::new(snapshot);
        let (index, cursor) = (PathBuf::from(INDEX), Path::new(INDEX).join("archive.cursor"));
        world.disk.make_folder(&index, true).map_err(said)?;
        let keyring = Keyring::open(&world, Path::new(KEYS)).map_err(said)?;
        let (accepted, committer) =
            AcceptedLog::open(&world, &region, Path::new(ACCEPTED), &keyring, settings.log).map_err(said)?;
        let (events, writer) = EventLog::open(&world, Path::new(EVENTS), &keyring, settings.log).map_err(said)?;
        let (ledger, ledger_writer) = Ledger::open(&world, &region, Path::new(LEDGER), &keyring).map_err(said)?;
        let of_region = Topology::built_in().region(&region).cloned().ok_or("a region that is built in")?;
        let logs = (&accepted, &events);
        let recorder = Recorder::open(&world, &of_region, "test", &current, &ledger, logs).map_err(said)?;
        let store = Arc::new(FolderStore::new(&world, ARCHIVE));
        let archive =
            Archive::open(world.clone(), current.clone(), &events, store, cursor, settings.archive).map_err(said)?;
        let archive = archive.with_ledger(ledger.clone(), of_region.country.to_string());
        let mut process_settings = ProcessSettings::new(keyring.cell_salt());
        process_settings.index = settings.index.clone();
        let logs = (events.clone(), writer);
        let process = Process::open(world.clone(), &region, current, accepted.clone(), logs, &index, process_settings)
            .map_err(said)?;
        Ok(Self {
            world,
            accepted,
            events,
            committer: tokio::spawn(committer.run()),
            process: tokio::spawn(process.run()),
            archive: tokio::spawn(archive.run()),
            recorded: recorder.recorded(),
            recorder: tokio::spawn(recorder.run()),
            ledger,
            ledger_writer: tokio::spawn(ledger_writer.run()),
        })
    }

    /// Ends this life in order: everything accepted is decided and in the archive.
    ///
    /// # Errors
    /// The text that the program would end with.
    pub async fn close(self) -> Result<(), String> {
        self.accepted.close();
        self.committer.await.map_err(said)?.map_err(said)?;
        self.process.await.map_err(said)?.map_err(said)?;
        self.archive.await.map_err(said)?.map_err(said)?;
        self.recorder.await.map_err(said)?.map_err(said)?;
        let Recorded { accepted, decided } = *self.recorded.borrow();
        self.ledger.enter(What::Closed(Closed { accepted: accepted.0, decided: decided.0 }));
        self.ledger.close();
        self.ledger_writer.await.map_err(said)?.map_err(said)
    }

    /// Whether a part has stopped, which in the program stops all.
    pub fn stopped(&self) -> bool {
        let parts = [self.committer.is_finished(), self.process.is_finished(), self.archive.is_finished()];
        let of_ledger = [self.recorder.is_finished(), self.ledger_writer.is_finished()];
        parts.into_iter().chain(of_ledger).any(|ended| ended)
    }
}

/// Appends a batch of one source as ingest does.
pub async fn send(
    world: &World,
    accepted: &AcceptedLog,
    source_number: u32,
    events: &[SampleEvent],
) -> Result<Span, AppendError> {
    let sent_at = "2027-01-15T08:00:00.000Z";
    let body = batch_body(events, sent_at);
    let mut at = r#"{"batch":["#.len() as u32;
    let mut envelope = Envelope::default();
    for event in events {
        let end = at + event.json.len() as u32;
        envelope.items.push(at..end);
        at = end + 1;
    }
    let sent_at_from = (body.len() - sent_at.len() - 3) as u32;
    envelope.sent_at = Some(sent_at_from..body.len() as u32 - 1);
    let mut buf = FrameBuf::with_capacity(body.len());
    buf.extend_from_slice(&body);
    let receipt = Receipt {
        source: SourceNumber(source_number),
        received_at: world.clock.now(),
        point: PointName::new("dublin"),
        client: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        call: None,
        origin: None,
    };
    accepted.append(source(source_number), receipt, &envelope, buf).await
}

/// Checks the ledger and its archive as anyone would.
pub fn verified(world: &World) -> Report {
    // An archive that was never given a file has no folder here.
    world.disk.make_folder(Path::new(ARCHIVE), true).expect("a disk that works");
    let folder = |path: &str| Folder { disk: Arc::clone(&world.disk), path: path.into() };
    let (ledger, archive) = (folder(LEDGER), folder(ARCHIVE));
    let archive = Some((&archive as &dyn Files, (|_| true) as fn(&[u8]) -> bool));
    verify(&ledger, archive, &Question::default(), |_| {}).expect("a disk that reads")
}

/// One line of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    pub source: String,
    pub message_id: String,
    pub line: String,
}

/// Every line of every file of the archive, by file name.
pub fn archived(handles: &Handles) -> Vec<Archived> {
    let mut lines = Vec::new();
    for (path, bytes) in handles.disk.contents() {
        if !path.starts_with(ARCHIVE) || path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let folders: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let source = folders.iter().rev().nth(2).cloned().unwrap_or_default();
        let mut text = String::new();
        let read = MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text);
        read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        lines.extend(text.lines().map(|line| Archived {
            source: source.clone(),
            message_id: message_id(line).to_owned(),
            line: line.to_owned(),
        }));
    }
    lines
}

/// The value of `messageId` in a sample event's JSON.
pub fn message_id(json: &str) -> &str {
    let (_, rest) = json.split_once(r#""messageId":""#).expect("every event of the archive has a messageId");
    rest.split('"').next().unwrap_or_default()
}

/// Waits on the clock that is handed in.
pub async fn wait(world: &World, seconds: u64) {
    world.clock.sleep(Duration::from_secs(seconds)).await;
}
