//! What the ingest points of one region share in a process.

use crate::budget::Budget;
use crate::ingest::Ingest;
use crate::key::{self, decode_percent};
use crate::rate::Rates;
use crate::refusal::Refusal;
use crate::response::{self, Answer};
use crate::scripts::Scripts;
use crate::{PublicUrls, document};
use domicile_log::AcceptedLog;
use domicile_region::{PointName, RegionId, Topology};
use domicile_workspace::{Current, Source, SourceNumber};
use domicile_world::{Millis, World};
use http::header::{HeaderMap, HeaderValue};
use http::{Request, StatusCode, header};
use ipnet::IpNet;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the operator sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Peers whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes of request bodies in memory at once, over all points of the region in this process.
    pub bodies_bytes_max: usize,
    /// How long a request waits for room in that budget before it is answered 503.
    pub bodies_wait: Duration,
    /// The folder of the browser SDK's files.
    pub scripts: Option<PathBuf>,
    /// The public address of the cell, where who asks for a receipt may fetch it; without one nobody is told.
    pub receipts: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            bodies_bytes_max: 64 * 1024 * 1024,
            bodies_wait: Duration::from_secs(2),
            scripts: None,
            receipts: None,
        }
    }
}

/// A page asks again at each load, so that it follows its source to a new ingest point at the next reload; the ETag makes
/// asking cheap.
const SETTINGS_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the ingest points of one region share in a process: configuration, public addresses, the body budget, rate
/// limits, settings documents. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub world: World,
    pub topology: Arc<Topology>,
    pub region: RegionId,
    pub current: Current,
    pub urls: Arc<PublicUrls>,
    pub settings: Settings,
    pub rates: Rates,
    pub scripts: Scripts,
    pub bodies: Budget,
    settings_fetched: Mutex<HashMap<SourceNumber, Millis>>,
}

impl Intake {
    pub fn new(
        world: World,
        topology: Arc<Topology>,
        region: RegionId,
        current: Current,
        urls: Arc<PublicUrls>,
        settings: Settings,
    ) -> Self {
        let shared = Shared {
            rates: Rates::new(Arc::clone(&world.clock)),
            scripts: Scripts::new(world.clone(), settings.scripts.clone()),
            bodies: Budget::new(Arc::clone(&world.clock), settings.bodies_bytes_max, settings.bodies_wait),
            settings_fetched: Mutex::default(),
            world,
            topology,
            region,
            current,
            urls,
            settings,
        };
        Self { shared: Arc::new(shared) }
    }

    /// An ingest point: `log` is the region's accepted log, or for a remote point its spool.
    pub fn point(&self, point: PointName, log: AcceptedLog) -> Ingest {
        Ingest::new(self.clone(), point, log)
    }

    /// Answers `GET /v1/projects/{key}/settings`, with the headers that browsers need: for the cell's own port.
    pub fn settings<B>(&self, request: &Request<B>, key: &str) -> Answer {
        let mut answer = self.shared.settings_answer(key, request.headers());
        response::allow_origin(answer.headers_mut(), request.headers().get(header::ORIGIN).cloned());
        answer
    }

    /// The source whose write key a request's `Authorization` names: for who fetches a receipt on the cell's own port.
    ///
    /// # Errors
    /// The tracking API's refusal, as an answer.
    pub fn source_of(&self, headers: &HeaderMap) -> Result<Arc<Source>, Box<Answer>> {
        let shared = &self.shared;
        let refused = |refusal: &Refusal| Box::new(response::refused(refusal));
        let key = key::from_header(headers).ok_or_else(|| refused(&Refusal::MissingWriteKey))?;
        let snapshot = shared.current.load();
        let source = document::source_here(&snapshot, &shared.topology, &shared.urls, &key);
        source.cloned().map_err(|refusal| refused(&refusal))
    }

    /// When a source's settings were last asked for since the start, by the wall clock.
    pub fn settings_fetched(&self, source: SourceNumber) -> Option<Millis> {
        self.shared.settings_fetched.lock().unwrap_or_else(PoisonError::into_inner).get(&source).copied()
    }
}

impl Shared {
    /// A settings document, or 404 with the reason: SDKs show it to whoever set them up.
    pub fn settings_answer(&self, key: &str, request: &HeaderMap) -> Answer {
        let key = decode_percent(key);
        let snapshot = self.current.load();
        let not_found = |refusal: &Refusal| {
            let mut answer = response::refused(refusal);
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        };
        let source = match document::source_here(&snapshot, &self.topology, &self.urls, &key) {
            Ok(source) => source,
            Err(refusal) => return not_found(&refusal),
        };
        let Some(document) = document::settings_document(&snapshot, &self.urls, &key) else {
            return not_found(&Refusal::UnknownWriteKey);
        };
        self.note_settings_fetch(source);
        response::cacheable(request, JSON, document.body, &document.etag, SETTINGS_CACHE)
    }

    fn note_settings_fetch(&self, source: &Source) {
        let now = self.world.clock.now();
        self.settings_fetched.lock().unwrap_or_else(PoisonError::into_inner).insert(source.number, now);
    }
}
