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

pub use folder::{Files, Folder};
pub use sums::{SourceSums, Sums};

use crate::entry::{Entry, What};
use crate::tlog::{
    self, Edge, Head, HeadError, Tiles, VKey, Witnessed, bundle_path, bytes_of, expected_files, split_bundle, tiles_of,
    tree_root,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use tlog_tiles::tlog::{Hash, record_hash};

/// Findings that are told one by one; more are only counted.
const FINDINGS_MAX: usize = 100;

/// What to check beside the folder itself.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The region's public key, from somewhere else than the folder. Without it the folder's own is believed: that shows
    /// integrity, not origin.
    pub key: Option<VKey>,
    /// Keys of witnesses whose signatures have to hold, and how many of them there have to be.
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
    /// Files of the archive that no entry names. Of a cell that runs, an entry may be on its way.
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

/// Checks a ledger.
///
/// `archive`: its files, and what says whether the archive's own cursor is whole.
///
/// # Errors
/// A file that could not be read. What could be read and is wrong is in the report.
pub fn verify(
    ledger: &dyn Files,
    archive: Option<(&dyn Files, fn(&[u8]) -> bool)>,
    question: &Question,
    mut step: impl FnMut(Step),
) -> io::Result<Report> {
    let mut report = Report::default();
    let listed = ledger.list()?;
    let Some((vkey, head)) = read_head(ledger, question, &mut report)? else { return Ok(report) };
    (report.vkey, report.head) = (Some(vkey.clone()), Some(head));
    let mut sums = sums::Book::default();
    let tiles = check_entries(ledger, head, &mut report, |index, entry, report| {
        if index % 4096 == 0 {
            step(Step::Entries(index, head.size));
        }
        sums.take(index, entry, report);
    })?;
    step(Step::Entries(head.size, head.size));
    if let (Some(tiles), Some(earlier)) = (tiles, &question.earlier) {
        check_earlier(ledger, head, &tiles, (earlier, &vkey), &mut report);
    }
    if let Some(listed) = listed {
        let known: BTreeSet<String> = expected_files(head.size).collect();
        for file in
            listed.iter().filter(|file| !known.contains(*file) && !matches!(file.as_str(), "checkpoint" | "vkey"))
        {
            report.find(
                file,
                "no checkpoint names it: it was added, or a crash left it and the cell was not started since",
            );
        }
    }
    let stored = sums.finish(&mut report);
    if let Some((files, cursor_is_whole)) = archive {
        archive::check(files, cursor_is_whole, &stored, &mut report, |done, all| step(Step::Objects(done, all)))?;
    }
    Ok(report)
}

fn read_head(ledger: &dyn Files, question: &Question, report: &mut Report) -> io::Result<Option<(VKey, Head)>> {
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
    let Some(vkey) = question.key.clone().or(own) else { return Ok(None) };
    let Some(note) = ledger.read("checkpoint")? else {
        report.find("checkpoint", "it is missing");
        return Ok(None);
    };
    report.checkpoint = Some(note.clone());
    match Head::read(&note, &vkey, &question.witnesses) {
        Ok((head, witnessed)) => {
            if witnessed.len() < question.witnesses_min {
                let what =
                    format!("{} of the witnesses signed it, and {} have to", witnessed.len(), question.witnesses_min);
                report.find("checkpoint", what);
            }
            report.witnessed = witnessed;
            Ok(Some((vkey, head)))
        }
        Err(error @ (HeadError::Malformed | HeadError::Origin | HeadError::Signature | HeadError::Witness)) => {
            report.find("checkpoint", error.to_string());
            Ok(None)
        }
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
        let tile = ledger.read(&tlog::tile_path(0, number, width))?;
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
        let path = tlog::tile_path(level, number, edge.hashes.len() as u64);
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

fn check_earlier(ledger: &dyn Files, head: Head, edges: &[Edge], (earlier, vkey): (&[u8], &VKey), report: &mut Report) {
    let old = match Head::read(earlier, vkey, &[]) {
        Ok((old, _)) => old,
        Err(error) => return report.find("the earlier checkpoint", error.to_string()),
    };
    if old.size > head.size {
        let what = format!("it signs {} entries, and the ledger has {}: some were taken away", old.size, head.size);
        return report.find("the earlier checkpoint", what);
    }
    match head.extends(&old, &Checked { ledger, edges, size: head.size }) {
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
        let full = self.size.checked_shr(8 * u32::from(level)).unwrap_or(0) / tlog::TILE_WIDTH;
        if number >= full {
            return Ok(self.edges.get(usize::from(level)).map(|edge| edge.hashes.clone()).unwrap_or_default());
        }
        let bytes = self.ledger.read(&tlog::tile_path(level, number, tlog::TILE_WIDTH))?;
        Ok(bytes.and_then(|bytes| tlog::hashes_of(&bytes)).unwrap_or_default())
    }
}
