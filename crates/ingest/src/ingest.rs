//! One ingest point: which part of the tracking API answers a request.

use crate::accept::{Accept, Asked};
use crate::body;
use crate::document;
use crate::intake::{Intake, Shared};
use crate::key::decode_percent;
use crate::pixel;
use crate::refusal::Refusal;
use crate::response::{self, Answer};
use crate::route::{Route, Script};
use crate::tally::Tally;
use bytes::Bytes;
use domicile_listen::{BodyError, Peer};
use domicile_log::AcceptedLog;
use domicile_region::PointName;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Full;
use hyper::service::{Service, service_fn};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

/// The SDKs' telemetry is read and thrown away up to here.
const TELEMETRY_BYTES_MAX: usize = 256 * 1024;

/// An ingest point of a region. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    accept: Accept,
}

impl Ingest {
    pub(crate) fn new(intake: Intake, point: PointName, log: AcceptedLog) -> Self {
        let shared = intake.shared;
        let tally = Tally::new(&shared.region, &point);
        let accept = Accept::new(Arc::clone(&shared), point, log, tally);
        Self { inner: Arc::new(Inner { shared, accept }) }
    }

    /// This point as a service for [`domicile_listen::Listener::serve`].
    pub fn service<B>(
        &self,
    ) -> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let ingest = self.clone();
        service_fn(move |request: Request<B>| {
            let ingest = ingest.clone();
            async move { Ok(ingest.handle(request).await) }
        })
    }

    /// Answers one request. It never fails and never redirects; every answer has the headers that browsers need.
    ///
    /// The client's address comes from the [`Peer`] in the request's extensions; without one there is none.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let old = request.version() < Version::HTTP_2;
        let mut unread = false;
        let mut answer = self.route(request, &mut unread).await;
        response::allow_origin(answer.headers_mut(), origin);
        if unread && old {
            // What is left of the body won't be waited for.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn route<B>(&self, request: Request<B>, unread: &mut bool) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BodyError>,
    {
        let Inner { shared, accept } = &*self.inner;
        let (head, body) = request.into_parts();
        let route = Route::of(head.uri.path());
        if head.method == Method::OPTIONS {
            return response::preflight();
        }
        if !route.methods().contains(&head.method) {
            *unread = !body.is_end_stream();
            let (answer, code) = match route {
                Route::Unknown => (response::refused(&Refusal::NotFound), Refusal::NotFound.code()),
                _ => (response::method_not_allowed(&route), Refusal::MethodNotAllowed.code()),
            };
            accept.tally().other(code);
            return answer;
        }
        let head_only = head.method == Method::HEAD;
        match route {
            Route::Batch => accept.request(Asked::batch(), &head, self.client(&head), body, unread).await,
            Route::Single(call) => accept.request(Asked::single(call), &head, self.client(&head), body, unread).await,
            Route::Telemetry => {
                body::discard(body, TELEMETRY_BYTES_MAX).await;
                accept.tally().other("telemetry");
                response::success()
            }
            Route::Pixel(_) if head_only => pixel::image(),
            Route::Pixel(call) => {
                let user_agent = head.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
                match pixel::event(head.uri.query().unwrap_or_default(), user_agent) {
                    Some(event) => accept.pixel(call, event, self.client(&head)).await,
                    None => accept.tally().other("pixel_unreadable"),
                }
                pixel::image()
            }
            Route::Settings { key } => {
                accept.tally().other("settings");
                shared.settings_answer(key, &head.headers)
            }
            Route::Script(script) => {
                accept.tally().other("script");
                self.script(script, &head.headers)
            }
            Route::Healthz => response::json(StatusCode::OK, Bytes::from_static(br#"{"alive":true}"#)),
            Route::Readyz if accept.is_ready() => {
                response::json(StatusCode::OK, Bytes::from_static(br#"{"ready":true}"#))
            }
            Route::Readyz => response::json(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(br#"{"ready":false}"#)),
            Route::Unknown => response::refused(&Refusal::NotFound),
        }
    }

    fn script(&self, script: Script<'_>, headers: &HeaderMap) -> Answer {
        let shared = &self.inner.shared;
        if let Script::Main { key } | Script::Classic { key } = script {
            let snapshot = shared.current.load();
            let key = decode_percent(key);
            if let Err(refusal) = document::source_here(&snapshot, &shared.topology, &shared.urls, &key) {
                let mut answer = response::refused(&refusal);
                *answer.status_mut() = StatusCode::NOT_FOUND;
                return answer;
            }
        }
        shared.scripts.answer(script, headers)
    }

    fn client(&self, head: &http::request::Parts) -> Option<IpAddr> {
        let peer = head.extensions.get::<Peer>()?;
        Some(domicile_listen::client_address(peer.ip, &head.headers, &self.inner.shared.settings.trusted_proxies))
    }
}
