//! The catalog: what can be connected, seen from this cell's region.
//!
//! Segment's shapes, and beside them what matters for residency: whether a thing can be used here (`available`, `why`),
//! and where the partner's endpoints are.

use crate::answer::ApiError;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Operation, PAGINATED, SLUG, Schema, any_text, get, list, may, need, text,
};
use domicile_catalog::{Action, Catalog, Destination, Detail, Entry, Kind, Method, Platform, Setting, SettingType};
use domicile_control::{Resource, View};
use domicile_region::Country;
use serde_json::{Value, json};

static LOGOS: Object = Object {
    name: "Logos",
    fields: &[need("default", any_text(2_000)), may("mark", any_text(2_000)), may("alt", any_text(2_000))],
};
static OPTION: Object = Object {
    name: "SettingOption",
    fields: &[
        need("name", text(200)),
        need("type", text(50)),
        need("required", Schema::Flag),
        may("description", any_text(2_000)),
        may("defaultValue", Schema::Any),
        may("label", any_text(200)),
        may("secret", Schema::Flag).about("Sealed in the store, and never read back."),
        may("choices", list(&text(200), 1_000)),
    ],
};
const STATUS: Schema = text(50);
const TERRITORIES: Schema = list(&text(100), 100);
const WHERE_ABOUT: &str = "The countries, or groups of countries, in which the partner has an endpoint.";

pub(crate) static SOURCE_METADATA: Object = Object {
    name: "SourceMetadata",
    fields: &[
        need("id", ID),
        need("slug", SLUG),
        need("name", NAME),
        need("description", any_text(2_000)),
        need("logos", Schema::Object(&LOGOS)),
        need("options", list(&Schema::Object(&OPTION), 200)),
        need("categories", list(&text(200), 50)),
        need("isCloudEventSource", Schema::Flag),
        need("status", STATUS),
        may("partnerOwned", Schema::Flag),
        need("endpoints", TERRITORIES).about(WHERE_ABOUT),
        may("available", Schema::Flag).about("Whether a source of this kind can be made in this cell's region."),
        may("why", text(2_000)).about("Why not, and what to do instead."),
    ],
};
static COMPONENT: Object = Object {
    name: "Component",
    fields: &[
        need("type", Schema::OneOf(&["ANDROID", "BROWSER", "IOS", "SERVER"])),
        need("code", any_text(500)),
        may("owner", Schema::OneOf(&["PARTNER", "SEGMENT"])),
    ],
};
static FEATURES: Object = Object {
    name: "SupportedFeatures",
    fields: &[
        may("cloudModeInstances", text(20)),
        may("deviceModeInstances", text(20)),
        may("replay", Schema::Flag),
        may("browserUnbundling", Schema::Flag),
        may("browserUnbundlingPublic", Schema::Flag),
    ],
};
static METHODS: Object = Object {
    name: "SupportedMethods",
    fields: &[
        may("pageview", Schema::Flag),
        may("identify", Schema::Flag),
        may("alias", Schema::Flag),
        may("track", Schema::Flag),
        may("group", Schema::Flag),
    ],
};
static PLATFORMS: Object = Object {
    name: "SupportedPlatforms",
    fields: &[
        may("browser", Schema::Flag),
        may("server", Schema::Flag),
        may("mobile", Schema::Flag),
        may("warehouse", Schema::Flag),
        may("cloudAppObject", Schema::Flag),
        may("linkedAudiences", Schema::Flag),
    ],
};
static ACTION: Object = Object {
    name: "DestinationAction",
    fields: &[
        need("id", ID),
        need("slug", SLUG),
        need("name", NAME),
        need("description", any_text(2_000)),
        need("platform", Schema::OneOf(&["CLOUD", "MOBILE", "WEB"])),
        need("hidden", Schema::Flag),
        need("defaultTrigger", Schema::Null(&text(16_384))),
        need("fields", list(&Schema::Map, 500)),
    ],
};
pub(crate) static DESTINATION_METADATA: Object = Object {
    name: "DestinationMetadata",
    fields: &[
        need("id", ID),
        need("slug", SLUG),
        need("name", NAME),
        need("description", any_text(2_000)),
        need("logos", Schema::Object(&LOGOS)),
        need("options", list(&Schema::Object(&OPTION), 200)),
        need("status", STATUS),
        need("previousNames", list(&text(200), 50)),
        need("categories", list(&text(200), 50)),
        need("website", any_text(500)),
        need("components", list(&Schema::Object(&COMPONENT), 10)),
        need("supportedFeatures", Schema::Object(&FEATURES)),
        need("supportedMethods", Schema::Object(&METHODS)),
        need("supportedPlatforms", Schema::Object(&PLATFORMS)),
        need("actions", list(&Schema::Object(&ACTION), 500)),
        need("presets", list(&Schema::Map, 500)),
        may("partnerOwned", Schema::Flag),
        need("supportedRegions", list(&text(50), 10)).about("As Segment names its two regions; see `available`."),
        need("regionEndpoints", TERRITORIES).about(WHERE_ABOUT),
        may("available", Schema::Flag).about("Whether it can be switched on in this cell's region today."),
        may("why", text(2_000)).about("Why not, and what to do instead; or what it needs."),
        may("place", text(50)).about("`in region`, `by transfer` or `not here`."),
    ],
};
pub(crate) static WAREHOUSE_METADATA: Object = Object {
    name: "WarehouseMetadata",
    fields: &[
        need("id", ID),
        need("slug", SLUG),
        need("name", NAME),
        need("description", any_text(2_000)),
        need("logos", Schema::Object(&LOGOS)),
        need("options", list(&Schema::Object(&OPTION), 200)),
        may("available", Schema::Flag),
        may("why", text(2_000)),
    ],
};

static ONE_SOURCE: Object = Object { name: "", fields: &[need("sourceMetadata", Schema::Object(&SOURCE_METADATA))] };
static ONE_DESTINATION: Object =
    Object { name: "", fields: &[need("destinationMetadata", Schema::Object(&DESTINATION_METADATA))] };
static ONE_WAREHOUSE: Object =
    Object { name: "", fields: &[need("warehouseMetadata", Schema::Object(&WAREHOUSE_METADATA))] };
static SOURCES: Object =
    Object { name: "", fields: &[need("sourcesCatalog", list(&Schema::Object(&SOURCE_METADATA), 1_000)), PAGINATED] };
static DESTINATIONS: Object = Object {
    name: "",
    fields: &[need("destinationsCatalog", list(&Schema::Object(&DESTINATION_METADATA), 1_000)), PAGINATED],
};
static WAREHOUSES: Object = Object {
    name: "",
    fields: &[need("warehousesCatalog", list(&Schema::Object(&WAREHOUSE_METADATA), 1_000)), PAGINATED],
};

const ANYONE: &[Needs] = &[Needs::Token];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("getSourcesCatalog", "/catalog/sources", "The kinds of sources.")
        .needs(ANYONE)
        .paged()
        .data(&SOURCES)
        .view(|view, _, ask| Ok(page(view, ask, Kind::Source, "sourcesCatalog"))),
    get("getSourceMetadata", "/catalog/sources/{sourceMetadataId}", "One kind of source.")
        .needs(ANYONE)
        .data(&ONE_SOURCE)
        .view(|view, _, ask| one(view, Kind::Source, ask.id("sourceMetadataId"), "sourceMetadata")),
    get("getDestinationsCatalog", "/catalog/destinations", "The kinds of destinations.")
        .needs(ANYONE)
        .paged()
        .data(&DESTINATIONS)
        .view(|view, _, ask| Ok(page(view, ask, Kind::Destination, "destinationsCatalog"))),
    get("getDestinationMetadata", "/catalog/destinations/{destinationMetadataId}", "One kind of destination.")
        .needs(ANYONE)
        .data(&ONE_DESTINATION)
        .view(|view, _, ask| one(view, Kind::Destination, ask.id("destinationMetadataId"), "destinationMetadata")),
    get("getWarehousesCatalog", "/catalog/warehouses", "The kinds of warehouses.")
        .needs(ANYONE)
        .paged()
        .data(&WAREHOUSES)
        .view(|view, _, ask| Ok(page(view, ask, Kind::Warehouse, "warehousesCatalog"))),
    get("getWarehouseMetadata", "/catalog/warehouses/{warehouseMetadataId}", "One kind of warehouse.")
        .needs(ANYONE)
        .data(&ONE_WAREHOUSE)
        .view(|view, _, ask| one(view, Kind::Warehouse, ask.id("warehouseMetadataId"), "warehouseMetadata")),
];

fn page(view: &View<'_>, ask: &Ask, kind: Kind, name: &str) -> Answer {
    let listed = Catalog::get().of_kind(kind).iter().filter(|entry| !entry.hidden).collect();
    let (page, pagination) = ask.page.of(listed);
    let entries: Vec<_> = page.into_iter().map(|entry| seen_from(view, entry)).collect();
    let mut data = json!({ "pagination": pagination });
    data[name] = json!(entries);
    Answer::of(data)
}

fn one(view: &View<'_>, kind: Kind, id: &str, name: &str) -> Result<Answer, ApiError> {
    let entry = Catalog::get().find(kind, id).ok_or(Resource::CatalogEntry)?;
    let mut data = json!({});
    data[name] = seen_from(view, entry);
    Ok(Answer::of(data))
}

/// An entry, and what it is in this cell's region.
fn seen_from(view: &View<'_>, entry: &Entry) -> Value {
    let mut shown = metadata(entry);
    let here = view.availability(entry);
    shown["available"] = json!(here.is_available() && entry.is_ready());
    shown["place"] = json!(here.place.as_str());
    let reason = here.reason.map(|reason| format!("{}; {}", reason.what, reason.mend));
    if let Some(why) = reason.or_else(|| entry.why_not_ready()) {
        shown["why"] = json!(why);
    }
    shown
}

/// The metadata of the kind with this slug, as it stands on a source, destination or warehouse.
pub(crate) fn metadata_of(kind: Kind, slug: &str) -> Value {
    Catalog::get().find(kind, slug).map_or(Value::Null, metadata)
}

fn metadata(entry: &Entry) -> Value {
    let mut shown = json!({
        "id": entry.id(),
        "slug": entry.slug,
        "name": entry.name,
        "description": description(entry),
        "logos": { "default": "" },
        "options": entry.settings.iter().flatten().map(option).collect::<Vec<_>>(),
    });
    let endpoints: Vec<String> = entry.endpoints.iter().map(ToString::to_string).collect();
    match &entry.detail {
        Detail::Source(source) => {
            shown["categories"] = json!(entry.categories);
            shown["isCloudEventSource"] = json!(source.cloud_events);
            shown["status"] = json!(entry.status.as_str());
            shown["partnerOwned"] = json!(entry.partner_owned);
            shown["endpoints"] = json!(endpoints);
        }
        Detail::Destination(destination) => add_destination(&mut shown, entry, destination, &endpoints),
        Detail::Warehouse(_) => {}
    }
    shown
}

/// No text of anyone's documentation: what the entry is, from its facts.
fn description(entry: &Entry) -> String {
    let what = match &entry.detail {
        Detail::Source(_) => "A source",
        Detail::Destination(_) => "A destination",
        Detail::Warehouse(_) => "A warehouse",
    };
    format!("{what}: {}.", entry.categories.join(", "))
}

fn option(setting: &Setting) -> Value {
    let kind = match setting.setting_type {
        SettingType::Country | SettingType::Color => "string",
        other => other.as_str(),
    };
    let mut shown = json!({
        "name": setting.name, "type": kind, "required": setting.required, "secret": setting.secret,
    });
    if let Some(default) = &setting.default {
        shown["defaultValue"] = default.clone();
    }
    if let Some(choices) = &setting.choices {
        shown["choices"] = json!(choices);
    }
    shown
}

fn add_destination(shown: &mut Value, entry: &Entry, destination: &Destination, endpoints: &[String]) {
    let takes = |method| destination.methods.contains(&method);
    let fed_by = |platform| destination.platforms.contains(&platform);
    let (us, eu) = (Country::new("US"), Country::new("IE"));
    let usable = |country: Option<Country>| country.is_some_and(|country| entry.usable.in_country(country));
    let regions = [("us-west-2", us), ("eu-west-1", eu)];
    let supported: Vec<_> = regions.into_iter().filter(|(_, at)| usable(*at)).map(|(name, _)| name).collect();
    let mut components = Vec::new();
    if !destination.cloud.is_empty() {
        components.push(json!({ "type": "SERVER", "code": "", "owner": "SEGMENT" }));
    }
    if !destination.device.is_empty() {
        components.push(json!({ "type": "BROWSER", "code": "", "owner": "SEGMENT" }));
    }
    let instances = |of: &[domicile_catalog::Sender]| if of.is_empty() { "NONE" } else { "MULTIPLE" };
    let more = json!({
        "status": entry.status.as_str(),
        "previousNames": entry.previous_names,
        "categories": entry.categories,
        "website": "",
        "components": components,
        "supportedFeatures": {
            "cloudModeInstances": instances(&destination.cloud),
            "deviceModeInstances": if destination.device.is_empty() { "NONE" } else { "SINGLE" },
            "replay": destination.replay,
        },
        "supportedMethods": {
            "pageview": takes(Method::Page),
            "identify": takes(Method::Identify),
            "alias": takes(Method::Alias),
            "track": takes(Method::Track),
            "group": takes(Method::Group),
        },
        "supportedPlatforms": {
            "browser": fed_by(Platform::Browser),
            "server": fed_by(Platform::Server),
            "mobile": fed_by(Platform::Mobile),
            "warehouse": fed_by(Platform::Warehouse),
            "cloudAppObject": fed_by(Platform::CloudAppObject),
            "linkedAudiences": fed_by(Platform::LinkedAudiences),
        },
        "actions": destination.actions.iter().map(|action| action_shown(entry, action)).collect::<Vec<_>>(),
        "presets": [],
        "partnerOwned": entry.partner_owned,
        "supportedRegions": supported,
        "regionEndpoints": endpoints,
    });
    if let (Value::Object(shown), Value::Object(more)) = (shown, more) {
        shown.extend(more);
    }
}

/// An action's id is its destination's and its slug: the data knows no other.
pub(crate) fn action_id(entry: &Entry, action: &Action) -> String {
    format!("{}.{}", entry.slug, action.slug)
}

fn action_shown(entry: &Entry, action: &Action) -> Value {
    let field = |(place, key): (usize, &String)| {
        json!({
            "id": format!("{}.{key}", action_id(entry, action)), "sortOrder": place, "fieldKey": key, "label": key,
            "type": "STRING", "description": "", "required": true, "multiple": false, "dynamic": false, "allowNull": false,
        })
    };
    json!({
        "id": action_id(entry, action),
        "slug": action.slug,
        "name": action.slug,
        "description": "",
        "platform": action.platform,
        "hidden": false,
        "defaultTrigger": action.trigger,
        "fields": action.required.iter().enumerate().map(field).collect::<Vec<_>>(),
    })
}
