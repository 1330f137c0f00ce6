//! A listener with a service that says what it saw, and a raw client.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::routing::any;
use domicile_listen::{Listener, Peer, Settings};
use domicile_world::World;
use http_body_util::BodyExt;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub struct Server {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub done: JoinHandle<()>,
}

pub const LONG: Duration = Duration::from_secs(60);
pub const SHORT: Duration = Duration::from_millis(60);

/// Waits that never come to pass in a test, for the test to shorten one.
pub fn patient() -> Settings {
    Settings {
        header_wait: LONG,
        idle_wait: LONG,
        body_wait: LONG,
        body_grace: LONG,
        write_wait: LONG,
        drain_wait: LONG,
        ..Settings::default()
    }
}

fn router() -> Router {
    Router::new()
        .route("/", any(|| async { "hello" }))
        // The body's length, or why there is none.
        .route(
            "/length",
            any(|request: Request| async {
                match request.into_body().collect().await {
                    Ok(body) => (StatusCode::OK, body.to_bytes().len().to_string()),
                    Err(error) => (StatusCode::REQUEST_TIMEOUT, format!("{:?}", error.into_inner().to_string())),
                }
            }),
        )
        .route("/peer", any(|Extension(peer): Extension<Peer>| async move { format!("{} {}", peer.ip, peer.proxied) }))
        // Answers without a look at the body.
        .route("/refuse", any(|| async { (StatusCode::BAD_REQUEST, "no") }))
        .route("/large", any(|| async { Bytes::from(vec![b'x'; 64 << 20]) }))
        .route(
            "/slow",
            any(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "late"
            }),
        )
        .route("/never", any(|| async { std::future::pending::<&str>().await }))
}

pub async fn serve(settings: Settings) -> Server {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    let (stop, stopped) = oneshot::channel();
    let service = TowerToHyperService::new(router());
    let done = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        listener.serve(World::real().clock, service, settings, shutdown).await;
    });
    Server { address, stop, done }
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

    /// The next answer with a `Content-Length`, on a connection that stays open.
    pub async fn answer(&mut self) -> String {
        let mut out = Vec::new();
        loop {
            let byte = self.tcp.read_u8().await.expect("an answer");
            out.push(byte);
            if out.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8(out).unwrap();
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
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
