//! What stands behind the fuzz targets: how an input is cut up, a cell in memory on a disk that knows where it may be
//! looked at, two small logs and ways to damage their files, a small ledger.
//!
//! A target (`fuzz_targets/`) is a promise and the input that might break it; what an input means is said at its head.
//! `seeds/TARGET` are where a run begins, `regressions/TARGET` are inputs that once broke the promise, each named by what
//! it did. Everything here is in memory and rolls the same dice, so that an input does the same on every machine.

pub mod frame;
pub mod ledger;

mod cell;
mod input;
mod watched;

pub use cell::{BROUGHT, Cell, ELSEWHERE, KEY, OFF};
pub use input::Input;
pub use watched::Watched;
