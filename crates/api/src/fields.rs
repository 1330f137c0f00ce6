//! Reading a JSON object field by field, by hand: each wrong one is told, and one that nobody asked for is refused.

use crate::answer::ApiError;
use serde_json::{Map, Value};

/// Faults of one body that are told at once.
const FAULTS_MAX: usize = 20;

/// An object being read. Take the fields, then call [`Fields::done`].
pub(crate) struct Fields {
    /// Where it lies in the body: empty, or `rateLimit.`.
    place: String,
    rest: Map<String, Value>,
    faults: Vec<(String, String)>,
}

impl Fields {
    pub fn empty() -> Self {
        Self { place: String::new(), rest: Map::new(), faults: Vec::new() }
    }

    /// # Errors
    /// What is not JSON, not an object, or nested more than 128 deep.
    pub fn read(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(rest)) => Ok(Self { rest, ..Self::empty() }),
            Ok(_) => Err(ApiError::malformed("the body is not a JSON object")),
            Err(error) => {
                // The parser's own text may quote the body.
                let what = if error.is_eof() { "is cut off" } else { "is not JSON, or is nested too deep" };
                let (line, column) = (error.line(), error.column());
                Err(ApiError::malformed(format!("the body {what} (line {line}, column {column})")))
            }
        }
    }

    /// A text that may be absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        match self.rest.remove(name)? {
            Value::String(text) => Some(text),
            _ => self.wrong(name, "is not a text"),
        }
    }

    /// A text that must be there. The empty text stands for one that is not: [`Fields::done`] tells.
    pub fn needed_text(&mut self, name: &str) -> String {
        if !self.rest.contains_key(name) {
            return self.wrong(name, "is missing").unwrap_or_default();
        }
        self.text(name).unwrap_or_default()
    }

    /// A truth value that may be absent.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.rest.remove(name)? {
            Value::Bool(flag) => Some(flag),
            _ => self.wrong(name, "is neither true nor false"),
        }
    }

    /// A whole number that must be there.
    pub fn needed_count(&mut self, name: &str) -> u32 {
        let value = self.rest.remove(name);
        let count = value.as_ref().and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        count.unwrap_or_else(|| self.wrong(name, "is not a whole number").unwrap_or_default())
    }

    /// An object that may be absent, taken as it is.
    pub fn map(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.rest.remove(name)? {
            Value::Object(map) => Some(map),
            _ => self.wrong(name, "is not an object"),
        }
    }

    /// An object or null that may be absent, read by `read`; what is wrong or left over in it is told with its place.
    pub fn nested<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields) -> T) -> Option<Option<T>> {
        let rest = match self.rest.remove(name)? {
            Value::Null => return Some(None),
            Value::Object(rest) => rest,
            _ => return self.wrong(name, "is neither an object nor null"),
        };
        let mut inner = Fields { place: format!("{}{name}.", self.place), rest, faults: Vec::new() };
        let value = read(&mut inner);
        inner.refuse_rest();
        self.faults.append(&mut inner.faults);
        Some(Some(value))
    }

    /// Notes a field that is there but may not be, with the reason.
    pub fn refuse(&mut self, name: &str, why: &str) {
        if self.rest.remove(name).is_some() {
            self.wrong::<()>(name, why);
        }
    }

    pub fn wrong<T>(&mut self, name: &str, what: &str) -> Option<T> {
        let field = format!("{}{name}", self.place);
        let message = format!("{field} {what}");
        self.faults.push((field, message));
        None
    }

    fn refuse_rest(&mut self) {
        for name in std::mem::take(&mut self.rest).keys().take(FAULTS_MAX) {
            self.wrong::<()>(name, "is not a field of this request");
        }
    }

    /// # Errors
    /// Everything that was wrong, and every field that was not taken.
    pub fn done(mut self) -> Result<(), ApiError> {
        self.refuse_rest();
        if self.faults.is_empty() {
            return Ok(());
        }
        self.faults.truncate(FAULTS_MAX);
        Err(ApiError::all_invalid(self.faults))
    }
}
