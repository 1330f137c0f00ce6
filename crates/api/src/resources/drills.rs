//! `POST /operator/drills`: the cell tries the attacks on its own border, and says what a drill from outside has to know.
//!
//! - Nothing leaves the cell and nothing is written: the border judges as it is, among nobody ([`Border::drill`]).
//! - One at a time: the table takes a processor for some hundredths of a second.
//!
//! [`Border::drill`]: domicile_border::Border::drill

use super::operator::OPERATOR;
use super::policy_checks::{OUTLOOK, shown_outlook};
use crate::answer::{ApiError, data};
use crate::cell::Cell;
use crate::contract::{ID, NAME, Object, Operation, SLUG, Schema, any_text, list, need, post, text};
use crate::forecast::{Outlook, outlook};
use crate::resources::balance::settled;
use axum::response::{IntoResponse, Response};
use domicile_border::attacks::{Kind, about};
use domicile_border::{CameTo, Tried};
use domicile_control::{Page, Probe, Warehouse};
use domicile_event::Stamp;
use domicile_ledger::Sheet;
use domicile_region::{CountrySet, NetworkCountry};
use domicile_workspace::{DestinationKind, WorkspaceId};
use futures::FutureExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What the border says of, in one answer.
const WAYS_MAX: usize = 10_000;

const COUNT: Schema = Schema::Count { min: 0, max: i64::MAX };
const COUNTRY: Schema = Schema::Text { min: 2, max: 2 };

static CLASS: Object = Object {
    name: "AttackClass",
    fields: &[
        need("class", COUNT).about("1 to 72."),
        need("about", text(100)),
        need("tried", COUNT),
        need("refused", Schema::Map).about("How many were refused with which code."),
        need("listed", COUNT).about("Let through to addresses that the topology's `networks` list, as they ask for."),
        need("pinned", COUNT).about("Let through to the address that was judged, and to nothing else."),
        need("notTried", COUNT).about("They need a partner's answer, and are tests of the program."),
        need("crossed", list(&any_text(1_000), 1_000)).about("What got through: none, or the border has a hole."),
    ],
};
static POINT: Object =
    Object { name: "DrillIngestPoint", fields: &[need("name", ID), need("url", Schema::Null(&text(500)))] };
static REGION: Object = Object {
    name: "DrillRegion",
    fields: &[
        need("id", ID),
        need("isThisCell", Schema::Flag),
        need("keyPrefix", text(100)).about("What write keys made there begin with."),
        need("ingestPoints", list(&Schema::Object(&POINT), 100)),
    ],
};
static NETWORK: Object = Object {
    name: "DrillNetwork",
    fields: &[
        need("range", text(50)),
        need("country", Schema::Null(&COUNTRY)).about("Null: the one that is declared."),
    ],
};
static WAY: Object = Object {
    name: "DrillWay",
    fields: &[
        need("kind", Schema::OneOf(&["destination", "warehouse"])),
        need("id", ID),
        need("name", any_text(255)),
        need("workspaceId", ID),
        need("workspaceSlug", SLUG),
        need("outlook", Schema::Object(&OUTLOOK)).about("What the border says of it now, without a look-up."),
    ],
};
static BALANCE: Object = Object {
    name: "DrillBalance",
    fields: &[
        need("holds", Schema::Flag),
        need("accepted", COUNT),
        need("difference", COUNT).about("Events of which nobody knows what became of them."),
    ],
};
static DRILL: Object = Object {
    name: "Drill",
    fields: &[
        need("region", ID),
        need("name", NAME),
        need("country", COUNTRY),
        need("program", text(100)).about("The program's version."),
        need("at", Schema::Time),
        need("allow", Schema::Null(&list(&COUNTRY, 1_000))).about("The countries that the policy allows; null: any."),
        need("networks", list(&Schema::Object(&NETWORK), 10_000)),
        need("regions", list(&Schema::Object(&REGION), 1_000)),
        need("isGated", Schema::Flag)
            .about("Whether a border process judges too: the attacks are tried on the cell's side alone."),
        need("attacks", list(&Schema::Object(&CLASS), 100)),
        need("ways", list(&Schema::Object(&WAY), WAYS_MAX))
            .about("Every way out that is switched on, of all workspaces."),
        need("balance", Schema::Object(&BALANCE)).about("Of all sources."),
    ],
};
static ANSWER: Object = Object { name: "", fields: &[need("drill", Schema::Object(&DRILL))] };

pub(crate) static OPERATIONS: &[Operation] = &[post(
    "createDrill",
    "/operator/drills",
    "Tries every attack that is a form of a URL or an answer to a look-up on the border in force, among nobody: no name is \
     resolved, nobody is called, nothing is written down.",
)
.needs(OPERATOR)
.per_minute(30)
.data(&ANSWER)
.wait(|cell, _| drill(cell).boxed())];

async fn drill(cell: Arc<Cell>) -> Result<Response, ApiError> {
    let seat = cell.live.take_drill()?;
    let others = settled(&cell).await?;
    cell.blocking(move |cell| {
        let _seat = seat;
        // It waits for nothing: among nobody every answer is there at once.
        let tried = Handle::current().block_on(cell.border.drill(cell.region.country));
        let ways = ways(cell)?;
        Ok(data(json!({ "drill": {
            "region": cell.region.id.as_str(),
            "name": cell.region.name,
            "country": cell.region.country.as_str(),
            "program": env!("CARGO_PKG_VERSION"),
            "at": Stamp::of(cell.world.clock.now().0).as_str(),
            "allow": match &cell.region.border.allow {
                CountrySet::Any => None,
                CountrySet::These(these) => Some(these.iter().map(ToString::to_string).collect::<Vec<_>>()),
            },
            "networks": networks(cell),
            "regions": regions(cell),
            "isGated": cell.border.is_gated(),
            "attacks": classes(&tried),
            "ways": ways,
            "balance": balance(&cell.balance.whole(&others)),
        }}))
        .into_response())
    })
    .await
}

fn balance(sheet: &Sheet) -> Value {
    let accepted: u64 = sheet.rows.iter().map(|row| row.accepted).sum();
    json!({ "holds": sheet.holds(), "accepted": accepted, "difference": sheet.difference() })
}

fn networks(cell: &Cell) -> Vec<Value> {
    let shown = |network: &domicile_region::Network| {
        let country = match network.country {
            NetworkCountry::Is(country) => Some(country.to_string()),
            NetworkCountry::Declared => None,
        };
        json!({ "range": network.range.to_string(), "country": country })
    };
    cell.topology.networks.iter().map(shown).collect()
}

fn regions(cell: &Cell) -> Vec<Value> {
    let shown = |region: &domicile_region::Region| {
        let points = region.ingest.iter().map(|point| {
            let url = cell.addresses.points.of(&region.id, &point.name);
            let url = url.map(|url| format!("{}://{}", url.protocol(), url.host()));
            json!({ "name": point.name.as_str(), "url": url })
        });
        json!({
            "id": region.id.as_str(),
            "isThisCell": region.id == cell.region.id,
            "keyPrefix": region.key_prefix,
            "ingestPoints": points.collect::<Vec<_>>(),
        })
    };
    cell.topology.regions.iter().map(shown).collect()
}

/// What was tried, by class.
fn classes(tried: &[Tried]) -> Vec<Value> {
    #[derive(Default)]
    struct Class {
        tried: u64,
        refused: BTreeMap<&'static str, u64>,
        listed: u64,
        pinned: u64,
        not_tried: u64,
        crossed: Vec<String>,
    }
    let mut classes: BTreeMap<u8, Class> = BTreeMap::new();
    for Tried { attack, came_to } in tried {
        let class = classes.entry(attack.class).or_default();
        class.tried += u64::from(*came_to != CameTo::NotTried);
        match came_to {
            CameTo::Refused(code) => *class.refused.entry(code.as_str()).or_default() += 1,
            CameTo::Listed => class.listed += 1,
            CameTo::Pinned => class.pinned += 1,
            // What only says where something is shown is no attack that was left out.
            CameTo::NotTried => class.not_tried += u64::from(!matches!(attack.kind, Kind::Elsewhere(_))),
            CameTo::Crossed(what) => class.crossed.push(format!("{attack}: {what}")),
        }
    }
    let shown = |(number, class): (u8, Class)| {
        json!({
            "class": number,
            "about": about(number),
            "tried": class.tried,
            "refused": class.refused.into_iter().map(|(code, n)| (code.to_owned(), json!(n))).collect::<Map<_, _>>(),
            "listed": class.listed,
            "pinned": class.pinned,
            "notTried": class.not_tried,
            "crossed": class.crossed,
        })
    };
    classes.into_iter().map(shown).collect()
}

fn way(kind: &str, (id, name, workspace, slug): (&str, &str, &WorkspaceId, &str), outlook: &Outlook) -> Value {
    json!({
        "kind": kind,
        "id": id,
        "name": name,
        "workspaceId": workspace.as_str(),
        "workspaceSlug": slug,
        "outlook": shown_outlook(outlook),
    })
}

/// Every way out that is switched on, and what the border says of it now.
fn ways(cell: &Cell) -> Result<Vec<Value>, ApiError> {
    let snapshot = cell.control.current().load();
    let slug = |id| snapshot.workspace(id).map(|workspace| workspace.slug.as_str()).unwrap_or_default();
    let mut ways = Vec::new();
    for destination in snapshot.destinations.values() {
        let DestinationKind::Webhook(webhook) = &destination.kind;
        let outlook = outlook(&cell.border, destination, webhook, destination.enabled);
        if matches!(outlook, Outlook::Off) {
            continue;
        }
        let workspace = &destination.workspace;
        let of = (destination.id.as_str(), destination.name.as_str(), workspace, slug(workspace));
        ways.push(way("destination", of, &outlook));
    }
    cell.control.view(|view| {
        for workspace in snapshot.workspaces.values() {
            let mut page = Page::first(Page::COUNT_MAX);
            loop {
                let warehouses = view.things::<Warehouse>(&workspace.id, None, &page)?;
                for kept in warehouses.rows.iter().filter(|kept| kept.value.enabled) {
                    // Of a kind that can't be tried yet nothing goes anywhere.
                    let Ok(probe) = Probe::of(&kept.value) else { continue };
                    let outlook = match probe.foresee(&cell.border, &workspace.id) {
                        Ok(foreseen) => Outlook::Goes(foreseen),
                        Err(refusal) => Outlook::Refused(Box::new(refusal)),
                    };
                    let name = kept.value.name.as_str();
                    let of = (kept.id.as_str(), name, &workspace.id, workspace.slug.as_str());
                    ways.push(way("warehouse", of, &outlook));
                }
                match warehouses.last.filter(|_| warehouses.has_after) {
                    Some(last) => page = Page::after(last, Page::COUNT_MAX),
                    None => break,
                }
            }
        }
        Ok::<_, ApiError>(())
    })?;
    if ways.len() > WAYS_MAX {
        return Err(ApiError::busy("there are more ways out than one answer holds"));
    }
    Ok(ways)
}
