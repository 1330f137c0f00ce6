//! Regulations and suppression: users of whom no event is kept any more.
//!
//! A suppression acts when it is answered: its status is `FINISHED` from the beginning. What would have to delete is
//! refused, because nothing deletes yet.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, Field, ID, Needs, Object, Of, Operation, PAGINATED, Schema, get, list, may, need, post, text,
};
use domicile_control::{
    Area, Change, Kept, Level, Regulation, RegulationType, SUBJECT_CHARS_MAX, SUBJECTS_MAX, SuppressedUser, View,
};
use domicile_event::Stamp;
use domicile_workspace::SourceId;
use domicile_world::Millis;
use serde_json::{Value, json};

/// Regulations of one page: each may name 5,000 users.
const LISTED_MAX: u32 = 25;

const TYPE: Schema = Schema::OneOf(&[
    "SUPPRESS_ONLY",
    "UNSUPPRESS",
    "SUPPRESS_WITH_DELETE",
    "SUPPRESS_WITH_DELETE_INTERNAL",
    "DELETE_ONLY",
    "DELETE_INTERNAL",
    "DELETE_ARCHIVE_ONLY",
]);
const TYPE_ABOUT: &str = "`SUPPRESS_ONLY` or `UNSUPPRESS`. Those that delete are refused: nothing is deleted yet.";
const STATUS: Schema =
    Schema::OneOf(&["FAILED", "FINISHED", "INITIALIZED", "INVALID", "NOT_SUPPORTED", "PARTIAL_SUCCESS", "RUNNING"]);
const SUBJECT_TYPE: Schema = Schema::OneOf(&["USER_ID", "ANONYMOUS_ID", "OBJECT_ID"]);
const SUBJECT_TYPE_ABOUT: &str = "`USER_ID`: the `userId` of events, letter for letter. The others are refused.";
const SUBJECTS: Schema = Schema::List { of: &text(SUBJECT_CHARS_MAX), min: 1, max: SUBJECTS_MAX };

static NEW: Object = Object {
    name: "NewRegulation",
    fields: &[
        need("regulationType", TYPE).about(TYPE_ABOUT),
        need("subjectType", SUBJECT_TYPE).about(SUBJECT_TYPE_ABOUT),
        need("subjectIds", SUBJECTS),
    ],
};
static MADE: Object = Object { name: "", fields: &[need("regulateId", ID)] };
static REGULATION: Object = Object {
    name: "Regulation",
    fields: &[
        need("id", ID),
        need("workspaceId", ID),
        need("overallStatus", STATUS),
        need("createdAt", Schema::Time),
        may("finishedAt", Schema::Time),
        need("streamStatus", list(&Schema::Map, 1_000)).about("Empty: nothing is sent to destinations."),
        need("regulationType", TYPE),
        may("sourceId", ID).about("The source that it is for; left out for the whole workspace."),
        need("subjectCount", Schema::Count { min: 0, max: i64::MAX }),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("regulation", Schema::Object(&REGULATION))] };
static ENTRY: Object = Object {
    name: "RegulationEntry",
    fields: &[
        need("id", ID),
        need("subjectType", SUBJECT_TYPE),
        need("subjects", list(&text(SUBJECT_CHARS_MAX), SUBJECTS_MAX)),
        need("status", STATUS),
        need("createdAt", Schema::Time),
        need("regulationType", TYPE),
        may("finishedAt", Schema::Time),
    ],
};
static MANY: Object =
    Object { name: "", fields: &[need("regulations", list(&Schema::Object(&ENTRY), 1_000)), PAGINATED] };
static SUPPRESSED: Object = Object {
    name: "Suppressed",
    fields: &[
        need("subjectType", SUBJECT_TYPE),
        need("subjectIds", list(&text(SUBJECT_CHARS_MAX), 1)).about("One."),
        may("sourceId", ID).about("The one source that suppresses the user; left out for the whole workspace."),
        need("suppressedAt", Schema::Time),
    ],
};
static SUPPRESSIONS: Object =
    Object { name: "", fields: &[need("suppressed", list(&Schema::Object(&SUPPRESSED), 1_000)), PAGINATED] };

const OF_ALL: &[Needs] = &[Needs::Role(Area::Privacy, Level::Admin, Of::All)];
const OF_SOURCE: &[Needs] = &[Needs::Role(Area::Privacy, Level::Admin, Of::One("sourceId"))];
const FILTER: &[Field] = &[may("status", STATUS), may("regulationTypes", list(&TYPE, 20))];

pub(crate) static OPERATIONS: &[Operation] = &[
    post(
        "createWorkspaceRegulation",
        "/regulations",
        "Suppresses users in the whole workspace, or lets them go. Acts at once, on what is decided from now on; what is \
         stored stays.",
    )
    .needs(OF_ALL)
    .body(&NEW)
    .per_minute(600)
    .data(&MADE)
    .change(|change, _, ask| create(change, ask, None)),
    post(
        "createSourceRegulation",
        "/regulations/sources/{sourceId}",
        "Suppresses users in one source, or lets them go there. Whom the workspace suppresses can't be let go for a source.",
    )
    .needs(OF_SOURCE)
    .body(&NEW)
    .per_minute(600)
    .data(&MADE)
    .change(|change, _, ask| create(change, ask, Some(SourceId::new(ask.id("sourceId"))))),
    get("listWorkspaceRegulations", "/regulations", "The workspace's regulations of the last 90 days; not those for one source. At most 25 a page.")
        .needs(OF_ALL)
        .query(FILTER)
        .paged()
        .data(&MANY)
        .view(|view, _, ask| many(view, ask, None)),
    get("listRegulationsFromSource", "/regulations/sources/{sourceId}", "The regulations for one source of the last 90 days. At most 25 a page.")
        .needs(OF_SOURCE)
        .query(FILTER)
        .paged()
        .data(&MANY)
        .view(|view, _, ask| {
            let source = view.source(ask.caller.workspace(), &SourceId::new(ask.id("sourceId")))?;
            many(view, ask, Some(&source.id))
        }),
    get("getRegulation", "/regulations/{regulateId}", "One regulation of the last 90 days.")
        .needs(OF_ALL)
        .data(&ONE)
        .view(|view, _, ask| {
            let kept = view.regulation(ask.caller.workspace(), ask.id("regulateId"))?;
            Ok(Answer::of(json!({ "regulation": shown(ask, &kept) })))
        }),
    get("listSuppressions", "/suppressions", "Who is suppressed, in the workspace and in single sources; an entry for each user.")
        .needs(OF_ALL)
        .paged()
        .data(&SUPPRESSIONS)
        .view(suppressions),
];

fn create(change: &mut Change<'_>, ask: &Ask, source: Option<SourceId>) -> Result<Answer, ApiError> {
    let wanted = ask.text("regulationType").and_then(RegulationType::named);
    let regulation_type = wanted.ok_or_else(|| ApiError::invalid("regulationType", "regulationType is not known"))?;
    if ask.text("subjectType") != Some("USER_ID") {
        let message = "subjectType is not USER_ID; users are suppressed by the `userId` of their events, and no event by \
                       another id";
        return Err(ApiError::invalid("subjectType", message));
    }
    let ids = ask.field("subjectIds").and_then(Value::as_array).into_iter().flatten();
    let ids = ids.filter_map(Value::as_str).map(str::to_owned).collect();
    let made = change.regulate(ask.caller.workspace(), source.as_ref(), regulation_type, ids)?;
    Ok(Answer::of(json!({ "regulateId": made.id })))
}

fn many(view: &View<'_>, ask: &Ask, source: Option<&SourceId>) -> Result<Answer, ApiError> {
    if ask.query("status").is_some_and(|status| status != "FINISHED") {
        // None is ever in another state.
        let (none, pagination) = ask.page.of(Vec::<Value>::new());
        return Ok(Answer::of(json!({ "regulations": none, "pagination": pagination })));
    }
    let types: Vec<_> = ask.query_list("regulationTypes").into_iter().filter_map(RegulationType::named).collect();
    let mut page = ask.page.page();
    page.count = page.count.min(LISTED_MAX);
    let page = view.regulations(ask.caller.workspace(), source, &types, &page)?;
    let pagination = ask.page.told(&page);
    let regulations: Vec<_> = page.rows.iter().map(entry).collect();
    Ok(Answer::of(json!({ "regulations": regulations, "pagination": pagination })))
}

fn suppressions(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let page = view.suppressions(ask.caller.workspace(), &ask.page.page())?;
    let pagination = ask.page.told(&page);
    let suppressed: Vec<_> = page.rows.iter().map(suppressed).collect();
    Ok(Answer::of(json!({ "suppressed": suppressed, "pagination": pagination })))
}

fn time(at: Millis) -> String {
    Stamp::of(at.0).as_str().to_owned()
}

fn shown(ask: &Ask, kept: &Kept<Regulation>) -> Value {
    let mut shown = json!({
        "id": kept.id,
        "workspaceId": ask.caller.workspace().as_str(),
        "overallStatus": "FINISHED",
        "createdAt": time(kept.created_at),
        "finishedAt": time(kept.created_at),
        "streamStatus": [],
        "regulationType": kept.value.regulation_type.as_str(),
        "subjectCount": kept.value.count,
    });
    if let Some(source) = &kept.parent {
        shown["sourceId"] = json!(source);
    }
    shown
}

fn entry(kept: &Kept<Regulation>) -> Value {
    json!({
        "id": kept.id,
        "subjectType": "USER_ID",
        "subjects": kept.value.subjects,
        "status": "FINISHED",
        "createdAt": time(kept.created_at),
        "regulationType": kept.value.regulation_type.as_str(),
        "finishedAt": time(kept.created_at),
    })
}

fn suppressed(user: &SuppressedUser) -> Value {
    let mut shown = json!({ "subjectType": "USER_ID", "subjectIds": [user.user_id], "suppressedAt": time(user.since) });
    if let Some(source) = &user.source {
        shown["sourceId"] = json!(source.as_str());
    }
    shown
}
