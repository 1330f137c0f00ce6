//! The webhook: one event is the body of one POST.

use crate::destinations::Cell;
use crate::event::Event;
use crate::lines::Lines;
use crate::partner::{Batching, Outcome, Partner, Reply};
use bytes::Bytes;
use domicile_border::{Ask, Form, Place, Purpose, Released, Unmade};
use domicile_keys::hmac_sha1_hex;
use domicile_workspace::{WebhookSettings, WorkspaceId};
use domicile_world::World;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Full;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("Domicile/", env!("CARGO_PKG_VERSION")));

/// One destination's webhook, ready to send.
pub(crate) struct Webhook {
    world: World,
    lines: Lines,
    post: Post,
}

/// The form of its requests.
struct Post {
    /// Path and query; the border knows the host.
    uri: Uri,
    shared_secret: Option<String>,
}

/// What a webhook asks of the border.
pub fn ask_of(workspace: &WorkspaceId, settings: &WebhookSettings) -> Ask {
    Ask {
        workspace: workspace.clone(),
        purpose: Purpose::Webhook,
        url: settings.url.clone(),
        place: Place::Declared(settings.country),
    }
}

impl Webhook {
    pub fn new(cell: &Cell, workspace: &WorkspaceId, settings: &WebhookSettings) -> Self {
        let url: Option<Uri> = settings.url.parse().ok();
        let path = url.as_ref().and_then(Uri::path_and_query).cloned();
        let post = Post {
            // A URL that can't be read is the border's to refuse.
            uri: path.map_or(Uri::from_static("/"), Uri::from),
            shared_secret: settings.shared_secret.clone().filter(|secret| !secret.is_empty()),
        };
        let lines = Lines::new(&cell.world, &cell.border, ask_of(workspace, settings), cell.settings.limits);
        Self { world: cell.world.clone(), lines, post }
    }

    async fn post(&self, events: &[Event]) -> Reply {
        let (result, trip) = self.lines.deliver(events, &self.post).await;
        let now = self.world.clock.now();
        Reply { outcomes: events.iter().map(|_| Outcome::of(&result, now)).collect(), trips: vec![trip] }
    }
}

impl Partner for Webhook {
    fn batching(&self) -> Batching {
        Batching::ONE
    }

    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Reply> {
        self.post(events).boxed()
    }
}

impl Form for Post {
    async fn request(&self, events: &[Released]) -> Result<Request<Full<Bytes>>, Unmade> {
        let [event] = events else { return Err(Unmade("not_one_event")) };
        let mut request = Request::new(Full::new(event.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(USER_AGENT, AGENT);
        headers.insert(IDEMPOTENCY_KEY, header_of(&event.message_id));
        if let Some(secret) = &self.shared_secret {
            let signature = hmac_sha1_hex(secret.as_bytes(), &event.body);
            // 40 hexadecimal digits are a header value.
            if let Ok(signature) = HeaderValue::try_from(signature) {
                headers.insert(SIGNATURE, signature);
            }
        }
        Ok(request)
    }
}

/// A messageId as a header: what is not a visible ASCII character is percent-encoded, so that two ids never look alike.
fn header_of(message_id: &str) -> HeaderValue {
    let mut text = String::with_capacity(message_id.len());
    for byte in message_id.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    // Visible ASCII characters are a header value.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_id_is_a_header_of_its_own() {
        for (id, header) in [
            ("ajs-next-1234_x.Y", "ajs-next-1234_x.Y"),
            ("a b", "a%20b"),
            ("a%20b", "a%2520b"),
            ("a\r\nHost: evil", "a%0D%0AHost:%20evil"),
            ("é", "%C3%A9"),
            ("\0", "%00"),
        ] {
            assert_eq!(header_of(id), header);
        }
    }
}
