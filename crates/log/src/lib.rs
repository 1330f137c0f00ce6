//! The two logs: the accepted log (what was promised) and the event log (what was decided).
//!
//! Both are segment files of checksummed, sealed frames, with one writer each and any number of readers.
//!
//!     accepted log   a frame is one request: 1 or more events of one source, in consecutive positions
//!     event log      a frame is the decision about one frame of the accepted log, and names the same span;
//!                    or a mark, which closes the archive's open files
//!
//! - A position counts events of the accepted log, never goes back and has no gap; both logs use the same ones.
//! - `Ok` from [`AcceptedLog::append`] means that the events are on disk: a 200 may be sent.
//! - The event log is its own commit record: its end is how far process has come. There is no other file that says so.
//! - A failed sync is final: nothing is promised after it, and the program has to stop and recover.

mod accepted;
mod decided;
mod frame;
mod position;

pub use accepted::{Accepted, AcceptedLog, AcceptedReader, Origin, Receipt};
pub use decided::{Decided, Decision, EventFrame, EventKey, EventLog, EventReader, EventWriter, Mark};
pub use frame::FrameBuf;
pub use position::{Position, Span};

/// Why an append was not taken: nothing of it is kept, answer 503 with Retry-After.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The disk is full; it may have room again later.
    #[error("the disk is full")]
    Full,
    /// The log is closing for a shutdown.
    #[error("the log is closing")]
    Closing,
    /// A write or sync failed: the log takes nothing any more, the program has to stop.
    #[error("the log failed")]
    Failed,
    /// The workspace's data key is not to be had.
    #[error("the workspace's data key is gone")]
    NoKey,
    /// The source belongs to another region.
    #[error("the source belongs to another region")]
    WrongRegion,
}

/// Why a log could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Damage: a checksum, a seal or an order that does not hold.
    #[error("{file}: damage at byte {offset}: {what}")]
    Damage { file: String, offset: u64, what: String },
    #[error("{file}: {error}")]
    Io { file: String, error: std::io::Error },
}
