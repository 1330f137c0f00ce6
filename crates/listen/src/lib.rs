//! Connections in: an accept loop of our own over hyper, for HTTP/1.1 and HTTP/2, plain or TLS.
//!
//! ```text
//! accept ─► PROXY header ─► TLS, ALPN ─► HTTP/1.1 or HTTP/2 ─► the service, with a `Peer` in the request's extensions
//!           (trusted peers)  (when set)   (plain: by the first bytes)
//! ```
//!
//! - Whoever sends slowly, or nothing, or reads nothing, is cut: header, body, idle and write each have their time
//!   ([`Settings`]), and a body has a least pace. No peer can hold more than one connection's buffers.
//! - At the connection limit further connections wait in the system's backlog; none is dropped half-way.
//! - An error of `accept` (no descriptors left) is waited out; it neither ends the loop nor makes it spin.
//! - Only peers in the configured list are believed when they name another address as the client, in a PROXY header here
//!   or in a request's own ([`client_address`]).
//! - After the shutdown signal no connection is taken, what is in flight is finished, and the rest is cut in bounded time.
//! - A Unix socket ([`LocalListener`]) hears processes of the same user alone.
//! - It knows HTTP, and nothing of events, keys or regions.

mod body;
mod client;
mod connection;
mod listener;
mod local;
mod proxy;
mod settings;
mod socket;
mod tls;
mod watch;

pub use body::{Body, BodyError};
pub use client::client_address;
pub use listener::{BindError, Listener};
pub use local::LocalListener;
pub use settings::{Peer, Settings};
pub use tls::{Tls, TlsError};
