//! What the reliability tests share: a program's lives on a simulated machine, and the book of what was promised.
//!
//! ```text
//! seed ──► world ──► life ──► crash ──► life ──► … ──► the book is compared with what is on disk
//! ```
//!
//! A test is a function of its seed. When one fails, it says which seed and how to run that one alone.

mod seeds;

mod book;
mod life;

mod cell;

pub use book::Book;
pub use cell::{ARCHIVE, Archived, Cell, CellSettings, EVENTS, INDEX, archived, message_id, send, verified, wait};
pub use life::{ACCEPTED, KEYS, Life, Request, append, born, source};
pub use seeds::{for_each_seed, in_one_thread};
