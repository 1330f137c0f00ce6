//! Finished events: what is added, what survives, what is mended.

use crate::{additions, finished};
use domicile_event::{Additions, Call, field, read, text};

/// The additions to an event that has nothing of them, behind its own members.
const ADDED: &str = r#""messageId":"made-1","context":{},"integrations":{},"timestamp":"2026-11-23T14:00:00.000Z","originalTimestamp":"2026-11-23T14:00:00.000Z","receivedAt":"2026-11-23T14:00:00.000Z","version":2,"projectId":"src1""#;

/// One value of the finished event, raw; `-` if it has none.
fn part(raw: &str, add: &Additions<'_>, path: &[&str]) -> String {
    let event = finished(raw, add);
    field(event.as_bytes(), path).map_or("-".to_owned(), |raw| String::from_utf8_lossy(raw).into_owned())
}

/// A page call with these members more.
fn page(members: &str) -> String {
    format!(r#"{{"type":"page","userId":"u",{members}}}"#)
}

#[test]
fn an_event_gets_its_additions_behind_its_own_members() {
    assert_eq!(
        finished(r#"{"type":"page","userId":"u"}"#, &additions()),
        format!(r#"{{"type":"page","userId":"u",{ADDED}}}"#)
    );
    let mut out = b"before".to_vec();
    let facts = read(br#"{"userId":"u"}"#, Some(Call::Page)).ok().unwrap();
    facts.write(&mut out, &Additions { message_id: None, ..additions() });
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(r#"before{{"userId":"u","type":"page",{}}}"#, ADDED.strip_prefix(r#""messageId":"made-1","#).unwrap())
    );
}

#[test]
fn key_order_number_spelling_and_unknown_fields_survive() {
    let own = r#""z":1.50,"userId":"u" , "a":[1E5,-0.0,123456789012345678901234567890,1e999],"type":"page","properties":{"ü":"\u00fc\/","b": {"c":[]},"__proto__":{"x":1}},"name":null,"é":"\u0000💥""#;
    assert_eq!(finished(&format!("{{{own}}}"), &additions()), format!("{{{own},{ADDED}}}"));
}

#[test]
fn a_field_that_the_event_has_keeps_its_place() {
    let raw = r#"{"projectId":"theirs","receivedAt":1,"writeKey":"k","a":1,"version":"1.1","sentAt":"2026-11-23T14:00:00Z","timestamp":"2026-11-23T13:00:00Z","integrations":[],"originalTimestamp":"x","context":null,"write\u004bey":"k","type":"page","userId":5,"messageId":6,"traits":[],"properties":[ ]}"#;
    assert_eq!(
        finished(raw, &additions()),
        r#"{"projectId":"src1","receivedAt":"2026-11-23T14:00:00.000Z","a":1,"version":"1.1","sentAt":"2026-11-23T14:00:00Z","timestamp":"2026-11-23T13:00:00.000Z","integrations":{},"originalTimestamp":"2026-11-23T13:00:00Z","context":{},"type":"page","userId":"5","messageId":"6","traits":{},"properties":{}}"#
    );
}

#[test]
fn ids_become_texts() {
    let tests = [
        (r#""anonymousId":-1.5e3"#, "anonymousId", r#""-1.5e3""#),
        (r#""anonymousId":null"#, "anonymousId", "null"),
        (r#""anonymousId":"""#, "anonymousId", r#""""#),
        (r#""messageId":12345678901234567890"#, "messageId", r#""12345678901234567890""#),
        (r#""messageId":"\u0041""#, "messageId", r#""\u0041""#),
        (r#""messageId":null"#, "messageId", r#""made-1""#),
        (r#""messageId":"""#, "messageId", r#""made-1""#),
        (r#""messageId":[1]"#, "messageId", r#""made-1""#),
        // Not ids of a page call
        (r#""groupId":5"#, "groupId", "5"),
        (r#""previousId":5"#, "previousId", "5"),
    ];
    for (members, name, expected) in tests {
        assert_eq!(part(&page(members), &additions(), &[name]), expected, "{members}");
    }
    assert_eq!(part(r#"{"type":"group","userId":"u","groupId":5}"#, &additions(), &["groupId"]), r#""5""#);
    assert_eq!(part(r#"{"type":"alias","userId":"u","previousId":5}"#, &additions(), &["previousId"]), r#""5""#);
    let none = Additions { message_id: None, ..additions() };
    assert_eq!(part(&page(r#""messageId":null"#), &none, &["messageId"]), "-");
}

#[test]
fn the_path_corrects_the_type() {
    for (raw, expected) in [
        (r#"{"type":"track","userId":"u"}"#, r#"{"type":"page","userId":"u","#),
        (r#"{"type":null,"userId":"u"}"#, r#"{"type":"page","userId":"u","#),
        (r#"{"t\u0079pe":"p\u0061ge","userId":"u"}"#, r#"{"type":"page","userId":"u","#),
        (r#"{"userId":"u","a":1}"#, r#"{"userId":"u","a":1,"messageId":"made-1","type":"page","#),
    ] {
        let mut out = Vec::new();
        read(raw.as_bytes(), Some(Call::Page)).ok().unwrap().write(&mut out, &additions());
        assert!(out.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn times_are_corrected_for_the_clients_clock() {
    // Received at 14:00: the event's members, the batch's sentAt; timestamp, originalTimestamp, sentAt
    let tests = [
        // Queued for two hours by a clock that is ten minutes fast
        (
            r#""timestamp":"2026-11-23T12:10:00Z","sentAt":"2026-11-23T14:10:00Z""#,
            None,
            "12:00:00.000",
            r#""2026-11-23T12:10:00Z""#,
            r#""2026-11-23T14:10:00Z""#,
        ),
        (
            r#""timestamp":"2026-11-23T12:10:00Z""#,
            Some(r#""2026-11-23T14:10:00Z""#),
            "12:00:00.000",
            r#""2026-11-23T12:10:00Z""#,
            r#""2026-11-23T14:10:00Z""#,
        ),
        (
            r#""timestamp":"2026-11-23T12:10:00Z","sentAt":null"#,
            Some(r#""2026-11-23T14:10:00Z""#),
            "12:00:00.000",
            r#""2026-11-23T12:10:00Z""#,
            r#""2026-11-23T14:10:00Z""#,
        ),
        // The event's own sentAt wins, unless it is no time.
        (
            r#""timestamp":"2026-11-23T12:10:00Z","sentAt":"2026-11-23T14:00:00Z""#,
            Some(r#""2026-11-23T14:10:00Z""#),
            "12:10:00.000",
            r#""2026-11-23T12:10:00Z""#,
            r#""2026-11-23T14:00:00Z""#,
        ),
        (
            r#""timestamp":"2026-11-23T12:10:00Z","sentAt":"soon""#,
            Some(r#""2026-11-23T14:10:00Z""#),
            "12:00:00.000",
            r#""2026-11-23T12:10:00Z""#,
            r#""soon""#,
        ),
        // Nothing to correct with, or nothing to correct
        (
            r#""timestamp":"2026-11-23T12:10:00.123456+02:00""#,
            None,
            "10:10:00.123",
            r#""2026-11-23T12:10:00.123456+02:00""#,
            "-",
        ),
        (r#""timestamp":"2026-11-23T12:10:00Z""#, Some("null"), "12:10:00.000", r#""2026-11-23T12:10:00Z""#, "-"),
        (r#""timestamp":"2026-11-23T12:10:00Z""#, Some("17"), "12:10:00.000", r#""2026-11-23T12:10:00Z""#, "17"),
        (
            r#""a":1"#,
            Some(r#""2026-11-23T14:10:00Z""#),
            "14:00:00.000",
            r#""2026-11-23T14:00:00.000Z""#,
            r#""2026-11-23T14:10:00Z""#,
        ),
        (r#""timestamp":null,"sentAt":null"#, None, "14:00:00.000", r#""2026-11-23T14:00:00.000Z""#, "null"),
        // No time at all, kept as it came
        (r#""timestamp":"yesterday""#, None, "14:00:00.000", r#""yesterday""#, "-"),
        (r#""timestamp":1700000000000"#, None, "14:00:00.000", "1700000000000", "-"),
        (r#""timestamp":"2026-11-23T12:10:00\u005a""#, None, "12:10:00.000", r#""2026-11-23T12:10:00\u005a""#, "-"),
        // originalTimestamp stands in
        (r#""originalTimestamp":"2026-11-23T13:00:00Z""#, None, "13:00:00.000", r#""2026-11-23T13:00:00Z""#, "-"),
        (r#""originalTimestamp":null"#, None, "14:00:00.000", r#""2026-11-23T14:00:00.000Z""#, "-"),
        (
            r#""originalTimestamp":"2020-01-01","timestamp":"2026-11-23T13:00:00Z""#,
            None,
            "13:00:00.000",
            r#""2026-11-23T13:00:00Z""#,
            "-",
        ),
    ];
    for (members, sent_at, time, original, sent) in tests {
        let add = Additions { sent_at: sent_at.map(str::as_bytes), ..additions() };
        assert_eq!(part(&page(members), &add, &["timestamp"]), format!("\"2026-11-23T{time}Z\""), "{members}");
        assert_eq!(part(&page(members), &add, &["originalTimestamp"]), original, "{members}");
        assert_eq!(part(&page(members), &add, &["sentAt"]), sent, "{members}");
        assert_eq!(part(&page(members), &add, &["receivedAt"]), r#""2026-11-23T14:00:00.000Z""#, "{members}");
    }
    let far = page(r#""timestamp":"9999-12-31","sentAt":"0000-01-01""#);
    assert_eq!(part(&far, &additions(), &["timestamp"]), r#""9999-12-31T23:59:59.999Z""#);
}

#[test]
fn what_a_batch_shares_is_merged_under_the_events_own_keys() {
    // The event's own, the batch's; merged
    let tests = [
        ("-", "{}", "{}"),
        ("-", r#"{"a":1}"#, r#"{"a":1}"#),
        ("null", r#"{"a":1}"#, r#"{"a":1}"#),
        ("[]", r#"{"a":1}"#, r#"{"a":1}"#),
        ("{}", r#"{"a":1}"#, r#"{"a":1}"#),
        ("{ }", r#"{ "a" : 1 , "b" : 2 }"#, r#"{"a" : 1,"b" : 2}"#),
        (r#"{"a":1}"#, "{}", r#"{"a":1}"#),
        (r#"{"b":2}"#, r#"{"a":1}"#, r#"{"b":2,"a":1}"#),
        (r#"{"a":{"x":1},"b":2}"#, r#"{"a":{"y":2},"c":3}"#, r#"{"a":{"x":1},"b":2,"c":3}"#),
        (r#"{"a":null,"b":null}"#, r#"{"a":1}"#, r#"{"b":null,"a":1}"#),
        (r#"{"a":null}"#, r#"{"a":null}"#, r#"{"a":null}"#),
        (r#"{"a":false,"\u0062":1}"#, r#"{"\u0061":true,"b":2}"#, r#"{"a":false,"\u0062":1}"#),
        ("\"text\"", r#"{"a":1}"#, "\"text\""),
        ("[1]", r#"{"a":1}"#, "[1]"),
        // Mended on both sides
        ("{\n\"a\":1,\n\"a\":2}", "{\"b\":1,\n\"b\":\"\\ud800\"}", r#"{"a":2,"b":"\ufffd"}"#),
    ];
    for (own, shared, expected) in tests {
        for name in ["context", "integrations"] {
            let raw = if own == "-" { page(r#""x":0"#) } else { page(&format!(r#""{name}":{own}"#)) };
            let mut add = additions();
            match name {
                "context" => add.context = Some(shared.as_bytes()),
                _ => add.integrations = Some(shared.as_bytes()),
            }
            assert_eq!(part(&raw, &add, &[name]), expected, "{name} {own} over {shared}");
        }
    }
}

#[test]
fn the_address_is_put_in_where_the_event_has_none() {
    let tests = [
        ("null", "null", r#"{"ip":"203.0.113.7"}"#),
        ("{ }", "null", r#"{"ip":"203.0.113.7"}"#),
        (r#"{"a":1}"#, "null", r#"{"a":1,"ip":"203.0.113.7"}"#),
        (r#"{"a":{"ip":"x"} }"#, "null", r#"{"a":{"ip":"x"},"ip":"203.0.113.7"}"#),
        (r#"{"ip":"0.0.0.0"}"#, "null", r#"{"ip":"0.0.0.0"}"#),
        (r#"{"ip":""}"#, "null", r#"{"ip":""}"#),
        (r#"{"ip":null,"a":1}"#, "null", r#"{"a":1,"ip":"203.0.113.7"}"#),
        (r#"{"ip":null}"#, "null", r#"{"ip":"203.0.113.7"}"#),
        (r#"{"a":1}"#, r#"{"ip":"192.0.2.1"}"#, r#"{"a":1,"ip":"192.0.2.1"}"#),
        (r#"{"ip":null}"#, r#"{"ip":"192.0.2.1"}"#, r#"{"ip":"192.0.2.1"}"#),
        (r#"{"a":1}"#, r#"{"ip":null,"b":2}"#, r#"{"a":1,"b":2,"ip":"203.0.113.7"}"#),
        (r#"{"ip":null}"#, r#"{"ip":null}"#, r#"{"ip":"203.0.113.7"}"#),
        ("\"text\"", "null", "\"text\""),
    ];
    for (own, shared, expected) in tests {
        let add = Additions { ip: Some([203, 0, 113, 7].into()), context: Some(shared.as_bytes()), ..additions() };
        assert_eq!(part(&page(&format!(r#""context":{own}"#)), &add, &["context"]), expected, "{own} over {shared}");
        if shared == "null" {
            let add = Additions { context: None, ..add };
            assert_eq!(part(&page(&format!(r#""context":{own}"#)), &add, &["context"]), expected, "{own}");
        }
    }
    let add = Additions { ip: Some("2001:db8::7".parse().unwrap()), ..additions() };
    assert_eq!(part(&page(r#""x":0"#), &add, &["context", "ip"]), r#""2001:db8::7""#);
}

#[test]
fn lone_surrogates_become_replacement_characters_in_place() {
    let tests = [
        (r#""x":"\ud800""#, r#""x":"\ufffd""#),
        (r#""x":"a\uDFFFb\uD800c""#, r#""x":"a\ufffdb\ufffdc""#),
        (r#""x":"\ud83d\udca5""#, r#""x":"\ud83d\udca5""#),
        (r#""x":"\ud800\ud83d\udca5\udca5""#, r#""x":"\ufffd\ud83d\udca5\ufffd""#),
        (r#""x":"\ud800\n\\ud800""#, r#""x":"\ufffd\n\\ud800""#),
        (r#""x":"\u0041\udc00""#, r#""x":"\u0041\ufffd""#),
        (r#""\ud800":{"\udc00":["\ud800"]}"#, r#""\ufffd":{"\ufffd":["\ufffd"]}"#),
        (r#""properties":{"a":1,"\ud800":2,"\udc00":3}"#, r#""properties":{"a":1,"\ufffd":3}"#),
        (r#""anonymousId":"\ud800""#, r#""anonymousId":"\ufffd""#),
        (r#""messageId":"\ud800""#, r#""messageId":"\ufffd""#),
    ];
    for (members, expected) in tests {
        let event = finished(&page(members), &additions());
        assert!(event.starts_with(page(expected).strip_suffix('}').unwrap()), "{event}");
        serde_json::from_str::<serde_json::Value>(&event).unwrap();
    }
    let add = Additions { sent_at: Some(br#""\ud800""#), ..additions() };
    assert_eq!(part(&page(r#""timestamp":"\ud800""#), &add, &["originalTimestamp"]), r#""\ufffd""#);
    assert_eq!(part(&page(r#""x":0"#), &add, &["sentAt"]), r#""\ufffd""#);
}

#[test]
fn the_last_of_a_doubled_key_is_kept_at_every_level() {
    let tests = [
        (r#""x":1,"x":2"#, r#""x":2"#),
        (r#""x":1,"y":0,"x":2,"z":0"#, r#""y":0,"x":2,"z":0"#),
        (r#""x":1,"x":2,"x":3"#, r#""x":3"#),
        (r#""x":1,"\u0078":2"#, r#""\u0078":2"#),
        (r#""\u0078":1,"x":2"#, r#""x":2"#),
        (r#""x":{"a":1,"a":2},"y":[{"b":{"c":1,"c":[{"d":1,"d":2}]}}]"#, r#""x":{"a":2},"y":[{"b":{"c":[{"d":2}]}}]"#),
        (r#""x":{"a":"\ud800","a":1},"x":{"b":1,"b":"\ud800"}"#, r#""x":{"b":"\ufffd"}"#),
        (r#""x":{"":1,"":2,"a":{}}"#, r#""x":{"":2,"a":{}}"#),
        // The same key in other objects is another key.
        (
            r#""x":{"a":1},"y":{"a":1,"x":{"a":1}},"a":[{"a":1},{"a":2}]"#,
            r#""x":{"a":1},"y":{"a":1,"x":{"a":1}},"a":[{"a":1},{"a":2}]"#,
        ),
        (r#""__proto__":1,"__proto__":{"__proto__":2,"__proto__":3}"#, r#""__proto__":{"__proto__":3}"#),
        // Known fields
        (r#""properties":{"a":1},"properties":{"b":1}"#, r#""properties":{"b":1}"#),
        (r#""anonymousId":1,"anonymousId":2"#, r#""anonymousId":"2""#),
        (r#""writeKey":"a","x":1,"writeKey":"b""#, r#""x":1"#),
    ];
    for (members, expected) in tests {
        let event = finished(&page(members), &additions());
        assert!(event.starts_with(page(expected).strip_suffix('}').unwrap()), "{members}: {event}");
    }
    let event = finished(
        &page(
            r#""timestamp":"2020-01-01","timestamp":"2021-01-01","context":{"ip":"a"},"context":{"ip":"b","ip":"c"}"#,
        ),
        &additions(),
    );
    assert!(event.contains(r#""timestamp":"2021-01-01T00:00:00.000Z","context":{"ip":"c"}"#), "{event}");
    assert!(!event.contains("2020"), "{event}");
}

#[test]
fn an_event_is_one_line() {
    let raw = "\n{\r\n  \"type\": \"page\",\n  \"userId\": \"u\",\n\n  \"x\": [\n    1,\n    { }, {\n}\n  ],  \"y\" : \"a\\nb\"\n}\n";
    assert_eq!(
        finished(raw, &additions()),
        format!(r#"{{"type": "page","userId": "u","x": [1,{{ }}, {{}}],  "y" : "a\nb",{ADDED}}}"#)
    );
    let shared = "{\n\"a\"\n:\r1\n}";
    let add = Additions {
        context: Some(shared.as_bytes()),
        integrations: Some(b"{\n}"),
        sent_at: Some(b"[\n1]"),
        ..additions()
    };
    let event = finished(raw, &add);
    assert!(!event.contains(['\n', '\r']), "{event}");
    assert!(event.contains(r#""context":{"a":1},"integrations":{}"#) && event.contains(r#""sentAt":[1]"#), "{event}");
}

#[test]
fn an_object_of_very_many_keys_is_no_trouble() {
    // 32 KiB hold about 4,000 of the shortest keys; each of them twice, the second time in another order.
    let count = 1_500;
    let members: Vec<String> = (0..count).chain((0..count).rev()).map(|n| format!(r#""{n}":{n}"#)).collect();
    let kept: Vec<String> = (0..count).rev().map(|n| format!(r#""{n}":{n}"#)).collect();
    for (open, close) in [("", ""), (r#""x":{"#, "}"), (r#""x":[{"#, "}]")] {
        let event = finished(&page(&format!("{open}{}{close}", members.join(","))), &additions());
        assert!(
            event.starts_with(page(&format!("{open}{}{close}", kept.join(","))).strip_suffix('}').unwrap()),
            "{open}"
        );
    }
    let add = format!("{{{}}}", members.join(","));
    let add = Additions { context: Some(add.as_bytes()), ..additions() };
    let context = part(&page(&format!(r#""context":{{{}}}"#, members.join(","))), &add, &["context"]);
    assert_eq!(context, format!("{{{}}}", kept.join(",")));
}

#[test]
fn a_finished_event_can_be_read_by_field() {
    let event = br#"{"a":1,"context":{"ip":"x","library":{"name":"\u006c"}},"n":null,"e\u0073c":2,"list":[{"a":1}]}"#;
    let tests: [(&[&str], Option<&str>); 12] = [
        (
            &[],
            Some(r#"{"a":1,"context":{"ip":"x","library":{"name":"\u006c"}},"n":null,"e\u0073c":2,"list":[{"a":1}]}"#),
        ),
        (&["a"], Some("1")),
        (&["context"], Some(r#"{"ip":"x","library":{"name":"\u006c"}}"#)),
        (&["context", "ip"], Some(r#""x""#)),
        (&["context", "library", "name"], Some(r#""\u006c""#)),
        (&["n"], Some("null")),
        (&["esc"], Some("2")),
        (&["list"], Some(r#"[{"a":1}]"#)),
        (&["list", "a"], None),
        (&["a", "b"], None),
        (&["context", "missing"], None),
        (&["missing"], None),
    ];
    for (path, expected) in tests {
        assert_eq!(field(event, path), expected.map(str::as_bytes), "{path:?}");
    }
    assert_eq!(field(event, &["context", "library", "name"]).and_then(text).as_deref(), Some("l"));
    for broken in ["", "[]", "null", "{\"a\"", "{\"b\":}", "\u{feff}{\"a\":1}"] {
        assert_eq!(field(broken.as_bytes(), &["a"]), None, "{broken}");
    }
}

#[test]
fn what_the_pipeline_adds_is_escaped() {
    let add = Additions { message_id: Some("a\"\\\n\u{1}ü"), project_id: "\"", ..additions() };
    assert_eq!(part(&page(r#""x":0"#), &add, &["messageId"]), r#""a\"\\\n\u0001ü""#);
    assert_eq!(part(&page(r#""x":0"#), &add, &["projectId"]), r#""\"""#);
}
