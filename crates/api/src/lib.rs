//! The Public API of a cell, under `/api`: Segment's paths, shapes, pages and errors, and what Segment lacks in the same
//! style. The only crate that knows these JSON shapes.
//!
//! ```text
//! request ──► ask     who asks (token), what (path, query, body): refused here when it can't be right
//!         ──► a handler: sources, destinations, workspaces, regions, balance, events
//!         ──► control (changes), Current (configuration), the logs (events)
//!         ──► answer  {"data": …} or {"errors": […]}, never both
//! ```
//!
//! - A token belongs to one workspace. Whatever it asks for in another one is not there: 404, never 403.
//! - Unknown fields, wrong types and anything too large or too deep are refused before anything is done.
//! - Whoever sees payload (a live view, an event's life) is on the audit trail before the first byte goes out.
//! - No secret is in an answer. No error text holds payload, a path of the machine, or SQL.
//! - Nothing here waits on a lock or a disk on an async thread.

mod cell;
mod router;

mod answer;
mod ask;
mod fields;
mod page;
mod shape;

mod balance;
mod balance_keeper;
mod destinations;
mod events;
mod life;
mod live;
mod regions;
mod sent;
mod sources;
mod workspaces;

pub use answer::ApiError;
pub use balance_keeper::{Balance, BalanceKeeper, KeeperError};
pub use cell::{Addresses, ArchiveView, Cell};
pub use events::stream;
pub use live::{LiveEvents, LiveSeats, Seen, SourceNames, recent};
pub use router::router;
