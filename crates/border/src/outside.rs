//! The network outside, as it is handed in: names and connections.
//!
//! The real one is private to this crate and has no maker outside of it, so that nothing can connect but the border. A
//! simulation hands in its own.

use crate::egress::Egress;
use async_trait::async_trait;
use ipnet::IpNet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

/// A connection's bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Names and connections outside the cell. The border sets the time-outs; a dropped future gives up.
#[async_trait]
pub trait Outside: Send + Sync {
    /// All addresses of a name, of both families. The name is absolute: no search domain completes it.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Why none of these addresses can be connected to from here; `None` when one can.
    fn has_no_source(&self, _addresses: &[IpAddr]) -> Option<&'static str> {
        None
    }

    /// A connection to exactly this address.
    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>>;
}

/// Names that are looked up at a time. The system's resolver takes a thread for each, and keeps it when we give up.
const LOOKUPS_MAX: usize = 64;

/// The operating system's resolver and TCP.
pub(crate) struct System {
    lookups: Arc<Semaphore>,
    egress: Egress,
}

impl System {
    /// `egress`: the only addresses to go out from; empty: the system chooses.
    pub fn new(egress: &[IpNet]) -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)), egress: Egress::new(egress) }
    }
}

#[async_trait]
impl Outside for System {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        // The final dot makes it absolute.
        let absolute = format!("{name}.");
        // A task of its own holds the place until the system's call has returned, also when the border gave up on it.
        let lookup = tokio::spawn(async move {
            let addresses = tokio::net::lookup_host((absolute, 0)).await?;
            drop(place);
            Ok(addresses.map(|address| address.ip()).collect())
        });
        lookup.await.map_err(io::Error::other)?
    }

    fn has_no_source(&self, addresses: &[IpAddr]) -> Option<&'static str> {
        let mut why = None;
        for address in addresses {
            match self.egress.source(*address) {
                Ok(_) => return None,
                Err(no) => why = Some(no.what()),
            }
        }
        why
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let source = self.egress.source(address.ip()).map_err(|no| io::Error::other(no.what()))?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
