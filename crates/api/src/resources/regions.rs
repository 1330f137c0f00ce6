//! The regions of the topology: all that cells know of each other.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{Answer, Ask, ID, NAME, Needs, Object, Operation, PAGINATED, Schema, get, list, may, need, text};
use domicile_control::{Resource, View};
use domicile_region::{Region, RegionId};
use serde_json::{Value, json};

const COUNTRY: Schema = Schema::Text { min: 2, max: 2 };
static INGEST_POINT: Object = Object {
    name: "IngestPoint",
    fields: &[
        need("name", ID),
        need("country", COUNTRY),
        need("url", Schema::Null(&text(500))).about("What SDKs are told as their host."),
        need("remote", Schema::Flag).about("Outside the region's country: it spools and forwards."),
        need("preselected", Schema::Flag).about("New sources ingest here unless they say otherwise."),
    ],
};
static REGION: Object = Object {
    name: "Region",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("country", COUNTRY),
        need("locations", list(&text(100), 100)),
        need("ingestPoints", list(&Schema::Object(&INGEST_POINT), 100)),
        need("plan", Schema::Null(&text(50))).about("The plan that a workspace needs to choose it; null: any."),
        may("entitled", Schema::Flag).about("Whether the caller's account may choose it; told by its own cell only."),
        need("api", Schema::Null(&text(500))).about("Where its cell answers."),
        need("isThisCell", Schema::Flag),
        need("isDefault", Schema::Flag),
        need("egressAddresses", list(&text(50), 100)).about("The networks that its cell connects from."),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("region", Schema::Object(&REGION))] };
static MANY: Object = Object { name: "", fields: &[need("regions", list(&Schema::Object(&REGION), 1_000)), PAGINATED] };
static POINTS: Object =
    Object { name: "", fields: &[need("ingestPoints", list(&Schema::Object(&INGEST_POINT), 100)), PAGINATED] };

const ANYONE: &[Needs] = &[Needs::Token];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listRegions", "/regions", "The regions of the topology, in its order.")
        .needs(ANYONE)
        .paged()
        .data(&MANY)
        .view(list_regions),
    get("getRegion", "/regions/{regionId}", "One region of the topology.").needs(ANYONE).data(&ONE).view(get_region),
    get(
        "listIngestPoints",
        "/ingest-points",
        "The ingest points of this cell's region: what a source's `ingestionRegion` is chosen among.",
    )
    .needs(ANYONE)
    .paged()
    .data(&POINTS)
    .view(list_points),
];

fn list_regions(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (page, pagination) = ask.page.of(cell.topology.regions.iter().collect());
    let regions = page.iter().map(|region| shown(view, cell, ask, region)).collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::of(json!({ "regions": regions, "pagination": pagination })))
}

fn get_region(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let wanted = RegionId::new(ask.id("regionId"));
    let region = cell.topology.regions.iter().find(|region| region.id == wanted).ok_or(Resource::Region)?;
    Ok(Answer::of(json!({ "region": shown(view, cell, ask, region)? })))
}

fn list_points(_: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (points, pagination) = ask.page.of(points(cell, &cell.region));
    Ok(Answer::of(json!({ "ingestPoints": points, "pagination": pagination })))
}

fn points(cell: &Cell, region: &Region) -> Vec<Value> {
    let shown = |(place, point): (usize, &domicile_region::IngestPoint)| {
        let url = cell.addresses.points.of(&region.id, &point.name);
        json!({
            "name": point.name.as_str(),
            "country": point.country.as_str(),
            "url": url.map(|url| format!("{}://{}", url.protocol(), url.host())),
            "remote": point.remote,
            "preselected": place == 0,
        })
    };
    region.ingest.iter().enumerate().map(shown).collect()
}

/// A region, as a person chooses it.
fn shown(view: &View<'_>, cell: &Cell, ask: &Ask, region: &Region) -> Result<Value, ApiError> {
    let is_this_cell = region.id == cell.region.id;
    let mut shown = json!({
        "id": region.id.as_str(),
        "name": region.name,
        "country": region.country.as_str(),
        "locations": region.locations.iter().map(|location| location.as_str()).collect::<Vec<_>>(),
        "ingestPoints": points(cell, region),
        "plan": region.plan,
        "api": cell.addresses.cells.get(&region.id),
        "isThisCell": is_this_cell,
        "isDefault": region.id == cell.topology.default_region,
        "egressAddresses": region.egress_addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    if is_this_cell {
        let account = view.workspace(ask.caller.workspace())?.account;
        shown["entitled"] = json!(view.may_choose_region(&account)?);
    }
    Ok(shown)
}
