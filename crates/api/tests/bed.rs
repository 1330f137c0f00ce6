//! A running cell in a temporary folder, and the router over it.

use crate::single::OneStep as _;
use axum::Router;
use axum::body::Body;
use domicile_api::{Addresses, ArchiveView, Balance, BalanceKeeper, Cell, KeeperError, Limits};
use domicile_archive::{Archive, ArchiveSettings, FolderStore};
use domicile_border::Border;
use domicile_control::{Actor, Change, DemoSecrets, DemoWorkspace, Grants, NewToken, Store};
use domicile_destinations::{Destinations, Settings};
use domicile_event::Envelope;
use domicile_ingest::{PublicUrl, PublicUrls};
use domicile_keys::Keyring;
use domicile_log::{AcceptedLog, EventLog, FrameBuf, LogSettings, Position, Receipt};
use domicile_process::{Process, ProcessSettings};
use domicile_region::{InRegion, PointName, Region, Topology};
use domicile_workspace::SourceId;
use domicile_world::{Millis, World};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tower::ServiceExt;

pub const TOPOLOGY: &str = "
regions:
  ch-north:
    name: Switzerland
    country: CH
    locations: [zurich-a]
    ingest:
      zurich: { country: CH }
      geneva: { country: CH }
    border:
      allow: [CH]
      transfers:
        - { to: FO, basis: adequacy, approved_by: dpo@example.com, expires: 2098-06-30, fields: { hash: [userId] } }
  is-east:
    name: Iceland
    country: IS
    locations: [reykjavik-a]
    ingest:
      reykjavik: { country: IS }
    border: { allow: [IS] }
networks: { 127.0.0.0/8: local }
";

/// A running cell with the demo workspace, and the router over it.
pub struct Bed {
    pub dir: tempfile::TempDir,
    pub cell: Arc<Cell>,
    pub router: Router,
    pub demo: DemoWorkspace,
    parts: Vec<JoinHandle<()>>,
}

pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

struct Opened {
    cell: Cell,
    parts: Vec<JoinHandle<()>>,
}

fn open(folder: &Path) -> Opened {
    let world = World::real();
    let topology = Arc::new(Topology::read("topology.yml", TOPOLOGY, "2027-01-15").expect("a topology"));
    let region: Region = topology.regions[0].clone();
    let keys = Keyring::open(&world, &folder.join("keys")).expect("keys");
    let control = Store::open(&world, &folder.join("control.db"), &region, &keys).expect("a store");
    let current = control.current();
    let index = folder.join("index");
    world.disk.make_folder(&index, true).expect("a folder");
    let settings = LogSettings::default();
    let (accepted, committer) =
        AcceptedLog::open(&world, &region.id, &folder.join("accepted"), &keys, settings).expect("opens");
    let (events, writer) = EventLog::open(&world, &folder.join("events"), &keys, settings).expect("opens");
    let store = Arc::new(FolderStore::new(&world, folder.join("archive")));
    let archive = Archive::open(
        world.clone(),
        current.clone(),
        &events,
        Arc::clone(&store) as _,
        index.join("archive.cursor"),
        ArchiveSettings::default(),
    )
    .expect("opens");
    let border = Border::new(world.clone(), &region, &topology.networks);
    let destinations = Destinations::new(
        world.clone(),
        region.id.clone(),
        current.clone(),
        events.clone(),
        border.clone(),
        &index,
        Settings::default(),
    );
    let figures = destinations.figures();
    let archive_view = ArchiveView { store, progress: archive.progress() };
    let (keeper, balance) =
        keeper(&world, folder, &accepted, &events, &archive_view, (current.clone(), figures.clone()))
            .expect("the balance sheet opens");
    let process = Process::open(
        world.clone(),
        &region.id,
        current,
        accepted.clone(),
        (events.clone(), writer),
        &index,
        ProcessSettings::new(keys.cell_salt()),
    )
    .expect("opens");
    let parts = vec![
        tokio::spawn(async { committer.run().await.expect("the committer ends in order") }),
        tokio::spawn(async { process.run().await.expect("process ends in order") }),
        on_a_thread(move || async { archive.run().await.expect("the archive ends in order") }),
        tokio::spawn(async { keeper.run().await.expect("the keeper ends in order") }),
        tokio::spawn(destinations.run()),
    ];
    let mut points = PublicUrls::new();
    let url = PublicUrl::read("http://127.0.0.1:7101").expect("an address");
    points.insert(region.id.clone(), PointName::new("zurich"), url);
    let cells = [(region.id.clone(), "http://127.0.0.1:7100".to_owned())].into();
    let addresses = Addresses { cells, points };
    let live = Default::default();
    let cell = Cell {
        world,
        topology,
        region,
        addresses,
        control,
        border,
        accepted,
        events,
        balance,
        archive: archive_view,
        figures,
        limits: Limits::default(),
        live,
    };
    Opened { cell, parts }
}

/// The archive's future stays on one thread.
fn on_a_thread<F: Future<Output = ()>>(part: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let (done, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(part());
        let _ = done.send(());
    });
    tokio::spawn(async { ended.await.expect("ends in order") })
}

fn keeper(
    world: &World,
    folder: &Path,
    accepted: &AcceptedLog,
    events: &EventLog,
    archive: &ArchiveView,
    rest: (domicile_workspace::Current, domicile_destinations::Figures),
) -> Result<(BalanceKeeper, Balance), KeeperError> {
    BalanceKeeper::open(world, folder.join("index/balance.json"), accepted, events, archive.progress.clone(), rest)
}

impl Bed {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().expect("a temporary folder"), &DemoSecrets::default())
    }

    fn at(dir: tempfile::TempDir, kept: &DemoSecrets) -> Self {
        let Opened { cell, parts } = open(dir.path());
        let demo = cell.control.seed_demo(kept).expect("seeds");
        let cell = Arc::new(cell);
        Self { dir, router: domicile_api::router(Arc::clone(&cell)), cell, demo, parts }
    }

    /// Ends all parts in order: what was accepted is decided, archived and counted.
    pub async fn close(&mut self) {
        self.cell.accepted.close();
        for part in self.parts.drain(..) {
            part.await.expect("a part ends in order");
        }
    }

    /// Ends in order and starts again, perhaps without a file.
    pub async fn restart(mut self, without: Option<&str>) -> Self {
        self.close().await;
        let Self { dir, cell, router, demo, .. } = self;
        drop((cell, router));
        if let Some(file) = without {
            std::fs::remove_file(dir.path().join(file)).expect("removes");
        }
        Self::at(dir, &DemoSecrets { token: Some(demo.token), password: None })
    }

    /// One request of the demo's token.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path).header(header::CONTENT_TYPE, "application/json");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(format!("/api{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.demo.token))
    }

    pub async fn raw(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.raw(request).await;
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{status}: {bytes:?}"));
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let (data, errors) = (body.get("data"), body.get("errors"));
        assert!(data.is_some() != errors.is_some(), "data or errors, never both: {body}");
        for error in errors.and_then(Value::as_array).into_iter().flatten() {
            assert!(error["type"].is_string() && error["message"].is_string(), "{error}");
        }
        Answer { status, body }
    }

    /// Accepts a batch of events of the demo's source with this slug.
    pub async fn accept(&self, slug: &str, events: &[Value]) {
        let id = self.demo.sources.iter().find(|source| source.slug == slug).expect("a source").id.clone();
        self.accept_of(&id, events).await;
    }

    pub async fn accept_of(&self, id: &SourceId, events: &[Value]) {
        self.accept_at(id, events, self.cell.world.clock.now()).await;
    }

    pub async fn accept_at(&self, id: &SourceId, events: &[Value], received_at: Millis) {
        let source = self.cell.control.current().load().source(id).cloned().expect("a source");
        let (mut buf, mut items) = (FrameBuf::with_capacity(1024), Vec::new());
        for event in events {
            let start = u32::try_from(buf.len()).expect("small");
            buf.extend_from_slice(event.to_string().as_bytes());
            items.push(start..u32::try_from(buf.len()).expect("small"));
        }
        let receipt = Receipt {
            source: source.number,
            received_at,
            point: PointName::new("zurich"),
            client: Some("203.0.113.7".parse().expect("an address")),
            call: None,
            origin: None,
        };
        let envelope = Envelope { items, ..Envelope::default() };
        let source = InRegion::new(self.cell.region.id.clone(), source);
        self.cell.accepted.append(source, receipt, &envelope, buf).await.expect("appends");
    }

    /// Returns when everything accepted is decided.
    pub async fn decided(&self) {
        let mut reader = self.cell.events.reader("test", self.cell.events.end()).expect("a reader");
        while self.cell.events.end() < self.cell.accepted.end() {
            reader.more().await;
            while reader.next().expect("reads").is_some() {}
        }
    }

    /// A token of a second workspace, with a source of its own.
    pub fn stranger(&self) -> (String, SourceId) {
        let control = &self.cell.control;
        let workspace = control.create_workspace(&Actor::Operator, "stranger", "Stranger").expect("makes a workspace");
        let source = domicile_control::NewSource::new("web", domicile_workspace::SourceKind::Website);
        let source = control.create_source(&Actor::Operator, &workspace.id, &source).expect("makes a source");
        let token = control.create_token(&Actor::Operator, &workspace.id, "t").expect("makes a token");
        (token.token, source.id.clone())
    }

    /// A token of the demo's workspace with these grants.
    pub fn token(&self, grants: &Grants) -> String {
        let new = NewToken { grants: grants.clone(), ..NewToken::new("walk") };
        let make = |change: &mut Change<'_>| change.create_token(&self.demo.id, &new, &Grants::owner());
        self.cell.control.change(&Actor::Operator, make).expect("makes a token").token
    }

    pub fn source_id(&self, slug: &str) -> String {
        self.demo.sources.iter().find(|source| source.slug == slug).expect("a source").id.to_string()
    }
}

pub fn track(message_id: &str, event: &str) -> Value {
    json!({ "type": "track", "messageId": message_id, "userId": "u1", "event": event, "properties": { "n": 1.50 } })
}

pub fn position(n: u64) -> Position {
    Position(n)
}
