//! Configuration as code: a whole workspace as one document, what applying it would change, and the change itself.
//!
//! ```text
//! document ──► read (shapes) ──► match with what is there ──► the store's own rules, one by one ──► Plan
//!                 faults by path ◄────────────────────────────────────┘            └── dry run: rolled back
//! ```
//!
//! - Things are named by slug or name, never by id: a document applies to any workspace of its region. Of several with one
//!   name the first in the document is the oldest in the workspace.
//! - A plan is what the change did: it is made by changing, in the transaction that is then kept or rolled back. So a plan
//!   that holds applies, and what it shows went through the same checks.
//! - What the document lists, it says whole: a field that is left out has its default. Secrets, write keys and
//!   connections to warehouses that are left out stay.
//! - What it does not list is drift, and is deleted only when that is asked for; a section that it lacks is not looked at.
//! - Faults are told all at once, each with the path of what is wrong. Secrets are in no plan, fault or audit entry.

mod apply;
mod export;
mod fault;
mod kept_key;
mod matched;
mod plan;
mod present;
mod read;
mod residency;
mod shape;
mod write;

pub use apply::ApplyConfiguration;
pub use export::ExportedConfiguration;
pub use fault::{ConfigurationError, ConfigurationFault, FaultKind};
pub use plan::{Action, FieldChange, Plan, SecretChange, Step, Unlisted};
pub use shape::Kind as ConfiguredKind;
