//! The two logs: the accepted log (what was promised) and the event log (what was decided).
//!
//! Both are segment files of checksummed, sealed frames, with one writer each and any number of readers.
//!
//! ```text
//! accepted log   a frame is one request: 1 or more events of one source, in consecutive positions
//! event log      a frame is the decision about one frame of the accepted log, and names the same span;
//!                or a mark, which closes the archive's open files
//! ```
//!
//! - A position counts events of the accepted log, never goes back and has no gap; both logs use the same ones.
//! - `Ok` from [`AcceptedLog::append`] means that the events are on disk: a 200 may be sent.
//! - The event log is its own commit record: its end is how far process has come. There is no other file that says so.
//! - What either log has is told in the region's ledger by the [`Recorder`], which reads both as anyone does.
//! - A failed sync is final: nothing is promised after it, and the program has to stop and recover.

mod accepted;
mod code;
mod committer;
mod decided;
mod error;
mod frame;
mod look;
mod position;
mod reader;
mod receipt;
mod recorder;
mod recovery;
mod segment;
mod store;
mod tail;
mod writer;

pub use accepted::{Accepted, AcceptedLog, AcceptedReader, Origin, Pending, Receipt};
pub use committer::Committer;
pub use decided::{
    CommitError, Decided, DecidedBuilder, DecidedCount, Decision, EventFrame, EventKey, EventLog, EventReader,
    EventWriter, Mark,
};
pub use error::{AppendError, OpenError, ReadError, WriteError};
pub use frame::FrameBuf;
pub use look::{check_ends, look};
pub use position::{Position, Span};
pub use receipt::{entry_of, receipt};
pub use recorder::{Recorded, Recorder, RecorderError};
pub use store::{LogSettings, Retention};
