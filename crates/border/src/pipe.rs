//! A pipe: a connection's bytes for a client that speaks a protocol of its own. So far PostgreSQL's.
//!
//! ```text
//! permit ──► TCP to a judged address ──► SSLRequest ──► `S` ──► TLS, valid for the name ──► Pipe
//!                                                   └─► `N` ──► in a network of the operator's: Pipe; else an error
//! ```
//!
//! - The border wraps the connection, so that a client which is handed a pipe has no say in whether there is TLS.
//! - Exactly one byte is read before TLS begins: what someone in between adds to it is read as TLS, and fails.

use crate::border::Border;
use crate::line::SendError;
use crate::outside::Stream;
use crate::permit::{Granted, Permit};
use crate::target::{Scheme, SslMode};
use crate::{Limits, Stage};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// PostgreSQL's SSLRequest: its length (8), and the number that stands for it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

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
        let granted = permit.used();
        let mut last = SendError::TimedOut { stage: Stage::Connecting };
        for &address in &granted.addresses {
            let tried = tokio::select! {
                biased;
                tried = self.pipe_to(address, &granted) => tried,
                () = self.world.clock.sleep(limits.connect) => Err(SendError::TimedOut { stage: Stage::Connecting }),
            };
            match tried {
                Ok(pipe) => return Ok(pipe),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn pipe_to(&self, address: SocketAddr, granted: &Granted) -> Result<Pipe, SendError> {
        let Scheme::Postgres(mode) = granted.target.scheme else {
            return Err(SendError::Request("the permit is for a partner who speaks HTTP"));
        };
        let mut plain =
            self.outside.connect(address).await.map_err(|error| SendError::Unreachable { address, error })?;
        if mode == SslMode::Disable && granted.listed {
            return Ok(Pipe { stream: plain, address, encrypted: false });
        }
        let failed = |error| SendError::Tls { address, error };
        match ask_for_tls(&mut *plain).await.map_err(failed)? {
            b'S' => {
                let stream = self.wrap(plain, address, granted, &self.database_tls).await?;
                Ok(Pipe { stream, address, encrypted: true })
            }
            b'N' if mode == SslMode::Unsaid && granted.listed => Ok(Pipe { stream: plain, address, encrypted: false }),
            b'N' => Err(failed(io::Error::other("the server speaks no TLS"))),
            _ => Err(failed(io::Error::other("the server is no PostgreSQL"))),
        }
    }
}

async fn ask_for_tls(plain: &mut dyn Stream) -> io::Result<u8> {
    plain.write_all(&SSL_REQUEST).await?;
    plain.flush().await?;
    let mut answer = [0];
    plain.read_exact(&mut answer).await?;
    Ok(answer[0])
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
