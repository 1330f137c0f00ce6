//! Bodies: what is taken, what is refused, and what is found in them.

use domicile_event::{DEPTH_MAX, EVENT_BYTES_MAX, ScanError, scan_batch, scan_single};
use std::ops::Range;

/// What a batch body is found to hold, or why it is refused, as text.
fn batch(body: &[u8]) -> String {
    let batch = match scan_batch(body) {
        Ok(batch) => batch,
        Err(error) => return error.to_string(),
    };
    let raw =
        |range: &Range<u32>| String::from_utf8_lossy(&body[range.start as usize..range.end as usize]).into_owned();
    let mut found = batch.envelope.items.iter().map(raw).collect::<Vec<_>>().join(" ");
    for (name, range) in [
        ("sentAt", &batch.envelope.sent_at),
        ("context", &batch.envelope.context),
        ("integrations", &batch.envelope.integrations),
    ] {
        if let Some(range) = range {
            found += &format!(" {name}={}", raw(range));
        }
    }
    if let Some(key) = batch.write_key {
        found += &format!(" key={key}");
    }
    found.trim().to_owned()
}

fn single(body: &[u8]) -> String {
    match scan_single(body) {
        Ok(single) => {
            assert_eq!((single.envelope.items.len(), &single.envelope.sent_at), (1, &None));
            let item = &single.envelope.items[0];
            let item = String::from_utf8_lossy(&body[item.start as usize..item.end as usize]);
            single.write_key.map_or(item.to_string(), |key| format!("{item} key={key}"))
        }
        Err(error) => error.to_string(),
    }
}

fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

#[test]
fn the_envelope_of_every_client_is_found() {
    let tests = [
        // Browser, React Native; Node; Python; Ruby
        (r#"{"writeKey":"k","batch":[{"a":1},{"b":2}],"sentAt":"t"}"#, r#"{"a":1} {"b":2} sentAt="t" key=k"#),
        (r#"{"batch":[{"a":1}],"writeKey":"k","sentAt":"t"}"#, r#"{"a":1} sentAt="t" key=k"#),
        (r#"{"sentAt": "t", "batch": [{"a": 1}, {"b": 2}]}"#, r#"{"a": 1} {"b": 2} sentAt="t""#),
        // Go sends a null context, Java a shared one and a sequence.
        (r#"{"messageId":"m","sentAt":"t","batch":[{}],"context":null}"#, r#"{} sentAt="t""#),
        (
            r#"{"batch":[{}],"sentAt":"t","context":{"library":{"name":"j"}},"sequence":1,"writeKey":"k"}"#,
            r#"{} sentAt="t" context={"library":{"name":"j"}} key=k"#,
        ),
        (r#"{"batch":[],"context":{},"integrations":{"All":true}}"#, r#"context={} integrations={"All":true}"#),
        // PHP's empty object
        (r#"{"batch":[{}],"context":[],"integrations":[ ]}"#, "{}"),
        // Node legacy, RudderStack
        (r#"{"batch":[{"sentAt":"own"}],"timestamp":"t","sentAt":"t"}"#, r#"{"sentAt":"own"} sentAt="t""#),
        ("\r\n\t {\n\"batch\" :\t[ 1 , \"two\" , null, [ ] ]\n} \r\n", r#"1 "two" null [ ]"#),
        (r#"{"batch":[{}],"sentAt":null,"writeKey":null}"#, "{}"),
        (r#"{"batch":[{}],"sentAt":1700000000000}"#, "{} sentAt=1700000000000"),
    ];
    for (body, expected) in tests {
        assert_eq!(batch(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn the_write_key_is_found_wherever_and_however_it_is_written() {
    let late =
        format!(r#"{{"batch":[{}"last"],"sentAt":"t","writeKey":"k"}}"#, r#"{"p":"xxxxxxxxxxxxxxx"},"#.repeat(20_000));
    assert!(batch(late.as_bytes()).ends_with(r#""last" sentAt="t" key=k"#));
    let tests = [
        (r#"{"batch":[],"write\u004bey":"k"}"#, "key=k"),
        (r#"{"\u0062atch":[1],"\u0073entAt":2}"#, "1 sentAt=2"),
        (r#"{"batch":[],"writeKey":"\u006b\u00e4"}"#, "key=kä"),
        (r#"{"batch":[],"writeKey":"\ud800"}"#, "key=\u{fffd}"),
        (r#"{"batch":[1,{},{"writeKey":"a"},{"writeKey":"b"}]}"#, r#"1 {} {"writeKey":"a"} {"writeKey":"b"} key=a"#),
        (r#"{"batch":[{"writeKey":null},{"write\u004bey":"b"}]}"#, r#"{"writeKey":null} {"write\u004bey":"b"} key=b"#),
        (r#"{"batch":[{"writeKey":"item"}],"writeKey":"top"}"#, r#"{"writeKey":"item"} key=top"#),
        (r#"{"writeKey":null,"batch":[{"writeKey":"item"}]}"#, r#"{"writeKey":"item"} key=item"#),
        (r#"{"writeKey":"","batch":[{"writeKey":"item"}]}"#, r#"{"writeKey":"item"} key=item"#),
        // Only an item's own key counts, and only a text.
        (r#"{"batch":[{"properties":{"writeKey":"p"}}]}"#, r#"{"properties":{"writeKey":"p"}}"#),
        (
            r#"{"batch":[[{"writeKey":"p"}]],"context":{"writeKey":"c"}}"#,
            r#"[{"writeKey":"p"}] context={"writeKey":"c"}"#,
        ),
        (r#"{"batch":[],"writeKey":12}"#, ""),
        (r#"{"batch":[],"writeKey":{"a":["b"]}}"#, ""),
    ];
    for (body, expected) in tests {
        assert_eq!(batch(body.as_bytes()), expected, "{body}");
    }
    assert_eq!(single(br#" {"a":1,"write\u004bey":"k"} "#), r#"{"a":1,"write\u004bey":"k"} key=k"#);
    assert_eq!(single(br#"{"writeKey":"a","writeKey":"b"}"#), r#"{"writeKey":"a","writeKey":"b"} key=b"#);
    assert_eq!(single(br#"{"properties":{"writeKey":"p"}}"#), r#"{"properties":{"writeKey":"p"}}"#);
}

#[test]
fn the_last_of_a_doubled_key_counts() {
    let tests = [
        (r#"{"batch":[1],"batch":[2],"writeKey":"a","writeKey":"b"}"#, "2 key=b"),
        (r#"{"batch":[],"writeKey":"a","writeKey":null}"#, ""),
        (r#"{"batch":[],"sentAt":1,"sentAt":null}"#, ""),
        (r#"{"batch":[{"writeKey":"a"}],"batch":[3]}"#, "3"),
        (r#"{"batch":[{"writeKey":"a","writeKey":"b"}]}"#, r#"{"writeKey":"a","writeKey":"b"} key=b"#),
        (r#"{"batch":[],"context":7,"context":{}}"#, "context={}"),
        (r#"{"batch":5,"batch":[4]}"#, "4"),
        (r#"{"batch":[4],"batch":null}"#, "the body has no `batch`: send {\"batch\": [event, …]}"),
    ];
    for (body, expected) in tests {
        assert_eq!(batch(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn an_envelope_of_the_wrong_shape_is_refused_with_its_place() {
    let tests: [(&str, ScanError); 13] = [
        ("{}", ScanError::NoBatch),
        (r#"{"batch":null}"#, ScanError::NoBatch),
        (r#"{"Batch":[]}"#, ScanError::NoBatch),
        (r#"{"batch":{}}"#, ScanError::BatchNotList { offset: 9 }),
        (r#"{"batch": "[]"}"#, ScanError::BatchNotList { offset: 10 }),
        ("[]", ScanError::NotObject),
        (r#"[{"batch":[]}]"#, ScanError::NotObject),
        ("null", ScanError::NotObject),
        (" \"text\" ", ScanError::NotObject),
        ("12", ScanError::NotObject),
        (r#"{"batch":[],"context":"c"}"#, ScanError::SharedNotObject { field: "context", offset: 22 }),
        (r#"{"integrations":[1],"batch":[]}"#, ScanError::SharedNotObject { field: "integrations", offset: 16 }),
        ("[] []", ScanError::Malformed { offset: 3, what: "something follows the value" }),
    ];
    for (body, expected) in tests {
        assert_eq!(scan_batch(body.as_bytes()).err(), Some(expected), "{body}");
    }
    assert_eq!(single(b"[]"), "the body is JSON, but not an object");
}

#[test]
fn what_is_shared_by_a_batch_is_no_larger_than_an_event() {
    let body = |bytes: usize| format!(r#"{{"batch":[],"context":{{"a":"{}"}}}}"#, "x".repeat(bytes - 8));
    assert!(scan_batch(body(EVENT_BYTES_MAX).as_bytes()).is_ok());
    let error = scan_batch(body(EVENT_BYTES_MAX + 1).as_bytes()).err();
    assert_eq!(error, Some(ScanError::SharedTooLarge { field: "context", bytes: EVENT_BYTES_MAX + 1 }));
}

/// The edge cases that were tried on the JSON libraries.
#[test]
fn every_edge_case_is_taken_or_refused_as_decided() {
    let taken: [&[u8]; 16] = [
        br#""\ud800""#,
        br#""\udc00\ud800\ud800x""#,
        br#"{"\ud800":1}"#,
        br#""\u0000""#,
        br#"{"messageId":"a","messageId":"b"}"#,
        b"1e999",
        b"-0.0e-999",
        b"123456789012345678901234567890",
        b"0.1000000000000000055511151231257827021181583404541015625",
        br#"{"message\u0049d":"a"}"#,
        br#"{"__proto__":{"toString":null}}"#,
        br#"{"":{"":[[],{}]}}"#,
        "\"\u{2028}\u{7f}\u{ffff}💥\"".as_bytes(),
        br#""\"\\\/\b\f\n\r\t\uD83D\udca5""#,
        b"-0",
        br#"[ true , false , null ]"#,
    ];
    for value in taken {
        let body = [br#"{"batch":["#, value, b"]}"].concat();
        assert!(scan_batch(&body).is_ok(), "{}", String::from_utf8_lossy(value));
        let body = [br#"{"value":"#, value, b"}"].concat();
        assert!(scan_single(&body).is_ok(), "{}", String::from_utf8_lossy(value));
    }
    let refused: [&[u8]; 50] = [
        b"",
        b"NaN",
        b"Infinity",
        b"-",
        b"+1",
        b"01",
        b"-01",
        b".5",
        b"1.",
        b"1.e5",
        b"1e",
        b"1e+",
        b"0x10",
        b"1 2",
        b"tru",
        b"True",
        b"nulll",
        b"undefined",
        b"'single'",
        br#"""#,
        br#""open"#,
        br#""\"#,
        br#""\x""#,
        br#""\u""#,
        br#""\u12""#,
        br#""\u12g4""#,
        br#""\ud800\u12""#,
        b"\"\0\"",
        b"\"\x1f\"",
        b"\"a\nb\"",
        b"\"12345678\tb\"",
        b"\0",
        b"\x0c1",
        b"\xa0",
        b"\"\xff\"",
        b"\"\xc3\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc0\xaf\"",
        b"\"\xf8\x88\x80\x80\x80\"",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1",
        b"[1}",
        b"{\"a\":1,}",
        b"{,}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{a:1}",
        b"{\"a\":1]",
    ];
    for value in refused {
        let body = [br#"{"batch":[{"v":"#, value, b"}]}"].concat();
        assert!(scan_batch(&body).is_err(), "{}", String::from_utf8_lossy(value));
        let body = [br#"{"other":["#, value, b", 1]}"].concat();
        assert!(scan_single(&body).is_err(), "{}", String::from_utf8_lossy(value));
    }
}

#[test]
fn nothing_may_follow_or_precede_the_object() {
    let tests = [
        ("{\"batch\":[]} x", "the body is not JSON: something follows the value at byte 13"),
        ("{\"batch\":[]}{}", "the body is not JSON: something follows the value at byte 12"),
        ("{\"batch\":[]}\0", "the body is not JSON: something follows the value at byte 12"),
        ("\u{feff}{\"batch\":[]}", "the body is not JSON: expected a value at byte 0"),
        ("", "the body is not JSON: the end comes too early at byte 0"),
        ("  ", "the body is not JSON: the end comes too early at byte 2"),
        ("/* c */{}", "the body is not JSON: expected a value at byte 0"),
    ];
    for (body, expected) in tests {
        assert_eq!(batch(body.as_bytes()), expected, "{body}");
    }
}

#[test]
fn a_body_that_is_cut_off_anywhere_is_refused() {
    let whole =
        r#"{"batch":[{"a":"ä\u00e4\ud83d\udca5","b":[1.5e3,true,null]},{"c":{"d":{}}}],"sentAt":"t","writeKey":"k"} "#;
    assert!(scan_batch(whole.as_bytes()).is_ok());
    for end in 0..whole.len() - 1 {
        assert!(scan_batch(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
        assert!(scan_single(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn nesting_is_refused_beyond_the_limit_and_harmless_at_any_depth() {
    // The body's object is one level, its list another.
    let body = |levels: usize| format!(r#"{{"batch":[{}]}}"#, nested(levels));
    assert!(scan_batch(body(DEPTH_MAX - 2).as_bytes()).is_ok());
    for levels in [DEPTH_MAX - 1, 1_000, 100_000, 5_000_000] {
        assert_eq!(
            scan_batch(body(levels).as_bytes()).err(),
            Some(ScanError::TooDeep { offset: 10 + DEPTH_MAX - 2 }),
            "{levels}"
        );
    }
    let objects = r#"{"batch":[{"writeKey":"#.to_owned() + &r#"{"a":"#.repeat(1_000);
    assert!(matches!(scan_batch(objects.as_bytes()), Err(ScanError::TooDeep { .. })));
    assert!(matches!(scan_batch(nested(1_000).as_bytes()), Err(ScanError::TooDeep { offset: DEPTH_MAX })));
    assert!(matches!(scan_single(nested(1_000).as_bytes()), Err(ScanError::TooDeep { offset: DEPTH_MAX })));
    // The same depth wherever it is reached, and open again after it is left.
    let wide = format!(
        r#"{{"batch":[{0},{0},{{"a":{1},"b":{1}}}],"context":{{"c":{1}}}}}"#,
        nested(DEPTH_MAX - 2),
        nested(DEPTH_MAX - 3)
    );
    assert!(scan_batch(wide.as_bytes()).is_ok());
    let mixed: String = (0..255).map(|_| r#"[{"a":"#).collect::<String>() + "1" + &"}]".repeat(255);
    assert!(scan_batch(format!(r#"{{"batch":[{mixed}]}}"#).as_bytes()).is_ok());
    assert!(scan_batch(format!(r#"{{"batch":[{}]}}"#, mixed.replacen("}]", "]}", 1)).as_bytes()).is_err());
}

#[test]
fn a_refusal_names_the_place_and_nothing_of_the_body() {
    let tests: [(&[u8], &str); 7] = [
        (b"{\"batch\":[{\"secret\":\"\xff\"}]}", "the body is not UTF-8: it breaks at byte 21"),
        (br#"{"batch":[{"secret" "x"}]}"#, "the body is not JSON: expected `:` at byte 20"),
        (br#"{"batch":[{"secret":"x" "y":1}]}"#, "the body is not JSON: expected `,` or `}` at byte 24"),
        (br#"{"batch":[1 "secret"]}"#, "the body is not JSON: expected `,` or `]` at byte 12"),
        (b"{\"batch\":[\"secret\x01\"]}", "the body is not JSON: a raw control character in a string at byte 17"),
        (br#"{"batch":["secret\q"]}"#, "the body is not JSON: an escape that JSON does not have at byte 17"),
        (br#"{"batch":["secret"#, "the body is not JSON: a string has no end at byte 17"),
    ];
    for (body, expected) in tests {
        assert_eq!(batch(body), expected);
    }
}

#[test]
fn a_special_character_is_seen_at_every_place_of_a_string() {
    for length in 0..40 {
        for at in 0..=length {
            let string = |special: &str| {
                format!(
                    r#"{{"batch":["{}{special}{}"]}}"#,
                    "é".repeat(at / 2) + &"x".repeat(at % 2),
                    "y".repeat(length - at)
                )
            };
            assert!(scan_batch(string("").as_bytes()).is_ok());
            assert!(scan_batch(string("\\n").as_bytes()).is_ok());
            assert!(scan_batch(string("\\u0041").as_bytes()).is_ok());
            assert!(scan_batch(string("\u{7f}\u{80}\u{ff}!").as_bytes()).is_ok());
            for bad in ["\n", "\0", "\u{1f}", "\\", "\\ ", "\""] {
                assert!(scan_batch(string(bad).as_bytes()).is_err(), "{bad:?} at {at} of {length}");
            }
        }
    }
}
