//! Against serde_json, on input that nobody thought of.
//!
//! Texts are generated as JSON with all that the grammar allows (space, escapes, spellings of numbers), then damaged at
//! random. serde_json is the judge of what is JSON and of what a value is. The known differences: it refuses lone
//! surrogates only when it decodes, which reading raw does not; and a number too large for it, likewise.

use crate::additions;
use domicile_event::{Additions, Call, Context, ScanError, field, parse_time, read, scan_batch, scan_single, text};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ ]{1,2}", 1 => "[ \t\r\n]{1,3}"]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,12}",
        2 => "[ -!#-\\[\\]-~]{0,20}",
        2 => "[äß☃💥\u{7f}\u{2028}]{1,4}",
        1 => Just(r"\n".to_owned()),
        1 => Just(r#"\""#.to_owned()),
        1 => Just(r"\\".to_owned()),
        1 => Just(r"\/".to_owned()),
        1 => "\\\\u00[0-9a-fA-F]{2}",
        1 => "\\\\u[0-9a-cA-C][0-9a-fA-F]{3}",
        1 => "\\\\ud83d\\\\udca[0-9a-f]",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![4 => "-?(0|[1-9][0-9]{0,6})", 1 => "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,6}", 1 => "-?[1-9]\\.[0-9]{1,4}[eE][+-]?[0-9]{1,2}"]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\"[a-e]\"",
        3 => string(),
        4 => prop::sample::select(vec![
            "userId", "anonymousId", "messageId", "type", "event", "timestamp", "sentAt", "originalTimestamp", "receivedAt",
            "context", "integrations", "properties", "traits", "writeKey", "projectId", "version", "groupId", "previousId",
            "name", "category", "channel", "ip", "library", "direct", "batch", "write\\u004bey", "\\u0075serId",
        ]).prop_map(|name| format!("\"{name}\"")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => string(),
        2 => number(),
        1 => prop::sample::select(vec!["true", "false", "null", "[]", "{}", "\"2026-11-23T12:00:00Z\""]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec((space(), inner.clone(), space()), 0..6).prop_map(|items| {
                let items: Vec<String> = items.into_iter().map(|(before, item, behind)| before + &item + &behind).collect();
                format!("[{}]", items.join(","))
            }),
            2 => object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((space(), key(), space(), space(), value, space()), 0..7).prop_map(|members| {
        let members: Vec<String> =
            members.into_iter().map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

/// An object that keeps the rules often enough.
fn event() -> impl Strategy<Value = String> {
    (object(value()), prop::sample::select(Call::ALL.to_vec()), space()).prop_map(|(object, call, space)| {
        let comma = if object == "{}" { "" } else { "," };
        let rest = object.strip_prefix('{').unwrap();
        format!(r#"{{"type":"{0}","userId":"u","groupId":"g","event":"e",{space}"x":0{comma}{rest}"#, call.as_str())
    })
}

/// One to three bytes changed, taken out or put in.
fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![2 => prop::sample::select(b"{}[]\",:\\/u0-+.eE \n\0tfn\xff\xc3".to_vec()), 1 => any::<u8>()];
    (text, prop::collection::vec((any::<prop::sample::Index>(), 0..3, byte), 1..4)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (place, change, byte) in changes {
            match change {
                0 => bytes.insert(place.index(bytes.len() + 1), byte),
                _ if bytes.is_empty() => {}
                1 => drop(bytes.remove(place.index(bytes.len()))),
                _ => *place.get_mut(&mut bytes) = byte,
            }
        }
        bytes
    })
}

/// serde_json's judgement of a body. It reads objects by key, so a batch is judged as any object is.
fn is_json_object(body: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(body).is_ok_and(|raw| raw.get().trim_start().starts_with('{'))
}

fn agrees(body: &[u8]) {
    let expected = is_json_object(body);
    assert_eq!(scan_single(body).is_ok(), expected, "{}", String::from_utf8_lossy(body));
    match scan_batch(body) {
        Ok(_) => assert!(expected, "{}", String::from_utf8_lossy(body)),
        Err(ScanError::NotUtf8 { offset } | ScanError::Malformed { offset, .. }) => {
            assert!(offset <= body.len());
            assert!(serde_json::from_slice::<&RawValue>(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
        Err(_) => {}
    }
}

/// The finished event by other means: serde_json's value with the additions put in by the table in `enrich`.
fn expected(raw: &str, add: &Additions<'_>) -> Value {
    let facts = read(raw.as_bytes(), None).ok().unwrap();
    let own: Map<String, Value> = serde_json::from_str(raw).unwrap();
    let parse = |raw: Option<&[u8]>| raw.map_or(Value::Null, |raw| serde_json::from_slice(raw).unwrap());
    let present = |name: &str| own.get(name).filter(|value| !value.is_null());
    let spelling = |name: &str| {
        // The number as it is spelled, which a value no longer knows.
        let members: std::collections::HashMap<String, &RawValue> = serde_json::from_str(raw).unwrap();
        members[name].get().to_owned()
    };
    let time = |value: Option<&Value>| value.and_then(Value::as_str).and_then(parse_time);
    let stamp = |ms: i64| json!(domicile_event::Stamp::of(ms).as_str());
    let received_at = stamp(add.received_at);
    let mut event = own.clone();
    event.remove("writeKey");
    let ids: &[&str] = match facts.call {
        Call::Group => &["userId", "anonymousId", "messageId", "groupId"],
        Call::Alias => &["userId", "anonymousId", "messageId", "previousId"],
        _ => &["userId", "anonymousId", "messageId"],
    };
    for name in ids {
        if own.get(*name).is_some_and(Value::is_number) {
            event[*name] = json!(spelling(name));
        }
    }
    if !present("messageId").is_some_and(|id| id.is_number() || id.as_str().is_some_and(|id| !id.is_empty())) {
        event.insert("messageId".into(), json!(add.message_id.unwrap()));
    }
    let sent_at = parse(add.sent_at);
    let original = present("timestamp").or_else(|| present("originalTimestamp"));
    let sent_ms = time(own.get("sentAt")).or_else(|| time(Some(&sent_at)));
    let corrected = match (time(original), sent_ms) {
        (Some(original), Some(sent)) => add.received_at - (sent - original),
        (Some(original), None) => original,
        (None, _) => add.received_at,
    };
    event.insert("timestamp".into(), stamp(corrected));
    event.insert("originalTimestamp".into(), original.cloned().unwrap_or_else(|| received_at.clone()));
    event.insert("receivedAt".into(), received_at);
    event.insert("projectId".into(), json!(add.project_id));
    event.insert("version".into(), present("version").cloned().unwrap_or(json!(2)));
    if present("sentAt").is_none() && !sent_at.is_null() {
        event.insert("sentAt".into(), sent_at);
    }
    for name in ["properties", "traits"] {
        if own.get(name).is_some_and(|value| value.as_array().is_some_and(Vec::is_empty)) {
            event.insert(name.into(), json!({}));
        }
    }
    for (name, shared, ip) in [("context", add.context, add.ip), ("integrations", add.integrations, None)] {
        let merged = match present(name) {
            Some(value) if !value.is_object() && value.as_array().is_none_or(|list| !list.is_empty()) => value.clone(),
            value => {
                let mut merged = parse(shared).as_object().cloned().unwrap_or_default();
                for (key, value) in value.and_then(Value::as_object).into_iter().flatten() {
                    if !value.is_null() || !merged.contains_key(key) {
                        merged.insert(key.clone(), value.clone());
                    }
                }
                if let Some(ip) = ip
                    && merged.get("ip").is_none_or(Value::is_null)
                {
                    merged.insert("ip".into(), json!(ip.to_string()));
                }
                Value::Object(merged)
            }
        };
        event.insert(name.into(), merged);
    }
    Value::Object(event)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_scanner_takes_what_serde_takes(before in space(), object in object(value()), behind in space()) {
        let body = before + &object + &behind;
        prop_assert!(is_json_object(body.as_bytes()), "the generator makes JSON: {body}");
        agrees(body.as_bytes());
    }

    #[test]
    fn the_scanner_refuses_what_serde_refuses(body in damaged(object(value()))) {
        agrees(&body);
    }

    #[test]
    fn random_bytes_harm_nobody(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        agrees(&bytes);
        for call in [None, Some(Call::Page), Some(Call::Track)] {
            if let Ok(facts) = read(&bytes, call) {
                facts.write(&mut Vec::new(), &additions());
            }
        }
        Context::read(&bytes);
        field(&bytes, &["context", "ip"]);
        text(&bytes);
    }

    #[test]
    fn damaged_events_harm_nobody(bytes in damaged(event()), shared in damaged(value())) {
        let add = Additions { context: Some(&shared), integrations: Some(&shared), sent_at: Some(&shared), ..additions() };
        if let Ok(facts) = read(&bytes, None) {
            facts.write(&mut Vec::new(), &add);
        }
        Context::read(&bytes);
        field(&bytes, &["context", "ip"]);
    }

    #[test]
    fn each_item_is_found_whole(items in prop::collection::vec((space(), value(), space()), 0..8), shared in object(value())) {
        let list: Vec<String> = items.iter().map(|(before, item, behind)| format!("{before}{item}{behind}")).collect();
        let body = format!(r#"{{"batch":[{}],"context":{shared},"writeKey":"k"}}"#, list.join(","));
        let batch = scan_batch(body.as_bytes()).ok().unwrap();
        let at = |range: &std::ops::Range<u32>| &body[range.start as usize..range.end as usize];
        let found: Vec<&str> = batch.envelope.items.iter().map(at).collect();
        let expected: Vec<&str> = items.iter().map(|(_, item, _)| item.as_str()).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(batch.envelope.context.as_ref().map(at), Some(shared.as_str()));
        prop_assert_eq!(batch.write_key.as_deref(), Some("k"));
    }

    #[test]
    fn a_finished_event_is_the_sent_one_and_the_additions(
        raw in event(),
        shared in prop::option::of(object(value())),
        sent_at in prop::option::of(value()),
        ip in prop::option::of(any::<std::net::Ipv4Addr>()),
    ) {
        let add = Additions {
            context: shared.as_deref().map(str::as_bytes),
            integrations: shared.as_deref().map(str::as_bytes),
            sent_at: sent_at.as_deref().map(str::as_bytes),
            ip: ip.map(Into::into),
            ..additions()
        };
        let Ok(facts) = read(raw.as_bytes(), None) else { return Ok(()) };
        let mut out = Vec::new();
        facts.write(&mut out, &add);
        let line = String::from_utf8(out).unwrap();
        prop_assert!(!line.contains(['\n', '\r']), "{}", line);
        prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected(&raw, &add), "{}", raw);
        // Each key once: a map of the raw members is as long as their list.
        let again = read(line.as_bytes(), None).ok().unwrap();
        prop_assert_eq!(again.user_key(), facts.user_key());
        let mut twice = Vec::new();
        let settled = Additions { context: None, integrations: None, sent_at: None, ..add };
        again.write(&mut twice, &settled);
        let mut thrice = Vec::new();
        read(&twice, None).ok().unwrap().write(&mut thrice, &settled);
        prop_assert_eq!(twice.len(), thrice.len(), "what is finished stays as it is");
    }

    #[test]
    fn a_field_is_what_serde_finds(raw in event(), path in prop::collection::vec(prop::sample::select(vec!["a", "b", "context", "ip", "userId", "x"]), 0..3)) {
        let mut out = Vec::new();
        let Ok(facts) = read(raw.as_bytes(), None) else { return Ok(()) };
        facts.write(&mut out, &additions());
        let value: Value = serde_json::from_slice(&out).unwrap();
        let expected = path.iter().try_fold(&value, |value, name| value.as_object()?.get(*name));
        let found = field(&out, &path).map(|raw| serde_json::from_slice::<Value>(raw).unwrap());
        prop_assert_eq!(found.as_ref(), expected);
    }
}
