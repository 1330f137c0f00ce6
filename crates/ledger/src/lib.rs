//! What became of every event, in words that the whole product shares, and the balance sheet over them.
//!
//! - Does not know the logs: who wants to check a sheet needs numbers, and no storage of ours.

mod outcome;

mod balance;
mod sheet;

pub use balance::{Hour, Tally, TallyError};
pub use outcome::{Outcome, Reason};
pub use sheet::{Consumer, Delivery, Row, Settled, Sheet};
