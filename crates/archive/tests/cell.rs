//! An event log to read, a store to fill, and the whole archive as one value to compare.
//!
//! Log and archive have disks of their own, so that the archive's can fail while the log goes on.

use domicile_archive::{Archive, ArchiveError, ArchiveSettings, FolderStore};
use domicile_keys::Keyring;
use domicile_ledger::{Outcome, Reason};
use domicile_log::{DecidedBuilder, EventKey, EventLog, EventWriter, LogSettings, Position, Span};
use domicile_region::{PointName, RegionId};
use domicile_testkit::{Dice, Handles};
use domicile_workspace::{
    ConfigVersion, Current, Snapshot, Source, SourceId, SourceKind, SourceNumber, WorkspaceId, WorkspaceNumber,
};
use domicile_world::{Millis, World};
use flate2::read::MultiGzDecoder;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

pub const CURSOR: &str = "/cell/archive.cursor";

/// Small enough that a few dozen events close files by every rule.
pub const SMALL: ArchiveSettings = ArchiveSettings { file_bytes_max: 400, open_bytes_max: 900, level: 2 };

/// What process writes.
#[derive(Clone, Debug)]
pub enum Step {
    /// One frame: kept events as their JSON, `None` for a duplicate.
    Frame {
        source: u32,
        received_at: i64,
        events: Vec<Option<String>>,
    },
    Mark,
}

/// Frames of a few sources over two days, with duplicates and marks among them, and a mark at the end.
pub fn sample(seed: u64, frames: usize) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let mut steps = Vec::new();
    for n in 0..frames {
        let event = |dice: &mut Dice, i: u64| {
            (!dice.percent(20)).then(|| format!(r#"{{"messageId":"{n}-{i}","pad":"{}"}}"#, "x".repeat(dice.index(120))))
        };
        let count = 1 + dice.below(5);
        let day = i64::from(dice.percent(15)) * -86_400_000;
        let events = (0..count).map(|i| event(&mut dice, i)).collect();
        steps.push(Step::Frame { source: 1 + dice.below(3) as u32, received_at: 1_800_000_000_000 + day, events });
        if dice.percent(12) {
            steps.push(Step::Mark);
        }
    }
    steps.push(Step::Mark);
    steps
}

/// The kept events of the steps, by source, in order.
pub fn kept(steps: &[Step]) -> BTreeMap<String, Vec<String>> {
    let mut kept = BTreeMap::<String, Vec<String>>::new();
    for step in steps {
        if let Step::Frame { source, events, .. } = step {
            kept.entry(format!("source{source}")).or_default().extend(events.iter().flatten().cloned());
        }
    }
    kept.retain(|_, events| !events.is_empty());
    kept
}

/// The event log of a cell, and its writer.
pub struct Log {
    pub events: EventLog,
    writer: Option<EventWriter>,
}

impl Log {
    pub fn new() -> Self {
        Self::with(LogSettings::default())
    }

    pub fn with(settings: LogSettings) -> Self {
        let (world, _) = domicile_testkit::world(7);
        let keyring = Keyring::open(&world, Path::new("/log/keys")).unwrap();
        let (events, writer) = EventLog::open(&world, Path::new("/log/events"), &keyring, settings).unwrap();
        Self { events, writer: Some(writer) }
    }

    /// A log of these steps, closed.
    pub fn of(steps: &[Step]) -> Self {
        let mut log = Self::new();
        steps.iter().for_each(|step| log.write(step));
        log.close();
        log
    }

    pub fn write(&mut self, step: &Step) {
        let writer = self.writer.as_mut().unwrap();
        match step {
            Step::Mark => writer.mark(Millis(0)),
            Step::Frame { source, received_at, events } => {
                let span = Span::new(writer.next(), events.len() as u64);
                let mut builder = DecidedBuilder::new(
                    span,
                    SourceNumber(*source),
                    Millis(*received_at),
                    Millis(0),
                    ConfigVersion(1),
                    PointName::new("here"),
                    None,
                );
                for event in events {
                    match event {
                        Some(json) => {
                            builder.out().extend_from_slice(json.as_bytes());
                            builder.keep(EventKey([0; 10]));
                        }
                        None => builder.drop(Outcome::Duplicate, Reason::None, None, Some(Position(0))),
                    }
                }
                writer.add(builder.finish(), WorkspaceNumber(1)).unwrap();
            }
        }
        writer.commit().unwrap();
    }

    pub fn close(&mut self) {
        self.writer.take().unwrap().close().unwrap();
    }
}

/// A configuration that knows the sources 1 to 3.
pub fn current() -> Current {
    let source = |number: u32| Source {
        id: SourceId::new(format!("source{number}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new("w"),
        workspace_number: WorkspaceNumber(1),
        slug: format!("source{number}"),
        name: format!("Source {number}"),
        kind: SourceKind::Server,
        enabled: true,
        ingestion_region: PointName::new("here"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    };
    let region = RegionId::new("somewhere");
    Current::new(Snapshot::new(ConfigVersion(1), region, Vec::new(), (1..=3).map(source).collect(), Vec::new()))
}

/// The disk of an archive: its folder is there.
pub fn place(seed: u64) -> (World, Handles) {
    let (world, handles) = domicile_testkit::world(seed);
    world.disk.make_folder(Path::new("/cell"), true).unwrap();
    world.disk.sync_folder(Path::new("/")).unwrap();
    (world, handles)
}

pub fn folder_of(world: &World) -> Arc<dyn ObjectStore> {
    Arc::new(FolderStore::new(world, "/cell/archive"))
}

pub fn open(log: &Log, world: &World, store: &Arc<dyn ObjectStore>, settings: ArchiveSettings) -> Archive {
    Archive::open(world.clone(), current(), &log.events, Arc::clone(store), CURSOR.into(), settings).unwrap()
}

/// Runs the archive of a closed log to its end.
pub async fn run(
    log: &Log,
    world: &World,
    handles: &Handles,
    store: &Arc<dyn ObjectStore>,
    settings: ArchiveSettings,
) -> Result<(), ArchiveError> {
    handles.clock.drive(open(log, world, store, settings).run()).await
}

/// Every object with its bytes.
pub async fn objects(store: &dyn ObjectStore) -> BTreeMap<String, Vec<u8>> {
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    futures::stream::iter(listed)
        .then(async |meta| {
            let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
            assert_eq!(bytes.len() as u64, meta.size);
            (meta.location.to_string(), bytes.to_vec())
        })
        .collect()
        .await
}

pub fn unpack(gzip: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(gzip).read_to_string(&mut text).unwrap();
    text
}

/// The files that an undisturbed archive makes of these steps.
pub async fn undisturbed(steps: &[Step], settings: ArchiveSettings) -> BTreeMap<String, Vec<u8>> {
    let (world, handles) = place(1);
    let store = folder_of(&world);
    run(&Log::of(steps), &world, &handles, &store, settings).await.unwrap();
    objects(store.as_ref()).await
}

/// Every event of the archive by source, in the order of the log. Files are read in the order of their first position.
pub fn events(objects: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<String>> {
    let mut files: Vec<(&str, u64, &Vec<u8>)> = objects
        .iter()
        .map(|(name, bytes)| {
            let parts: Vec<&str> = name.split('/').collect();
            let (first, _) = parts[3].split_once('-').unwrap();
            (parts[1], first.parse().unwrap(), bytes)
        })
        .collect();
    files.sort_by_key(|(source, first, _)| (*source, *first));
    let mut events = BTreeMap::<String, Vec<String>>::new();
    for (source, _, bytes) in files {
        events.entry(source.to_owned()).or_default().extend(unpack(bytes).lines().map(str::to_owned));
    }
    // A source's two days lie side by side in the log: compare as sets that may not hold anything twice.
    events.values_mut().for_each(|events| events.sort());
    events
}

/// Asserts that the archive holds each kept event once and nothing else.
#[track_caller]
pub fn assert_complete(objects: &BTreeMap<String, Vec<u8>>, steps: &[Step]) {
    let mut counts = BTreeMap::<(String, String), i32>::new();
    let mut count = |events: BTreeMap<String, Vec<String>>, n| {
        for (source, events) in events {
            events.into_iter().for_each(|event| *counts.entry((source.clone(), event)).or_default() += n);
        }
    };
    count(kept(steps), -1);
    count(events(objects), 1);
    counts.retain(|_, n| *n != 0);
    assert!(counts.is_empty(), "lost (below 0) or twice: {counts:#?}");
}
