//! Filters of destinations: which of the source's events a destination gets, and what of them.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, Needs, Object, Of, Operation, PAGINATED, Schema, any_text, delete, get, list, may, need, patch,
    post, text, typed,
};
use domicile_control::{Area, Change, Filter, FilterAction, Kept, Level, View, filter_ready};
use domicile_event::{Stamp, filter};
use domicile_workspace::{DestinationId, SourceId};
use serde_json::{Value, json};

const CONDITION: Schema = text(5 * 1024);
const CONDITION_ABOUT: &str = "FQL: the events that the actions are for. `all` takes every event.";
const TITLE: Schema = text(64);
const DESCRIPTION: Schema = any_text(1_000);

static ACTION: Object = Object {
    name: "FilterAction",
    fields: &[
        need("type", Schema::OneOf(&["ALLOW_PROPERTIES", "DROP", "DROP_PROPERTIES", "SAMPLE"])),
        may("fields", Schema::Map).about(
            "For the two property actions: from the path of an object (`\"\"` is the event) to a list of names in it.",
        ),
        may("percent", Schema::Number { min: 0.0, max: 1.0 }).about("For SAMPLE: the share of events to keep."),
        may("path", text(1_000))
            .about("For SAMPLE: the value that decides. The messageId decides when it is not given."),
    ],
};
static ACTIONS: Schema = Schema::List { of: &Schema::Object(&ACTION), min: 1, max: filter::ACTIONS_MAX };
static FILTER: Object = Object {
    name: "Filter",
    fields: &[
        need("id", ID),
        need("sourceId", ID),
        need("destinationId", ID),
        need("if", CONDITION),
        need("actions", ACTIONS),
        need("title", TITLE),
        may("description", DESCRIPTION),
        need("enabled", Schema::Flag),
        need("createdAt", Schema::Time),
        need("updatedAt", Schema::Time),
    ],
};
static NEW_FILTER: Object = Object {
    name: "NewFilter",
    fields: &[
        need("sourceId", ID).about("The destination's source."),
        need("if", CONDITION).about(CONDITION_ABOUT),
        need("actions", ACTIONS),
        need("title", TITLE),
        may("description", DESCRIPTION),
        need("enabled", Schema::Flag),
    ],
};
static FILTER_CHANGE: Object = Object {
    name: "FilterChange",
    fields: &[
        may("if", CONDITION).about(CONDITION_ABOUT),
        may("actions", ACTIONS),
        may("title", TITLE),
        may("description", Schema::Null(&DESCRIPTION)),
        may("enabled", Schema::Flag),
    ],
};
static TRIED: Object =
    Object { name: "TriedFilter", fields: &[need("if", CONDITION).about(CONDITION_ABOUT), need("actions", ACTIONS)] };
static TRY: Object = Object {
    name: "FilterPreview",
    fields: &[need("filter", Schema::Object(&TRIED)), need("payload", Schema::Map).about("An event.")],
};
static RESULT: Object = Object {
    name: "",
    fields: &[
        need("inputPayload", Schema::Map),
        need("result", Schema::Null(&Schema::Map)).about("What the destination would get; null: nothing."),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("filter", Schema::Object(&FILTER))] };
static MANY: Object = Object { name: "", fields: &[need("filters", list(&Schema::Object(&FILTER), 1_000)), PAGINATED] };

const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Destination("destinationId"))];
const ADMIN: &[Needs] = &[Needs::Role(Area::Source, Level::Admin, Of::Destination("destinationId"))];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listFiltersFromDestination", "/destination/{destinationId}/filters", "The filters of a destination.")
        .needs(READ)
        .paged()
        .data(&MANY)
        .view(list_filters),
    post(
        "createFilterForDestination",
        "/destination/{destinationId}/filters",
        "Makes a filter of a destination, which has at most 10. One that is enabled takes hold within 2 s, also for events \
         that wait for another try; an event that it can't read is dropped. What is left out counts as `filtered` on the \
         balance sheet.",
    )
    .needs(ADMIN)
    .body(&NEW_FILTER)
    .data(&ONE)
    .change(create),
    post(
        "previewDestinationFilter",
        "/destination/filters/preview",
        "What a filter makes of an event. Evaluates it and keeps nothing.",
    )
    .needs(&[Needs::Role(Area::Source, Level::Read, Of::Any)])
    .body(&TRY)
    .data(&RESULT)
    .view(preview),
    get("getFilterInDestination", "/destination/{destinationId}/filters/{filterId}", "One filter.")
        .needs(READ)
        .data(&ONE)
        .view(get_one),
    patch(
        "updateFilterForDestination",
        "/destination/{destinationId}/filters/{filterId}",
        "Changes a filter; what is not named stays.",
    )
    .needs(ADMIN)
    .body(&FILTER_CHANGE)
    .data(&ONE)
    .guarded().change(update),
    delete(
        "removeFilterFromDestination",
        "/destination/{destinationId}/filters/{filterId}",
        "Deletes a filter: from then on the destination gets what it left out.",
    )
    .needs(ADMIN)
    .guarded().change(delete_one),
];

fn id_of(ask: &Ask) -> DestinationId {
    DestinationId::new(ask.id("destinationId"))
}

fn source_of(view: &View<'_>, ask: &Ask) -> Result<SourceId, ApiError> {
    Ok(view.destination(ask.caller.workspace(), &id_of(ask))?.source)
}

fn find(view: &View<'_>, ask: &Ask) -> Result<Kept<Filter>, ApiError> {
    Ok(view.filter(ask.caller.workspace(), &id_of(ask), ask.id("filterId"))?)
}

fn list_filters(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = source_of(view, ask)?;
    let page = view.things::<Filter>(ask.caller.workspace(), Some(ask.id("destinationId")), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let filters: Vec<_> = page.rows.iter().map(|kept| shown(kept, &source)).collect();
    Ok(Answer::of(json!({ "filters": filters, "pagination": pagination })))
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = source_of(change, ask)?;
    if ask.text("sourceId") != Some(source.as_str()) {
        let message = format!("sourceId is not the destination's source; give `{source}`");
        return Err(ApiError::invalid("sourceId", message));
    }
    let mut body = ask.body().clone();
    body.remove("sourceId");
    let kept = change.create_filter(ask.caller.workspace(), &id_of(ask), read(Value::Object(body))?)?;
    one(&kept, &source)
}

fn preview(_: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let tried = ask.map("filter").cloned().unwrap_or_default();
    let condition = tried.get("if").and_then(Value::as_str).unwrap_or_default();
    let actions: Vec<FilterAction> = typed(tried.get("actions").cloned().unwrap_or_default(), "filter.actions")?;
    let filter = filter_ready(condition, &actions).map_err(|error| ApiError::from(error).within("filter"))?;
    let payload = Value::Object(ask.map("payload").cloned().unwrap_or_default());
    let result = filter::preview(&filter, payload.to_string().as_bytes());
    let result: Option<Value> = result.and_then(|event| serde_json::from_slice(&event).ok());
    Ok(Answer::of(json!({ "inputPayload": payload, "result": result })))
}

fn get_one(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(&find(view, ask)?, &source_of(view, ask)?)
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = source_of(change, ask)?;
    let before = find(change, ask)?;
    let mut after = serde_json::to_value(&before.value).map_err(|_| ApiError::internal())?;
    for (name, value) in ask.body() {
        after[name] = value.clone();
    }
    let after = read(after)?;
    let kept = change.update_thing(ask.caller.workspace(), &before.id, ask.if_version, |filter: &mut Filter| {
        *filter = after;
        Ok(())
    })?;
    one(&kept, &source)
}

fn delete_one(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = find(change, ask)?;
    change.delete_thing::<Filter>(ask.caller.workspace(), &kept.id, ask.if_version)?;
    Ok(Answer::success())
}

/// A filter of a body that fits its shape. The shape leaves open what stands in `fields`.
fn read(body: Value) -> Result<Filter, ApiError> {
    typed(body, "actions")
}

fn one(kept: &Kept<Filter>, source: &SourceId) -> Result<Answer, ApiError> {
    Ok(Answer::object("filter", shown(kept, source), kept.version))
}

fn shown(kept: &Kept<Filter>, source: &SourceId) -> Value {
    let filter = &kept.value;
    let mut shown = json!({
        "id": kept.id,
        "sourceId": source.as_str(),
        "destinationId": kept.parent,
        "if": filter.condition,
        "actions": filter.actions,
        "title": filter.title,
        "enabled": filter.enabled,
        "createdAt": Stamp::of(kept.created_at.0).as_str(),
        "updatedAt": Stamp::of(kept.updated_at.0).as_str(),
    });
    if let Some(description) = &filter.description {
        shown["description"] = json!(description);
    }
    shown
}
