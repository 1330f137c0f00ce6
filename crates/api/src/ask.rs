//! Requests, read and checked before a handler sees them: who asks, a path's id, the query, the body.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::fields::Fields;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use domicile_control::{Actor, TokenScope};
use domicile_workspace::WorkspaceId;
use http::request::Parts;
use http::{HeaderMap, header};
use std::sync::Arc;

/// A body of the Public API: far more than any configuration needs.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// Whoever asks, by a token that holds.
pub(crate) struct Caller {
    pub scope: TokenScope,
}

impl Caller {
    pub fn workspace(&self) -> &WorkspaceId {
        &self.scope.workspace
    }

    pub fn actor(&self) -> Actor {
        self.scope.actor()
    }
}

impl FromRequestParts<Arc<Cell>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, cell: &Arc<Cell>) -> Result<Self, ApiError> {
        let bearer = bearer(&parts.headers).ok_or_else(ApiError::unauthenticated)?.to_owned();
        let scope = cell.blocking(move |cell| Ok(cell.control.token_of(&bearer)?)).await?;
        scope.map(|scope| Self { scope }).ok_or_else(ApiError::unauthenticated)
    }
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The one parameter of a path, decoded.
pub(crate) struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(ApiError::malformed("the path is not UTF-8 when decoded")),
        }
    }
}

/// The two parameters of a path, decoded.
pub(crate) struct Ids(pub String, pub String);

impl<S: Send + Sync> FromRequestParts<S> for Ids {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((first, second))) => Ok(Self(first, second)),
            Err(_) => Err(ApiError::malformed("the path is not UTF-8 when decoded")),
        }
    }
}

/// The query. A handler takes what it knows and calls [`Query::done`], which refuses the rest.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The value of a parameter, in either spelling that clients use: `pagination.count` and `pagination[count]`.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let bracketed = name.split_once('.').map(|(outer, inner)| format!("{outer}[{inner}]"));
        let is_it = |(found, _): &mut (String, String)| found == name || Some(&*found) == bracketed.as_ref();
        let mut values: Vec<_> = self.0.extract_if(.., is_it).map(|(_, value)| value).collect();
        if values.len() > 1 {
            return Err(ApiError::invalid(name, format!("{name} is given more than once")));
        }
        Ok(values.pop())
    }

    pub fn done(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let unknown = |(name, _): (String, String)| {
            let message = "is no parameter of this path".to_owned();
            (name, message)
        };
        Err(ApiError::all_invalid(self.0.into_iter().take(20).map(unknown).collect()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// A body that is a JSON object; none at all counts as an empty one.
pub(crate) struct Body(pub Fields);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
            http::StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(BODY_BYTES_MAX),
            _ => ApiError::malformed("the body could not be read to its end"),
        })?;
        if bytes.is_empty() {
            return Ok(Self(Fields::empty()));
        }
        if !is_json {
            return Err(ApiError::unsupported_media_type());
        }
        Fields::read(&bytes).map(Self)
    }
}

/// `application/json`, `application/vnd.segment.v1+json` and its like, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/vnd.segment.") && essence.ends_with("+json"))
}
