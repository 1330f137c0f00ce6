//! The accepted log: what was promised.

use crate::code::{Cursor, put_address, put_optional_range, put_point, put_range, put_u32, put_u64};
use crate::committer::{Append, Committer, Queue, start};
use crate::error::{AppendError, OpenError, ReadError};
use crate::frame::{FLAG_ORIGIN, FrameBuf, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, point_mark};
use crate::reader::{FrameReader, RawFrame};
use crate::store::{LogSettings, Store};
use crate::writer::{Ready, SegmentWriter};
use crate::{Position, Span};
use domicile_event::{Call, Envelope};
use domicile_keys::{FrameKey, KeyId, Keyring, Salt};
use domicile_ledger::Outcome;
use domicile_region::{InRegion, PointName, RegionId};
use domicile_workspace::{Source, SourceNumber, WorkspaceNumber};
use domicile_world::{Millis, World};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::oneshot;

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

/// A request that is queued. Dropping it takes nothing back.
pub struct Pending(oneshot::Receiver<Result<Span, AppendError>>);

impl Pending {
    /// Returns when the request is on disk, or refused.
    pub async fn answer(self) -> Result<Span, AppendError> {
        self.0.await.unwrap_or(Err(AppendError::Failed))
    }
}

/// One request, read back.
#[derive(Debug)]
pub struct Accepted {
    pub span: Span,
    pub receipt: Receipt,
    /// Whose data key sealed it.
    pub workspace: WorkspaceNumber,
    /// The log's own time: never goes back, and passes no faster than time does while the program runs. The dedup window
    /// and retention count in it.
    pub log_time: Millis,
    /// The data key is destroyed: `envelope` and the body are empty, and of the receipt only `source` and `received_at`
    /// are known.
    pub erased: bool,
    pub envelope: Envelope,
    body: Vec<u8>,
}

impl Accepted {
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body in a buffer that another log can take (a spool's request on its way to the region).
    pub fn into_buf(self) -> FrameBuf {
        let mut buf = FrameBuf::with_capacity(self.body.len());
        buf.extend_from_slice(&self.body);
        buf
    }
}

/// The accepted log of a region, or the spool of a remote ingest point. Cheap to clone.
#[derive(Clone)]
pub struct AcceptedLog {
    inner: Arc<Inner>,
}

struct Inner {
    region: RegionId,
    store: Arc<Store>,
    queue: Arc<Queue>,
    salt: Salt,
    /// Counts the seals of this opening.
    seals: AtomicU64,
    keys: RwLock<HashMap<WorkspaceNumber, (KeyId, Arc<FrameKey>)>>,
}

impl AcceptedLog {
    /// Recovers the log in `folder` and begins a new segment. Nothing is written before the [`Committer`] runs.
    pub fn open(
        world: &World,
        region: &RegionId,
        folder: &Path,
        keyring: &Keyring,
        settings: LogSettings,
    ) -> Result<(Self, Committer), OpenError> {
        let writer = SegmentWriter::open(world, folder, keyring, settings, |segment, header, payload| {
            if header.flags & FLAG_ORIGIN == 0 {
                return Ok(None);
            }
            let Some(key) = keyring.frame_key(header.key, &segment.header.salt)? else { return Ok(None) };
            let accepted = open_frame(&key, header, payload.to_vec())
                .ok_or_else(|| OpenError::damage(&segment.path, 0, "a forwarded frame's seal does not hold"))?;
            Ok(accepted.receipt.origin.map(|origin| (origin.point, origin.span)))
        })?;
        let salt = writer.salt();
        let (store, queue, committer) = start(writer);
        let inner =
            Inner { region: region.clone(), store, queue, salt, seals: AtomicU64::new(0), keys: RwLock::default() };
        Ok((Self { inner: Arc::new(inner) }, committer))
    }

    /// Appends one request and returns when it is on disk: after `Ok`, a 200 may be sent.
    ///
    /// `envelope.items` has at least one item; all ranges lie in the buffer's body. A dropped future takes nothing back:
    /// the client's second try is a duplicate. A request whose `origin` was taken before is not stored again: `Ok` with an
    /// empty span.
    ///
    /// # Errors
    /// After any error nothing of the request is kept.
    pub async fn append(
        &self,
        source: InRegion<Arc<Source>>,
        receipt: Receipt,
        envelope: &Envelope,
        body: FrameBuf,
    ) -> Result<Span, AppendError> {
        self.enqueue(source, receipt, envelope, body)?.answer().await
    }

    /// Queues one request, as [`Self::append`] does, and leaves the wait to the caller: requests queued one after the
    /// other by one caller are taken in that order, those of one spool without a gap.
    pub fn enqueue(
        &self,
        source: InRegion<Arc<Source>>,
        receipt: Receipt,
        envelope: &Envelope,
        body: FrameBuf,
    ) -> Result<Pending, AppendError> {
        let source = source.here(&self.inner.region).ok_or(AppendError::WrongRegion)?;
        let (key_id, key) = self.key(source.workspace_number)?;
        let origin = receipt.origin.clone();
        let ready = self.seal(key_id, &key, &receipt, envelope, body)?;
        let (done, answer) = oneshot::channel();
        self.inner.queue.push(Append { ready, origin, done })?;
        Ok(Pending(answer))
    }

    /// The end of what is on disk.
    pub fn end(&self) -> Position {
        self.inner.store.end()
    }

    /// The first position that is still kept.
    pub fn start(&self) -> Position {
        self.inner.store.start()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.inner.store.bytes()
    }

    pub fn region(&self) -> &RegionId {
        &self.inner.region
    }

    /// The end of what was taken from a remote point's spool.
    pub fn origin_end(&self, point: &PointName) -> Position {
        self.inner.queue.origin_end(point)
    }

    /// Where the request is that lay at `place` of a remote point's spool; `None` when it was not taken yet, or is not kept
    /// any more. Reads up to one segment.
    pub fn position_of(&self, point: &PointName, place: Position) -> Result<Option<Position>, ReadError> {
        if place >= self.origin_end(point) {
            return Ok(None);
        }
        let Some(from) = self.inner.store.segment_of_origin(point, place) else { return Ok(None) };
        let mut reader = self.reader(from)?;
        while let Some(accepted) = reader.next()? {
            match accepted.receipt.origin {
                Some(origin) if origin.point == *point && origin.span.contains(place) => {
                    return Ok(Some(accepted.span.first));
                }
                Some(origin) if origin.point == *point && origin.span.first > place => break,
                _ => {}
            }
        }
        Ok(None)
    }

    /// A reader that begins with the request that `from` lies in. Nothing behind it is deleted while it lives.
    pub fn reader(&self, from: Position) -> Result<AcceptedReader, ReadError> {
        Ok(AcceptedReader { frames: FrameReader::open(&self.inner.store, from)?, store: Arc::clone(&self.inner.store) })
    }

    /// Takes nothing more; the committer answers what waits and ends.
    pub fn close(&self) {
        self.inner.queue.close();
    }

    fn key(&self, workspace: WorkspaceNumber) -> Result<(KeyId, Arc<FrameKey>), AppendError> {
        if let Some((id, key)) = self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).get(&workspace) {
            return Ok((*id, Arc::clone(key)));
        }
        let keyring = &self.inner.store.keyring;
        let made =
            keyring.newest(workspace.0).and_then(|id| Ok((id, self.inner.store.frame_key(id, self.inner.salt)?)));
        let (id, key) = made.map_err(|error| {
            tracing::error!(workspace = workspace.0, %error, "no data key");
            AppendError::NoKey
        })?;
        let key = key.ok_or(AppendError::NoKey)?;
        let mut keys = self.inner.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(workspace, (id, Arc::clone(&key)));
        Ok((id, key))
    }

    /// payload = body | notes | length of the notes u32, sealed, and the tag.
    fn seal(
        &self,
        key_id: KeyId,
        key: &FrameKey,
        receipt: &Receipt,
        envelope: &Envelope,
        body: FrameBuf,
    ) -> Result<Ready, AppendError> {
        let mut bytes = body.bytes;
        let notes_at = bytes.len();
        put_point(&mut bytes, &receipt.point);
        put_address(&mut bytes, receipt.client);
        bytes.push(receipt.call.map_or(0, |call| call as u8));
        if let Some(origin) = &receipt.origin {
            put_point(&mut bytes, &origin.point);
            put_u64(&mut bytes, origin.span.first.0);
            put_u64(&mut bytes, origin.span.end.0);
        }
        for range in [&envelope.sent_at, &envelope.context, &envelope.integrations] {
            put_optional_range(&mut bytes, range.as_ref());
        }
        for item in &envelope.items {
            put_range(&mut bytes, item);
        }
        let notes = u32::try_from(bytes.len() - notes_at).map_err(|_| AppendError::Full)?;
        put_u32(&mut bytes, notes);
        let mut header = Header {
            length: 0,
            payload_crc: 0,
            first: Position(0),
            events: u32::try_from(envelope.items.len()).map_err(|_| AppendError::Full)?,
            flags: if receipt.origin.is_some() { FLAG_ORIGIN } else { 0 },
            source: receipt.source,
            key: key_id,
            point: point_mark(&receipt.point),
            count: self.inner.seals.fetch_add(1, Ordering::Relaxed),
            received_at: receipt.received_at,
            log_time: Millis(0),
            durable: Position(0),
            outcomes: [0; Outcome::ALL.len()],
        };
        debug_assert!(header.events > 0, "a request without events is not appended");
        seal_payload(key, &mut header, &mut bytes).ok_or(AppendError::NoKey)?;
        Ok(Ready { header, bytes })
    }
}

/// Seals what stands behind the header's room, and fills in its length and checksum.
pub(crate) fn seal_payload(key: &FrameKey, header: &mut Header, bytes: &mut Vec<u8>) -> Option<()> {
    let tag = key.seal(header.count, &header.bound(), &mut bytes[HEADER_BYTES..]).ok()?;
    bytes.extend_from_slice(&tag);
    header.length = u32::try_from(bytes.len() - HEADER_BYTES).ok().filter(|n| *n <= PAYLOAD_BYTES_MAX)?;
    header.payload_crc = crc32c::crc32c(&bytes[HEADER_BYTES..]);
    Some(())
}

/// Reads the accepted log in order.
pub struct AcceptedReader {
    frames: FrameReader,
    store: Arc<Store>,
}

impl AcceptedReader {
    /// The next request that is on disk now; `None` at the end.
    // No iterator: it fails, and its end is not for good.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Accepted>, ReadError> {
        let Some(RawFrame { header, payload, segment, offset }) = self.frames.next()? else { return Ok(None) };
        let damage = |what: &str| ReadError::damage(&segment.path, offset, what);
        let key = self.store.frame_key(header.key, segment.header.salt).map_err(|_| damage("its key can't be used"))?;
        let Some(key) = key else { return Ok(Some(erased(&header))) };
        open_frame(&key, &header, payload).map(Some).ok_or_else(|| damage("the frame's seal does not hold"))
    }

    /// Counts and times of the next request alone: its payload is neither opened nor checked.
    pub fn next_count(&mut self) -> Result<Option<(Span, SourceNumber, Millis)>, ReadError> {
        Ok(self.frames.next_header()?.map(|header| (header.span(), header.source, header.received_at)))
    }

    /// The next request's header and its payload as it lies on disk, sealed and unchecked, as `look` needs them.
    pub(crate) fn next_sealed<T>(&mut self, look: impl FnOnce(&Header, &[u8]) -> T) -> Result<Option<T>, ReadError> {
        self.frames.next_sealed(look)
    }

    /// Returns when there is more to read, or the log is closed and read to its end (`false`).
    pub async fn more(&mut self) -> bool {
        self.frames.more().await
    }

    /// Where the next request begins.
    pub fn position(&self) -> Position {
        self.frames.position()
    }

    /// Everything before `position` is done with: the log may delete it.
    pub fn release(&self, position: Position) {
        self.frames.release(position);
    }
}

fn erased(header: &Header) -> Accepted {
    Accepted {
        span: header.span(),
        receipt: Receipt {
            source: header.source,
            received_at: header.received_at,
            point: PointName::new(""),
            client: None,
            call: None,
            origin: None,
        },
        workspace: WorkspaceNumber(header.key.workspace),
        log_time: header.log_time,
        erased: true,
        envelope: Envelope::default(),
        body: Vec::new(),
    }
}

/// `None` when the seal does not hold or what it held is not what [`AcceptedLog::seal`] wrote.
fn open_frame(key: &FrameKey, header: &Header, mut payload: Vec<u8>) -> Option<Accepted> {
    let opened = key.open(header.count, &header.bound(), &mut payload).ok()?;
    payload.truncate(opened);
    let notes_end = payload.len().checked_sub(4)?;
    let notes = usize::try_from(Cursor(&payload[notes_end..]).u32()?).ok()?;
    let body_bytes = notes_end.checked_sub(notes)?;
    let mut cursor = Cursor(&payload[body_bytes..notes_end]);
    let (point, client, call) = (cursor.point()?, cursor.address()?, cursor.u8()?);
    let call = if call == 0 { None } else { Some(Call::from_byte(call)?) };
    let origin = if header.flags & FLAG_ORIGIN == 0 {
        None
    } else {
        let point = cursor.point()?;
        let (first, end) = (Position(cursor.u64()?), Position(cursor.u64()?));
        (first <= end).then_some(Some(Origin { point, span: Span { first, end } }))?
    };
    let sent_at = cursor.optional_range(body_bytes)?;
    let context = cursor.optional_range(body_bytes)?;
    let integrations = cursor.optional_range(body_bytes)?;
    let items = (0..header.events).map(|_| cursor.range(body_bytes)).collect::<Option<_>>()?;
    if !cursor.0.is_empty() {
        return None;
    }
    payload.truncate(body_bytes);
    let receipt = Receipt { source: header.source, received_at: header.received_at, point, client, call, origin };
    Some(Accepted {
        span: header.span(),
        receipt,
        workspace: WorkspaceNumber(header.key.workspace),
        log_time: header.log_time,
        erased: false,
        envelope: Envelope { sent_at, context, integrations, items },
        body: payload,
    })
}
