//! A cell's ingest point with its log, on a disk in memory and a clock that stands still.

use crate::Watched;
use bytes::Bytes;
use domicile_ingest::{Ingest, Intake, PublicUrl, PublicUrls, Settings};
use domicile_keys::Keyring;
use domicile_listen::{BodyError, Peer};
use domicile_log::{Accepted, AcceptedLog, AcceptedReader, LogSettings};
use domicile_region::{PointName, RegionId, Topology};
use domicile_workspace::{
    ConfigVersion, Current, Snapshot, Source, SourceId, SourceKind, SourceNumber, WorkspaceId, WorkspaceNumber,
    WriteKey,
};
use domicile_world::World;
use futures::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use std::cell::RefCell;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// The write key of a website at this point.
pub const KEY: &str = "usw_web";
/// Of a server at this point: says nothing about its region.
pub const BROUGHT: &str = "Brought+From/Elsewhere";
/// Of a source that is switched off.
pub const OFF: &str = "usw_off";
/// Of the other region.
pub const ELSEWHERE: &str = "euw_web";

/// What the log may grow to before the cell is made anew: it is all in memory.
const LOG_BYTES_MAX: u64 = 4 << 20;
const SCRIPTS: &str = "/scripts";

pub struct Cell {
    runtime: Runtime,
    ingest: Ingest,
    log: AcceptedLog,
    reader: AcceptedReader,
}

impl Cell {
    /// Runs `act` on this thread's cell, a new one when it has taken much.
    pub fn with(act: impl FnOnce(&mut Self)) {
        thread_local!(static CELL: RefCell<Option<Cell>> = const { RefCell::new(None) });
        CELL.with_borrow_mut(|cell| {
            cell.take_if(|cell| cell.log.bytes() > LOG_BYTES_MAX);
            act(cell.get_or_insert_with(Self::start));
        });
    }

    fn start() -> Self {
        let (mut world, hands) = domicile_testkit::world(1);
        for file in ["standalone.js", "analytics.classic.js", "407.bundle.js", "next-integrations/x/x.dynamic.js.gz"] {
            put(&world, &format!("{SCRIPTS}/{file}"), br#"k="__WRITE_KEY__""#);
        }
        let own = ["/keys", "/accepted"].map(Into::into).to_vec();
        world.disk = Arc::new(Watched { disk: world.disk, folder: SCRIPTS.into(), own });
        let region = RegionId::new("us-west");
        let keyring = Keyring::open(&world, Path::new("/keys")).expect("a new folder takes keys");
        let folder = Path::new("/accepted");
        let (log, committer) =
            AcceptedLog::open(&world, &region, folder, &keyring, LogSettings::default()).expect("a new log opens");
        let reader = log.reader(log.start()).expect("a new log is read");
        let settings = Settings {
            trusted_proxies: vec!["127.0.0.0/8".parse().expect("a range"), "fd00::/8".parse().expect("a range")],
            scripts: Some(SCRIPTS.into()),
            ..Settings::default()
        };
        let current = Current::new(snapshot(&region));
        let intake = Intake::new(world, Arc::new(Topology::built_in()), region, current, Arc::new(urls()), settings);
        let ingest = intake.point(PointName::new("oregon"), log.clone());
        let runtime = Builder::new_current_thread().build().expect("a runtime without I/O");
        runtime.spawn(async move {
            let _hands = hands;
            committer.run().await.expect("the disk does not fail");
        });
        Self { runtime, ingest, log, reader }
    }

    /// What is answered to a request that comes through a trusted proxy.
    pub fn answer<B>(&self, mut request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let peer = Peer { ip: [127, 0, 0, 1].into(), port: 4711, proxied: false, tls: false };
        request.extensions_mut().insert(peer);
        let answer = self.runtime.block_on(self.ingest.handle(request));
        let (head, body) = answer.into_parts();
        let body = body.collect().now_or_never().expect("an answer is in memory").expect("reading memory never fails");
        Response::from_parts(head, body.to_bytes())
    }

    /// What the log took since this was last asked for.
    pub fn taken(&mut self) -> Option<Accepted> {
        self.reader.next().expect("what was written is read back")
    }
}

fn snapshot(region: &RegionId) -> Snapshot {
    let source = |number, kind, key: &str, enabled| Source {
        id: SourceId::new(format!("source{number}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new("acme"),
        workspace_number: WorkspaceNumber(1),
        slug: format!("s{number}"),
        name: format!("Source {number}"),
        kind,
        enabled,
        ingestion_region: PointName::new("oregon"),
        strict: false,
        rate_limit: None,
        write_keys: vec![WriteKey { key: key.to_owned(), enabled: true }],
    };
    let sources = vec![
        source(1, SourceKind::Website, KEY, true),
        source(2, SourceKind::Server, BROUGHT, true),
        source(3, SourceKind::Website, OFF, false),
    ];
    Snapshot::new(ConfigVersion(1), region.clone(), Vec::new(), sources, Vec::new())
}

fn urls() -> PublicUrls {
    let mut urls = PublicUrls::new();
    for (region, point, url) in
        [("us-west", "oregon", "http://127.0.0.1:7101"), ("eu-west", "dublin", "https://events.eu1.example.com")]
    {
        urls.insert(RegionId::new(region), PointName::new(point), PublicUrl::read(url).expect("an address"));
    }
    urls
}

fn put(world: &World, path: &str, content: &[u8]) {
    let path = Path::new(path);
    let written = world
        .disk
        .make_folder(path.parent().expect("not the root"), false)
        .and_then(|()| world.disk.open_append(path))
        .and_then(|mut file| file.append(&[IoSlice::new(content)]));
    written.expect("a new disk takes files");
}
