//! An ingest point behind a real listener: what clients send, what they are answered, and what is in the log.

mod bodies;
mod browser;
mod cell;
mod forms;
mod keys;
mod limits;
mod pixels;
mod uplink;
