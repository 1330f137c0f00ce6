//! `demo.json`: what a newcomer, a script and the commands need to talk to a local `up`.

use crate::cell::Cell;
use crate::exit::Failure;
use domicile_api::Addresses;
use domicile_control::DemoSecrets;
use domicile_world::{World, write_whole};
use serde_json::{Map, Value, json};
use std::path::Path;

/// What was written.
pub struct Demo(Value);

/// Makes the demo workspaces of all cells, or finds them, and writes the file (0600).
pub fn make(data: &Path, world: &World, cells: &[Cell], addresses: &Addresses) -> Result<Demo, Failure> {
    let file = data.join("demo.json");
    let before: Value =
        world.disk.read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut regions = Map::new();
    for cell in cells {
        let id = cell.region.id.as_str();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let kept = DemoSecrets {
            token: text(&before["regions"][id]["token"]),
            password: text(&before["regions"][id]["owner"]["password"]),
        };
        let demo = cell.store.seed_demo(&kept).map_err(Failure::unreached)?;
        let Some(api) = addresses.cells.get(&cell.region.id) else { continue };
        let ingest: Map<_, _> = cell
            .region
            .ingest
            .iter()
            .filter_map(|point| {
                let url = addresses.points.of(&cell.region.id, &point.name)?;
                Some((point.name.to_string(), json!(format!("{}://{}", url.protocol(), url.host()))))
            })
            .collect();
        let sources: Map<_, _> = demo
            .sources
            .iter()
            .map(|source| (source.slug.clone(), json!({ "id": source.id.as_str(), "writeKey": source.write_key })))
            .collect();
        let workspace = json!({ "id": demo.id.as_str(), "sources": sources });
        regions.insert(
            id.to_owned(),
            json!({
                "api": api,
                "token": demo.token,
                "owner": { "email": demo.owner.email, "password": demo.owner.password },
                "ingest": ingest,
                "workspaces": { demo.slug: workspace },
            }),
        );
    }
    let value = json!({ "regions": regions });
    let text = serde_json::to_vec_pretty(&value).map_err(Failure::unreached)?;
    write_whole(world.disk.as_ref(), &file, &text)
        .map_err(|error| Failure::unreached(format!("{}: {error}", file.display())))?;
    Ok(Demo(value))
}

impl Demo {
    /// A command that sends a first event to the last region's first ingest point.
    pub fn curl(&self) -> Option<String> {
        let region = self.0["regions"].as_object()?.values().next_back()?;
        let url = region["ingest"].as_object()?.values().next()?.as_str()?;
        let workspace = region["workspaces"].as_object()?.values().next()?;
        let key = workspace["sources"]["server"]["writeKey"].as_str()?;
        Some(format!(
            "curl {url}/v1/track -u {key}: -d '{{\"userId\":\"ada\",\"event\":\"Order Completed\",\"properties\":{{\"total\":27.50}}}}'"
        ))
    }
}
