//! What an operand is worth, and when two values are equal.

use super::number::Number;
use super::syntax::Operand;
use super::view::{string_end, value_end};
use crate::text::{decode, json_string};
use std::borrow::Cow;

/// A value of an event or of an expression. A field that is not there is `Null`.
#[derive(Clone)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Number(Number<'v>),
    Text(Cow<'v, str>),
    /// A list or an object of the event, raw.
    Raw(&'v [u8]),
    /// A list of the expression.
    List(&'v [Operand]),
}

impl<'v> Value<'v> {
    /// The value that `raw` begins with; what is no JSON is null.
    pub fn read(raw: &'v [u8]) -> Self {
        Self::read_at(raw).unwrap_or(Self::Null)
    }

    fn read_at(raw: &'v [u8]) -> Option<Self> {
        Some(match raw.first()? {
            b'"' => {
                let (end, escaped) = string_end(raw, 1)?;
                Self::Text(decode(raw.get(1..end - 1)?, escaped))
            }
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'{' | b'[' => Self::Raw(raw.get(..value_end(raw, 0)?)?),
            b'-' | b'0'..=b'9' => Self::Number(Number::parse(raw.get(..value_end(raw, 0)?)?)?),
            _ => return None,
        })
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Raw(raw) if raw.starts_with(b"[") => "list",
            Self::Raw(_) => "object",
        }
    }
}

/// The items of a raw list, each from its first byte on; nothing if it is none.
pub(super) fn items(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = if raw.starts_with(b"[") { Some(1) } else { None };
    std::iter::from_fn(move || {
        let is_between = |byte: &u8| matches!(byte, b',' | ..=b' ');
        let start = at? + raw.get(at?..)?.iter().position(|byte| !is_between(byte))?;
        at = value_end(raw, start).filter(|_| raw.get(start) != Some(&b']'));
        at.and_then(|end| raw.get(start..end))
    })
}

/// Whether two raw values say the same: spelling of texts and numbers and space aside, with keys in the same order.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a == b || {
        let (mut canonical_a, mut canonical_b) = (Vec::with_capacity(a.len()), Vec::with_capacity(b.len()));
        canonical(&mut canonical_a, a);
        canonical(&mut canonical_b, b);
        canonical_a == canonical_b
    }
}

/// Appends a raw value in the one spelling that all raw values saying the same have. Goes token by token: what is nested
/// needs no memory.
pub(crate) fn canonical(out: &mut Vec<u8>, raw: &[u8]) {
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        match byte {
            b'"' => {
                let (end, escaped) = string_end(raw, at + 1).unwrap_or((raw.len() + 1, true));
                json_string(out, &decode(raw.get(at + 1..end - 1).unwrap_or_default(), escaped));
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let end = value_end(raw, at).unwrap_or(raw.len());
                let spelling = &raw[at..end];
                match Number::parse(spelling) {
                    Some(number) => number.write(out),
                    None => out.extend_from_slice(spelling),
                }
                at = end;
                continue;
            }
            ..=b' ' => {}
            _ => out.push(*byte),
        }
        at += 1;
    }
}
