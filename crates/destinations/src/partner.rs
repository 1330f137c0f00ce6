//! The seam between the delivery, which knows nothing of any partner, and the partners, which know nothing of the log.
//!
//! ```text
//! Delivery ── events ──► Partner ──► border
//!     ▲                     │
//!     └── Reply: an outcome for each event, a trip for each request
//! ```

use crate::dead_letters::Cause;
use crate::destinations::Cell;
use crate::event::Event;
use crate::verdict::{Verdict, retry_after, verdict};
use crate::webhook::Webhook;
use domicile_border::{Answer, Granted, Line, Refusal, SendError, Stage};
use domicile_ledger::Digest;
use domicile_workspace::{Destination, DestinationKind};
use domicile_world::Millis;
use futures::future::BoxFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One destination's partner, ready to take events: all that the delivery knows of it.
///
/// `send` is called by several tasks at a time. It never waits for ever: the partner's limits hold inside. A dropped
/// future is a try of which nothing is known.
pub(crate) trait Partner: Send + Sync + 'static {
    #[allow(dead_code, reason = "the delivery sends one event at a time until it makes batches")]
    fn batching(&self) -> Batching;

    /// Sends 1..=`events_max` events, in the log's order. One outcome for each, in the same order.
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Reply>;
}

/// How many events go at once. A batch has at least one event, however long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the delivery sends one event at a time until it makes batches")]
pub(crate) struct Batching {
    pub events_max: usize,
    /// Of the events' bodies, before the border takes from them.
    pub bytes_max: usize,
    /// How long the first event waits for others.
    pub linger: Duration,
}

impl Batching {
    #[allow(dead_code, reason = "the delivery sends one event at a time until it makes batches")]
    pub const ONE: Self = Self { events_max: 1, bytes_max: usize::MAX, linger: Duration::ZERO };
}

/// What came of sending.
pub(crate) struct Reply {
    pub outcomes: Vec<Outcome>,
    pub trips: Vec<Trip>,
}

/// What came of one event.
pub(crate) enum Outcome {
    Delivered,
    /// Not for this partner, for a reason with a code like `NO_MATCHING_MAPPING`: settled as filtered.
    #[allow(dead_code, reason = "a webhook takes every event")]
    LeftOut(&'static str),
    /// The partner may take it another time, not before the wait that it asked for.
    Again(Cause, Option<Duration>),
    /// It never will.
    Dead(Cause),
    /// The border's no is about the host, or there is no border to ask: it holds for all events, and is no try of any.
    Refused(Box<Refusal>),
}

impl Outcome {
    /// Of an event that a partner gave none for: a fault of the program.
    pub fn unknown() -> Self {
        Self::Again(Cause { reason: "no_outcome".to_owned(), status: None, answer: Vec::new() }, None)
    }

    /// Of an event that was alone in its request, or shared its fate with the others.
    pub fn of(result: &Result<Answer, SendError>, now: Millis) -> Self {
        match result {
            Ok(answer) => match verdict(answer.status) {
                Verdict::Delivered => Self::Delivered,
                Verdict::Again => Self::Again(Cause::of_answer(answer), retry_after(&answer.headers, now)),
                Verdict::Dead => Self::Dead(Cause::of_answer(answer)),
            },
            Err(SendError::Refused(refusal)) if !refusal.is_failed_try() => Self::Refused(refusal.clone()),
            // A fault of the program that no further try mends.
            Err(error @ (SendError::Request(_) | SendError::Unmade(_))) => Self::Dead(Cause::of_error(error)),
            Err(error) => Self::Again(Cause::of_error(error), None),
        }
    }
}

/// One request, gone out or stopped at the border. Attempts and the ledger's `sent` entries are made of these.
pub(crate) struct Trip {
    /// Which of the events it was for, by their places among those to send.
    pub events: Vec<usize>,
    /// `None` when there was no permit.
    pub granted: Option<Arc<Granted>>,
    pub address: Option<SocketAddr>,
    pub status: Option<u16>,
    /// Why there was no status.
    pub error: Option<&'static str>,
    pub took: Duration,
    /// Of its body, when it may have reached the host, whatever came back.
    pub bytes: Option<u64>,
    /// Of what was let out of each event that the partner took.
    pub delivered: Vec<Digest>,
}

impl Trip {
    /// A request on a line that carried these events, all of which share its fate; no line when there was no permit.
    pub fn of(line: Option<&Line>, events: Vec<usize>, result: &Result<Answer, SendError>, took: Duration) -> Self {
        let sent = line.filter(|line| !line.released().is_empty() && may_have_gone_out(result));
        let is_taken = result.as_ref().is_ok_and(|answer| verdict(answer.status) == Verdict::Delivered);
        let taken = sent.filter(|_| is_taken).map_or(&[][..], Line::released);
        Self {
            events,
            granted: line.map(|line| Arc::clone(line.granted())),
            address: line.map(Line::address),
            status: result.as_ref().ok().map(|answer| answer.status.as_u16()),
            error: result.as_ref().err().map(SendError::as_str),
            took,
            bytes: sent.map(Line::body_bytes),
            delivered: taken.iter().map(|released| Digest::sha256(&released.body)).collect(),
        }
    }
}

/// Whether bytes of a request may have left: only these errors say that none have.
fn may_have_gone_out(result: &Result<Answer, SendError>) -> bool {
    !matches!(
        result,
        Err(SendError::Refused(_)
            | SendError::Unreachable { .. }
            | SendError::Tls { .. }
            | SendError::Request(_)
            | SendError::Unmade(_)
            | SendError::TimedOut { stage: Stage::Connecting })
    )
}

impl Cause {
    pub fn of_answer(answer: &Answer) -> Self {
        let status = answer.status.as_u16();
        Self { reason: format!("status_{status}"), status: Some(status), answer: answer.body.to_vec() }
    }

    pub fn of_error(error: &SendError) -> Self {
        Self { reason: error.as_str().to_owned(), status: None, answer: Vec::new() }
    }
}

/// The partner of a destination, by its kind.
pub(crate) fn partner_of(cell: &Cell, destination: &Destination) -> Arc<dyn Partner> {
    match &destination.kind {
        DestinationKind::Webhook(settings) => Arc::new(Webhook::new(cell, &destination.workspace, settings)),
    }
}
