//! Bodies in the SDKs' shapes are JSON and hold every event.

use domicile_testkit::{ODD_VALUES, SampleEvents, Sdk, batch_body};
use flate2::read::GzDecoder;
use http::header;
use serde_json::value::RawValue;
use std::io::Read;

#[test]
fn every_odd_value_is_json() {
    for value in ODD_VALUES {
        serde_json::from_str::<Box<RawValue>>(value).unwrap_or_else(|error| panic!("{value}: {error}"));
    }
}

#[test]
fn every_client_sends_every_event_once() {
    let events = SampleEvents::new("web", 3).batch(40);
    for sdk in Sdk::ALL {
        let mut text = String::new();
        for request in sdk.requests("euw_key", &events, "2027-01-15T08:00:00.000Z") {
            let body = if request.headers().contains_key(header::CONTENT_ENCODING) {
                let mut body = String::new();
                GzDecoder::new(&request.body()[..]).read_to_string(&mut body).unwrap();
                body
            } else {
                String::from_utf8(request.body().to_vec()).unwrap()
            };
            serde_json::from_str::<Box<RawValue>>(&body).unwrap_or_else(|error| panic!("{sdk:?}: {error}"));
            let keyed =
                request.headers().contains_key(header::AUTHORIZATION) || body.contains(r#""writeKey":"euw_key""#);
            assert!(keyed, "{sdk:?}");
            text.push_str(&body);
        }
        for event in &events {
            let id = format!(r#""messageId":"{}""#, event.message_id);
            assert_eq!(text.matches(&id).count(), 1, "{sdk:?} {id}");
        }
    }
}

#[test]
fn a_batch_without_events_is_still_a_batch() {
    assert_eq!(batch_body(&[], "now"), br#"{"batch":[],"sentAt":"now"}"#);
}
