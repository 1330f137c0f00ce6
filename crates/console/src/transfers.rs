//! Transfers: what may leave the region though its policy says no, and who agreed. A person requests here and another
//! approves here; a token that no person made can do neither alone.

use crate::entry;
use crate::overview::fault;
use crate::page::render_as;
use crate::router::Console;
use crate::session::from_own_page;
use crate::sign_in::field;
use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domicile_api::{ApiError, Cell};
use domicile_control::{
    Area, Change, ControlError, Level, NewTransfer, Page, Scope, TransferFields, TransferRecord, TransferState,
    days_left,
};
use domicile_event::Stamp;
use domicile_region::{Country, Transfer};
use http::{HeaderMap, StatusCode};

/// Own transfers that the page shows, the newest; the API has all.
const SHOWN_MAX: u32 = 200;

#[derive(Template)]
#[template(path = "transfers.html")]
struct TransfersPage {
    region: String,
    workspace: String,
    is_owner: bool,
    bases: [&'static str; 4],
    transfers: Vec<Row>,
    fault: String,
}

struct Row {
    /// Empty: the region's, which no form changes.
    id: String,
    state: &'static str,
    to: String,
    vendor: String,
    basis: String,
    expires: String,
    /// `in 12 days`, empty when it is over.
    left: String,
    /// Empty: all of an event.
    fields: String,
    reason: String,
    /// Name and day; empty where nobody did.
    requested: String,
    approved: String,
    closed: String,
    can_approve: bool,
    can_end: bool,
}

pub(crate) async fn page(State(console): State<Console>, headers: HeaderMap) -> Response {
    match entry::scope(&console, &headers).await {
        Ok(scope) => show(&console, scope, StatusCode::OK, String::new()).await,
        Err(response) => response,
    }
}

async fn show(console: &Console, scope: Scope, status: StatusCode, said: String) -> Response {
    match console.cell.blocking(move |cell| read(cell, &scope, said)).await {
        Ok(page) => render_as(status, &page),
        Err(error) => fault(&error),
    }
}

fn read(cell: &Cell, scope: &Scope, fault: String) -> Result<TransfersPage, ApiError> {
    let is_owner = scope.grants.is_owner();
    let mut transfers: Vec<Row> =
        cell.region.border.transfers.iter().map(|transfer| of_topology(cell, transfer)).collect();
    let workspace = cell.control.view(|view| {
        if !scope.grants.reach(Area::Source, Level::Read).is_empty() {
            let listed = view.transfers(Some(&scope.workspace), &Page::last(SHOWN_MAX))?;
            transfers.extend(listed.rows.iter().rev().map(|transfer| row(cell, transfer, is_owner)));
        }
        view.workspace(&scope.workspace)
    })?;
    let (region, workspace) = (cell.region.name.clone(), workspace.name);
    Ok(TransfersPage { region, workspace, is_owner, bases: Transfer::BASES, transfers, fault })
}

fn row(cell: &Cell, transfer: &TransferRecord, is_owner: bool) -> Row {
    let signed = |signature: &domicile_control::Signature| {
        let at = Stamp::of(signature.at.0);
        format!("{}, {}", signature.name, at.day())
    };
    let is_granted = transfer.approved.is_some();
    Row {
        id: transfer.id.to_string(),
        state: transfer.state.as_str(),
        to: transfer.to.to_string(),
        vendor: transfer.vendor.clone().unwrap_or_default(),
        basis: transfer.basis.clone(),
        expires: transfer.expires.clone(),
        left: if transfer.is_open() { left(cell, &transfer.expires) } else { String::new() },
        fields: transfer.fields.as_ref().map(told).unwrap_or_default(),
        reason: transfer.reason.clone(),
        requested: signed(&transfer.requested),
        approved: transfer.approved.as_ref().map(signed).unwrap_or_default(),
        closed: transfer.closed.as_ref().map(signed).unwrap_or_default(),
        can_approve: is_owner && transfer.state == TransferState::Requested,
        can_end: is_owner && transfer.is_open() && (is_granted || transfer.state == TransferState::Requested),
    }
}

fn of_topology(cell: &Cell, transfer: &Transfer) -> Row {
    let left = left(cell, &transfer.expires);
    Row {
        id: String::new(),
        state: if left.is_empty() { "expired" } else { "granted" },
        to: transfer.to.to_string(),
        vendor: transfer.vendor.clone().unwrap_or_default(),
        basis: transfer.basis.clone(),
        expires: transfer.expires.clone(),
        left,
        fields: transfer.fields.as_ref().map(|fields| told(&TransferFields::of(fields))).unwrap_or_default(),
        reason: String::new(),
        requested: String::new(),
        approved: transfer.approved_by.clone(),
        closed: String::new(),
        can_approve: false,
        can_end: false,
    }
}

fn left(cell: &Cell, expires: &str) -> String {
    match days_left(expires, cell.world.clock.now()) {
        None => String::new(),
        Some(0) => "today".to_owned(),
        Some(1) => "1 day left".to_owned(),
        Some(days) => format!("{days} days left"),
    }
}

/// `only event, userId; hashed: userId; no whole IP address`
fn told(fields: &TransferFields) -> String {
    let TransferFields { allow, deny, hash, truncate_ip } = fields;
    let lists = [("only", allow), ("without", deny), ("hashed:", hash)];
    let mut parts: Vec<String> =
        lists.iter().filter_map(|(word, paths)| Some(format!("{word} {}", paths.as_ref()?.join(", ")))).collect();
    parts.extend(truncate_ip.then(|| "no whole IP address".to_owned()));
    parts.join("; ")
}

/// A form of an owner's: the change, or what is wrong with it on the page.
async fn change(
    console: Console,
    headers: HeaderMap,
    make: impl FnOnce(&mut Change<'_>, &Scope) -> Result<TransferRecord, ControlError> + Send + 'static,
) -> Response {
    if !from_own_page(&headers) {
        return (StatusCode::FORBIDDEN, "This form was sent from another site.").into_response();
    }
    let scope = match entry::scope(&console, &headers).await {
        Ok(scope) => scope,
        Err(response) => return response,
    };
    let by = scope.clone();
    let done = console.cell.blocking(move |cell| {
        let owner = |change: &mut Change<'_>| {
            // As the roles are now, in the transaction that does it.
            let scope = change.scope_again(&by)?.filter(|scope| scope.grants.is_owner());
            let Some(scope) = scope else {
                let (what, mend) = ("this is for owners of the workspace", "ask one of them");
                return Err(ControlError::Refused { what: what.to_owned(), mend: mend.to_owned() });
            };
            make(change, &scope)
        };
        Ok(cell.control.change(&by.actor, owner).map(drop)?)
    });
    match done.await {
        Ok(()) => Redirect::to("/transfers").into_response(),
        Err(error) if error.status().is_client_error() => {
            show(&console, scope, error.status(), error.message().to_owned()).await
        }
        Err(error) => fault(&error),
    }
}

/// `to`, `vendor`, `basis`, `expires`, `reason`; `allow`, `deny` and `hash` with commas between paths; `truncateIp`.
pub(crate) async fn request(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    change(console, headers, move |change, scope| {
        let text = |name: &str| Some(field(&body, name).trim().to_owned()).filter(|text| !text.is_empty());
        let paths = |name: &str| Some(text(name)?.split(',').map(|path| path.trim().to_owned()).collect());
        let fields = TransferFields {
            allow: paths("allow"),
            deny: paths("deny"),
            hash: paths("hash"),
            truncate_ip: text("truncateIp").is_some(),
        };
        let to = text("to").and_then(|to| Country::new(&to.to_ascii_uppercase())).ok_or(ControlError::Invalid {
            field: "to".to_owned(),
            what: "is no country".to_owned(),
            mend: "give two letters, for example US".to_owned(),
        })?;
        let new = NewTransfer {
            to,
            vendor: text("vendor"),
            basis: text("basis").unwrap_or_default(),
            expires: text("expires").unwrap_or_default(),
            fields: Some(fields).filter(|fields| *fields != TransferFields::default()),
            reason: text("reason").unwrap_or_default(),
        };
        change.request_transfer(&scope.workspace, &new)
    })
    .await
}

pub(crate) async fn approve(State(console): State<Console>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    change(console, headers, move |change, scope| change.approve_transfer(&scope.workspace, &id, None)).await
}

pub(crate) async fn end(State(console): State<Console>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    change(console, headers, move |change, scope| change.end_transfer(&scope.workspace, &id, None)).await
}
