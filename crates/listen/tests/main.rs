//! Real connections against a listener on port 0: what is served, and who is cut.

mod drain;
mod http2;
mod local;
mod proxy;
mod server;
mod slow;
mod tls;
mod whole;
