//! A cell's last part in a simulated world: an event log, destinations, a partner.

use crate::partner::Partner;
use domicile_border::Border;
use domicile_destinations::{DestinationFigures, Destinations, Figures, Settings, dead_letters_path};
use domicile_keys::{IdentifierHasher, Keyring};
use domicile_log::{DecidedBuilder, EventKey, EventLog, EventWriter, LogSettings, Span};
use domicile_region::{Country, PointName, Region, RegionId, Topology};
use domicile_testkit::{Crash, Handles, world};
use domicile_workspace::*;
use domicile_world::{Clock, World};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;

const INDEX: &str = "/cell/index";

/// A cell with source 1 (and 2), where nothing happens unless the test lets time pass.
pub struct Bed {
    pub handles: Handles,
    pub partner: Partner,
    pub settings: Settings,
    /// From the next start on the border is a process that is not there.
    pub border_is_gone: bool,
    region: Region,
    destinations: Vec<Destination>,
    version: u64,
    life: Option<Life>,
    next_n: u64,
}

struct Life {
    world: World,
    current: Current,
    writer: EventWriter,
    border: Border,
    figures: Figures,
    running: JoinHandle<()>,
}

pub fn webhook(id: &str, source: u32, country: &str) -> Destination {
    Destination {
        id: DestinationId::new(id),
        workspace: WorkspaceId::new("w"),
        workspace_number: WorkspaceNumber(1),
        source: SourceId::new(format!("source{source}")),
        name: id.to_owned(),
        enabled: true,
        filters: Filters::default(),
        kind: DestinationKind::Webhook(WebhookSettings {
            url: format!("http://partner.example/{id}"),
            country: Country::new(country),
            shared_secret: None,
        }),
    }
}

fn source(number: u32) -> Source {
    Source {
        id: SourceId::new(format!("source{number}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new("w"),
        workspace_number: WorkspaceNumber(1),
        slug: "web".into(),
        name: "Web".into(),
        kind: SourceKind::Website,
        enabled: true,
        ingestion_region: PointName::new("dublin"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    }
}

impl Bed {
    /// What identifiers are hashed with.
    pub const SALT: [u8; 16] = [7; 16];

    /// eu-west with these destinations, at work.
    pub async fn new(seed: u64, destinations: Vec<Destination>) -> Self {
        Self::with(seed, destinations, Settings::default()).await
    }

    pub async fn with(seed: u64, destinations: Vec<Destination>, settings: Settings) -> Self {
        let (_, handles) = world(seed);
        let partner = Partner::new(&handles.clock);
        let region = Topology::built_in().region(&RegionId::new("eu-west")).expect("built in").clone();
        let mut bed = Self {
            handles,
            partner,
            settings,
            border_is_gone: false,
            region,
            destinations,
            version: 0,
            life: None,
            next_n: 0,
        };
        bed.start().await;
        bed
    }

    /// Starts the program, for the first time or after a crash.
    pub async fn start(&mut self) {
        let world = self.handles.restart();
        for folder in ["/cell/keys", "/cell/events", INDEX] {
            world.disk.make_folder(Path::new(folder), true).expect("a folder");
        }
        let keyring = Keyring::open(&world, Path::new("/cell/keys")).expect("keys");
        let (log, writer) =
            EventLog::open(&world, Path::new("/cell/events"), &keyring, LogSettings::default()).expect("a log");
        let mut border = Border::new(world.clone(), &self.region, &[])
            .with_outside(std::sync::Arc::new(self.partner.clone()))
            .with_identifiers(IdentifierHasher::new(&Self::SALT));
        if self.border_is_gone {
            border = border.through_gate(Path::new("/nobody/listens.sock"));
        }
        let current = Current::new(self.snapshot());
        let destinations = Destinations::new(
            world.clone(),
            self.region.id.clone(),
            current.clone(),
            log,
            border.clone(),
            Path::new(INDEX),
            self.settings,
        );
        let figures = destinations.figures();
        let running = tokio::spawn(destinations.run());
        self.life = Some(Life { world, current, writer, border, figures, running });
        self.handles.clock.settle().await;
    }

    pub async fn crash(&mut self, crash: Crash) {
        let life = self.life.take().expect("alive");
        self.handles.disk.crash(crash);
        life.running.abort();
        let _ = life.running.await;
        self.handles.clock.settle().await;
    }

    /// Closes the log, as a shutdown does, and tells how long the destinations took to end.
    pub async fn stop(&mut self) -> Duration {
        let life = self.life.take().expect("alive");
        let began = self.handles.clock.monotonic();
        life.writer.close().expect("closes");
        self.handles.clock.drive(life.running).await.expect("no panic");
        self.handles.clock.monotonic() - began
    }

    /// One frame of source `source` with an event for each of these users. They are numbered through (`n`).
    pub fn send_from(&mut self, number: u32, users: &[&str]) {
        let life = self.life.as_mut().expect("alive");
        let span = Span::new(life.writer.next(), users.len() as u64);
        let now = life.world.clock.now();
        let (version, point) = (ConfigVersion(self.version), PointName::new("dublin"));
        let mut decided = DecidedBuilder::new(span, SourceNumber(number), now, now, version, point, None);
        for user in users {
            let n = self.next_n;
            self.next_n += 1;
            let event = format!(r#"{{"messageId":"m{n}","n":{n},"userId":"{user}","type":"track","event":"E"}}"#);
            decided.out().extend_from_slice(event.as_bytes());
            decided.keep(EventKey([0; 10]));
        }
        life.writer.add(decided.finish(), WorkspaceNumber(1)).expect("added");
        life.writer.commit().expect("committed");
    }

    pub fn send(&mut self, users: &[&str]) {
        self.send_from(1, users);
    }

    /// `count` events of `users` users, in frames of ten.
    pub fn send_many(&mut self, count: usize, users: usize) {
        let names: Vec<String> = (0..count).map(|n| format!("user{}", (n * 7 + n / 3) % users)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.chunks(10).for_each(|frame| self.send(frame));
    }

    pub async fn pass(&self, length: Duration) {
        self.handles.clock.advance(length).await;
    }

    /// Another configuration is in force.
    pub async fn configure(&mut self, change: impl FnOnce(&mut Vec<Destination>)) {
        change(&mut self.destinations);
        self.version += 1;
        let snapshot = self.snapshot();
        self.life.as_ref().expect("alive").current.put(snapshot);
        self.handles.clock.settle().await;
    }

    pub fn border(&self) -> &Border {
        &self.life.as_ref().expect("alive").border
    }

    pub fn figures(&self) -> &Figures {
        &self.life.as_ref().expect("alive").figures
    }

    pub fn of(&self, id: &str) -> DestinationFigures {
        self.figures().of(&DestinationId::new(id)).expect("known")
    }

    /// `delivered dead off | in memory`.
    pub fn counts(&self, id: &str) -> String {
        let figures = self.of(id);
        let totals = figures.totals;
        format!("{} {} {} | {}", totals.delivered, totals.dead, totals.off, figures.in_memory)
    }

    pub fn letters(&self, id: &str) -> Vec<Value> {
        let path = dead_letters_path(Path::new(INDEX), &DestinationId::new(id));
        let text = self.handles.restart().disk.read(&path).unwrap_or_default();
        String::from_utf8(text)
            .expect("text")
            .lines()
            .map(|line| serde_json::from_str(line).expect("a letter"))
            .collect()
    }

    pub fn index_path(name: &str) -> std::path::PathBuf {
        Path::new(INDEX).join(name)
    }

    fn snapshot(&self) -> Snapshot {
        let sources = vec![source(1), source(2)];
        Snapshot::new(
            ConfigVersion(self.version),
            self.region.id.clone(),
            Vec::new(),
            sources,
            self.destinations.clone(),
        )
    }
}
