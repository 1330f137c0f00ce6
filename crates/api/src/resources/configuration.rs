//! Configuration as code: a workspace as one document, what applying it would change, and applying it.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Operation, Schema, any_text, get, list, may, need, post, text,
};
use domicile_control::{ApplyConfiguration, Change, ConfigurationError, ConfigurationFault, FaultKind, Plan, View};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// As many as a workspace file of the command line has.
const DOCUMENT_BYTES_MAX: usize = 20 << 20;
const STEPS_MAX: usize = 1_000_000;
const PATH: Schema = text(4_096);
const DOCUMENT_ABOUT: &str = "The document; the guide to configuration as code describes it.";

static EXPORTED: Object = Object {
    name: "ExportedConfiguration",
    fields: &[
        need("configuration", Schema::Map).about(DOCUMENT_ABOUT),
        need("secrets", list(&list(&text(1_000), 20), STEPS_MAX))
            .about("Where secrets are set, each a path of names. The document lacks them."),
        need("version", Schema::Count { min: 0, max: i64::MAX })
            .about("Of the workspace's configuration; the answer's ETag too."),
    ],
};
static ASKED: Object = Object {
    name: "ConfigurationDocument",
    fields: &[
        need("configuration", Schema::Any).about(DOCUMENT_ABOUT),
        may("prune", Schema::Flag).about(
            "Whether what the workspace has in a section of the document, and the document has not, is deleted.",
        ),
        may("secretPaths", list(&PATH, 200_000)).about(
            "The paths (`sources.web.destinations.Hook.settings.sharedSecret`) of the values that stand outside the \
             file that the document was read from. When it is given, a secret anywhere else is refused.",
        ),
    ],
};
static FIELD_CHANGE: Object = Object {
    name: "ConfigurationFieldChange",
    fields: &[need("field", any_text(4_096)), need("before", Schema::Any), need("after", Schema::Any)],
};
static SECRET_CHANGE: Object =
    Object { name: "ConfigurationSecretChange", fields: &[need("field", PATH), need("changed", Schema::Flag)] };
static STEP: Object = Object {
    name: "ConfigurationStep",
    fields: &[
        need("action", Schema::OneOf(&["create", "change", "delete"])),
        need("kind", ID),
        need("path", any_text(4_096)),
        need("name", any_text(1_000)),
        need("fields", list(&Schema::Object(&FIELD_CHANGE), STEPS_MAX)),
        need("secrets", list(&Schema::Object(&SECRET_CHANGE), STEPS_MAX))
            .about("Those that the document gives, and whether they are others than those that are set."),
        need("residency", list(&any_text(4_096), 100)).about("What of it decides where data goes."),
    ],
};
static UNLISTED: Object = Object {
    name: "ConfigurationDrift",
    fields: &[need("kind", ID), need("path", any_text(4_096)), need("name", NAME)],
};
static PLAN: Object = Object {
    name: "ConfigurationPlan",
    fields: &[
        need("version", Schema::Count { min: 0, max: i64::MAX })
            .about("Of the workspace's configuration that the plan is for; `If-Match` of apply takes it."),
        need("steps", list(&Schema::Object(&STEP), STEPS_MAX)).about("Empty: nothing would change."),
        need("notInFile", list(&Schema::Object(&UNLISTED), STEPS_MAX))
            .about("What the workspace has in a section of the document, and the document has not."),
    ],
};
static PLANNED: Object = Object { name: "", fields: &[need("plan", Schema::Object(&PLAN))] };

pub(crate) static OPERATIONS: &[Operation] = &[
    get("getConfiguration", "/configuration", "The workspace as one document, without its secrets.")
        .needs(&[Needs::Owner])
        .query(&[may("writeKeys", Schema::Flag)
            .about("Whether write keys are in it. Applied to another workspace, they would be in two.")])
        .data(&EXPORTED)
        .view(export),
    post("planConfiguration", "/configuration/plan", "What applying a document would change. Nothing is changed.")
        .needs(&[Needs::Owner])
        .body(&ASKED)
        .body_bytes_max(DOCUMENT_BYTES_MAX)
        .data(&PLANNED)
        .per_minute(120)
        .rehearse(plan),
    post(
        "applyConfiguration",
        "/configuration/apply",
        "Makes the workspace what a document says: all of it in one change, or nothing. Doing it twice changes nothing.",
    )
    .needs(&[Needs::Owner])
    .body(&ASKED)
    .body_bytes_max(DOCUMENT_BYTES_MAX)
    .guarded()
    .per_minute(120)
    .data(&PLANNED)
    .change(apply),
];

fn export(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let write_keys = ask.query_value("writeKeys") == Some(&Value::Bool(true));
    let exported = view.export_configuration(ask.caller.workspace(), write_keys)?;
    let version = exported.version;
    let data = json!({ "configuration": exported.document, "secrets": exported.secrets, "version": version });
    Ok(Answer { data, version: Some(version) })
}

fn plan(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let plan = run(change, cell, ask, None)?;
    let version = Some(plan.version);
    Ok(Answer { data: json!({ "plan": plan }), version })
}

fn apply(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let plan = run(change, cell, ask, ask.if_version)?;
    Ok(Answer::of(json!({ "plan": plan })))
}

fn run(change: &mut Change<'_>, cell: &Cell, ask: &Ask, if_version: Option<u64>) -> Result<Plan, ApiError> {
    let nothing = Map::new();
    let document = match ask.field("configuration") {
        Some(Value::Object(document)) => document,
        None => &nothing,
        Some(_) => return Err(ApiError::invalid("configuration", "configuration is not an object")),
    };
    let referenced: Option<HashSet<String>> = ask
        .field("secretPaths")
        .and_then(Value::as_array)
        .map(|paths| paths.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let region_of_key = |key: &str| {
        let region = cell.topology.region_of_key(key)?;
        (region.id != cell.region.id).then(|| region.id.clone())
    };
    let asked = ApplyConfiguration {
        document,
        prune: ask.flag("prune").unwrap_or(false),
        if_version,
        referenced: referenced.as_ref(),
        region_of_key: &region_of_key,
    };
    change.apply_configuration(ask.caller.workspace(), &asked).map_err(refused)
}

fn refused(error: ConfigurationError) -> ApiError {
    let faults = match error {
        ConfigurationError::Control(error) => return error.into(),
        ConfigurationError::Faults(faults) => faults,
    };
    let conflict = faults.iter().all(|fault| fault.kind == FaultKind::Conflict);
    let told = |fault: ConfigurationFault| {
        let ConfigurationFault { field, what, why, mend, kind } = fault;
        let message = format!("{field} {what}; {mend}").trim_start().to_owned();
        (field, message, json!({ "what": what, "why": why, "mend": mend, "unknownName": kind == FaultKind::Unknown }))
    };
    ApiError::unfit_document(faults.into_iter().map(told).collect(), conflict)
}
