//! The audit trail, newest first: who changed or looked at what.

use crate::contract::{
    Answer, Ask, Field, ID, Needs, Object, Operation, PAGINATED, Schema, any_text, get, list, may, need, text,
};
use domicile_control::{AuditEntry, AuditFilter, Listed};
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
.query(WANTED)
.paged()
.data(&MANY)
.view(|view, _, ask| {
    let page = view.audit(ask.caller.workspace(), &wanted(ask), &ask.page.newest_first())?;
    Ok(trail(ask, &page))
}), get(
    "listAuditEventsOfCell",
    "/operator/audit-events",
    "The trail of the cell itself, newest first: accounts, their people, entitlements, identity providers.",
)
.needs(&[Needs::Operator])
.query(WANTED)
.paged()
.data(&MANY)
.view(|view, _, ask| {
    let page = view.audit_of_cell(&wanted(ask), &ask.page.newest_first())?;
    Ok(trail(ask, &page))
})];

const WANTED: &[Field] = &[
    may("startTime", Schema::Time).about("From this moment on."),
    may("endTime", Schema::Time).about("Before this moment."),
    may("resourceId", ID),
    may("resourceType", text(100)).about("For example `source`."),
];

fn wanted(ask: &Ask) -> AuditFilter {
    let time = |name: &str| ask.query(name).and_then(parse_time).map(Millis);
    AuditFilter {
        resource_id: ask.query("resourceId").map(str::to_owned),
        resource_kind: ask.query("resourceType").map(str::to_ascii_lowercase),
        from: time("startTime"),
        until: time("endTime"),
        ..AuditFilter::default()
    }
}

fn trail(ask: &Ask, page: &Listed<AuditEntry>) -> Answer {
    let pagination = ask.page.told_newest_first(page);
    let events: Vec<_> = page.rows.iter().rev().map(shown).collect();
    Answer::of(json!({ "events": events, "pagination": pagination }))
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
