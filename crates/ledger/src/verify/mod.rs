//! Checks a ledger, and the archive that it speaks of, with nothing but their files and a public key.
//!
//! ```text
//! checkpoint ──signature──► root ◄──hashes── tiles ◄── entries ──► sums that must add up ──► the archive's files
//! ```
//!
//! - Believes nothing that it reads: files may be cut, huge, or made by an enemy.
//! - Every file of the ledger's folder is checked; one that the checkpoint does not ask for is a finding.
//! - The first finding is the first one in the order of the entries.

mod archive;
mod folder;
mod sums;
mod ways;
mod witnesses;

pub use folder::{Files, Folder};
pub use sums::{SourceSums, Sums};
pub use ways::{Way, Went};

use crate::entry::{Entry, What};
use crate::tlog::{
    self, Edge, Head, Tiles, VKey, Witnessed, bundle_path, bytes_of, is_of_tree, split_bundle, tile_path, tiles_of,
    tree_root, width_of,
};
use std::collections::BTreeMap;
use std::io;
use tlog_tiles::tlog::{Hash, record_hash};

/// Findings that are told one by one; more are only counted.
const FINDINGS_MAX: usize = 100;

/// How often a ledger that grows is looked at again.
const READS_MAX: usize = 10;

/// What to check beside the folder itself.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The region's public key, from somewhere else than the folder. Without it the folder's own is believed: that shows
    /// integrity, not origin.
    pub key: Option<VKey>,
    /// Keys of witnesses, from somewhere else than the folder, and how many of them must have signed.
    pub witnesses: Vec<VKey>,
    pub witnesses_min: usize,
    /// A checkpoint that was seen before: the ledger has to begin with what it signs.
    pub earlier: Option<Vec<u8>>,
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A file, or `entry N`.
    pub place: String,
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub vkey: Option<VKey>,
    pub head: Option<Head>,
    /// The checkpoint as it was read.
    pub checkpoint: Option<Vec<u8>>,
    /// What witnesses saw: of the keys that were given, or when none was, of those that the ledger names itself.
    pub witnessed: Vec<Witnessed>,
    pub kinds: BTreeMap<&'static str, u64>,
    pub sums: Sums,
    /// Whether the cell was stopped in order: then nothing is missing at the end.
    pub closed: bool,
    /// Files of the archive that were checked, and their bytes.
    pub objects: u64,
    pub object_bytes: u64,
    /// The first 100.
    pub findings: Vec<Finding>,
    pub finding_count: u64,
    /// Findings of files that nothing names. Of a cell that runs, a file of the archive may be ahead of its entry, and one of
    /// the ledger's last checkpoint about to go.
    pub unnamed: u64,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.finding_count == 0
    }

    pub(crate) fn find(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { place: place.into(), what: what.into() });
        }
    }
}

/// How far it is: entries or files that were checked, of how many.
pub enum Step {
    Entries(u64, u64),
    Objects(u64, u64),
}

/// An archive's files, and what says whether its own cursor is whole.
pub type Archive<'a> = (&'a dyn Files, fn(&[u8]) -> bool);

/// Checks a ledger and, when it is given, the archive.
///
/// # Errors
/// A file that could not be read. What could be read and is wrong is in the report.
pub fn verify(
    ledger: &dyn Files,
    archive: Option<Archive<'_>>,
    question: &Question,
    mut step: impl FnMut(Step),
) -> io::Result<Report> {
    let mut report = Report::default();
    let before = ledger.read("checkpoint")?;
    let listed = ledger.list()?;
    let Some(vkey) = read_key(ledger, question, &mut report)? else { return Ok(report) };
    let Some((note, head, held)) = read_head(ledger, &vkey, &mut report)? else { return Ok(report) };
    let ledger = &Held { ledger, held };
    (report.vkey, report.head, report.checkpoint) = (Some(vkey.clone()), Some(head), Some(note.clone()));
    let mut sums = sums::Book::default();
    let tiles = check_entries(ledger, head, &mut report, |index, entry, report| {
        if index % 4096 == 0 {
            step(Step::Entries(index, head.size));
        }
        sums.take(index, entry, report);
    })?;
    step(Step::Entries(head.size, head.size));
    let (stored, named) = sums.finish(&mut report);
    if let Some(edges) = tiles {
        let tiles = Checked { ledger, edges: &edges, size: head.size };
        if let Some(earlier) = &question.earlier {
            check_earlier(head, &tiles, (earlier, &vkey), &mut report);
        }
        witnesses::check(ledger, (head, &tiles), &vkey, &named, question, &mut report)?;
    }
    // Whoever verifies a ledger that grows sees files of other checkpoints come and go.
    let grows = before.as_ref() != Some(&note) || ledger.read("checkpoint")?.as_ref() != Some(&note);
    for file in listed.into_iter().flatten() {
        let is_known = match file.as_str() {
            "checkpoint" | "vkey" => true,
            path => is_of_tree(path, head.size).map_or_else(|| witnesses::is_of(path, &named), |is_of| is_of || grows),
        };
        if !is_known {
            let what = "no checkpoint names it: it was added, or a crash left it and the cell was not started since";
            report.find(file, what);
            report.unnamed += 1;
        }
    }
    if let Some((files, cursor_is_whole)) = archive {
        archive::check(files, cursor_is_whole, &stored, &mut report, |done, all| step(Step::Objects(done, all)))?;
    }
    Ok(report)
}

fn read_key(ledger: &dyn Files, question: &Question, report: &mut Report) -> io::Result<Option<VKey>> {
    let own = match ledger.read("vkey")? {
        None => {
            report.find("vkey", "it is missing");
            None
        }
        Some(text) => {
            let text = String::from_utf8(text).unwrap_or_default();
            let vkey = text.strip_suffix('\n').and_then(VKey::read);
            if vkey.is_none() {
                report.find("vkey", "not a key as signed-note spells it");
            }
            vkey
        }
    };
    if let (Some(own), Some(key)) = (&own, &question.key)
        && own != key
    {
        report.find("vkey", "another key than the one that was given");
    }
    Ok(question.key.clone().or(own))
}

/// Files that were read together with the checkpoint.
type Partial = BTreeMap<String, Option<Vec<u8>>>;

/// Reads the checkpoint, and the files that the next one takes away: all others of its tree stay as they are, so that a
/// ledger can be checked while it grows.
fn read_head(ledger: &dyn Files, vkey: &VKey, report: &mut Report) -> io::Result<Option<(Vec<u8>, Head, Partial)>> {
    let mut tries = 0..READS_MAX;
    loop {
        let Some(note) = ledger.read("checkpoint")? else {
            report.find("checkpoint", "it is missing");
            return Ok(None);
        };
        let head = match Head::read(&note, vkey, &[]) {
            Ok((head, _)) => head,
            Err(error) => {
                report.find("checkpoint", error.to_string());
                return Ok(None);
            }
        };
        let mut held = Partial::new();
        for level in 0..8_u8 {
            let hashes = head.size >> (8 * level);
            let (number, width) = (hashes / tlog::TILE_WIDTH, hashes % tlog::TILE_WIDTH);
            let bundle = (level == 0).then(|| bundle_path(number, width));
            for path in bundle.into_iter().chain([tile_path(level, number, width)]).filter(|_| width > 0) {
                let bytes = ledger.read(&path)?;
                held.insert(path, bytes);
            }
        }
        if tries.next().is_none() || ledger.read("checkpoint")?.as_ref() == Some(&note) {
            return Ok(Some((note, head, held)));
        }
    }
}

/// A folder of which some files were read before.
struct Held<'a> {
    ledger: &'a dyn Files,
    held: Partial,
}

impl Files for Held<'_> {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.held.get(path).map_or_else(|| self.ledger.read(path), |bytes| Ok(bytes.clone()))
    }

    fn list(&self) -> io::Result<Option<Vec<String>>> {
        self.ledger.list()
    }
}

/// Reads all bundles, makes all tiles anew and compares. `None` when bundles are missing.
fn check_entries(
    ledger: &dyn Files,
    head: Head,
    report: &mut Report,
    mut take: impl FnMut(u64, Entry, &mut Report),
) -> io::Result<Option<Vec<Edge>>> {
    let (mut edges, mut made) = (Vec::new(), Vec::new());
    for (number, width) in tiles_of(head.size, 0) {
        let path = bundle_path(number, width);
        let Some(bundle) = ledger.read(&path)? else {
            report.find(path, "it is missing");
            return Ok(None);
        };
        let Some(entries) = split_bundle(&bundle, width) else {
            report.find(path, format!("it does not hold {width} whole entries"));
            return Ok(None);
        };
        let first = number * tlog::TILE_WIDTH;
        let tile = ledger.read(&tile_path(0, number, width))?;
        for (at, bytes) in entries.into_iter().enumerate() {
            let index = first + at as u64;
            let hash = record_hash(bytes);
            if tile.as_deref().and_then(|tile| tile.get(32 * at..32 * (at + 1))).is_some_and(|signed| *signed != hash.0)
            {
                report.find(format!("entry {index}"), "altered, dropped or moved: its hash is not the one in its tile");
            }
            match Entry::read(bytes) {
                Ok(entry) => {
                    *report.kinds.entry(entry.what.kind()).or_default() += 1;
                    report.closed = matches!(entry.what, What::Closed(_));
                    take(index, entry, report);
                }
                Err(error) => report.find(format!("entry {index}"), error.to_string()),
            }
            tlog::push(&mut edges, hash, index + 1, &mut made);
            for (path, bytes) in made.drain(..) {
                compare(ledger, &path, &bytes, report)?;
            }
        }
    }
    for (level, edge) in (0_u8..).zip(&edges).filter(|(_, edge)| !edge.hashes.is_empty()) {
        let number = (head.size >> (8 * level)) / tlog::TILE_WIDTH;
        let path = tile_path(level, number, edge.hashes.len() as u64);
        compare(ledger, &path, &bytes_of(&edge.hashes), report)?;
    }
    let root = tree_root(head.size, &tlog::Edges(&edges)).map_err(io::Error::other)?;
    if root != head.root {
        report.find("checkpoint", "the root that it signs is not that of the entries");
    }
    Ok(Some(edges))
}

fn compare(ledger: &dyn Files, path: &str, made: &[u8], report: &mut Report) -> io::Result<()> {
    match ledger.read(path)? {
        None => report.find(path, "it is missing"),
        Some(bytes) if bytes != made => report.find(path, "its hashes are not those of the entries"),
        Some(_) => {}
    }
    Ok(())
}

fn check_earlier(head: Head, tiles: &Checked<'_>, (earlier, vkey): (&[u8], &VKey), report: &mut Report) {
    let old = match Head::read_signed(earlier, vkey) {
        Ok((old, _)) => old,
        Err(error) => return report.find("the earlier checkpoint", error.to_string()),
    };
    if old.size > head.size {
        let what = format!("it signs {} entries, and the ledger has {}: some were taken away", old.size, head.size);
        return report.find("the earlier checkpoint", what);
    }
    match head.extends(&old, tiles) {
        Ok(true) => {}
        Ok(false) => {
            report.find(
                "the earlier checkpoint",
                "the ledger does not begin with what it signs: two histories were signed",
            );
        }
        Err(error) => report.find("the earlier checkpoint", error.to_string()),
    }
}

/// Tiles that were compared with the entries before.
struct Checked<'a> {
    ledger: &'a dyn Files,
    edges: &'a [Edge],
    size: u64,
}

impl Tiles for Checked<'_> {
    fn tile(&self, level: u8, number: u64) -> io::Result<Vec<Hash>> {
        if width_of(self.size, level, number) != Some(tlog::TILE_WIDTH) {
            return Ok(self.edges.get(usize::from(level)).map(|edge| edge.hashes.clone()).unwrap_or_default());
        }
        let bytes = self.ledger.read(&tile_path(level, number, tlog::TILE_WIDTH))?;
        Ok(bytes.and_then(|bytes| tlog::hashes_of(&bytes)).unwrap_or_default())
    }
}
