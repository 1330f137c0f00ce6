//! Links: what belongs together, by ids: a tracking plan and its sources, a label and what it is on, a group and its users.
//!
//! - Both ends are of one workspace. That they exist is their caller's to see to, and what the audit trail says of it too.
//! - A link that was undone keeps its row with a new version, so that who follows the versions sees it.

use crate::ControlError;
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::page::{List, Listed, Page};
use crate::view::View;
use domicile_workspace::WorkspaceId;
use serde_json::Value;

/// A link from `a` to `b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub number: i64,
    pub a: String,
    pub b: String,
    /// What the link itself says, if anything.
    pub body: Option<Value>,
    pub version: u64,
}

impl Change<'_> {
    /// Links `a` to `b`, or gives their link another body. Whether anything changed.
    pub fn link(
        &mut self,
        workspace: &WorkspaceId,
        kind: &str,
        (a, b): (&str, &str),
        body: Option<&Value>,
    ) -> Result<bool, ControlError> {
        let number = self.workspace_number(workspace)?;
        if self.linked(workspace, kind, (a, b))?.is_some_and(|link| link.body.as_ref() == body) {
            return Ok(false);
        }
        self.run(
            "link two things",
            "INSERT INTO links (workspace, kind, a, b, body, undone, version) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)
             ON CONFLICT (workspace, kind, a, b) DO UPDATE SET body = excluded.body, undone = 0,
                 version = excluded.version",
            values![number, kind, a, b, body.map(ToString::to_string), self.makes()],
        )?;
        self.touch();
        Ok(true)
    }

    /// Links `a` to every source of the workspace, by one statement. Those that are linked already stay as they are.
    pub(crate) fn link_all_sources(
        &mut self,
        workspace: &WorkspaceId,
        kind: &str,
        a: &str,
    ) -> Result<(), ControlError> {
        let number = self.workspace_number(workspace)?;
        let linked = self.run(
            "link all sources",
            "INSERT INTO links (workspace, kind, a, b, body, undone, version)
             SELECT ?1, ?2, ?3, id, NULL, 0, ?4 FROM sources WHERE workspace = ?1 AND deleted_at IS NULL ORDER BY number
             ON CONFLICT (workspace, kind, a, b) DO UPDATE SET body = excluded.body, undone = 0,
                 version = excluded.version WHERE links.undone = 1",
            values![number, kind, a, self.makes()],
        )?;
        if linked > 0 {
            self.touch();
        }
        Ok(())
    }

    /// Undoes a link. Whether there was one.
    pub fn unlink(&mut self, workspace: &WorkspaceId, kind: &str, (a, b): (&str, &str)) -> Result<bool, ControlError> {
        let number = self.workspace_number(workspace)?;
        let undone = self.run(
            "undo a link",
            "UPDATE links SET undone = 1, version = ?5
             WHERE workspace = ?1 AND kind = ?2 AND a = ?3 AND b = ?4 AND undone = 0",
            values![number, kind, a, b, self.makes()],
        )?;
        if undone > 0 {
            self.touch();
        }
        Ok(undone > 0)
    }

    /// Undoes all links, of all kinds, from and to something. Gives how many.
    pub fn unlink_all_of(&mut self, workspace: &WorkspaceId, id: &str) -> Result<u64, ControlError> {
        let number = self.workspace_number(workspace)?;
        let undone = self.run(
            "undo the links of a thing",
            "UPDATE links SET undone = 1, version = ?3 WHERE workspace = ?1 AND (a = ?2 OR b = ?2) AND undone = 0",
            values![number, id, self.makes()],
        )?;
        if undone > 0 {
            self.touch();
        }
        Ok(undone)
    }
}

impl View<'_> {
    /// The link from `a` to `b`, if there is one.
    pub fn linked(
        &self,
        workspace: &WorkspaceId,
        kind: &str,
        (a, b): (&str, &str),
    ) -> Result<Option<Link>, ControlError> {
        let number = self.workspace_number(workspace)?;
        self.one(
            "find a link",
            "SELECT number, a, b, body, version FROM links
             WHERE workspace = ?1 AND kind = ?2 AND a = ?3 AND b = ?4 AND undone = 0",
            values![number, kind, a, b],
            link,
        )
    }

    /// The links of a kind that begin at `a`.
    pub fn links_from(
        &self,
        workspace: &WorkspaceId,
        kind: &str,
        a: &str,
        page: &Page,
    ) -> Result<Listed<Link>, ControlError> {
        self.links(workspace, kind, "a", a, page)
    }

    /// The links of a kind that end at `b`.
    pub fn links_to(
        &self,
        workspace: &WorkspaceId,
        kind: &str,
        b: &str,
        page: &Page,
    ) -> Result<Listed<Link>, ControlError> {
        self.links(workspace, kind, "b", b, page)
    }

    fn links(
        &self,
        workspace: &WorkspaceId,
        kind: &str,
        end: &'static str,
        id: &str,
        page: &Page,
    ) -> Result<Listed<Link>, ControlError> {
        let from = format!("links WHERE workspace = ?1 AND kind = ?2 AND {end} = ?3 AND undone = 0");
        let list = List {
            doing: "read links",
            columns: "a, b, body, version",
            from: &from,
            count_from: &from,
            number: "number",
            values: values![self.workspace_number(workspace)?, kind, id],
        };
        self.page(&list, page, link)
    }
}

/// From a row with the number and the columns.
fn link(row: &Row) -> Result<Link, DbError> {
    let body: Option<String> = row.get(3)?;
    Ok(Link {
        number: row.get(0)?,
        a: row.get(1)?,
        b: row.get(2)?,
        body: body.and_then(|text| serde_json::from_str(&text).ok()),
        version: row.get(4)?,
    })
}
