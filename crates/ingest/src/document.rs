//! Settings documents: how client SDKs learn where to send.

use crate::PublicUrls;
use crate::refusal::Refusal;
use bytes::Bytes;
use domicile_region::{RegionId, Topology};
use domicile_workspace::{Snapshot, Source};
use serde_json::json;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// A source's settings, as `GET /v1/projects/{key}/settings` answers them.
#[derive(Clone, Debug)]
pub struct Document {
    /// JSON.
    pub body: Bytes,
    /// With its quotes.
    pub etag: String,
}

/// The settings document of the source that `key` belongs to, or `None` when no source that is switched on has it or the
/// source's ingest point has no address.
///
/// `integrations["Segment.io"].apiHost` is the source's ingestion point: change that, and client SDKs follow at their
/// next reload. Nothing in it makes a browser load a script.
pub fn settings_document(snapshot: &Snapshot, urls: &PublicUrls, key: &str) -> Option<Document> {
    match snapshot.source_of_key(key) {
        Some((source, true)) => document(&snapshot.region, source, urls, key),
        _ => None,
    }
}

fn document(region: &RegionId, source: &Source, urls: &PublicUrls, key: &str) -> Option<Document> {
    let url = urls.of(region, &source.ingestion_region)?;
    let api_host = format!("{}/v1", url.host());
    let value = json!({
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": api_host,
                "protocol": url.protocol(),
                "unbundledIntegrations": [],
                "addBundledMetadata": true,
                "maybeBundledConfigIds": {},
            },
        },
        "plan": {
            "track": { "__default": { "enabled": true, "integrations": {} } },
            "identify": { "__default": { "enabled": true } },
            "group": { "__default": { "enabled": true } },
        },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        // Left out, the browser would send its own telemetry to the vendor.
        "metrics": { "sampleRate": 0, "host": api_host },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    });
    let body = Bytes::from(value.to_string());
    let etag = etag(&body);
    Some(Document { body, etag })
}

pub(crate) fn etag(body: &[u8]) -> String {
    format!("\"{:016x}\"", xxh3_64(body))
}

/// The source that a write key belongs to here, or why its events are not taken: the rules of regions.
///
/// A key that is known here counts, whatever it begins with: keys may be brought from elsewhere.
pub(crate) fn source_here<'a>(
    snapshot: &'a Snapshot,
    topology: &Topology,
    urls: &PublicUrls,
    key: &str,
) -> Result<&'a Arc<Source>, Refusal> {
    match snapshot.source_of_key(key) {
        Some((source, true)) => Ok(source),
        Some((_, false)) => Err(Refusal::SourceDisabled),
        None => match topology.region_of_key(key) {
            Some(other) if other.id != snapshot.region => {
                let host = other.ingest.first().and_then(|point| urls.of(&other.id, &point.name));
                Err(Refusal::WrongRegion { region: other.id.clone(), host: host.map(|url| url.host().to_owned()) })
            }
            _ => Err(Refusal::UnknownWriteKey),
        },
    }
}
