//! Expressions from outside: text and event in, true or false out.

mod properties;
mod rules;
mod speed;
mod texts;

use super::*;

/// What most rows are asked of.
const EVENT: &str = r#"{
    "type": "track", "event": "Order Completed", "userId": "u-1", "messageId": "m-1", "name": null,
    "all": true, "and": true, "5": "five", "3d": true, "-1": "minus",
    "properties": {
        "total": 31.50, "quantity": 3, "zero": 0, "negative": -2.5, "huge": 123456789012345678901234567890,
        "big": 1e999, "text": "31.5", "empty": "", "coupon": null, "paid": true, "refunded": false,
        "plan": "Pro Plus", "city": "Zürich", "path": "/a/b/c", "quote": "it's", "stars": "5*", "when": "2026-11-23T10:00:00Z",
        "tags": ["new", "dark-mode", 7, true, null], "none": [], "nested": [["a"], {"b": 1}],
        "sizes": [1, 2.0, 3], "object": {"a": 1, "b": [2]}, "same": {"a": 1.0, "b":[ 2 ]}, "turned": {"b": [2], "a": 1},
        "unit price": 9, "a.b": "dotted", "ключ": "key", "esc\u0061ped": "yes", "spelled": "\u0050ro", "back\\slash": 1
    },
    "context": {"library": {"name": "analytics.js", "version": "1.0"}, "ip": "203.0.113.7", "page": {"path": "/login"}},
    "traits": "none"
}"#;

fn parse(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

#[track_caller]
fn check(rows: &[(&str, bool)]) {
    for (text, expected) in rows {
        let expression = parse(text);
        assert_eq!(expression.decide(EVENT.as_bytes()), Some(*expected), "{text}");
        assert_eq!(expression.eval(EVENT.as_bytes()), *expected, "{text}");
        let printed = expression.to_string();
        assert!(parse(&printed) == expression, "{text} became {printed}");
    }
}
