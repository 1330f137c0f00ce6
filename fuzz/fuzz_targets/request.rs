//! What a sender posts: any bytes as a body, plain or packed, to every event path.
//!
//! ```text
//! input = how u8 | pieces u8 | body
//! how     bits 0 to 2   1 to 6: a single event of that call; else a batch
//!         bit  3        through the ingest point and its log; else the parser alone
//!         bit  4        said to be gzip
//!         bit  5        packed before it is sent; else the bytes are sent as they are
//!         bit  6        the write key is in the header; else in the body or nowhere
//!         bit  7        the pipeline has something to add to the events
//! pieces  0: the body's length is known before; else it comes in pieces of so many bytes
//! ```
//!
//! - serde_json is the judge of what is JSON: the scanner takes no more and, up to its own limits, no less.
//! - An event that keeps the rules is written as one line of JSON with each of the customer's own fields as it was sent.
//! - 200 is given for what is in the log and nothing else, and the log holds the body as it was sent, within its limit.

#![no_main]

use bytes::Bytes;
use domicile_event::{
    Additions, BATCH_BYTES_MAX, Call, EVENT_BYTES_MAX, Envelope, ScanError, field, parse_time, read, scan_batch,
    scan_single,
};
use domicile_fuzz::{Cell, Input};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures::stream;
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::ops::Range;

/// Fields that the pipeline may change; every other one is the customer's.
const OURS: [&str; 17] = [
    "anonymousId",
    "context",
    "groupId",
    "integrations",
    "messageId",
    "originalTimestamp",
    "previousId",
    "projectId",
    "properties",
    "receivedAt",
    "sentAt",
    "timestamp",
    "traits",
    "type",
    "userId",
    "version",
    "writeKey",
];

/// Names [`domicile_fuzz::KEY`].
const BASIC: &str = "Basic dXN3X3dlYjo=";

#[derive(Clone, Copy)]
struct How {
    /// `None` for a batch.
    call: Option<Call>,
    gzip: bool,
    packed: bool,
    key: bool,
    adds: bool,
    piece: usize,
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let bit = |n: u8| how & (1 << n) != 0;
    let asked = How {
        call: Call::from_byte(how & 7),
        gzip: bit(4),
        packed: bit(5),
        key: bit(6),
        adds: bit(7),
        piece: usize::from(input.byte()),
    };
    let body = input.rest();
    if bit(3) {
        Cell::with(|cell| post(cell, asked, body));
    } else if let Some(envelope) = scanned(body, asked.call) {
        finished(body, &envelope, asked);
    }
});

impl How {
    fn bytes_max(self) -> usize {
        if self.call.is_some() { EVENT_BYTES_MAX } else { BATCH_BYTES_MAX }
    }

    fn path(self) -> String {
        self.call.map_or("/v1/batch".to_owned(), |call| format!("/v1/{}", call.as_str()))
    }
}

/// The scanner's answer, once serde_json agrees with it.
fn scanned(body: &[u8], call: Option<Call>) -> Option<Envelope> {
    let scanned = match call {
        None => scan_batch(body).map(|batch| batch.envelope),
        Some(_) => scan_single(body).map(|single| single.envelope),
    };
    let judged = serde_json::from_slice::<&RawValue>(body).ok();
    match scanned {
        Ok(envelope) => {
            assert!(judged.is_some_and(|raw| raw.get().trim_ascii_start().starts_with('{')), "what is taken is JSON");
            for range in &envelope.items {
                assert!(serde_json::from_slice::<&RawValue>(at(body, range)).is_ok(), "an item is a whole value");
            }
            Some(envelope)
        }
        Err(ScanError::NotUtf8 { offset } | ScanError::Malformed { offset, .. }) => {
            assert!(judged.is_none() && offset <= body.len(), "what is refused as no JSON is none");
            None
        }
        // JSON up to there, and refused for what it says.
        Err(_) => None,
    }
}

/// Makes the finished events as process does, and looks at each.
fn finished(body: &[u8], envelope: &Envelope, how: How) {
    let shared = |range: &Option<Range<u32>>| range.as_ref().filter(|_| how.adds).map(|range| at(body, range));
    let add = Additions {
        received_at: parse_time("2027-01-15T08:00:00Z").expect("a time"),
        sent_at: shared(&envelope.sent_at),
        context: shared(&envelope.context),
        integrations: shared(&envelope.integrations),
        ip: how.adds.then_some([203, 0, 113, 7].into()),
        message_id: how.adds.then_some("made-1"),
        project_id: "source1",
    };
    for range in &envelope.items {
        let raw = at(body, range);
        let Ok(facts) = read(raw, how.call) else { continue };
        let mut line = Vec::new();
        facts.write(&mut line, &add);
        assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')), "an event is one line");
        assert!(serde_json::from_slice::<&RawValue>(&line).is_ok(), "an event is JSON");
        if line.len() <= EVENT_BYTES_MAX {
            let again = read(&line, how.call).expect("what is finished keeps the rules");
            assert_eq!(again.user_key(), facts.user_key(), "whose it is stays");
        }
        let Some(event) = value_of(&line) else { continue };
        for (name, value) in event.as_object().expect("an object") {
            let first = field(&line, &[name]).and_then(value_of);
            assert_eq!(first.as_ref(), Some(value), "each key is there once");
        }
        // With a lone surrogate, serde_json takes what was sent for no value at all.
        let Ok(Value::Object(sent)) = serde_json::from_slice(raw) else { continue };
        for (name, value) in sent.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
            assert_eq!(event.get(name), Some(value), "the customer's own is kept");
        }
    }
}

/// Sends it through the ingest point: what is answered, and what the log then has.
fn post(cell: &mut Cell, how: How, sent: &[u8]) {
    let wire = if how.packed { gzip(sent) } else { sent.to_vec() };
    let mut request = Request::post(how.path());
    if how.gzip {
        request = request.header(header::CONTENT_ENCODING, "gzip");
    }
    if how.key {
        request = request.header(header::AUTHORIZATION, BASIC);
    }
    let body = if how.gzip { gunzip(&wire, how.bytes_max()) } else { Some(wire.clone()) };
    let answer = if how.piece == 0 {
        cell.answer(request.body(Full::new(Bytes::from(wire))).expect("a request"))
    } else {
        let pieces: Vec<_> = wire.chunks(how.piece).map(frame).collect();
        cell.answer(request.body(StreamBody::new(stream::iter(pieces))).expect("a request"))
    };
    let envelope =
        body.as_deref().filter(|body| body.len() <= how.bytes_max()).and_then(|body| scanned(body, how.call));
    if answer.status() != 200 {
        refused(&answer);
        assert!(cell.taken().is_none(), "nothing of a refused request is kept");
        if let (Some(body), Some(envelope), true) = (&body, &envelope, how.key) {
            let valid = how.call.is_none() || read(at(body, &envelope.items[0]), how.call).is_ok();
            assert!(!valid, "a request that keeps the rules is taken");
        }
        return;
    }
    assert_eq!(answer.body(), r#"{"success":true}"#);
    let (body, envelope) = (body.expect("it unpacks"), envelope.expect("it is within the limits"));
    if !envelope.items.is_empty() {
        let taken = cell.taken().expect("200 is given for what is on disk");
        assert!(taken.body() == body && taken.envelope == envelope, "as it was sent");
        assert_eq!(taken.span.events(), envelope.items.len() as u64);
        assert_eq!(taken.receipt.call, how.call);
        finished(taken.body(), &taken.envelope, how);
    }
    assert!(cell.taken().is_none(), "a request is there once");
}

fn refused(answer: &Response<Bytes>) {
    assert!(answer.status().is_client_error(), "{}", answer.status());
    let said: Value = serde_json::from_slice(answer.body()).expect("a refusal is JSON");
    assert_eq!(said["success"], Value::Bool(false));
    assert!(said["code"].is_string() && said["message"].is_string());
}

fn frame(piece: &[u8]) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::copy_from_slice(piece)))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a vector takes all bytes")
}

/// By the other way round than the product's: it reads where that writes.
fn gunzip(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).take(limit as u64 + 1).read_to_end(&mut out).ok()?;
    Some(out)
}

fn at<'a>(body: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    &body[range.start as usize..range.end as usize]
}

/// The value of a piece of a finished event; `None` where serde_json gives up on a number's size or on depth.
fn value_of(raw: &[u8]) -> Option<Value> {
    let read = serde_json::from_slice(raw);
    read.inspect_err(|error| {
        let text = error.to_string();
        assert!(text.starts_with("number out of range") || text.starts_with("recursion limit"), "{text}");
    })
    .ok()
}
