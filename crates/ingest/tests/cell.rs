//! A cell with its ingest points on a simulated disk and clock, behind listeners on port 0; and raw clients.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domicile_ingest::{Intake, PublicUrl, PublicUrls, Settings};
use domicile_keys::Keyring;
use domicile_listen::Listener;
use domicile_log::{AcceptedLog, LogSettings};
use domicile_region::{PointName, RegionId, Topology};
use domicile_testkit::Handles;
use domicile_workspace::*;
use domicile_world::World;
use serde_json::Value;
use std::collections::HashMap;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const REGION: &str = "us-west";
/// A website at oregon; the key is of this region.
pub const WEB: &str = "usw_web0000000000000000";
/// A server at oregon, with a key brought from elsewhere.
pub const SERVER: &str = "BroughtFromElsewhere12";
/// Takes events only at dublin.
pub const STRICT: &str = "usw_strict000000000000";
/// Switched off.
pub const OFF: &str = "usw_off000000000000000";
/// A key of the website's that is switched off.
pub const OLD_KEY: &str = "usw_old000000000000000";
/// At most 10 events a second, 20 at once.
pub const LIMITED: &str = "usw_limited00000000000";
/// Of the other region, which this cell knows nothing of but its name.
pub const ELSEWHERE: &str = "euw_web0000000000000000";

pub struct Cell {
    pub world: World,
    pub hands: Handles,
    pub intake: Intake,
    pub log: AcceptedLog,
    pub current: Current,
    /// Of oregon.
    pub address: SocketAddr,
}

fn source(number: u32, kind: SourceKind, point: &str, keys: &[(&str, bool)]) -> Source {
    Source {
        id: SourceId::new(format!("source{number}")),
        number: SourceNumber(number),
        workspace: WorkspaceId::new("acme"),
        workspace_number: WorkspaceNumber(1),
        slug: format!("s{number}"),
        name: format!("Source {number}"),
        kind,
        enabled: true,
        ingestion_region: PointName::new(point),
        strict: false,
        rate_limit: None,
        write_keys: keys.iter().map(|(key, enabled)| WriteKey { key: (*key).to_owned(), enabled: *enabled }).collect(),
    }
}

pub fn sources() -> Vec<Source> {
    vec![
        source(1, SourceKind::Website, "oregon", &[(WEB, true), (OLD_KEY, false)]),
        source(2, SourceKind::Server, "oregon", &[(SERVER, true)]),
        Source { strict: true, ..source(3, SourceKind::Server, "dublin", &[(STRICT, true)]) },
        Source { enabled: false, ..source(4, SourceKind::Website, "oregon", &[(OFF, true)]) },
        Source {
            rate_limit: Some(RateLimit { per_second: 10, burst: 20 }),
            ..source(5, SourceKind::Server, "oregon", &[(LIMITED, true)])
        },
    ]
}

pub fn snapshot(version: u64, sources: Vec<Source>) -> Snapshot {
    Snapshot::new(ConfigVersion(version), RegionId::new(REGION), Vec::new(), sources, Vec::new())
}

fn urls() -> PublicUrls {
    let mut urls = PublicUrls::new();
    for (region, point, url) in [
        (REGION, "oregon", "http://127.0.0.1:7101"),
        (REGION, "singapore", "https://sg.us1.example.com/"),
        (REGION, "dublin", "https://ie.us1.example.com"),
        ("eu-west", "dublin", "https://events.eu1.example.com"),
    ] {
        urls.insert(RegionId::new(region), PointName::new(point), PublicUrl::read(url).unwrap());
    }
    urls
}

/// Opens a log with keys of its own, and runs its committer as a task.
pub fn open_log(world: &World, folder: &str) -> AcceptedLog {
    let keyring = Keyring::open(world, &Path::new("/keys").join(folder.trim_start_matches('/'))).unwrap();
    let (log, committer) =
        AcceptedLog::open(world, &RegionId::new(REGION), Path::new(folder), &keyring, LogSettings::default()).unwrap();
    tokio::spawn(committer.run());
    log
}

pub fn write_file(world: &World, path: &str, content: &[u8]) {
    let path = Path::new(path);
    world.disk.make_folder(path.parent().unwrap(), false).unwrap();
    if world.disk.exists(path) {
        world.disk.remove(path).unwrap();
    }
    world.disk.open_append(path).unwrap().append(&[IoSlice::new(content)]).unwrap();
}

impl Cell {
    pub async fn start() -> Self {
        Self::with(Settings { scripts: Some("/scripts".into()), ..Settings::default() }).await
    }

    pub async fn with(settings: Settings) -> Self {
        let (world, hands) = domicile_testkit::world(1);
        let current = Current::new(snapshot(1, sources()));
        let topology = Arc::new(Topology::built_in());
        let log = open_log(&world, "/accepted");
        let region = RegionId::new(REGION);
        let intake = Intake::new(world.clone(), topology, region, current.clone(), Arc::new(urls()), settings);
        let mut cell = Self { world, hands, intake, log, current, address: ([127, 0, 0, 1], 0).into() };
        cell.address = cell.listen("oregon", cell.log.clone(), domicile_listen::Settings::default()).await;
        cell
    }

    /// Serves an ingest point.
    pub async fn listen(&self, point: &str, log: AcceptedLog, settings: domicile_listen::Settings) -> SocketAddr {
        let ingest = self.intake.point(PointName::new(point), log);
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.address();
        // The network is real, so its waits are.
        let clock = World::real().clock;
        let service = ingest.service();
        tokio::spawn(async move { listener.serve(clock, service, settings, std::future::pending()).await });
        address
    }

    /// `line` is method and path; the body gets a `Content-Length`.
    pub async fn send(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
        send(self.address, line, headers, body).await
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        self.send(&format!("POST {path}"), headers, body.as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Got {
        self.send(&format!("GET {path}"), &[], b"").await
    }

    /// What is in the log: source, call and body of each request.
    pub fn kept(&self) -> Vec<String> {
        kept(&self.log)
    }

    /// The client's address of the last request that was kept.
    pub fn last_client(&self) -> String {
        let mut reader = self.log.reader(self.log.start()).unwrap();
        let mut client = None;
        while let Some(accepted) = reader.next().unwrap() {
            client = accepted.receipt.client;
        }
        client.map(|ip| ip.to_string()).unwrap_or_default()
    }
}

pub fn kept(log: &AcceptedLog) -> Vec<String> {
    let mut reader = log.reader(log.start()).unwrap();
    let mut out = Vec::new();
    while let Some(accepted) = reader.next().unwrap() {
        let call = accepted.receipt.call.map_or("batch", |call| call.as_str());
        let items = accepted.envelope.items.iter().map(|range| {
            String::from_utf8_lossy(&accepted.body()[range.start as usize..range.end as usize]).into_owned()
        });
        let items = items.collect::<Vec<_>>().join(" ");
        out.push(format!("{} {} {call} {items}", accepted.receipt.source.0, accepted.receipt.point));
    }
    out
}

pub async fn send(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n", body.len());
    raw(address, &[request.as_bytes(), body].concat()).await
}

/// Sends all of `request`, then reads until the server closes.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Got {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request).await.unwrap();
    Got::read(&mut tcp).await
}

pub fn basic(key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{key}:")))
}

pub const TRACK: &str = r#"{"type":"track","event":"E","userId":"u","messageId":"m1"}"#;

pub fn batch_of(n: usize) -> String {
    format!(r#"{{"batch":[{}]}}"#, vec![TRACK; n].join(","))
}

/// An answer.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Got {
    pub async fn read(tcp: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        tcp.read_to_end(&mut bytes).await.expect("the answer arrives");
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap()[9..12].parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned()));
        Self { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// `200`, or status and code of a refusal, which also has to be of the right form.
    pub fn outcome(&self) -> String {
        if self.status == 200 {
            assert_eq!(self.text(), r#"{"success":true}"#);
            assert_eq!(self.header("content-type"), "application/json");
            return "200".to_owned();
        }
        let json = self.json();
        assert_eq!(json["success"], Value::Bool(false));
        assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert_eq!(self.header("content-type"), "application/json");
        assert!(!self.header("access-control-allow-origin").is_empty());
        format!("{} {}", self.status, json["code"].as_str().unwrap())
    }
}
