//! A request's body, read at no less than a given pace.

use crate::watch::Watch;
use bytes::Bytes;
use domicile_world::Sleep;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A request's body. It ends with [`BodyError::TooSlow`] when the peer sends more slowly than [`crate::Settings`] allow;
/// time that the reader takes does not count against the peer. A body whose bytes are all there costs no timer.
pub struct Body {
    incoming: Incoming,
    watch: Arc<Watch>,
    bytes: u64,
    ended: bool,
    /// Monotonic time of the first wait, and the timer for the next look at the pace.
    waiting: Option<(Duration, Sleep)>,
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the request's body came too slowly")]
    TooSlow,
    #[error("the request's body broke off")]
    Broken(#[source] hyper::Error),
}

/// A body that is in memory already never fails to be read.
impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Body {
    pub(crate) fn new(incoming: Incoming, watch: Arc<Watch>) -> Self {
        let ended = incoming.is_end_stream();
        Self { incoming, watch, bytes: 0, ended, waiting: None }
    }

    /// Ready when the peer has used up its time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let settings = &self.watch.settings;
        let now = self.watch.clock.monotonic();
        let (since, timer) = self
            .waiting
            .get_or_insert_with(|| (now, self.watch.clock.sleep(settings.body_grace.min(settings.body_wait))));
        while timer.as_mut().poll(cx).is_ready() {
            let waited = self.watch.clock.monotonic().saturating_sub(*since);
            let owed = settings.body_bytes_per_second_min.saturating_mul(waited.as_secs());
            let over_grace = waited >= settings.body_grace && self.bytes < owed.max(1);
            if waited >= settings.body_wait || over_grace {
                return Poll::Ready(());
            }
            *timer = self.watch.clock.sleep(Duration::from_secs(1).min(settings.body_wait));
        }
        Poll::Pending
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.ended = self.incoming.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Broken(error)))),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_patience(cx).map(|()| Some(Err(BodyError::TooSlow))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if !self.ended {
            self.watch.leave_unread();
        }
    }
}
