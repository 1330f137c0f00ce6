//! A cell whose event log a test writes itself, and the console over it.

use axum::Router;
use axum::body::Body;
use domicile_api::{Addresses, ArchiveView, BalanceKeeper, Cell};
use domicile_archive::FolderStore;
use domicile_border::Border;
use domicile_control::{DemoSecrets, DemoWorkspace, Store};
use domicile_destinations::Figures;
use domicile_ingest::{PublicUrl, PublicUrls};
use domicile_keys::Keyring;
use domicile_ledger::{Outcome, Reason};
use domicile_log::{AcceptedLog, DecidedBuilder, EventKey, EventLog, EventWriter, LogSettings, Position, Span};
use domicile_region::{PointName, Topology};
use domicile_workspace::ConfigVersion;
use domicile_world::World;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use tower::ServiceExt;

pub struct Bed {
    _dir: tempfile::TempDir,
    pub cell: Arc<Cell>,
    pub router: Router,
    pub demo: DemoWorkspace,
    writer: EventWriter,
}

pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Page {
    /// The cookie that the page sets, as a browser sends it back.
    pub fn cookie(&self) -> Option<String> {
        let set = self.headers.get(header::SET_COOKIE)?.to_str().ok()?;
        Some(set.split(';').next()?.to_owned())
    }
}

impl Bed {
    pub fn new() -> Self {
        Self::of_region(0)
    }

    /// Of the built-in topology's region in this place.
    pub fn of_region(place: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path();
        let world = World::real();
        let topology = Arc::new(Topology::built_in());
        let region = topology.regions[place].clone();
        let keys = Keyring::open(&world, &folder.join("keys")).expect("keys");
        let control = Store::open(&world, &folder.join("control.db"), &region, &keys).expect("a store");
        let demo = control.seed_demo(&DemoSecrets::default()).expect("seeds");
        world.disk.make_folder(&folder.join("index"), true).expect("a folder");
        let settings = LogSettings::default();
        let (accepted, _committer) =
            AcceptedLog::open(&world, &region.id, &folder.join("accepted"), &keys, settings).expect("opens");
        let (events, writer) = EventLog::open(&world, &folder.join("events"), &keys, settings).expect("opens");
        let progress = tokio::sync::watch::Sender::new(Position(0)).subscribe();
        let archive = ArchiveView { store: Arc::new(FolderStore::new(&world, folder.join("archive"))), progress };
        let figures = Figures::default();
        let rest = (control.current(), figures.clone());
        let file = folder.join("index/balance.json");
        let (_keeper, balance) =
            BalanceKeeper::open(&world, file, &accepted, &events, archive.progress.clone(), rest).expect("opens");
        let mut points = PublicUrls::new();
        for point in &region.ingest {
            let url = PublicUrl::read(&format!("https://{}.example.com", point.name)).expect("an address");
            points.insert(region.id.clone(), point.name.clone(), url);
        }
        let addresses = Addresses { cells: Default::default(), points };
        let live = Default::default();
        let border = Border::new(world.clone(), &region, &topology.networks);
        let cell = Arc::new(Cell {
            world,
            topology,
            region,
            addresses,
            control,
            accepted,
            events,
            balance,
            archive,
            figures,
            border,
            limits: Default::default(),
            live,
        });
        Self {
            _dir: dir,
            router: domicile_console::router(Arc::clone(&cell), &["127.0.0.0/8".parse().expect("a network")]),
            cell,
            demo,
            writer,
        }
    }

    /// Puts a kept event of the demo's website into the event log.
    pub fn decide(&mut self, json: &str) {
        let snapshot = self.cell.control.current().load();
        let source = snapshot.source(&self.demo.sources[0].id).expect("a source");
        let span = Span::new(self.writer.next(), 1);
        let now = self.cell.world.clock.now();
        let point = PointName::new("oregon");
        let mut decided = DecidedBuilder::new(span, source.number, now, now, ConfigVersion(1), point, None);
        decided.out().extend_from_slice(json.as_bytes());
        decided.keep(EventKey([0; 10]));
        self.writer.add(decided.finish(), source.workspace_number).expect("adds");
        self.writer.commit().expect("commits");
    }

    pub fn decide_invalid(&mut self) {
        let snapshot = self.cell.control.current().load();
        let source = snapshot.source(&self.demo.sources[0].id).expect("a source");
        let now = self.cell.world.clock.now();
        let span = Span::new(self.writer.next(), 1);
        let point = PointName::new("oregon");
        let mut decided = DecidedBuilder::new(span, source.number, now, now, ConfigVersion(1), point, None);
        decided.drop(Outcome::Invalid, Reason::NoUserAnonId, None, None);
        self.writer.add(decided.finish(), source.workspace_number).expect("adds");
        self.writer.commit().expect("commits");
    }

    pub async fn send(&self, request: Request<Body>) -> Page {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Page { status: parts.status, headers: parts.headers, text }
    }

    pub async fn get(&self, path: &str, cookie: Option<&str>) -> Page {
        let mut request = Request::get(path);
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    pub async fn post(&self, path: &str, cookie: Option<&str>, form: &str) -> Page {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        self.send(request.body(Body::from(form.to_owned())).expect("a request")).await
    }

    /// Signs in with an e-mail address and a password.
    pub async fn sign_in_as(&self, email: &str, password: &str, cookie: Option<&str>) -> Page {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("email", email)
            .append_pair("password", password)
            .finish();
        self.post("/sign-in", cookie, &form).await
    }

    /// Signs in with the demo's token; gives the cookie.
    pub async fn sign_in(&self) -> String {
        let page = self.post("/sign-in", None, &format!("token={}", self.demo.token)).await;
        assert_eq!(
            (page.status, &page.headers[header::LOCATION]),
            (StatusCode::SEE_OTHER, &"/".parse().expect("a value"))
        );
        page.cookie().expect("a cookie")
    }
}
