//! Texts: what is wrong with them, how they are printed, how long they may be.

use super::*;

#[test]
fn errors_say_where_what_and_how_to_mend() {
    for (text, column, what, mend) in [
        ("", 1, "empty", "`all`"),
        ("   ", 4, "empty", "`all`"),
        ("type == 'track'", 6, "`==`", "write `=`"),
        ("type <> 'track'", 6, "`<>`", "write `!=`"),
        ("a && b", 3, "`&`", "write `and`"),
        ("a || b", 3, "`|`", "write `or`"),
        ("type = 'track", 8, "no end", "close it"),
        (r"type = 'it\'s'", 14, "no end", "the other quotes"),
        ("type = ", 8, "the end stands in its place", "write a path"),
        ("type = and", 8, "`and` stands in its place", r"`\and`"),
        ("type = 'a' AND b", 12, "found `AND`", "write `and`"),
        ("type = 'a' 'b'", 12, "found a string", "join terms"),
        ("not type", 5, "found `type`", "write `!`"),
        ("type not in ['a']", 6, "found `not`", "`!("),
        ("a = b = c", 7, "found `=`", "two sides"),
        ("(a) = 'x'", 5, "found `=`", "inside of it"),
        ("(a = 1", 1, "never closed", "`)`"),
        ("a = 1)", 6, "found `)`", "`(`"),
        ("a = (b)", 5, "`(` stands in its place", "write a path"),
        ("foo(a)", 1, "no function `foo`", "contains, length"),
        ("Contains(a, 'b')", 1, "no function `Contains`", "write `contains`"),
        ("contains(a)", 1, "2 arguments, not 1", "contains(text, part)"),
        ("length()", 1, "1 argument, not 0", "length(value)"),
        ("length(a, b)", 1, "1 argument, not 2", "length(value)"),
        ("length(a", 1, "never closed", "`)`"),
        ("length(a = 1)", 10, "found `=`", "outside"),
        ("a in []", 6, "empty", "one value"),
        ("a in ['x' 'y']", 11, "found a string", "comma"),
        ("a in ['x'", 6, "never closed", "`]`"),
        ("a in ['x',]", 11, "`]` stands in its place", "write a path"),
        ("a. = 1", 3, "empty step", "behind the dot"),
        ("a..b", 3, "empty step", "behind the dot"),
        (".a", 1, "`.`", "begins with"),
        (r"a\", 2, "backslash", "behind it"),
        ("a > 1e3", 5, "exponent", "digits alone"),
        ("a > 1.", 7, "empty step", "behind the dot"),
        ("grüße = 1", 3, "`ü`", r"`\ü`"),
        ("'ü💥' = 'x' %", 12, "`%`", r"`\%`"),
        ("a = $b", 5, "`$`", r"`\$`"),
        ("a\n= !", 5, "`!` stands in its place", "write a path"),
    ] {
        let Err(error) = Expression::parse(text) else { panic!("{text}") };
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.what.contains(what) && error.mend.contains(mend), "{text}: {error}");
    }
}

#[test]
fn canonical_text_is_one_for_one_tree() {
    for (text, expected) in [
        ("  all ", "all"),
        ("(all)", r"\all"),
        ("a   =  \"x\"", "a = 'x'"),
        ("a=\"it's\"", "a = \"it's\""),
        ("a=+01.50", "a = 1.5"),
        ("a=-0.0", "a = 0"),
        ("((a and b)) and c", "a and b and c"),
        ("a and (b or c)", "a and (b or c)"),
        ("(a and b) or c", "a and b or c"),
        ("a or (b or c)", "a or b or c"),
        ("!(a)", "!a"),
        ("!(a = 1)", "!a = 1"),
        ("!(a and b)", "!(a and b)"),
        ("a in[1,'x',b]", "a in [1, 'x', b]"),
        ("match( a , \"b*\" )", "match(a, 'b*')"),
        (r"\a\b.c\ d", r"ab.c\ d"),
        (r"\1\2", r"\12"),
        (r"\1\2.x", "12.x"),
        (r"\1e5", r"\1e5"),
    ] {
        assert_eq!(parse(text).to_string(), expected, "{text}");
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let list = |items: usize| format!("a in [{}]", vec!["1"; items].join(","));
    let rows = [
        (format!("a = '{}'", "x".repeat(LENGTH_MAX - 6)), true),
        (format!("a = '{}'", "x".repeat(LENGTH_MAX - 5)), false),
        (format!("a = '{}'", "x".repeat(1 << 20)), false),
        ("(".repeat(1 << 20), false),
        ("!".repeat(16_000), false),
        (format!("{}a{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX)), true),
        (format!("{}a{}", "(".repeat(DEPTH_MAX + 1), ")".repeat(DEPTH_MAX + 1)), false),
        (format!("{}a", "!".repeat(DEPTH_MAX)), true),
        (format!("{}a = 1", "!".repeat(DEPTH_MAX)), true),
        (format!("{}a", "!".repeat(DEPTH_MAX + 1)), false),
        (format!("{}a{}", "lowercase(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX)), true),
        (format!("{}a{}", "lowercase(".repeat(DEPTH_MAX + 1), ")".repeat(DEPTH_MAX + 1)), false),
        (format!("{}1{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1)), false),
        (list(LIST_MAX), true),
        (list(LIST_MAX + 1), false),
        (vec!["a"; DEPTH_MAX].join("."), true),
        (vec!["a"; DEPTH_MAX + 1].join("."), false),
        (vec!["a"; 3_000].join(" or "), true),
    ];
    for (text, expected) in rows {
        let parsed = Expression::parse(&text);
        assert_eq!(parsed.is_ok(), expected, "{:.80}", text);
        if let Ok(expression) = parsed {
            assert!(parse(&expression.to_string()) == expression);
            expression.eval(EVENT.as_bytes());
        }
    }
}

#[test]
fn a_hostile_event_costs_its_length() {
    let deep = format!(r#"{{"a":{}1{},"b":2}}"#, "[".repeat(500_000), "]".repeat(500_000));
    assert!(parse("b = 2 and typeof(a) = 'list' and length(a) = 1 and a = a").eval(deep.as_bytes()));
    let members: Vec<String> = (0..200_000).map(|at| format!(r#""k{at}":{at}"#)).collect();
    let wide = format!("{{{}}}", members.join(","));
    let many: Vec<String> = (0..1_000).map(|at| format!("k{} = -1", at * 200)).collect();
    assert!(!parse(&many.join(" or ")).eval(wide.as_bytes()));
    let longest = format!(r#"{{"a":"{}","n":{}}}"#, "a".repeat(1 << 20), "9".repeat(1 << 20));
    assert!(
        parse("!match(a, '*a*a*a*a*a*a*b') and n > 1 and n = n and !match(a, a)").decide(longest.as_bytes()).is_some()
    );
}
