//! Whose it is: workspaces, sources, write keys, destinations, and the [`Snapshot`] of all of them.
//!
//! A snapshot is one version of a cell's configuration, whole and unchanging. Ingest, process and the consumers are
//! handed a [`Current`] and see a new version by loading again; they never name the control store. No I/O.

mod destination;
mod id;
mod snapshot;
mod source;
mod suppressed;
mod transfer;

pub use destination::{Destination, DestinationKind, Filters, WebhookSettings};
pub use id::{ConfigVersion, DestinationId, SourceId, SourceNumber, TransferId, WorkspaceId, WorkspaceNumber};
pub use snapshot::{Current, Delta, Snapshot, Workspace};
pub use source::{RateLimit, Source, SourceKind, WriteKey};
pub use suppressed::{Suppressed, SuppressedIn, Suppression, UserHash};
pub use transfer::GrantedTransfer;
