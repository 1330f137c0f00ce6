//! What an ingest point counts.

use domicile_region::{PointName, RegionId};
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

/// The counters of one ingest point. They belong to the recorder that is installed when the point is made.
pub(crate) struct Tally {
    region: String,
    point: String,
    accepted: Counter,
    events: Counter,
    bytes: Counter,
    accept_seconds: Histogram,
}

impl Tally {
    pub fn new(region: &RegionId, point: &PointName) -> Self {
        describe_counter!("domicile_ingest_requests_total", "Requests answered, by code; accepted ones have `ok`.");
        describe_counter!("domicile_ingest_events_total", "Events promised.");
        describe_counter!("domicile_ingest_bytes_total", "Bytes of promised bodies, unpacked.");
        describe_histogram!("domicile_ingest_accept_seconds", "From a request's headers to its 200.");
        let (region, point) = (region.to_string(), point.to_string());
        let labels = [("region", region.clone()), ("point", point.clone())];
        Self {
            accepted: requests(&region, &point, "ok"),
            events: counter!("domicile_ingest_events_total", &labels),
            bytes: counter!("domicile_ingest_bytes_total", &labels),
            accept_seconds: histogram!("domicile_ingest_accept_seconds", &labels),
            region,
            point,
        }
    }

    pub fn accepted(&self, events: usize, bytes: usize, took: Duration) {
        self.accepted.increment(1);
        self.events.increment(events as u64);
        self.bytes.increment(bytes as u64);
        self.accept_seconds.record(took);
    }

    /// A request that was refused, or was no event: `code` is a refusal's, or the route's.
    pub fn other(&self, code: &'static str) {
        requests(&self.region, &self.point, code).increment(1);
    }
}

fn requests(region: &str, point: &str, code: &'static str) -> Counter {
    counter!("domicile_ingest_requests_total", "region" => region.to_owned(), "point" => point.to_owned(), "code" => code)
}
