//! What of an event goes out: made on the way out, under the newest permit, by the border itself.
//!
//! ```text
//! Payload ──► the rule's fields ──► Released ──► Form ──► request
//! ```
//!
//! - Events go out by [`crate::Line::deliver`] alone: [`crate::Line::send`] refuses a permit for them. A form knows its
//!   settings and what was released, never the payload, so that no sender forgets to send less.
//! - The request is made after the connection's permit is known, and made anew when that changes, also while it is made.

use crate::border::Border;
use crate::line::SendError;
use crate::permit::Granted;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::fmt;
use std::sync::Arc;

/// An event inside the border.
#[derive(Clone)]
pub struct Payload {
    message_id: Arc<str>,
    body: Bytes,
}

/// An event as far as the rule of its permit lets it out. Cheap to clone.
#[derive(Clone)]
pub struct Released {
    /// As it is, or its hash.
    pub message_id: String,
    /// A JSON object, byte for byte but for what the rule takes out or changes.
    pub body: Bytes,
}

/// How a partner wants events.
pub trait Form: Sync {
    /// The request that sends them all, as for [`crate::Line::send`]. It may be asked for more than once, and its time is
    /// part of `Limits::whole`.
    fn request(&self, events: &[Released]) -> impl Future<Output = Result<Request<Full<Bytes>>, Unmade>> + Send;
}

/// No request can be made of these events. A stable word says why: `connector_gone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmade(pub &'static str);

impl Payload {
    /// `body`: one finished event, a JSON object. `message_id`: what the event is told apart by.
    pub fn new(message_id: Arc<str>, body: Bytes) -> Self {
        Self { message_id, body }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.body.len())
    }
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Released({} bytes)", self.body.len())
    }
}

impl Border {
    /// What of an event the granted rule lets out.
    pub(crate) fn release(&self, granted: &Granted, payload: &Payload) -> Result<Released, SendError> {
        let Some(fields) = granted.rule.fields() else {
            return Ok(Released { message_id: payload.message_id.to_string(), body: payload.body.clone() });
        };
        let hash = |text: &str| self.identifiers().hash(granted.ask.workspace.as_str(), text);
        let body = fields.apply(&payload.body, &hash).ok_or(SendError::Request(NOT_AN_EVENT))?;
        Ok(Released { message_id: fields.text("messageId", &payload.message_id, &hash), body: body.into() })
    }
}

const NOT_AN_EVENT: &str = "it is no JSON object, so that the fields of the transfer can't be found in it";
