//! What is sent: the six calls, their limits, times, and raw JSON that is kept byte for byte.
//!
//! No I/O and no clock: every function here is a pure function of bytes and of the times it is handed.

mod call;
mod envelope;
mod limits;

pub use call::Call;
pub use envelope::Envelope;
pub use limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, DEPTH_MAX, EVENT_BYTES_MAX};
