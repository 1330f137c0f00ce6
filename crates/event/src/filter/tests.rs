//! Filters from outside: what was sent, an event, what is left of it.

use super::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

type Fields = BTreeMap<String, Vec<String>>;

fn fields(rows: &[(&str, &[&str])]) -> Fields {
    rows.iter()
        .map(|(parent, names)| ((*parent).to_owned(), names.iter().map(|&name| name.to_owned()).collect()))
        .collect()
}

fn filter(condition: &str, drafts: &[Draft<'_>]) -> Filter {
    Filter::check(condition, drafts).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn cutting(kind: &str, rows: &[(&str, &[&str])]) -> Filter {
    filter("all", &[Draft { kind, fields: Some(&fields(rows)), ..Draft::default() }])
}

fn sampling(condition: &str, percent: f64, path: Option<&str>) -> Filter {
    filter(condition, &[Draft { kind: "SAMPLE", percent: Some(percent), path, ..Draft::default() }])
}

fn dropping(condition: &str) -> Filter {
    filter(condition, &[Draft { kind: "DROP", ..Draft::default() }])
}

/// The event that is left, or why there is none.
fn left(filters: &[Filter], event: &str) -> String {
    match apply(filters, event.as_bytes()) {
        Outcome::Kept(event) => String::from_utf8(event.into_owned()).unwrap(),
        Outcome::Dropped { filter, why } => format!("{filter} {why:?}"),
    }
}

#[test]
fn a_drop_drops_what_its_condition_holds_for() {
    for (condition, event, expected) in [
        ("all", r#"{"a":1}"#, "0 Dropped"),
        ("a = 1", r#"{"a":1}"#, "0 Dropped"),
        ("a = 2", r#"{"a":1}"#, r#"{"a":1}"#),
        ("!(a = 1)", r#"{"a":1}"#, r#"{"a":1}"#),
        ("!(a = 1)", r#"{"a":2}"#, "0 Dropped"),
        ("a = 2", "not json", "0 Unreadable"),
        ("a = 2", r#"{"b" 1}"#, "0 Unreadable"),
    ] {
        assert_eq!(left(&[dropping(condition)], event), expected, "{condition} {event}");
    }
}

#[test]
fn properties_go_with_their_commas_and_nothing_else_moves() {
    let event = r#"{ "userId":"u", "properties" : {"a":1.50, "b": [ 1,2 ],"c":{"a":1}}, "context":{"ip":"x","os":{"name":"y"}},"products":[{"a":1,"b":2}, 5,[{"a":1}],{"a":3}] }"#;
    for (kind, rows, expected) in [
        ("DROP_PROPERTIES", fields(&[("properties", &["a"])]), event.replace(r#""a":1.50, "#, "")),
        ("DROP_PROPERTIES", fields(&[("properties", &["b"])]), event.replace(r#""b": [ 1,2 ],"#, "")),
        ("DROP_PROPERTIES", fields(&[("properties", &["c"])]), event.replace(r#","c":{"a":1}"#, "")),
        ("DROP_PROPERTIES", fields(&[("properties", &["b", "c"])]), event.replace(r#", "b": [ 1,2 ],"c":{"a":1}"#, "")),
        (
            "DROP_PROPERTIES",
            fields(&[("properties", &["c", "a"])]),
            event.replace(r#"{"a":1.50, "b": [ 1,2 ],"c":{"a":1}}"#, r#"{"b": [ 1,2 ]}"#),
        ),
        (
            "DROP_PROPERTIES",
            fields(&[("properties", &["a", "b", "c"])]),
            event.replace(r#"{"a":1.50, "b": [ 1,2 ],"c":{"a":1}}"#, "{}"),
        ),
        ("DROP_PROPERTIES", fields(&[("properties.c", &["a"])]), event.replace(r#""c":{"a":1}"#, r#""c":{}"#)),
        ("DROP_PROPERTIES", fields(&[("", &["userId"])]), event.replace(r#""userId":"u", "#, "")),
        (
            "DROP_PROPERTIES",
            fields(&[("", &["userId"]), ("context", &["ip"])]),
            event.replace(r#""userId":"u", "#, "").replace(r#""ip":"x","#, ""),
        ),
        (
            "DROP_PROPERTIES",
            fields(&[("context.os", &["name"]), ("context", &["ip"])]),
            event.replace(r#""ip":"x","os":{"name":"y"}"#, r#""os":{}"#),
        ),
        (
            "DROP_PROPERTIES",
            fields(&[("products", &["a"])]),
            event.replace(r#"{"a":1,"b":2}, 5,[{"a":1}],{"a":3}"#, r#"{"b":2}, 5,[{"a":1}],{}"#),
        ),
        (
            "DROP_PROPERTIES",
            fields(&[("properties", &["x"]), ("traits", &["a"]), ("userId", &["a"]), ("products.x", &["a"])]),
            event.to_owned(),
        ),
        ("DROP_PROPERTIES", fields(&[("properties", &["c.a"])]), event.to_owned()),
        (
            "ALLOW_PROPERTIES",
            fields(&[("properties", &["b"])]),
            event.replace(r#"{"a":1.50, "b": [ 1,2 ],"c":{"a":1}}"#, r#"{"b": [ 1,2 ]}"#),
        ),
        ("ALLOW_PROPERTIES", fields(&[("properties", &["a", "c"])]), event.replace(r#" "b": [ 1,2 ],"#, r#" "#)),
        (
            "ALLOW_PROPERTIES",
            fields(&[("properties", &[])]),
            event.replace(r#"{"a":1.50, "b": [ 1,2 ],"c":{"a":1}}"#, "{}"),
        ),
        ("ALLOW_PROPERTIES", fields(&[("properties", &["a", "b", "c", "d"])]), event.to_owned()),
        ("ALLOW_PROPERTIES", fields(&[("context.os", &["version"])]), event.replace(r#""name":"y""#, "")),
        (
            "ALLOW_PROPERTIES",
            fields(&[("products", &["b"])]),
            event.replace(r#"{"a":1,"b":2}, 5,[{"a":1}],{"a":3}"#, r#"{"b":2}, 5,[{"a":1}],{}"#),
        ),
        ("ALLOW_PROPERTIES", fields(&[("", &["userId"])]), r#"{ "userId":"u" }"#.to_owned()),
        ("blocklist_fields", fields(&[("", &["properties", "context", "products"])]), r#"{ "userId":"u" }"#.to_owned()),
        ("whitelist_fields", fields(&[("", &["nothing"])]), "{  }".to_owned()),
    ] {
        let filter = filter("all", &[Draft { kind, fields: Some(&rows), ..Draft::default() }]);
        assert_eq!(left(&[filter], event), expected, "{kind} {rows:?}");
    }
}

#[test]
fn names_may_be_escaped_on_either_side() {
    let event = r#"{"unit price":{"a.b":1,"c d":2},"a.b":{"\u0063":3,"d":4},"x":{"y\\":5}}"#;
    for (rows, expected) in [
        (fields(&[("unit price", &["a.b"])]), event.replace(r#""a.b":1,"#, "")),
        (fields(&[(r"unit\ price", &[r"a\.b", r"c\ d"])]), event.replace(r#""a.b":1,"c d":2"#, "")),
        (fields(&[(r"a\.b", &["c"])]), event.replace(r#""\u0063":3,"#, "")),
        (fields(&[("a.b", &["c"])]), event.to_owned()),
        (fields(&[("x", &[r"y\\"])]), event.replace(r#""y\\":5"#, "")),
    ] {
        let filter = filter("all", &[Draft { kind: "DROP_PROPERTIES", fields: Some(&rows), ..Draft::default() }]);
        assert_eq!(left(&[filter], event), expected, "{rows:?}");
    }
}

#[test]
fn every_double_of_a_named_key_goes() {
    let filter = cutting("DROP_PROPERTIES", &[("properties", &["a"])]);
    let event = r#"{"properties":{"a":1,"b":2,"\u0061":3},"properties":{"a":4}}"#;
    assert_eq!(left(std::slice::from_ref(&filter), event), r#"{"properties":{"b":2},"properties":{}}"#);
    // A payload that is tried is mended first, as an event is.
    assert_eq!(preview(&filter, event.as_bytes()).unwrap(), br#"{"properties":{}}"#);
}

#[test]
fn several_filters_decide_on_the_event_as_it_came() {
    let event = r#"{"plan":"pro","properties":{"a":1,"b":2,"c":3}}"#;
    let cut_plan = cutting("DROP_PROPERTIES", &[("", &["plan"])]);
    let by_plan = filter(
        "plan = 'pro'",
        &[Draft {
            kind: "ALLOW_PROPERTIES",
            fields: Some(&fields(&[("properties", &["b", "c"])])),
            ..Draft::default()
        }],
    );
    let drop_c = cutting("DROP_PROPERTIES", &[("properties", &["c"])]);
    let mut filters = vec![cut_plan, by_plan, drop_c, dropping("plan = null")];
    for _ in 0..filters.len() {
        assert_eq!(left(&filters, event), r#"{"properties":{"b":2}}"#);
        filters.rotate_left(1);
    }
    filters.push(dropping("properties.a = 1"));
    assert_eq!(left(&filters, event), "4 Dropped");
    // Two lists of what may stay: what both allow.
    let allow = |names: &[&str]| cutting("ALLOW_PROPERTIES", &[("properties", names)]);
    assert_eq!(left(&[allow(&["a", "b"]), allow(&["b", "c"])], event), r#"{"plan":"pro","properties":{"b":2}}"#);
    assert_eq!(left(&[], event), event);
    assert_eq!(left(&[Filter::closed()], event), "0 Dropped");
}

#[test]
fn a_sample_takes_its_share_and_takes_the_same_again() {
    let events: Vec<String> =
        (0..20_000).map(|at| format!(r#"{{"messageId":"m-{at}","userId":"u-{}","n":{}}}"#, at / 10, at % 2)).collect();
    let taken = |filter: &Filter| -> Vec<bool> {
        events.iter().map(|event| matches!(apply([filter], event.as_bytes()), Outcome::Kept(_))).collect()
    };
    let count = |taken: &[bool]| taken.iter().filter(|taken| **taken).count();
    assert_eq!(count(&taken(&sampling("all", 0.0, None))), 0);
    assert_eq!(count(&taken(&sampling("all", 1.0, None))), events.len());
    let by_message = taken(&sampling("all", 0.25, None));
    assert!((4_700..5_300).contains(&count(&by_message)), "{}", count(&by_message));
    assert_eq!(by_message, taken(&sampling("all", 0.25, Some("messageId"))));
    let by_user = taken(&sampling("all", 0.25, Some("userId")));
    assert!((4_400..5_600).contains(&count(&by_user)), "{}", count(&by_user));
    assert!(by_user.chunks(10).all(|user| user.iter().all(|taken| *taken == user[0])));
    // Who is in a small sample is in a larger one too.
    let more = taken(&sampling("all", 0.5, Some("userId")));
    assert!(by_user.iter().zip(&more).all(|(few, many)| !few || *many));
    // Only what the condition holds for is sampled.
    assert!((9_900..=10_000).contains(&count(&taken(&sampling("n = 1", 0.0, None)))));
}

#[test]
fn a_sample_hashes_what_a_value_says_not_how_it_is_spelled() {
    // The MD5 of `null` begins 37a6259c, and so does that of a field that is not there.
    for (event, places) in [
        (r#"{"userId":"u-1"}"#, place_of("\"u-1\"")),
        (r#"{"userId":"\u0075-1"}"#, place_of("\"u-1\"")),
        (r#"{"userId":7}"#, place_of("7")),
        (r#"{"userId":7.0}"#, place_of("7")),
        (r#"{"userId":[1, {"a" :2}]}"#, place_of(r#"[1,{"a":2}]"#)),
        (r#"{"userId":null}"#, 0x37a6_259c as f64 / 2f64.powi(32)),
        ("{}", 0x37a6_259c as f64 / 2f64.powi(32)),
    ] {
        for (percent, taken) in [(places - 0.001, false), (places + 0.001, true)] {
            let kept = matches!(apply([&sampling("all", percent, Some("userId"))], event.as_bytes()), Outcome::Kept(_));
            assert_eq!(kept, taken, "{event} {percent}");
        }
    }
}

fn place_of(json: &str) -> f64 {
    use md5::{Digest, Md5};
    let hash = Md5::digest(json.as_bytes());
    hash.iter().take(8).fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte)) / 2f64.powi(64)
}

#[test]
fn errors_name_the_field_as_the_api_spells_it() {
    let good = fields(&[("properties", &["a"])]);
    let none = Fields::new();
    let draft = |kind| Draft { kind, ..Draft::default() };
    let rows: Vec<(&str, Vec<Draft<'_>>, Vec<&str>)> = vec![
        ("all", vec![], vec!["actions"]),
        ("type ==", vec![], vec!["if", "actions"]),
        ("all", vec![draft("KEEP")], vec!["actions.0.type"]),
        ("all", vec![draft("")], vec!["actions.0.type"]),
        ("all", vec![draft("SAMPLE")], vec!["actions.0.percent"]),
        ("all", vec![Draft { percent: Some(25.0), ..draft("SAMPLE") }], vec!["actions.0.percent"]),
        ("all", vec![Draft { percent: Some(-0.1), ..draft("SAMPLE") }], vec!["actions.0.percent"]),
        ("all", vec![Draft { percent: Some(f64::NAN), ..draft("SAMPLE") }], vec!["actions.0.percent"]),
        ("all", vec![Draft { percent: Some(0.5), path: Some("a..b"), ..draft("SAMPLE") }], vec!["actions.0.path"]),
        ("all", vec![Draft { percent: Some(0.5), path: Some(""), ..draft("SAMPLE") }], vec!["actions.0.path"]),
        ("all", vec![Draft { percent: Some(0.5), path: Some("a\\"), ..draft("SAMPLE") }], vec!["actions.0.path"]),
        ("all", vec![Draft { percent: Some(0.5), fields: Some(&good), ..draft("SAMPLE") }], vec!["actions.0.fields"]),
        ("all", vec![Draft { percent: Some(0.5), ..draft("DROP") }], vec!["actions.0.percent"]),
        (
            "all",
            vec![Draft { path: Some("a"), ..draft("DROP_PROPERTIES") }],
            vec!["actions.0.fields", "actions.0.path"],
        ),
        ("all", vec![draft("DROP"), draft("ALLOW_PROPERTIES")], vec!["actions.1.fields"]),
        ("all", vec![Draft { fields: Some(&none), ..draft("ALLOW_PROPERTIES") }], vec!["actions.0.fields"]),
        ("all", vec![draft("DROP"); check::ACTIONS_MAX + 1], vec!["actions"]),
    ];
    for (condition, drafts, expected) in rows {
        let Err(errors) = Filter::check(condition, &drafts) else { panic!("{expected:?}") };
        let named: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(named, expected);
        assert!(errors.iter().all(|error| !error.what.is_empty() && !error.mend.is_empty()));
        assert!(errors.iter().all(|error| error.column.is_some() == (error.field == "if")));
    }
    for (names, expected) in [
        (fields(&[("properties", &[])]), "actions.0.fields.properties"),
        (fields(&[("properties", &[""])]), "actions.0.fields.properties"),
        (fields(&[("a..b", &["x"])]), "actions.0.fields.a..b"),
        (fields(&[("", &["x\\"])]), "actions.0.fields."),
        (BTreeMap::from([("p".to_owned(), vec!["x".to_owned(); check::FIELDS_MAX + 1])]), "actions.0.fields.p"),
        ((0..=check::FIELDS_MAX).map(|at| (format!("p{at}"), vec!["x".to_owned()])).collect(), "actions.0.fields"),
    ] {
        let Err(errors) = Filter::check("all", &[Draft { fields: Some(&names), ..draft("DROP_PROPERTIES") }]) else {
            panic!("{expected}")
        };
        assert_eq!(errors.iter().map(|error| &*error.field).collect::<Vec<_>>(), [expected]);
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), "[a\"\\\\{},é]{0,6}".prop_map(Value::from)];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d\"]", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The definition over a tree of values.
fn cut_tree(value: &mut Value, way: &[&str], names: &[String], allow: bool) {
    let cut = |value: &mut Value| {
        if let Some(object) = value.as_object_mut() {
            object.retain(|name, _| names.contains(name) == allow);
        }
    };
    match (way.split_first(), value) {
        (None, Value::Array(items)) => items.iter_mut().for_each(cut),
        (None, value) => cut(value),
        (Some((step, way)), Value::Object(object)) => {
            if let Some(member) = object.get_mut(*step) {
                cut_tree(member, way, names, allow);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn cuts_are_those_of_a_tree(
        value in json(), pretty in any::<bool>(), allow in any::<bool>(),
        way in prop::collection::vec("[a-d]", 0..3), names in prop::collection::vec("[a-d]", 1..4),
    ) {
        let mut tree = serde_json::json!({ "a": value, "b": 1, "c": value, "d": [value] });
        let raw = if pretty { format!("{tree:#}") } else { tree.to_string() };
        let kind = if allow { "ALLOW_PROPERTIES" } else { "DROP_PROPERTIES" };
        let rows = BTreeMap::from([(way.join("."), names.clone())]);
        let filter = filter("all", &[Draft { kind, fields: Some(&rows), ..Draft::default() }]);
        let left = left(&[filter], &raw);
        cut_tree(&mut tree, &way.iter().map(String::as_str).collect::<Vec<_>>(), &names, allow);
        prop_assert_eq!(serde_json::from_str::<Value>(&left).map_err(|error| TestCaseError::fail(format!("{error}: {left}")))?, tree.clone());
        if !pretty {
            prop_assert_eq!(left, tree.to_string());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(prop_oneof![
        prop::sample::select(b"{}[]\",:\\a1 ".to_vec()), any::<u8>()
    ], 0..60)) {
        let filters = [
            sampling("all", 0.9, Some("a")),
            cutting("DROP_PROPERTIES", &[("a", &["a"]), ("", &["b"])]),
            cutting("ALLOW_PROPERTIES", &[("", &["a"])]),
        ];
        apply(&filters, &bytes);
        preview(&filters[1], &bytes);
    }
}
