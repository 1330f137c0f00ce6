//! What can go wrong with the store as a whole, and with one change.

use domicile_keys::KeyError;
use domicile_region::RegionId;
use rusqlite::ErrorCode;
use std::fmt;

/// Why the store can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database of another cell: moving a region's files is no way to move a region.
    #[error(
        "{file}: this control store belongs to region `{found}`, and this cell is `{here}`\n  \
         the region of a workspace never changes\n  \
         mend: start the cell of `{found}` with this file, or give this cell its own data folder"
    )]
    OtherRegion { file: String, found: RegionId, here: RegionId },
    /// A file that something else wrote.
    #[error("{file}: not a control store of Domicile\n  mend: put the right file back, or move this one away")]
    NotOurs { file: String },
    #[error(
        "{file}: written by a newer version of the program (schema {found}, this program knows {known})\n  \
         mend: run the newer version"
    )]
    Newer { file: String, found: u32, known: u32 },
    /// A migration that was applied is not the one that this program holds.
    #[error(
        "{file}: migration {number} was applied in another form than this program has\n  \
         mend: run the version of the program that wrote the file, or restore the file from a backup"
    )]
    OtherMigration { file: String, number: u32 },
    #[error("{file}: damaged: {what}\n  mend: restore the file from a backup")]
    Damaged { file: String, what: String },
    #[error("{file}: {error}\n  mend: see that the folder exists and that this user may write to it")]
    Io { file: String, error: std::io::Error },
    #[error(
        "{file}: could not {doing}: {error}\n  mend: see that the disk has room, and that this user may write to the file and its folder"
    )]
    Sql { file: String, doing: &'static str, error: rusqlite::Error },
    /// A secret that can't be sealed, or one that the region's key does not open.
    #[error(
        "{file}: the secrets of destination `{id}`: {error}\n  mend: restore `keys/` and this file from one backup"
    )]
    Secret { file: String, id: String, error: KeyError },
}

impl StoreError {
    pub(crate) fn sql(file: &str, doing: &'static str, error: rusqlite::Error) -> Self {
        let file = file.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotOurs { file },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { file, what: error.to_string() },
            _ => Self::Sql { file, doing, error },
        }
    }

    /// Whether the same call may succeed later without anybody mending anything but room on the disk.
    pub fn passes(&self) -> bool {
        let Self::Sql { error, .. } = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }
}

/// A kind of thing that has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Workspace,
    Source,
    WriteKey,
    Destination,
    Token,
    Event,
}

impl Resource {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Source => "source",
            Self::WriteKey => "write key",
            Self::Destination => "destination",
            Self::Token => "token",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a change was refused or failed. Nothing of it was done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// What was asked for breaks a rule. `field` is the name that the API and configuration files use.
    #[error("{field}: {what}; {mend}")]
    Invalid { field: String, what: String, mend: String },
    /// No such thing in the workspace that was named.
    #[error("there is no such {0}")]
    NotFound(Resource),
    /// It does not fit what is there.
    #[error("{what}; {mend}")]
    Conflict { what: String, mend: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ControlError {
    pub(crate) fn invalid(field: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), what: what.into(), mend: mend.into() }
    }
}
