//! The control store of a cell, and the rules over it: workspaces, sources, write keys, destinations, tokens, audit trail.
//!
//! ```text
//! api, console ──► Store::create_source … ──► one transaction: rows, audit entry, version + 1 ──► Current::put(snapshot)
//!                                                                                             └─► ingest, process, consumers
//! ```
//!
//! Knows SQL, knows no HTTP. All functions are synchronous and wait for the disk: call them on a blocking thread.
//!
//! - A store belongs to one region, and so does each workspace in it: SQL triggers refuse any change of either, whoever
//!   asks. There is no function that takes a region.
//! - A change is whole: its rows, its audit entry and the new configuration version are one transaction, and the snapshot
//!   that it makes is read inside it. Who loads [`Current`](domicile_workspace::Current) sees all of a change or none.
//! - Every function that touches a workspace's things is given the workspace, and finds nothing of another one.
//! - Secrets of destinations are sealed under the region's key and never read back, except into the snapshot. Of tokens
//!   only a hash is kept. The audit trail holds neither, and of a write key only its first letters.
//! - Numbers of workspaces and sources are never given twice, because keys and frames carry them.
//! - SQLite opens its own files: this is the one place whose disk is not the [`World`](domicile_world::World)'s.

mod audit;
mod demo;
mod destination;
mod error;
mod id;
mod migration;
mod settings;
mod snapshot;
mod source;
mod store;
mod text;
mod token;
mod workspace;
mod write_key;

pub use audit::{Actor, AuditEntry};
pub use demo::{DemoOwner, DemoSecrets, DemoSource, DemoWorkspace};
pub use destination::{DestinationChange, NewDestination};
pub use error::{ControlError, Resource, StoreError};
pub use source::{NewSource, SourceChange, SourceName};
pub use store::Store;
pub use token::{NewToken, TokenScope};
