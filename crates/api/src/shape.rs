//! The shapes of configuration in answers.

use crate::cell::Cell;
use domicile_region::Region;
use domicile_workspace::{Destination, DestinationKind, Source, SourceKind, Workspace};
use serde_json::{Value, json};

/// Segment's `Source`, and `ingestionRegion`, `strict`, `rateLimit`, `disabledWriteKeys` beside it.
pub(crate) fn source(source: &Source) -> Value {
    let keys = |enabled: bool| -> Vec<&str> {
        source.write_keys.iter().filter(|key| key.enabled == enabled).map(|key| key.key.as_str()).collect()
    };
    json!({
        "id": source.id.as_str(),
        "slug": source.slug,
        "name": source.name,
        "workspaceId": source.workspace.as_str(),
        "enabled": source.enabled,
        "metadata": source_metadata(source.kind),
        "writeKeys": keys(true),
        "disabledWriteKeys": keys(false),
        "settings": {},
        "labels": [],
        "ingestionRegion": source.ingestion_region.as_str(),
        "strict": source.strict,
        "rateLimit": source.rate_limit.map(|limit| json!({ "perSecond": limit.per_second, "burst": limit.burst })),
    })
}

fn source_metadata(kind: SourceKind) -> Value {
    let (name, description) = match kind {
        SourceKind::Website => ("Website", "A site or web app that sends from people's browsers."),
        SourceKind::Mobile => ("Mobile", "An app that sends from people's devices."),
        SourceKind::Server => ("Server", "A server that sends for its users."),
    };
    json!({
        "id": kind.as_str(),
        "slug": kind.as_str(),
        "name": name,
        "description": description,
        "logos": { "default": "" },
        "options": [],
        "categories": [name],
        "isCloudEventSource": false,
        "status": "PUBLIC",
    })
}

/// Segment's `Destination`; which secrets are set stands in `secrets`, and they themselves nowhere.
pub(crate) fn destination(destination: &Destination) -> Value {
    let DestinationKind::Webhook(webhook) = &destination.kind;
    let mut settings = json!({ "url": webhook.url });
    if let Some(country) = webhook.country {
        settings["country"] = json!(country.as_str());
    }
    let secrets: &[&str] = if webhook.shared_secret.is_some() { &["sharedSecret"] } else { &[] };
    json!({
        "id": destination.id.as_str(),
        "name": destination.name,
        "enabled": destination.enabled,
        "sourceId": destination.source.as_str(),
        "settings": settings,
        "secrets": secrets,
        "metadata": webhook_metadata(),
    })
}

fn webhook_metadata() -> Value {
    let option = |name: &str, kind: &str, required: bool, description: &str| json!({ "name": name, "type": kind, "required": required, "description": description });
    json!({
        "id": "webhook",
        "slug": "webhook",
        "name": "Webhook",
        "description": "Sends each event as the body of an HTTP POST to a host of your own.",
        "logos": { "default": "" },
        "options": [
            option("url", "string", true, "The http or https address that events are sent to."),
            option("country", "string", false, "Where that host is, ISO 3166-1 alpha-2."),
            option("sharedSecret", "password", false, "Signs each body: HMAC-SHA1 in X-Signature."),
        ],
        "status": "PUBLIC",
        "previousNames": [],
        "categories": ["Raw Data"],
        "website": "",
        "components": [{ "type": "SERVER", "code": "", "owner": "SEGMENT" }],
        "supportedFeatures": { "cloudModeInstances": "MULTIPLE", "deviceModeInstances": "NONE", "replay": false },
        "supportedMethods": { "pageview": true, "identify": true, "alias": true, "track": true, "group": true },
        "supportedPlatforms": { "browser": true, "server": true, "mobile": true, "warehouse": false },
        "actions": [],
        "presets": [],
    })
}

/// Segment's workspace, and its region.
pub(crate) fn workspace(workspace: &Workspace) -> Value {
    json!({
        "id": workspace.id.as_str(),
        "slug": workspace.slug,
        "name": workspace.name,
        "region": workspace.region.as_str(),
    })
}

/// A region of the topology, as a person chooses it.
pub(crate) fn region(region: &Region, cell: &Cell) -> Value {
    let points: Vec<Value> = region
        .ingest
        .iter()
        .map(|point| {
            let url = cell.addresses.points.of(&region.id, &point.name);
            json!({
                "name": point.name.as_str(),
                "country": point.country.as_str(),
                "url": url.map(|url| format!("{}://{}", url.protocol(), url.host())),
                "remote": point.remote,
            })
        })
        .collect();
    json!({
        "id": region.id.as_str(),
        "name": region.name,
        "country": region.country.as_str(),
        "locations": region.locations.iter().map(|location| location.as_str()).collect::<Vec<_>>(),
        "ingestPoints": points,
        "plan": region.plan,
        "api": cell.addresses.cells.get(&region.id),
        "isThisCell": region.id == cell.region.id,
        "isDefault": region.id == cell.topology.default_region,
    })
}
