//! What can go wrong with a log, apart by what the caller does about it.

use domicile_keys::KeyError;
use std::io;
use std::path::Path;

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
    /// What lies before it in its spool has not been taken: it would look taken if this one were.
    #[error("what lies before it in the spool is missing")]
    Gap,
    /// The source belongs to another region.
    #[error("the source belongs to another region")]
    WrongRegion,
}

/// A write or sync that failed for good. The program stops and recovers from what is on disk.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file}: {what}: {error}\n  \
     nothing was promised after this; a new start recovers what is on disk\n  \
     mend: look into the system's log for what the disk says, then start again"
)]
pub struct WriteError {
    pub file: String,
    pub what: &'static str,
    pub error: io::Error,
}

/// Why a log could not be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Damage: a checksum, a seal or an order that does not hold.
    #[error("{file}: damage at byte {offset}: {what}")]
    Damage { file: String, offset: u64, what: String },
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Acknowledged events may be missing or changed. Nothing was deleted or written.
    #[error(
        "{file}: damage at byte {offset}: {what}\n  \
         the start stops here so that nothing acknowledged is taken for lost or empty; nothing was changed\n  \
         mend: put the file back from a backup, or ask for help with this message"
    )]
    Damage { file: String, offset: u64, what: String },
    #[error("{file}: {error}\n  mend: check that the folder exists, is writable by this user and has room")]
    Io { file: String, error: io::Error },
    /// The ledger has told more than the logs have.
    #[error(
        "the ledger says that the events up to position {told} were {log}, and the log of them ends at {has}\n  \
         promised events are gone; the start stops here so that nobody takes them for never sent\n  \
         mend: put the folders of the logs and of the ledger back from one and the same backup"
    )]
    Behind { log: &'static str, told: u64, has: u64 },
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl OpenError {
    pub(crate) fn io(file: &Path, error: io::Error) -> Self {
        Self::Io { file: file.display().to_string(), error }
    }

    pub(crate) fn damage(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damage { file: file.display().to_string(), offset, what: what.into() }
    }

    pub(crate) fn ledger(error: &io::Error) -> Self {
        Self::Damage { file: "the ledger".into(), offset: 0, what: error.to_string() }
    }
}

impl ReadError {
    pub(crate) fn io(file: &Path, error: io::Error) -> Self {
        Self::Io { file: file.display().to_string(), error }
    }

    pub(crate) fn damage(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damage { file: file.display().to_string(), offset, what: what.into() }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damage { file, offset, what } => Self::Damage { file, offset, what },
            ReadError::Io { file, error } => Self::Io { file, error },
        }
    }
}
