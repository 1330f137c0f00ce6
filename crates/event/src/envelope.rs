//! Where things are in a request's body.

use std::ops::Range;

/// Byte ranges into a request's body: what stands around the events, and each event. Ingest finds them once; the
/// accepted log carries them, so that process need not look for them again.
///
/// For a single event, `items` is the one range of the whole object, and the rest is `None`: what it holds, its own
/// fields say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The raw value of the batch's `sentAt`, quotes included.
    pub sent_at: Option<Range<u32>>,
    /// The raw object of the batch's `context`, shared by all items.
    pub context: Option<Range<u32>>,
    /// The raw object of the batch's `integrations`, shared by all items.
    pub integrations: Option<Range<u32>>,
    /// Each event's raw JSON value, in the order received. Not yet checked to be objects.
    pub items: Vec<Range<u32>>,
}
