//! What is sent: the six calls, their limits, times, and raw JSON that is kept byte for byte.
//!
//! ```text
//! body ── scan ──► Envelope + write key          (ingest: is it JSON, where is each event, whose is it)
//! item ── read ──► Facts or Wrong                (process: which call, whose event, what breaks a rule)
//! Facts ── write ──► the finished event          (process: times, ids and shared context added)
//! finished event ── field ──► raw value          (consumers)
//!                ── fql ────► true or false      (a condition on the event)
//!                ── filter ─► what is left of it (per destination)
//!                ── reduce ─► what a transfer lets out of it
//! ```
//!
//! - No I/O and no clock: every function here is a pure function of bytes and of the times it is handed.
//! - The customer's key order, number spelling and unknown fields survive: an event is cut and copied, never rebuilt.
//! - Nothing recurses over an event, and nothing takes quadratic time: hostile input costs what its length costs.
//! - No error and no `Debug` text holds payload: places in the body are byte offsets.

mod call;
mod limits;

mod cursor;
mod text;
mod time;

mod envelope;
mod scan;

mod context;
mod enrich;
mod field;
mod item;
mod merge;
mod path;
mod repair;
mod shape;

pub mod filter;
pub mod fql;
pub mod reduce;

pub use call::Call;
pub use context::Context;
pub use enrich::Additions;
pub use envelope::Envelope;
pub use field::field;
pub use limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, DEPTH_MAX, EVENT_BYTES_MAX};
pub use scan::{Batch, ScanError, Single, scan_batch, scan_single};
pub use shape::{Facts, Wrong, read};
pub use text::{json_string, text};
pub use time::{Stamp, parse_time};
