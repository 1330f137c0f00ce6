//! Answers, and the headers that browsers need on every one of them.

use crate::refusal::Refusal;
use crate::route::Route;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

pub(crate) type Answer = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Of the one page that SDKs ask for before a cross-origin request: the headers are named one by one, because `*` does
/// not cover `authorization`.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, x-retry-count, x-domicile-receipt, content-encoding, cache-control",
);
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static("Retry-After, X-RateLimit-Reset, X-Domicile-Receipt");
const DAY_S: HeaderValue = HeaderValue::from_static("86400");

/// An accepted request's answer. Some SDKs take nothing but exactly this for success.
pub(crate) fn success() -> Answer {
    json(StatusCode::OK, Bytes::from_static(br#"{"success":true}"#))
}

/// Asks for a receipt (`want`), and tells where to fetch it.
pub(crate) const RECEIPT: HeaderName = HeaderName::from_static("x-domicile-receipt");

pub(crate) fn json(status: StatusCode, body: Bytes) -> Answer {
    with_type(status, JSON, body)
}

pub(crate) fn with_type(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

pub(crate) fn refused(refusal: &Refusal) -> Answer {
    // Strings and a flag: this does not fail.
    let body = serde_json::to_vec(&refusal.body()).unwrap_or_default();
    let mut answer = json(refusal.status(), body.into());
    if let Some(seconds) = refusal.wait_s() {
        let seconds = HeaderValue::from(seconds);
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
        if matches!(refusal, Refusal::RateLimited(_)) {
            answer.headers_mut().insert(RATE_LIMIT_RESET, seconds);
        }
    }
    answer
}

pub(crate) fn method_not_allowed(route: &Route<'_>) -> Answer {
    let mut answer = refused(&Refusal::MethodNotAllowed);
    let allow = route.methods().iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
    if let Ok(allow) = HeaderValue::from_str(&allow) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

pub(crate) fn preflight() -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, DAY_S);
    answer
}

/// Lets a page of any origin read the answer: without these a browser takes a refusal for a network error, and sends
/// again what it should drop.
///
/// `origin` is the request's. It is echoed, and credentials are allowed, because a page may send with
/// `credentials: "include"`; nothing here is decided by a cookie.
pub(crate) fn allow_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    match origin {
        Some(origin) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        None => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
}

/// 304 when the request's `If-None-Match` names `etag`, else 200 with `body`.
pub(crate) fn cacheable(
    request: &HeaderMap,
    content_type: HeaderValue,
    body: Bytes,
    etag: &str,
    cache: HeaderValue,
) -> Answer {
    let known = request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // Proxies that compress weaken the tag.
        .any(|tag| matches!(tag.trim().trim_start_matches("W/"), "*") || tag.trim().trim_start_matches("W/") == etag);
    let mut answer = match known {
        true => empty(StatusCode::NOT_MODIFIED),
        false => with_type(StatusCode::OK, content_type, body),
    };
    if let Ok(etag) = HeaderValue::from_str(etag) {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    answer.headers_mut().insert(header::CACHE_CONTROL, cache);
    answer
}
