//! A cell's two logs and its process in a simulated world, driven by lines of text.
//!
//! ```text
//! accept SOURCE ID…     a batch of events with these messageIds; `-` has none, `!` is no event at all
//! wait 90s | 5m | 30d   lets time pass
//! restart               closes in order and starts again
//! kill | power          ends without warning, starts again; with `power` what was not synced is gone
//! delete index          kills, deletes the index's files, starts again
//! forget SOURCE         deletes a source from the configuration
//! stop process          only the decision stops; events are still accepted
//! ```

use domicile_event::Envelope;
use domicile_keys::{Keyring, UserHasher};
use domicile_log::{AcceptedLog, AppendError, EventFrame, EventLog, FrameBuf, LogSettings, Receipt, Span, WriteError};
use domicile_process::{IndexSettings, Process, ProcessError, ProcessSettings, UpkeepIn};
use domicile_region::{InRegion, PointName, RegionId};
use domicile_testkit::{Crash, Handles};
use domicile_workspace::{
    ConfigVersion, Current, Delta, Snapshot, Source, SourceId, SourceKind, SourceNumber, SuppressedIn, Suppression,
    UserHash, WorkspaceId, WorkspaceNumber,
};
use domicile_world::Disk as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const SALT: [u8; 16] = [7; 16];
pub const INDEX: &str = "/cell/index";

pub struct Cell {
    pub handles: Handles,
    pub current: Current,
    pub index: IndexSettings,
    sources: Vec<Source>,
    running: Option<Running>,
}

struct Running {
    accepted: AcceptedLog,
    events: EventLog,
    committer: JoinHandle<Result<(), WriteError>>,
    process: Option<JoinHandle<Result<(), ProcessError>>>,
}

/// What a batch is sent with.
#[derive(Default)]
pub struct Sent<'a> {
    pub client: Option<IpAddr>,
    pub context: Option<&'a str>,
}

/// Runs `commands` and compares the event log at the end.
pub fn check(commands: &str, expected: &str) {
    check_with(tiny(), commands, expected);
}

pub fn check_with(index: IndexSettings, commands: &str, expected: &str) {
    let lines =
        |text: &str| text.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect::<Vec<_>>();
    run(async {
        let mut cell = Cell::start(1, index).await;
        for command in lines(commands) {
            cell.perform(&command).await;
        }
        cell.handles.clock.settle().await;
        assert_eq!(cell.event_log(), lines(expected), "the event log after\n{commands}");
    });
}

pub fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// An index so small that everything happens in it all the time.
pub fn tiny() -> IndexSettings {
    IndexSettings { generation_keys: 2, runs_max: 3, upkeep: UpkeepIn::Steps(2), ..IndexSettings::default() }
}

fn source(number: u32, slug: &str, kind: SourceKind) -> Source {
    Source {
        id: SourceId::new(format!("id-of-{slug}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new("acme"),
        workspace_number: WorkspaceNumber(1),
        slug: slug.into(),
        name: slug.into(),
        kind,
        enabled: true,
        ingestion_region: PointName::new("dublin"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    }
}

impl Cell {
    pub async fn start(seed: u64, index: IndexSettings) -> Self {
        let (_, handles) = domicile_testkit::world(seed);
        let sources = vec![
            source(1, "web", SourceKind::Website),
            source(2, "app", SourceKind::Mobile),
            source(3, "server", SourceKind::Server),
        ];
        let current = Current::new(snapshot(1, &sources));
        let disk = handles.disk.restart();
        for folder in ["/cell/accepted", "/cell/events", "/cell/keys"] {
            disk.make_folder(Path::new(folder), true).expect("a folder");
        }
        // The cell's folder outlasts a power loss: whoever installs it sees to that.
        for folder in ["/", "/cell"] {
            disk.sync_folder(Path::new(folder)).expect("synced");
        }
        let mut cell = Self { handles, current, index, sources, running: None };
        cell.open().await.expect("a cell opens");
        cell
    }

    /// Opens the logs and lets the decision run.
    pub async fn open(&mut self) -> Result<(), String> {
        let world = self.handles.restart();
        let region = RegionId::new("eu-west");
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let keyring = Keyring::open(&world, Path::new("/cell/keys")).map_err(|e| text(&e))?;
        let settings = LogSettings { segment_bytes_max: 4_000, ..LogSettings::default() };
        let (accepted, committer) = AcceptedLog::open(&world, &region, Path::new("/cell/accepted"), &keyring, settings)
            .map_err(|e| text(&e))?;
        let events = EventLog::open(&world, Path::new("/cell/events"), &keyring, settings).map_err(|e| text(&e))?;
        let log = events.0.clone();
        let mut settings = ProcessSettings::new(SALT);
        settings.index = self.index.clone();
        let process =
            Process::open(world, &region, self.current.clone(), accepted.clone(), events, Path::new(INDEX), settings)
                .map_err(|e| text(&e))?;
        self.running = Some(Running {
            accepted,
            events: log,
            committer: tokio::spawn(committer.run()),
            process: Some(tokio::spawn(process.run())),
        });
        Ok(())
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the cell runs")
    }

    pub async fn perform(&mut self, command: &str) {
        let words: Vec<_> = command.split_whitespace().collect();
        match words.as_slice() {
            ["accept", source, ids @ ..] => {
                let items: Vec<_> = ids.iter().map(|id| item(id)).collect();
                self.accept(source, &items, Sent::default()).await.expect("accepted");
            }
            ["wait", length] => self.handles.clock.advance(duration(length)).await,
            ["restart"] => {
                self.close().await.expect("closes");
                self.open().await.expect("opens");
            }
            ["kill"] => self.restart_after(Crash::Kill).await,
            ["power"] => self.restart_after(Crash::Power).await,
            ["delete", "index"] => {
                self.crash(Crash::Kill).await;
                self.delete_index();
                self.open().await.expect("opens");
            }
            ["forget", slug] => {
                self.sources.retain(|source| source.slug != *slug);
                let version = self.current.load().version.0 + 1;
                self.current.put(snapshot(version, &self.sources));
            }
            ["suppress", place] => self.put_suppression(place, true),
            ["let", "go", place] => self.put_suppression(place, false),
            ["stop", "process"] => {
                self.handles.clock.settle().await;
                self.running.as_mut().and_then(|running| running.process.take()).expect("runs").abort();
                self.handles.clock.settle().await;
            }
            _ => panic!("no such command: {command}"),
        }
    }

    /// Changes whether the user `u` is suppressed in the workspace (`acme`) or in a source.
    fn put_suppression(&self, place: &str, is_on: bool) {
        let within = match self.sources.iter().find(|source| source.slug == place) {
            Some(source) => SuppressedIn::Source(source.number),
            None => SuppressedIn::Workspace(WorkspaceNumber(1)),
        };
        let now = self.current.load();
        let user = UserHash(UserHasher::new(&SALT).hash(1, "u"));
        let suppressions = vec![Suppression { within, user, is_on }];
        let version = ConfigVersion(now.version.0 + 1);
        self.current.put(now.with(Delta { version, suppressions, ..Delta::default() }));
    }

    /// Sends a batch of raw items and waits for the answer.
    pub async fn accept(&self, slug: &str, items: &[String], sent: Sent<'_>) -> Result<Span, AppendError> {
        let source = self.sources.iter().find(|source| source.slug == slug).expect("a source");
        let mut body = FrameBuf::with_capacity(1_000);
        let mut put = |text: &str| {
            let from = u32::try_from(body.len()).expect("small");
            body.extend_from_slice(text.as_bytes());
            from..u32::try_from(body.len()).expect("small")
        };
        let envelope = Envelope {
            context: sent.context.map(&mut put),
            items: items.iter().map(|item| put(item)).collect(),
            ..Envelope::default()
        };
        let receipt = Receipt {
            source: source.number,
            received_at: self.handles.restart().clock.now(),
            point: PointName::new("dublin"),
            client: sent.client,
            call: None,
            origin: None,
        };
        let source = InRegion::new(RegionId::new("eu-west"), Arc::new(source.clone()));
        self.running().accepted.append(source, receipt, &envelope, body).await
    }

    /// Closes in order: all that was accepted is decided.
    pub async fn close(&mut self) -> Result<(), String> {
        let Running { accepted, committer, process, .. } = self.running.take().expect("the cell runs");
        accepted.close();
        let clock = self.handles.clock.clone();
        clock.drive(committer).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        match process {
            Some(process) => clock.drive(process).await.map_err(|e| e.to_string())?.map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }

    /// Ends the program's life.
    pub async fn crash(&mut self, crash: Crash) {
        self.handles.clock.settle().await;
        self.handles.disk.crash(crash);
        let Running { committer, process, .. } = self.running.take().expect("the cell runs");
        committer.abort();
        let _ = committer.await;
        if let Some(process) = process {
            process.abort();
            let _ = process.await;
        }
    }

    async fn restart_after(&mut self, crash: Crash) {
        self.crash(crash).await;
        self.open().await.expect("opens");
    }

    pub fn delete_index(&self) {
        let disk = self.handles.disk.restart();
        for entry in disk.list(Path::new(INDEX)).expect("an index folder") {
            disk.remove(&Path::new(INDEX).join(entry.name)).expect("removed");
        }
    }

    /// The finished events that were kept, as text.
    pub fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        self.each_frame(|frame| {
            if let EventFrame::Decided(decided) = frame {
                kept.extend(decided.kept().map(|(_, event)| String::from_utf8_lossy(event).into_owned()));
            }
        });
        kept
    }

    /// Every decision and mark, a line each.
    pub fn event_log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.each_frame(|frame| match frame {
            EventFrame::Mark(_) => lines.push("mark".to_owned()),
            EventFrame::Decided(decided) => {
                let mut kept = decided.kept();
                for (position, decision) in decided.decisions() {
                    let what = match (decision.outcome.as_str(), decision.first) {
                        ("kept", _) => message_id(kept.next().map(|(_, event)| event).expect("an event")),
                        ("duplicate", Some(first)) => format!("duplicate of {first}"),
                        (outcome, _) => format!("{outcome} {}", decision.reason.as_str()),
                    };
                    lines.push(format!("{position} {what}"));
                }
            }
        });
        lines
    }

    fn each_frame(&self, mut each: impl FnMut(EventFrame)) {
        let events = &self.running().events;
        let mut reader = events.reader("test", events.start()).expect("reads");
        while let Some(frame) = reader.next().expect("no damage") {
            each(frame);
        }
    }
}

fn snapshot(version: u64, sources: &[Source]) -> Snapshot {
    Snapshot::new(ConfigVersion(version), RegionId::new("eu-west"), Vec::new(), sources.to_vec(), Vec::new())
}

pub fn item(id: &str) -> String {
    match id {
        "-" => r#"{"type":"track","event":"E","userId":"u"}"#.to_owned(),
        "!" => "17".to_owned(),
        id => {
            // `m1@v`: of the user `v`.
            let (id, user) = id.split_once('@').unwrap_or((id, "u"));
            format!(r#"{{"type":"track","event":"E","userId":"{user}","messageId":"{id}"}}"#)
        }
    }
}

fn message_id(event: &[u8]) -> String {
    let event = String::from_utf8_lossy(event);
    let id = event.split_once(r#""messageId":""#).and_then(|(_, rest)| rest.split_once('"'));
    id.map_or_else(|| format!("no messageId in {event}"), |(id, _)| id.to_owned())
}

fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => panic!("no such unit: {text}"),
    };
    Duration::from_secs(number.parse::<u64>().expect("a number") * seconds)
}
