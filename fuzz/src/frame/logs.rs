//! Two small logs on a disk in memory, written once, and told as text.

use super::edit::{self, File};
use domicile_event::{Call, scan_batch, scan_single};
use domicile_keys::Keyring;
use domicile_ledger::{Outcome, Reason};
use domicile_log::{
    Accepted, AcceptedLog, AcceptedReader, Committer, Decided, DecidedBuilder, EventFrame, EventKey, EventLog,
    EventReader, EventWriter, FrameBuf, LogSettings, OpenError, Origin, Position, ReadError, Receipt, Retention, Span,
};
use domicile_region::{InRegion, PointName, RegionId};
use domicile_testkit::{Handles, Snapshot};
use domicile_workspace::{ConfigVersion, Source, SourceId, SourceKind, SourceNumber, WorkspaceId, WorkspaceNumber};
use domicile_world::{Millis, World};
use futures::executor::block_on;
use futures::future::join;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Accepted,
    Events,
}

/// What a start and a reader found.
#[derive(PartialEq, Eq)]
pub enum Found {
    Damage,
    /// Each frame as text, whether they were read to the log's end, and the position of that.
    Log {
        told: Vec<String>,
        whole: bool,
        end: Position,
    },
}

/// Of a frame whose key is not there nothing is told.
pub const ERASED: &str = "erased";

pub struct Logs {
    hands: Handles,
    killed: Snapshot,
    closed: Snapshot,
    accepted: Vec<String>,
    events: Vec<String>,
}

impl Kind {
    fn folder(self) -> &'static Path {
        Path::new(match self {
            Self::Accepted => "/accepted",
            Self::Events => "/events",
        })
    }
}

/// Three or four frames to a segment.
const SETTINGS: LogSettings =
    LogSettings { segment_bytes_max: 3_000, retention: Retention { age_ms: i64::MAX, bytes_max: u64::MAX } };

impl Logs {
    /// Runs `act` on this thread's logs.
    pub fn with(act: impl FnOnce(&Self)) {
        thread_local!(static LOGS: RefCell<Option<Logs>> = const { RefCell::new(None) });
        LOGS.with_borrow_mut(|logs| act(logs.get_or_insert_with(Self::write)));
    }

    fn write() -> Self {
        let (world, hands) = domicile_testkit::world(1);
        // Twice, so that there is more than one salt.
        write_both(&world, 0, || ());
        let mut killed = None;
        write_both(&world, 1, || killed = Some(hands.disk.snapshot()));
        let killed = killed.expect("was not closed yet");
        let closed = hands.disk.snapshot();
        let mut logs = Self { hands, killed, closed, accepted: Vec::new(), events: Vec::new() };
        logs.accepted = logs.written(Kind::Accepted);
        logs.events = logs.written(Kind::Events);
        logs
    }

    fn written(&self, kind: Kind) -> Vec<String> {
        self.restore(kind, true);
        let files = self.files(kind);
        let mut same = files.clone();
        same.iter_mut().for_each(edit::put_checksums_right);
        assert!(files == same && edit::promised(&files) > 0, "`edit` knows how the files are made: it has to follow");
        let Found::Log { told, whole: true, .. } = self.open(kind) else { panic!("what was just written is there") };
        assert!(told.len() >= 8 && told.iter().all(|frame| frame != ERASED));
        told
    }

    /// Puts the disk back, and says what was written.
    pub fn restore(&self, kind: Kind, closed: bool) -> &[String] {
        self.hands.disk.restore(if closed { &self.closed } else { &self.killed });
        match kind {
            Kind::Accepted => &self.accepted,
            Kind::Events => &self.events,
        }
    }

    /// The files of one log.
    pub fn files(&self, kind: Kind) -> Vec<File> {
        let mut files = self.hands.disk.contents();
        files.retain(|(path, _)| path.starts_with(kind.folder()));
        files
    }

    /// Every file there is.
    pub fn contents(&self) -> Vec<File> {
        self.hands.disk.contents()
    }

    /// Puts `files` in the place of a log's.
    pub fn put(&self, kind: Kind, files: &[File]) {
        let disk = self.hands.restart().disk;
        for (path, _) in self.files(kind) {
            disk.remove(&path).expect("it is there");
        }
        for (path, content) in files {
            drop(disk.open_append(path).expect("its folder is there"));
            self.hands.disk.overwrite(path, content);
        }
    }

    /// Opens the log as a program that starts now, and reads it to its end.
    pub fn open(&self, kind: Kind) -> Found {
        let world = self.hands.restart();
        let keyring = open_keys(&world);
        let opened = match kind {
            Kind::Accepted => open_accepted(&world, &keyring).map(|(log, _)| read_accepted(&log)),
            Kind::Events => open_events(&world, &keyring).map(|(log, _)| read_events(&log)),
        };
        match opened {
            Ok(found) => found,
            Err(OpenError::Damage { file, .. }) => {
                assert!(Path::new(&file).starts_with(kind.folder()), "damage has a place");
                Found::Damage
            }
            Err(error) => panic!("no damage: {error}"),
        }
    }
}

fn open_keys(world: &World) -> Keyring {
    Keyring::open(world, Path::new("/keys")).expect("the keys are sound")
}

fn open_accepted(world: &World, keyring: &Keyring) -> Result<(AcceptedLog, Committer), OpenError> {
    AcceptedLog::open(world, &RegionId::new("here"), Kind::Accepted.folder(), keyring, SETTINGS)
}

fn open_events(world: &World, keyring: &Keyring) -> Result<(EventLog, EventWriter), OpenError> {
    EventLog::open(world, Kind::Events.folder(), keyring, SETTINGS)
}

fn read_accepted(log: &AcceptedLog) -> Found {
    let mut reader = log.reader(log.start());
    let mut told = Vec::new();
    let whole = loop {
        match reader.as_mut().map(AcceptedReader::next) {
            Ok(Ok(Some(Accepted { erased: true, .. }))) => told.push(ERASED.to_owned()),
            Ok(Ok(Some(it))) => {
                told.push(format!("{:?} {:?} {:?} {:?}", it.span.events(), it.receipt, it.envelope, it.body()));
            }
            Ok(Ok(None)) => break true,
            Ok(Err(ReadError::Damage { .. })) | Err(ReadError::Damage { .. }) => break false,
            Ok(Err(error)) => panic!("no damage: {error}"),
            Err(error) => panic!("no damage: {error}"),
        }
    };
    if let (true, Ok(reader)) = (whole, &reader) {
        assert_eq!(reader.position(), log.end(), "the end is where the log says");
    }
    Found::Log { told, whole, end: log.end() }
}

fn read_events(log: &EventLog) -> Found {
    let mut reader = log.reader("fuzz", log.start());
    let mut told = Vec::new();
    let whole = loop {
        match reader.as_mut().map(EventReader::next) {
            Ok(Ok(Some(EventFrame::Mark(_)))) => told.push("mark".to_owned()),
            Ok(Ok(Some(EventFrame::Decided(it)))) if it.point.as_str().is_empty() => told.push(ERASED.to_owned()),
            Ok(Ok(Some(EventFrame::Decided(it)))) => {
                let first = it.span.first.0;
                let kept: Vec<_> = it.kept().map(|(position, json)| (position.0 - first, json)).collect();
                let at = (it.span.events(), it.source, it.received_at, it.config, &it.point, it.client);
                told.push(format!("{at:?} {kept:?} {:?}", it.decisions));
            }
            Ok(Ok(None)) => break true,
            Ok(Err(ReadError::Damage { .. })) | Err(ReadError::Damage { .. }) => break false,
            Ok(Err(error)) => panic!("no damage: {error}"),
            Err(error) => panic!("no damage: {error}"),
        }
    };
    if let (true, Ok(reader)) = (whole, &reader) {
        assert_eq!(reader.position(), log.end(), "the end is where the log says");
    }
    Found::Log { told, whole, end: log.end() }
}

/// Appends some requests, decides them, and closes both logs.
fn write_both(world: &World, round: u64, before_close: impl FnOnce()) {
    let keyring = open_keys(world);
    let (log, committer) = open_accepted(world, &keyring).expect("opens");
    let (_, mut writer) = open_events(world, &keyring).expect("opens");
    let run = committer.run();
    let appends = async {
        for n in 0..6 {
            append(&log, round * 6 + n).await;
        }
        decide_all(&log, &mut writer);
        before_close();
        log.close();
    };
    let (ended, ()) = block_on(join(run, appends));
    ended.expect("closes");
    writer.close().expect("closes");
}

async fn append(log: &AcceptedLog, n: u64) {
    let batch = br#"{"batch":[{"type":"track","event":"a"},7,{"type":"page"}],"context":{"ip":"::1"},"sentAt":"2027"}"#;
    let large = format!(r#"{{"event":"{}","userId":"u"}}"#, "e".repeat(1_200));
    // Longer than two sectors, so that one of them can be lost and the rest be there.
    let (text, call) =
        if n.is_multiple_of(2) { (batch.as_slice(), None) } else { (large.as_bytes(), Some(Call::Track)) };
    let envelope = match call {
        None => scan_batch(text).map(|batch| batch.envelope),
        Some(_) => scan_single(text).map(|single| single.envelope),
    };
    let origin = Origin { point: PointName::new("far"), span: Span::new(Position(n / 3), 1) };
    let receipt = Receipt {
        source: SourceNumber(1),
        received_at: Millis(1_800_000_000_000),
        point: PointName::new("here"),
        client: Some([203, 0, 113, 7].into()),
        call,
        origin: (n % 3 == 1).then_some(origin),
    };
    let mut body = FrameBuf::with_capacity(text.len());
    body.extend_from_slice(text);
    log.append(source(), receipt, &envelope.expect("JSON"), body).await.expect("the disk does not fail");
}

fn source() -> InRegion<Arc<Source>> {
    let source = Source {
        id: SourceId::new("source1"),
        number: SourceNumber(1),
        workspace: WorkspaceId::new("acme"),
        workspace_number: WorkspaceNumber(1),
        slug: "web".into(),
        name: "Web".into(),
        kind: SourceKind::Website,
        enabled: true,
        ingestion_region: PointName::new("here"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    };
    InRegion::new(RegionId::new("here"), Arc::new(source))
}

fn decide_all(log: &AcceptedLog, writer: &mut EventWriter) {
    let mut reader = log.reader(writer.next()).expect("reads");
    while let Some(accepted) = reader.next().expect("reads") {
        writer.add(decide(&accepted), WorkspaceNumber(1)).expect("adds");
        if accepted.receipt.call.is_some() {
            writer.mark(accepted.log_time);
        }
        writer.commit().expect("commits");
    }
}

/// Of three events: one kept, one invalid, one a duplicate.
fn decide(accepted: &Accepted) -> Decided {
    let receipt = &accepted.receipt;
    let mut builder = DecidedBuilder::new(
        accepted.span,
        receipt.source,
        receipt.received_at,
        accepted.log_time,
        ConfigVersion(1),
        receipt.point.clone(),
        receipt.client,
    );
    let key = EventKey([7; 10]);
    for n in 0..accepted.span.events() {
        match n % 3 {
            0 => {
                builder.out().extend_from_slice(accepted.body());
                builder.keep(key);
            }
            1 => builder.drop(Outcome::Invalid, Reason::NotObject, None, None),
            _ => builder.drop(Outcome::Duplicate, Reason::None, Some(key), Some(accepted.span.first)),
        }
    }
    builder.finish()
}
