//! Accounts: who pays for workspaces, and which plans' regions they may choose.

use crate::audit::Resourced;
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::page::{List, Listed, Page};
use crate::view::View;
use crate::{ControlError, Resource, id, text};
use domicile_region::PLANS;
use domicile_world::Millis;
use serde_json::json;

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub name: String,
    /// One of [`domicile_region::PLANS`].
    pub plan: String,
}

/// An account, as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub number: u32,
    pub id: String,
    pub name: String,
    pub plan: String,
    /// After how long without a page its people's sessions end; `None`: after their seven days.
    pub idle_minutes: Option<u32>,
    pub created_at: Millis,
    pub version: u64,
}

/// A plan whose regions an account may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Entitlement {
    pub plan: String,
    /// `operator` or `token:ID`.
    pub granted_by: String,
    pub granted_at: Millis,
    pub note: String,
}

/// The longest idle limit: sessions end after seven days in any case.
const IDLE_MINUTES_MAX: u32 = 7 * 24 * 60;
const NOTE_CHARS_MAX: usize = 500;

const COLUMNS: &str = "number, id, name, plan, idle_minutes, created_at, version";

impl Change<'_> {
    /// Makes an account. What it is entitled to is granted apart.
    pub fn create_account(&mut self, new: &NewAccount) -> Result<Account, ControlError> {
        let (name, plan) = (text::name("name", &new.name)?, checked_plan(&new.plan)?.to_owned());
        let id = id::new_id(self.random());
        let number = self.insert(
            "make an account",
            "account",
            "INSERT INTO accounts (id, name, plan, created_at, updated_at, version) VALUES (?1, ?2, ?3, ?4, ?4, ?5)
             RETURNING number",
            values![id, name, plan, self.now, self.makes()],
        )?;
        let of = Resourced { workspace: None, resource: Resource::Account, id: &id, name: &name };
        self.note("Account Created", &of, None, Some(json!({ "name": name, "plan": plan })))?;
        Ok(Account { number, id, name, plan, idle_minutes: None, created_at: self.now, version: self.makes() })
    }

    /// Lets an account make workspaces that need this plan. Granting it twice changes nothing.
    pub fn grant_entitlement(&mut self, account: &str, plan: &str, note: &str) -> Result<(), ControlError> {
        let account = self.account(account)?;
        let plan = checked_plan(plan)?;
        if note.chars().count() > NOTE_CHARS_MAX || note.chars().any(char::is_control) {
            return Err(ControlError::invalid(
                "note",
                "is too long or holds control characters",
                "give one short line",
            ));
        }
        if self.is_entitled(account.number, plan)? {
            return Ok(());
        }
        self.run(
            "grant an entitlement",
            "INSERT INTO entitlements (account, plan, granted_by, granted_at, note, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![account.number, plan, self.by().code(), self.now, note, self.makes()],
        )?;
        let of = Resourced { workspace: None, resource: Resource::Entitlement, id: &account.id, name: &account.name };
        self.note("Entitlement Granted", &of, None, Some(json!({ "plan": plan, "note": note })))
    }

    /// Takes an entitlement back. Workspaces that were made under it stay as they are.
    ///
    /// # Errors
    /// `NotFound` when the account does not have it.
    pub fn revoke_entitlement(&mut self, account: &str, plan: &str) -> Result<(), ControlError> {
        let account = self.account(account)?;
        let revoked = self.run(
            "take an entitlement back",
            "UPDATE entitlements SET revoked_at = ?3, version = ?4
             WHERE account = ?1 AND plan = ?2 AND revoked_at IS NULL",
            values![account.number, plan, self.now, self.makes()],
        )?;
        if revoked == 0 {
            return Err(ControlError::NotFound(Resource::Entitlement));
        }
        let of = Resourced { workspace: None, resource: Resource::Entitlement, id: &account.id, name: &account.name };
        self.note("Entitlement Revoked", &of, Some(json!({ "plan": plan })), None)
    }

    /// Puts an account on a plan: workspaces that are made from then on have at most this one. Those that there are stay as
    /// they are.
    pub fn set_plan(&mut self, account: &str, plan: &str) -> Result<Account, ControlError> {
        let before = self.account(account)?;
        let plan = checked_plan(plan)?;
        if before.plan == plan {
            return Ok(before);
        }
        self.run(
            "change an account's plan",
            "UPDATE accounts SET plan = ?2, updated_at = ?3, version = ?4 WHERE number = ?1",
            values![before.number, plan, self.now, self.makes()],
        )?;
        let of = Resourced { workspace: None, resource: Resource::Account, id: &before.id, name: &before.name };
        self.note("Account Modified", &of, Some(json!({ "plan": before.plan })), Some(json!({ "plan": plan })))?;
        self.account(account)
    }

    /// Sets after how many minutes without a page the sessions of an account's people end.
    pub fn set_idle_limit(&mut self, account: &str, minutes: Option<u32>) -> Result<Account, ControlError> {
        let before = self.account(account)?;
        if minutes.is_some_and(|minutes| !(1..=IDLE_MINUTES_MAX).contains(&minutes)) {
            let mend = format!("give 1 to {IDLE_MINUTES_MAX} minutes, or none");
            return Err(ControlError::invalid("idleMinutes", "is out of range", mend));
        }
        if before.idle_minutes == minutes {
            return Ok(before);
        }
        self.run(
            "change an account's idle limit",
            "UPDATE accounts SET idle_minutes = ?2, updated_at = ?3, version = ?4 WHERE number = ?1",
            values![before.number, minutes, self.now, self.makes()],
        )?;
        let of = Resourced { workspace: None, resource: Resource::Account, id: &before.id, name: &before.name };
        let (was, is) = (json!({ "idleMinutes": before.idle_minutes }), json!({ "idleMinutes": minutes }));
        self.note("Account Modified", &of, Some(was), Some(is))?;
        self.account(account)
    }
}

impl View<'_> {
    pub fn account(&self, id: &str) -> Result<Account, ControlError> {
        let sql = format!("SELECT {COLUMNS} FROM accounts WHERE id = ?1");
        self.one("find an account", &sql, values![id], account)?.ok_or(ControlError::NotFound(Resource::Account))
    }

    /// Whether workspaces of the account may be made in this region.
    pub fn may_choose_region(&self, id: &str) -> Result<bool, ControlError> {
        match &self.region().plan {
            None => Ok(true),
            Some(plan) => self.is_entitled(self.account(id)?.number, plan),
        }
    }

    /// All accounts of the cell.
    pub fn accounts(&self, page: &Page) -> Result<Listed<Account>, ControlError> {
        let list = List {
            doing: "read accounts",
            columns: COLUMNS,
            from: "accounts WHERE number > 0",
            count_from: "accounts WHERE number > 0",
            number: "number",
            values: &[],
        };
        // The number stands before the columns, which begin with it too.
        self.page(&list, page, |row| account(&Row(row.0[1..].to_vec())))
    }

    /// What an account is entitled to now.
    pub fn entitlements(&self, account: &str) -> Result<Vec<Entitlement>, ControlError> {
        self.all(
            "read entitlements",
            "SELECT plan, granted_by, granted_at, note FROM entitlements
             WHERE account = ?1 AND revoked_at IS NULL ORDER BY number",
            values![self.account(account)?.number],
            |row| {
                Ok(Entitlement {
                    plan: row.get(0)?,
                    granted_by: row.get(1)?,
                    granted_at: row.get(2)?,
                    note: row.get(3)?,
                })
            },
        )
    }

    /// Whether an operator granted this plan to the account and did not take it back.
    pub(crate) fn is_entitled(&self, account: u32, plan: &str) -> Result<bool, ControlError> {
        let held = self.count(
            "look for an entitlement",
            "SELECT count(*) FROM entitlements WHERE account = ?1 AND plan = ?2 AND revoked_at IS NULL",
            values![account, plan],
        )?;
        Ok(held > 0)
    }
}

/// # Errors
/// `Invalid`, with the list, for a word that is no plan.
pub(crate) fn checked_plan(plan: &str) -> Result<&'static str, ControlError> {
    PLANS
        .into_iter()
        .find(|known| *known == plan)
        .ok_or_else(|| ControlError::invalid("plan", "is no plan", format!("choose one of: {}", PLANS.join(", "))))
}

/// Whether an account on the plan `of` may have a workspace on `plan`. One that is not known allows only itself.
pub(crate) fn allows_plan(of: &str, plan: &str) -> bool {
    let place = |plan: &str| PLANS.iter().position(|known| *known == plan);
    of == plan || place(of).zip(place(plan)).is_some_and(|(of, plan)| plan <= of)
}

pub(crate) fn account(row: &Row) -> Result<Account, DbError> {
    Ok(Account {
        number: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        plan: row.get(3)?,
        idle_minutes: row.get(4)?,
        created_at: row.get(5)?,
        version: row.get(6)?,
    })
}
