//! What is known about a connection while it lives, and the judgement on it: whether its peer still deserves it.

use crate::Settings;
use domicile_world::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters of one connection, shared by its socket, its requests and the task that runs it.
pub(crate) struct Watch {
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    /// Bytes that came in.
    read: AtomicU64,
    /// What `read` was when the last request was done with.
    read_at_rest: AtomicU64,
    requests: AtomicU64,
    /// From the end of a request's headers until its answer's body is dropped.
    in_flight: AtomicU32,
    /// A body was left unread, so the peer may still be sending.
    unread: AtomicBool,
}

impl Watch {
    pub fn new(clock: Arc<dyn Clock>, settings: Arc<Settings>) -> Self {
        Self {
            clock,
            settings,
            read: AtomicU64::new(0),
            read_at_rest: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            unread: AtomicBool::new(false),
        }
    }

    pub fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Relaxed);
    }

    /// What came in until now was no part of a request (a TLS handshake).
    pub fn rest(&self) {
        self.read_at_rest.store(self.read.load(Relaxed), Relaxed);
    }

    pub fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }
}

/// A request that is being answered.
pub(crate) struct InFlight(Arc<Watch>);

impl InFlight {
    pub fn begin(watch: &Arc<Watch>) -> Self {
        watch.requests.fetch_add(1, Relaxed);
        // A further request says that the body before it was read, or thrown away, to its end.
        watch.unread.store(false, Relaxed);
        watch.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(watch))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.rest();
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// Looks at a connection every [`Judge::period`] and says when its time is up. Off by at most one period, which costs
/// nothing per request.
pub(crate) struct Judge {
    watch: Arc<Watch>,
    http2: bool,
    requests: u64,
    /// Since when no request is in flight.
    quiet_since: Duration,
    /// Since when the beginning of a request has waited for its end.
    partial_since: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// Close it in good order.
    Idle,
    /// Cut it.
    TooSlow,
}

impl Judge {
    pub fn new(watch: Arc<Watch>, http2: bool) -> Self {
        let quiet_since = watch.clock.monotonic();
        Self { watch, http2, requests: 0, quiet_since, partial_since: None }
    }

    pub fn period(&self) -> Duration {
        let settings = &self.watch.settings;
        (settings.header_wait.min(settings.idle_wait) / 4).clamp(Duration::from_millis(5), Duration::from_secs(5))
    }

    pub fn look(&mut self) -> Verdict {
        let now = self.watch.clock.monotonic();
        let requests = self.watch.requests.load(Relaxed);
        if self.watch.in_flight.load(Relaxed) > 0 || requests != self.requests {
            self.requests = requests;
            self.quiet_since = now;
            self.partial_since = None;
            return Verdict::Fine;
        }
        // HTTP/2 peers may ping without asking anything: only the idle time counts for them.
        if !self.http2 && self.watch.read.load(Relaxed) > self.watch.read_at_rest.load(Relaxed) {
            let since = *self.partial_since.get_or_insert(now);
            if now.saturating_sub(since) >= self.watch.settings.header_wait {
                return Verdict::TooSlow;
            }
        }
        let quiet = now.saturating_sub(self.quiet_since);
        let idle = self.watch.settings.idle_wait;
        if quiet >= idle + self.watch.settings.header_wait {
            // It was told to close, and does not.
            Verdict::TooSlow
        } else if quiet >= idle {
            Verdict::Idle
        } else {
            Verdict::Fine
        }
    }
}
