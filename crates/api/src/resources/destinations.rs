//! Destinations of sources, and the subscriptions that map events to a destination's actions.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Of, Operation, PAGINATED, Schema, any_text, delete, get, list, may, need,
    patch, post, text, typed,
};
use crate::resources::catalog::{DESTINATION_METADATA, action_id, metadata_of};
use domicile_catalog::{Catalog, Detail, Kind};
use domicile_control::{
    Area, Change, DestinationChange, DestinationRecord, Kept, Level, Listed, NewDestination, Resource, Subscription,
    View,
};
use domicile_workspace::{DestinationId, SourceId};
use serde_json::{Value, json};

static DESTINATION: Object = Object {
    name: "Destination",
    fields: &[
        need("id", ID),
        may("name", NAME),
        need("enabled", Schema::Flag),
        need("metadata", Schema::Object(&DESTINATION_METADATA)),
        need("sourceId", ID),
        need("settings", Schema::Map).about("Without its secrets: they are written and never read back."),
        need("secrets", list(&text(100), 200)).about("The names of the secrets that are set."),
    ],
};
static NEW_DESTINATION: Object = Object {
    name: "NewDestination",
    fields: &[
        need("sourceId", ID),
        need("metadataId", ID).about("The id or slug of a destination of the catalog."),
        may("enabled", Schema::Flag).about("True when it is not given and the catalog says `available`."),
        may("name", NAME),
        need("settings", Schema::Map),
    ],
};
static DESTINATION_CHANGE: Object = Object {
    name: "DestinationChange",
    fields: &[
        may("name", Schema::Null(&NAME)).about("Null: the catalog's."),
        may("enabled", Schema::Flag),
        may("settings", Schema::Map).about("Settings that are not named stay; null takes one away."),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("destination", Schema::Object(&DESTINATION))] };
static MANY: Object =
    Object { name: "", fields: &[need("destinations", list(&Schema::Object(&DESTINATION), 1_000)), PAGINATED] };

const TRIGGER: Schema = text(16_384);
static SCHEDULE: Object = Object {
    name: "ReverseETLSchedule",
    fields: &[
        need("strategy", Schema::OneOf(&["CRON", "DBT_CLOUD", "MANUAL", "PERIODIC", "SPECIFIC_DAYS"])),
        may("config", Schema::Null(&Schema::Map)),
    ],
};
static SUBSCRIPTION: Object = Object {
    name: "Subscription",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("actionId", ID),
        need("actionSlug", any_text(200)),
        need("destinationId", ID),
        need("enabled", Schema::Flag),
        need("settings", Schema::Map),
        need("trigger", TRIGGER),
        may("modelId", ID),
        may("reverseETLSchedule", Schema::Object(&SCHEDULE)),
    ],
};
static NEW_SUBSCRIPTION: Object = Object {
    name: "NewSubscription",
    fields: &[
        need("name", NAME),
        need("actionId", ID).about("The id or slug of an action of the destination's catalog entry."),
        need("trigger", TRIGGER).about("FQL."),
        need("enabled", Schema::Flag),
        may("settings", Schema::Map),
        may("modelId", ID),
        may("reverseETLSchedule", Schema::Object(&SCHEDULE)),
    ],
};
static SUBSCRIPTION_INPUT: Object = Object {
    name: "SubscriptionInput",
    fields: &[
        may("name", NAME),
        may("trigger", TRIGGER),
        may("enabled", Schema::Flag),
        may("settings", Schema::Map),
        may("reverseETLModelId", ID),
        may("reverseETLSchedule", Schema::Object(&SCHEDULE)),
    ],
};
static SUBSCRIPTION_CHANGE: Object =
    Object { name: "SubscriptionChange", fields: &[need("input", Schema::Object(&SUBSCRIPTION_INPUT))] };
static CREATED_SUBSCRIPTION: Object =
    Object { name: "", fields: &[need("destinationSubscription", Schema::Object(&SUBSCRIPTION))] };
static ONE_SUBSCRIPTION: Object = Object { name: "", fields: &[need("subscription", Schema::Object(&SUBSCRIPTION))] };
static SUBSCRIPTIONS: Object =
    Object { name: "", fields: &[need("subscriptions", list(&Schema::Object(&SUBSCRIPTION), 1_000)), PAGINATED] };

const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Destination("destinationId"))];
const ADMIN: &[Needs] = &[Needs::Role(Area::Source, Level::Admin, Of::Destination("destinationId"))];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listDestinations", "/destinations", "The destinations of the sources that the caller may see.")
        .needs(&[Needs::Role(Area::Source, Level::Read, Of::Any)])
        .paged()
        .data(&MANY)
        .view(list_destinations),
    get(
        "listConnectedDestinationsFromSource",
        "/sources/{sourceId}/connected-destinations",
        "The destinations of one source.",
    )
    .needs(&[Needs::Role(Area::Source, Level::Read, Of::One("sourceId"))])
    .paged()
    .data(&MANY)
    .view(list_of_source),
    post("createDestination", "/destinations", "Makes a destination of a source.")
        .needs(&[Needs::Role(Area::Source, Level::Admin, Of::BodySource("sourceId"))])
        .body(&NEW_DESTINATION)
        .data(&ONE)
        .change(create),
    get("getDestination", "/destinations/{destinationId}", "One destination.").needs(READ).data(&ONE).view(get_one),
    patch("updateDestination", "/destinations/{destinationId}", "Changes a destination; what is not named stays.")
        .needs(ADMIN)
        .body(&DESTINATION_CHANGE)
        .data(&ONE)
        .guarded()
        .change(update),
    delete("deleteDestination", "/destinations/{destinationId}", "Deletes a destination and destroys its secrets.")
        .needs(ADMIN)
        .guarded()
        .change(delete_one),
    get(
        "listSubscriptionsFromDestination",
        "/destinations/{destinationId}/subscriptions",
        "Which events go to which actions of the destination.",
    )
    .needs(READ)
    .paged()
    .data(&SUBSCRIPTIONS)
    .view(list_subscriptions),
    post(
        "createDestinationSubscription",
        "/destinations/{destinationId}/subscriptions",
        "Sends the events that a trigger matches to an action.",
    )
    .needs(ADMIN)
    .body(&NEW_SUBSCRIPTION)
    .data(&CREATED_SUBSCRIPTION)
    .change(create_subscription),
    get("getSubscriptionFromDestination", "/destinations/{destinationId}/subscriptions/{id}", "One subscription.")
        .needs(READ)
        .data(&ONE_SUBSCRIPTION)
        .view(get_subscription),
    patch(
        "updateSubscriptionForDestination",
        "/destinations/{destinationId}/subscriptions/{id}",
        "Changes a subscription; the change stands in `input`.",
    )
    .needs(ADMIN)
    .body(&SUBSCRIPTION_CHANGE)
    .data(&ONE_SUBSCRIPTION)
    .guarded()
    .change(update_subscription),
    delete(
        "removeSubscriptionFromDestination",
        "/destinations/{destinationId}/subscriptions/{id}",
        "Deletes a subscription.",
    )
    .needs(ADMIN)
    .guarded()
    .change(delete_subscription),
];

fn id_of(ask: &Ask) -> DestinationId {
    DestinationId::new(ask.id("destinationId"))
}

fn list_destinations(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    many(view, ask, None)
}

fn list_of_source(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = view.source(ask.caller.workspace(), &SourceId::new(ask.id("sourceId")))?;
    many(view, ask, Some(&source.id))
}

fn many(view: &View<'_>, ask: &Ask, of: Option<&SourceId>) -> Result<Answer, ApiError> {
    let page = reached(view, ask, of)?;
    let pagination = ask.page.told(&page);
    let destinations: Vec<_> = page.rows.iter().map(shown).collect();
    Ok(Answer::of(json!({ "destinations": destinations, "pagination": pagination })))
}

fn get_one(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(&view.destination(ask.caller.workspace(), &id_of(ask))?)
}

/// As for sources: a list of some is looked through.
fn reached(view: &View<'_>, ask: &Ask, of: Option<&SourceId>) -> Result<Listed<DestinationRecord>, ApiError> {
    let workspace = ask.caller.workspace();
    let reach = ask.caller.grants().reach(Area::Source, Level::Read);
    if reach.is_whole() || of.is_some() {
        return Ok(view.destinations(workspace, of, &ask.page.page())?);
    }
    let labels = view.labels_of_sources(workspace)?;
    let covers = |destination: &DestinationRecord| {
        let source = destination.source.as_str();
        reach.covers(source, labels.of(source))
    };
    Ok(ask.page.some_of(|page| view.destinations(workspace, None, page), |destination| destination.number, covers)?)
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let new = NewDestination {
        source: SourceId::new(ask.text("sourceId").unwrap_or_default()),
        catalog: ask.text("metadataId").unwrap_or_default().to_owned(),
        name: ask.text("name").map(str::to_owned),
        // What has no connector yet can be made, and is not switched on by default.
        enabled: ask.flag("enabled").unwrap_or_else(|| is_ready(ask.text("metadataId").unwrap_or_default())),
        settings: ask.map("settings").cloned().unwrap_or_default(),
    };
    one(&change.create_destination(ask.caller.workspace(), &new)?)
}

fn is_ready(metadata_id: &str) -> bool {
    Catalog::get().find(Kind::Destination, metadata_id).is_some_and(|entry| entry.is_ready())
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let to = DestinationChange {
        name: ask.field("name").map(|name| name.as_str().map(str::to_owned)),
        enabled: ask.flag("enabled"),
        settings: ask.map("settings").cloned(),
    };
    one(&change.update_destination(ask.caller.workspace(), &id_of(ask), ask.if_version, &to)?)
}

fn delete_one(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    change.delete_destination(ask.caller.workspace(), &id_of(ask), ask.if_version)?;
    Ok(Answer::success())
}

fn one(destination: &DestinationRecord) -> Result<Answer, ApiError> {
    Ok(Answer::object("destination", shown(destination), destination.version))
}

/// Segment's `Destination`; which secrets are set stands in `secrets`, and they themselves nowhere.
pub(crate) fn shown(destination: &DestinationRecord) -> Value {
    json!({
        "id": destination.id.as_str(),
        "name": destination.name,
        "enabled": destination.enabled,
        "sourceId": destination.source.as_str(),
        "settings": destination.settings,
        "secrets": destination.secrets,
        "metadata": metadata_of(Kind::Destination, &destination.kind),
    })
}

fn list_subscriptions(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let destination = view.destination(ask.caller.workspace(), &id_of(ask))?;
    let page = view.things::<Subscription>(ask.caller.workspace(), Some(destination.id.as_str()), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let subscriptions: Vec<_> = page.rows.iter().map(shown_subscription).collect();
    Ok(Answer::of(json!({ "subscriptions": subscriptions, "pagination": pagination })))
}

fn create_subscription(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let destination = change.destination(ask.caller.workspace(), &id_of(ask))?;
    let wanted = ask.text("actionId").unwrap_or_default();
    let (id, slug) = action_of(&destination.kind, wanted).ok_or_else(|| {
        let message = format!("actionId is no action of `{}`; GET /catalog/destinations lists them", destination.kind);
        ApiError::invalid("actionId", message)
    })?;
    let mut body = Value::Object(ask.body().clone());
    body["actionId"] = json!(id);
    body["actionSlug"] = json!(slug);
    let subscription: Subscription = typed(body, "")?;
    let kept = change.create_thing(ask.caller.workspace(), Some(destination.id.as_str()), subscription)?;
    Ok(Answer::object("destinationSubscription", shown_subscription(&kept), kept.version))
}

/// The id and slug of a destination's action, by either.
fn action_of(kind: &str, wanted: &str) -> Option<(String, &'static str)> {
    let entry = Catalog::get().find(Kind::Destination, kind)?;
    let Detail::Destination(destination) = &entry.detail else { return None };
    let is_it = |action: &&domicile_catalog::Action| action.slug == wanted || action_id(entry, action) == wanted;
    let action = destination.actions.iter().find(is_it)?;
    Some((action_id(entry, action), &action.slug))
}

/// The subscription of the path, which has to be the destination's.
fn find_subscription(view: &View<'_>, ask: &Ask) -> Result<Kept<Subscription>, ApiError> {
    let destination = view.destination(ask.caller.workspace(), &id_of(ask))?;
    let kept = view.thing::<Subscription>(ask.caller.workspace(), ask.id("id"))?;
    if kept.parent.as_deref() == Some(destination.id.as_str()) { Ok(kept) } else { Err(Resource::Subscription.into()) }
}

fn get_subscription(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = find_subscription(view, ask)?;
    Ok(Answer::object("subscription", shown_subscription(&kept), kept.version))
}

fn update_subscription(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = find_subscription(change, ask)?;
    let input = ask.map("input").cloned().unwrap_or_default();
    let mut after = serde_json::to_value(&kept.value).map_err(|_| ApiError::internal())?;
    for (name, value) in input {
        let name = if name == "reverseETLModelId" { "modelId".to_owned() } else { name };
        after[name] = value;
    }
    let after: Subscription = typed(after, "input")?;
    let put = |value: &mut Subscription| {
        *value = after;
        Ok(())
    };
    let kept = change.update_thing(ask.caller.workspace(), &kept.id, ask.if_version, put)?;
    Ok(Answer::object("subscription", shown_subscription(&kept), kept.version))
}

fn delete_subscription(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = find_subscription(change, ask)?;
    change.delete_thing::<Subscription>(ask.caller.workspace(), &kept.id, ask.if_version)?;
    Ok(Answer::success())
}

fn shown_subscription(kept: &Kept<Subscription>) -> Value {
    let subscription = &kept.value;
    let mut shown = json!({
        "id": kept.id,
        "name": subscription.name,
        "actionId": subscription.action_id,
        "actionSlug": subscription.action_slug,
        "destinationId": kept.parent,
        "enabled": subscription.enabled,
        "settings": subscription.settings,
        "trigger": subscription.trigger,
    });
    if let Some(model) = &subscription.model_id {
        shown["modelId"] = json!(model);
    }
    if let Some(schedule) = &subscription.schedule {
        shown["reverseETLSchedule"] = schedule.clone();
    }
    shown
}
