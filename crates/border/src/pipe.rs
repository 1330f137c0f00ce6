//! A pipe: a connection's bytes for a client that speaks a protocol of its own. So far PostgreSQL's.
//!
//! The border wraps the connection, so that a client which is handed a pipe has no say in whether there is TLS.

use crate::Limits;
use crate::border::Border;
use crate::line::SendError;
use crate::outside::Stream;
use crate::permit::Permit;
use crate::reach::Reached;
use crate::target::Scheme;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An open connection to a database.
pub struct Pipe {
    stream: Box<dyn Stream>,
    address: SocketAddr,
    encrypted: bool,
}

impl Pipe {
    /// The address that it is connected to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether TLS is around it.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl Border {
    /// Connects to a database. Uses the permit up; of `limits` only `connect` counts, for each address.
    ///
    /// # Errors
    /// `Unreachable`, `Tls` and `TimedOut` of the last address tried; `Request` for a permit to a partner who speaks HTTP.
    pub async fn pipe(&self, permit: Permit, limits: &Limits) -> Result<Pipe, SendError> {
        if !matches!(permit.granted().target.scheme, Scheme::Postgres(_)) {
            return Err(SendError::Request("the permit is for a partner who speaks HTTP"));
        }
        let Reached { stream, address, encrypted } = self.reach(permit, limits.connect).await?;
        Ok(Pipe { stream, address, encrypted })
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipe({}, encrypted: {})", self.address, self.encrypted)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(cx)
    }
}
