//! An event on its way to a partner, and what of it decides the way.

use bytes::Bytes;
use domicile_border::Payload;
use domicile_event::{field, text};
use domicile_log::Position;
use domicile_world::Millis;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Stands for a user of the source: events with the same one keep their order. A hash, so that two users may share one;
/// that costs them time, not order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct User(u64);

/// One event that is not settled.
pub(crate) struct Event {
    pub position: Position,
    pub received_at: Millis,
    pub message_id: Arc<str>,
    /// The finished JSON object, as far as the destination's filters leave it.
    pub body: Bytes,
    /// Tries that the partner or the network answered; a refusal of the border is none.
    pub tries: u32,
    /// When the first of them began, by the monotonic clock.
    pub first_try_at: Option<Duration>,
}

impl Event {
    /// `raw`: one finished event of the event log. `left`: what the destination's filters leave of it.
    pub fn new(position: Position, received_at: Millis, raw: &[u8], left: Cow<'_, [u8]>) -> (User, Self) {
        let message_id = string_at(raw, "messageId").unwrap_or_else(|| format!("position-{position}"));
        let user = user_of(raw);
        let body = match left {
            Cow::Borrowed(raw) => Bytes::copy_from_slice(raw),
            Cow::Owned(rest) => Bytes::from(rest),
        };
        (user, Self { position, received_at, message_id: message_id.into(), body, tries: 0, first_try_at: None })
    }

    /// As the border takes it.
    pub fn payload(&self) -> Payload {
        Payload::new(Arc::clone(&self.message_id), self.body.clone())
    }
}

/// `userId`, else `anonymousId`. An event without either is alone in the world of the unknown.
pub fn user_of(raw: &[u8]) -> User {
    let mut hasher = DefaultHasher::new();
    match string_at(raw, "userId") {
        Some(user) => (0, user).hash(&mut hasher),
        None => (1, string_at(raw, "anonymousId")).hash(&mut hasher),
    }
    User(hasher.finish())
}

/// A top-level string, decoded; a number as it is spelled. Empty ones are as good as none.
fn string_at(raw: &[u8], name: &str) -> Option<String> {
    let value = field(raw, &[name])?;
    let text = match text(value) {
        Some(text) => text.into_owned(),
        None if value.first().is_some_and(|b| b.is_ascii_digit() || *b == b'-') => {
            String::from_utf8_lossy(value).into_owned()
        }
        None => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> (User, String) {
        let (user, event) = Event::new(Position(7), Millis(0), raw.as_bytes(), raw.as_bytes().into());
        (user, event.message_id.to_string())
    }

    #[test]
    fn a_user_is_the_user_id_else_the_anonymous_id_however_it_is_spelled() {
        let (user, id) = read(r#"{"messageId":"m1","userId":"ann","anonymousId":"a1"}"#);
        assert_eq!(id, "m1");
        assert_eq!(user, read(r#"{"anonymousId":"a2","userId":"\u0061nn"}"#).0);
        assert_ne!(user, read(r#"{"anonymousId":"ann"}"#).0);
        assert_eq!(read(r#"{"userId":null,"anonymousId":"a1"}"#).0, read(r#"{"userId":"","anonymousId":"a1"}"#).0);
        assert_eq!(read(r#"{"userId":12}"#).0, read(r#"{"userId":"12"}"#).0);
    }

    #[test]
    fn odd_events_still_have_a_user_and_an_id() {
        for raw in ["", "{", "[]", "{}", r#"{"messageId":5}"#, r#"{"messageId":{}}"#, r#"{"messageId":"\"#] {
            let (_, id) = read(raw);
            assert!(id == "position-7" || id == "5", "{raw}: {id}");
        }
    }
}
