//! What goes out on a line and what comes back: limits, the header allow-list, the answer.

use crate::outward::Released;
use crate::permit::Granted;
use crate::target::Target;
use bytes::{Bytes, BytesMut};
use domicile_world::Sleep;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, IF_MATCH, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::time::Duration;

/// How long a request may take, and how much of the answer is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For connecting to one address, TLS included.
    pub connect: Duration,
    /// For everything from [`crate::Line::send`] to the end of the answer.
    pub whole: Duration,
    /// What of the answer's body is kept; the rest is not read.
    pub answer_bytes: usize,
}

impl Limits {
    /// A webhook has 5 s to answer, as in Segment, and 5 s to connect; 64 KiB of its answer are kept.
    pub const WEBHOOK: Self =
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(10), answer_bytes: 64 * 1024 };
}

/// A partner's answer. Whatever the status: a redirect is an answer like any other, and is not followed.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// At most `Limits::answer_bytes`.
    pub body: Bytes,
    pub body_end: BodyEnd,
    /// Of [`crate::Line::deliver`]: what of the event went out.
    pub released: Option<Released>,
}

/// How the body of an answer ended. The status holds in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    Whole,
    /// Longer than the limit: cut there.
    Limit,
    /// Not at its end when the time was up.
    TimeOut,
    /// The connection broke before its end.
    Broken,
}

/// Why the border does not send a request: a fault of the program, not of a customer.
pub(crate) const ELSEWHERE: &str = "its URI names another host than the permit";
pub(crate) const HEADER: &str = "a header that is not on the border's list";

/// The request as it goes on the wire: path only, `Host` from the permit, no header but the listed ones.
pub(crate) fn prepare(granted: &Granted, request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, &'static str> {
    let (mut parts, body) = request.into_parts();
    if parts.uri.authority().is_some() && Target::read(&parts.uri.to_string()).as_ref() != Ok(&granted.target) {
        return Err(ELSEWHERE);
    }
    if !parts.headers.keys().all(may_go_out) {
        return Err(HEADER);
    }
    let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    // A query without a path is a path to the letter of HTTP/1.
    parts.uri = if path.as_str().starts_with('/') {
        Uri::from(path)
    } else {
        format!("/{}", path.as_str()).parse().map_err(|_| ELSEWHERE)?
    };
    let host = HeaderValue::try_from(granted.target.authority()).map_err(|_| ELSEWHERE)?;
    parts.headers.insert(HOST, host);
    Ok(Request::from_parts(parts, body))
}

/// The allow-list. What frames a message, routes it or speaks for a proxy (`Host`, `Transfer-Encoding`, `Connection`,
/// `X-Forwarded-*`) is the border's own business.
fn may_go_out(name: &HeaderName) -> bool {
    const LISTED: [HeaderName; 6] = [ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, IF_MATCH, USER_AGENT];
    const NOT_OF_X: [&str; 5] = ["x-forwarded", "x-real-ip", "x-http-method", "x-original-", "x-rewrite-"];
    let text = name.as_str();
    LISTED.contains(name)
        || text == "idempotency-key"
        || (text.starts_with("x-") && !NOT_OF_X.iter().any(|prefix| text.starts_with(prefix)))
}

/// Reads a body up to `limit` bytes or until `deadline`.
pub(crate) async fn read_body(mut body: Incoming, limit: usize, deadline: &mut Sleep) -> (Bytes, BodyEnd) {
    let mut kept = BytesMut::new();
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut *deadline => return (kept.freeze(), BodyEnd::TimeOut),
        };
        let data = match frame {
            None => return (kept.freeze(), BodyEnd::Whole),
            Some(Err(_)) => return (kept.freeze(), BodyEnd::Broken),
            // Trailers are nothing to us.
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        let room = limit - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return (kept.freeze(), BodyEnd::Limit);
        }
    }
}
