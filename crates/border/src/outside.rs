//! The network outside, as it is handed in: names and connections.
//!
//! The real one is private to this crate and has no maker outside of it, so that nothing can connect but the border. A
//! simulation hands in its own.

use async_trait::async_trait;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// A connection's bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Names and connections outside the cell. The border sets the time-outs; a dropped future gives up.
#[async_trait]
pub trait Outside: Send + Sync {
    /// All addresses of a name, of both families. The name is absolute: no search domain completes it.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// A connection to exactly this address.
    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>>;
}

/// Names that are looked up at a time. The system's resolver takes a thread for each, and keeps it when we give up.
const LOOKUPS_MAX: usize = 64;

/// The operating system's resolver and TCP.
pub(crate) struct System {
    lookups: Arc<Semaphore>,
}

impl System {
    pub fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
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

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}
