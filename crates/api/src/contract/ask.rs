//! A request, read and checked against its operation before a handler sees it.

use super::operation::{Operation, Verb};
use super::page::PageAsk;
use super::query;
use super::schema::Faults;
use crate::answer::ApiError;
use bytes::Bytes;
use domicile_control::{Grants, Once, Scope};
use domicile_workspace::WorkspaceId;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A body of the Public API: far more than any configuration needs.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// Whoever asks, by a token that holds.
#[derive(Clone)]
pub(crate) struct Caller {
    pub scope: Scope,
}

impl Caller {
    pub fn workspace(&self) -> &WorkspaceId {
        &self.scope.workspace
    }

    pub fn grants(&self) -> &Grants {
        &self.scope.grants
    }
}

/// A request that fits its operation.
pub(crate) struct Ask {
    pub caller: Caller,
    path: Vec<(String, String)>,
    query: Map<String, Value>,
    body: Map<String, Value>,
    pub page: PageAsk,
    /// From `If-Match`: the change is for this version only.
    pub if_version: Option<u64>,
    /// From `Idempotency-Key`.
    pub once: Option<Once>,
    pub headers: HeaderMap,
}

impl Ask {
    /// Reads a request.
    ///
    /// # Errors
    /// Everything that is wrong with query, headers and body at once, as far as it can be read.
    pub fn read(
        operation: &Operation,
        caller: Caller,
        path: Vec<(String, String)>,
        query: Option<&str>,
        headers: HeaderMap,
        body: &Bytes,
    ) -> Result<Self, ApiError> {
        let mut faults = Faults::default();
        let (query, page) = query::read(operation, query.unwrap_or_default(), &mut faults);
        let if_version = read_if_match(operation, &headers, &mut faults);
        let once = read_once(operation, &path, &query, &headers, body, &mut faults);
        let body = read_body(operation, &headers, body, &mut faults)?;
        if !faults.0.is_empty() {
            return Err(ApiError::all_invalid(faults.0));
        }
        Ok(Self { caller, path, query, body, page, if_version, once, headers })
    }

    /// A parameter of the path, decoded. The operation has to name it.
    pub fn id(&self, name: &str) -> &str {
        self.path.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// A text of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name)?.as_str()
    }

    /// A parameter of the query, whatever it is.
    pub fn query_value(&self, name: &str) -> Option<&Value> {
        self.query.get(name)
    }

    /// A list of texts of the query.
    pub fn query_list(&self, name: &str) -> Vec<&str> {
        self.query.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn query_count(&self, name: &str) -> Option<i64> {
        self.query.get(name)?.as_i64()
    }

    /// A field of the body, whatever it is.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.body.get(name)
    }

    /// A text of the body; null counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.body.get(name)?.as_bool()
    }

    pub fn map(&self, name: &str) -> Option<&Map<String, Value>> {
        self.body.get(name)?.as_object()
    }

    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// The body as a type that the operation's shape fits.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        typed(Value::Object(self.body.clone()), "")
    }
}

/// A value that was checked already, as a type. What fails here breaks a rule that shapes can't tell.
pub(crate) fn typed<T: DeserializeOwned>(value: Value, field: &str) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|_| {
        let place = if field.is_empty() { "body" } else { field };
        ApiError::invalid(place, format!("{place} is not of the form that the OpenAPI document gives"))
    })
}

fn read_if_match(operation: &Operation, headers: &HeaderMap, faults: &mut Faults) -> Option<u64> {
    let value = headers.get(header::IF_MATCH)?;
    if !operation.guarded {
        // Were it passed over, whoever sent it would think the change guarded.
        if operation.verb != Verb::Get {
            faults.add("If-Match", "is not taken by this operation; leave it out");
        }
        return None;
    }
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return None;
    }
    let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')?.parse().ok());
    if version.is_none() {
        faults.add("If-Match", "is not an ETag that this cell gave, like \"17\"");
    }
    version
}

/// What makes a second try of one request known: its key, and a digest of all that it asks.
fn read_once(
    operation: &Operation,
    path: &[(String, String)],
    query: &Map<String, Value>,
    headers: &HeaderMap,
    body: &Bytes,
    faults: &mut Faults,
) -> Option<Once> {
    let key = headers.get("idempotency-key").filter(|_| operation.verb == Verb::Post)?;
    let key = key.to_str().unwrap_or_default();
    if !(1..=255).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        faults.add("Idempotency-Key", "is not 1 to 255 visible ASCII characters");
        return None;
    }
    let mut asked = operation.id.as_bytes().to_vec();
    for (name, value) in path {
        asked.extend_from_slice(format!("\n{name}={value}").as_bytes());
    }
    asked.extend_from_slice(format!("\n{}\n", Value::Object(query.clone())).as_bytes());
    asked.extend_from_slice(body);
    Some(Once::new(key, &asked))
}

fn read_body(
    operation: &Operation,
    headers: &HeaderMap,
    body: &Bytes,
    faults: &mut Faults,
) -> Result<Map<String, Value>, ApiError> {
    let map = if body.is_empty() {
        Map::new()
    } else {
        if !is_json(headers) || is_encoded(headers) {
            return Err(ApiError::unsupported_media_type());
        }
        parse(body)?
    };
    match operation.body {
        Some(object) => object.check(&map, "", faults),
        None => {
            for name in map.keys() {
                let shown: String = name.chars().take(100).collect();
                faults.add(&shown, "is not a field of this request");
            }
        }
    }
    Ok(map)
}

/// # Errors
/// What is not JSON, not an object, or nested more than 128 deep.
fn parse(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(ApiError::malformed("the body is not a JSON object")),
        Err(error) => {
            // The parser's own text may quote the body.
            let what = if error.is_eof() { "is cut off" } else { "is not JSON, or is nested too deep" };
            let (line, column) = (error.line(), error.column());
            Err(ApiError::malformed(format!("the body {what} (line {line}, column {column})")))
        }
    }
}

/// A packed body would be read as it lies.
fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// `application/json`, `application/vnd.segment.v1+json` and its like, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/vnd.segment.") && essence.ends_with("+json"))
}
