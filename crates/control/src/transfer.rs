//! Transfers of one workspace: exceptions by which its events may go to a country that the region does not allow.
//!
//! ```text
//! requested ──► granted ──► ended        by another person than who requested it; ending takes one
//!     │            └─────── (expired)    with its last day, by itself
//!     └───────► declined
//! ```
//!
//! - Two persons, never one with two tokens: a token acts in the name of who made it ([`View::person_of`]).
//! - No transfer is edited. What is to be otherwise is requested anew; guards in the database hold that.
//! - The snapshot has those that are granted and not ended, expired ones too: the border looks at the day.

mod fields;

pub use fields::TransferFields;

use crate::audit::{Actor, Resourced};
use crate::change::{Change, refuse_stale};
use crate::db::{DbError, Row, values};
use crate::offer::catalog_entry;
use crate::page::{List, Listed, Page};
use crate::view::View;
use crate::{ControlError, Resource, id, text};
use domicile_catalog::{Kind, Territory};
use domicile_event::{Stamp, parse_time};
use domicile_region::{Country, Region, Transfer, is_day};
use domicile_workspace::{GrantedTransfer, TransferId, WorkspaceId};
use domicile_world::Millis;
use serde_json::{Value, json};

/// Transfers of one workspace that are requested or granted, expired ones too.
const OPEN_MAX: u64 = 100;
/// The longest that one may hold.
const YEARS_MAX: u32 = 5;

/// A transfer to be requested.
#[derive(Clone, Debug)]
pub struct NewTransfer {
    pub to: Country,
    /// A slug or id of the catalog; `None`: any receiver.
    pub vendor: Option<String>,
    /// One of [`Transfer::BASES`].
    pub basis: String,
    /// The last day it is to hold, `YYYY-MM-DD`.
    pub expires: String,
    pub fields: Option<TransferFields>,
    pub reason: String,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferState {
    Requested,
    Granted,
    Declined,
    Ended,
    /// Requested or granted, and its last day is past.
    Expired,
}

impl TransferState {
    pub const ALL: [Self; 5] = [Self::Requested, Self::Granted, Self::Declined, Self::Ended, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Granted => "granted",
            Self::Declined => "declined",
            Self::Ended => "ended",
            Self::Expired => "expired",
        }
    }
}

/// Who did something to a transfer, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `operator`, `user:ID`, or `token:ID` of a token that no user made.
    pub by: String,
    pub name: String,
    pub at: Millis,
}

/// A transfer, as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferRecord {
    pub number: u64,
    pub id: TransferId,
    pub workspace: WorkspaceId,
    pub to: Country,
    /// The catalog's slug.
    pub vendor: Option<String>,
    pub basis: String,
    pub expires: String,
    pub fields: Option<TransferFields>,
    pub reason: String,
    pub state: TransferState,
    pub requested: Signature,
    pub approved: Option<Signature>,
    /// Who declined or ended it.
    pub closed: Option<Signature>,
    pub version: u64,
}

impl TransferRecord {
    /// Whether it could still be declined or ended: an expired one too, so that it makes room.
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// What the border is given. The one place where a stored transfer becomes one of the region's form.
    fn granted(self) -> Result<GrantedTransfer, ControlError> {
        let transfer = Transfer {
            to: self.to,
            vendor: self.vendor,
            basis: self.basis,
            approved_by: self.approved.map(|approved| approved.name).unwrap_or_default(),
            expires: self.expires,
            fields: self.fields.as_ref().map(TransferFields::check).transpose()?,
        };
        Ok(GrantedTransfer { id: self.id, workspace: self.workspace, transfer })
    }

    /// As the audit trail shows it.
    fn shown(&self) -> Value {
        json!({
            "state": self.state.as_str(),
            "to": self.to.as_str(),
            "vendor": self.vendor,
            "basis": self.basis,
            "expires": self.expires,
            "fields": self.fields,
            "reason": self.reason,
            "requestedBy": self.requested.name,
            "approvedBy": self.approved.as_ref().map(|approved| &approved.name),
        })
    }
}

impl Change<'_> {
    /// Requests a transfer, in the name of who makes the change. It lets nothing out before another person approves it.
    ///
    /// # Errors
    /// `Invalid`, also for a country that the region allows; `Conflict` when the workspace has enough of them.
    pub fn request_transfer(
        &mut self,
        workspace: &WorkspaceId,
        new: &NewTransfer,
    ) -> Result<TransferRecord, ControlError> {
        let number = self.workspace_number(workspace)?;
        self.refuse_allowed(new.to)?;
        let vendor = new.vendor.as_deref().map(vendor).transpose()?;
        if !Transfer::BASES.contains(&new.basis.as_str()) {
            let mend = format!("give one of: {}", Transfer::BASES.join(", "));
            return Err(ControlError::invalid("basis", "is not a legal basis", mend));
        }
        check_end(&new.expires, &today(self.now))?;
        new.fields.as_ref().map(TransferFields::check).transpose()?;
        let reason = text::lines("reason", &new.reason)?;
        if reason.is_empty() {
            return Err(ControlError::invalid("reason", "is empty", "say why: who approves it reads it"));
        }
        let open = "SELECT count(*) FROM transfers WHERE workspace = ?1 AND closed_at IS NULL";
        if self.count("count transfers", open, values![number])? >= OPEN_MAX {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {OPEN_MAX} transfers that nobody ended"),
                mend: "end those that have expired or are not used".to_owned(),
            });
        }
        let person = self.person_of(self.by())?;
        let id = id::new_id(self.random());
        let fields = new.fields.as_ref().map(|fields| json!(fields).to_string());
        self.run(
            "request a transfer",
            "INSERT INTO transfers (id, workspace, country, vendor, basis, expires, fields, reason, state, requested_by,
                                    requested_name, requested_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'requested', ?9, ?10, ?11, ?12)",
            values![
                id,
                number,
                new.to.as_str(),
                vendor,
                new.basis,
                new.expires,
                fields,
                reason,
                person.code(),
                person.name(),
                self.now,
                self.makes()
            ],
        )?;
        self.noted("Transfer Requested", workspace, &id, None)
    }

    /// Grants what another person requested. From the answer on the border has it.
    ///
    /// # Errors
    /// `Refused` for who requested it, for who is no owner, and for a token that no person made; `Conflict` when it is not
    /// waiting for an answer any more.
    pub fn approve_transfer(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
    ) -> Result<TransferRecord, ControlError> {
        let before = self.transfer(workspace, id)?;
        refuse_stale(Resource::Transfer, before.version, if_version)?;
        if before.state != TransferState::Requested {
            return Err(ControlError::Conflict {
                what: format!("the transfer is {}, and only a requested one is approved", before.state.as_str()),
                mend: "request a new one".to_owned(),
            });
        }
        self.refuse_allowed(before.to)?;
        let person = self.person_of(self.by())?;
        self.check_second(workspace, &before.requested, &person)?;
        self.run(
            "grant a transfer",
            "UPDATE transfers SET state = 'granted', approved_by = ?2, approved_name = ?3, approved_at = ?4, version = ?5
             WHERE id = ?1",
            values![id, person.code(), person.name(), self.now, self.makes()],
        )?;
        self.noted("Transfer Granted", workspace, id, Some(&before))
    }

    /// Ends a granted transfer, or declines a requested one, at once. One person is enough: nothing more goes out by it.
    pub fn end_transfer(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
    ) -> Result<TransferRecord, ControlError> {
        let before = self.transfer(workspace, id)?;
        refuse_stale(Resource::Transfer, before.version, if_version)?;
        if !before.is_open() {
            return Err(ControlError::Conflict {
                what: format!("the transfer is {} already", before.state.as_str()),
                mend: "there is nothing left to end".to_owned(),
            });
        }
        let (state, kind) = match before.approved {
            Some(_) => ("ended", "Transfer Ended"),
            None => ("declined", "Transfer Declined"),
        };
        let person = self.person_of(self.by())?;
        self.run(
            "end a transfer",
            "UPDATE transfers SET state = ?2, closed_by = ?3, closed_name = ?4, closed_at = ?5, version = ?6 WHERE id = ?1",
            values![id, state, person.code(), person.name(), self.now, self.makes()],
        )?;
        self.noted(kind, workspace, id, Some(&before))
    }

    /// Puts what was done on the audit trail; gives the transfer as it is now.
    fn noted(
        &mut self,
        kind: &str,
        workspace: &WorkspaceId,
        id: &str,
        before: Option<&TransferRecord>,
    ) -> Result<TransferRecord, ControlError> {
        let after = self.transfer(workspace, id)?;
        let name = format!("to {}", after.to);
        let number = self.workspace_number(workspace)?;
        let of = Resourced { workspace: Some(number), resource: Resource::Transfer, id, name: &name };
        self.note(kind, &of, before.map(TransferRecord::shown), Some(after.shown()))?;
        Ok(after)
    }

    /// Everything goes to an allowed country, whatever a transfer there says: nobody shall believe that it lets out less.
    fn refuse_allowed(&self, to: Country) -> Result<(), ControlError> {
        if !self.region().border.allow.contains(to) {
            return Ok(());
        }
        let what = format!("is {to}, which region `{}` allows: everything may go there already", self.region().id);
        Err(ControlError::invalid("to", what, "no transfer is needed"))
    }

    /// Whether `person` may grant what somebody requested.
    fn check_second(&self, workspace: &WorkspaceId, requested: &Signature, person: &Actor) -> Result<(), ControlError> {
        let refuse =
            |what: &str, mend: &str| Err(ControlError::Refused { what: what.to_owned(), mend: mend.to_owned() });
        const OTHERS: &str = "another owner of the workspace approves it, or the operator";
        match person {
            _ if person.code() == requested.by => refuse("who requested a transfer does not approve it", OTHERS),
            Actor::Operator => Ok(()),
            Actor::Token { .. } => refuse("no person made this token, so it approves in nobody's name", OTHERS),
            Actor::User { .. } if !requested.by.starts_with("user:") => refuse(
                "it was requested by a token that no person made, which may be your own",
                "the operator approves it; or request it anew as a person, at the console",
            ),
            // Through a token, whose owner's role may be older than what its maker is now.
            Actor::User { id, .. } if !self.grants_of_user(workspace, id)?.is_owner() => {
                refuse("who made this token is no owner of the workspace any more", OTHERS)
            }
            Actor::User { .. } => Ok(()),
        }
    }
}

const COLUMNS: &str = "t.id, w.id, t.country, t.vendor, t.basis, t.expires, t.fields, t.reason, t.state,
     t.requested_by, t.requested_name, t.requested_at, t.approved_by, t.approved_name, t.approved_at,
     t.closed_by, t.closed_name, t.closed_at, t.version";
const FROM: &str = "transfers t JOIN workspaces w ON w.number = t.workspace";

impl View<'_> {
    /// A transfer of a workspace, in any state.
    pub fn transfer(&self, workspace: &WorkspaceId, id: &str) -> Result<TransferRecord, ControlError> {
        let sql = format!("SELECT t.number, {COLUMNS} FROM {FROM} WHERE t.id = ?1 AND t.workspace = ?2");
        let today = today(self.now);
        let number = self.workspace_number(workspace)?;
        let found = self.one("find a transfer", &sql, values![id, number], |row| record(row, &today))?;
        found.ok_or(ControlError::NotFound(Resource::Transfer))
    }

    /// The transfers of a workspace, in any state, in the order in which they were requested; `None`: of all workspaces,
    /// for who runs the cell.
    pub fn transfers(
        &self,
        workspace: Option<&WorkspaceId>,
        page: &Page,
    ) -> Result<Listed<TransferRecord>, ControlError> {
        let (condition, values) = match workspace {
            Some(workspace) => ("t.workspace = ?1", values![self.workspace_number(workspace)?].to_vec()),
            None => ("t.number > 0", Vec::new()),
        };
        let list = List {
            doing: "read transfers",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE {condition}"),
            count_from: &format!("transfers t WHERE {condition}"),
            number: "t.number",
            values: &values,
        };
        let today = today(self.now);
        self.page(&list, page, |row| record(row, &today))
    }

    /// The region, with the workspace's own transfers beside its own.
    pub(crate) fn region_of(&self, workspace: &WorkspaceId) -> Result<Region, ControlError> {
        let number = self.workspace_number(workspace)?;
        let sql = format!("SELECT t.number, {COLUMNS} FROM {FROM} WHERE t.workspace = ?1 AND t.state = 'granted'");
        let granted = self.all("read the transfers", &sql, values![number], |row| record(row, ""))?;
        let mut region = self.region().clone();
        region.border.transfers.extend(granted.into_iter().filter_map(in_force).map(|granted| granted.transfer));
        Ok(region)
    }

    /// Whose transfer it is, for who runs the cell.
    pub fn workspace_of_transfer(&self, id: &str) -> Result<WorkspaceId, ControlError> {
        let sql = format!("SELECT w.id FROM {FROM} WHERE t.id = ?1");
        let found = self.one("find a transfer", &sql, values![id], |row| row.get::<String>(0))?;
        found.map(WorkspaceId::new).ok_or(ControlError::NotFound(Resource::Transfer))
    }
}

/// What changed after a version, for the snapshot: by number, the granted ones, and nothing for the others.
pub(crate) fn newer(view: &View<'_>, since: u64) -> Result<Vec<(u64, Option<GrantedTransfer>)>, ControlError> {
    let sql = format!("SELECT t.number, {COLUMNS} FROM {FROM} WHERE t.version > ?1 ORDER BY t.number");
    let records = view.all("read the transfers", &sql, values![since], |row| record(row, ""))?;
    Ok(records.into_iter().map(|record| (record.number, in_force(record))).collect())
}

/// What the border is given of a transfer, if it is granted and nobody has ended it.
fn in_force(record: TransferRecord) -> Option<GrantedTransfer> {
    if record.approved.is_none() || !record.is_open() {
        return None;
    }
    match record.granted() {
        Ok(granted) => Some(granted),
        // What was to be left out must not go out because this program can't read what it is.
        Err(error) => {
            tracing::error!(%error, "a transfer's fields can't be read: nothing goes out by it");
            None
        }
    }
}

/// From a row with the number and the columns.
fn record(row: &Row, today: &str) -> Result<TransferRecord, DbError> {
    let id = row.get::<String>(1)?;
    let odd = |what: &str| DbError::odd(format!("transfer {id}: {what}"));
    let signature = |from: usize| -> Result<Option<Signature>, DbError> {
        let by: Option<String> = row.get(from)?;
        by.map(|by| Ok(Signature { by, name: row.get(from + 1)?, at: row.get(from + 2)? })).transpose()
    };
    let expires: String = row.get(6)?;
    let fields: Option<String> = row.get(7)?;
    let fields =
        fields.map(|text| serde_json::from_str(&text).map_err(|_| odd("its fields can't be read"))).transpose()?;
    let stored: String = row.get(9)?;
    let state =
        TransferState::ALL.into_iter().find(|state| state.as_str() == stored).ok_or_else(|| odd("its state"))?;
    let is_past = expires.as_str() < today;
    Ok(TransferRecord {
        number: row.get(0)?,
        workspace: WorkspaceId::new(row.get::<String>(2)?),
        to: Country::new(&row.get::<String>(3)?).ok_or_else(|| odd("its country"))?,
        vendor: row.get(4)?,
        basis: row.get(5)?,
        expires,
        fields,
        reason: row.get(8)?,
        state: match state {
            TransferState::Requested | TransferState::Granted if is_past => TransferState::Expired,
            state => state,
        },
        requested: signature(10)?.ok_or_else(|| odd("who requested it"))?,
        approved: signature(13)?,
        closed: signature(16)?,
        version: row.get(19)?,
        id: TransferId::new(id.clone()),
    })
}

/// `YYYY-MM-DD` in UTC.
fn today(now: Millis) -> String {
    Stamp::of(now.0).day().to_owned()
}

/// Days from `now` to the last day of a transfer, 0 on that day; `None` when it is past.
pub fn days_left(expires: &str, now: Millis) -> Option<i64> {
    const DAY_MS: i64 = 86_400_000;
    let today = now.0.div_euclid(DAY_MS);
    let last = parse_time(expires)?.div_euclid(DAY_MS);
    (last >= today).then_some(last - today)
}

/// The catalog's slug of who may receive.
fn vendor(given: &str) -> Result<String, ControlError> {
    let entry =
        catalog_entry(Kind::Destination, given).or_else(|no| catalog_entry(Kind::Warehouse, given).map_err(|_| no));
    match entry {
        // The border knows it by no name, so the transfer would never hold.
        Ok(entry) if entry.endpoints.iter().all(|endpoint| *endpoint == Territory::Own) => Err(ControlError::invalid(
            "vendor",
            format!("is `{}`, which is at a host of your own: no vendor of the catalog", entry.slug),
            "leave it out",
        )),
        Ok(entry) => Ok(entry.slug.clone()),
        Err(ControlError::Invalid { what, mend, .. }) => Err(ControlError::invalid("vendor", what, mend)),
        Err(other) => Err(other),
    }
}

/// A transfer ends, and not too far away. Days of one form compare as texts.
fn check_end(expires: &str, today: &str) -> Result<(), ControlError> {
    if !is_day(expires) {
        return Err(ControlError::invalid("expires", "is not a day of the calendar", "write it like 2027-06-30"));
    }
    let year: u32 = today.get(..4).and_then(|year| year.parse().ok()).unwrap_or_default();
    let last = format!("{:04}{}", year + YEARS_MAX, today.get(4..).unwrap_or_default());
    if expires <= today || expires > last.as_str() {
        let what = format!("is not after today, {today}, and within {YEARS_MAX} years");
        return Err(ControlError::invalid("expires", what, format!("give a day up to {last}")));
    }
    Ok(())
}
