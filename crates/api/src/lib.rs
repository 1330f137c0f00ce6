//! The Public API of a cell, under `/api`: Segment's paths, shapes, pages and errors, and what Segment lacks in the same
//! style. The only crate that knows these JSON shapes.
//!
//! ```text
//! the table of operations (resources::GROUPS) ──► routes · /api/openapi.json · who may do what
//! request ──► contract: token, rate, body, shapes, roles: refused here when it can't be right
//!         ──► a handler in resources, inside one transaction of control; or on the logs
//!         ──► answer  {"data": …} or {"errors": […]}, never both
//! ```
//!
//! - A token belongs to one workspace. Whatever it asks for in another one is not there: 404, never 403.
//! - Unknown fields, wrong types and anything too large or too deep are refused before anything is done.
//! - Whoever sees payload (a live view, an event's life) is on the audit trail before the first byte goes out.
//! - No secret is in an answer. No error text holds payload, a path of the machine, or SQL.
//! - Nothing here waits on a lock or a disk on an async thread.

mod cell;
mod contract;
mod limit;
mod resources;
mod router;

mod answer;

mod balance_keeper;
mod forecast;
mod life;
mod live;
mod sent;

pub use answer::ApiError;
pub use balance_keeper::{Balance, BalanceKeeper, KeeperError};
pub use cell::{Addresses, ArchiveView, Cell};
pub use limit::Limits;
pub use live::{LiveEvents, LiveSeats, Seen, SourceNames, recent};
pub use resources::stream;
pub use router::{openapi, router};
