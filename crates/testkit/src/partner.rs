//! A partner's endpoint that records what it is sent and answers as a test says: well, slowly, badly or not at all.

use crate::Dice;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How a partner answers.
#[derive(Clone, Debug)]
pub enum Manner {
    /// 200.
    Takes,
    /// 429 with `Retry-After` in seconds.
    Busy { retry_after_s: u32 },
    /// This status, for example 500.
    Answers(u16),
    /// 503 to so many of 100 requests, 200 to the others.
    Flaky { percent: u64, seed: u64 },
    /// 200 after this long (of the real clock).
    Slow(Duration),
    /// Reads the request and never answers.
    Hangs,
    /// Reads the request and closes the connection.
    Drops,
    /// 200 and a body of this many bytes.
    Huge { bytes: u64 },
    /// 302 to this address.
    Redirects { to: String },
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The status it was answered with; `None`: not at all.
    pub answered: Option<u16>,
}

impl Received {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A running endpoint on 127.0.0.1; it ends, with all its connections, when dropped.
pub struct Partner {
    address: SocketAddr,
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
}

struct Desk {
    manner: Mutex<(Manner, Dice)>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

impl Partner {
    /// Starts an endpoint on a free port.
    pub async fn start(manner: Manner) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let dice = dice_of(&manner);
        let desk = Arc::new(Desk {
            manner: Mutex::new((manner, dice)),
            received: Mutex::new(Vec::new()),
            count: watch::Sender::new(0),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&desk)));
        Ok(Self { address, desk, serving })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From the next request on it answers so.
    pub fn turn(&self, manner: Manner) {
        let dice = dice_of(&manner);
        *lock(&self.desk.manner) = (manner, dice);
    }

    /// Everything received so far, in the order in which it had arrived whole.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.desk.received).clone()
    }

    /// Waits until at least `n` requests have arrived whole, and gives all there are.
    pub async fn wait_for(&self, n: usize) -> Vec<Received> {
        // The sender lives as long as the desk, which this partner holds.
        let _ = self.desk.count.subscribe().wait_for(|count| *count >= n).await;
        self.received()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(converse(stream, Arc::clone(&desk)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, desk: Arc<Desk>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { desk.answer(request).await }
    });
    // A client that goes away in the middle is the client's affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let (manner, status) = self.manner_and_status();
        let headers = parts.headers.iter();
        let received = Received {
            method: parts.method.to_string(),
            path: parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string),
            headers: headers
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body,
            answered: status,
        };
        let count = {
            let mut all = lock(&self.received);
            all.push(received);
            all.len()
        };
        self.count.send_replace(count);

        let Some(status) = status else {
            if matches!(manner, Manner::Hangs) {
                std::future::pending::<()>().await;
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        };
        if let Manner::Slow(length) = manner {
            tokio::time::sleep(length).await;
        }
        let mut answer = Response::builder().status(StatusCode::from_u16(status).map_err(io::Error::other)?);
        match &manner {
            Manner::Busy { retry_after_s } => answer = answer.header(header::RETRY_AFTER, *retry_after_s),
            Manner::Redirects { to } => answer = answer.header(header::LOCATION, to),
            _ => {}
        }
        let body = match manner {
            Manner::Huge { bytes } => huge(bytes),
            _ => Full::new(Bytes::from_static(b"{}")).boxed(),
        };
        answer.body(body).map_err(io::Error::other)
    }

    fn manner_and_status(&self) -> (Manner, Option<u16>) {
        let (manner, dice) = &mut *lock(&self.manner);
        let status = match manner {
            Manner::Takes | Manner::Slow(_) | Manner::Huge { .. } => Some(200),
            Manner::Busy { .. } => Some(429),
            Manner::Answers(status) => Some(*status),
            Manner::Flaky { percent, .. } => Some(if dice.percent(*percent) { 503 } else { 200 }),
            Manner::Hangs | Manner::Drops => None,
            Manner::Redirects { .. } => Some(302),
        };
        (manner.clone(), status)
    }
}

fn dice_of(manner: &Manner) -> Dice {
    match manner {
        Manner::Flaky { seed, .. } => Dice::new(*seed),
        _ => Dice::new(0),
    }
}

/// A body that is never in memory as a whole.
fn huge(bytes: u64) -> BoxBody<Bytes, Infallible> {
    const PIECE: u64 = 64 * 1024;
    let pieces = stream::iter((0..bytes).step_by(PIECE as usize)).map(move |from| {
        let length = PIECE.min(bytes - from) as usize;
        Ok(Frame::data(Bytes::from(vec![b'x'; length])))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
