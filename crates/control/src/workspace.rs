//! Workspaces. Their region is the store's: no function takes one, and no function changes it.

use crate::account::{allows_plan, checked_plan};
use crate::audit::Resourced;
use crate::change::{Change, refuse_stale};
use crate::db::{DbError, Row, values};
use crate::page::{List, Listed, Page};
use crate::view::View;
use crate::{ControlError, Resource, id, text};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::json;

/// A workspace to be made.
#[derive(Clone, Debug)]
pub struct NewWorkspace {
    pub slug: String,
    pub name: String,
    /// One of [`domicile_region::PLANS`], at most the account's. `None`: the account's.
    pub plan: Option<String>,
}

/// A workspace, as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkspaceRecord {
    pub number: u32,
    pub id: WorkspaceId,
    /// The account's id.
    pub account: String,
    pub slug: String,
    pub name: String,
    pub plan: String,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub version: u64,
}

const COLUMNS: &str = "w.number, w.id, a.id, w.slug, w.name, w.plan, w.created_at, w.updated_at, w.version";
const FROM: &str = "workspaces w JOIN accounts a ON a.number = w.account";

impl Change<'_> {
    /// Makes a workspace, in the region that this store belongs to: there is no other choice, and no later one.
    ///
    /// # Errors
    /// `Invalid`, also when the region needs a plan that the workspace has not or the account is not entitled to;
    /// `Conflict` when the slug is taken.
    pub fn create_workspace(&mut self, account: &str, new: &NewWorkspace) -> Result<WorkspaceRecord, ControlError> {
        let account = self.account(account)?;
        let slug = text::slug("slug", &new.slug)?;
        let name = text::name("name", &new.name)?;
        let plan = match new.plan.as_deref() {
            Some(plan) => checked_plan(plan)?.to_owned(),
            None => account.plan.clone(),
        };
        if !allows_plan(&account.plan, &plan) {
            return Err(ControlError::invalid(
                "plan",
                format!("is `{plan}`, and the account is on `{}`", account.plan),
                "choose the account's plan or a lesser one, or ask the operator to change the account's",
            ));
        }
        let region = self.region().id.clone();
        if let Some(needed) = self.region().plan.clone() {
            if !allows_plan(&plan, &needed) {
                return Err(ControlError::invalid(
                    "plan",
                    format!("is `{plan}`, and a workspace in region `{region}` needs `{needed}`"),
                    format!("choose the plan `{needed}` or a greater one, or a region that needs none"),
                ));
            }
            if !self.is_entitled(account.number, &needed)? {
                return Err(ControlError::invalid(
                    "region",
                    format!("`{region}` needs the plan `{needed}`, and the account is not entitled to it"),
                    "ask the operator to grant the entitlement, or choose a region that needs none",
                ));
            }
        }
        if self.find_workspace_by_slug(&slug)?.is_some() {
            return Err(ControlError::Conflict {
                what: format!("the cell has a workspace with the slug `{slug}`"),
                mend: "choose another slug".to_owned(),
            });
        }
        let id = id::new_id(self.random());
        let number = self.insert(
            "make a workspace",
            "workspace",
            "INSERT INTO workspaces (id, account, slug, name, region, plan, created_at, updated_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8) RETURNING number",
            values![id, account.number, slug, name, region.as_str(), plan, self.now, self.makes()],
        )?;
        let of = Resourced { workspace: Some(number), resource: Resource::Workspace, id: &id, name: &name };
        let after = json!({ "slug": slug, "name": name, "region": region.as_str(), "plan": plan });
        self.note("Workspace Created", &of, None, Some(after))?;
        self.workspace(&WorkspaceId::new(id))
    }

    /// Gives a workspace another name.
    pub fn rename_workspace(
        &mut self,
        id: &WorkspaceId,
        if_version: Option<u64>,
        name: &str,
    ) -> Result<WorkspaceRecord, ControlError> {
        let before = self.workspace(id)?;
        refuse_stale(Resource::Workspace, before.version, if_version)?;
        let name = text::name("name", name)?;
        if before.name == name {
            return Ok(before);
        }
        self.run(
            "rename a workspace",
            "UPDATE workspaces SET name = ?2, updated_at = ?3, version = ?4 WHERE number = ?1",
            values![before.number, name, self.now, self.makes()],
        )?;
        let of =
            Resourced { workspace: Some(before.number), resource: Resource::Workspace, id: id.as_str(), name: &name };
        let (was, is) = (json!({ "name": before.name }), json!({ "name": name }));
        self.note("Workspace Modified", &of, Some(was), Some(is))?;
        self.workspace(id)
    }
}

impl View<'_> {
    pub fn workspace(&self, id: &WorkspaceId) -> Result<WorkspaceRecord, ControlError> {
        let sql = format!("SELECT 0, {COLUMNS} FROM {FROM} WHERE w.id = ?1");
        self.one("find a workspace", &sql, values![id.as_str()], record)?
            .ok_or(ControlError::NotFound(Resource::Workspace))
    }

    pub fn find_workspace_by_slug(&self, slug: &str) -> Result<Option<WorkspaceRecord>, ControlError> {
        let sql = format!("SELECT 0, {COLUMNS} FROM {FROM} WHERE w.slug = ?1");
        self.one("find a workspace", &sql, values![slug], record)
    }

    /// The workspaces of an account; of all accounts without one.
    pub fn workspaces(&self, account: Option<&str>, page: &Page) -> Result<Listed<WorkspaceRecord>, ControlError> {
        let account = account.map(|id| self.account(id)).transpose()?;
        // Two statements, because PostgreSQL wants to know what type a value is that is only asked for NULL.
        let (from, count_from, values) = match account {
            Some(account) => (
                format!("{FROM} WHERE w.account = ?1"),
                "workspaces w WHERE w.account = ?1",
                values![account.number].to_vec(),
            ),
            None => (format!("{FROM} WHERE w.number > 0"), "workspaces w WHERE w.number > 0", Vec::new()),
        };
        let list = List {
            doing: "read workspaces",
            columns: COLUMNS,
            from: &from,
            count_from,
            number: "w.number",
            values: &values,
        };
        self.page(&list, page, record)
    }
}

/// From a row that has the columns after one of its own.
fn record(row: &Row) -> Result<WorkspaceRecord, DbError> {
    Ok(WorkspaceRecord {
        number: row.get(1)?,
        id: WorkspaceId::new(row.get::<String>(2)?),
        account: row.get(3)?,
        slug: row.get(4)?,
        name: row.get(5)?,
        plan: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
        version: row.get(9)?,
    })
}
