//! Warehouses, what they are connected to, and what of it is to be synced.
//!
//! Nothing is synced by this version: lists of syncs are empty, and what is said about them is kept for the version that
//! does. A connection can be tried, and that goes through the border.

use crate::answer::{ApiError, data};
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Of, Operation, PAGINATED, Schema, any_text, covered, delete, get, list, may,
    need, patch, post, put, text, typed,
};
use crate::resources::catalog::{WAREHOUSE_METADATA, metadata_of};
use crate::resources::sources;
use axum::response::{IntoResponse, Response};
use domicile_catalog::Kind;
use domicile_control::{
    Area, Change, Kept, Level, NewWarehouse, Probe, SyncSchedule, SyncSelection, Tried, View, Warehouse,
    WarehouseChange,
};
use domicile_workspace::SourceId;
use futures::FutureExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const SETTINGS_ABOUT: &str = "Those of the catalog's entry, and `country`: where the host is (ISO 3166-1), which the border asks for. Secrets are \
     written and never read back.";
pub(crate) static WAREHOUSE: Object = Object {
    name: "Warehouse",
    fields: &[
        need("id", ID),
        need("metadata", Schema::Object(&WAREHOUSE_METADATA)),
        need("workspaceId", ID),
        need("enabled", Schema::Flag),
        need("settings", Schema::Map).about("Without its secrets; `name` is the warehouse's name."),
        need("secrets", list(&text(100), 200)).about("The names of the secrets that are set."),
    ],
};
static NEW: Object = Object {
    name: "NewWarehouse",
    fields: &[
        need("metadataId", ID).about("The id or slug of a warehouse of the catalog. So far `postgres` only."),
        may("name", NAME),
        may("enabled", Schema::Flag),
        need("settings", Schema::Map).about(SETTINGS_ABOUT),
        may("disconnectAllSources", Schema::Flag).about(
            "Whether it begins without sources. All that the caller may change are connected when it is not given.",
        ),
    ],
};
static CHANGE: Object = Object {
    name: "WarehouseChange",
    fields: &[
        may("name", Schema::Null(&NAME)).about("Null: the catalog's."),
        may("enabled", Schema::Flag),
        may("settings", Schema::Map).about(
            "Settings that are not named stay; null takes one away. With another hostname, port or username the password has to \
             be given anew.",
        ),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("warehouse", Schema::Object(&WAREHOUSE))] };
static MANY: Object =
    Object { name: "", fields: &[need("warehouses", list(&Schema::Object(&WAREHOUSE), 1_000)), PAGINATED] };
static VALIDATION: Object = Object {
    name: "WarehouseValidation",
    fields: &[need("metadataId", ID), need("settings", Schema::Map).about(SETTINGS_ABOUT)],
};
const CONNECTED: Schema = Schema::OneOf(&["CONNECTED", "FAILED"]);
const REASON_ABOUT: &str = "Why it failed; null when it did not.";
const REFUSED_ABOUT: &str = "The border's code, when it was the border that refused the connection.";
static VALIDATED: Object = Object {
    name: "",
    fields: &[
        need("status", CONNECTED),
        need("reason", Schema::Null(&any_text(2_000))).about(REASON_ABOUT),
        need("refused", Schema::Null(&text(100))).about(REFUSED_ABOUT),
    ],
};
static STATE: Object = Object {
    name: "",
    fields: &[
        need("connectionState", CONNECTED),
        need("reason", Schema::Null(&any_text(2_000))).about(REASON_ABOUT),
        need("refused", Schema::Null(&text(100))).about(REFUSED_ABOUT),
    ],
};
static CONNECTION: Object =
    Object { name: "", fields: &[need("status", Schema::OneOf(&["CONNECTED", "NOT_CONNECTED"]))] };

static SYNC_TIME: Object = Object {
    name: "SyncTime",
    fields: &[need("hourOfDay", Schema::Count { min: 0, max: 23 }), need("enabled", Schema::Flag)],
};
static SYNC_TIMES: Object = Object {
    name: "SyncSchedule",
    fields: &[
        need("times", list(&Schema::Object(&SYNC_TIME), 24)),
        need("timezone", text(64)).about("For example `Europe/Zurich`."),
    ],
};
static SCHEDULE: Object = Object {
    name: "AdvancedSyncSchedule",
    fields: &[need("enabled", Schema::Flag), may("schedule", Schema::Object(&SYNC_TIMES))],
};
static REPORTS: Object = Object {
    name: "",
    fields: &[need("reports", list(&Schema::Map, 1_000)).about("Empty: nothing is synced yet."), PAGINATED],
};
static ITEM: Object = Object {
    name: "SelectiveSyncItem",
    fields: &[
        need("sourceId", ID),
        need("collection", text(500)).about("`*`: the source as a whole."),
        need("warehouseId", ID),
        need("enabled", Schema::Flag),
        need("properties", Schema::Map).about("By name, each `{\"enabled\": …}`; those that are not named are synced."),
    ],
};
static ITEMS: Object = Object { name: "", fields: &[need("items", list(&Schema::Object(&ITEM), 1_000)), PAGINATED] };
static OVERRIDE: Object = Object {
    name: "SyncOverride",
    fields: &[
        need("sourceId", ID),
        may("collection", text(500)).about("All of the source when it is not given."),
        need("enabled", Schema::Flag),
        may("property", text(500)).about("One of the collection."),
    ],
};
static OVERRIDES: Object = Object {
    name: "SyncOverrides",
    fields: &[need("syncOverrides", Schema::List { of: &Schema::Object(&OVERRIDE), min: 1, max: 1_000 })],
};
static UPDATED: Object = Object {
    name: "",
    fields: &[need("status", Schema::OneOf(&["UNCHANGED", "UPDATED"])), need("warnings", list(&text(1_000), 10))],
};

const ANY: &[Needs] = &[Needs::Role(Area::Warehouse, Level::Read, Of::Any)];
const ALL_ADMIN: &[Needs] = &[Needs::Role(Area::Warehouse, Level::Admin, Of::All)];
const READ: &[Needs] = &[Needs::Role(Area::Warehouse, Level::Read, Of::One("warehouseId"))];
const ADMIN: &[Needs] = &[Needs::Role(Area::Warehouse, Level::Admin, Of::One("warehouseId"))];
const READ_BOTH: &[Needs] = &[
    Needs::Role(Area::Warehouse, Level::Read, Of::One("warehouseId")),
    Needs::Role(Area::Source, Level::Read, Of::One("sourceId")),
];
const ADMIN_BOTH: &[Needs] = &[
    Needs::Role(Area::Warehouse, Level::Admin, Of::One("warehouseId")),
    Needs::Role(Area::Source, Level::Admin, Of::One("sourceId")),
];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listWarehouses", "/warehouses", "The warehouses that the caller may see.")
        .needs(ANY)
        .paged()
        .data(&MANY)
        .view(list_warehouses),
    post("createWarehouse", "/warehouses", "Makes a warehouse, connected to all sources. Nothing is synced by this version.")
        .needs(ALL_ADMIN)
        .body(&NEW)
        .created(&ONE)
        .change(create),
    post(
        "createValidationInWarehouse",
        "/warehouses/validation",
        "Tries settings: connects through the border, signs in, and looks whether a schema may be made. 10 s at most.",
    )
    .needs(ALL_ADMIN)
    .body(&VALIDATION)
    .data(&VALIDATED)
    .wait(|cell, ask| validate(cell, ask).boxed()),
    get("getWarehouse", "/warehouses/{warehouseId}", "One warehouse.").needs(READ).data(&ONE).view(|view, _, ask| {
        one(ask, &view.thing::<Warehouse>(ask.caller.workspace(), ask.id("warehouseId"))?)
    }),
    patch("updateWarehouse", "/warehouses/{warehouseId}", "Changes a warehouse; what is not named stays.")
        .needs(ADMIN)
        .body(&CHANGE)
        .data(&ONE)
        .guarded().change(update),
    delete("deleteWarehouse", "/warehouses/{warehouseId}", "Deletes a warehouse and its secrets. What it holds stays.")
        .needs(ADMIN)
        .guarded().change(|change, _, ask| {
            change.delete_thing::<Warehouse>(ask.caller.workspace(), ask.id("warehouseId"), ask.if_version)?;
            Ok(Answer::success())
        }),
    get(
        "getConnectionStateFromWarehouse",
        "/warehouses/{warehouseId}/connection-state",
        "Tries the warehouse now: connects through the border, signs in, and looks whether a schema may be made. 10 s at most.",
    )
    .needs(READ)
    .per_minute(200)
    .data(&STATE)
    .wait(|cell, ask| state(cell, ask).boxed()),
    get("listConnectedSourcesFromWarehouse", "/warehouses/{warehouseId}/connected-sources", "The connected sources that the caller may see.")
        .needs(READ)
        .paged()
        .data(&sources::MANY)
        .view(connected_sources),
    post("addConnectionFromSourceToWarehouse", "/warehouses/{warehouseId}/connected-sources/{sourceId}", "Connects a source.")
        .needs(ADMIN_BOTH)
        .created(&CONNECTION)
        .change(|change, _, ask| {
            change.connect_warehouse(ask.caller.workspace(), ask.id("warehouseId"), &source_of(ask))?;
            Ok(json!({ "status": "CONNECTED" }).into())
        }),
    delete(
        "removeSourceConnectionFromWarehouse",
        "/warehouses/{warehouseId}/connected-sources/{sourceId}",
        "Disconnects a source. What was said about its syncs is forgotten.",
    )
    .needs(ADMIN_BOTH)
    .change(|change, _, ask| {
        change.disconnect_warehouse(ask.caller.workspace(), ask.id("warehouseId"), &source_of(ask))?;
        Ok(Answer::success())
    }),
    get("listConnectedWarehousesFromSource", "/sources/{sourceId}/connected-warehouses", "The warehouses that a source is connected to.")
        .needs(&[
            Needs::Role(Area::Source, Level::Read, Of::One("sourceId")),
            Needs::Role(Area::Warehouse, Level::Read, Of::Any),
        ])
        .paged()
        .data(&MANY)
        .view(connected_warehouses),
    get("getAdvancedSyncScheduleFromWarehouse", "/warehouses/{warehouseId}/advanced-sync-schedule", "When it is to be synced.")
        .needs(READ)
        .data(&SCHEDULE)
        .view(|view, _, ask| {
            let kept = view.thing::<Warehouse>(ask.caller.workspace(), ask.id("warehouseId"))?;
            Ok(schedule(&kept))
        }),
    put(
        "replaceAdvancedSyncScheduleForWarehouse",
        "/warehouses/{warehouseId}/advanced-sync-schedule",
        "Says when it is to be synced. Kept; nothing is synced by this version.",
    )
    .needs(ADMIN)
    .body(&SCHEDULE)
    .data(&SCHEDULE)
    .guarded().change(replace_schedule),
    get("listSyncsFromWarehouse", "/warehouses/{warehouseId}/syncs", "Always empty: nothing is synced by this version.")
        .needs(READ)
        .paged()
        .data(&REPORTS)
        .view(|view, _, ask| {
            view.thing::<Warehouse>(ask.caller.workspace(), ask.id("warehouseId"))?;
            Ok(no_syncs(ask))
        }),
    get(
        "listSyncsFromWarehouseAndSource",
        "/warehouses/{warehouseId}/connected-sources/{sourceId}/syncs",
        "Always empty: nothing is synced by this version.",
    )
    .needs(READ_BOTH)
    .paged()
    .data(&REPORTS)
    .view(|view, _, ask| {
        view.selected_syncs(ask.caller.workspace(), ask.id("warehouseId"), ask.id("sourceId"))?;
        Ok(no_syncs(ask))
    }),
    get(
        "listSelectiveSyncsFromWarehouseAndSource",
        "/warehouses/{warehouseId}/connected-sources/{sourceId}/selective-syncs",
        "What was said about the collections and properties of a connected source. What nothing was said about is synced.",
    )
    .needs(READ_BOTH)
    .paged()
    .data(&ITEMS)
    .view(selected),
    patch(
        "updateSelectiveSyncForWarehouse",
        "/warehouses/{warehouseId}/selective-sync",
        "Switches collections and properties of connected sources on or off. Kept; nothing is synced by this version.",
    )
    .needs(ADMIN)
    .body(&OVERRIDES)
    .data(&UPDATED)
    .change(select),
];

fn source_of(ask: &Ask) -> SourceId {
    SourceId::new(ask.id("sourceId"))
}

fn list_warehouses(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let reach = ask.caller.grants().reach(Area::Warehouse, Level::Read);
    if reach.is_whole() {
        let page = view.things::<Warehouse>(ask.caller.workspace(), None, &ask.page.page())?;
        let pagination = ask.page.told(&page);
        let warehouses: Vec<_> = page.rows.iter().map(|kept| shown(ask, kept)).collect();
        return Ok(json!({ "warehouses": warehouses, "pagination": pagination }).into());
    }
    // A workspace has fewer than a page holds.
    let all = view.things::<Warehouse>(ask.caller.workspace(), None, &domicile_control::Page::first(1_000))?;
    Ok(listed(ask, all.rows.into_iter().filter(|kept| reach.covers(&kept.id, &[])).collect()))
}

fn listed(ask: &Ask, warehouses: Vec<Kept<Warehouse>>) -> Answer {
    let (page, pagination) = ask.page.of(warehouses);
    let warehouses: Vec<_> = page.iter().map(|kept| shown(ask, kept)).collect();
    json!({ "warehouses": warehouses, "pagination": pagination }).into()
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let new = NewWarehouse {
        catalog: ask.text("metadataId").unwrap_or_default().to_owned(),
        name: ask.text("name").map(str::to_owned),
        enabled: ask.flag("enabled").unwrap_or(true),
        settings: ask.map("settings").cloned().unwrap_or_default(),
    };
    let made = change.create_warehouse(ask.caller.workspace(), &new)?;
    if !ask.flag("disconnectAllSources").unwrap_or(false) {
        change.connect_all_sources(ask.caller.workspace(), &made, ask.caller.grants())?;
    }
    one(ask, &made)
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let to = WarehouseChange {
        name: ask.field("name").map(|name| name.as_str().map(str::to_owned)),
        enabled: ask.flag("enabled"),
        settings: ask.map("settings").cloned(),
    };
    one(ask, &change.update_warehouse(ask.caller.workspace(), ask.id("warehouseId"), ask.if_version, &to)?)
}

fn one(ask: &Ask, kept: &Kept<Warehouse>) -> Result<Answer, ApiError> {
    Ok(Answer::object("warehouse", shown(ask, kept), kept.version))
}

/// Segment's `Warehouse`; which secrets are set stands in `secrets`, and they themselves nowhere.
pub(crate) fn shown(ask: &Ask, kept: &Kept<Warehouse>) -> Value {
    let warehouse = &kept.value;
    let mut settings = warehouse.settings.clone();
    settings.insert("name".to_owned(), json!(warehouse.name));
    json!({
        "id": kept.id,
        "metadata": metadata_of(Kind::Warehouse, &warehouse.catalog),
        "workspaceId": ask.caller.workspace().as_str(),
        "enabled": warehouse.enabled,
        "settings": settings,
        "secrets": warehouse.secrets.keys().collect::<Vec<_>>(),
    })
}

async fn validate(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let settings = ask.map("settings").cloned().unwrap_or_default();
    let warehouse = Warehouse::new(ask.text("metadataId").unwrap_or_default(), &settings)?;
    Ok(told("status", attempt(&cell, &ask, &warehouse).await?))
}

async fn state(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let (workspace, id) = (ask.caller.workspace().clone(), ask.id("warehouseId").to_owned());
    let find = move |cell: &Cell| Ok(cell.control.view(|view| view.thing::<Warehouse>(&workspace, &id))?);
    let kept = cell.blocking(find).await?;
    Ok(told("connectionState", attempt(&cell, &ask, &kept.value).await?))
}

async fn attempt(cell: &Cell, ask: &Ask, warehouse: &Warehouse) -> Result<Tried, ApiError> {
    let probe = Probe::of(warehouse)?;
    Ok(probe.run(&cell.world, &cell.border, ask.caller.workspace()).await)
}

fn told(name: &str, tried: Tried) -> Response {
    let (state, reason, refused) = match tried {
        Tried::Connected => ("CONNECTED", None, None),
        Tried::Failed { reason, refused } => ("FAILED", Some(reason), refused),
    };
    let mut answer = json!({ "reason": reason, "refused": refused });
    answer[name] = json!(state);
    data(answer).into_response()
}

fn connected_sources(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    sources::connected(view, ask, view.sources_of_warehouse(ask.caller.workspace(), ask.id("warehouseId"))?)
}

fn connected_warehouses(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let workspace = ask.caller.workspace();
    let reach = ask.caller.grants().reach(Area::Warehouse, Level::Read);
    let ids = view.warehouses_of_source(workspace, &source_of(ask))?;
    let seen = ids.iter().filter(|id| reach.covers(id, &[]));
    let warehouses = seen.map(|id| view.thing(workspace, id)).collect::<Result<Vec<_>, _>>()?;
    Ok(listed(ask, warehouses))
}

fn schedule(kept: &Kept<Warehouse>) -> Answer {
    let data = match &kept.value.schedule {
        None => json!({ "enabled": false }),
        Some(schedule) => {
            let mut data = json!({ "enabled": schedule.enabled });
            if let Some(timezone) = &schedule.timezone {
                data["schedule"] = json!({ "times": schedule.times, "timezone": timezone });
            }
            data
        }
    };
    Answer { data, version: Some(kept.version) }
}

fn replace_schedule(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let mut given = ask.map("schedule").cloned().unwrap_or_default();
    given.insert("enabled".to_owned(), json!(ask.flag("enabled").unwrap_or(false)));
    let wanted: SyncSchedule = typed(Value::Object(given), "schedule")?;
    let (workspace, id) = (ask.caller.workspace(), ask.id("warehouseId"));
    let kept = change.update_thing::<Warehouse>(workspace, id, ask.if_version, |warehouse| {
        warehouse.schedule = Some(wanted);
        Ok(())
    })?;
    Ok(schedule(&kept))
}

fn no_syncs(ask: &Ask) -> Answer {
    let (none, pagination) = ask.page.of(Vec::<Value>::new());
    json!({ "reports": none, "pagination": pagination }).into()
}

fn selected(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (warehouse, source) = (ask.id("warehouseId"), ask.id("sourceId"));
    let selection = view.selected_syncs(ask.caller.workspace(), warehouse, source)?;
    let item = |collection: &str, enabled: bool, properties: &BTreeMap<String, bool>| {
        let properties: Map<String, Value> =
            properties.iter().map(|(name, enabled)| (name.clone(), json!({ "enabled": enabled }))).collect();
        json!({
            "sourceId": source, "warehouseId": warehouse, "collection": collection, "enabled": enabled,
            "properties": properties,
        })
    };
    let whole = selection.enabled.map(|enabled| item("*", enabled, &BTreeMap::new()));
    let collections = selection.collections.iter().map(|(name, of)| item(name, selection.has(name), &of.properties));
    let (items, pagination) = ask.page.of(whole.into_iter().chain(collections).collect());
    Ok(json!({ "items": items, "pagination": pagination }).into())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Override {
    source_id: String,
    collection: Option<String>,
    enabled: bool,
    property: Option<String>,
}

fn select(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let (workspace, warehouse) = (ask.caller.workspace(), ask.id("warehouseId"));
    let overrides: Vec<Override> = typed(ask.field("syncOverrides").cloned().unwrap_or_default(), "syncOverrides")?;
    let connected = change.sources_of_warehouse(workspace, warehouse)?;
    let mut selections: BTreeMap<String, SyncSelection> = BTreeMap::new();
    for (n, wanted) in overrides.into_iter().enumerate() {
        covered(change, ask, Area::Source, Level::Admin, &wanted.source_id)?;
        if !connected.contains(&wanted.source_id) {
            let place = format!("syncOverrides.{n}.sourceId");
            let message = format!("{place} is no source that is connected to the warehouse");
            return Err(ApiError::invalid(place, message));
        }
        if wanted.property.is_some() && wanted.collection.is_none() {
            let place = format!("syncOverrides.{n}.collection");
            let message = format!("{place} is missing; a property is one of a collection");
            return Err(ApiError::invalid(place, message));
        }
        if !selections.contains_key(&wanted.source_id) {
            let before = change.selected_syncs(workspace, warehouse, &wanted.source_id)?;
            selections.insert(wanted.source_id.clone(), before);
        }
        if let Some(selection) = selections.get_mut(&wanted.source_id) {
            selection.switch(wanted.collection.as_deref(), wanted.property.as_deref(), wanted.enabled);
        }
    }
    let mut updated = false;
    for (source, selection) in &selections {
        updated |= change.select_syncs(workspace, warehouse, source, selection)?;
    }
    let status = if updated { "UPDATED" } else { "UNCHANGED" };
    Ok(json!({ "status": status, "warnings": ["kept; nothing is synced by this version"] }).into())
}
