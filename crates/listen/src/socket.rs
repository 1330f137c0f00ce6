//! A TCP connection that counts, gives back what was read ahead, cuts readers that take nothing, and closes so that
//! the last answer arrives.

use crate::watch::Watch;
use domicile_world::Sleep;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is still read and thrown away after the last answer, when a body was left unread: closing at once would make
/// the system send a reset, which takes the answer away from a client that sends its whole body before it reads.
const LINGER_BYTES_MAX: u64 = 32 * 1024 * 1024;
const LINGER_WAIT: Duration = Duration::from_secs(10);

pub(crate) struct Socket {
    tcp: TcpStream,
    /// Read from the connection already, to be given to the next reader first.
    ahead: Vec<u8>,
    ahead_at: usize,
    watch: Arc<Watch>,
    /// Runs while the peer takes nothing.
    stall: Option<Sleep>,
    linger: Option<Linger>,
}

struct Linger {
    bytes_left: u64,
    timer: Sleep,
}

impl Socket {
    pub fn new(tcp: TcpStream, ahead: Vec<u8>, watch: Arc<Watch>) -> Self {
        Self { tcp, ahead, ahead_at: 0, watch, stall: None, linger: None }
    }

    /// Passes a write's result on; an endless wait becomes an error.
    fn patient<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| self.watch.clock.sleep(self.watch.settings.write_wait));
        stall.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead_at < self.ahead.len() {
            let take = out.remaining().min(self.ahead.len() - self.ahead_at);
            out.put_slice(&self.ahead[self.ahead_at..self.ahead_at + take]);
            self.ahead_at += take;
            if self.ahead_at == self.ahead.len() {
                self.ahead = Vec::new();
                self.ahead_at = 0;
            }
            return Poll::Ready(Ok(()));
        }
        let before = out.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, out))?;
        self.watch.count_read(out.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.patient(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, parts);
        self.patient(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
            if !this.watch.has_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this
            .linger
            .get_or_insert_with(|| Linger { bytes_left: LINGER_BYTES_MAX, timer: this.watch.clock.sleep(LINGER_WAIT) });
        let mut scratch = [0; 8 * 1024];
        while linger.bytes_left > 0 && linger.timer.as_mut().poll(cx).is_pending() {
            let mut out = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut out)) {
                Ok(()) if !out.filled().is_empty() => {
                    linger.bytes_left = linger.bytes_left.saturating_sub(out.filled().len() as u64);
                }
                // The peer is done, or gone.
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
