//! What can go wrong with the store as a whole, and with one change.

use crate::db::{DbError, Fault};
use domicile_keys::KeyError;
use domicile_region::RegionId;
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
    #[error("{file}: could not {doing}: {error}\n  mend: {}", error.mend())]
    Sql { file: String, doing: &'static str, error: DbError },
    /// A secret that can't be sealed, or one that the region's key does not open.
    #[error("{file}: the secrets of `{id}`: {error}\n  mend: restore `keys/` and this file from one backup")]
    Secret { file: String, id: String, error: KeyError },
}

impl StoreError {
    pub(crate) fn sql(at: &str, doing: &'static str, error: DbError) -> Self {
        let file = at.to_owned();
        match error.fault {
            Fault::NotADatabase => Self::NotOurs { file },
            Fault::Damaged => Self::Damaged { file, what: error.to_string() },
            Fault::Busy | Fault::Passes | Fault::Lasts => Self::Sql { file, doing, error },
        }
    }

    /// Whether the same call may succeed later without anybody mending anything but room on the disk.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Sql { error, .. } if matches!(error.fault, Fault::Busy | Fault::Passes))
    }
}

macro_rules! resources {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// A kind of thing that has an id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Resource {
            $($(#[$doc])* $name),*
        }

        impl Resource {
            /// For people and for the audit trail.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word),*
                }
            }
        }
    };
}

resources! {
    Account = "account",
    Entitlement = "entitlement",
    Workspace = "workspace",
    Source = "source",
    WriteKey = "write key",
    Destination = "destination",
    Subscription = "subscription",
    Filter = "filter",
    Warehouse = "warehouse",
    Function = "function",
    FunctionVersion = "function version",
    FunctionInstance = "function instance",
    TrackingPlan = "tracking plan",
    Rule = "rule",
    Transformation = "transformation",
    Label = "label",
    User = "user",
    Group = "user group",
    Invite = "invite",
    IdentityProvider = "identity provider",
    Token = "token",
    Regulation = "regulation",
    Suppression = "suppression",
    ReverseEtlModel = "reverse ETL model",
    Sync = "sync",
    Transfer = "transfer",
    Event = "event",
    Receipt = "receipt",
    Region = "region",
    CatalogEntry = "entry of the catalog",
    /// Something that the caller may not even see.
    Thing = "thing",
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
    /// Who asks may not do this.
    #[error("{what}; {mend}")]
    Refused { what: String, mend: String },
    /// It was changed since the caller read it. `version`: what it has now.
    #[error("the {resource} was changed meanwhile: its version is {version}; read it again and repeat the change")]
    Stale { resource: Resource, version: u64 },
    /// The key of an earlier request came with another request.
    #[error("the idempotency key was used for another request; use a new key for each request")]
    KeyReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ControlError {
    pub(crate) fn invalid(field: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), what: what.into(), mend: mend.into() }
    }
}
