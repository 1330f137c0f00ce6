//! The archive's files, against what the ledger says was stored.

use super::sums::Objects;
use super::{Files, Report};
use crate::entry::Digest;
use aws_lc_rs::digest::{Context, SHA256};
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};

/// The archive's own file beside the objects.
const CURSOR: &str = "archive.cursor";

pub(super) fn check(
    archive: &dyn Files,
    cursor_is_whole: fn(&[u8]) -> bool,
    objects: &Objects,
    report: &mut Report,
    mut step: impl FnMut(u64, u64),
) -> io::Result<()> {
    // Before the files are read: what comes after it is not asked for.
    let listed = archive.list()?;
    let mut in_order: Vec<_> = objects.iter().collect();
    in_order.sort_by_key(|(_, (index, _))| *index);
    for (done, (object, (index, stored))) in (0..).zip(in_order) {
        step(done, objects.len() as u64);
        let place = format!("{object} (entry {index})");
        let (mut hash, mut lines, mut bytes) = (Context::new(&SHA256), MultiGzDecoder::new(Lines(0)), 0);
        let mut broken = false;
        let found = archive.read_pieces(object, &mut |piece| {
            hash.update(piece);
            bytes += piece.len() as u64;
            broken = broken || lines.write_all(piece).is_err();
        })?;
        report.objects += 1;
        report.object_bytes += bytes;
        if !found {
            report.find(place, "the archive does not have it any more");
        } else if bytes != stored.bytes || Digest::finish(hash.finish()) != stored.sha256 {
            report.find(place, "the archive has something else under this name");
        } else if broken || lines.finish().ok().map(|Lines(n)| n) != Some(stored.events) {
            report.find(place, format!("it does not hold the {} events that the ledger says", stored.events));
        }
    }
    step(objects.len() as u64, objects.len() as u64);
    for file in listed.into_iter().flatten().filter(|file| !objects.contains_key(file)) {
        if file != CURSOR {
            report.unnamed += 1;
            report.find(file, "it is in the archive, and the ledger does not say that it was stored");
        } else if archive.read(CURSOR)?.is_some_and(|bytes| !cursor_is_whole(&bytes)) {
            report.find(CURSOR, "the archive's cursor was changed");
        }
    }
    Ok(())
}

/// Counts lines and keeps nothing.
struct Lines(u64);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
