//! Faults that the machine and its operator bring: a disk that fails, is full or read-only, files that change, clocks that jump,
//! wrong configuration, clients that never finish.
//!
//! Goal: each fault has a clear end (an answer, or an exit code and a message that names the place and the mend), and nothing
//! that was answered 200 is lost or doubled by it.
//!
//! Method: the real binary. [`book`] notes each event that was answered 200 and, after a start in peace, looks for it in the
//! archives. What the machine does not allow (to mount, to change a clock) is skipped, with the reason, and does not pass.

mod again;
mod book;
mod clock;
mod damage;
mod files;
mod full;
mod index;
mod mount;
mod overload;
mod preload;
mod readonly;
mod runs;
mod stop;
mod sync;
mod usage;

use crate::tally::Tally;
use std::path::Path;

type Part = (&'static str, fn(&mut Tally, &Path));

const PARTS: [Part; 11] = [
    ("usage", usage::run),
    ("readonly", readonly::run),
    ("sync", sync::run),
    ("full", full::run),
    ("damage", damage::run),
    ("index", index::run),
    ("runs", runs::run),
    ("clock", clock::run),
    ("stop", stop::run),
    ("again", again::run),
    ("overload", overload::run),
];

/// Runs all parts, or the one of this name.
pub fn run(domicile: &Path, only: Option<&str>) -> Tally {
    let mut tally = Tally::default();
    for (_, run) in PARTS.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        run(&mut tally, domicile);
    }
    tally
}
