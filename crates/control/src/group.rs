//! Groups of a workspace's people. What a group may do, its members may do, beside what they were given themselves.
//!
//! An invited person can be put into a group before they have come: they are in it from then on.

use crate::audit::Resourced;
use crate::change::Change;
use crate::page::{Listed, Page};
use crate::permission::Subject;
use crate::role::Grants;
use crate::thing::{Kept, Thing};
use crate::user::{self, UserRecord};
use crate::view::View;
use crate::{ControlError, Resource, text};
use domicile_workspace::WorkspaceId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;

/// From a group to the person's id.
pub(crate) const MEMBER: &str = "group-user";
/// From a group to the e-mail address of who is invited.
pub(crate) const INVITED: &str = "group-invite";
const GROUPS_MAX: u64 = 1_000;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
}

impl Thing for Group {
    const KIND: &'static str = "group";
    const AUDIT: &'static str = "User Group";
    const RESOURCE: Resource = Resource::Group;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("name", &self.name).map(drop)
    }
}

impl Change<'_> {
    /// Makes a group, which has no members and no permissions yet.
    pub fn create_group(&mut self, workspace: &WorkspaceId, name: &str) -> Result<Kept<Group>, ControlError> {
        let name = text::name("name", name)?;
        if self.things::<Group>(workspace, None, &Page::first(1))?.total >= GROUPS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {GROUPS_MAX} groups"),
                mend: "delete one that is not used".to_owned(),
            });
        }
        self.create_thing(workspace, None, Group { name })
    }

    pub fn rename_group(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
        name: &str,
    ) -> Result<Kept<Group>, ControlError> {
        let name = text::name("name", name)?;
        self.update_thing(workspace, id, if_version, |group: &mut Group| {
            group.name = name;
            Ok(())
        })
    }

    /// Deletes a group and takes its permissions back. Its members stay members of the workspace.
    ///
    /// # Errors
    /// `Conflict` when nobody would own the workspace then.
    pub fn delete_group(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        self.group(workspace, id)?;
        self.keeping_an_owner(workspace, |change| {
            change.write_permissions(workspace, Subject::Group(id), &Grants::default())?;
            change.delete_thing::<Group>(workspace, id, if_version)
        })
    }

    /// Puts people into a group, by the e-mail addresses of members and of who is invited.
    ///
    /// # Errors
    /// `Invalid` for an address of neither; `Refused` when `giver` has less than the group gives.
    pub fn add_to_group(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        emails: &[String],
        giver: &Grants,
    ) -> Result<(), ControlError> {
        let group = self.group(workspace, id)?;
        crate::permission::refuse_more_than(giver, &self.permissions(workspace, Subject::Group(id))?)?;
        let mut added = Vec::new();
        for (n, email) in emails.iter().enumerate() {
            let email = user::email(&format!("emails.{n}"), email)?;
            let (kind, end) = self.end_of(workspace, &email, n)?;
            if self.link(workspace, kind, (id, &end), None)? {
                added.push(email);
            }
        }
        self.note_members(workspace, &group, "Group Memberships Created", &added)
    }

    /// Takes people out of a group.
    ///
    /// # Errors
    /// `Conflict` when nobody would own the workspace then.
    pub fn remove_from_group(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        emails: &[String],
    ) -> Result<(), ControlError> {
        let group = self.group(workspace, id)?;
        let mut removed = Vec::new();
        self.keeping_an_owner(workspace, |change| {
            for (n, email) in emails.iter().enumerate() {
                let email = user::email(&format!("emails.{n}"), email)?;
                let (kind, end) = change.end_of(workspace, &email, n)?;
                if change.unlink(workspace, kind, (id, &end))? {
                    removed.push(email);
                }
            }
            Ok(())
        })?;
        self.note_members(workspace, &group, "Group Memberships Deleted", &removed)
    }

    /// Makes these people the group's members, and no others. Who is in it already stays; the same people change nothing.
    ///
    /// # Errors
    /// As [`Self::add_to_group`] and [`Self::remove_from_group`].
    pub fn replace_group(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        emails: &[String],
        giver: &Grants,
    ) -> Result<(), ControlError> {
        let group = self.group(workspace, id)?;
        // Checked once, at the end: who comes may own the workspace in the place of who goes.
        self.keeping_an_owner(workspace, |change| {
            change.add_to_group(workspace, id, emails, giver)?;
            let mut wanted = HashSet::new();
            for (n, email) in emails.iter().enumerate() {
                let email = user::email(&format!("emails.{n}"), email)?;
                wanted.insert(change.end_of(workspace, &email, n)?);
            }
            let mut removed = Vec::new();
            for (kind, end) in change.ends_of_group(workspace, id)? {
                if !wanted.contains(&(kind, end.clone())) && change.unlink(workspace, kind, (id, &end))? {
                    removed.push(if kind == MEMBER { change.user(&end)?.email } else { end });
                }
            }
            change.note_members(workspace, &group, "Group Memberships Deleted", &removed)
        })
    }

    /// All that a group has: the kinds and ends of its links.
    fn ends_of_group(&self, workspace: &WorkspaceId, id: &str) -> Result<Vec<(&'static str, String)>, ControlError> {
        let mut ends = Vec::new();
        for kind in [MEMBER, INVITED] {
            let mut page = Page::first(Page::COUNT_MAX);
            loop {
                let links = self.links_from(workspace, kind, id, &page)?;
                ends.extend(links.rows.into_iter().map(|link| (kind, link.b)));
                match links.last.filter(|_| links.has_after) {
                    Some(last) => page = Page::after(last, Page::COUNT_MAX),
                    None => break,
                }
            }
        }
        Ok(ends)
    }

    /// The kind and the end of the link to who has this address.
    fn end_of(&self, workspace: &WorkspaceId, email: &str, n: usize) -> Result<(&'static str, String), ControlError> {
        if let Some(user) = self.find_user_by_email(email)?
            && !self.permissions(workspace, Subject::User(&user.id))?.0.is_empty()
        {
            return Ok((MEMBER, user.id));
        }
        if self.is_invited(workspace, email)? {
            return Ok((INVITED, email.to_owned()));
        }
        let mend = "invite them first, with POST /invites";
        Err(ControlError::invalid(format!("emails.{n}"), "is of nobody in the workspace", mend))
    }

    fn note_members(
        &mut self,
        workspace: &WorkspaceId,
        group: &Kept<Group>,
        kind: &str,
        emails: &[String],
    ) -> Result<(), ControlError> {
        if emails.is_empty() {
            return Ok(());
        }
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::Group, id: &group.id, name: &group.value.name };
        self.note(kind, &of, None, Some(json!({ "emails": emails })))
    }
}

impl View<'_> {
    pub fn group(&self, workspace: &WorkspaceId, id: &str) -> Result<Kept<Group>, ControlError> {
        self.thing(workspace, id)
    }

    pub fn groups(&self, workspace: &WorkspaceId, page: &Page) -> Result<Listed<Kept<Group>>, ControlError> {
        self.things(workspace, None, page)
    }

    /// How many people are in a group, those who are invited too.
    pub fn group_size(&self, workspace: &WorkspaceId, id: &str) -> Result<u64, ControlError> {
        let members = self.links_from(workspace, MEMBER, id, &Page::first(1))?.total;
        Ok(members + self.links_from(workspace, INVITED, id, &Page::first(1))?.total)
    }

    /// The people in a group.
    pub fn group_members(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        page: &Page,
    ) -> Result<Listed<UserRecord>, ControlError> {
        self.group(workspace, id)?;
        let links = self.links_from(workspace, MEMBER, id, page)?;
        let Listed { rows, first, last, has_before, has_after, total } = links;
        let rows = rows.iter().map(|link| self.user(&link.b)).collect::<Result<_, _>>()?;
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }

    /// The e-mail addresses of who is invited, and will be in a group.
    pub fn group_invites(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        page: &Page,
    ) -> Result<Listed<String>, ControlError> {
        self.group(workspace, id)?;
        Ok(self.links_from(workspace, INVITED, id, page)?.map(|link| link.b))
    }

    /// The groups that a member is in.
    pub fn groups_of_user(
        &self,
        workspace: &WorkspaceId,
        user: &str,
        page: &Page,
    ) -> Result<Listed<Kept<Group>>, ControlError> {
        self.member(workspace, user)?;
        let links = self.links_to(workspace, MEMBER, user, page)?;
        let Listed { rows, first, last, has_before, has_after, total } = links;
        let rows = rows.iter().map(|link| self.group(workspace, &link.a)).collect::<Result<_, _>>()?;
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }
}
