//! One connection, from its first byte to its last.

use crate::body::Body;
use crate::proxy::{self, Prelude};
use crate::settings::{Peer, Settings};
use crate::socket::Socket;
use crate::watch::{InFlight, Judge, Verdict, Watch};
use domicile_world::Clock;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::{debug, warn};

/// What a listener tells its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    No,
    /// Finish what is in flight, then close.
    Drain,
    /// Close at once.
    Cut,
}

/// What HTTP/2 begins with; no HTTP/1 request has this method.
const HTTP2_BEGIN: &[u8] = b"PRI";
const HTTP2_STREAMS_MAX: u32 = 64;
/// Bytes of bodies that an HTTP/2 peer may send before they are read: of one request, and of a connection's all.
const HTTP2_STREAM_WINDOW: u32 = 128 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);

/// Runs a connection to its end.
pub(crate) async fn run<S, B>(
    tcp: TcpStream,
    from: SocketAddr,
    service: S,
    clock: Arc<dyn Clock>,
    settings: Arc<Settings>,
    mut stop: watch::Receiver<Stop>,
) where
    S: Service<Request<Body>, Response = Response<B>> + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Answers are small: waiting to fill a packet only delays them.
    let _ = tcp.set_nodelay(true);
    let watch = Arc::new(Watch::new(Arc::clone(&clock), settings));
    let opened = tokio::select! {
        opened = open(tcp, from, Arc::clone(&watch)) => opened,
        () = clock.sleep(watch.settings.header_wait) => return,
        // Nothing has been asked yet.
        _ = stop.wait_for(|stop| *stop != Stop::No) => return,
    };
    match opened {
        Ok(Opened::Plain { socket, http2, peer }) => talk(socket, http2, service, peer, watch, stop).await,
        Ok(Opened::Tls { stream, http2, peer }) => talk(*stream, http2, service, peer, watch, stop).await,
        Err(error) => debug!(%error, "connection not opened"),
    }
}

enum Opened {
    Plain { socket: Socket, http2: bool, peer: Peer },
    Tls { stream: Box<tokio_rustls::server::TlsStream<Socket>>, http2: bool, peer: Peer },
}

/// Finds out who it is and what is spoken.
async fn open(mut tcp: TcpStream, from: SocketAddr, watch: Arc<Watch>) -> io::Result<Opened> {
    let settings = Arc::clone(&watch.settings);
    let mut ahead = Vec::with_capacity(1024);
    let proxied = {
        let ip = from.ip().to_canonical();
        match settings.trusted_proxies.iter().any(|net| net.contains(&ip)) {
            true => read_prelude(&mut tcp, &mut ahead, from).await?,
            false => None,
        }
    };
    let peer = Peer::new(proxied.unwrap_or(from), proxied.is_some(), settings.tls.is_some());
    match &settings.tls {
        Some(tls) => {
            let stream = tls.acceptor().accept(Socket::new(tcp, ahead, Arc::clone(&watch))).await?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            watch.rest();
            Ok(Opened::Tls { stream: Box::new(stream), http2, peer })
        }
        None => {
            while ahead.len() < HTTP2_BEGIN.len() && HTTP2_BEGIN.starts_with(&ahead) {
                if tcp.read_buf(&mut ahead).await? == 0 {
                    break;
                }
            }
            let http2 = ahead.starts_with(HTTP2_BEGIN);
            watch.count_read(ahead.len());
            Ok(Opened::Plain { socket: Socket::new(tcp, ahead, watch), http2, peer })
        }
    }
}

/// Reads a trusted proxy's header, if it sends one, and leaves what follows in `ahead`.
async fn read_prelude(tcp: &mut TcpStream, ahead: &mut Vec<u8>, from: SocketAddr) -> io::Result<Option<SocketAddr>> {
    loop {
        match proxy::read(ahead) {
            Ok(Prelude::Absent) => return Ok(None),
            Ok(Prelude::Present { bytes, client }) => {
                ahead.drain(..bytes);
                return Ok(client);
            }
            Ok(Prelude::More) => {
                if tcp.read_buf(ahead).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => {
                warn!(proxy = %from.ip(), %error, "refused");
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

/// Speaks HTTP until either side ends it.
async fn talk<T, S, B>(io: T, http2: bool, service: S, peer: Peer, watch: Arc<Watch>, stop: watch::Receiver<Stop>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Body>, Response = Response<B>> + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let judge = Judge::new(Arc::clone(&watch), http2);
    let header_bytes_max = watch.settings.header_bytes_max;
    let counted = service_fn({
        let watch = Arc::clone(&watch);
        move |request: Request<Incoming>| {
            let in_flight = InFlight::begin(&watch);
            let mut request = request.map(|incoming| Body::new(incoming, Arc::clone(&watch)));
            request.extensions_mut().insert(peer);
            let answer = service.call(request);
            async move { Ok::<_, S::Error>(answer.await?.map(|body| Answer { body, in_flight })) }
        }
    });
    let io = TokioIo::new(io);
    if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(header_bytes_max).unwrap_or(u32::MAX))
            .keep_alive_interval(HTTP2_PING_EVERY)
            .keep_alive_timeout(watch.settings.write_wait)
            .serve_connection(io, counted);
        follow(connection, |connection| connection.graceful_shutdown(), judge, watch, stop).await;
    } else {
        let connection = http1::Builder::new()
            // The judge does both waits, since hyper's own can't tell an idle connection from a slow one.
            .header_read_timeout(None)
            .max_buf_size(header_bytes_max.max(8 * 1024))
            .serve_connection(io, counted);
        follow(connection, |connection| connection.graceful_shutdown(), judge, watch, stop).await;
    }
}

/// Runs `connection` under the judge's eye and the listener's word.
async fn follow<C>(
    connection: C,
    finish: impl Fn(Pin<&mut C>),
    mut judge: Judge,
    watch: Arc<Watch>,
    mut stop: watch::Receiver<Stop>,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut look = watch.clock.sleep(judge.period());
    // It may have come before we listened.
    let mut told = Stop::No;
    loop {
        let heard = *stop.borrow();
        if heard != told {
            told = heard;
            match heard {
                Stop::No => {}
                Stop::Drain => finish(connection.as_mut()),
                Stop::Cut => return,
            }
        }
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "connection ended");
                }
                return;
            }
            changed = stop.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = &mut look => {
                match judge.look() {
                    Verdict::Fine => {}
                    Verdict::Idle => finish(connection.as_mut()),
                    Verdict::TooSlow => return,
                }
                look = watch.clock.sleep(judge.period());
            }
        }
    }
}

pin_project! {
    /// An answer's body; the request is in flight until it is dropped.
    struct Answer<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
    }
}

impl<B: http_body::Body> http_body::Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
