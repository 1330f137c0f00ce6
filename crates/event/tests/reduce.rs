//! What a transfer's fields let out of an event.
//!
//! Goal: what is not to go out is nowhere in what goes out, however it is spelled, nested or doubled, and the rest stays
//! byte for byte. Method: cases as text; and trees of events that are written with every spelling JSON has, reduced here by
//! a recursive rule that shares nothing with the library, and compared byte for byte.

use domicile_event::reduce::{Draft, Reduction};
use proptest::prelude::*;
use std::net::IpAddr;

fn list(paths: &str) -> Option<Vec<String>> {
    (!paths.is_empty()).then(|| paths.split(' ').map(str::to_owned).collect())
}

/// `allow event properties.plan; hash userId; truncate_ip`
fn draft(text: &str) -> Draft {
    let mut draft = Draft::default();
    for part in text.split("; ").filter(|part| !part.is_empty()) {
        let (name, paths) = part.split_once(' ').unwrap_or((part, ""));
        match name {
            "allow" => draft.allow = Some(list(paths).unwrap_or_default()),
            "deny" => draft.deny = Some(list(paths).unwrap_or_default()),
            "hash" => draft.hash = Some(list(paths).unwrap_or_default()),
            _ => draft.truncate_ip = true,
        }
    }
    draft
}

/// Stands in for the keyed hash, so that the tests see what was hashed.
fn hash(text: &str) -> String {
    format!("#{text}#")
}

fn reduced(fields: &str, event: &str) -> String {
    let reduction = Reduction::check(&draft(fields)).unwrap_or_else(|faults| panic!("{fields}: {faults:?}"));
    match reduction.apply(event.as_bytes(), &hash) {
        Some(out) => String::from_utf8(out).expect("text"),
        None => "nothing".to_owned(),
    }
}

#[test]
fn allow_lets_out_its_fields_and_what_makes_an_event() {
    let event = r#"{"type":"track", "messageId":"m1","event":"E","userId":"ann", "properties":{"plan":"pro","email":"a@b","n":1.0},"timestamp":"t"}"#;
    for (fields, out) in [
        (
            "allow event properties.plan",
            r#"{"type":"track", "messageId":"m1","event":"E","properties":{"plan":"pro"},"timestamp":"t"}"#,
        ),
        ("allow context", r#"{"type":"track", "messageId":"m1","timestamp":"t"}"#),
        ("allow properties.n", r#"{"type":"track", "messageId":"m1","properties":{"n":1.0},"timestamp":"t"}"#),
        ("allow properties.no", r#"{"type":"track", "messageId":"m1","properties":{},"timestamp":"t"}"#),
        (
            "allow event; hash userId",
            r##"{"type":"track", "messageId":"m1","event":"E","userId":"#ann#", "timestamp":"t"}"##,
        ),
        ("allow event; hash messageId", r##"{"type":"track", "messageId":"#m1#","event":"E","timestamp":"t"}"##),
    ] {
        assert_eq!(reduced(fields, event), out, "{fields}");
    }
}

#[test]
fn the_table_of_fields() {
    for (fields, event, out) in [
        // Denied at any depth, each time it is there, in lists, and in every spelling.
        (
            "deny email",
            r#"{"email":1,"a":{"email":2,"b":[{"email":3},[{"email":4,"c":5}]]}}"#,
            r#"{"a":{"b":[{},[{"c":5}]]}}"#,
        ),
        ("deny email", r#"{"a":1,"email":2,"email":3,"b":4}"#, r#"{"a":1,"b":4}"#),
        ("deny email", r#"{"a":1,"\u0065mail":2,"\u0065\u006d\u0061il" : 3}"#, r#"{"a":1}"#),
        (
            "deny traits.email",
            r#"{"traits":{"email":1,"x":2},"context":{"traits":{"email":3}}}"#,
            r#"{"traits":{"x":2},"context":{"traits":{}}}"#,
        ),
        (
            "deny traits.email",
            r#"{"email":1,"traits":[{"email":2},3],"x":{"email":4}}"#,
            r#"{"email":1,"traits":[{},3],"x":{"email":4}}"#,
        ),
        (
            "deny traits.email",
            r#"{"traits.email":1,"traits.email.x":2,"a.traits":{"email":3},"traits.emails":4}"#,
            r#"{"a.traits":{},"traits.emails":4}"#,
        ),
        (r"deny traits\.email", r#"{"traits":{"email":1}}"#, r#"{"traits":{}}"#),
        ("deny traits", r#"{"traits":{"a":{}}}"#, "{}"),
        ("deny a b", r#"{ "a" : 1 , "b" : 2 }"#, "{  }"),
        ("deny b", r#"{ "a" : 1 , "b" : 2 , "c" : 3 }"#, r#"{ "a" : 1 , "c" : 3 }"#),
        ("deny é", r#"{"é":1,"\u00e9":2,"e":3}"#, r#"{"e":3}"#),
        // Allowed from the top only; a plain value is no object with the field in it.
        ("allow a.b", r#"{"a":[{"b":1,"c":2},3,[{"b":{"c":4}}]]}"#, r#"{"a":[{"b":1},[{"b":{"c":4}}]]}"#),
        ("allow a.b", r#"{"a":"secret","a.b":1,"x":{"a":{"b":2}}}"#, "{}"),
        ("allow a.b", r#"{"a":{"b":1},"a":5,"\u0061":{"b":2}}"#, r#"{"a":{"b":1},"\u0061":{"b":2}}"#),
        ("allow a", r#"{"type":{"email":1},"messageId":["m"],"timestamp":null}"#, r#"{"timestamp":null}"#),
        ("allow a; deny b", r#"{"a":{"b":1,"c":{"b":2,"d":3}},"b":4}"#, r#"{"a":{"c":{"d":3}}}"#),
        // Hashed wherever it stands, whatever it is.
        (
            "hash userId",
            r#"{"userId":"ann","x":{"userId":12,"y":[{"userId":true}]}}"#,
            r##"{"userId":"#ann#","x":{"userId":"#12#","y":[{"userId":"#true#"}]}}"##,
        ),
        ("hash userId", r#"{"userId":"\u0061nn","userId":null}"#, r##"{"userId":"#ann#","userId":null}"##),
        (
            "hash userId",
            r#"{"userId":{"id":"ann"},"userId":["ann"]}"#,
            r##"{"userId":"#{\"id\":\"ann\"}#","userId":"#[\"ann\"]#"}"##,
        ),
        // Addresses.
        ("truncate_ip", r#"{"context":{"ip":"203.0.113.77"}}"#, r#"{"context":{"ip":"203.0.113.0"}}"#),
        ("truncate_ip", r#"{"context":{"ip":"2a00:1450:4001:81c::200e"}}"#, r#"{"context":{"ip":"2a00:1450:4001::"}}"#),
        ("truncate_ip", r#"{"context":{"ip":"::ffff:203.0.113.77"}}"#, r#"{"context":{"ip":"203.0.113.0"}}"#),
        (
            "truncate_ip",
            r#"{"context":{"\u0069p":"203\u002e0.113.77","a":1}}"#,
            r#"{"context":{"\u0069p":"203.0.113.0","a":1}}"#,
        ),
        ("truncate_ip", r#"{"context":{"ip":"203.0.113.77, 10.0.0.1","a":1}}"#, r#"{"context":{"a":1}}"#),
        ("truncate_ip", r#"{"context":{"a":1,"ip":["203.0.113.77"]}}"#, r#"{"context":{"a":1}}"#),
        (
            "truncate_ip",
            r#"{"context":{"ip":null},"ip":"203.0.113.77"}"#,
            r#"{"context":{"ip":null},"ip":"203.0.113.77"}"#,
        ),
        (
            "allow a; truncate_ip",
            r#"{"context":{"ip":"203.0.113.77","page":1}}"#,
            r#"{"context":{"ip":"203.0.113.0"}}"#,
        ),
        // What is no object goes nowhere.
        ("deny a", "", "nothing"),
        ("deny a", "[1]", "nothing"),
        ("deny a", r#""{}""#, "nothing"),
        ("deny a", r#"{"a":1}x"#, "nothing"),
        ("deny a", r#"{"a":1"#, "nothing"),
        ("deny a", r#"{"a":1,}"#, "nothing"),
        ("deny b", "{}", "{}"),
        ("deny b", " {\"a\": 1e5}\n", " {\"a\": 1e5}\n"),
    ] {
        assert_eq!(reduced(fields, event), out, "{fields}  {event}");
    }
    let reduction = Reduction::check(&draft("deny b")).expect("sound");
    assert_eq!(reduction.apply(b"{\"a\xff\":1}", &hash), None, "not UTF-8");
    let deep = format!("{}1{}", "{\"a\":[".repeat(10_000), "]}".repeat(10_000));
    assert_eq!(reduction.apply(deep.as_bytes(), &hash), None, "too deep");
}

#[test]
fn hostile_events_cost_what_their_length_costs() {
    let reduction = Reduction::check(&draft("allow a; deny x.y.z; hash q; truncate_ip")).expect("sound");
    for event in [
        format!("{{\"a\":{{\"{}\":1}}}}", ".".repeat(200_000)),
        format!("{{\"a\":[{}1]}}", "{},".repeat(100_000)),
        format!("{{{}\"a\":1}}", "\"x\":1,".repeat(60_000)),
        format!("{}1{}", "{\"a\":[".repeat(200), "]}".repeat(200)),
    ] {
        assert!(reduction.apply(event.as_bytes(), &hash).is_some());
    }
}

#[test]
fn what_can_not_be_meant_is_refused_with_its_place() {
    let wrong = |draft: &Draft| match Reduction::check(draft) {
        Ok(_) => "sound".to_owned(),
        Err(faults) => {
            faults.iter().map(|fault| format!("{}: {}", fault.at, fault.what)).collect::<Vec<_>>().join(" | ")
        }
    };
    for (fields, expected) in [
        ("", "fields: no field is named"),
        ("allow", "allow: `allow` is empty"),
        ("deny", "deny: `deny` is empty"),
        ("hash", "hash: `hash` is empty"),
        ("allow a..b", "allow.0: the path has an empty step"),
        ("deny a .b", "deny.1: the path has an empty step"),
        (r"hash a\", r"hash.0: nothing follows the backslash"),
        ("deny a b a", "deny.2: `a` is here twice"),
        ("allow a.b; deny a.b", "allow.0: `a.b` never goes out, because `deny` has `a.b`"),
        ("allow x a.b.c; deny a", "allow.1: `a.b.c` never goes out, because `deny` has `a`"),
        ("allow a.b; deny b", "allow.0: `a.b` never goes out, because `deny` has `b`"),
        ("deny userId; hash userId", "hash.0: `userId` never goes out, because `deny` has `userId`"),
        ("deny messageId", "deny.0: `messageId` can't be denied"),
        ("deny a timestamp", "deny.1: `timestamp` can't be denied"),
        ("hash type", "hash.0: `type` can't be hashed"),
        ("allow a; deny a.b", "sound"),
        ("hash messageId; truncate_ip", "sound"),
    ] {
        assert_eq!(wrong(&draft(fields)), expected, "{fields}");
    }
    let many: Vec<String> = (0..101).map(|n| format!("f{n}")).collect();
    assert_eq!(wrong(&Draft { deny: Some(many), ..Draft::default() }), "deny: `deny` has more than 100 paths");
    assert_eq!(wrong(&draft(&format!("deny {}a", "a.".repeat(64)))), "deny.0: the path has more than 64 steps");
}

#[derive(Clone, Debug)]
enum Tree {
    Plain(&'static str),
    List(Vec<Tree>),
    Object(Vec<(usize, Tree)>),
}

/// Ways to spell the keys; those of one name stand together.
const KEYS: &[(&str, &str)] = &[
    ("a", r#""a""#),
    ("a", r#""\u0061""#),
    ("b", r#""b""#),
    ("b", r#""\u0062""#),
    ("c", r#""c""#),
    ("a.b", r#""a.b""#),
    ("b.c", r#""b\u002ec""#),
    ("context", r#""context""#),
    ("ip", r#""ip""#),
    ("type", r#""type""#),
    ("", r#""""#),
];
const PLAIN: &[&str] = &["null", "1", "-0.50e3", "true", r#""x\n""#, r#""203.0.113.9""#, r#""2a00::1""#];
const RULES: &[&str] = &[
    "deny a",
    "deny a.b",
    "deny b.c a",
    "deny a.b.c",
    "allow a",
    "allow a.b",
    "allow a.b.c b",
    "allow a; deny b",
    "allow b.c; hash a",
    "hash a.b",
    "hash c; truncate_ip",
    "allow c; truncate_ip",
    "deny a; hash b; truncate_ip",
    "allow a context; deny c; hash b; truncate_ip",
];

fn trees() -> impl Strategy<Value = Tree> {
    let plain = proptest::sample::select(PLAIN).prop_map(Tree::Plain);
    let tree = plain.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            proptest::collection::vec((0..KEYS.len(), inner), 0..6).prop_map(Tree::Object),
        ]
    });
    proptest::collection::vec((0..KEYS.len(), tree), 0..6).prop_map(Tree::Object)
}

fn write(tree: &Tree, out: &mut String) {
    match tree {
        Tree::Plain(text) => out.push_str(text),
        Tree::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        Tree::Object(members) => {
            out.push('{');
            for (n, (key, value)) in members.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                out.push_str(KEYS[*key].1);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// The rule, recursively: `way` has the keys down to the value, parted at dots; `from`, how many the last key gave.
struct Oracle {
    allow: Option<Vec<Vec<&'static str>>>,
    deny: Vec<Vec<&'static str>>,
    hash: Vec<Vec<&'static str>>,
    truncate_ip: bool,
}

impl Oracle {
    fn new(text: &'static str) -> Self {
        let paths = |name: &str| {
            let part = text.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix(' '));
            part.map(|paths| paths.split(' ').map(|path| path.split('.').collect::<Vec<_>>()).collect::<Vec<_>>())
        };
        let truncate_ip = text.contains("truncate_ip");
        let (deny, hash) = (paths("deny").unwrap_or_default(), paths("hash").unwrap_or_default());
        let allow = paths("allow").map(|mut allow| {
            allow.extend(hash.iter().cloned());
            allow.extend(truncate_ip.then(|| vec!["context", "ip"]));
            allow
        });
        Self { allow, deny, hash, truncate_ip }
    }

    fn hit(&self, paths: &[Vec<&str>], way: &[String], from: usize) -> bool {
        (from + 1..=way.len()).any(|end| {
            paths
                .iter()
                .any(|path| end >= path.len() && path.iter().zip(&way[end - path.len()..end]).all(|(a, b)| a == b))
        })
    }

    fn object(&self, members: &[(usize, Tree)], way: &[String], keys: &[&str]) -> String {
        let kept: Vec<String> = members
            .iter()
            .filter_map(|(key, value)| {
                let (name, spelled) = KEYS[*key];
                let mut below = way.to_vec();
                below.extend(name.split('.').map(str::to_owned));
                let keys: Vec<&str> = keys.iter().copied().chain([name]).collect();
                let value = self.member(value, &below, way.len(), &keys)?;
                Some(format!("{spelled}:{value}"))
            })
            .collect();
        format!("{{{}}}", kept.join(","))
    }

    fn member(&self, value: &Tree, way: &[String], from: usize, keys: &[&str]) -> Option<String> {
        if self.hit(&self.deny, way, from) {
            return None;
        }
        self.allowed(value, keys)?;
        let mut raw = String::new();
        write(value, &mut raw);
        if self.hit(&self.hash, way, from) && raw != "null" {
            let text = serde_json::from_str::<String>(&raw).unwrap_or(raw);
            return Some(serde_json::to_string(&hash(&text)).expect("text"));
        }
        if self.truncate_ip
            && !self.hit(&self.hash, way, from)
            && self.hit(&[vec!["context", "ip"]], way, from)
            && raw != "null"
        {
            return match serde_json::from_str::<String>(&raw).ok()?.parse().ok()? {
                IpAddr::V4(v4) => Some(format!("\"{}.{}.{}.0\"", v4.octets()[0], v4.octets()[1], v4.octets()[2])),
                IpAddr::V6(_) => Some("\"2a00::\"".to_owned()),
            };
        }
        Some(self.inside(value, way, keys))
    }

    fn inside(&self, value: &Tree, way: &[String], keys: &[&str]) -> String {
        match value {
            Tree::Plain(text) => (*text).to_owned(),
            Tree::Object(members) => self.object(members, way, keys),
            Tree::List(items) => {
                let items = items.iter().filter_map(|item| {
                    self.allowed(item, keys)?;
                    Some(self.inside(item, way, keys))
                });
                format!("[{}]", items.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// `Some` if something of the value may go out: it is below an allowed field, or it may hold one.
    fn allowed(&self, value: &Tree, keys: &[&str]) -> Option<()> {
        let Some(allow) = &self.allow else { return Some(()) };
        let below = allow.iter().any(|path| keys.starts_with(path));
        let above = allow.iter().any(|path| path.starts_with(keys));
        let plain = matches!(value, Tree::Plain(_));
        (below || (above && !plain) || (plain && keys == ["type"])).then_some(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 3_000 } else { 100_000 }))]

    #[test]
    fn what_goes_out_is_what_the_rule_says_byte_for_byte(tree in trees(), rule in proptest::sample::select(RULES)) {
        let mut event = String::new();
        write(&tree, &mut event);
        let Tree::Object(members) = &tree else { unreachable!("an event is an object") };
        let expected = Oracle::new(rule).object(members, &[], &[]);
        let out = reduced(rule, &event);
        prop_assert_eq!(&out, &expected, "{} {}", rule, event);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
        // Reducing what is let out takes nothing more, where no value was changed.
        if !rule.contains("hash") {
            prop_assert_eq!(reduced(rule, &out), out);
        }
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_goes_out_is_an_object(bytes in proptest::collection::vec(proptest::sample::select(
        &b"{}[]:,\"\\u0061ab. \n1-e\xc3\xa9tnull"[..]), 0..60)) {
        for rule in RULES {
            let reduction = Reduction::check(&draft(rule)).expect("sound");
            if let Some(out) = reduction.apply(&bytes, &hash) {
                let parsed: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
                prop_assert!(parsed.is_object());
            }
        }
    }
}
