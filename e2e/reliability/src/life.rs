//! One life of a program that holds an accepted log.

use domicile_event::Envelope;
use domicile_keys::Keyring;
use domicile_log::{AcceptedLog, AppendError, FrameBuf, LogSettings, OpenError, Receipt, Span, WriteError};
use domicile_region::{InRegion, PointName, RegionId};
use domicile_testkit::{Dice, Handles, world};
use domicile_workspace::{Source, SourceId, SourceKind, SourceNumber, WorkspaceId, WorkspaceNumber};
use domicile_world::World;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

pub const REGION: &str = "eu-west";
pub const KEYS: &str = "/cell/keys";
pub const ACCEPTED: &str = "/cell/accepted";

/// A machine with an empty disk.
pub fn born(seed: u64) -> Handles {
    world(seed).1
}

/// A source of the one region there is; two workspaces share the sources between them.
pub fn source(number: u32) -> InRegion<Arc<Source>> {
    let source = Source {
        id: SourceId::new(format!("source{number}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new(format!("workspace{}", number % 2)),
        workspace_number: WorkspaceNumber(number % 2),
        slug: "web".into(),
        name: "Web".into(),
        kind: SourceKind::Website,
        enabled: true,
        ingestion_region: PointName::new("dublin"),
        strict: false,
        rate_limit: None,
        write_keys: Vec::new(),
    };
    InRegion::new(RegionId::new(REGION), Arc::new(source))
}

/// A request whose body no other request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub source: u32,
    pub body: Vec<u8>,
    pub events: u32,
}

impl Request {
    /// Number `n` of `sender`, of some length.
    pub fn new(dice: &mut Dice, sender: u32, n: u32) -> Self {
        let length = if dice.percent(10) { dice.index(3_000) } else { dice.index(200) };
        let mut body = format!("{sender} sends {n} ").into_bytes();
        // Zeros among the rest: nothing may take them for a hole.
        body.extend((0..length).map(|_| *dice.pick(b"\0\0abc")));
        Self { source: sender, body, events: 1 + dice.below(4) as u32 }
    }
}

pub struct Life {
    pub world: World,
    pub keyring: Keyring,
    pub log: AcceptedLog,
    pub committer: JoinHandle<Result<(), WriteError>>,
}

impl Life {
    /// Opens the log as a program that starts does. Needs a runtime of one thread.
    pub fn begin(handles: &Handles, settings: LogSettings) -> Result<Self, OpenError> {
        Self::begin_in(handles.restart(), settings)
    }

    /// As [`Life::begin`], in a world that a test has had its hands on.
    pub fn begin_in(world: World, settings: LogSettings) -> Result<Self, OpenError> {
        let keyring = Keyring::open(&world, Path::new(KEYS))?;
        let region = RegionId::new(REGION);
        let (log, committer) = AcceptedLog::open(&world, &region, Path::new(ACCEPTED), &keyring, settings)?;
        Ok(Self { world, keyring, log, committer: tokio::spawn(committer.run()) })
    }

    /// Appends a request and waits for the promise.
    pub async fn append(&self, request: &Request) -> Result<Span, AppendError> {
        append(&self.world, &self.log, request).await
    }

    /// Ends this life in order.
    pub async fn close(self) -> Result<(), WriteError> {
        self.log.close();
        self.committer.await.expect("the committer does not panic")
    }
}

/// As [`Life::append`], for a sender that runs as a task of its own.
pub async fn append(world: &World, log: &AcceptedLog, request: &Request) -> Result<Span, AppendError> {
    let mut buf = FrameBuf::with_capacity(request.body.len());
    buf.extend_from_slice(&request.body);
    let end = request.body.len() as u32;
    let envelope = Envelope { items: vec![0..end; request.events as usize], ..Envelope::default() };
    let receipt = Receipt {
        source: SourceNumber(request.source),
        received_at: world.clock.now(),
        point: PointName::new("dublin"),
        client: Some(std::net::Ipv6Addr::LOCALHOST.into()),
        call: None,
        origin: None,
    };
    log.append(source(request.source), receipt, &envelope, buf).await
}
