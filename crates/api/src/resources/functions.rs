//! Functions, their versions, and where they are put in.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Of, Operation, PAGINATED, Schema, any_text, covered, delete, get, list, may,
    need, patch, post, text, typed,
};
use domicile_control::{
    Area, CODE_BYTES_MAX, Change, Function, FunctionChange, FunctionInstance, FunctionInstanceChange, FunctionVersion,
    Kept, Level, NewFunction, NewFunctionInstance, Resource, SETTINGS_MAX, View,
};
use domicile_event::Stamp;
use domicile_workspace::DestinationId;
use serde_json::{Value, json};

const CODE: Schema = text(CODE_BYTES_MAX);
const DESCRIPTION: Schema = any_text(5_000);
const LOGO: Schema = text(2_000);
static KIND: Schema =
    Schema::OneOf(&["DESTINATION", "INSERT_DESTINATION", "INSERT_SOURCE", "INSERT_TRANSFORMATION", "SOURCE"]);

static SETTING: Object = Object {
    name: "FunctionSetting",
    fields: &[
        need("name", text(100)).about("What the code reads: letters, digits, `_` and `$`."),
        need("label", NAME),
        need("description", any_text(1_000)),
        need("type", Schema::OneOf(&["ARRAY", "BOOLEAN", "STRING", "TEXT_MAP"])),
        need("required", Schema::Flag),
        need("sensitive", Schema::Flag).about(
            "Whether its value is sealed and never read back. When that ends, the value goes and has to be given anew.",
        ),
    ],
};
static SETTINGS: Schema = list(&Schema::Object(&SETTING), SETTINGS_MAX);
static FUNCTION: Object = Object {
    name: "Function",
    fields: &[
        need("id", ID),
        need("resourceType", KIND),
        need("createdAt", Schema::Time),
        need("createdBy", text(200)),
        need("code", CODE),
        need("deployedAt", Schema::Null(&Schema::Time)),
        need("settings", SETTINGS),
        need("displayName", NAME),
        may("description", DESCRIPTION),
        may("logoUrl", LOGO),
        need("isLatestVersion", Schema::Flag).about("Whether the latest version is the one that is deployed."),
        need("latestVersionId", ID),
        need("deployedVersionId", Schema::Null(&ID)),
    ],
};
static LISTED: Object = Object {
    name: "ListedFunction",
    fields: &[
        need("id", ID),
        need("resourceType", KIND),
        need("createdAt", Schema::Time),
        need("createdBy", text(200)),
        need("displayName", NAME),
        may("description", DESCRIPTION),
        may("logoUrl", LOGO),
    ],
};
static NEW_FUNCTION: Object = Object {
    name: "NewFunction",
    fields: &[
        need("code", CODE).about("JavaScript, at most 100 KiB."),
        may("settings", SETTINGS),
        need("displayName", NAME),
        may("logoUrl", LOGO).about("An https address. It is not fetched."),
        need("resourceType", KIND).about("Never changes."),
        may("description", DESCRIPTION),
    ],
};
static FUNCTION_CHANGE: Object = Object {
    name: "FunctionChange",
    fields: &[
        may("code", CODE).about("Other code makes another version; what is deployed stays as it is."),
        may("settings", SETTINGS).about("All of them: what is not named is taken away."),
        may("displayName", NAME),
        may("logoUrl", LOGO),
        may("description", DESCRIPTION),
    ],
};
static VERSION: Object = Object {
    name: "FunctionVersion",
    fields: &[
        need("id", ID),
        need("author", text(200)),
        need("code", CODE),
        need("isDeployed", Schema::Flag),
        need("createdAt", Schema::Time),
        need("updatedAt", Schema::Time),
        may("deployedAt", Schema::Time),
    ],
};
static RESTORE: Object = Object { name: "RestoreFunctionVersion", fields: &[need("versionId", ID)] };
static INSTANCE: Object = Object {
    name: "InsertFunctionInstance",
    fields: &[
        need("id", ID),
        need("name", NAME),
        need("integrationId", ID).about("The destination or source that it is put in at."),
        need("classId", ID).about("The function."),
        need("enabled", Schema::Flag),
        need("createdAt", Schema::Time),
        need("updatedAt", Schema::Time),
        need("settings", Schema::Map).about("Without the sensitive ones."),
        need("encryptedSettings", Schema::Map)
            .about("The names of the sensitive settings that are set, each with a mask."),
    ],
};
const VALUES_ABOUT: &str =
    "Values for the function's settings, by name. In a change those that are not named stay, and null takes one away.";
static NEW_INSTANCE: Object = Object {
    name: "NewInsertFunctionInstance",
    fields: &[
        need("functionId", ID).about("A function whose resourceType begins with INSERT_."),
        need("integrationId", ID).about("The id of a destination; for INSERT_SOURCE that of a source."),
        may("enabled", Schema::Flag).about("False when it is not given."),
        need("name", NAME),
        need("settings", Schema::Map).about(VALUES_ABOUT),
    ],
};
static INSTANCE_CHANGE: Object = Object {
    name: "InsertFunctionInstanceChange",
    fields: &[may("enabled", Schema::Flag), may("name", NAME), need("settings", Schema::Map).about(VALUES_ABOUT)],
};
static ONE: Object = Object { name: "", fields: &[need("function", Schema::Object(&FUNCTION))] };
static MANY: Object =
    Object { name: "", fields: &[need("functions", list(&Schema::Object(&LISTED), 1_000)), PAGINATED] };
static ONE_VERSION: Object = Object { name: "", fields: &[need("version", Schema::Object(&VERSION))] };
static VERSIONS: Object =
    Object { name: "", fields: &[need("versions", list(&Schema::Object(&VERSION), 1_000)), PAGINATED] };
static DEPLOYMENT: Object =
    Object { name: "FunctionDeployment", fields: &[need("status", Schema::OneOf(&["SUCCESS"]))] };
static DEPLOYED: Object = Object { name: "", fields: &[need("functionDeployment", Schema::Object(&DEPLOYMENT))] };
static ONE_INSTANCE: Object = Object { name: "", fields: &[need("insertFunctionInstance", Schema::Object(&INSTANCE))] };
static INSTANCES: Object =
    Object { name: "", fields: &[need("instances", list(&Schema::Object(&INSTANCE), 1_000)), PAGINATED] };

const LIST: &[Needs] = &[Needs::Role(Area::Function, Level::Read, Of::Any)];
const CREATE: &[Needs] = &[Needs::Role(Area::Function, Level::Admin, Of::All)];
const READ: &[Needs] = &[Needs::Role(Area::Function, Level::Read, Of::One("functionId"))];
const ADMIN: &[Needs] = &[Needs::Role(Area::Function, Level::Admin, Of::One("functionId"))];
/// What is put in before a destination or behind a source is theirs too. Which function and which source stands in the
/// instance: the handlers ask for the roles there.
const PUT_IN: &[Needs] =
    &[Needs::Role(Area::Function, Level::Admin, Of::Any), Needs::Role(Area::Source, Level::Admin, Of::Any)];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listFunctions", "/functions", "The workspace's functions, without code and settings.")
        .needs(LIST)
        .query(&[may("resourceType", KIND)])
        .paged()
        .data(&MANY)
        .view(list_functions),
    post(
        "createFunction",
        "/functions",
        "Makes a function and its first version. Functions are checked and kept; nothing of them runs yet.",
    )
    .needs(CREATE)
    .body(&NEW_FUNCTION)
    .data(&ONE)
    .change(create),
    get("getFunction", "/functions/{functionId}", "One function.").needs(READ).data(&ONE).view(get_one),
    patch("updateFunction", "/functions/{functionId}", "Changes a function; what is not named stays.")
        .needs(ADMIN)
        .body(&FUNCTION_CHANGE)
        .data(&ONE)
        .guarded().change(update),
    delete("deleteFunction", "/functions/{functionId}", "Deletes a function that is put in nowhere, and its versions.")
        .needs(ADMIN)
        .guarded().change(delete_one),
    post(
        "createFunctionDeployment",
        "/functions/{functionId}/deploy",
        "Notes the latest version as the one to run. Nothing runs yet.",
    )
    .needs(ADMIN)
    .data(&DEPLOYED)
    .change(deploy),
    get("listFunctionVersions", "/functions/{functionId}/versions", "The latest 100 versions of a function, oldest first.")
        .needs(READ)
        .paged()
        .data(&VERSIONS)
        .view(list_versions),
    post(
        "restoreFunctionVersion",
        "/functions/{functionId}/versions",
        "Makes an earlier version's code the function's code again, as a new version.",
    )
    .needs(ADMIN)
    .body(&RESTORE)
    .data(&ONE_VERSION)
    .change(restore),
    get("getFunctionVersion", "/functions/{functionId}/versions/{versionId}", "One version of a function.")
        .needs(READ)
        .data(&ONE_VERSION)
        .view(get_version),
    get("listInsertFunctionInstances", "/insert-function-instances", "Where functions are put in.")
        .needs(LIST)
        .query(&[may("functionId", ID)])
        .paged()
        .data(&INSTANCES)
        .view(list_instances),
    post(
        "createInsertFunctionInstance",
        "/insert-function-instances",
        "Puts a function in before a destination or behind a source, one at each. It is checked and kept; nothing runs yet.",
    )
    .needs(PUT_IN)
    .body(&NEW_INSTANCE)
    .data(&ONE_INSTANCE)
    .change(create_instance),
    get("getInsertFunctionInstance", "/insert-function-instances/{instanceId}", "One place where a function is put in.")
        .needs(LIST)
        .data(&ONE_INSTANCE)
        .view(get_instance),
    patch(
        "updateInsertFunctionInstance",
        "/insert-function-instances/{instanceId}",
        "Changes a place where a function is put in; what is not named stays. Nothing runs yet.",
    )
    .needs(PUT_IN)
    .body(&INSTANCE_CHANGE)
    .data(&ONE_INSTANCE)
    .guarded().change(update_instance),
    delete("deleteInsertFunctionInstance", "/insert-function-instances/{instanceId}", "Takes a function out of a place.")
        .needs(PUT_IN)
        .guarded().change(delete_instance),
];

fn id_of(ask: &Ask) -> &str {
    ask.id("functionId")
}

fn list_functions(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let wanted = ask.query("resourceType");
    let mut all = view.all_things::<Function>(ask.caller.workspace(), None)?;
    all.retain(|kept| wanted.is_none_or(|wanted| json!(kept.value.resource_type) == wanted));
    all.retain(|kept| covered(view, ask, Area::Function, Level::Read, &kept.id).is_ok());
    let (rows, pagination) = ask.page.of(all);
    let functions: Vec<_> = rows.iter().map(listed).collect();
    Ok(Answer::of(json!({ "functions": functions, "pagination": pagination })))
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let new = NewFunction {
        display_name: ask.text("displayName").unwrap_or_default().to_owned(),
        description: ask.text("description").map(str::to_owned),
        logo_url: ask.text("logoUrl").map(str::to_owned),
        resource_type: typed(ask.field("resourceType").cloned().unwrap_or_default(), "resourceType")?,
        code: ask.text("code").unwrap_or_default().to_owned(),
        settings: typed(ask.field("settings").cloned().unwrap_or_else(|| json!([])), "settings")?,
    };
    one(&change.create_function(ask.caller.workspace(), new)?)
}

fn get_one(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(&view.thing::<Function>(ask.caller.workspace(), id_of(ask))?)
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let to = FunctionChange {
        display_name: ask.text("displayName").map(str::to_owned),
        description: ask.text("description").map(str::to_owned),
        logo_url: ask.text("logoUrl").map(str::to_owned),
        code: ask.text("code").map(str::to_owned),
        settings: ask.field("settings").map(|settings| typed(settings.clone(), "settings")).transpose()?,
    };
    one(&change.update_function(ask.caller.workspace(), id_of(ask), ask.if_version, to)?)
}

fn delete_one(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    change.delete_function(ask.caller.workspace(), id_of(ask), ask.if_version)?;
    Ok(Answer::success())
}

fn deploy(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = change.deploy_function(ask.caller.workspace(), id_of(ask))?;
    Ok(Answer::object("functionDeployment", json!({ "status": "SUCCESS" }), kept.version))
}

fn list_versions(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let function = view.thing::<Function>(ask.caller.workspace(), id_of(ask))?;
    let page = view.things::<FunctionVersion>(ask.caller.workspace(), Some(&function.id), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let versions: Vec<_> = page.rows.iter().map(|version| shown_version(version, &function)).collect();
    Ok(Answer::of(json!({ "versions": versions, "pagination": pagination })))
}

fn restore(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let wanted = ask.text("versionId").unwrap_or_default();
    let version = change.restore_function_version(ask.caller.workspace(), id_of(ask), wanted);
    let version = version.map_err(|error| match error {
        domicile_control::ControlError::NotFound(Resource::FunctionVersion) => {
            let message = "versionId is no version of the function; GET /functions/{functionId}/versions lists them";
            ApiError::invalid("versionId", message)
        }
        other => other.into(),
    })?;
    one_version(change, ask, &version)
}

fn get_version(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let version = view.function_version(ask.caller.workspace(), id_of(ask), ask.id("versionId"))?;
    one_version(view, ask, &version)
}

fn one_version(view: &View<'_>, ask: &Ask, version: &Kept<FunctionVersion>) -> Result<Answer, ApiError> {
    let function = view.thing::<Function>(ask.caller.workspace(), id_of(ask))?;
    Ok(Answer::object("version", shown_version(version, &function), version.version))
}

fn list_instances(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let mut all = match ask.query("functionId") {
        Some(function) => view.instances_of(ask.caller.workspace(), function)?,
        None => view.all_things::<FunctionInstance>(ask.caller.workspace(), None)?,
    };
    all.retain(|kept| covered(view, ask, Area::Function, Level::Read, &kept.value.function).is_ok());
    let (rows, pagination) = ask.page.of(all);
    let instances: Vec<_> = rows.iter().map(shown_instance).collect();
    Ok(Answer::of(json!({ "instances": instances, "pagination": pagination })))
}

/// Whether the caller may change what a function is put in at: a source, or a destination by its source.
fn may_put_in(view: &View<'_>, ask: &Ask, integration: &str) -> Result<(), ApiError> {
    let destination = view.destination(ask.caller.workspace(), &DestinationId::new(integration));
    let source = destination.map_or_else(|_| integration.to_owned(), |destination| destination.source.to_string());
    covered(view, ask, Area::Source, Level::Admin, &source)
}

fn create_instance(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let new = NewFunctionInstance {
        function: ask.text("functionId").unwrap_or_default().to_owned(),
        integration: ask.text("integrationId").unwrap_or_default().to_owned(),
        name: ask.text("name").unwrap_or_default().to_owned(),
        enabled: ask.flag("enabled").unwrap_or(false),
        settings: ask.map("settings").cloned().unwrap_or_default(),
    };
    covered(change, ask, Area::Function, Level::Admin, &new.function)?;
    may_put_in(change, ask, &new.integration)?;
    one_instance(&change.create_function_instance(ask.caller.workspace(), new)?)
}

/// The instance of the path, if the caller has the role for its function, and to change it also for its place.
fn find_instance(view: &View<'_>, ask: &Ask, level: Level) -> Result<Kept<FunctionInstance>, ApiError> {
    let kept = view.thing::<FunctionInstance>(ask.caller.workspace(), ask.id("instanceId"))?;
    covered(view, ask, Area::Function, level, &kept.value.function)?;
    if level == Level::Admin {
        may_put_in(view, ask, kept.parent.as_deref().unwrap_or_default())?;
    }
    Ok(kept)
}

fn get_instance(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one_instance(&find_instance(view, ask, Level::Read)?)
}

fn update_instance(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let before = find_instance(change, ask, Level::Admin)?;
    let to = FunctionInstanceChange {
        name: ask.text("name").map(str::to_owned),
        enabled: ask.flag("enabled"),
        settings: ask.map("settings").cloned().unwrap_or_default(),
    };
    one_instance(&change.update_function_instance(ask.caller.workspace(), &before.id, ask.if_version, to)?)
}

fn delete_instance(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let kept = find_instance(change, ask, Level::Admin)?;
    change.delete_thing::<FunctionInstance>(ask.caller.workspace(), &kept.id, ask.if_version)?;
    Ok(Answer::success())
}

fn one(kept: &Kept<Function>) -> Result<Answer, ApiError> {
    let function = &kept.value;
    let deployed = function.deployed.as_ref();
    let mut shown = listed(kept);
    shown["code"] = json!(function.code);
    shown["settings"] = json!(function.settings);
    shown["deployedAt"] = json!(deployed.map(|deployed| Stamp::of(deployed.at_ms).as_str().to_owned()));
    shown["isLatestVersion"] = json!(deployed.is_some_and(|deployed| deployed.version == function.latest_version));
    shown["latestVersionId"] = json!(function.latest_version);
    shown["deployedVersionId"] = json!(deployed.map(|deployed| &deployed.version));
    Ok(Answer::object("function", shown, kept.version))
}

/// As lists show it: without code and settings.
fn listed(kept: &Kept<Function>) -> Value {
    let function = &kept.value;
    let mut shown = json!({
        "id": kept.id,
        "resourceType": function.resource_type,
        "createdAt": Stamp::of(kept.created_at.0).as_str(),
        "createdBy": function.created_by,
        "displayName": function.display_name,
    });
    for (name, value) in [("description", &function.description), ("logoUrl", &function.logo_url)] {
        if let Some(value) = value {
            shown[name] = json!(value);
        }
    }
    shown
}

fn shown_version(kept: &Kept<FunctionVersion>, function: &Kept<Function>) -> Value {
    let deployed = function.value.deployed.as_ref().is_some_and(|deployed| deployed.version == kept.id);
    let mut shown = json!({
        "id": kept.id,
        "author": kept.value.author,
        "code": kept.value.code,
        "isDeployed": deployed,
        "createdAt": Stamp::of(kept.created_at.0).as_str(),
        "updatedAt": Stamp::of(kept.updated_at.0).as_str(),
    });
    if let Some(at_ms) = kept.value.deployed_at_ms {
        shown["deployedAt"] = json!(Stamp::of(at_ms).as_str());
    }
    shown
}

fn one_instance(kept: &Kept<FunctionInstance>) -> Result<Answer, ApiError> {
    Ok(Answer::object("insertFunctionInstance", shown_instance(kept), kept.version))
}

/// Segment's shape; of a sensitive setting only that it is set.
fn shown_instance(kept: &Kept<FunctionInstance>) -> Value {
    let instance = &kept.value;
    let masked: serde_json::Map<String, Value> =
        instance.sensitive.keys().map(|name| (name.clone(), json!("********"))).collect();
    json!({
        "id": kept.id,
        "name": instance.name,
        "integrationId": kept.parent,
        "classId": instance.function,
        "enabled": instance.enabled,
        "createdAt": Stamp::of(kept.created_at.0).as_str(),
        "updatedAt": Stamp::of(kept.updated_at.0).as_str(),
        "settings": instance.settings,
        "encryptedSettings": masked,
    })
}
