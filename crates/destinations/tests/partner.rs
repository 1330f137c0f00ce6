//! A partner inside the test: connections are pipes, an answer takes a moment of the test's clock, and a script says what
//! it is.

use async_trait::async_trait;
use bytes::Bytes;
use domicile_border::{Outside, Stream};
use domicile_testkit::HandClock;
use domicile_world::Clock;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a partner does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// A status with a body.
    Says(u16, &'static str),
    /// 429 with this `Retry-After`.
    Later(&'static str),
    Hang,
    Drop,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
    /// The event's `n`: its number in the test.
    pub n: u64,
    pub user: String,
    /// How often this event has come, this one included.
    pub time: usize,
    pub answered: Option<u16>,
}

type Script = Box<dyn FnMut(&Received) -> Reply + Send>;

/// The network of a test: whatever the address, this partner is there, or nobody is.
#[derive(Clone)]
pub struct Partner {
    clock: HandClock,
    desk: Arc<Mutex<Desk>>,
}

struct Desk {
    script: Script,
    open: bool,
    received: Vec<Received>,
    latency: Duration,
    at_once: usize,
    at_once_max: usize,
}

impl Partner {
    pub fn new(clock: &HandClock) -> Self {
        let desk = Desk {
            script: Box::new(|_| Reply::Status(200)),
            open: true,
            received: Vec::new(),
            latency: Duration::from_millis(5),
            at_once: 0,
            at_once_max: 0,
        };
        Self { clock: clock.clone(), desk: Arc::new(Mutex::new(desk)) }
    }

    pub fn answers(&self, script: impl FnMut(&Received) -> Reply + Send + 'static) {
        self.lock().script = Box::new(script);
    }

    /// Whether anybody listens.
    pub fn open(&self, open: bool) {
        self.lock().open = open;
    }

    pub fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// The most requests that were on their way at a time.
    pub fn at_once_max(&self) -> usize {
        self.lock().at_once_max
    }

    /// Numbers of the events that got a 2xx, in order, each time that they got one.
    pub fn taken(&self) -> Vec<u64> {
        let taken = |received: &&Received| matches!(received.answered, Some(200..=299));
        self.lock().received.iter().filter(taken).map(|received| received.n).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().expect("no test panicked in here")
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let event: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let (reply, latency) = {
            let mut desk = self.lock();
            let n = event["n"].as_u64().unwrap_or(u64::MAX);
            let mut received = Received {
                path: parts.uri.to_string(),
                headers: parts.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
                n,
                user: event["userId"].as_str().unwrap_or("").to_owned(),
                time: 1 + desk.received.iter().filter(|earlier| earlier.n == n).count(),
                answered: None,
            };
            let reply = (desk.script)(&received);
            received.answered = match &reply {
                Reply::Status(status) | Reply::Says(status, _) => Some(*status),
                Reply::Later(_) => Some(429),
                Reply::Hang | Reply::Drop => None,
            };
            desk.received.push(received);
            desk.at_once += 1;
            desk.at_once_max = desk.at_once_max.max(desk.at_once);
            (reply, desk.latency)
        };
        self.clock.sleep(latency).await;
        self.lock().at_once -= 1;
        let answer = Response::builder();
        let answer = match reply {
            Reply::Status(status) => answer.status(status).body(Full::default()),
            Reply::Says(status, body) => answer.status(status).body(Full::new(Bytes::from_static(body.as_bytes()))),
            Reply::Later(seconds) => answer.status(429).header("retry-after", seconds).body(Full::default()),
            Reply::Hang => std::future::pending().await,
            Reply::Drop => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        answer.map_err(io::Error::other)
    }
}

#[async_trait]
impl Outside for Partner {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["9.9.9.9".parse().expect("an address")])
    }

    async fn connect(&self, _address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        if !self.lock().open {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let partner = self.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let partner = partner.clone();
                async move { partner.answer(request).await }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service).await;
        });
        Ok(Box::new(ours))
    }
}
