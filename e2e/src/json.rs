//! JSON values, compared exactly: a number is its decimal value (`12.50` = `12.5`, and 2^70 is not the double next to it), and
//! an object has no order.
//!
//! A lone surrogate counts as U+FFFD, on both sides: that is what Domicile keeps of one.

use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// Canonical: no zeros at either end, then the power of ten.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub fn parse(text: &str) -> serde_json::Result<Self> {
        from_raw(&mend_surrogates(text))
    }

    /// A member of an object; `None` for everything else.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.get(name),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Where `self` and `other` first differ, as a path and both values; `None` when they are equal.
    pub fn difference(&self, other: &Json) -> Option<String> {
        match (self, other) {
            (Json::Object(mine), Json::Object(theirs)) => {
                let names = mine.keys().chain(theirs.keys().filter(|name| !mine.contains_key(*name)));
                differing_member(names, mine, theirs)
            }
            (Json::List(mine), Json::List(theirs)) if mine.len() == theirs.len() => mine
                .iter()
                .zip(theirs)
                .enumerate()
                .find_map(|(n, (mine, theirs))| mine.difference(theirs).map(|at| format!("[{n}]{at}"))),
            _ if self == other => None,
            _ => Some(format!(" was {self}, is {other}")),
        }
    }

    /// As [`difference`](Self::difference), but `other` may hold members that `self` lacks.
    pub fn not_within(&self, other: &Json) -> Option<String> {
        match (self, other) {
            (Json::Object(mine), Json::Object(theirs)) => differing_member(mine.keys(), mine, theirs),
            _ => self.difference(other),
        }
    }
}

fn differing_member<'a>(
    mut names: impl Iterator<Item = &'a String>,
    mine: &BTreeMap<String, Json>,
    theirs: &BTreeMap<String, Json>,
) -> Option<String> {
    names.find_map(|name| match (mine.get(name), theirs.get(name)) {
        (Some(mine), Some(theirs)) => mine.difference(theirs).map(|at| format!(".{name}{at}")),
        (Some(mine), None) => Some(format!(".{name} was {mine}, is gone")),
        (None, theirs) => theirs.map(|theirs| format!(".{name} was not sent, is {theirs}")),
    })
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(number) => f.write_str(number),
            Json::Text(text) => write!(f, "{:?}", text.chars().take(80).collect::<String>()),
            Json::List(items) => write!(f, "a list of {}", items.len()),
            Json::Object(members) => write!(f, "an object of {}", members.len()),
        }
    }
}

fn from_raw(text: &str) -> serde_json::Result<Json> {
    let text = text.trim();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            Json::Object(
                members
                    .into_iter()
                    .map(|(name, raw)| Ok((name, from_raw(raw.get())?)))
                    .collect::<Result<_, serde_json::Error>>()?,
            )
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            Json::List(items.into_iter().map(|raw| from_raw(raw.get())).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Json::Text(serde_json::from_str(text)?),
        Some(b'-' | b'0'..=b'9') => {
            serde_json::from_str::<&RawValue>(text)?;
            Json::Number(canonical(text))
        }
        Some(b'n') => serde_json::from_str::<()>(text).map(|()| Json::Null)?,
        _ => Json::Bool(serde_json::from_str(text)?),
    })
}

/// `-12.50e1` and `-125` both become `-125`, `0.001` becomes `1e-3`, every zero `0`.
fn canonical(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let dropped = digits.len() - digits.trim_end_matches('0').len();
    let exponent = exponent
        .parse::<i64>()
        .unwrap_or(i64::MAX)
        .saturating_sub(fraction.len() as i64)
        .saturating_add(dropped as i64);
    if exponent == 0 { format!("{sign}{significant}") } else { format!("{sign}{significant}e{exponent}") }
}

/// Replaces the escape of a surrogate that has no partner by `\ufffd`.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match escaped_unit(rest) {
            Some(0xD800..=0xDBFF) if matches!(rest.get(6..).and_then(escaped_unit), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            Some(_) => 6,
            None => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended.push_str(rest);
    mended
}

/// The code unit of a `\uXXXX` at the start of the text.
fn escaped_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(mine: &str, theirs: &str) -> Option<String> {
        Json::parse(mine).unwrap().difference(&Json::parse(theirs).unwrap())
    }

    #[test]
    fn numbers_are_equal_by_value_and_by_nothing_less() {
        for (mine, theirs) in [("12.50", "12.5"), ("1e2", "100"), ("-0.0", "0"), ("0.001", "1e-3"), ("120", "1.2E+2")] {
            assert_eq!(differ(mine, theirs), None, "{mine} {theirs}");
        }
        for (mine, theirs) in
            [("9007199254740993", "9007199254740992"), ("1", "-1"), ("1", "\"1\""), ("1e400", "1e401")]
        {
            assert!(differ(mine, theirs).is_some(), "{mine} {theirs}");
        }
    }

    #[test]
    fn a_lone_surrogate_is_a_replacement_character_and_a_pair_is_left_alone() {
        assert_eq!(differ(r#""a\ud800b""#, r#""a\ufffdb""#), None);
        assert_eq!(differ(r#""\udc00\ud800""#, r#""\ufffd\ufffd""#), None);
        assert_eq!(differ(r#""\ud83d\ude80""#, "\"🚀\""), None);
        assert_eq!(differ(r#""\\ud800""#, r#""\u005cud800""#), None);
    }

    #[test]
    fn a_difference_names_its_path() {
        assert_eq!(differ(r#"{"a":[1,{"b":2}]}"#, r#"{"a":[1,{"b":3}]}"#).unwrap(), ".a[1].b was 2, is 3");
        assert_eq!(differ(r#"{"a":null}"#, "{}").unwrap(), ".a was null, is gone");
        assert_eq!(differ("{}", r#"{"a":1}"#).unwrap(), ".a was not sent, is 1");
        assert_eq!(differ("[1]", "[1,2]").unwrap(), " was a list of 1, is a list of 2");
    }
}
