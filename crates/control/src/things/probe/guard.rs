//! Keeps a password from being sent where others could read it.
//!
//! The client of PostgreSQL answers whatever way to sign in a server asks for, and has no switch against that. The server's
//! messages are watched on their way to it: the request for a password in clear or as MD5 never arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is told instead of the client's own error.
pub(super) const WHY: &str = "the server asks for the password in a way that others on the network can read; \
     switch TLS on, or scram-sha-256 in pg_hba.conf";
/// A message's type, its length, and the number with which those about signing in begin.
const HEAD: usize = 9;
const AUTHENTICATION: u8 = b'R';
/// Signed in, and the three messages of SCRAM.
const OK: u32 = 0;
const SASL: [u32; 3] = [10, 11, 12];

/// A connection to a server whose way to sign in is watched until it has let the client in.
pub(super) struct Guard<S> {
    stream: S,
    watch: Option<Watch>,
    refused: Refused,
}

/// Whether a guard broke its connection.
#[derive(Clone, Default)]
pub(super) struct Refused(Arc<AtomicBool>);

impl Refused {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Guard<S> {
    /// Of a connection that is encrypted nothing is watched.
    pub(super) fn new(stream: S, is_encrypted: bool) -> Self {
        Self { stream, watch: (!is_encrypted).then(Watch::default), refused: Refused::default() }
    }

    pub(super) fn refused(&self) -> Refused {
        self.refused.clone()
    }
}

/// Where in the server's messages the stream is.
#[derive(Default)]
struct Watch {
    /// The beginning of the message that is coming.
    head: Vec<u8>,
    /// Bytes of it that are still to come after the head.
    rest: usize,
}

enum Seen {
    /// Nothing that needs a decision.
    More,
    SignedIn,
    /// A request for the password itself, or for what is as good as it.
    AsksForPassword,
}

impl Watch {
    fn see(&mut self, mut bytes: &[u8]) -> Seen {
        while let Some((&byte, after)) = bytes.split_first() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.head.push(byte);
            bytes = after;
            match self.whole_head() {
                Some(Seen::More) => self.head.clear(),
                Some(seen) => return seen,
                None => {}
            }
        }
        Seen::More
    }

    /// What the head says, once it is there; then `rest` is known.
    fn whole_head(&mut self) -> Option<Seen> {
        let &[kind, a, b, c, d, ref number @ ..] = self.head.as_slice() else { return None };
        // The length counts itself and not the type.
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind != AUTHENTICATION {
            self.rest = length.saturating_sub(4);
            return Some(Seen::More);
        }
        let number = u32::from_be_bytes(number.try_into().ok()?);
        self.rest = (length + 1).saturating_sub(HEAD);
        Some(match number {
            OK => Seen::SignedIn,
            number if SASL.contains(&number) => Seen::More,
            _ => Seen::AsksForPassword,
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.refused.get() {
            return Poll::Ready(Err(io::Error::other(WHY)));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(watch) = &mut self.watch else { return read };
        match watch.see(&buf.filled()[before..]) {
            Seen::More => {}
            Seen::SignedIn => self.watch = None,
            Seen::AsksForPassword => {
                buf.set_filled(before);
                self.refused.0.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::Error::other(WHY)));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("small").to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    fn asks(number: u32, more: &[u8]) -> Vec<u8> {
        message(AUTHENTICATION, &[&number.to_be_bytes()[..], more].concat())
    }

    /// Whether the guard lets the client read all of it, in pieces of `size` bytes.
    fn passes(server: &[u8], size: usize) -> bool {
        let mut watch = Watch::default();
        for piece in server.chunks(size) {
            match watch.see(piece) {
                Seen::More => {}
                Seen::SignedIn => return true,
                Seen::AsksForPassword => return false,
            }
        }
        true
    }

    #[test]
    fn a_request_for_the_password_never_arrives_however_it_is_cut() {
        let notice = message(b'N', b"Ra notice that looks like R\0\0\0\x08\0\0\0\x03\0");
        let (clear, md5, gss) = (asks(3, b""), asks(5, b"salt"), asks(7, b""));
        let scram = [asks(10, b"SCRAM-SHA-256\0\0"), asks(11, b"r=1"), asks(12, b"v=1"), asks(0, b"")].concat();
        for size in [1, 2, 5, 9, 1_000] {
            for bad in
                [&clear, &md5, &gss, &[&notice[..], &clear].concat(), &[&scram[..scram.len() - 9], &md5].concat()]
            {
                assert!(!passes(bad, size), "{bad:?} in pieces of {size}");
            }
            for good in
                [&scram, &asks(0, b""), &notice, &message(b'E', b"SFATAL\0\0"), &b"HTTP/1.1 400 Bad\r\n\r\n".to_vec()]
            {
                assert!(passes(good, size), "{good:?} in pieces of {size}");
            }
        }
    }

    /// What a client reads through a guard of a server that sends this, through a buffer of `size` bytes.
    async fn read(server: &[u8], size: usize, is_encrypted: bool) -> (Vec<u8>, bool) {
        let (client, mut far) = tokio::io::duplex(size);
        let mut guard = Guard::new(client, is_encrypted);
        let refused = guard.refused();
        let mut got = Vec::new();
        let send = async {
            // Nobody reads on when it was refused.
            drop(far.write_all(server).await);
            drop(far);
        };
        let take = async {
            let told = guard.read_to_end(&mut got).await;
            drop(guard);
            assert_eq!(told.is_err(), refused.get());
        };
        tokio::join!(send, take);
        (got, refused.get())
    }

    #[tokio::test]
    async fn what_comes_after_the_sign_in_is_not_watched() {
        let all = [asks(0, b""), asks(3, b"")].concat();
        for size in [1, 2, 5, 9, 1_000] {
            assert_eq!(read(&all, size, false).await, (all.clone(), false), "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn the_client_reads_all_before_a_request_for_the_password_and_nothing_of_its_number() {
        let scram = asks(10, b"SCRAM-SHA-256\0\0");
        let all = [&scram[..], &asks(3, b"")].concat();
        for size in [1, 2, 5, 9] {
            let (got, refused) = read(&all, size, false).await;
            assert!(refused && all.starts_with(&got) && got.len() < all.len(), "{got:?} in pieces of {size}");
            assert_eq!(read(&all, size, true).await, (all.clone(), false), "encrypted, in pieces of {size}");
        }
    }
}
