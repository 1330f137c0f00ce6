//! `POST /policy-checks`: what a changed topology or destination would let out, before it is applied.

use crate::answer::{ApiError, data};
use crate::cell::Cell;
use crate::contract::{
    Ask, ID, Needs, Object, Of, Operation, SLUG, Schema, any_text, covered, list, may, need, post, text,
};
use crate::forecast::{self, Effect, Flow, Outlook};
use axum::response::{IntoResponse, Response};
use domicile_border::Border;
use domicile_control::{Area, DestinationChange, LabelValue, Level, Resource};
use domicile_event::Stamp;
use domicile_region::{Country, Topology};
use domicile_workspace::{DestinationId, Snapshot, WebhookSettings, WorkspaceId};
use futures::FutureExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Destinations of one answer.
const FLOWS_MAX: usize = 10_000;
/// A topology of the longest, every byte of which JSON spells with two.
const BODY_BYTES_MAX: usize = 3 << 20;
/// What a topology is called in faults; whoever has the file knows its name.
const FILE: &str = "topology.yml";

const COUNT: Schema = Schema::Count { min: 0, max: i64::MAX };
const SHOWN: Schema = any_text(4_000);
pub(crate) static OUTLOOK: Object = Object {
    name: "BorderOutlook",
    fields: &[
        need("state", Schema::OneOf(&["off", "refused", "goes"])),
        need("host", Schema::Null(&SHOWN)),
        need("country", Schema::Null(&text(2))),
        need("rule", Schema::Null(&SHOWN)).about("Under which rule it goes."),
        need("fields", Schema::Null(&SHOWN)).about("What of an event goes; null: all."),
        need("code", Schema::Null(&text(100))).about("Why it is refused."),
    ],
};
static FLOW: Object = Object {
    name: "PolicyFlow",
    fields: &[
        need("workspaceId", ID),
        need("workspaceSlug", SLUG),
        need("sourceId", ID),
        need("sourceSlug", SLUG),
        need("destinationId", ID),
        need("destinationName", any_text(255)),
        need("before", Schema::Object(&OUTLOOK)),
        need("after", Schema::Object(&OUTLOOK)),
        need("effect", Schema::OneOf(Effect::WORDS)).about(
            "`begins`, `moves` (to another host or country) and `more` (of each event) let out what did not go before.",
        ),
        need("events", COUNT)
            .about("Kept events of the window that pass its filters; 0 where nothing goes before or after."),
        need("people", COUNT).about("Different `userId`s, else `anonymousId`s, of these."),
        need("peopleAtLeast", Schema::Flag).about("Whether there were more people than could be told apart."),
    ],
};
static CHECK: Object = Object {
    name: "PolicyCheck",
    fields: &[
        need("region", ID),
        need("from", Schema::Time),
        need("until", Schema::Time),
        need("isWhole", Schema::Flag).about("False: the log is so long that `from` is less than a day ago."),
        need("letsMoreOut", Schema::Flag),
        need("flows", list(&Schema::Object(&FLOW), FLOWS_MAX)),
    ],
};
static ANSWER: Object = Object { name: "", fields: &[need("policyCheck", Schema::Object(&CHECK))] };
static NEW: Object = Object {
    name: "NewPolicyCheck",
    fields: &[
        may("topology", text(1 << 20)).about("The text of a topology file, in place of the running one."),
        may("destinationId", ID).about("A destination that is changed."),
        may("settings", Schema::Map).about("Its settings, as `PATCH /destinations/{destinationId}` takes them."),
        may("enabled", Schema::Flag),
    ],
};

pub(crate) static OPERATIONS: &[Operation] = &[post(
    "createPolicyCheck",
    "/policy-checks",
    "What a changed topology or destination would let out, by the events of the last 24 hours; changes nothing. Names are not \
     resolved: a host is taken to be where it is declared to be. The operator sees all workspaces.",
)
.needs(&[Needs::OrOperator(&Needs::Role(Area::Source, Level::Read, Of::Any))])
.body(&NEW)
.body_bytes_max(BODY_BYTES_MAX)
.per_minute(30)
.data(&ANSWER)
.wait(|cell, ask| check(cell, ask).boxed())];

async fn check(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    // A place among those who look at the log, until the answer is made.
    let seat = cell.live.take(&ask.caller.scope.id)?;
    cell.blocking(move |cell| {
        let _seat = seat;
        let supposed = ask.text("topology").map(|text| supposed(cell, text)).transpose()?;
        let changed = ask.text("destinationId").map(|id| changed(cell, &ask, &DestinationId::new(id))).transpose()?;
        if changed.is_none() && (ask.field("settings").is_some() || ask.field("enabled").is_some()) {
            let message = "destinationId is missing; `settings` and `enabled` are of a destination";
            return Err(ApiError::invalid("destinationId", message));
        }
        let snapshot = cell.control.current().load();
        let mut flows = flows(cell, &ask, &snapshot, supposed.as_ref().unwrap_or(&cell.border), changed.as_ref())?;
        let window = forecast::count(cell, &mut flows)?;
        let time = |at: domicile_world::Millis| Stamp::of(at.0).as_str().to_owned();
        Ok(data(json!({ "policyCheck": {
            "region": cell.region.id.as_str(),
            "from": time(window.from),
            "until": time(window.until),
            "isWhole": window.is_whole,
            "letsMoreOut": flows.iter().any(|flow| flow.effect.lets_more_out()),
            "flows": flows.iter().map(|flow| shown(&snapshot, flow)).collect::<Vec<_>>(),
        }}))
        .into_response())
    })
    .await
}

/// The border as it would be under another topology.
///
/// # Errors
/// The faults that a start would tell, with line and column.
fn supposed(cell: &Cell, text: &str) -> Result<Border, ApiError> {
    let today = Stamp::of(cell.world.clock.now().0);
    let topology = Topology::read(FILE, text, today.day()).map_err(|faults| {
        let told = faults.faults.into_iter().map(|fault| {
            let sentence = format!("{FILE}:{}:{} {}; {}", fault.line, fault.column, fault.what, fault.mend);
            let parts = json!({
                "line": fault.line, "column": fault.column, "what": fault.what, "why": fault.why, "mend": fault.mend,
            });
            ("topology".to_owned(), sentence, parts)
        });
        ApiError::unfit_document(told.collect(), false)
    })?;
    let region = topology.region(&cell.region.id).ok_or_else(|| {
        let known: Vec<&str> = topology.regions.iter().map(|region| region.id.as_str()).collect();
        let message = format!(
            "topology has no region `{}`, which this cell is; it has {}: add it, or ask the cell of one of them",
            cell.region.id,
            known.join(", ")
        );
        ApiError::invalid("topology", message)
    })?;
    Ok(cell.border.supposing(region.border.clone(), &topology.networks))
}

/// A destination, and what it would be.
type Changed = (DestinationId, (WebhookSettings, bool));

/// What the rules make of a change of a destination, without making it.
fn changed(cell: &Cell, ask: &Ask, id: &DestinationId) -> Result<Changed, ApiError> {
    let scope = &ask.caller.scope;
    let workspace: WorkspaceId = match scope.is_operator() {
        true => cell.control.current().load().destination(id).ok_or(Resource::Destination)?.workspace.clone(),
        false => scope.workspace.clone(),
    };
    let to = DestinationChange { name: None, enabled: ask.flag("enabled"), settings: ask.map("settings").cloned() };
    let after = cell.control.rehearse(&scope.actor, |change| {
        let source = change.source_of_destination(&workspace, id.as_str())?;
        if !scope.is_operator() {
            covered(change, ask, Area::Source, Level::Read, source.as_str())?;
        }
        Ok::<_, ApiError>(change.update_destination(&workspace, id, None, &to)?)
    })?;
    let setting = |name: &str| after.settings.get(name).and_then(Value::as_str);
    let url = setting("url").filter(|_| cell.control.current().load().destination(id).is_some());
    let url = url.ok_or_else(|| {
        let message =
            format!("destinationId is of a `{}`, which sends nothing yet: there is nothing to check", after.kind);
        ApiError::invalid("destinationId", message)
    })?;
    let country = setting("country").and_then(Country::new);
    Ok((id.clone(), (WebhookSettings { url: url.to_owned(), country, shared_secret: None }, after.enabled)))
}

/// All destinations that the caller may see, judged before and after.
fn flows(
    cell: &Cell,
    ask: &Ask,
    snapshot: &Snapshot,
    after: &Border,
    changed: Option<&Changed>,
) -> Result<Vec<Flow>, ApiError> {
    let scope = &ask.caller.scope;
    let reach = scope.grants.reach(Area::Source, Level::Read);
    let mut labels: BTreeMap<String, Vec<LabelValue>> = BTreeMap::new();
    if !scope.is_operator() && !reach.is_whole() {
        let all = cell.control.view(|view| view.labels_of_sources(&scope.workspace))?;
        for source in snapshot.sources.values().filter(|source| source.workspace == scope.workspace) {
            labels.insert(source.id.to_string(), all.of(source.id.as_str()).to_vec());
        }
    }
    let is_seen = |workspace: &WorkspaceId, source: &str| {
        let labels = labels.get(source).map(Vec::as_slice).unwrap_or_default();
        scope.is_operator() || (*workspace == scope.workspace && reach.covers(source, labels))
    };
    let mut flows = Vec::new();
    for destination in snapshot.destinations.values() {
        let Some(source) = snapshot.source(&destination.source) else { continue };
        if !is_seen(&destination.workspace, source.id.as_str()) {
            continue;
        }
        if flows.len() == FLOWS_MAX {
            let message = format!("there are more than {FLOWS_MAX} destinations; ask with a token of one workspace");
            return Err(ApiError::invalid("topology", message));
        }
        let of_it = changed.filter(|(id, _)| *id == destination.id).map(|(_, change)| change);
        flows.push(Flow::new(destination, source.number, &cell.border, (after, of_it)));
    }
    Ok(flows)
}

fn shown(snapshot: &Snapshot, flow: &Flow) -> Value {
    let destination = &flow.destination;
    let source = snapshot.source(&destination.source).map(|source| source.slug.as_str()).unwrap_or_default();
    let workspace = snapshot.workspace(&destination.workspace).map(|found| found.slug.as_str()).unwrap_or_default();
    json!({
        "workspaceId": destination.workspace.as_str(),
        "workspaceSlug": workspace,
        "sourceId": destination.source.as_str(),
        "sourceSlug": source,
        "destinationId": destination.id.as_str(),
        "destinationName": destination.name,
        "before": shown_outlook(&flow.before),
        "after": shown_outlook(&flow.after),
        "effect": flow.effect.as_str(),
        "events": flow.counted.events,
        "people": flow.counted.people(),
        "peopleAtLeast": flow.counted.at_least,
    })
}

pub(crate) fn shown_outlook(outlook: &Outlook) -> Value {
    let (state, host, country, rule, code) = match outlook {
        Outlook::Off => ("off", None, None, None, None),
        Outlook::Refused(no) => ("refused", no.host.clone(), no.country, None, Some(no.code.as_str())),
        Outlook::Goes(yes) => ("goes", Some(yes.host.clone()), Some(yes.country), Some(&yes.rule), None),
    };
    json!({
        "state": state,
        "host": host,
        "country": country.map(|country| country.to_string()),
        "rule": rule.map(ToString::to_string),
        "fields": rule.and_then(|rule| rule.fields()).map(ToString::to_string),
        "code": code,
    })
}
