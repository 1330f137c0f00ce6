//! The promise: the tracking API of an ingest point. What is answered 200 here is on disk in the accepted log.
//!
//! ```text
//! request ─► route ─► key, region ─► body, gzip ─► scan ─► rate ─► append, fsync ─► 200
//!                     (before the    (in place,                    (the log's group
//!                      body is read)  bounded)                      commit)
//! a remote point's log is its spool ─► uplink ─► the region's accepted log
//! ```
//!
//! - A 200 to an event path means: durable. Nothing of a refused request is kept or logged.
//! - A write key of another region is refused as soon as it is known: from the header before the body is read, from
//!   the body while it is only in memory. The answer names the right host.
//! - Memory for bodies is a fixed budget, spent as they come in; a body stops at its limit, packed or not.
//! - The client's address is the connection's, unless peers that the operator trusts say otherwise.
//! - Nothing here waits for process or for anything downstream, names the control store, or opens a connection.
//! - A body is read once into the buffer that the log seals and writes; no event is parsed into a tree.

mod ingest;
mod intake;

mod accept;
mod body;
mod budget;
mod document;
mod key;
mod pixel;
mod public_url;
mod rate;
mod refusal;
mod response;
mod route;
mod scripts;
mod tally;

mod uplink;

pub use document::{Document, settings_document};
pub use ingest::Ingest;
pub use intake::{Intake, Settings};
pub use public_url::{PublicUrl, PublicUrls, UrlError};
pub use uplink::{Uplink, UplinkError};
