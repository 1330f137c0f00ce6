//! The manifest: which runs are the index, and how far into the event log they reach.
//!
//! ```text
//! domicile dedup index, format 1
//! covered 0..18230
//! run 0..9000
//! run 9000..18230
//! crc32c 1f0a93bc
//! ```
//!
//! - Replaced as a whole: after a crash there is the old one or the new one.
//! - Runs stand in the order of their spans, oldest first, and do not overlap.
//! - A file in the folder that the manifest does not name is not part of the index.

use super::run::FORMAT;
use super::{Damage, IndexError};
use domicile_log::{Position, Span};
use domicile_world::{Disk, write_whole};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub(crate) const NAME: &str = "manifest";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Every decision before it is in the runs, or was outside the window.
    pub(crate) covered: Position,
    pub(crate) runs: Vec<Span>,
}

impl Manifest {
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// Reads the manifest; `None` when there is none.
    pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, IndexError> {
        let file = Self::path(folder);
        if !disk.exists(&file) {
            return Ok(None);
        }
        let bytes = match disk.read(&file) {
            Ok(bytes) => bytes,
            Err(error) => return Err(IndexError::Io { file, error }),
        };
        match Self::parse(&bytes) {
            Some(manifest) => Ok(Some(manifest)),
            None => Err(IndexError::Damage(Damage { file, offset: 0, what: "the manifest can't be read".into() })),
        }
    }

    /// Puts this manifest in the place of the last one.
    pub(crate) fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), IndexError> {
        let file = Self::path(folder);
        write_whole(disk, &file, self.text().as_bytes()).map_err(|error| IndexError::Io { file, error })
    }

    fn text(&self) -> String {
        let mut text = format!("domicile dedup index, format {FORMAT}\ncovered 0..{}\n", self.covered);
        for span in &self.runs {
            let _ = writeln!(text, "run {span:?}");
        }
        let crc = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "crc32c {crc:08x}");
        text
    }

    /// Takes exactly what [`Manifest::text`] writes.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut manifest = Self::default();
        for line in text.lines() {
            if let Some(span) = line.strip_prefix("covered ") {
                manifest.covered = parse_span(span)?.end;
            } else if let Some(span) = line.strip_prefix("run ") {
                manifest.runs.push(parse_span(span)?);
            }
        }
        let in_order = manifest.runs.is_sorted_by(|a, b| a.end <= b.first);
        let reached = manifest.runs.last().is_none_or(|last| last.end <= manifest.covered);
        (in_order && reached && manifest.text() == text).then_some(manifest)
    }
}

fn parse_span(text: &str) -> Option<Span> {
    let (first, end) = text.split_once("..")?;
    let span = Span { first: Position(first.parse().ok()?), end: Position(end.parse().ok()?) };
    (span.first <= span.end).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let span = |first, end| Span { first: Position(first), end: Position(end) };
        Manifest { covered: Position(18_230), runs: vec![span(0, 9_000), span(9_000, 18_230)] }
    }

    #[test]
    fn a_manifest_comes_back() {
        assert_eq!(Manifest::parse(manifest().text().as_bytes()), Some(manifest()));
        assert_eq!(Manifest::parse(Manifest::default().text().as_bytes()), Some(Manifest::default()));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let text = manifest().text().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Manifest::parse(&bytes), None, "bit {bit}");
        }
        for cut in 0..text.len() {
            assert_eq!(Manifest::parse(&text[..cut]), None, "cut at {cut}");
        }
    }
}
