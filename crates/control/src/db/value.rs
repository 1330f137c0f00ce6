//! Values and rows, as both engines have them.

use super::DbError;
use domicile_world::Millis;
use std::fmt;

/// What a column holds.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

// What a row holds stands in no log.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
        })
    }
}

/// One row of an answer.
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    /// How much it holds, about.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = |value: &Value| match value {
            Value::Null => 1,
            Value::Int(_) => 8,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        self.0.iter().map(bytes).sum()
    }

    /// The column in this place, counted from 0.
    pub(crate) fn get<T: FromValue>(&self, place: usize) -> Result<T, DbError> {
        let value = self.0.get(place).unwrap_or(&Value::Null);
        T::from_value(value).ok_or_else(|| DbError::odd(format!("column {place} is not as it should be")))
    }
}

/// The beginning of an answer.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    /// Whether there were more, which were not read.
    pub(crate) left_off: bool,
    bytes: usize,
}

impl Rows {
    /// Takes a row, unless it would make them more than `bytes`; the first one always. Whether it took it.
    pub(crate) fn take(&mut self, row: Row, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(row.bytes());
        self.left_off = self.bytes > bytes && !self.rows.is_empty();
        if !self.left_off {
            self.rows.push(row);
        }
        !self.left_off
    }
}

/// What a statement can be given.
pub(crate) trait ToValue {
    fn to_value(&self) -> Value;
}

/// What a column can be read as.
pub(crate) trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

/// `values![a, b]`: what stands for `?1` and `?2`.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::db::ToValue::to_value(&$value)),*][..]
    };
}
pub(crate) use values;

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(if self.contains('\0') { self.replace('\0', "\u{FFFD}") } else { self.to_owned() })
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        self.as_str().to_value()
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value {
        Value::Bytes(self.clone())
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_vec())
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Int((*self).into())
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            _ => None,
        }
    }
}

impl ToValue for Millis {
    fn to_value(&self) -> Value {
        Value::Int(self.0)
    }
}

impl FromValue for Millis {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ToValue for $type {
            fn to_value(&self) -> Value {
                // Nothing here counts past 2^63.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }

        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::Int(int) => (*int).try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integers!(i64, u16, u32, u64);
