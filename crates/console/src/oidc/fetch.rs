//! What is asked of a provider over the network, as a seam: the border's in the program, a scripted one in tests.

use super::Provider;
use async_trait::async_trait;
use bytes::Bytes;
use domicile_border::{Ask, BodyEnd, Border, Limits, Place, Purpose};
use domicile_workspace::WorkspaceId;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use std::time::Duration;

/// Bytes of an answer; a longer one is none.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 * 1_024;

/// A whole answer of at most [`ANSWER_BYTES_MAX`] bytes. A redirect is an answer like any other, and is not followed.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there is no answer: refused by the border, not connected, cut off, too long, too late.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(pub String);

/// Requests to a provider's addresses.
#[async_trait]
pub(crate) trait Fetch: Send + Sync {
    async fn get(
        &self,
        provider: &Provider,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Fetched, FetchError>;

    /// `form`: `application/x-www-form-urlencoded`.
    async fn post(
        &self,
        provider: &Provider,
        url: &str,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Fetched, FetchError>;
}

/// How long a provider may take for each of its answers.
const LIMITS: Limits =
    Limits { connect: Duration::from_secs(5), whole: Duration::from_secs(10), answer_bytes: ANSWER_BYTES_MAX };

/// Through the border, like all that goes out.
pub(crate) struct BorderFetch {
    border: Border,
}

impl BorderFetch {
    pub fn new(border: Border) -> Self {
        Self { border }
    }

    async fn send(&self, provider: &Provider, url: &str, request: Request<Full<Bytes>>) -> Result<Fetched, FetchError> {
        let ask = Ask {
            workspace: WorkspaceId::new("sign-in"),
            purpose: Purpose::SignIn,
            url: url.to_owned(),
            place: Place::Declared(provider.country),
        };
        let permit = self.border.permit(ask).await.map_err(|refusal| FetchError(refusal.to_string()))?;
        let line = self.border.open(permit, &LIMITS).await;
        let mut line = line.map_err(|error| FetchError(error.to_string()))?;
        let answer = line.send(request, &LIMITS).await.map_err(|error| FetchError(error.to_string()))?;
        match answer.body_end {
            BodyEnd::Whole => Ok(Fetched { status: answer.status.as_u16(), body: answer.body.to_vec() }),
            _ => Err(FetchError("the answer was cut off or is too long".to_owned())),
        }
    }
}

fn request(
    method: Method,
    url: &str,
    body: String,
    authorization: Option<HeaderValue>,
) -> Result<Request<Full<Bytes>>, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError("the address can't be read".to_owned()))?;
    let path = uri.path_and_query().cloned().map_or(Uri::from_static("/"), Uri::from);
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = method;
    *request.uri_mut() = path;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    Ok(request)
}

#[async_trait]
impl Fetch for BorderFetch {
    async fn get(
        &self,
        provider: &Provider,
        url: &str,
        authorization: Option<HeaderValue>,
    ) -> Result<Fetched, FetchError> {
        self.send(provider, url, request(Method::GET, url, String::new(), authorization)?).await
    }

    async fn post(
        &self,
        provider: &Provider,
        url: &str,
        form: String,
        authorization: Option<HeaderValue>,
    ) -> Result<Fetched, FetchError> {
        let mut request = request(Method::POST, url, form, authorization)?;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        self.send(provider, url, request).await
    }
}
