//! The accepted log: what was promised.

use crate::{AppendError, FrameBuf, Position, ReadError, Span};
use domicile_event::{Call, Envelope};
use domicile_region::{InRegion, PointName};
use domicile_workspace::{Source, SourceNumber};
use domicile_world::Millis;
use std::net::IpAddr;
use std::sync::Arc;

/// What is noted about a request beside its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub source: SourceNumber,
    /// The wall clock's time when the request had been read, at the ingest point.
    pub received_at: Millis,
    /// The ingest point that took it.
    pub point: PointName,
    /// The client's address: the connection's, or what a trusted proxy says.
    pub client: Option<IpAddr>,
    /// The call that a single path names; `None` for a batch, whose items name theirs.
    pub call: Option<Call>,
    /// Where it lay in a remote point's spool, if it came from one.
    pub origin: Option<Origin>,
}

/// A place in a remote ingest point's spool. The region takes each place once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub point: PointName,
    pub span: Span,
}

/// One request, read back.
#[derive(Debug)]
pub struct Accepted {
    pub span: Span,
    pub receipt: Receipt,
    /// The log's own time: never goes back, and passes no faster than time does while the program runs. The dedup window
    /// and retention count in it.
    pub log_time: Millis,
    pub envelope: Envelope,
    pub(crate) body: Vec<u8>,
}

impl Accepted {
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// The accepted log of a region, or the spool of a remote ingest point. Cheap to clone.
#[derive(Clone)]
pub struct AcceptedLog {}

impl AcceptedLog {
    /// Appends one request and returns when it is on disk: after `Ok`, a 200 may be sent.
    ///
    /// `envelope.items` has at least one item; all ranges lie in the buffer's body. A dropped future takes nothing back:
    /// the client's second try is a duplicate.
    ///
    /// # Errors
    /// After any error nothing of the request is kept.
    pub async fn append(
        &self,
        _source: InRegion<Arc<Source>>,
        _receipt: Receipt,
        _envelope: &Envelope,
        _body: FrameBuf,
    ) -> Result<Span, AppendError> {
        unimplemented!()
    }

    /// The end of what is on disk.
    pub fn end(&self) -> Position {
        unimplemented!()
    }

    /// A reader from `from` on.
    pub fn reader(&self, _from: Position) -> Result<AcceptedReader, ReadError> {
        unimplemented!()
    }
}

/// Reads the accepted log in order.
pub struct AcceptedReader {}

impl AcceptedReader {
    /// The next request that is on disk now; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Accepted>, ReadError> {
        unimplemented!()
    }

    /// Returns when there is more to read, or the log is closed and read to its end (`false`).
    pub async fn more(&mut self) -> bool {
        unimplemented!()
    }
}
