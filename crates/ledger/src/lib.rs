//! What became of every event, in words that the whole product shares, and the balance sheet over them.

mod outcome;

pub use outcome::{Outcome, Reason};
