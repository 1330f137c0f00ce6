//! The control store of a cell, and the rules over it: workspaces, sources, write keys, destinations, tokens, audit trail.
//!
//! ```text
//! api, console ──► Store::change(by, |tx| tx.create_source(…) …) ──► one transaction: rows, audit entries, version + 1
//!             └──► Store::view(|v| v.sources(…) …)                                └──► Current::put(snapshot)
//!                                                                                        └─► ingest, process, consumers
//! ```
//!
//! Knows SQL, knows no HTTP. All functions are synchronous and wait for the database: call them on a blocking thread.
//!
//! - A store belongs to one region, and so does each workspace in it: guards in the database refuse any change of either,
//!   whoever asks. There is no function that takes a region.
//! - A change is whole: its rows, its audit entries and the new configuration version are one transaction, and the snapshot
//!   that it makes is read inside it. Who loads [`Current`](domicile_workspace::Current) sees all of a change or none.
//! - Rules are methods of [`Change`] and [`View`], so that several of them are one change. Each object has the version of
//!   its last change; who names the one that he read is refused when it is no longer that ([`ControlError::Stale`]).
//! - Every function that touches a workspace's things is given the workspace, and finds nothing of another one.
//! - Secrets are sealed under the region's key and never read back, except into the snapshot and by who sends with them. Of
//!   tokens only a hash is kept. The audit trail holds neither, and of a write key only its first letters.
//! - Numbers of workspaces and sources are never given twice, because keys and frames carry them.
//! - SQLite and PostgreSQL hold the same tables under the same guards; the same tests run on both.

mod db;
mod guards;
mod migration;

mod audit;
mod change;
mod error;
mod once;
mod page;
mod snapshot;
mod store;
mod view;

mod account;
mod workspace;

mod group;
mod identity_provider;
mod invite;
mod password;
mod permission;
mod person;
mod role;
mod scope;
mod session;
mod throttle;
mod token;
mod user;

mod source;
mod write_key;

mod destination;
mod offer;
mod settings;

mod link;
mod thing;
mod things;

mod configuration;

mod suppression;

mod transfer;

mod demo;
mod depth;

mod id;
mod text;

pub use account::{Account, Entitlement, NewAccount};
pub use audit::{Actor, AuditEntry, AuditFilter};
pub use change::Change;
pub use configuration::{
    Action, ApplyConfiguration, ConfigurationError, ConfigurationFault, ConfiguredKind, ExportedConfiguration,
    FaultKind, FieldChange, Plan, SecretChange, Step, Unlisted,
};
pub use db::DbError;
pub use db::postgres::PostgresUrl;
pub use demo::{DemoOwner, DemoSecrets, DemoSource, DemoWorkspace};
pub use destination::{DestinationChange, DestinationRecord, NewDestination};
pub use error::{ControlError, Resource, StoreError};
pub use group::Group;
pub use identity_provider::{IdentityProvider, NewIdentityProvider, Vouched};
pub use invite::{InviteRecord, MadeInvite};
pub use link::Link;
pub use once::{Answered, Once};
pub use page::{Listed, Page};
pub use password::Hash as PasswordHash;
pub use permission::Subject;
pub use role::{Area, Grant, Grants, Held, LabelValue, Level, Reach, Role};
pub use scope::Scope;
pub use session::{SESSION_MS, Session};
pub use settings::is_secret_setting;
pub use source::{NewSource, SourceChange, SourceName, SourceRecord};
pub use store::{Place, Store};
pub use suppression::SuppressedUser;
pub use thing::{Kept, Thing};
pub use things::*;
pub use throttle::{Throttle, TooSoon, network_of};
pub use token::{MadeToken, NewToken, TokenRecord};
pub use transfer::{NewTransfer, Signature, TransferFields, TransferRecord, TransferState, days_left};
pub use user::{NewUser, UserRecord};
pub use view::View;
pub use workspace::{NewWorkspace, WorkspaceRecord};
