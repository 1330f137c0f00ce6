//! The event log: what was decided.

use crate::accepted::seal_payload;
use crate::code::{Cursor, put_address, put_point, put_u32, put_u64};
use crate::error::{OpenError, ReadError, WriteError};
use crate::frame::{FLAG_MARK, HEADER_BYTES, Header};
use crate::look::check_ends;
use crate::reader::{FrameReader, RawFrame};
use crate::store::{LogSettings, Store};
use crate::writer::{Ready, SegmentWriter, Trouble};
use crate::{AcceptedLog, Position, Span};
use domicile_keys::{FrameKey, KeyId, Keyring};
use domicile_ledger::{Outcome, Reason};
use domicile_region::PointName;
use domicile_workspace::{ConfigVersion, SourceNumber, WorkspaceNumber};
use domicile_world::{Millis, World};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

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
    /// Kept events, as ranges of `bytes`; room for the frame's header stands in front.
    kept: Vec<(Position, Range<usize>)>,
    bytes: Vec<u8>,
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

/// Makes a [`Decided`], one decision for each position of the span in order. A finished event is written where it stays:
/// into [`Self::out`], then kept or dropped.
pub struct DecidedBuilder {
    decided: Decided,
    /// Where the event being written begins in `bytes`.
    from: usize,
}

impl DecidedBuilder {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        span: Span,
        source: SourceNumber,
        received_at: Millis,
        log_time: Millis,
        config: ConfigVersion,
        point: PointName,
        client: Option<IpAddr>,
    ) -> Self {
        let events = usize::try_from(span.events()).unwrap_or(0);
        let decided = Decided {
            span,
            source,
            received_at,
            log_time,
            config,
            point,
            client,
            decisions: Vec::with_capacity(events),
            kept: Vec::with_capacity(events),
            bytes: vec![0; HEADER_BYTES],
        };
        Self { decided, from: HEADER_BYTES }
    }

    /// Where the finished JSON of the present position is appended.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.decided.bytes
    }

    /// The present position's event is kept: what was written to [`Self::out`] is it.
    pub fn keep(&mut self, key: EventKey) {
        let position = self.present();
        let range = self.from..self.decided.bytes.len();
        self.from = range.end;
        self.decided.kept.push((position, range));
        self.decided.decisions.push(Decision {
            outcome: Outcome::Kept,
            reason: Reason::None,
            key: Some(key),
            first: None,
        });
    }

    /// The present position's event is not kept; what was written to [`Self::out`] since the last one is taken back.
    pub fn drop(&mut self, outcome: Outcome, reason: Reason, key: Option<EventKey>, first: Option<Position>) {
        self.decided.bytes.truncate(self.from);
        self.decided.decisions.push(Decision { outcome, reason, key, first });
    }

    /// The position whose decision comes next.
    pub fn present(&self) -> Position {
        self.decided.span.first.plus(self.decided.decisions.len() as u64)
    }

    /// # Panics
    /// When a position of the span has no decision: that is a bug of the caller, and a frame without it would be damage.
    pub fn finish(self) -> Decided {
        assert_eq!(self.decided.decisions.len() as u64, self.decided.span.events(), "one decision for each position");
        self.decided
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

/// The decision about one frame of the accepted log, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidedCount {
    pub span: Span,
    pub source: SourceNumber,
    pub received_at: Millis,
    /// Events by [`Outcome`].
    pub outcomes: [u64; Outcome::ALL.len()],
}

impl DecidedCount {
    pub fn kept(&self) -> u64 {
        self.outcomes[Outcome::Kept as usize]
    }
}

#[derive(Debug)]
pub enum EventFrame {
    Decided(Decided),
    Mark(Mark),
}

/// The event log, for readers. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    store: Arc<Store>,
}

impl EventLog {
    /// Recovers the log in `folder` and begins a new segment.
    pub fn open(
        world: &World,
        folder: &Path,
        keyring: &Keyring,
        settings: LogSettings,
    ) -> Result<(Self, EventWriter), OpenError> {
        let writer = SegmentWriter::open(world, folder, keyring, settings, |_, _, _| Ok(None))?;
        let store = Arc::clone(writer.store());
        Ok((Self { store }, EventWriter { writer, added: Vec::new(), keys: BTreeMap::new(), seals: 0 }))
    }

    /// Checks that the accepted log still has what this log has decided on: if it ends earlier, promised events are gone.
    pub fn check_against(&self, accepted: &AcceptedLog) -> Result<(), OpenError> {
        let span = |first, end| Span { first, end };
        let (events, accepted) = (span(self.start(), self.end()), span(accepted.start(), accepted.end()));
        check_ends(&self.store.folder, events, accepted)
    }

    /// The end of what is on disk.
    pub fn end(&self) -> Position {
        self.store.end()
    }

    /// The first position that is still kept.
    pub fn start(&self) -> Position {
        self.store.start()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.store.bytes()
    }

    /// Returns when the log is closed: no frame comes after those on disk. A consumer that lags behind stops by this.
    pub async fn closed(&self) {
        self.store.tail.wait_for(|tail| tail.closed).await;
    }

    /// A reader of the frames from `from` on (the first frame read may begin before `from` when `from` lies inside it).
    /// Nothing behind its position is deleted while it lives: keep it for as long as the consumer does.
    ///
    /// `name` is the consumer's, for the messages about what holds the log.
    pub fn reader(&self, name: &str, from: Position) -> Result<EventReader, ReadError> {
        tracing::debug!(consumer = name, %from, "reads the event log");
        Ok(EventReader { frames: FrameReader::open(&self.store, from)?, store: Arc::clone(&self.store) })
    }
}

/// Reads the event log in order, each consumer with its own.
pub struct EventReader {
    frames: FrameReader,
    store: Arc<Store>,
}

impl EventReader {
    /// The next frame that is on disk now; `None` at the end.
    // No iterator: it fails, and its end is not for good.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<EventFrame>, ReadError> {
        let Some(RawFrame { header, payload, segment, offset }) = self.frames.next()? else { return Ok(None) };
        if header.flags & FLAG_MARK != 0 {
            return Ok(Some(EventFrame::Mark(Mark { position: header.first, log_time: header.log_time })));
        }
        let damage = |what: &str| ReadError::damage(&segment.path, offset, what);
        let key = self.store.frame_key(header.key, segment.header.salt).map_err(|_| damage("its key can't be used"))?;
        let decided = match key {
            Some(key) => open_frame(&key, &header, payload),
            None => Some(erased(&header)),
        };
        decided.map(|d| Some(EventFrame::Decided(d))).ok_or_else(|| damage("the frame's seal does not hold"))
    }

    /// Counts and times of the next decision alone, marks passed over: the payload is neither opened nor checked.
    pub fn next_count(&mut self) -> Result<Option<DecidedCount>, ReadError> {
        while let Some(header) = self.frames.next_header()? {
            if header.flags & FLAG_MARK == 0 {
                return Ok(Some(DecidedCount {
                    span: header.span(),
                    source: header.source,
                    received_at: header.received_at,
                    outcomes: header.outcomes.map(u64::from),
                }));
            }
        }
        Ok(None)
    }

    /// Returns when there is more to read, or the log is closed and read to its end (`false`). Cancel-safe.
    pub async fn more(&mut self) -> bool {
        self.frames.more().await
    }

    /// Where the next frame begins.
    pub fn position(&self) -> Position {
        self.frames.position()
    }

    /// Events that are on disk and not read yet.
    pub fn unread(&self) -> u64 {
        self.store.end().0.saturating_sub(self.frames.position().0)
    }

    /// The consumer has done with everything before `position`: the log may delete it. Until the first call, that is
    /// where the reader began.
    pub fn release(&self, position: Position) {
        self.frames.release(position);
    }
}

/// The one writer of the event log: process.
pub struct EventWriter {
    writer: SegmentWriter,
    added: Vec<Ready>,
    keys: BTreeMap<WorkspaceNumber, (KeyId, Arc<FrameKey>)>,
    seals: u64,
}

/// Why decisions were not written. What was added stays added: [`EventWriter::commit`] may be tried again after `Full`.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("the disk is full")]
    Full,
    #[error("workspace {0} has no data key")]
    NoKey(u32),
    #[error(transparent)]
    Failed(#[from] WriteError),
}

impl EventWriter {
    /// The position that is decided next: the log's own commit record.
    pub fn next(&self) -> Position {
        self.added.last().map_or(self.writer.next(), |ready| ready.header.span().end)
    }

    /// Bytes added and not committed.
    pub fn added_bytes(&self) -> usize {
        self.added.iter().map(|ready| ready.bytes.len()).sum()
    }

    /// Adds the decision about the next span; it is neither on disk nor seen by readers before [`Self::commit`].
    ///
    /// payload = events, each with its length u32 | notes | length of the notes u32, sealed, and the tag.
    ///
    /// # Panics
    /// When the span does not begin at [`Self::next`].
    pub fn add(&mut self, decided: Decided, workspace: WorkspaceNumber) -> Result<(), CommitError> {
        assert_eq!(decided.span.first, self.next(), "spans follow each other");
        let (key_id, key) = self.key(workspace)?;
        let Decided { span, source, received_at, log_time, config, point, client, decisions, kept, mut bytes } =
            decided;
        let mut outcomes = [0; Outcome::ALL.len()];
        for decision in &decisions {
            outcomes[decision.outcome as usize] += 1;
        }
        let notes_at = bytes.len();
        put_u64(&mut bytes, config.0);
        put_point(&mut bytes, &point);
        put_address(&mut bytes, client);
        for decision in &decisions {
            bytes.push(decision.outcome as u8 | if decision.key.is_some() { KEY_BIT } else { 0 });
            bytes.push(decision.reason as u8);
            if let Some(key) = decision.key {
                bytes.extend_from_slice(&key.0);
            }
            if decision.outcome == Outcome::Duplicate {
                put_u64(&mut bytes, decision.first.map_or(u64::MAX, |first| first.0));
            }
        }
        for (_, range) in &kept {
            put_u32(&mut bytes, u32::try_from(range.len()).unwrap_or(u32::MAX));
        }
        let notes = u32::try_from(bytes.len() - notes_at).unwrap_or(u32::MAX);
        put_u32(&mut bytes, notes);
        let mut header = Header {
            length: 0,
            payload_crc: 0,
            first: span.first,
            events: u32::try_from(span.events()).unwrap_or(u32::MAX),
            flags: 0,
            source,
            key: key_id,
            point: 0,
            count: self.seals,
            received_at,
            log_time,
            durable: Position(0),
            outcomes,
        };
        self.seals += 1;
        seal_payload(&key, &mut header, &mut bytes).ok_or(CommitError::NoKey(workspace.0))?;
        self.added.push(Ready { header, bytes });
        Ok(())
    }

    /// Adds a mark behind what was added.
    pub fn mark(&mut self, log_time: Millis) {
        let header = Header {
            length: 0,
            payload_crc: crc32c::crc32c(&[]),
            first: self.next(),
            events: 0,
            flags: FLAG_MARK,
            source: SourceNumber(0),
            key: KeyId { workspace: 0, generation: 0 },
            point: 0,
            count: 0,
            received_at: log_time,
            log_time,
            durable: Position(0),
            outcomes: [0; Outcome::ALL.len()],
        };
        self.added.push(Ready { header, bytes: vec![0; HEADER_BYTES] });
    }

    /// The newest log time on disk.
    pub fn log_time(&self) -> Millis {
        self.writer.log_time()
    }

    /// Puts all added frames on disk and shows them to the readers.
    ///
    /// # Errors
    /// After `Full` everything added is still there: try again later. `Failed` is final.
    pub fn commit(&mut self) -> Result<(), CommitError> {
        if self.added.is_empty() {
            return Ok(());
        }
        match self.writer.write(&mut self.added, BTreeMap::new()) {
            Ok(()) => {
                self.added.clear();
                Ok(())
            }
            Err(Trouble::Full) => Err(CommitError::Full),
            Err(Trouble::Failed(error)) => {
                self.writer.show_failed();
                Err(CommitError::Failed(error))
            }
        }
    }

    /// Closes the log in order: the readers read to the end and are told that nothing more comes.
    pub fn close(self) -> Result<(), WriteError> {
        self.writer.close()
    }

    fn key(&mut self, workspace: WorkspaceNumber) -> Result<(KeyId, Arc<FrameKey>), CommitError> {
        if let Some((id, key)) = self.keys.get(&workspace) {
            return Ok((*id, Arc::clone(key)));
        }
        let store = self.writer.store();
        let made = store.keyring.newest(workspace.0).and_then(|id| Ok((id, store.frame_key(id, self.writer.salt())?)));
        let (id, Some(key)) = made.map_err(|error| {
            tracing::error!(workspace = workspace.0, %error, "no data key");
            CommitError::NoKey(workspace.0)
        })?
        else {
            return Err(CommitError::NoKey(workspace.0));
        };
        self.keys.insert(workspace, (id, Arc::clone(&key)));
        Ok((id, key))
    }
}

const KEY_BIT: u8 = 0x80;

fn open_frame(key: &FrameKey, header: &Header, mut payload: Vec<u8>) -> Option<Decided> {
    let opened = key.open(header.count, &header.bound(), &mut payload).ok()?;
    payload.truncate(opened);
    let notes_end = payload.len().checked_sub(4)?;
    let notes = usize::try_from(Cursor(&payload[notes_end..]).u32()?).ok()?;
    let events_end = notes_end.checked_sub(notes)?;
    let mut cursor = Cursor(&payload[events_end..notes_end]);
    let config = ConfigVersion(cursor.u64()?);
    let (point, client) = (cursor.point()?, cursor.address()?);
    let span = header.span();
    let decisions = (0..header.events).map(|_| read_decision(&mut cursor)).collect::<Option<Vec<_>>>()?;
    let (mut kept, mut at) = (Vec::new(), 0);
    for (n, _) in decisions.iter().enumerate().filter(|(_, decision)| decision.outcome == Outcome::Kept) {
        let end = usize::try_from(cursor.u32()?).ok()?.checked_add(at).filter(|end| *end <= events_end)?;
        kept.push((span.first.plus(n as u64), at..end));
        at = end;
    }
    if at != events_end || !cursor.0.is_empty() {
        return None;
    }
    payload.truncate(events_end);
    Some(Decided {
        span,
        source: header.source,
        received_at: header.received_at,
        log_time: header.log_time,
        config,
        point,
        client,
        decisions,
        kept,
        bytes: payload,
    })
}

fn read_decision(cursor: &mut Cursor<'_>) -> Option<Decision> {
    let (outcome, reason) = (cursor.u8()?, cursor.u8()?);
    let key = if outcome & KEY_BIT == 0 { None } else { Some(EventKey(cursor.array()?)) };
    let outcome = Outcome::from_byte(outcome & !KEY_BIT)?;
    let first = if outcome == Outcome::Duplicate { Some(Position(cursor.u64()?)) } else { None };
    Some(Decision { outcome, reason: Reason::from_byte(reason)?, key, first })
}

/// What is left to say of a frame whose key is destroyed.
fn erased(header: &Header) -> Decided {
    let decision = Decision { outcome: Outcome::Invalid, reason: Reason::KeyDestroyed, key: None, first: None };
    Decided {
        span: header.span(),
        source: header.source,
        received_at: header.received_at,
        log_time: header.log_time,
        config: ConfigVersion(0),
        point: PointName::new(""),
        client: None,
        decisions: vec![decision; usize::try_from(header.events).unwrap_or(0)],
        kept: Vec::new(),
        bytes: Vec::new(),
    }
}
