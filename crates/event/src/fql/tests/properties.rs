//! What holds for any text and any event.

use super::*;
use proptest::prelude::*;

/// Texts of the grammar, any tree.
fn expression() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        4 => "[a-c]",
        1 => prop::sample::select(vec!["all", "and", "or", "in", "true", "null", "1", "-", "1e5", "length", "é", " ", ".", "\\", "'"]).prop_map(str::to_owned),
    ]
    .prop_map(|step| {
        step.chars().map(|c| if c.is_ascii_lowercase() { c.to_string() } else { format!("\\{c}") }).collect::<String>()
    });
    let path = prop::collection::vec(step, 1..4)
        .prop_map(|steps| steps.join("."))
        .prop_map(|path| if path::WORDS.contains(&&*path) { format!("\\{path}") } else { path });
    let leaf = prop_oneof![
        4 => path,
        1 => "'[a-z*?\\[\"\\\\ ]{0,5}'",
        1 => "\"[a-z*?\\]' ]{0,5}\"",
        1 => "[+-]?[0-9]{1,22}(\\.[0-9]{1,22})?",
        1 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
    ];
    let operand = leaf.prop_recursive(3, 12, 3, |inner| {
        let one = prop::sample::select(syntax::Function::ALL.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            (one, inner.clone(), inner).prop_map(|(function, a, b)| match function.arity() {
                1 => format!("{}({a})", function.as_str()),
                _ => format!("{}({a},{b})", function.as_str()),
            }),
        ]
    });
    let op = prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">=", " in "]);
    let term = prop_oneof![
        1 => operand.clone(),
        3 => (operand.clone(), op, operand).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
    ];
    term.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|term| format!("!{term}")),
            inner.clone().prop_map(|term| format!("!({term})")),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|terms| format!("({})", terms.join(" and "))),
            prop::collection::vec(inner, 1..4).prop_map(|terms| terms.join(" or ")),
        ]
    })
}

/// The field as serde_json sees it.
fn lookup<'a>(event: &'a serde_json::Value, steps: &[&str]) -> Option<&'a serde_json::Value> {
    steps.iter().try_fold(event, |value, step| value.as_object()?.get(*step))
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a\"\\\\{}\\[\\],:é\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"]", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_printed_reads_back_as_the_same(text in expression()) {
        let tree = Expression::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        let printed = tree.to_string();
        let again = Expression::parse(&printed).map_err(|error| TestCaseError::fail(format!("{printed}\n{error}")))?;
        prop_assert!(again == tree, "{} became {}", text, printed);
        prop_assert_eq!(again.to_string(), printed);
        prop_assert_eq!(again.eval(EVENT.as_bytes()), tree.eval(EVENT.as_bytes()));
    }

    #[test]
    fn no_text_panics(text in any::<String>(), near in "[a-c'\"()\\[\\]=!<>., \\\\0-9éand-or]{0,40}") {
        for text in [text, near] {
            match Expression::parse(&text) {
                Ok(expression) => _ = expression.eval(EVENT.as_bytes()),
                Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
            }
        }
    }

    #[test]
    fn no_bytes_panic(text in expression(), bytes in prop::collection::vec(prop_oneof![
        prop::sample::select(b"{}[]\",:\\abc01-.etrufalsn ".to_vec()), any::<u8>()
    ], 0..80)) {
        if let Ok(expression) = Expression::parse(&text) {
            expression.eval(&bytes);
            let mut opened = b"{\"a\":".to_vec();
            opened.extend(bytes);
            expression.eval(&opened);
        }
    }

    #[test]
    fn fields_are_found_in_any_order(event in json(), asked in prop::collection::vec(prop::collection::vec("[a-c]", 1..4), 1..6)) {
        let raw = format!(" {{ \"x\" : [{event}], \"a\":{event} ,\"b\" :{event} }}");
        let tree: serde_json::Value = serde_json::from_str(&raw).unwrap();
        let mut paths = Paths::new();
        let fields: Vec<_> = asked.iter().map(|steps| paths.insert(steps)).collect();
        let mut view = View::new(raw.as_bytes(), &paths);
        for (steps, field) in asked.iter().zip(fields) {
            let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
            let found = view.find(field).and_then(|raw| raw.get(..view::value_end(raw, 0)?));
            let found = found.map(|raw| serde_json::from_slice::<serde_json::Value>(raw).unwrap());
            prop_assert_eq!(found.as_ref(), lookup(&tree, &steps), "{:?} in {}", steps, raw);
        }
        prop_assert!(!view.broken());
    }

    #[test]
    fn values_equal_as_serde_json_says(a in json(), b in json()) {
        for (left, right) in [(&a, &b), (&a, &a)] {
            let event = format!(r#"{{"a":{left},"b":{:#}}}"#, right);
            // Of keys the order counts here, and both texts have it sorted.
            prop_assert_eq!(parse("a = b").eval(event.as_bytes()), left == right, "{}", event);
        }
    }
}
