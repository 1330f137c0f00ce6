//! What a browser or an SDK asks for without a body: settings documents, scripts, pixels, health.
//!
//! ```text
//! input = path and query LF, then headers: name: value LF …
//! ```
//!
//! - Nothing outside of the scripts folder is read, whatever the path says: the cell's disk looks it over.
//! - Every answer is whole: a known status, JSON where it says so, and the headers without which a browser sees none of it.
//! - A settings document names the source's own point and a key that is the source's.
//! - What a pixel brings is an event that can be read, or nothing.

#![no_main]

use bytes::Bytes;
use domicile_fuzz::{BROUGHT, Cell, Input, KEY};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::Empty;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const STATUSES: [u16; 6] = [200, 204, 304, 404, 405, 503];

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let Some(mut request) = asked(input.line()) else { return };
    while !input.is_empty() {
        let line = input.line();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    let path = request.uri().path().to_owned();
    Cell::with(|cell| {
        let mut head = Request::new(Empty::new());
        (*head.method_mut(), *head.uri_mut()) = (Method::HEAD, request.uri().clone());
        *head.headers_mut() = request.headers().clone();
        let asked_head = cell.answer(head);
        assert!(cell.taken().is_none(), "asking for the headers alone is no event");
        let answer = cell.answer(request);
        assert_eq!(answer.status(), asked_head.status(), "both ask for the same");
        whole(&answer);
        if path.ends_with("/settings") && answer.status() == 200 {
            document(answer.body());
        }
        if let Some(event) = cell.taken() {
            let range = &event.envelope.items[0];
            let raw = &event.body()[range.start as usize..range.end as usize];
            assert!(domicile_event::read(raw, event.receipt.call).is_ok(), "what is kept can be read");
            assert!(cell.taken().is_none(), "a pixel is one event");
        }
    });
});

fn asked(target: &[u8]) -> Option<Request<Empty<Bytes>>> {
    Request::get(target).body(Empty::new()).ok()
}

fn whole(answer: &Response<Bytes>) {
    assert!(STATUSES.contains(&answer.status().as_u16()), "{}", answer.status());
    assert!(answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let is = |kind: &str| answer.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == kind);
    if is("application/json") && answer.status() != 304 {
        let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
        let refused = !answer.status().is_success() && body.get("ready").is_none();
        assert_eq!(refused, body["success"] == Value::Bool(false), "a refusal says so");
    }
    if is("image/gif") {
        assert!(answer.body().starts_with(b"GIF89a"));
    }
}

fn document(body: &[u8]) {
    let document: Value = serde_json::from_slice(body).expect("JSON");
    let segment = &document["integrations"]["Segment.io"];
    assert_eq!(segment["apiHost"], "127.0.0.1:7101/v1");
    assert!(segment["apiKey"] == KEY || segment["apiKey"] == BROUGHT, "a key of a source that is switched on");
}
