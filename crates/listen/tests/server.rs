//! A listener under a clock turned by hand, with a service that says what it saw; and a raw client.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::routing::any;
use domicile_listen::{Listener, Peer, Settings};
use domicile_testkit::HandClock;
use http_body_util::BodyExt;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

pub struct Server {
    pub address: SocketAddr,
    pub clock: HandClock,
    pub stop: oneshot::Sender<()>,
    pub done: JoinHandle<()>,
    pub held: Arc<Held>,
}

/// Requests for `/held`: each says that it has come, and waits to be let go.
pub struct Held {
    pub arrived: Semaphore,
    pub let_go: Semaphore,
}

impl Held {
    pub async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

pub const LARGE_BYTES: usize = 64 << 20;

fn router(held: Arc<Held>) -> Router {
    Router::new()
        .route("/", any(|| async { "hello" }))
        // The body's length, or why there is none.
        .route(
            "/length",
            any(|request: Request| async {
                match request.into_body().collect().await {
                    Ok(body) => (StatusCode::OK, body.to_bytes().len().to_string()),
                    Err(error) => (StatusCode::REQUEST_TIMEOUT, error.to_string()),
                }
            }),
        )
        .route("/peer", any(|Extension(peer): Extension<Peer>| async move { format!("{} {}", peer.ip, peer.proxied) }))
        // Answers without a look at the body.
        .route("/refuse", any(|| async { (StatusCode::BAD_REQUEST, "no") }))
        .route("/large", any(|| async { Bytes::from(vec![b'x'; LARGE_BYTES]) }))
        .route(
            "/held",
            any(move || async move {
                held.arrived.add_permits(1);
                held.let_go.acquire().await.unwrap().forget();
                "late"
            }),
        )
}

pub async fn serve(settings: Settings) -> Server {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    let (stop, stopped) = oneshot::channel();
    let held = Arc::new(Held { arrived: Semaphore::new(0), let_go: Semaphore::new(0) });
    let service = TowerToHyperService::new(router(Arc::clone(&held)));
    let clock = HandClock::new();
    let serving_clock = Arc::new(clock.clone());
    let done = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        listener.serve(serving_clock, service, settings, shutdown).await;
    });
    Server { address, clock, stop, done, held }
}

impl Server {
    pub async fn connect(&self) -> Client {
        Client { tcp: TcpStream::connect(self.address).await.unwrap() }
    }

    /// One request on a connection of its own, read until the server closes.
    pub async fn ask(&self, request: &[u8]) -> String {
        let mut client = self.connect().await;
        client.send(request).await;
        client.rest().await
    }

    /// Lets time pass, after everything that was sent has been looked at.
    pub async fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds)).await;
    }
}

pub struct Client {
    pub tcp: TcpStream,
}

impl Client {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.tcp.write_all(bytes).await.unwrap();
    }

    /// Everything until the server closes; what a reset cuts off is left out.
    pub async fn rest(&mut self) -> String {
        let mut out = Vec::new();
        let mut piece = [0; 4096];
        let read = async {
            while let Ok(n) = self.tcp.read(&mut piece).await {
                if n == 0 {
                    break;
                }
                out.extend_from_slice(&piece[..n]);
            }
        };
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("the server closes");
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Whether the server has closed or said something.
    pub fn is_quiet(&self) -> bool {
        self.tcp.try_read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// The next answer with a `Content-Length`, on a connection that stays open.
    pub async fn answer(&mut self) -> String {
        let mut out = Vec::new();
        while !out.ends_with(b"\r\n\r\n") {
            out.push(self.tcp.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(out).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.tcp.read_exact(&mut body).await.unwrap();
        head + &String::from_utf8(body).unwrap()
    }
}

/// The status code and body of an answer.
pub fn parts(answer: &str) -> (&str, &str) {
    let status = answer.get(9..12).unwrap_or("");
    (status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body))
}
