//! Workspaces.

use crate::audit::{Actor, Resourced};
use crate::store::Change;
use crate::{ControlError, Resource, Store, id, text};
use domicile_workspace::{Workspace, WorkspaceId};
use rusqlite::{OptionalExtension, params};
use serde_json::json;
use std::sync::Arc;

impl Store {
    /// Makes a workspace, in the region that this store belongs to: there is no other choice, and no later one.
    pub fn create_workspace(&self, by: &Actor, slug: &str, name: &str) -> Result<Arc<Workspace>, ControlError> {
        let ((id, _), snapshot) = self.change(by, |change| insert(change, slug, name))?;
        snapshot.workspace(&id).cloned().ok_or(ControlError::NotFound(Resource::Workspace))
    }

    /// Gives a workspace another name.
    pub fn rename_workspace(&self, by: &Actor, id: &WorkspaceId, name: &str) -> Result<Arc<Workspace>, ControlError> {
        let ((), snapshot) = self.change(by, |change| {
            let number = change.workspace(id)?;
            let name = text::name("name", name)?;
            let before: String = change
                .db
                .query_row("SELECT name FROM workspaces WHERE number = ?1", [number], |row| row.get(0))
                .map_err(|e| change.sql("read a workspace", e))?;
            if before == name {
                return Ok(());
            }
            change.run(
                "rename a workspace",
                "UPDATE workspaces SET name = ?2, updated_at = ?3 WHERE number = ?1",
                params![number, name, change.at.0],
            )?;
            let of = Resourced { workspace: number, resource: Resource::Workspace, id: id.as_str(), name: &name };
            change.note("Workspace Modified", &of, Some(json!({ "name": before })), Some(json!({ "name": name })))
        })?;
        snapshot.workspace(id).cloned().ok_or(ControlError::NotFound(Resource::Workspace))
    }
}

/// Makes a workspace; gives its id and number.
pub(crate) fn insert(change: &Change<'_>, slug: &str, name: &str) -> Result<(WorkspaceId, u32), ControlError> {
    let slug = text::slug("slug", slug)?;
    let name = text::name("name", name)?;
    if find_by_slug(change, &slug)?.is_some() {
        return Err(ControlError::Conflict {
            what: format!("the cell has a workspace with the slug `{slug}`"),
            mend: "choose another slug".to_owned(),
        });
    }
    let id = id::new_id(&*change.inner.world.random);
    let region = change.inner.region.id.as_str();
    change.run(
        "make a workspace",
        "INSERT INTO workspaces (id, slug, name, region, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        params![id, slug, name, region, change.at.0],
    )?;
    let number = u32::try_from(change.db.last_insert_rowid()).map_err(|_| ControlError::Conflict {
        what: "the cell has given out all its workspace numbers".to_owned(),
        mend: "make the workspace in another cell".to_owned(),
    })?;
    let of = Resourced { workspace: number, resource: Resource::Workspace, id: &id, name: &name };
    change.note("Workspace Created", &of, None, Some(json!({ "slug": slug, "name": name, "region": region })))?;
    Ok((WorkspaceId::new(id), number))
}

pub(crate) fn find_by_slug(change: &Change<'_>, slug: &str) -> Result<Option<(WorkspaceId, u32)>, ControlError> {
    change
        .db
        .query_row("SELECT id, number FROM workspaces WHERE slug = ?1", [slug], |row| {
            Ok((WorkspaceId::new(row.get::<_, String>(0)?), row.get(1)?))
        })
        .optional()
        .map_err(|e| change.sql("find a workspace", e))
}
