//! What an expression says of one event.
//!
//! | operands | result |
//! | --- | --- |
//! | `=` of two types | false; `null` equals `null`, so a missing field does too |
//! | `<` `<=` `>` `>=` | two numbers by value, or two texts by their bytes; else false |
//! | `in` | a scalar in a list, of the event or of the expression; else false |
//! | as a condition | `true` is true, anything else is false |

use super::glob::Glob;
use super::number::Number;
use super::syntax::{Function, Op, Operand, Term};
use super::value::{Value, items, same};
use super::view::View;
use std::borrow::Cow;
use std::cmp::Ordering;

pub(super) fn truth<'v>(term: &'v Term, view: &mut View<'v, '_>) -> bool {
    match term {
        Term::All => true,
        Term::And(terms) => terms.iter().all(|term| truth(term, view)),
        Term::Or(terms) => terms.iter().any(|term| truth(term, view)),
        Term::Not(term) => !truth(term, view),
        Term::Bare(operand) => matches!(value(operand, view), Value::Bool(true)),
        Term::Compare { left, op, right } => {
            let left = value(left, view);
            let right = value(right, view);
            match op {
                Op::Equal => equal(&left, &right, view),
                Op::Unequal => !equal(&left, &right, view),
                Op::Less => order(&left, &right).is_some_and(Ordering::is_lt),
                Op::LessOrEqual => order(&left, &right).is_some_and(Ordering::is_le),
                Op::More => order(&left, &right).is_some_and(Ordering::is_gt),
                Op::MoreOrEqual => order(&left, &right).is_some_and(Ordering::is_ge),
                Op::In => is_in(&left, &right, view),
            }
        }
    }
}

#[inline]
fn value<'v>(operand: &'v Operand, view: &mut View<'v, '_>) -> Value<'v> {
    match operand {
        Operand::Null => Value::Null,
        Operand::Bool(value) => Value::Bool(*value),
        Operand::Number(number) => Value::Number(number.borrowed()),
        Operand::Text(text) => Value::Text(Cow::Borrowed(text)),
        Operand::Path(field) => view.find(*field).map_or(Value::Null, Value::read),
        Operand::List(list) => Value::List(list),
        Operand::Match(text, pattern) => Value::Bool(match value(text, view) {
            Value::Text(text) => pattern.glob.as_ref().is_some_and(|glob| glob.matches(&text)),
            _ => false,
        }),
        Operand::Call(function, arguments) => match &**arguments {
            [only] => of_one(*function, value(only, view)),
            [first, second] => of_two(*function, &value(first, view), &value(second, view)),
            _ => Value::Null,
        },
    }
}

fn of_one(function: Function, value: Value<'_>) -> Value<'_> {
    match (function, value) {
        (Function::Typeof, value) => Value::Text(Cow::Borrowed(value.type_name())),
        (Function::Length, value) => length(&value).map_or(Value::Null, |count| Value::Number(Number::of(count))),
        (Function::Lowercase, Value::Text(text)) => Value::Text(text.to_lowercase().into()),
        (Function::Uppercase, Value::Text(text)) => Value::Text(text.to_uppercase().into()),
        (Function::Snakecase, Value::Text(text)) => Value::Text(text.replace(' ', "_").into()),
        (Function::Kebabcase, Value::Text(text)) => Value::Text(text.replace(' ', "-").into()),
        (Function::Titlecase, Value::Text(text)) => Value::Text(titlecase(&text).into()),
        (Function::Bool, value) => to_bool(&value).map_or(Value::Null, Value::Bool),
        (Function::Number, Value::Text(text)) => {
            Number::parse(text.as_bytes()).map_or(Value::Null, |number| Value::Number(number.into_owned()))
        }
        (Function::Number, value @ Value::Number(_)) => value,
        (Function::String, value) => to_text(value),
        _ => Value::Null,
    }
}

fn of_two(function: Function, first: &Value<'_>, second: &Value<'_>) -> Value<'static> {
    let (Value::Text(text), Value::Text(part)) = (first, second) else { return Value::Bool(false) };
    Value::Bool(match function {
        Function::Contains => text.contains(&**part),
        Function::Match => Glob::parse(part).is_some_and(|glob| glob.matches(text)),
        _ => false,
    })
}

/// Elements of a list, bytes of a text, 0 for null; nothing else has a length.
fn length(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Null => Some(0),
        Value::Text(text) => Some(text.len()),
        Value::List(list) => Some(list.len()),
        Value::Raw(raw) if raw.starts_with(b"[") => Some(items(raw).count()),
        _ => None,
    }
}

/// The first letter of each word large; the others stay.
fn titlecase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut starts = true;
    for character in text.chars() {
        if starts {
            out.extend(character.to_uppercase());
        } else {
            out.push(character);
        }
        starts = character == ' ';
    }
    out
}

fn to_bool(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => Some(!number.is_zero()),
        Value::Text(text) if text == "true" => Some(true),
        Value::Text(text) if text == "false" => Some(false),
        _ => None,
    }
}

fn to_text(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text(_) => value,
        Value::Bool(value) => Value::Text(Cow::Borrowed(if value { "true" } else { "false" })),
        Value::Number(number) => {
            let mut text = Vec::new();
            number.write(&mut text);
            Value::Text(String::from_utf8_lossy(&text).into_owned().into())
        }
        _ => Value::Null,
    }
}

fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Some(left.order(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Goes as deep as a list of the expression, no deeper.
fn equal<'v>(left: &Value<'v>, right: &Value<'v>, view: &mut View<'v, '_>) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => left == right,
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::Raw(left), Value::Raw(right)) => same(left, right),
        (Value::Raw(raw), Value::List(list)) | (Value::List(list), Value::Raw(raw)) => {
            let mut rest = list.iter();
            raw.starts_with(b"[")
                && items(raw).all(|item| {
                    rest.next().is_some_and(|operand| {
                        let operand = value(operand, view);
                        equal(&Value::read(item), &operand, view)
                    })
                })
                && rest.next().is_none()
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(left, right)| {
                    let (left, right) = (value(left, view), value(right, view));
                    equal(&left, &right, view)
                })
        }
        _ => false,
    }
}

fn is_in<'v>(left: &Value<'v>, right: &Value<'v>, view: &mut View<'v, '_>) -> bool {
    if matches!(left, Value::Raw(_) | Value::List(_)) {
        return false;
    }
    match right {
        Value::List(list) => list.iter().any(|operand| {
            let operand = value(operand, view);
            equal(left, &operand, view)
        }),
        Value::Raw(raw) => items(raw).any(|item| equal(left, &Value::read(item), view)),
        _ => false,
    }
}
