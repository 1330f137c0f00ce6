//! A good ledger in memory, and folders that an input makes of it.

use crate::Input;
use domicile_keys::{Keyring, SigningKey};
use domicile_ledger::verify::Files;
use domicile_ledger::{
    Accepted, Book, Counts, Decided, Digest, Entry, FrameLeaf, Opened, Receipt, Stored, Time, VKey, What, digest_of,
};
use domicile_world::Millis;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

const NAME: &str = "domicile/eu-west/0a1b2c3d";

/// Files by their names.
#[derive(Clone, Default, PartialEq)]
pub struct Map(pub BTreeMap<String, Vec<u8>>);

impl Map {
    /// With the files of an input put in: name LF, length, bytes, over and over.
    pub fn with(mut self, mut input: Input<'_>) -> Self {
        while !input.is_empty() {
            let name = String::from_utf8_lossy(input.line()).into_owned();
            let length = input.number();
            self.0.insert(name, input.bytes(length).to_vec());
        }
        self
    }
}

impl Files for Map {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "a file outside of the folder");
        Ok(self.0.get(path).cloned())
    }

    fn list(&self) -> io::Result<Option<Vec<String>>> {
        Ok(Some(self.0.keys().cloned().collect()))
    }
}

/// A ledger that verifies.
pub struct Good {
    pub files: Map,
    pub vkey: VKey,
    pub receipt: Receipt,
    key: SigningKey,
}

impl Good {
    /// Runs `act` on this thread's, which is made once.
    pub fn with(act: impl FnOnce(&Self)) {
        thread_local!(static GOOD: Good = Good::make());
        GOOD.with(act);
    }

    fn make() -> Self {
        let (world, _hands) = domicile_testkit::world(1);
        let keyring = Keyring::open(&world, Path::new("/keys")).expect("a new folder takes keys");
        let (key, _) = keyring.new_ledger_key().expect("a key");
        let vkey = VKey::of(NAME, &key);
        let frames = [0, 1, 2].map(|n| FrameLeaf { span: [n, n + 1], blake3: Digest([n as u8; 32]) });
        let entries = story(&frames);
        let (files, book) = written(&key, &entries);
        let way = book.inclusion(1).expect("a path");
        let receipt = Receipt::new(&frames, 1, &entries[1], (1, &way), book.checkpoint(), &vkey).expect("a receipt");
        Self { files, vkey, receipt, key }
    }

    /// The ledger of an input's entries: length, bytes, over and over.
    pub fn signed(&self, mut input: Input<'_>) -> Map {
        let mut entries = Vec::new();
        while !input.is_empty() {
            let length = input.number();
            entries.push(input.bytes(length).to_vec());
        }
        written(&self.key, &entries).0
    }
}

fn written(key: &SigningKey, entries: &[Vec<u8>]) -> (Map, Book) {
    let (world, hands) = domicile_testkit::world(1);
    let folder = Path::new("/ledger");
    let mut book = Book::begin(world.disk, folder, Path::new("/ledger.head"), NAME, key.clone()).expect("a new ledger");
    book.append(entries).expect("appended");
    let below = |(path, bytes): (std::path::PathBuf, Vec<u8>)| {
        Some((path.strip_prefix(folder).ok()?.to_str()?.to_owned(), bytes))
    };
    (Map(hands.disk.contents().into_iter().filter_map(below).collect()), book)
}

fn story(frames: &[FrameLeaf]) -> Vec<Vec<u8>> {
    let counts = |name: &str| BTreeMap::from([(name.to_owned(), 3)]);
    let workspace = || "acme".to_owned();
    let window = [0, 3];
    let kept = Counts { kept: 3, ..Counts::default() };
    let all = [
        What::Opened(Opened {
            region: "eu-west".to_owned(),
            program: "0".to_owned(),
            accepted: 0,
            decided: 0,
            configuration: 1,
        }),
        What::Accepted(Accepted {
            workspace: workspace(),
            window,
            events: 3,
            sources: counts("web"),
            points: counts("dublin"),
            location: "dublin-a".to_owned(),
            requests: 3,
            digest: digest_of(frames),
            received: [Time(Millis(0)); 2],
        }),
        What::Decided(Decided { workspace: workspace(), window, sources: [("web".to_owned(), kept)].into() }),
        What::Stored(Stored {
            workspace: workspace(),
            source: "web".to_owned(),
            object: "segment-logs/web/0-3.gz".to_owned(),
            events: 3,
            bytes: 9,
            sha256: Digest([1; 32]),
            place: "IE".to_owned(),
        }),
    ];
    all.into_iter().map(|what| Entry { at: Millis(0), what }.to_bytes().expect("spelled")).collect()
}
