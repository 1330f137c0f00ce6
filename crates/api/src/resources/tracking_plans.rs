//! Tracking plans, their rules, and the sources that they are for.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, NAME, Needs, Object, Of, Operation, PAGINATED, Schema, any_text, covered, delete, get, list, may,
    need, patch, post, put, typed,
};
use crate::resources::sources;
use domicile_control::{Area, Change, Kept, Level, RULES_MAX, Rule, RuleChange, RuleKey, TrackingPlan, View};
use domicile_event::Stamp;
use domicile_workspace::SourceId;
use serde_json::{Value, json};

const DESCRIPTION: Schema = any_text(5_000);
static PLAN_TYPE: Schema = Schema::OneOf(&["ENGAGE", "LIVE", "PROPERTY_LIBRARY", "RULE_LIBRARY", "TEMPLATE"]);
static RULE_TYPE: Schema = Schema::OneOf(&["COMMON", "GROUP", "IDENTIFY", "PAGE", "SCREEN", "TRACK"]);
/// An event's name.
const KEY: Schema = any_text(1_000);
const VERSION: Schema = Schema::Count { min: 0, max: 1_000_000 };

static PLAN: Object = Object {
    name: "TrackingPlan",
    fields: &[
        need("id", ID),
        need("name", NAME),
        may("description", DESCRIPTION),
        need("type", PLAN_TYPE),
        need("createdAt", Schema::Time),
        need("updatedAt", Schema::Time).about("When it or one of its rules was changed last."),
    ],
};
static NEW_PLAN: Object = Object {
    name: "NewTrackingPlan",
    fields: &[need("name", NAME), may("description", DESCRIPTION), need("type", PLAN_TYPE)],
};
static PLAN_CHANGE: Object =
    Object { name: "TrackingPlanChange", fields: &[may("name", NAME), may("description", DESCRIPTION)] };
static RULE: Object = Object {
    name: "Rule",
    fields: &[
        need("type", RULE_TYPE),
        may("key", KEY),
        need("jsonSchema", Schema::Map),
        need("version", VERSION),
        need("createdAt", Schema::Time),
        need("updatedAt", Schema::Time),
    ],
};
static RULE_INPUT: Object = Object {
    name: "RuleInput",
    fields: &[
        need("type", RULE_TYPE),
        may("key", KEY).about("The event's name; TRACK needs it."),
        need("jsonSchema", Schema::Map).about("JSON Schema, draft 7. References stay inside it."),
        need("version", VERSION),
    ],
};
static RULE_INPUTS: Object = Object {
    name: "RuleInputs",
    fields: &[need("rules", list(&Schema::Object(&RULE_INPUT), RULES_MAX)).about("All rules: the others are deleted.")],
};
static RULE_CHANGE: Object = Object {
    name: "RuleChange",
    fields: &[
        may("newKey", KEY).about("Its key from now on."),
        need("type", RULE_TYPE),
        may("key", KEY),
        need("jsonSchema", Schema::Null(&Schema::Map)).about("Null deletes the rule."),
        need("version", VERSION),
    ],
};
static RULE_CHANGES: Object = Object {
    name: "RuleChanges",
    fields: &[need("rules", list(&Schema::Object(&RULE_CHANGE), RULES_MAX)).about("A rule that is not there is made.")],
};
static RULE_KEY: Object =
    Object { name: "RuleKey", fields: &[need("type", RULE_TYPE), may("key", KEY), need("version", VERSION)] };
static SOURCE_INPUT: Object = Object { name: "TrackingPlanSource", fields: &[need("sourceId", ID)] };
static ONE: Object = Object { name: "", fields: &[need("trackingPlan", Schema::Object(&PLAN))] };
static MANY: Object =
    Object { name: "", fields: &[need("trackingPlans", list(&Schema::Object(&PLAN), 1_000)), PAGINATED] };
static RULES: Object = Object { name: "", fields: &[need("rules", list(&Schema::Object(&RULE), 1_000)), PAGINATED] };

const LIST: &[Needs] = &[Needs::Role(Area::TrackingPlan, Level::Read, Of::Any)];
const CREATE: &[Needs] = &[Needs::Role(Area::TrackingPlan, Level::Admin, Of::All)];
const READ: &[Needs] = &[Needs::Role(Area::TrackingPlan, Level::Read, Of::One("trackingPlanId"))];
const ADMIN: &[Needs] = &[Needs::Role(Area::TrackingPlan, Level::Admin, Of::One("trackingPlanId"))];
/// What a source's events are held against is the source's too.
const CONNECT: &[Needs] = &[
    Needs::Role(Area::TrackingPlan, Level::Admin, Of::One("trackingPlanId")),
    Needs::Role(Area::Source, Level::Admin, Of::Any),
];

pub(crate) static OPERATIONS: &[Operation] = &[
    get("listTrackingPlans", "/tracking-plans", "The workspace's tracking plans.")
        .needs(LIST)
        .query(&[may("type", PLAN_TYPE)])
        .paged()
        .data(&MANY)
        .view(list_plans),
    post(
        "createTrackingPlan",
        "/tracking-plans",
        "Makes a tracking plan without rules. Plans are checked and kept; events are not held against them yet.",
    )
    .needs(CREATE)
    .body(&NEW_PLAN)
    .data(&ONE)
    .change(create),
    get("getTrackingPlan", "/tracking-plans/{trackingPlanId}", "One tracking plan.")
        .needs(READ)
        .data(&ONE)
        .view(get_one),
    patch("updateTrackingPlan", "/tracking-plans/{trackingPlanId}", "Changes a plan's name or description.")
        .needs(ADMIN)
        .body(&PLAN_CHANGE)
        .guarded()
        .change(update),
    delete(
        "deleteTrackingPlan",
        "/tracking-plans/{trackingPlanId}",
        "Deletes a plan and its rules. Its sources go on without one.",
    )
    .needs(ADMIN)
    .guarded()
    .change(delete_one),
    get("listRulesFromTrackingPlan", "/tracking-plans/{trackingPlanId}/rules", "The rules of a plan.")
        .needs(READ)
        .paged()
        .per_minute(200)
        .data(&RULES)
        .view(list_rules),
    put(
        "replaceRulesInTrackingPlan",
        "/tracking-plans/{trackingPlanId}/rules",
        "Gives a plan these rules and no others: at most 2,000, each type, key and version once. Events are not held \
         against them yet.",
    )
    .needs(ADMIN)
    .body(&RULE_INPUTS)
    .guarded()
    .change(replace_rules),
    patch(
        "updateRulesInTrackingPlan",
        "/tracking-plans/{trackingPlanId}/rules",
        "Makes, changes and deletes single rules of a plan, named by type, key and version.",
    )
    .needs(ADMIN)
    .body(&RULE_CHANGES)
    .guarded()
    .change(update_rules),
    delete(
        "removeRulesFromTrackingPlan",
        "/tracking-plans/{trackingPlanId}/rules",
        "Deletes rules of a plan, named by type, key and version.",
    )
    .needs(ADMIN)
    .query(&[need("rules", Schema::List { of: &Schema::Object(&RULE_KEY), min: 1, max: 200 })])
    .guarded()
    .change(delete_rules),
    get("listSourcesFromTrackingPlan", "/tracking-plans/{trackingPlanId}/sources", "The sources that a plan is for.")
        .needs(READ)
        .paged()
        .data(&sources::MANY)
        .view(list_sources),
    post(
        "addSourceToTrackingPlan",
        "/tracking-plans/{trackingPlanId}/sources",
        "Puts a source under a plan. A source has at most one.",
    )
    .needs(CONNECT)
    .body(&SOURCE_INPUT)
    .change(add_source),
    delete("removeSourceFromTrackingPlan", "/tracking-plans/{trackingPlanId}/sources", "Takes a source from a plan.")
        .needs(CONNECT)
        .query(&[need("sourceId", ID)])
        .change(remove_source),
];

fn id_of(ask: &Ask) -> &str {
    ask.id("trackingPlanId")
}

fn list_plans(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let is_whole = ask.caller.grants().reach(Area::TrackingPlan, Level::Read).is_whole();
    let wanted = ask.query("type");
    let (rows, pagination) = if is_whole && wanted.is_none() {
        let page = view.things::<TrackingPlan>(ask.caller.workspace(), None, &ask.page.page())?;
        let pagination = ask.page.told(&page);
        (page.rows, pagination)
    } else {
        let mut all = view.all_things::<TrackingPlan>(ask.caller.workspace(), None)?;
        all.retain(|kept| wanted.is_none_or(|wanted| json!(kept.value.kind) == wanted));
        all.retain(|kept| covered(view, ask, Area::TrackingPlan, Level::Read, &kept.id).is_ok());
        ask.page.of(all)
    };
    let plans: Vec<_> = rows.iter().map(shown).collect();
    Ok(Answer::of(json!({ "trackingPlans": plans, "pagination": pagination })))
}

fn create(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(&change.create_tracking_plan(ask.caller.workspace(), ask.typed()?)?)
}

fn get_one(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    one(&view.thing::<TrackingPlan>(ask.caller.workspace(), id_of(ask))?)
}

fn update(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    change.update_thing(ask.caller.workspace(), id_of(ask), ask.if_version, |plan: &mut TrackingPlan| {
        if let Some(name) = ask.text("name") {
            plan.name = name.to_owned();
        }
        if let Some(description) = ask.text("description") {
            plan.description = Some(description.to_owned());
        }
        Ok(())
    })?;
    Ok(Answer::success())
}

fn delete_one(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    change.delete_tracking_plan(ask.caller.workspace(), id_of(ask), ask.if_version)?;
    Ok(Answer::success())
}

fn list_rules(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let plan = view.thing::<TrackingPlan>(ask.caller.workspace(), id_of(ask))?;
    let page = view.things::<Rule>(ask.caller.workspace(), Some(&plan.id), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let rules: Vec<_> = page.rows.iter().map(shown_rule).collect();
    // The rules' version is the plan's.
    let data = json!({ "rules": rules, "pagination": pagination });
    Ok(Answer { data, version: Some(plan.version) })
}

fn replace_rules(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let rules: Vec<Rule> = typed(ask.field("rules").cloned().unwrap_or_default(), "rules")?;
    change.replace_rules(ask.caller.workspace(), id_of(ask), ask.if_version, rules)?;
    Ok(Answer::success())
}

fn update_rules(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let given = ask.field("rules").and_then(Value::as_array).into_iter().flatten();
    let changes = given.map(rule_change).collect::<Result<Vec<_>, _>>()?;
    change.update_rules(ask.caller.workspace(), id_of(ask), ask.if_version, changes)?;
    Ok(Answer::success())
}

fn rule_change(given: &Value) -> Result<RuleChange, ApiError> {
    let mut key = given.as_object().cloned().unwrap_or_default();
    let new_key = key.remove("newKey").and_then(|key| key.as_str().map(str::to_owned));
    let json_schema = key.remove("jsonSchema").filter(|schema| !schema.is_null());
    Ok(RuleChange { rule: typed(Value::Object(key), "rules")?, new_key, json_schema })
}

fn delete_rules(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let rules: Vec<RuleKey> = typed(ask.query_value("rules").cloned().unwrap_or_default(), "rules")?;
    change.delete_rules(ask.caller.workspace(), id_of(ask), ask.if_version, rules)?;
    Ok(Answer::success())
}

fn list_sources(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    sources::connected(view, ask, view.sources_of_plan(ask.caller.workspace(), id_of(ask))?)
}

fn add_source(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = ask.text("sourceId").unwrap_or_default();
    covered(change, ask, Area::Source, Level::Admin, source)?;
    change.connect_tracking_plan(ask.caller.workspace(), id_of(ask), &SourceId::new(source))?;
    Ok(Answer::success())
}

fn remove_source(change: &mut Change<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let source = ask.query("sourceId").unwrap_or_default();
    covered(change, ask, Area::Source, Level::Admin, source)?;
    change.disconnect_tracking_plan(ask.caller.workspace(), id_of(ask), &SourceId::new(source))?;
    Ok(Answer::success())
}

fn one(kept: &Kept<TrackingPlan>) -> Result<Answer, ApiError> {
    Ok(Answer::object("trackingPlan", shown(kept), kept.version))
}

fn shown(kept: &Kept<TrackingPlan>) -> Value {
    let mut shown = json!({
        "id": kept.id,
        "name": kept.value.name,
        "type": kept.value.kind,
        "createdAt": Stamp::of(kept.created_at.0).as_str(),
        "updatedAt": Stamp::of(kept.updated_at.0).as_str(),
    });
    if let Some(description) = &kept.value.description {
        shown["description"] = json!(description);
    }
    shown
}

fn shown_rule(kept: &Kept<Rule>) -> Value {
    let mut shown = json!({
        "type": kept.value.kind,
        "jsonSchema": kept.value.json_schema,
        "version": kept.value.version,
        "createdAt": Stamp::of(kept.created_at.0).as_str(),
        "updatedAt": Stamp::of(kept.updated_at.0).as_str(),
    });
    if let Some(key) = &kept.value.key {
        shown["key"] = json!(key);
    }
    shown
}
