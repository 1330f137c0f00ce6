//! Answers: `{"data": …}`, or `{"errors": [{"type", "message", "field"?}]}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use domicile_control::{ControlError, Resource, StoreError};
use domicile_log::ReadError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// `{"data": data}`.
pub(crate) fn data(data: Value) -> Json<Value> {
    Json(json!({ "data": data }))
}

/// A refusal or a failure, in words for whoever asked.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    kind: &'static str,
    message: String,
    field: Option<String>,
    data: Option<Value>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, items: vec![Item { kind, message: message.into(), field: None, data: None }] }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The first error's sentence.
    pub fn message(&self) -> &str {
        self.items.first().map_or("", |item| &item.message)
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed-request", message)
    }

    pub(crate) fn unauthenticated() -> Self {
        let message =
            "this is not a token of this cell; send `Authorization: Bearer TOKEN` with a token of the workspace";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// `needed`: the role that is missing.
    pub(crate) fn forbidden(needed: &str) -> Self {
        let message = format!("the token's roles do not allow this; it needs: {needed}");
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// `data`: what Segment's clients read to know how long to wait.
    pub(crate) fn too_many(message: String, data: Value) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "RequestError", message);
        error.items[0].data = Some(data);
        error
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no such {what}"))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path does not know that method")
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", format!("a body has at most {bytes_max} bytes"))
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let message = "send the body as `Content-Type: application/json`, without a `Content-Encoding`";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", message)
    }

    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::all_invalid(vec![(field.into(), message.into())])
    }

    /// Everything that is wrong with a body or query at once: field and sentence.
    pub(crate) fn all_invalid(faults: Vec<(String, String)>) -> Self {
        let item = |(field, message)| Item { kind: "input-validation", message, field: Some(field), data: None };
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, items: faults.into_iter().map(item).collect() }
    }

    /// What is wrong with a document: field, sentence, and the same in parts. `conflict`: all of it is right in itself, and
    /// does not fit what is there.
    pub(crate) fn unfit_document(faults: Vec<(String, String, Value)>, conflict: bool) -> Self {
        let (status, kind) = match conflict {
            true => (StatusCode::CONFLICT, "conflict"),
            false => (StatusCode::UNPROCESSABLE_ENTITY, "input-validation"),
        };
        let item = |(field, message, data)| Item { kind, message, field: Some(field), data: Some(data) };
        Self { status, items: faults.into_iter().map(item).collect() }
    }

    pub(crate) fn busy(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
    }

    pub(crate) fn internal() -> Self {
        let message = "the cell could not do this; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// The same, of a field within `outer`: `filter.if` of `if`.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        for field in self.items.iter_mut().filter_map(|item| item.field.as_mut()) {
            *field = format!("{outer}.{field}");
        }
        self
    }

    /// One `{"type", "message", "field"?}` for each error.
    pub fn shown(&self) -> Value {
        let show = |item: &Item| {
            let mut shown = json!({ "type": item.kind, "message": item.message });
            if let Some(field) = &item.field {
                shown["field"] = json!(field);
            }
            if let Some(data) = &item.data {
                shown["data"] = data.clone();
            }
            shown
        };
        self.items.iter().map(show).collect()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "errors": self.shown() }))).into_response();
        let mut header = |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        match self.status {
            StatusCode::UNAUTHORIZED => drop(header(header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => drop(header(header::RETRY_AFTER, "5")),
            _ => {}
        }
        response
    }
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid { field, what, mend } => {
                let message = format!("{field} {what}; {mend}");
                Self::invalid(field, message)
            }
            ControlError::NotFound(resource) => Self::not_found(resource.as_str()),
            stale @ ControlError::Stale { .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, "stale-version", stale.to_string())
            }
            reused @ ControlError::KeyReused => Self::invalid("Idempotency-Key", reused.to_string()),
            ControlError::Refused { what, mend } => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", format!("{what}; {mend}"))
            }
            ControlError::Conflict { what, mend } => {
                Self::new(StatusCode::CONFLICT, "conflict", format!("{what}; {mend}"))
            }
            ControlError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the control store failed");
        if error.passes() {
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "cannot-store",
                "this could not be stored now; try again later",
            );
        }
        Self::internal()
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "a log could not be read");
        Self::internal()
    }
}

impl From<Resource> for ApiError {
    fn from(resource: Resource) -> Self {
        Self::not_found(resource.as_str())
    }
}
