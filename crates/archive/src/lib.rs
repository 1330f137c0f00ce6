//! The archive: every kept event, once, as the customer's own files.
//!
//! ```text
//! event log ──► fold ──► files ──► store (a folder, S3)
//!               pure     FIRST-LAST.gz, newline JSON
//! ```
//!
//! - The set of files is a function of the event log alone: which events share a file is decided by what the log holds, and
//!   never by time, by restarts or by how well something compresses. A restart makes the same files again, under the
//!   same names.
//! - The cursor only ever names a position at which no file was open. Losing it costs work, and nothing else.
//! - A file that is there is never replaced. One that differs from what the log says stops the archive: it is evidence.
//! - Nothing is skipped: a store that fails is tried again until it takes the file.

mod layout;

mod fold;
mod member;

mod archive;
mod cursor;
mod put;

mod folder;

pub use archive::{Archive, ArchiveError};
pub use cursor::cursor_is_whole;
pub use fold::ArchiveSettings;
pub use folder::FolderStore;
pub use layout::object_of;
