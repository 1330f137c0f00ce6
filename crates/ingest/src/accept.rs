//! From a request to a promise, or to a refusal of which nothing is kept.

use crate::body::{self, BodyFault, Encoding};
use crate::document::source_here;
use crate::intake::Shared;
use crate::key;
use crate::refusal::Refusal;
use crate::response::{self, Answer};
use crate::tally::Tally;
use bytes::Bytes;
use domicile_event::{
    BATCH_BYTES_MAX, Call, EVENT_BYTES_MAX, Envelope, ScanError, Wrong, read, scan_batch, scan_single,
};
use domicile_listen::BodyError;
use domicile_log::{AcceptedLog, AppendError, FrameBuf, Receipt, Span};
use domicile_region::{InRegion, PointName};
use domicile_workspace::Source;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const BOM: &[u8] = b"\xef\xbb\xbf";
const NO_ROOM: &str = "too much is coming in at once";

/// What a batch's shared `context` and `integrations` may come to when each event has got them: 16 MiB. Real clients stay
/// far below (250 events with a few hundred bytes); without it a body of 500 KiB could become 80 MB in the event log.
const MERGED_BYTES_MAX: usize = 16 << 20;

fn merged_bytes(envelope: &Envelope) -> usize {
    let shared = [&envelope.context, &envelope.integrations].into_iter().flatten();
    shared.map(|range| range.len()).sum::<usize>().saturating_mul(envelope.items.len())
}

/// What a path asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// `None` for a batch, whose items name theirs.
    call: Option<Call>,
}

impl Asked {
    pub fn batch() -> Self {
        Self { call: None }
    }

    pub fn single(call: Call) -> Self {
        Self { call: Some(call) }
    }

    /// Bytes of the unpacked body.
    fn bytes_max(self) -> usize {
        if self.call.is_some() { EVENT_BYTES_MAX } else { BATCH_BYTES_MAX }
    }

    fn too_large(self) -> Refusal {
        if self.call.is_some() { Refusal::EventTooLarge } else { Refusal::BatchTooLarge }
    }
}

/// The accepting part of one ingest point.
pub(crate) struct Accept {
    shared: Arc<Shared>,
    point: PointName,
    log: AcceptedLog,
    tally: Tally,
    /// The log takes nothing any more.
    shut: AtomicBool,
}

impl Accept {
    pub fn new(shared: Arc<Shared>, point: PointName, log: AcceptedLog, tally: Tally) -> Self {
        Self { shared, point, log, tally, shut: AtomicBool::new(false) }
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn is_ready(&self) -> bool {
        !self.shut.load(Relaxed)
    }

    /// Answers a request to an event path. `unread` becomes true when the body may not have been read to its end.
    pub async fn request<B>(
        &self,
        asked: Asked,
        head: &Parts,
        client: Option<IpAddr>,
        body: B,
        unread: &mut bool,
    ) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let began = self.shared.world.clock.monotonic();
        *unread = !body.is_end_stream();
        match self.try_request(asked, head, client, body, unread, began).await {
            Ok(span) => {
                let mut answer = response::success();
                if let Some(url) = self.receipt_url(&head.headers, span) {
                    answer.headers_mut().insert(response::RECEIPT, url);
                }
                answer
            }
            Err(refusal) => {
                self.tally.other(refusal.code());
                response::refused(&refusal)
            }
        }
    }

    async fn try_request<B>(
        &self,
        asked: Asked,
        head: &Parts,
        client: Option<IpAddr>,
        body: B,
        unread: &mut bool,
        began: Duration,
    ) -> Result<Option<Span>, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let encoding = Encoding::of(&head.headers).map_err(Refusal::InvalidEncoding)?;
        let named = match key::from_header(&head.headers) {
            Some(key) => {
                // Known before the body is read: a misdirected body is not even looked at.
                let source = self.source(&key)?;
                self.shared.rates.take(&source, 0).map_err(Refusal::RateLimited)?;
                Some(source)
            }
            None => None,
        };
        let mut room = self.shared.bodies.room();
        let body = body::read(body, encoding, asked.bytes_max(), &mut room).await.map_err(|fault| match fault {
            BodyFault::TooLarge => asked.too_large(),
            BodyFault::NotGzip => {
                Refusal::InvalidEncoding("the body is not whole gzip, as its `Content-Encoding` says")
            }
            BodyFault::TooSlow => Refusal::TooSlow,
            BodyFault::BrokenOff => Refusal::BrokenOff,
            BodyFault::NoRoom => Refusal::CannotStore(NO_ROOM),
        })?;
        *unread = false;
        // The room is given back when the log has done with the body.
        self.body(asked, named, client, body, began).await
    }

    /// Where the receipt of a request will be, if it asks for one: some seconds pass until the ledger has it.
    fn receipt_url(&self, headers: &HeaderMap, span: Option<Span>) -> Option<HeaderValue> {
        let wanted = headers.get(response::RECEIPT)?;
        if !wanted.as_bytes().trim_ascii().eq_ignore_ascii_case(b"want") {
            return None;
        }
        let (base, span) = (self.shared.settings.receipts.as_deref()?, span?);
        HeaderValue::try_from(format!("{base}/v1/receipts/{}/{}", self.point, span.first)).ok()
    }

    /// Takes the event of a pixel; what is wrong with it is only counted.
    pub async fn pixel(&self, call: Call, event: Vec<u8>, client: Option<IpAddr>) {
        let began = self.shared.world.clock.monotonic();
        let appended = async {
            if event.len() > EVENT_BYTES_MAX {
                return Err(Refusal::EventTooLarge);
            }
            let mut room = self.shared.bodies.room();
            room.hold(event.len()).await.map_err(|_| Refusal::CannotStore(NO_ROOM))?;
            let mut body = FrameBuf::with_capacity(event.len());
            body.extend_from_slice(&event);
            self.body(Asked::single(call), None, client, body, began).await
        };
        if let Err(refusal) = appended.await {
            self.tally.other(refusal.code());
        }
    }

    /// Takes a whole body that is in memory. `named` is the source that the header named, if it did.
    async fn body(
        &self,
        asked: Asked,
        named: Option<Arc<Source>>,
        client: Option<IpAddr>,
        body: FrameBuf,
        began: Duration,
    ) -> Result<Option<Span>, Refusal> {
        let (envelope, source) = self.scan(asked, named, body.body())?;
        if envelope.items.is_empty() {
            self.tally.accepted(0, 0, self.since(began));
            return Ok(None);
        }
        let (events, bytes) = (envelope.items.len(), body.len());
        self.shared.rates.take(&source, events).map_err(Refusal::RateLimited)?;
        let receipt = Receipt {
            source: source.number,
            received_at: self.shared.world.clock.now(),
            point: self.point.clone(),
            client,
            call: asked.call,
            origin: None,
        };
        let source = InRegion::new(self.shared.region.clone(), source);
        match self.log.append(source, receipt, &envelope, body).await {
            Ok(span) => {
                self.tally.accepted(events, bytes, self.since(began));
                Ok(Some(span))
            }
            Err(error) => Err(self.not_stored(error)),
        }
    }

    /// Finds the events and whose they are, and checks a single one.
    fn scan(&self, asked: Asked, named: Option<Arc<Source>>, body: &[u8]) -> Result<(Envelope, Arc<Source>), Refusal> {
        let malformed = |error: ScanError| match body.starts_with(BOM) {
            true => Refusal::ByteOrderMark,
            false => Refusal::InvalidJson(error),
        };
        let (envelope, key) = match asked.call {
            None => scan_batch(body).map(|batch| (batch.envelope, batch.write_key)),
            Some(_) => scan_single(body).map(|single| (single.envelope, single.write_key)),
        }
        .map_err(malformed)?;
        if merged_bytes(&envelope) > MERGED_BYTES_MAX {
            return Err(asked.too_large());
        }
        let source = match (named, key) {
            (Some(source), _) => source,
            (None, Some(key)) if !key.trim().is_empty() => self.source(key.trim())?,
            (None, _) => return Err(Refusal::MissingWriteKey),
        };
        if let Some(call) = asked.call {
            let item = envelope.items.first().and_then(|range| body.get(range.start as usize..range.end as usize));
            read(item.unwrap_or_default(), Some(call)).map_err(|wrong| match wrong {
                Wrong::EventTooLarge => Refusal::EventTooLarge,
                wrong => Refusal::InvalidEvent(wrong),
            })?;
        }
        Ok((envelope, source))
    }

    /// The source of a write key, if its events are taken at this point.
    fn source(&self, key: &str) -> Result<Arc<Source>, Refusal> {
        let shared = &self.shared;
        let snapshot = shared.current.load();
        let source = source_here(&snapshot, &shared.topology, &shared.urls, key).inspect_err(|refusal| {
            tracing::debug!(point = %self.point, key = %key::shown(key), code = refusal.code(), "refused");
        })?;
        if source.strict && source.ingestion_region != self.point {
            let url = shared.urls.of(&shared.region, &source.ingestion_region);
            return Err(Refusal::WrongIngestPoint { host: url.map(|url| url.host().to_owned()) });
        }
        Ok(Arc::clone(source))
    }

    fn not_stored(&self, error: AppendError) -> Refusal {
        if matches!(error, AppendError::Closing | AppendError::Failed) {
            self.shut.store(true, Relaxed);
        }
        if error != AppendError::Closing {
            tracing::warn!(region = %self.shared.region, point = %self.point, %error, "events not stored");
        }
        Refusal::CannotStore(match error {
            AppendError::Full => "the disk is full",
            AppendError::Closing => "this ingest point is closing",
            AppendError::Failed | AppendError::NoKey | AppendError::Gap | AppendError::WrongRegion => {
                "the log does not take them"
            }
        })
    }

    fn since(&self, began: Duration) -> Duration {
        self.shared.world.clock.monotonic().saturating_sub(began)
    }
}
