//! Every rule of values, types and null, as rows.

use super::*;

#[test]
fn comparisons_are_strict() {
    check(&[
        ("type = 'track'", true),
        ("type = \"track\"", true),
        ("type = 'Track'", false),
        ("type != 'track'", false),
        ("type != 'page'", true),
        ("'track' = type", true),
        ("event = 'Order Completed'", true),
        ("properties.total = 31.5", true),
        ("properties.total = 31.50", true),
        ("properties.total = '31.5'", false),
        ("properties.total != '31.5'", true),
        ("properties.text = 31.5", false),
        ("properties.text = '31.5'", true),
        ("properties.paid = true", true),
        ("properties.paid = 'true'", false),
        ("properties.paid = 1", false),
        ("properties.refunded = false", true),
        ("properties.zero = false", false),
        ("properties.zero = 0", true),
        ("properties.zero = -0", true),
        ("properties.zero = null", false),
        ("properties.empty = ''", true),
        ("properties.empty = null", false),
        ("properties.quantity = +3", true),
        ("properties.negative = -2.5", true),
        ("properties.spelled = 'Pro'", true),
        ("properties.city = 'Zürich'", true),
        ("properties.quote = \"it's\"", true),
        ("properties.plan = event", false),
        ("type = type", true),
        ("true = true", true),
        ("1 = 1.0", true),
        ("'a' = 'b'", false),
    ]);
}

#[test]
fn null_equals_null_and_what_is_missing_is_null() {
    check(&[
        ("name = null", true),
        ("name != null", false),
        ("properties.coupon = null", true),
        ("properties.missing = null", true),
        ("properties.missing != null", false),
        ("missing = null", true),
        ("missing = missing", true),
        ("missing = properties.missing", true),
        ("missing.far.away = null", true),
        ("type.deeper = null", true),
        ("traits.email = null", true),
        ("properties.total != null", true),
        ("properties.missing = 'x'", false),
        ("properties.missing != 'x'", true),
        ("properties.missing = false", false),
        ("properties.missing = 0", false),
        ("properties.missing = ''", false),
        ("properties.missing > 0", false),
        ("properties.missing <= 0", false),
        ("null >= null", false),
        ("null = null", true),
        ("context.path.path = '/login'", false),
        ("context.page.path = '/login'", true),
        ("properties.tags.0 = null", true),
        ("properties.nested.b = null", true),
    ]);
}

#[test]
fn order_is_of_two_numbers_or_two_texts() {
    check(&[
        ("properties.total > 31", true),
        ("properties.total > 31.5", false),
        ("properties.total >= 31.5", true),
        ("properties.total < 31.51", true),
        ("properties.total <= 31.49", false),
        ("properties.quantity < 10", true),
        ("properties.negative < -2", true),
        ("properties.total > '3'", false),
        ("properties.total < '99'", false),
        ("properties.text > 3", false),
        ("properties.text > '3'", true),
        ("properties.when >= '2026-11-01'", true),
        ("properties.when >= '2026-11-24'", false),
        ("properties.when < '2027'", true),
        ("properties.paid > false", false),
        ("properties.paid >= true", false),
        ("properties.tags > 1", false),
        ("properties.sizes >= properties.sizes", false),
        ("properties.object <= properties.object", false),
        ("5 > 3", true),
    ]);
}

#[test]
fn numbers_are_exact() {
    check(&[
        ("properties.huge = 123456789012345678901234567890", true),
        ("properties.huge = 123456789012345678901234567891", false),
        ("properties.huge > 123456789012345678901234567889", true),
        ("properties.huge < properties.big", true),
        ("properties.big = properties.big", true),
        ("properties.big > 0", true),
        ("properties.huge = 123456789012345678901234567890.000", true),
        ("typeof(properties.big) = 'number'", true),
    ]);
}

#[test]
fn conditions_are_true_only_if_true() {
    check(&[
        ("all", true),
        (" all\n", true),
        ("!all", false),
        (r"\all", true),
        ("(all)", true),
        ("properties.paid", true),
        ("properties.refunded", false),
        ("!properties.refunded", true),
        ("!!properties.paid", true),
        ("properties.missing", false),
        ("!properties.missing", true),
        ("properties.quantity", false),
        ("!properties.quantity", true),
        ("properties.plan", false),
        ("properties.tags", false),
        ("properties.object", false),
        ("type", false),
        ("true", true),
        ("false", false),
        ("null", false),
        ("!null", true),
        ("1", false),
        ("'true'", false),
        ("['a']", false),
        ("lowercase(type)", false),
        ("length(type)", false),
    ]);
}

#[test]
fn and_binds_tighter_than_or_and_parentheses_group() {
    check(&[
        ("true or false and false", true),
        ("(true or false) and false", false),
        ("false and true or true", true),
        ("false and (true or true)", false),
        ("true and true and false", false),
        ("false or false or true", true),
        ("type = 'identify' or type = 'track'", true),
        ("event = 'Order Completed' and type = 'track'", true),
        ("type = 'track' and ( event = 'Click' or match( event, 'Order *' ) )", true),
        ("!type = 'track'", false),
        ("!(type = 'track' and event = 'x')", true),
        ("!true or true", true),
        ("!(true or true)", false),
        ("!true and false", false),
        ("properties.missing or properties.paid", true),
        ("properties.missing and properties.paid", false),
        ("((((type = 'track'))))", true),
        ("type='track'and(event='Order Completed')", true),
        ("type\t=\n'track'\r\nand properties.quantity=3", true),
    ]);
}

#[test]
fn in_looks_for_a_scalar_in_a_list() {
    check(&[
        ("'dark-mode' in properties.tags", true),
        ("'blink' in properties.tags", false),
        ("7 in properties.tags", true),
        ("7.0 in properties.tags", true),
        ("'7' in properties.tags", false),
        ("true in properties.tags", true),
        ("null in properties.tags", true),
        ("properties.missing in properties.tags", true),
        ("null in properties.sizes", false),
        ("2 in properties.sizes", true),
        ("'a' in properties.nested", false),
        ("['a'] in properties.nested", false),
        ("properties.object in properties.nested", false),
        ("type in ['track', 'page']", true),
        ("type in ['page']", false),
        ("!type in ['page']", true),
        ("type in [event, type]", true),
        ("properties.quantity in [1, 2, 3]", true),
        ("properties.missing in [null]", true),
        ("properties.missing in ['x']", false),
        ("'x' in properties.none", false),
        ("'x' in properties.missing", false),
        ("'Pro' in properties.plan", false),
        ("'a' in properties.object", false),
        ("1 in 1", false),
        ("lowercase('NEW') in properties.tags", true),
    ]);
}

#[test]
fn lists_and_objects_are_equal_item_by_item() {
    check(&[
        ("properties.object = properties.same", true),
        ("properties.object != properties.same", false),
        ("properties.object = properties.turned", false),
        ("properties.object = properties.tags", false),
        ("properties.sizes = [1, 2, 3]", true),
        ("[1, 2, 3] = properties.sizes", true),
        ("properties.sizes = [1, 2]", false),
        ("properties.sizes = [1, 2, 3, 4]", false),
        ("properties.sizes = [3, 2, 1]", false),
        ("properties.sizes != ['1', '2', '3']", true),
        ("properties.tags = ['new', 'dark-mode', 7, true, null]", true),
        ("properties.none = ['x']", false),
        ("properties.none = properties.none", true),
        ("properties.object = ['a']", false),
        ("[1, 'a'] = [1.0, \"a\"]", true),
        ("[[1], [2]] = [[1], [2]]", true),
        ("[[1], [2]] = [[1], [3]]", false),
        ("['x'] = 'x'", false),
    ]);
}

#[test]
fn paths_escape_what_is_not_plain() {
    check(&[
        (r"properties.unit\ price = 9", true),
        (r"properties.a\.b = 'dotted'", true),
        ("properties.a.b = 'dotted'", false),
        (r"properties.\к\л\ю\ч = 'key'", true),
        ("properties.escaped = 'yes'", true),
        (r"properties.back\\slash = 1", true),
        (r"\t\y\p\e = 'track'", true),
        (r"\and", true),
        (r"\5 = 'five'", true),
        (r"\-1 = 'minus'", true),
        ("3d", true),
        ("properties.3d = null", true),
        ("and-more = null", true),
        ("in.true.null = null", true),
        ("contains = null", true),
        ("all = true", true),
    ]);
}

#[test]
fn functions_never_fail() {
    check(&[
        ("contains(context.library.name, 'js')", true),
        ("!contains( context.library.name, 'js' )", false),
        ("contains(event, 'order')", false),
        ("contains(event, '')", true),
        ("contains(properties.email, '@x')", false),
        ("!contains(properties.email, '@x')", true),
        ("contains(properties.quantity, '3')", false),
        ("contains(properties.tags, 'new')", false),
        ("contains(event, properties.missing)", false),
        ("contains(event, 1)", false),
        ("contains(properties.spelled, 'Pro')", true),
        ("length(properties.tags) = 5", true),
        ("length(properties.none) = 0", true),
        ("length(properties.nested) = 2", true),
        ("length(['a', 'b']) = 2", true),
        ("length('abc') = 3", true),
        ("length(properties.city) = 7", true),
        ("length(properties.empty) = 0", true),
        ("length(properties.missing) = 0", true),
        ("length(properties.coupon) = 0", true),
        ("length(properties.object) = null", true),
        ("length(properties.quantity) > 0", false),
        ("length(properties.paid) = null", true),
        ("lowercase(event) = 'order completed'", true),
        ("uppercase(event) = 'ORDER COMPLETED'", true),
        ("uppercase('ß') = 'SS'", true),
        ("lowercase(properties.city) = 'zürich'", true),
        ("lowercase(properties.missing) = null", true),
        ("uppercase(properties.missing) = null", true),
        ("lowercase(properties.quantity) = null", true),
        ("snakecase(event) = 'Order_Completed'", true),
        ("kebabcase(event) = 'Order-Completed'", true),
        ("titlecase('order of  the day') = 'Order Of  The Day'", true),
        ("titlecase('order') = 'Order'", true),
        ("snakecase(properties.missing) = null", true),
        ("typeof(type) = 'string'", true),
        ("typeof(properties.total) = 'number'", true),
        ("typeof(properties.tags) = 'list'", true),
        ("typeof(['a']) = 'list'", true),
        ("typeof(properties.paid) = 'bool'", true),
        ("typeof(properties.missing) = 'null'", true),
        ("typeof(properties.coupon) = 'null'", true),
        ("typeof(properties.object) = 'object'", true),
        ("bool(properties.paid)", true),
        ("bool('true')", true),
        ("bool('false')", false),
        ("bool('yes') = null", true),
        ("bool(properties.quantity)", true),
        ("bool(properties.zero)", false),
        ("bool(properties.missing) = null", true),
        ("number(properties.text) = 31.5", true),
        ("number(properties.total) = 31.5", true),
        ("number(properties.text) > 31", true),
        ("number('1e3') = 1000", true),
        ("number('12 EUR') = null", true),
        ("number('') = null", true),
        ("number(properties.paid) = null", true),
        ("number(properties.missing) > 0", false),
        ("string(properties.total) = '31.5'", true),
        ("string(properties.paid) = 'true'", true),
        ("string(properties.plan) = 'Pro Plus'", true),
        ("string(properties.missing) = null", true),
        ("string(properties.tags) = null", true),
        ("number(string(properties.huge)) = properties.huge", true),
        ("lowercase(uppercase(snakecase(event))) = 'order_completed'", true),
    ]);
}

#[test]
fn match_takes_the_whole_text() {
    check(&[
        ("match(event, 'Order *')", true),
        ("match(event, 'Order')", false),
        ("match(event, 'order *')", false),
        ("match(context.library.version, '1.*')", true),
        ("match(context.library.version, '2.*')", false),
        ("match(properties.path, '/*')", true),
        ("match(properties.path, '/?/?/?')", true),
        ("match(properties.city, 'Z?rich')", true),
        ("match(properties.plan, '[PQ]ro *')", true),
        ("match(properties.plan, '[a-z]ro *')", false),
        ("match(properties.plan, '[^a-z]ro *')", true),
        (r"match(properties.stars, '?\*')", true),
        (r"match(properties.plan, '?\*')", false),
        ("match(properties.plan, '[')", false),
        ("!match(properties.plan, '[')", true),
        ("match(properties.missing, '*')", false),
        ("!match(properties.missing, '*')", true),
        ("match(properties.quantity, '*')", false),
        ("match(event, properties.missing)", false),
        ("match(properties.path, context.page.path)", false),
        ("match(properties.stars, properties.stars)", true),
        ("match(event, '')", false),
        ("match(properties.empty, '')", true),
    ]);
}

#[test]
fn odd_events_are_read_as_they_are() {
    for (event, text, expected) in [
        ("{}", "type = null", Some(true)),
        (" \n{ } ", "!type", Some(true)),
        (r#"{"a":{"b":{}},"c":1}"#, "a.b.c = null and c = 1", Some(true)),
        (r#"{"c":1,"a":{"x":[{"b":2}],"b":3}}"#, "a.b = 3 and c = 1", Some(true)),
        (r#"{"a":{"b":1},"d":{"a":{"b":9}}}"#, "d.a.b = 9 and a.b = 1", Some(true)),
        (r#"{"a":{"b":1,"c":2}}"#, "a.c = 2 and a.b = 1 and a != null", Some(true)),
        // The first of two, as elsewhere for finished events.
        (r#"{"a":1,"a":2}"#, "a = 1", Some(true)),
        (r#"{"a":{"x":1},"a":{"b":2}}"#, "a.b = null", Some(true)),
        (r#"{"a":5,"a":{"b":2}}"#, "a.b = null", Some(true)),
        (r#"{"\u0061":{"\u0062":"\u0063"}}"#, "a.b = 'c'", Some(true)),
        (r#"{"a":"\ud800"}"#, "length(a) = 3", Some(true)),
        (r#"{"a":"\"}{","b":1}"#, "b = 1", Some(true)),
        (r#"{"x":{"y":"}\\"},"b":1}"#, "b = 1", Some(true)),
        (r#"{"a":1e999,"b":1E+999}"#, "a = b", Some(true)),
        (r#"{"a":true"#, "a", Some(true)),
        (r#"{"a":true,"#, "b = null", None),
        ("", "all", None),
        ("[]", "all", None),
        ("null", "a = null", None),
        (r#"{"a" 1}"#, "a = 1", None),
        (r#"{"a":"open}"#, "b", None),
        (r#"{"a":{"b":[1,2}"#, "c", None),
    ] {
        assert_eq!(parse(text).decide(event.as_bytes()), expected, "{event} {text}");
    }
}
