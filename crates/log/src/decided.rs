//! The event log: what was decided.

use crate::{AppendError, Position, ReadError, Span};
use domicile_ledger::{Outcome, Reason};
use domicile_region::PointName;
use domicile_workspace::{ConfigVersion, SourceNumber};
use domicile_world::Millis;
use std::net::IpAddr;
use std::ops::Range;

/// 80 bits of a hash over (source, messageId): what dedup knows an event by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub [u8; 10]);

/// What became of one accepted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    pub reason: Reason,
    /// `None` when the event could not be read so far as to its messageId.
    pub key: Option<EventKey>,
    /// For a duplicate: the event that was kept instead.
    pub first: Option<Position>,
}

/// The decision about one frame of the accepted log.
#[derive(Debug)]
pub struct Decided {
    pub span: Span,
    pub source: SourceNumber,
    pub received_at: Millis,
    pub log_time: Millis,
    pub config: ConfigVersion,
    pub point: PointName,
    pub client: Option<IpAddr>,
    /// One for each position of the span, in order.
    pub decisions: Vec<Decision>,
    pub(crate) kept: Vec<(Position, Range<usize>)>,
    pub(crate) bytes: Vec<u8>,
}

impl Decided {
    /// The kept events in order: position and the finished JSON object (one line, no line break).
    pub fn kept(&self) -> impl ExactSizeIterator<Item = (Position, &[u8])> {
        self.kept.iter().map(|(position, range)| (*position, &self.bytes[range.clone()]))
    }

    /// Every position with its decision.
    pub fn decisions(&self) -> impl ExactSizeIterator<Item = (Position, &Decision)> {
        self.decisions.iter().enumerate().map(|(n, decision)| (self.span.first.plus(n as u64), decision))
    }
}

/// Closes the archive's open files: written after a minute with events, and at shutdown. A replay finds the same marks
/// and so makes the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// All events before it are before the mark.
    pub position: Position,
    pub log_time: Millis,
}

#[derive(Debug)]
pub enum EventFrame {
    Decided(Decided),
    Mark(Mark),
}

/// The event log, for readers. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {}

impl EventLog {
    /// The end of what is on disk.
    pub fn end(&self) -> Position {
        unimplemented!()
    }

    /// The first position that is still kept.
    pub fn start(&self) -> Position {
        unimplemented!()
    }

    /// A reader of the frames from `from` on (the first frame read may begin before `from` when `from` lies inside it).
    /// Nothing behind its position is deleted while it lives: keep it for as long as the consumer does.
    ///
    /// `name` is the consumer's, for metrics and for the messages about what holds the log.
    pub fn reader(&self, _name: &str, _from: Position) -> Result<EventReader, ReadError> {
        unimplemented!()
    }
}

/// Reads the event log in order, each consumer with its own.
pub struct EventReader {}

impl EventReader {
    /// The next frame that is on disk now; `None` at the end.
    pub fn next(&mut self) -> Result<Option<EventFrame>, ReadError> {
        unimplemented!()
    }

    /// Returns when there is more to read, or the log is closed and read to its end (`false`). Cancel-safe.
    pub async fn more(&mut self) -> bool {
        unimplemented!()
    }

    /// Where the next frame begins.
    pub fn position(&self) -> Position {
        unimplemented!()
    }

    /// The consumer has done with everything before `position`: the log may delete it. Until the first call, that is
    /// where the reader began.
    pub fn release(&self, _position: Position) {
        unimplemented!()
    }
}

/// The one writer of the event log: process.
pub struct EventWriter {}

impl EventWriter {
    /// Adds a decision after the last one; it is neither on disk nor seen by readers before [`Self::commit`].
    pub fn add(&mut self, _decided: &Decided) -> Result<(), AppendError> {
        unimplemented!()
    }

    /// Puts all added frames on disk and shows them to the readers.
    pub fn commit(&mut self) -> Result<(), AppendError> {
        unimplemented!()
    }
}
