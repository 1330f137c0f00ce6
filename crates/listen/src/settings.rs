//! What a listener is told, and what it tells about a connection.

use crate::Tls;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Limits of a listener. The defaults suit a public ingest point; all waits are real time.
#[derive(Clone)]
pub struct Settings {
    /// Connections at once; further ones wait in the system's backlog.
    pub connections_max: usize,
    /// A request's line and headers. Also what an HTTP/1 connection buffers at once, so that
    /// `connections_max × header_bytes_max` bounds the memory that connections hold before a body is asked for.
    pub header_bytes_max: usize,
    /// From the first byte of a request to the end of its headers; also for the PROXY header and the TLS handshake.
    pub header_wait: Duration,
    /// Between two requests of a kept connection. SDKs flush every 10 to 30 s: longer than that.
    pub idle_wait: Duration,
    /// The whole of a request's body, however steadily it comes.
    pub body_wait: Duration,
    /// How long a body may be slower than `body_bytes_per_second_min` before it is cut.
    pub body_grace: Duration,
    /// The least average pace of a body, counted from its first wait.
    pub body_bytes_per_second_min: u64,
    /// How long a peer may take nothing of what is sent to it.
    pub write_wait: Duration,
    /// After the shutdown signal: for what is in flight, before it is cut.
    pub drain_wait: Duration,
    /// Peers whose PROXY protocol header (v1 or v2) is believed. From others it is a malformed request.
    pub trusted_proxies: Vec<IpNet>,
    /// Certificate and key; plain HTTP when absent.
    pub tls: Option<Tls>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            header_bytes_max: 64 * 1024,
            header_wait: Duration::from_secs(10),
            idle_wait: Duration::from_secs(75),
            body_wait: Duration::from_secs(60),
            body_grace: Duration::from_secs(10),
            body_bytes_per_second_min: 1_024,
            write_wait: Duration::from_secs(20),
            drain_wait: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }
}

/// Who a request comes from; in the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// IPv4 addresses in IPv6 form are given as IPv4.
    pub ip: IpAddr,
    pub port: u16,
    /// Whether a trusted proxy said so in a PROXY header, and it is not the connection's own address.
    pub proxied: bool,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, proxied: bool, tls: bool) -> Self {
        Self { ip: address.ip().to_canonical(), port: address.port(), proxied, tls }
    }
}
