//! Transformations of sources' events.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Of, Operation, PAGINATED, Schema, covered, delete, get, list, may, need,
    patch, post, text, typed,
};
use domicile_catalog::{Catalog, Kind};
use domicile_control::{Area, Change, Kept, Level, Transformation, View};
use serde_json::{Map, Value, json};

const CONDITION: Schema = text(16 * 1024);
const PROPERTY: Schema = text(500);
/// Entries of one of its lists.
const ENTRIES_MAX: usize = 200;

static RENAME: Object =
    Object { name: "PropertyRename", fields: &[need("oldName", PROPERTY), need("newName", PROPERTY)] };
static VALUE: Object = Object {
    name: "PropertyValueTransformation",
    fields: &[
        need("propertyPaths", Schema::List { of: &PROPERTY, min: 1, max: ENTRIES_MAX }),
        need("propertyValue", Schema::Text { min: 0, max: 5_000 }),
    ],
};
static DEFINED: Object =
    Object { name: "FQLDefinedProperty", fields: &[need("fql", CONDITION), need("propertyName", PROPERTY)] };
static HASH: Object = Object {
    name: "HashPropertiesConfiguration",
    fields: &[
        need("algorithm", text(20)).about("md5, sha1, sha224, sha256, sha384 or sha512; with a key the HMAC of it."),
        may("key", Schema::Null(&text(1_024))).about(
            "A secret: written and never read back. In a change it stays when it is not named; null takes it away.",
        ),
        may("encoding", Schema::OneOf(&["BASE16", "BASE64", "BASE64URL", "HEX"])),
        need("paths", Schema::List { of: &PROPERTY, min: 1, max: ENTRIES_MAX }),
    ],
};
const IF_ABOUT: &str = "FQL: the events that it is for.";
const METADATA_ABOUT: &str =
    "The id or slug of a destination of the catalog. Without it: for everything that gets the source's events.";
const EVENT_ABOUT: &str = "For track events.";
static RENAMES: Schema = list(&Schema::Object(&RENAME), ENTRIES_MAX);
static VALUES: Schema = list(&Schema::Object(&VALUE), 10);
static DEFINES: Schema = list(&Schema::Object(&DEFINED), 1);
static ALLOWED: Schema = list(&PROPERTY, ENTRIES_MAX);
static TRANSFORMATION: Object = Object {
    name: "Transformation",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("sourceId", ID),
        may("destinationMetadataId", ID).about(METADATA_ABOUT),
        need("enabled", Schema::Flag),
        need("if", CONDITION).about(IF_ABOUT),
        may("drop", Schema::Flag),
        may("newEventName", NAME).about(EVENT_ABOUT),
        may("propertyRenames", RENAMES),
        may("propertyValueTransformations", VALUES),
        may("fqlDefinedProperties", DEFINES),
        may("allowProperties", ALLOWED),
        may("hashPropertiesConfiguration", Schema::Object(&HASH)),
        need("secrets", list(&text(100), 10)).about("The names of the secrets that are set."),
    ],
};
static NEW_TRANSFORMATION: Object = Object {
    name: "NewTransformation",
    fields: &[
        need("name", NAME),
        need("sourceId", ID),
        may("destinationMetadataId", ID).about(METADATA_ABOUT),
        need("enabled", Schema::Flag),
        need("if", CONDITION).about(IF_ABOUT),
        may("drop", Schema::Flag).about("Whether the events are left out."),
        may("newEventName", NAME).about(EVENT_ABOUT),
        may("propertyRenames", RENAMES),
        may("propertyValueTransformations", VALUES),
        may("fqlDefinedProperties", DEFINES).about("Goes alone: not with renames or values."),
        may("allowProperties", ALLOWED),
        may("hashPropertiesConfiguration", Schema::Object(&HASH)),
    ],
};
static TRANSFORMATION_CHANGE: Object = Object {
    name: "TransformationChange",
    fields: &[
        may("name", NAME),
        may("sourceId", ID),
        may("destinationMetadataId", Schema::Null(&ID)).about(METADATA_ABOUT),
        may("enabled", Schema::Flag),
        may("if", CONDITION).about(IF_ABOUT),
        may("drop", Schema::Null(&Schema::Flag)),
        may("newEventName", Schema::Null(&NAME)).about(EVENT_ABOUT),
        may("propertyRenames", RENAMES),
        may("propertyValueTransformations", VALUES),
        may("fqlDefinedProperties", DEFINES),
        may("allowProperties", Schema::Null(&ALLOWED)),
        may("hashPropertiesConfiguration", Schema::Null(&Schema::Object(&HASH))),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("transformation", Schema::Object(&TRANSFORMATION))] };
static MANY: Object =
    Object { name: "", fields: &[need("transformations", list(&Schema::Object(&TRANSFORMATION), 1_000)), PAGINATED] };

// Which source it is about stands in the transformation: the handlers ask for the role there.
const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Any)];
const ADMIN: &[Needs] = &[Needs::Role(Area::Source, Level::Admin, Of::Any)];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listTransformations", "/transformations", "The transformations of the sources that the caller may see.")
        .needs(READ)
        .paged()
        .data(&MANY)
        .view(list_transformations),
    post(
        "createTransformation",
        "/transformations",
        "Makes a transformation: one for each source, condition and kind of destination. It is checked and kept; events \
         are not changed by it yet.",
    )
    .needs(&[Needs::Role(Area::Source, Level::Admin, Of::BodySource("sourceId"))])
    .body(&NEW_TRANSFORMATION)
    .data(&ONE)
    .change(create),
    get("getTransformation", "/transformations/{transformationId}", "One transformation.")
        .needs(READ)
        .data(&ONE)
        .view(get_one),
    patch(
        "updateTransformation",
        "/transformations/{transformationId}",
        "Changes a transformation; what is not named stays. Events are not changed by it yet.",
    )
    .needs(ADMIN)
    .body(&TRANSFORMATION_CHANGE)
    .data(&ONE)
    .guarded().change(update),
    delete("deleteTransformation", "/transformations/{transformationId}", "Deletes a transformation.")
        .needs(ADMIN)
        .guarded().change(delete_one),
];

/// The transformation of the path, if the caller has the role for its source.
fn find(view: &View<'_>, ask: &Ask, level: Level) -> Result<Kept<Transformation>, ApiError> {
    let kept = view.thing::<Transformation>(ask.caller.workspace(), ask.id("transformationId"))?;
    covered(view, ask, Area::Source, level, &kept.value.source_id)?;
    Ok(kept)
}

fn list_transformations(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let is_whole = ask.caller.grants().reach(Area::Source, Level::Read).is_whole();
    let (rows, pagination) = if is_whole {
        let page = view.things::<Transformation>(ask.caller.workspace(), None, &ask.page.page())?;
        let pagination = ask.page.told(&page);
        (page.rows, pagination)
    } else {
        let mut all = view.all_things::<Transformation>(ask.caller.workspace(), None)?;
        all.retain(|kept| covered(view, ask, Area::Source, Level::Read, &kept.value.source_id).is_ok());
        ask.page.of(all)
    };
    let transformations: Vec<_> = rows.iter().map(shown).collect();
    Ok(Answer::of(json!({ "transformations": transformations, "pagination": pagination })))
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let new = read(ask.body().clone())?;
    one(&change.create_transformation(ask.caller.workspace(), new)?)
}

fn get_one(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(&find(view, ask, Level::Read)?)
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let before = find(change, ask, Level::Admin)?;
    if let Some(source) = ask.text("sourceId") {
        covered(change, ask, Area::Source, Level::Admin, source)?;
    }
    let mut after = match serde_json::to_value(&before.value) {
        Ok(Value::Object(after)) => after,
        _ => return Err(ApiError::internal()),
    };
    for (name, value) in ask.body() {
        let mut value = value.clone();
        if name == "hashPropertiesConfiguration" {
            keep_key(&mut value, after.get(name));
        }
        after.insert(name.clone(), value);
    }
    one(&change.update_transformation(ask.caller.workspace(), &before.id, ask.if_version, read(after)?)?)
}

/// Whoever changes a hash can't know its key, and does not mean to take it away by not naming it.
fn keep_key(after: &mut Value, before: Option<&Value>) {
    let key = before.and_then(|before| before.get("key"));
    if let (Some(after), Some(key)) = (after.as_object_mut(), key) {
        after.entry("key").or_insert_with(|| key.clone());
    }
}

fn delete_one(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = find(change, ask, Level::Admin)?;
    change.delete_thing::<Transformation>(ask.caller.workspace(), &kept.id, ask.if_version)?;
    Ok(Answer::success())
}

/// A transformation of fields that fit their shapes; its kind of destination by the catalog's own id.
fn read(mut fields: Map<String, Value>) -> Result<Transformation, ApiError> {
    if let Some(wanted) = fields.get("destinationMetadataId").and_then(Value::as_str) {
        let entry = Catalog::get().find(Kind::Destination, wanted).ok_or_else(|| {
            let message =
                "destinationMetadataId is no destination of the catalog; GET /catalog/destinations lists them";
            ApiError::invalid("destinationMetadataId", message)
        })?;
        fields.insert("destinationMetadataId".to_owned(), json!(entry.slug));
    }
    typed(Value::Object(fields), "")
}

fn one(kept: &Kept<Transformation>) -> Result<Answer, ApiError> {
    Ok(Answer::object("transformation", shown(kept), kept.version))
}

/// Segment's `Transformation`, without the key of a hash.
fn shown(kept: &Kept<Transformation>) -> Value {
    let mut value = kept.value.clone();
    let key = value.hash_properties_configuration.as_mut().and_then(|hash| hash.key.take());
    let secrets: Vec<&str> = key.iter().map(|_| "hashPropertiesConfiguration.key").collect();
    let mut shown = serde_json::to_value(&value).unwrap_or_default();
    shown["id"] = json!(kept.id);
    shown["secrets"] = json!(secrets);
    shown
}
