//! The audit trail, newest first: who changed or looked at what.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, Needs, Object, Operation, PAGINATED, Schema, any_text, get, list, may, need, text,
};
use domicile_control::{AuditEntry, AuditFilter, View};
use domicile_event::{Stamp, parse_time};
use domicile_world::Millis;
use serde_json::{Value, json};

static EVENT: Object = Object {
    name: "AuditEvent",
    fields: &[
        need("id", ID),
        need("timestamp", Schema::Time),
        need("type", text(200)).about(
            "For example `Source Modified`. Destinations are `Integration …`, warehouses `Storage Destination …`.",
        ),
        need("actor", ID).about("`user:ID`, `token:ID`, or `operator`: whoever runs the cell."),
        may("actorEmail", text(500)).about("Of a user."),
        need("actorName", any_text(500)),
        need("resourceId", any_text(2_000)),
        need("resourceType", text(100)),
        need("resourceName", any_text(2_000)),
        need("before", Schema::Null(&Schema::Any)).about("What it was, as far as it changed; without secrets."),
        need("after", Schema::Null(&Schema::Any)).about("What it is."),
        need("configVersion", Schema::Count { min: 0, max: i64::MAX })
            .about("The configuration version that the change made."),
    ],
};
static MANY: Object = Object { name: "", fields: &[need("events", list(&Schema::Object(&EVENT), 1_000)), PAGINATED] };

pub(crate) static OPERATIONS: &[Operation] = &[get(
    "listAuditEvents",
    "/audit-events",
    "The audit trail, newest first: who changed what, from what to what, and who looked at payload. Nothing on it is ever \
     changed or deleted.",
)
.needs(&[Needs::Owner])
.query(&[
    may("startTime", Schema::Time).about("From this moment on."),
    may("endTime", Schema::Time).about("Before this moment."),
    may("resourceId", ID),
    may("resourceType", text(100)).about("For example `source`."),
])
.paged()
.data(&MANY)
.view(trail)];

fn trail(view: &View<'_>, _: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let time = |name: &str| ask.query(name).and_then(parse_time).map(Millis);
    let filter = AuditFilter {
        resource_id: ask.query("resourceId").map(str::to_owned),
        resource_kind: ask.query("resourceType").map(str::to_ascii_lowercase),
        from: time("startTime"),
        until: time("endTime"),
        ..AuditFilter::default()
    };
    let page = view.audit(ask.caller.workspace(), &filter, &ask.page.newest_first())?;
    let pagination = ask.page.told_newest_first(&page);
    let events: Vec<_> = page.rows.iter().rev().map(shown).collect();
    Ok(Answer::of(json!({ "events": events, "pagination": pagination })))
}

fn shown(entry: &AuditEntry) -> Value {
    let mut shown = json!({
        "id": entry.number.to_string(),
        "timestamp": Stamp::of(entry.at.0).as_str(),
        "type": entry.kind,
        "actor": entry.actor,
        "actorName": entry.actor_name,
        "resourceId": entry.resource_id,
        "resourceType": entry.resource_kind,
        "resourceName": entry.resource_name,
        "before": entry.before,
        "after": entry.after,
        "configVersion": entry.config_version,
    });
    // A user's name on the trail is the address that they sign in with.
    if entry.actor.starts_with("user:") {
        shown["actorEmail"] = json!(entry.actor_name);
    }
    shown
}
