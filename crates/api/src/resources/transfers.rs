//! Transfers: named exceptions that let events go to a country which the region does not allow. Those of the region stand
//! in its topology and are shown; those of a workspace are requested by one person and approved by another.

use crate::answer::ApiError;
use crate::cell::Cell;
use crate::contract::{
    Answer, Ask, ID, Needs, Object, Of, Operation, PAGINATED, Schema, any_text, get, list, may, need, post, text, typed,
};
use domicile_control::{
    Area, Change, Level, NewTransfer, Page, Signature, TransferFields, TransferRecord, TransferState, View, days_left,
};
use domicile_event::Stamp;
use domicile_region::{Country, Transfer};
use domicile_workspace::WorkspaceId;
use serde_json::{Value, json};

const COUNTRY: Schema = Schema::Text { min: 2, max: 2 };
const BASIS: Schema = Schema::OneOf(&Transfer::BASES);
const DAY: Schema = Schema::Text { min: 10, max: 10 };
const PATHS: Schema = Schema::List { of: &text(255), min: 1, max: 100 };

/// What of an event may go.
static FIELDS: Object = Object {
    name: "TransferFields",
    fields: &[
        may("allow", PATHS).about("Only these, and what makes it an event. Dotted paths, like `properties.plan`."),
        may("deny", PATHS).about("All but these, wherever in the event they stand."),
        may("hash", PATHS).about("These as keyed hashes of their values."),
        may("truncateIp", Schema::Flag).about("`context.ip` without its last part."),
    ],
};
static SIGNATURE: Object = Object {
    name: "TransferSignature",
    fields: &[
        need("name", any_text(500)),
        may("by", ID).about("`operator`, `user:ID`, or `token:ID` of a token that no person made."),
        may("at", Schema::Time),
    ],
};
const SIGNED: Schema = Schema::Null(&Schema::Object(&SIGNATURE));
static TRANSFER: Object = Object {
    name: "Transfer",
    fields: &[
        need("id", ID),
        need("origin", Schema::OneOf(&["topology", "workspace"]))
            .about("`topology`: the region's, for all its workspaces; only its operator changes it, in the file."),
        need("workspaceId", Schema::Null(&ID)),
        need("state", Schema::OneOf(&["requested", "granted", "declined", "ended", "expired"])),
        need("to", COUNTRY),
        need("vendor", Schema::Null(&any_text(200)))
            .about("The catalog's slug of who alone may receive; null: anyone there."),
        need("basis", BASIS),
        need("expires", DAY).about("The last day it holds, in UTC."),
        need("daysLeft", Schema::Null(&Schema::Count { min: 0, max: 10_000 }))
            .about("0 on the last day; null when it is over."),
        need("fields", Schema::Null(&Schema::Object(&FIELDS))).about("Null: all of an event."),
        need("reason", Schema::Null(&text(1_000))),
        need("requestedBy", SIGNED),
        need("approvedBy", SIGNED),
        need("closedBy", SIGNED).about("Who declined or ended it."),
    ],
};
static NEW: Object = Object {
    name: "NewTransfer",
    fields: &[
        need("to", COUNTRY).about("A country that the region does not allow."),
        may("vendor", Schema::Null(&ID))
            .about("An id or slug of the catalog. A host of your own, such as a webhook, has none."),
        need("basis", BASIS),
        need("expires", DAY).about("YYYY-MM-DD: after today, within 5 years."),
        may("fields", Schema::Null(&Schema::Object(&FIELDS))).about("All of an event, when it is not given."),
        need("reason", text(1_000)).about("Who approves it reads it."),
    ],
};
static ONE: Object = Object { name: "", fields: &[need("transfer", Schema::Object(&TRANSFER))] };
static MANY: Object =
    Object { name: "", fields: &[need("transfers", list(&Schema::Object(&TRANSFER), 1_000)), PAGINATED] };

const READ: &[Needs] = &[Needs::OrOperator(&Needs::Role(Area::Source, Level::Read, Of::Any))];
const OWNER: &[Needs] = &[Needs::OrOperator(&Needs::Owner)];

pub(crate) static OPERATIONS: &[Operation] = &[
    get(
        "listTransfers",
        "/transfers",
        "The region's transfers, then the workspace's own in any state. The operator sees those of all workspaces.",
    )
    .needs(READ)
    .paged()
    .data(&MANY)
    .view(many),
    post(
        "createTransfer",
        "/transfers",
        "Requests a transfer. Nothing goes out by it before another person approves it. None is edited: request a new one.",
    )
    .body(&NEW)
    .created(&ONE)
    .change(create),
    get("getTransfer", "/transfers/{transferId}", "One transfer.").needs(READ).data(&ONE).view(get_one),
    post(
        "approveTransfer",
        "/transfers/{transferId}/approve",
        "Grants what another person requested: an owner of the workspace, or the operator. A token approves in the name of the \
         user who made it.",
    )
    .needs(OWNER)
    .guarded()
    .data(&ONE)
    .change(|change, cell, ask| {
        let workspace = workspace(change, ask)?;
        let transfer = change.approve_transfer(&workspace, ask.id("transferId"), ask.if_version)?;
        one(cell, &transfer)
    }),
    post(
        "endTransfer",
        "/transfers/{transferId}/end",
        "Ends a granted transfer, or declines a requested one, at once. One person is enough.",
    )
    .needs(OWNER)
    .guarded()
    .data(&ONE)
    .change(|change, cell, ask| {
        let workspace = workspace(change, ask)?;
        let transfer = change.end_transfer(&workspace, ask.id("transferId"), ask.if_version)?;
        one(cell, &transfer)
    }),
];

/// In which workspace the caller looks for the transfer of the path. The operator is in none, and sees all.
fn workspace(view: &View<'_>, ask: &Ask) -> Result<WorkspaceId, ApiError> {
    match ask.caller.scope.is_operator() {
        true => Ok(view.workspace_of_transfer(ask.id("transferId"))?),
        false => Ok(ask.caller.workspace().clone()),
    }
}

fn many(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let mut transfers: Vec<Value> = cell.region.border.transfers.iter().map(|own| of_topology(cell, own)).collect();
    let workspace = Some(ask.caller.workspace()).filter(|_| !ask.caller.scope.is_operator());
    let mut page = Page::first(Page::COUNT_MAX);
    loop {
        let listed = view.transfers(workspace, &page)?;
        transfers.extend(listed.rows.iter().map(|transfer| shown(cell, transfer)));
        match listed.last.filter(|_| listed.has_after) {
            Some(last) => page = Page::after(last, Page::COUNT_MAX),
            None => break,
        }
    }
    let (transfers, pagination) = ask.page.of(transfers);
    Ok(Answer::of(json!({ "transfers": transfers, "pagination": pagination })))
}

fn get_one(view: &View<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let id = ask.id("transferId");
    if let Some(own) = cell.region.border.transfers.iter().find(|own| own.id() == id) {
        return Ok(Answer::of(json!({ "transfer": of_topology(cell, own) })));
    }
    let workspace = workspace(view, ask)?;
    one(cell, &view.transfer(&workspace, id)?)
}

fn create(change: &mut Change<'_>, cell: &Cell, ask: &Ask) -> Result<Answer, ApiError> {
    let given = |name: &str| ask.text(name).unwrap_or_default();
    let to = Country::new(given("to")).ok_or_else(|| {
        ApiError::invalid("to", "to is no country; give an ISO 3166-1 alpha-2 code in capitals, for example US")
    })?;
    let fields: Option<TransferFields> = match ask.field("fields") {
        None | Some(Value::Null) => None,
        Some(fields) => Some(typed(fields.clone(), "fields")?),
    };
    let new = NewTransfer {
        to,
        vendor: ask.text("vendor").map(str::to_owned),
        basis: given("basis").to_owned(),
        expires: given("expires").to_owned(),
        fields,
        reason: given("reason").to_owned(),
    };
    one(cell, &change.request_transfer(ask.caller.workspace(), &new)?)
}

fn one(cell: &Cell, transfer: &TransferRecord) -> Result<Answer, ApiError> {
    Ok(Answer::object("transfer", shown(cell, transfer), transfer.version))
}

fn signed(signature: &Signature) -> Value {
    json!({ "name": signature.name, "by": signature.by, "at": Stamp::of(signature.at.0).as_str() })
}

fn shown(cell: &Cell, transfer: &TransferRecord) -> Value {
    let open = matches!(transfer.state, TransferState::Requested | TransferState::Granted);
    json!({
        "id": transfer.id.as_str(),
        "origin": "workspace",
        "workspaceId": transfer.workspace.as_str(),
        "state": transfer.state.as_str(),
        "to": transfer.to.as_str(),
        "vendor": transfer.vendor,
        "basis": transfer.basis,
        "expires": transfer.expires,
        "daysLeft": days_left(&transfer.expires, cell.world.clock.now()).filter(|_| open),
        "fields": transfer.fields,
        "reason": transfer.reason,
        "requestedBy": signed(&transfer.requested),
        "approvedBy": transfer.approved.as_ref().map(signed),
        "closedBy": transfer.closed.as_ref().map(signed),
    })
}

fn of_topology(cell: &Cell, transfer: &Transfer) -> Value {
    let days_left = days_left(&transfer.expires, cell.world.clock.now());
    json!({
        "id": transfer.id(),
        "origin": "topology",
        "workspaceId": null,
        "state": if days_left.is_some() { "granted" } else { "expired" },
        "to": transfer.to.as_str(),
        "vendor": transfer.vendor,
        "basis": transfer.basis,
        "expires": transfer.expires,
        "daysLeft": days_left,
        "fields": transfer.fields.as_ref().map(TransferFields::of),
        "reason": null,
        "requestedBy": null,
        "approvedBy": { "name": transfer.approved_by },
        "closedBy": null,
    })
}
