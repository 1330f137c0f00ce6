//! The front door: which regions there are, and where their consoles stand. It holds no data and asks no cell.

use crate::page::{assets, render, secured};
use askama::Template;
use axum::Router;
use axum::middleware::map_response;
use axum::routing::get;
use domicile_region::{RegionId, Topology};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "front_door.html")]
struct FrontDoorPage {
    regions: Vec<RegionCard>,
}

struct RegionCard {
    id: String,
    name: String,
    country: String,
    locations: Vec<String>,
    /// Name and country of each ingest point.
    points: Vec<(String, String)>,
    /// Where its console stands; empty where that is not known.
    console: String,
}

/// The front door's pages. `consoles`: each cell's public address, for example `http://127.0.0.1:7100`.
pub fn front_door(topology: &Topology, consoles: &HashMap<RegionId, String>) -> Router {
    let regions = topology.regions.iter().map(|region| RegionCard {
        id: region.id.to_string(),
        name: region.name.clone(),
        country: region.country.to_string(),
        locations: region.locations.iter().map(ToString::to_string).collect(),
        points: region.ingest.iter().map(|point| (point.name.to_string(), point.country.to_string())).collect(),
        console: consoles.get(&region.id).filter(|url| is_web(url)).cloned().unwrap_or_default(),
    });
    let page = Arc::new(FrontDoorPage { regions: regions.collect() });
    Router::new().route("/", get(move || async move { render(&*page) })).merge(assets()).layer(map_response(secured))
}

/// No link of ours runs a script.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
