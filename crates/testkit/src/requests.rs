//! Requests in the forms that the SDKs were seen to send: path, place of the write key, content type, compression and
//! envelope. For tests that want the shape without the client; the real clients are tried in `e2e/sdks`.

use crate::SampleEvent;
use base64::Engine;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Method, Request, header};
use std::io::Write;

/// A client whose form a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// analytics-next from 1.84 on: one request an event, `text/plain`, key in both places.
    Browser,
    /// analytics-next before: the key in the body only.
    BrowserOld,
    /// analytics-next with `deliveryStrategy: batching`: the key at the top and in each item.
    BrowserBatching,
    Node,
    /// analytics-python 2.4; nulls for absent fields.
    Python,
    PythonGzip,
    /// Context for all items on the envelope, the key only in Authorization.
    Go,
    /// `/v1/import/` with the closing slash.
    Java,
    /// Always gzip, `text/plain`, the key after the batch.
    Kotlin,
    /// Always gzip, no content type at all.
    CSharp,
    /// RudderStack's Node client: gzip under a form's content type.
    Rudder,
}

impl Sdk {
    pub const ALL: [Self; 11] = [
        Self::Browser,
        Self::BrowserOld,
        Self::BrowserBatching,
        Self::Node,
        Self::Python,
        Self::PythonGzip,
        Self::Go,
        Self::Java,
        Self::Kotlin,
        Self::CSharp,
        Self::Rudder,
    ];

    /// The requests that carry `events`, in order. `sent_at` is an ISO 8601 time.
    pub fn requests(self, key: &str, events: &[SampleEvent], sent_at: &str) -> Vec<Request<Bytes>> {
        match self {
            Self::Browser | Self::BrowserOld => events.iter().map(|event| self.single(key, event, sent_at)).collect(),
            _ => vec![self.batch(key, events, sent_at)],
        }
    }

    fn single(self, key: &str, event: &SampleEvent, sent_at: &str) -> Request<Bytes> {
        let letter = &event.call.as_str()[..1];
        let body = event.json.strip_suffix('}').unwrap_or(&event.json);
        let body =
            format!(r#"{body},"writeKey":"{key}","sentAt":"{sent_at}","_metadata":{{"bundled":["Segment.io"]}}}}"#);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v1/{letter}"))
            .header(header::CONTENT_TYPE, "text/plain")
            .header(header::ORIGIN, "https://www.example.com");
        let request = if self == Self::Browser { request.header(header::AUTHORIZATION, basic(key)) } else { request };
        finish(request, body.into_bytes())
    }

    fn batch(self, key: &str, events: &[SampleEvent], sent_at: &str) -> Request<Bytes> {
        let items = items(events);
        let path = match self {
            Self::Java => "/v1/import/",
            Self::BrowserBatching | Self::Kotlin | Self::CSharp => "/v1/b",
            _ => "/v1/batch",
        };
        let body = match self {
            Self::BrowserBatching => {
                let keyed = |event: &SampleEvent| {
                    let rest = event.json.strip_prefix('{').unwrap_or(&event.json);
                    format!(r#"{{"writeKey":"{key}",{rest}"#)
                };
                let items = events.iter().map(keyed).collect::<Vec<_>>().join(",");
                format!(r#"{{"writeKey":"{key}","batch":[{items}],"sentAt":"{sent_at}"}}"#)
            }
            Self::Node => format!(r#"{{"batch":[{items}],"writeKey":"{key}","sentAt":"{sent_at}"}}"#),
            Self::Go => {
                let library = r#"{"library":{"name":"analytics-go","version":"3.0.0"}}"#;
                format!(r#"{{"messageId":"batch-1","sentAt":"{sent_at}","batch":[{items}],"context":{library}}}"#)
            }
            Self::Java => {
                let library = r#"{"library":{"name":"analytics-java","version":"3.5.4"}}"#;
                format!(
                    r#"{{"batch":[{items}],"sentAt":"{sent_at}","context":{library},"sequence":1,"writeKey":"{key}"}}"#
                )
            }
            Self::Rudder => {
                format!(r#"{{"batch":[{items}],"timestamp":"{sent_at}","sentAt":"{sent_at}"}}"#)
            }
            _ => format!(r#"{{"batch":[{items}],"sentAt":"{sent_at}","writeKey":"{key}"}}"#),
        };
        let content_type = match self {
            Self::CSharp => None,
            Self::BrowserBatching | Self::Kotlin => Some("text/plain"),
            Self::Java => Some("application/json; charset=UTF-8"),
            Self::Rudder => Some("application/x-www-form-urlencoded"),
            _ => Some("application/json"),
        };
        let in_header = !matches!(self, Self::Kotlin | Self::CSharp);
        let gzip = matches!(self, Self::PythonGzip | Self::Kotlin | Self::CSharp | Self::Rudder);

        let mut request = Request::builder().method(Method::POST).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if in_header {
            request = request.header(header::AUTHORIZATION, basic(key));
        }
        if gzip {
            return finish(request.header(header::CONTENT_ENCODING, "gzip"), gzipped(body.as_bytes()));
        }
        finish(request, body.into_bytes())
    }
}

/// A batch's body without a key: `{"batch":[…],"sentAt":…}`.
pub fn batch_body(events: &[SampleEvent], sent_at: &str) -> Vec<u8> {
    format!(r#"{{"batch":[{}],"sentAt":"{sent_at}"}}"#, items(events)).into_bytes()
}

fn items(events: &[SampleEvent]) -> String {
    events.iter().map(|event| event.json.as_str()).collect::<Vec<_>>().join(",")
}

fn basic(key: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{key}:")))
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

fn finish(request: http::request::Builder, body: Vec<u8>) -> Request<Bytes> {
    request.body(Bytes::from(body)).expect("the parts of a request that this file writes are well formed")
}
