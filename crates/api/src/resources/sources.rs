//! Sources and their write keys.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Of, Operation, PAGINATED, SLUG, Schema, covered, delete, get, list, may,
    need, patch, post, text,
};
use crate::resources::catalog::{SOURCE_METADATA, metadata_of};
use crate::resources::labels::LABELS;
use domicile_catalog::Kind;
use domicile_control::{
    Area, Change, Kept, LabelValue, Level, NewSource, SchemaSettings, SourceChange, SourceRecord, View,
};
use domicile_region::PointName;
use domicile_workspace::{RateLimit, SourceId};
use serde_json::{Value, json};

/// Enough for every device of the largest sites; a source that needs more has no limit.
const RATE_MAX: i64 = 1_000_000;

static RATE_LIMIT: Object = Object {
    name: "RateLimit",
    fields: &[
        need("perSecond", Schema::Count { min: 1, max: RATE_MAX }).about("Events a second, on average."),
        need("burst", Schema::Count { min: 1, max: RATE_MAX }).about("Events at once."),
    ],
};

const INGESTION_REGION: Schema = text(100);
const INGESTION_REGION_ABOUT: &str =
    "The ingest point that SDKs are told; one of the region's. The first is preselected.";
const STRICT_ABOUT: &str = "Whether the region's other ingest points refuse this source's events.";

pub(crate) static SOURCE: Object = Object {
    name: "Source",
    fields: &[
        need("id", ID),
        need("slug", SLUG),
        may("name", NAME),
        need("metadata", Schema::Object(&SOURCE_METADATA)),
        need("workspaceId", ID),
        need("enabled", Schema::Flag),
        need("writeKeys", list(&text(200), 100))
            .about("Those that are switched on; empty for a caller who may not change the source."),
        need("disabledWriteKeys", list(&text(200), 100)),
        may("settings", Schema::Map),
        need("labels", LABELS),
        need("ingestionRegion", INGESTION_REGION).about(INGESTION_REGION_ABOUT),
        need("strict", Schema::Flag).about(STRICT_ABOUT),
        need("rateLimit", Schema::Null(&Schema::Object(&RATE_LIMIT))).about("Null: no limit."),
    ],
};

static NEW_SOURCE: Object = Object {
    name: "NewSource",
    fields: &[
        need("slug", SLUG).about("Lower-case letters, digits, `-` and `_`; unique in the workspace."),
        may("name", NAME).about("The slug when it is not given."),
        need("metadataId", ID).about("The id or slug of a source of the catalog."),
        may("enabled", Schema::Flag),
        may("settings", Schema::Map),
        may("disconnectAllWarehouses", Schema::Flag)
            .about("Whether no warehouse is connected. All that the caller may change are when it is not given."),
        may("ingestionRegion", INGESTION_REGION).about(INGESTION_REGION_ABOUT),
        may("strict", Schema::Flag).about(STRICT_ABOUT),
        may("rateLimit", Schema::Null(&Schema::Object(&RATE_LIMIT))),
    ],
};

static SOURCE_CHANGE: Object = Object {
    name: "SourceChange",
    fields: &[
        may("slug", SLUG),
        may("name", NAME),
        may("enabled", Schema::Flag),
        may("settings", Schema::Map),
        may("ingestionRegion", INGESTION_REGION).about(INGESTION_REGION_ABOUT),
        may("strict", Schema::Flag).about(STRICT_ABOUT),
        may("rateLimit", Schema::Null(&Schema::Object(&RATE_LIMIT))),
    ],
};

static ONE: Object = Object { name: "", fields: &[need("source", Schema::Object(&SOURCE))] };
static ONE_WITH_PLAN: Object =
    Object { name: "", fields: &[need("source", Schema::Object(&SOURCE)), need("trackingPlanId", Schema::Null(&ID))] };
pub(crate) static MANY: Object =
    Object { name: "", fields: &[need("sources", list(&Schema::Object(&SOURCE), 1_000)), PAGINATED] };
static KEY_CHANGE: Object = Object { name: "WriteKeyChange", fields: &[need("enabled", Schema::Flag)] };

static OMIT_PROPERTIES: Schema = Schema::OneOf(&["ALLOW", "BLOCK", "OMIT_PROPERTIES"]);
static OMIT_TRAITS: Schema = Schema::OneOf(&["ALLOW", "BLOCK", "OMIT_TRAITS"]);
static TRAIT_RULES: Object = Object {
    name: "TraitRules",
    fields: &[
        may("allowUnplannedTraits", Schema::Flag),
        may("allowTraitsOnViolations", Schema::Flag),
        may("commonEventOnViolations", OMIT_TRAITS),
    ],
};
static TRACK_RULES: Object = Object {
    name: "TrackRules",
    fields: &[
        may("allowUnplannedEvents", Schema::Flag),
        may("allowUnplannedEventProperties", Schema::Flag),
        may("allowEventOnViolations", Schema::Flag),
        may("allowPropertiesOnViolations", Schema::Flag),
        may("commonEventOnViolations", OMIT_PROPERTIES),
    ],
};
static SCHEMA_SETTINGS: Object = Object {
    name: "SchemaSettings",
    fields: &[
        may("track", Schema::Object(&TRACK_RULES)),
        may("identify", Schema::Object(&TRAIT_RULES)),
        may("group", Schema::Object(&TRAIT_RULES)),
        may("forwardingViolationsTo", ID).about("The id of a source of the workspace."),
        may("forwardingBlockedEventsTo", ID).about("The id of a source of the workspace."),
    ],
};
static SETTINGS: Object =
    Object { name: "", fields: &[need("sourceId", ID), need("settings", Schema::Object(&SCHEMA_SETTINGS))] };

const LIST: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Any)];
const CREATE: &[Needs] = &[Needs::Role(Area::Source, Level::Admin, Of::All)];
const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::One("sourceId"))];
const ADMIN: &[Needs] = &[Needs::Role(Area::Source, Level::Admin, Of::One("sourceId"))];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listSources", "/sources", "The workspace's sources that the caller may see.")
        .needs(LIST)
        .paged()
        .data(&MANY)
        .view(list_sources),
    post("createSource", "/sources", "Makes a source with one write key.")
        .needs(CREATE)
        .body(&NEW_SOURCE)
        .created(&ONE)
        .change(create),
    get("getSource", "/sources/{sourceId}", "One source.").needs(READ).data(&ONE_WITH_PLAN).view(get_source),
    patch("updateSource", "/sources/{sourceId}", "Changes a source; what is not named stays.")
        .needs(ADMIN)
        .body(&SOURCE_CHANGE)
        .data(&ONE)
        .guarded()
        .change(update),
    delete("deleteSource", "/sources/{sourceId}", "Deletes a source and its destinations. What it sent stays.")
        .needs(ADMIN)
        .guarded()
        .change(delete_source),
    post(
        "createWriteKeyForSource",
        "/sources/{sourceId}/writekey",
        "Gives a source one more write key, the last of `writeKeys`. The others go on.",
    )
    .needs(ADMIN)
    .data(&ONE)
    .change(add_write_key),
    patch(
        "updateWriteKeyOfSource",
        "/sources/{sourceId}/writekey/{writeKey}",
        "Switches a write key on or off. Events with a key that is off are refused.",
    )
    .needs(ADMIN)
    .body(&KEY_CHANGE)
    .data(&ONE)
    .change(update_write_key),
    delete(
        "removeWriteKeyFromSource",
        "/sources/{sourceId}/writekey/{writeKey}",
        "Takes a write key away for good. A source keeps at least one.",
    )
    .needs(ADMIN)
    .change(delete_write_key),
    get(
        "listSchemaSettingsInSource",
        "/sources/{sourceId}/settings",
        "What happens to events that the source's tracking plan does not know or that break it.",
    )
    .needs(READ)
    .data(&SETTINGS)
    .view(schema_settings),
    patch(
        "updateSchemaSettingsInSource",
        "/sources/{sourceId}/settings",
        "Changes what happens to events that the tracking plan does not know or that break it.",
    )
    .needs(ADMIN)
    .body(&SCHEMA_SETTINGS)
    .data(&SETTINGS)
    .guarded()
    .change(update_schema_settings),
];

fn id_of(ask: &Ask) -> SourceId {
    SourceId::new(ask.id("sourceId"))
}

/// The sources that the caller's roles reach.
fn list_sources(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let reach = ask.caller.grants().reach(Area::Source, Level::Read);
    let page = if reach.is_whole() {
        view.sources(workspace, &ask.page.page())?
    } else {
        let labels = view.labels_of_sources(workspace)?;
        let covers = |source: &SourceRecord| reach.covers(source.id.as_str(), labels.of(source.id.as_str()));
        ask.page.some_of(|page| view.sources(workspace, page), |source| source.number.into(), covers)?
    };
    many(view, ask, &page.rows, &ask.page.told(&page))
}

/// Of sources that something is connected to, those that the caller's roles reach.
pub(crate) fn connected(view: &View<'_>, ask: &Ask, mut ids: Vec<String>) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let reach = ask.caller.grants().reach(Area::Source, Level::Read);
    if !reach.is_whole() {
        let labels = view.labels_of_sources(workspace)?;
        ids.retain(|id| reach.covers(id, labels.of(id)));
    }
    let (ids, pagination) = ask.page.of(ids);
    let page = ids.into_iter().map(|id| view.source(workspace, &SourceId::new(id))).collect::<Result<Vec<_>, _>>()?;
    many(view, ask, &page, &pagination)
}

fn many(view: &View<'_>, ask: &Ask, page: &[SourceRecord], pagination: &Value) -> Result<Answer, ApiError> {
    let labels = view.labels_on_page(ask.caller.workspace(), page)?;
    let shown = |source: &SourceRecord| shown_with(ask, source, labels.of(source.id.as_str()));
    let sources: Vec<_> = page.iter().map(shown).collect();
    Ok(Answer::of(json!({ "sources": sources, "pagination": pagination })))
}

fn get_source(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = view.source(ask.caller.workspace(), &id_of(ask))?;
    let plan = view.tracking_plan_of(&source)?;
    let data = json!({ "source": shown(view, ask, &source)?, "trackingPlanId": plan });
    Ok(Answer { data, version: Some(source.version) })
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (catalog, kind) = change.source_kind(ask.text("metadataId").unwrap_or_default())?;
    let new = NewSource {
        slug: ask.text("slug").unwrap_or_default().to_owned(),
        name: ask.text("name").map(str::to_owned),
        kind,
        catalog: Some(catalog),
        enabled: ask.flag("enabled").unwrap_or(true),
        settings: ask.map("settings").cloned().unwrap_or_default(),
        ingestion_region: ask.text("ingestionRegion").map(PointName::new),
        strict: ask.flag("strict").unwrap_or(false),
        rate_limit: rate_limit(ask).flatten(),
    };
    let source = change.create_source(ask.caller.workspace(), &new)?;
    if !ask.flag("disconnectAllWarehouses").unwrap_or(false) {
        change.connect_all_warehouses(ask.caller.workspace(), &source, ask.caller.grants())?;
    }
    one(change, ask, &source)
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let to = SourceChange {
        slug: ask.text("slug").map(str::to_owned),
        name: ask.text("name").map(str::to_owned),
        enabled: ask.flag("enabled"),
        settings: ask.map("settings").cloned(),
        ingestion_region: ask.text("ingestionRegion").map(PointName::new),
        strict: ask.flag("strict"),
        rate_limit: rate_limit(ask),
    };
    let source = change.update_source(ask.caller.workspace(), &id_of(ask), ask.if_version, &to)?;
    one(change, ask, &source)
}

fn delete_source(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    change.delete_source(ask.caller.workspace(), &id_of(ask), ask.if_version)?;
    Ok(Answer::success())
}

fn add_write_key(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = change.add_write_key(ask.caller.workspace(), &id_of(ask))?;
    one(change, ask, &source)
}

fn update_write_key(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let enabled = ask.flag("enabled").unwrap_or(true);
    let source = change.enable_write_key(ask.caller.workspace(), &id_of(ask), ask.id("writeKey"), enabled)?;
    one(change, ask, &source)
}

fn delete_write_key(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    change.delete_write_key(ask.caller.workspace(), &id_of(ask), ask.id("writeKey"))?;
    Ok(Answer::success())
}

fn one(view: &View<'_>, ask: &Ask, source: &SourceRecord) -> Result<Answer, ApiError> {
    Ok(Answer::object("source", shown(view, ask, source)?, source.version))
}

/// `Some(None)` takes the limit away.
fn rate_limit(ask: &Ask) -> Option<Option<RateLimit>> {
    let value = ask.field("rateLimit")?;
    let count = |name: &str| value[name].as_u64().and_then(|count| u32::try_from(count).ok());
    Some(count("perSecond").zip(count("burst")).map(|(per_second, burst)| RateLimit { per_second, burst }))
}

/// A source as the caller may see it: write keys are for those who may change it.
fn shown(view: &View<'_>, ask: &Ask, source: &SourceRecord) -> Result<Value, ApiError> {
    let labels = view.labels_of(ask.caller.workspace(), source.id.as_str())?;
    Ok(shown_with(ask, source, &labels))
}

/// As [`shown`], where the labels of many sources were read at once.
fn shown_with(ask: &Ask, source: &SourceRecord, labels: &[LabelValue]) -> Value {
    let is_admin = ask.caller.grants().reach(Area::Source, Level::Admin).covers(source.id.as_str(), labels);
    let keys = |enabled: bool| -> Vec<&str> {
        let shown = source.write_keys.iter().filter(|key| is_admin && key.enabled == enabled);
        shown.map(|key| key.key.as_str()).collect()
    };
    json!({
        "id": source.id.as_str(),
        "slug": source.slug,
        "name": source.name,
        "workspaceId": ask.caller.workspace().as_str(),
        "enabled": source.enabled,
        "metadata": metadata_of(Kind::Source, &source.catalog),
        "writeKeys": keys(true),
        "disabledWriteKeys": keys(false),
        "settings": source.settings,
        "labels": labels,
        "ingestionRegion": source.ingestion_region.as_str(),
        "strict": source.strict,
        "rateLimit": source.rate_limit.map(|limit| json!({ "perSecond": limit.per_second, "burst": limit.burst })),
    })
}

fn schema_settings(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = view.schema_settings(ask.caller.workspace(), &id_of(ask))?;
    Ok(shown_settings(ask, &kept))
}

fn update_schema_settings(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let before = change.schema_settings(ask.caller.workspace(), &id_of(ask))?.value;
    for (field, before) in [
        ("forwardingViolationsTo", before.forwarding_violations_to),
        ("forwardingBlockedEventsTo", before.forwarding_blocked_events_to),
    ] {
        // What is sent to a source changes it. What is there already may be written back.
        if let Some(to) = ask.text(field).filter(|to| before.as_deref() != Some(*to)) {
            covered(change, ask, Area::Source, Level::Admin, to)?;
        }
    }
    let kept = change.update_schema_settings(ask.caller.workspace(), &id_of(ask), ask.if_version, ask.body())?;
    Ok(shown_settings(ask, &kept))
}

fn shown_settings(ask: &Ask, kept: &Kept<SchemaSettings>) -> Answer {
    let data = json!({ "sourceId": ask.id("sourceId"), "settings": kept.value });
    Answer { data, version: Some(kept.version) }
}
