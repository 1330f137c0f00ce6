//! The decision: every accepted event is kept, or it is counted with a reason.
//!
//! ```text
//! index    which events were kept, by key, inside the dedup window: a cache of the event log
//! decide   one request to one decision for each of its events: pure
//! process  the loop around them: reads the accepted log, writes the event log
//! ```
//!
//! - First position wins: of two events of one source with the same messageId inside the window, the one with the lower
//!   position is kept, on every replay and after every crash.
//! - No clock is read for a decision: times are in the frames.
//! - The index can be deleted at any time: it comes back from the event log, the same.

mod decide;
mod index;
mod measure;
mod process;

pub use decide::{CellSalt, event_key};
pub use index::{Damage, Index, IndexError, IndexSettings, UpkeepIn};
pub use process::{Process, ProcessError, ProcessSettings};
