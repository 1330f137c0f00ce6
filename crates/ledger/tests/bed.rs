//! Ledgers to check: a story with every kind of entry, written as a cell writes it, and folders as maps of files.

use domicile_keys::{Keyring, SigningKey};
use domicile_ledger::verify::{Files, Finding, Question, Report, verify};
use domicile_ledger::{
    Accepted, Book, BookError, Closed, Configured, Counts, Decided, Digest, Ended, Entry, Erased, Granted, Key, Ledger,
    Moved, Opened, Refused, Sent, Stored, Time, VKey, What,
};
use domicile_region::RegionId;
use domicile_testkit::{HandClock, Handles};
use domicile_world::World;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

pub const FOLDER: &str = "/ledger";
pub const KEYS: &str = "/keys";
pub const NAME: &str = "domicile/eu-west/0a1b2c3d";

/// A folder in memory, by the names of its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(pub BTreeMap<String, Vec<u8>>);

impl Files for Map {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).cloned())
    }

    fn list(&self) -> io::Result<Option<Vec<String>>> {
        Ok(Some(self.0.keys().cloned().collect()))
    }
}

impl Map {
    /// What lies below a folder of a simulated disk.
    pub fn of(hands: &Handles, folder: &str) -> Self {
        let below = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
            Some((path.strip_prefix(folder).ok()?.to_str()?.to_owned(), bytes))
        };
        Self(hands.disk.contents().into_iter().filter_map(below).collect())
    }

    pub fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.0.get_mut(path).expect("the file is there")
    }
}

/// A ledger and what belongs to it.
pub struct Written {
    pub files: Map,
    pub vkey: VKey,
    pub key: SigningKey,
}

impl Written {
    pub fn question(&self) -> Question {
        Question { key: Some(self.vkey.clone()), ..Question::default() }
    }
}

/// The story of a region, written in groups.
pub fn written() -> Written {
    written_in("eu-west", 1, &story())
}

pub fn written_in(region: &str, seed: u64, story: &[Vec<What>]) -> Written {
    let (world, hands) = domicile_testkit::world(seed);
    run(async {
        write(&world, &hands, region, story).await;
    });
    let keyring = Keyring::open(&hands.restart(), Path::new(KEYS)).expect("the keys are there");
    let key = keyring.ledger_key().expect("read").expect("a key was made");
    let (ledger, _) = open(&hands.restart(), region).expect("what was closed opens");
    Written { files: Map::of(&hands, FOLDER), vkey: ledger.vkey().clone(), key }
}

pub fn open(world: &World, region: &str) -> Result<(Ledger, domicile_ledger::Writer), domicile_ledger::LedgerError> {
    let keyring = Keyring::open(world, Path::new(KEYS))?;
    Ledger::open(world, &RegionId::new(region), Path::new(FOLDER), &keyring)
}

/// Writes each group under a checkpoint of its own, and closes.
pub async fn write(world: &World, hands: &Handles, region: &str, story: &[Vec<What>]) {
    let (ledger, writer) = open(world, region).expect("the ledger opens");
    let writer = tokio::spawn(writer.run());
    for group in story {
        for pending in ledger.enter_all(group.iter().cloned()) {
            hands.clock.drive(pending.written()).await.expect("it is written");
        }
    }
    ledger.close();
    hands.clock.drive(writer).await.expect("the writer ends").expect("all was written");
}

/// Runs what needs the hand-turned clock.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A tree of any bytes, signed by `key`; `groups`: how many entries are appended at a time.
pub fn tree(name: &str, key: &SigningKey, entries: &[Vec<u8>], groups: usize) -> Map {
    let (world, hands) = domicile_testkit::world(0);
    let mut book = begin(&world, name, key).expect("a new ledger");
    for group in entries.chunks(groups.max(1)) {
        book.append(group).expect("appended");
        book.take_old_away();
    }
    Map::of(&hands, FOLDER)
}

pub fn begin(world: &World, name: &str, key: &SigningKey) -> Result<Book, BookError> {
    world.disk.make_folder(Path::new(KEYS), true).expect("a folder");
    Book::begin(world.disk.clone(), Path::new(FOLDER), &Path::new(KEYS).join("ledger.head"), name, key.clone())
}

/// A key that a seed makes.
pub fn key(seed: u64) -> SigningKey {
    let (world, _hands) = domicile_testkit::world(seed);
    Keyring::open(&world, Path::new(KEYS)).and_then(|keyring| keyring.new_ledger_key()).expect("a key").0
}

/// The entries of a folder, as they are spelled.
pub fn entries(files: &Map) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    let mut bundles: Vec<_> = files.0.iter().filter(|(path, _)| path.starts_with("tile/entries/")).collect();
    bundles.sort();
    for (_, mut bundle) in bundles.into_iter().map(|(path, bytes)| (path, &bytes[..])) {
        while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
            let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
            entries.push(entry.to_vec());
            bundle = rest;
        }
    }
    entries
}

/// A folder's report; a folder that is there is never one that could not be read.
pub fn report(files: &Map, question: &Question) -> Report {
    verify(files, None, question, |_| {}).expect("what can be read is judged")
}

pub fn findings(report: &Report) -> Vec<String> {
    report.findings.iter().map(|Finding { place, what }| format!("{place}: {what}")).collect()
}

pub fn at(n: u64) -> Entry {
    Entry { at: HandClock::START.plus(n as i64), what: configured(n) }
}

pub fn configured(version: u64) -> What {
    What::Configured(Configured { version, trail: [version, version], digest: Digest([3; 32]) })
}

pub fn opened(accepted: u64, decided: u64) -> What {
    What::Opened(Opened { region: "eu-west".into(), program: "0.1.0".into(), accepted, decided, configuration: 1 })
}

pub fn closed(accepted: u64, decided: u64) -> What {
    What::Closed(Closed { accepted, decided })
}

pub fn accepted(workspace: &str, window: [u64; 2], events: u64) -> What {
    let counts = |name: &str| BTreeMap::from([(name.to_owned(), events)]);
    What::Accepted(Accepted {
        workspace: workspace.into(),
        window,
        events,
        sources: counts(&format!("{workspace}-web")),
        points: counts("dublin"),
        location: "dublin-a".into(),
        requests: 1,
        digest: Digest([4; 32]),
        received: [Time(HandClock::START); 2],
    })
}

pub fn decided(workspace: &str, window: [u64; 2], counts: [u64; 5]) -> What {
    let sources = BTreeMap::from([(format!("{workspace}-web"), Counts::of(counts))]);
    What::Decided(Decided { workspace: workspace.into(), window, sources })
}

/// A file of the archive with so many events.
pub fn object(events: u64) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    (0..events).for_each(|n| writeln!(gzip, "{{\"n\":{n}}}").expect("in memory"));
    gzip.finish().expect("in memory")
}

pub fn stored(workspace: &str, name: &str, events: u64) -> What {
    let bytes = object(events);
    What::Stored(Stored {
        workspace: workspace.into(),
        source: format!("{workspace}-web"),
        object: name.into(),
        events,
        bytes: bytes.len() as u64,
        sha256: Digest::sha256(&bytes),
        place: "IE".into(),
    })
}

/// The archive that the story leaves behind.
pub fn archive() -> Map {
    let files = [("segment-logs/acme/0-9.gz", 2), ("segment-logs/beta/0-9.gz", 4), ("segment-logs/acme/10-11.gz", 1)];
    Map(files.into_iter().map(|(name, events)| (name.to_owned(), object(events))).collect())
}

pub fn sent() -> Sent {
    Sent {
        workspace: "acme".into(),
        destination: "hook".into(),
        host: "partner.example".into(),
        address: "192.0.2.7:443".into(),
        country: "IE".into(),
        rule: "allow IE".into(),
        requests: 4,
        delivered: 3,
        bytes: 900,
        digest: Digest([5; 32]),
    }
}

/// Every kind of entry; what is decided, stored and erased adds up.
pub fn story() -> Vec<Vec<What>> {
    let data_key = || Key { workspace: Some("acme".into()), number: 1, generation: 1 };
    let granted = What::Granted(Granted {
        transfer: "US amplitude dpf".into(),
        workspace: None,
        to: "US".into(),
        vendor: Some("amplitude".into()),
        basis: "dpf".into(),
        approved_by: "dpo@example.com".into(),
        expires: "2027-06-30".into(),
        fields: None,
    });
    let refused = What::Refused(Refused {
        workspace: "acme".into(),
        purpose: "webhook".into(),
        host: Some("elsewhere.example".into()),
        address: None,
        country: Some("US".into()),
        code: "country".into(),
        times: 2,
    });
    let moved = Moved { workspace: "beta".into(), region: "us-west".into(), successor: "gamma".into() };
    let erased = Erased { workspace: "acme".into(), events: 1, objects: vec!["segment-logs/acme/0-9.gz".into()] };
    vec![
        vec![opened(0, 0), What::KeyMade(data_key()), configured(1), granted],
        vec![accepted("acme", [0, 10], 6), accepted("beta", [0, 10], 4)],
        vec![decided("acme", [0, 10], [3, 1, 1, 0, 1]), decided("beta", [0, 10], [4, 0, 0, 0, 0])],
        vec![accepted("acme", [10, 12], 2), stored("acme", "segment-logs/acme/0-9.gz", 3)],
        vec![stored("beta", "segment-logs/beta/0-9.gz", 4), What::Sent(sent()), refused],
        vec![decided("acme", [10, 12], [1, 0, 0, 1, 0]), stored("acme", "segment-logs/acme/10-11.gz", 1)],
        vec![What::Ended(Ended { transfer: "US amplitude dpf".into(), workspace: None })],
        vec![What::Erased(erased), stored("acme", "segment-logs/acme/0-9.gz", 2)],
        vec![What::Moved(moved), What::KeyDestroyed(data_key()), closed(12, 12)],
    ]
}
