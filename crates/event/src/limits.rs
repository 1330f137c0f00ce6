//! Limits of the tracking API, the same in every region. Source: the vendor's HTTP API, as real clients fill it.

/// One event as received, on a single path or as an item of a batch: 32 KiB.
pub const EVENT_BYTES_MAX: usize = 32 * 1024;
/// The decompressed body of a batch: 500 × 1,024, because Java and Ruby fill up to it and Python was seen to send 504,536.
pub const BATCH_BYTES_MAX: usize = 500 * 1024;
/// Events in a batch; those beyond are invalid.
pub const BATCH_EVENTS_MAX: usize = 2_500;
/// Nested lists and objects of a body; deeper is refused as `invalid_json`.
pub const DEPTH_MAX: usize = 512;
