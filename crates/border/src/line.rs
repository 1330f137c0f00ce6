//! A line: a connection that is kept for one ask, and made anew only by a new permit.

use crate::Border;
use crate::outward::{Form, Payload, Released, Unmade};
use crate::permit::{Granted, Permit};
use crate::reach::Reached;
use crate::refusal::Refusal;
use crate::request::{Answer, BodyEnd, Limits, prepare, read_body};
use crate::target::Scheme;
use bytes::Bytes;
use domicile_world::{Clock, Sleep, World};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// How long a permit's judgement holds for the requests of a line.
pub(crate) const JUDGED_FOR: Duration = Duration::from_secs(30);
/// What the headers of an answer may take.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The border says no: wait until settings or policy change.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No connection to any of the judged addresses.
    #[error("no connection to {address}: {error}")]
    Unreachable { address: SocketAddr, error: io::Error },
    /// TLS could not be agreed, or the certificate is not valid for the name.
    #[error("no TLS with {address}: {error}")]
    Tls { address: SocketAddr, error: io::Error },
    #[error("time-out while {stage}")]
    TimedOut { stage: Stage },
    /// The connection ended, or what came was not HTTP, before the answer was there. The request may have been taken.
    #[error("the connection broke before the answer")]
    Broken,
    /// A fault of the program: see the text.
    #[error("the border does not send this request: {0}")]
    Request(&'static str),
    /// The form made no request: nothing was sent.
    #[error("no request could be made: {0}")]
    Unmade(&'static str),
}

impl SendError {
    /// A stable word for figures and dead letters.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code.as_str(),
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::TimedOut { .. } => "timed_out",
            Self::Broken => "broken",
            Self::Request(_) => "request",
            Self::Unmade(word) => word,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Answering,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Answering => "waiting for the answer",
        })
    }
}

/// A way to one host for one [`crate::Ask`], one request at a time. Its connection is kept between requests; when it has
/// ended, the policy changed or 30 s passed, the next request is judged anew, and only a new permit makes a new one.
pub struct Line {
    border: Border,
    granted: Arc<Granted>,
    connection: Option<Connection>,
    released: Vec<Released>,
    body_bytes: u64,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Makes a request under what is granted when it is sent.
trait Make: Sync {
    fn make(&self, granted: &Granted) -> impl Future<Output = Result<Request<Full<Bytes>>, SendError>> + Send;
}

/// A request that carries no events: the same under any permit.
struct Fixed(Request<Full<Bytes>>);

impl Make for Fixed {
    async fn make(&self, _granted: &Granted) -> Result<Request<Full<Bytes>>, SendError> {
        Ok(self.0.clone())
    }
}

/// Events in a form, as far as the permit lets them out.
struct Events<'e, F> {
    border: Border,
    payloads: &'e [Payload],
    form: &'e F,
    /// What was made last, and the length of its body: it is the one that is answered.
    last: Mutex<(Vec<Released>, u64)>,
}

impl<F: Form> Make for Events<'_, F> {
    async fn make(&self, granted: &Granted) -> Result<Request<Full<Bytes>>, SendError> {
        let released: Result<Vec<_>, _> =
            self.payloads.iter().map(|payload| self.border.release(granted, payload)).collect();
        let released = released?;
        let request = self.form.request(&released).await.map_err(|Unmade(word)| SendError::Unmade(word))?;
        let request = prepare(granted, request).map_err(SendError::Request)?;
        let bytes = request.body().size_hint().lower();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (released, bytes);
        Ok(request)
    }
}

impl Border {
    /// Connects. Uses the permit up.
    ///
    /// # Errors
    /// `Unreachable`, `Tls` and `TimedOut` of the last address tried.
    pub async fn open(&self, permit: Permit, limits: &Limits) -> Result<Line, SendError> {
        let granted = Arc::new(permit.granted().clone());
        let connection = self.connect(permit, limits).await?;
        Ok(Line { border: self.clone(), granted, connection: Some(connection), released: Vec::new(), body_bytes: 0 })
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Line::send`].
    pub async fn send(
        &self,
        permit: Permit,
        request: Request<Full<Bytes>>,
        limits: &Limits,
    ) -> Result<Answer, SendError> {
        self.open(permit, limits).await?.send(request, limits).await
    }

    async fn connect(&self, permit: Permit, limits: &Limits) -> Result<Connection, SendError> {
        if matches!(permit.granted().target.scheme, Scheme::Postgres(_)) {
            return Err(SendError::Request("the permit is for a database"));
        }
        let Reached { stream, address, .. } = self.reach(permit, limits.connect).await?;
        let mut http = http1::Builder::new();
        http.max_buf_size(HEAD_BYTES_MAX);
        let (sender, driver) = http.handshake(TokioIo::new(stream)).await.map_err(|_| SendError::Broken)?;
        // How the connection ends is told by the request that was on it.
        let driver = tokio::spawn(async move { drop(driver.await) });
        Ok(Connection { sender, address, driver })
    }
}

impl Line {
    /// What the newest permit of this line says.
    pub fn granted(&self) -> &Arc<Granted> {
        &self.granted
    }

    /// The address that the line is connected to, or was judged to be first.
    pub fn address(&self) -> SocketAddr {
        self.connection.as_ref().map_or(self.granted.addresses[0], |connection| connection.address)
    }

    /// Sends one request and reads its answer. Of the URI the path and query are taken; a host in it must be the
    /// permit's. Headers: `Content-Type`, `Content-Encoding`, `User-Agent`, `Accept`, `Authorization`, `Idempotency-Key`
    /// and `X-…`; `Host` is the border's.
    ///
    /// Dropping the future may leave half a request on the wire: the next one gets a new connection.
    ///
    /// # Errors
    /// After any error the connection is closed and the request may or may not have been taken by the partner, except
    /// with `Refused`, `Unreachable`, `Tls`, `Request` and a time-out while connecting: nothing of it was sent.
    pub async fn send(&mut self, request: Request<Full<Bytes>>, limits: &Limits) -> Result<Answer, SendError> {
        let request = self.without_events(request)?;
        self.whole(&Fixed(request), limits).await
    }

    /// Sends events in one request: what the rule of the line's newest permit lets out of each, in the form that the
    /// partner wants.
    ///
    /// # Errors
    /// As [`Self::send`]; `Request` too when the rule lets out fields and a payload is no JSON object; `Unmade` when the
    /// form makes no request.
    pub async fn deliver(
        &mut self,
        payloads: &[Payload],
        form: &impl Form,
        limits: &Limits,
    ) -> Result<Answer, SendError> {
        (self.released, self.body_bytes) = (Vec::new(), 0);
        let events = Events { border: self.border.clone(), payloads, form, last: Mutex::default() };
        let answer = self.whole(&events, limits).await;
        (self.released, self.body_bytes) = events.last.into_inner().unwrap_or_else(PoisonError::into_inner);
        answer
    }

    /// What the last [`Self::deliver`] put on the wire, or was about to: one for each payload, in the same order. Empty
    /// when no request was made.
    pub fn released(&self) -> &[Released] {
        &self.released
    }

    /// The length of the body of that request.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// One request, made when the permit is known, and the whole of its answer.
    async fn whole(&mut self, make: &impl Make, limits: &Limits) -> Result<Answer, SendError> {
        let mut deadline = self.border.world.clock.sleep(limits.whole);
        // Taken out, so that a dropped future closes it.
        let mut connection = self.connection.take();
        let response = self.exchange_by(&mut connection, make, limits, &mut deadline).await?;
        let (head, body) = response.into_parts();
        let (body, body_end) = read_body(body, limits.answer_bytes, &mut deadline).await;
        if body_end == BodyEnd::Whole {
            self.connection = connection;
        }
        Ok(Answer { status: head.status, headers: head.headers, body, body_end })
    }

    /// A request that carries no events, fit for the wire.
    fn without_events(&self, request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, SendError> {
        if self.granted.ask.purpose.carries_events() {
            return Err(SendError::Request("events go out by `deliver`, which sends no more of them than may go"));
        }
        prepare(&self.granted, request).map_err(SendError::Request)
    }

    /// Sends one request and hands each piece of a 200's body to `take` as it comes, until the body ends or `take` says
    /// that it has enough (`false`). `limits.whole` is for the answer's head alone; the body may last for ever. Any other
    /// status is an answer as from [`Self::send`]. The connection is not kept.
    ///
    /// # Errors
    /// As [`Self::send`]; `Broken` when the body breaks off.
    pub async fn stream(
        &mut self,
        request: Request<Full<Bytes>>,
        limits: &Limits,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<Answer, SendError> {
        let request = self.without_events(request)?;
        let mut deadline = self.border.world.clock.sleep(limits.whole);
        let mut connection = self.connection.take();
        let response = self.exchange_by(&mut connection, &Fixed(request), limits, &mut deadline).await?;
        let (head, mut body) = response.into_parts();
        if head.status != StatusCode::OK {
            let (body, body_end) = read_body(body, limits.answer_bytes, &mut deadline).await;
            return Ok(Answer { status: head.status, headers: head.headers, body, body_end });
        }
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|_| SendError::Broken)?.into_data().unwrap_or_default();
            if !take(&data) {
                break;
            }
        }
        let (body, body_end) = (Bytes::new(), BodyEnd::Whole);
        Ok(Answer { status: head.status, headers: head.headers, body, body_end })
    }

    async fn exchange_by(
        &mut self,
        connection: &mut Option<Connection>,
        make: &impl Make,
        limits: &Limits,
        deadline: &mut Sleep,
    ) -> Result<Response<Incoming>, SendError> {
        tokio::select! {
            biased;
            response = self.exchange(connection, make, limits) => response,
            () = deadline => Err(SendError::TimedOut { stage: Stage::Answering }),
        }
    }

    async fn exchange(
        &mut self,
        connection: &mut Option<Connection>,
        make: &impl Make,
        limits: &Limits,
    ) -> Result<Response<Incoming>, SendError> {
        let request = self.made(connection, make, limits).await?;
        let kept = connection.as_mut().ok_or(SendError::Broken)?;
        match kept.sender.try_send_request(request).await {
            Ok(response) => Ok(response),
            // The partner closed a kept connection just now, before anything of the request was on it.
            Err(error) if error.message().is_some() => {
                *connection = None;
                let request = self.made(connection, make, limits).await?;
                let fresh = connection.as_mut().ok_or(SendError::Broken)?;
                fresh.sender.send_request(request).await.map_err(|_| SendError::Broken)
            }
            Err(_) => Err(SendError::Broken),
        }
    }

    /// A request under a permit that holds when it is made, and the connection for it.
    async fn made(
        &mut self,
        connection: &mut Option<Connection>,
        make: &impl Make,
        limits: &Limits,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        loop {
            self.judged(connection, limits).await?;
            let request = make.make(&self.granted).await?;
            // Making it may have taken a while.
            if !self.border.is_stale(&self.granted) {
                return Ok(request);
            }
        }
    }

    /// The connection, if it is open and its permit still holds; else a new one under a new permit.
    async fn judged(&mut self, connection: &mut Option<Connection>, limits: &Limits) -> Result<(), SendError> {
        let mut open = None;
        if let Some(mut kept) = connection.take() {
            open = kept.sender.ready().await.is_ok().then_some(kept);
        }
        if let Some(kept) = open.take_if(|_| !self.border.is_stale(&self.granted)) {
            *connection = Some(kept);
            return Ok(());
        }
        let permit = self.border.permit(self.granted.ask.clone()).await;
        let permit = permit.map_err(|refusal| SendError::Refused(Box::new(refusal)))?;
        self.granted = Arc::new(permit.granted().clone());
        *connection = Some(match open.filter(|kept| self.granted.addresses.contains(&kept.address)) {
            Some(kept) => kept,
            None => self.border.connect(permit, limits).await?,
        });
        Ok(())
    }
}

/// TLS 1.2 and 1.3 with the public certificate authorities and `roots`, by the world's clock. Sessions are not resumed:
/// a ticket would tie connections of different workspaces together. `protocol`: what is spoken inside, as ALPN names it.
pub(crate) fn tls(world: &World, roots: &[CertificateDer<'_>], protocol: &[u8]) -> TlsConnector {
    let mut trusted = rustls::RootCertStore::empty();
    trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    trusted.add_parsable_certificates(roots.iter().cloned().map(CertificateDer::into_owned));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let time = Arc::new(WallTime(Arc::clone(&world.clock)));
    let mut config = rustls::ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// The world's clock, for the validity of certificates.
struct WallTime(Arc<dyn Clock>);

impl fmt::Debug for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallTime")
    }
}

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.now().0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}
