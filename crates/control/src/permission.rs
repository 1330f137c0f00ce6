//! Permissions: which roles people, groups and tokens hold in a workspace.
//!
//! - One row for each role; what it is held for adds up.
//! - Nobody gives more than they have: who gives is named by their grants.
//! - A workspace that has an owner keeps one: a change after which nobody would be owner is refused, however it came
//!   about (a role lowered, a group emptied or deleted, a person removed).

use crate::audit::Resourced;
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::role::{Area, Grant, Grants, Held, LabelValue, Role};
use crate::view::View;
use crate::{ControlError, Resource};
use domicile_workspace::WorkspaceId;
use serde_json::{Value, json};

/// What one role can be held for, in one permission.
const HELD_MAX: usize = 1_000;

/// Who holds permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    User(&'a str),
    Group(&'a str),
    Token(&'a str),
}

impl Subject<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
            Self::Token(_) => "token",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Group(id) | Self::Token(id) => id,
        }
    }
}

impl Change<'_> {
    /// Gives a member or a group more permissions, and gives back all that it has then.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for what can't be held; `Refused` when `giver` has less than is given.
    pub fn add_permissions(
        &mut self,
        workspace: &WorkspaceId,
        subject: Subject<'_>,
        more: &Grants,
        giver: &Grants,
    ) -> Result<Grants, ControlError> {
        let mut all = self.permissions(workspace, subject)?.0;
        all.extend(more.0.iter().cloned());
        self.put_permissions(workspace, subject, more, merged(&all), giver)
    }

    /// Gives a member or a group these permissions and no others.
    ///
    /// # Errors
    /// As [`Self::add_permissions`]; `Conflict` when nobody would own the workspace then.
    pub fn replace_permissions(
        &mut self,
        workspace: &WorkspaceId,
        subject: Subject<'_>,
        grants: &Grants,
        giver: &Grants,
    ) -> Result<Grants, ControlError> {
        self.put_permissions(workspace, subject, grants, merged(&grants.0), giver)
    }

    fn put_permissions(
        &mut self,
        workspace: &WorkspaceId,
        subject: Subject<'_>,
        given: &Grants,
        mut after: Grants,
        giver: &Grants,
    ) -> Result<Grants, ControlError> {
        let name = match subject {
            Subject::User(id) => self.member(workspace, id)?.email,
            Subject::Group(id) => self.group(workspace, id)?.value.name,
            Subject::Token(_) => return Err(ControlError::NotFound(Resource::Token)),
        };
        let before = self.permissions(workspace, subject)?;
        // Who may not give everything may not take everything away either.
        refuse_more_than(giver, given)?;
        refuse_more_than(giver, &before)?;
        self.check_grants(workspace, given)?;
        if matches!(subject, Subject::User(_)) && !after.0.iter().any(|grant| grant.role == Role::WorkspaceMember) {
            // It makes somebody a member, also where no other role is left.
            after.0.push(Grant::whole(Role::WorkspaceMember));
        }
        if after == before {
            return Ok(before);
        }
        let (kind, resource) = match subject {
            Subject::User(_) => ("User Policy Updated", Resource::User),
            _ => ("User Group Policy Updated", Resource::Group),
        };
        self.keeping_an_owner(workspace, |change| change.write_permissions(workspace, subject, &after))?;
        let number = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace: number, resource, id: subject.id(), name: &name };
        self.note(kind, &of, Some(shown(&before)), Some(shown(&after)))?;
        Ok(after)
    }

    /// Makes the owners of one workspace owners of another, which was made from it and has nobody yet.
    pub fn share_owners(&mut self, from: &WorkspaceId, to: &WorkspaceId) -> Result<(), ControlError> {
        let owners = self.all(
            "look for owners",
            "SELECT p.subject FROM permissions p JOIN workspaces w ON w.number = p.workspace
             WHERE w.id = ?1 AND p.subject_kind = 'user' ORDER BY p.subject",
            values![from.as_str()],
            |row| row.get::<String>(0),
        )?;
        let mut seen = None;
        for user in owners {
            if seen.as_ref() != Some(&user) && self.grants_of_user(from, &user)?.is_owner() {
                self.add_member(to, &user, &Grants::owner(), &Grants::owner())?;
            }
            seen = Some(user);
        }
        Ok(())
    }

    /// Writes all permissions of a subject anew, without a look at who gives.
    pub(crate) fn write_permissions(
        &mut self,
        workspace: &WorkspaceId,
        subject: Subject<'_>,
        grants: &Grants,
    ) -> Result<(), ControlError> {
        let number = self.workspace_number(workspace)?;
        self.run(
            "take permissions back",
            "DELETE FROM permissions WHERE workspace = ?1 AND subject_kind = ?2 AND subject = ?3",
            values![number, subject.kind(), subject.id()],
        )?;
        for grant in &merged(&grants.0).0 {
            self.run(
                "give a permission",
                "INSERT INTO permissions (workspace, subject_kind, subject, role, resources, version)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                values![
                    number,
                    subject.kind(),
                    subject.id(),
                    grant.role.id(),
                    json!(grant.held).to_string(),
                    self.makes()
                ],
            )?;
        }
        Ok(())
    }

    /// Does `change`, and refuses it when the workspace had an owner and has none then.
    pub(crate) fn keeping_an_owner<T>(
        &mut self,
        workspace: &WorkspaceId,
        change: impl FnOnce(&mut Self) -> Result<T, ControlError>,
    ) -> Result<T, ControlError> {
        let had = self.has_owner(workspace)?;
        let done = change(self)?;
        if had && !self.has_owner(workspace)? {
            return Err(ControlError::Conflict {
                what: "nobody would own the workspace then".to_owned(),
                mend: "make somebody else a Workspace Owner first".to_owned(),
            });
        }
        Ok(done)
    }

    /// Whether these grants can be held in this workspace.
    pub(crate) fn check_grants(&self, workspace: &WorkspaceId, grants: &Grants) -> Result<(), ControlError> {
        for (n, grant) in grants.0.iter().enumerate() {
            let field = format!("permissions.{n}.resources");
            if grant.held.is_empty() || grant.held.len() > HELD_MAX {
                let mend =
                    format!("give 1 to {HELD_MAX}; `{{\"id\": WORKSPACE, \"type\": \"WORKSPACE\"}}` is everything");
                return Err(ControlError::invalid(field, "is empty or too long", mend));
            }
            for held in &grant.held {
                self.check_held(workspace, grant.role, held, &field)?;
            }
        }
        Ok(())
    }

    fn check_held(&self, workspace: &WorkspaceId, role: Role, held: &Held, field: &str) -> Result<(), ControlError> {
        let by_one = matches!(role.allows(), Some((Area::Source | Area::Function | Area::Warehouse, _)));
        let refuse = |what: String, mend: &str| Err(ControlError::invalid(field, what, mend));
        match held {
            Held::Workspace => Ok(()),
            Held::One { .. } | Held::Labels { .. } if !by_one => {
                refuse(format!("names things, and {} is for the whole workspace", role.name()), "name the workspace")
            }
            Held::Labels { labels } if labels.is_empty() => refuse("has no label".to_owned(), "give at least one"),
            Held::Labels { .. } if !matches!(role.allows(), Some((Area::Source, _))) => {
                refuse(format!("has labels, which sources carry, and {} is for others", role.name()), "name things")
            }
            Held::Labels { labels } => {
                let there = self.labels(workspace)?;
                let is_there =
                    |label: &LabelValue| there.iter().any(|one| one.key == label.key && one.value == label.value);
                match labels.iter().all(is_there) {
                    true => Ok(()),
                    false => {
                        refuse("names a label that the workspace does not have".to_owned(), "make the label first")
                    }
                }
            }
            Held::One { id } => match self.is_thing_of(workspace, role, id)? {
                true => Ok(()),
                false => refuse("names something that the workspace does not have".to_owned(), "name one that it has"),
            },
        }
    }

    fn is_thing_of(&self, workspace: &WorkspaceId, role: Role, id: &str) -> Result<bool, ControlError> {
        let number = self.workspace_number(workspace)?;
        let (sql, values) = match role.allows() {
            Some((Area::Source, _)) => (
                "SELECT count(*) FROM sources WHERE workspace = ?1 AND id = ?2 AND deleted_at IS NULL",
                values![number, id].to_vec(),
            ),
            Some((area, _)) => (
                "SELECT count(*) FROM things WHERE workspace = ?1 AND id = ?2 AND kind = ?3 AND deleted_at IS NULL",
                values![number, id, area.word()].to_vec(),
            ),
            None => return Ok(false),
        };
        Ok(self.count("look for what a role is held for", sql, &values)? > 0)
    }
}

impl View<'_> {
    /// What a subject was given itself.
    pub fn permissions(&self, workspace: &WorkspaceId, subject: Subject<'_>) -> Result<Grants, ControlError> {
        let number = self.workspace_number(workspace)?;
        let grants = self.all(
            "read permissions",
            "SELECT role, resources FROM permissions
             WHERE workspace = ?1 AND subject_kind = ?2 AND subject = ?3 ORDER BY number",
            values![number, subject.kind(), subject.id()],
            grant,
        )?;
        Ok(Grants(grants))
    }

    /// What a person may do: what they were given, and what their groups were. Nothing for who is no member.
    pub fn grants_of_user(&self, workspace: &WorkspaceId, user: &str) -> Result<Grants, ControlError> {
        let number = self.workspace_number(workspace)?;
        let own = self.permissions(workspace, Subject::User(user))?;
        if own.0.is_empty() {
            return Ok(own);
        }
        let of_groups = self.all(
            "read permissions of groups",
            "SELECT p.role, p.resources FROM permissions p JOIN links l ON l.workspace = p.workspace AND l.a = p.subject
             WHERE p.workspace = ?1 AND p.subject_kind = 'group' AND l.kind = 'group-user' AND l.b = ?2 AND l.undone = 0
             ORDER BY p.number",
            values![number, user],
            grant,
        )?;
        Ok(merged(&[own.0, of_groups].concat()))
    }

    /// Whether any person owns the workspace, by themselves or by a group. A token is nobody.
    fn has_owner(&self, workspace: &WorkspaceId) -> Result<bool, ControlError> {
        let number = self.workspace_number(workspace)?;
        let found = self.all(
            "look for owners",
            "SELECT p.role, p.resources FROM permissions p JOIN users u ON u.id = p.subject
             WHERE p.workspace = ?1 AND p.subject_kind = 'user' AND p.role = ?2 AND u.deleted_at IS NULL
             UNION ALL
             SELECT p.role, p.resources FROM permissions p
             JOIN links l ON l.workspace = p.workspace AND l.a = p.subject AND l.kind = 'group-user' AND l.undone = 0
             JOIN permissions m ON m.workspace = p.workspace AND m.subject_kind = 'user' AND m.subject = l.b
             JOIN users u ON u.id = l.b AND u.deleted_at IS NULL
             WHERE p.workspace = ?1 AND p.subject_kind = 'group' AND p.role = ?2",
            values![number, Role::WorkspaceOwner.id()],
            grant,
        )?;
        Ok(Grants(found).is_owner())
    }
}

/// Refuses what reaches further than what `giver` has.
pub(crate) fn refuse_more_than(giver: &Grants, given: &Grants) -> Result<(), ControlError> {
    match giver.covers(given) {
        true => Ok(()),
        false => Err(ControlError::Refused {
            what: "this reaches further than the roles of who asks".to_owned(),
            mend: "ask a Workspace Owner".to_owned(),
        }),
    }
}

/// One grant for each role, with everything that it is held for; the whole workspace takes the rest in.
fn merged(grants: &[Grant]) -> Grants {
    let mut merged: Vec<Grant> = Vec::new();
    for grant in grants {
        let place = merged.iter().position(|one| one.role == grant.role).unwrap_or_else(|| {
            merged.push(Grant { role: grant.role, held: Vec::new() });
            merged.len() - 1
        });
        let held = &mut merged[place].held;
        for one in &grant.held {
            if !held.contains(one) {
                held.push(one.clone());
            }
        }
        if held.contains(&Held::Workspace) {
            *held = vec![Held::Workspace];
        }
    }
    Grants(merged)
}

/// Grants as the audit trail and invitations keep them.
pub(crate) fn shown(grants: &Grants) -> Value {
    json!({ "permissions": grants.0 })
}

fn grant(row: &Row) -> Result<Grant, DbError> {
    let (role, held): (String, String) = (row.get(0)?, row.get(1)?);
    let role = Role::with_id(&role).ok_or_else(|| DbError::odd(format!("`{role}` is no role")))?;
    let held =
        serde_json::from_str(&held).map_err(|_| DbError::odd("a permission's resources are not as they should be"))?;
    Ok(Grant { role, held })
}
