//! Invitations: an e-mail address, what it will be allowed, and a link that holds for seven days and once.
//!
//! The link is shown to who invites; nothing is sent by mail from here. Who opens it and has no account makes one; who has
//! one signs in first, so that the link alone never opens what somebody has elsewhere. Who invites could open the link too:
//! an address that nobody has yet, of a domain that is another account's, is not to be had like this.

use crate::audit::{Actor, Resourced};
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::group::{INVITED, MEMBER};
use crate::id::{base62, new_id, sha256};
use crate::page::{List, Listed, Page};
use crate::password::Hash;
use crate::permission::{self, Subject};
use crate::role::{Grant, Grants};
use crate::user::{self, NewUser, UserRecord};
use crate::view::View;
use crate::{ControlError, Resource, Store};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::json;

/// How long an invitation holds.
const LIFE_MS: i64 = 7 * 24 * 3_600_000;
/// Letters and digits of the link: 256 bits.
const CHARS: usize = 43;
/// Of one workspace.
const INVITES_MAX: u64 = 1_000;

/// An invitation that was just made. The link's text is nowhere else; it has no `Debug`.
pub struct MadeInvite {
    pub email: String,
    pub token: String,
    pub expires_at: Millis,
}

/// An invitation, as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct InviteRecord {
    pub workspace: WorkspaceId,
    pub email: String,
    pub grants: Grants,
    pub expires_at: Millis,
}

const COLUMNS: &str = "w.id, i.email, i.permissions, i.expires_at";
const FROM: &str = "invites i JOIN workspaces w ON w.number = i.workspace";

impl Change<'_> {
    /// Invites somebody; an older invitation of theirs holds no more.
    ///
    /// # Errors
    /// `Conflict` for a member, and for an address of another account's domain that nobody has yet; `Refused` when `giver` has less than is given.
    pub fn invite(
        &mut self,
        workspace: &WorkspaceId,
        email: &str,
        grants: &Grants,
        giver: &Grants,
    ) -> Result<MadeInvite, ControlError> {
        let number = self.workspace_number(workspace)?;
        let email = user::email("email", email)?;
        permission::refuse_more_than(giver, grants)?;
        self.check_grants(workspace, grants)?;
        match self.find_user_by_email(&email)? {
            None => self.refuse_domain_of_another(&self.workspace(workspace)?.account, &email)?,
            Some(user) if !self.permissions(workspace, Subject::User(&user.id))?.0.is_empty() => {
                return Err(ControlError::Conflict {
                    what: "somebody with this e-mail address is a member already".to_owned(),
                    mend: "change their permissions".to_owned(),
                });
            }
            // They sign in to accept: whoever else holds the link has nothing by it.
            Some(_) => {}
        }
        if self.count("count invitations", "SELECT count(*) FROM invites WHERE workspace = ?1", values![number])?
            >= INVITES_MAX
        {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {INVITES_MAX} invitations"),
                mend: "take some back".to_owned(),
            });
        }
        let token = base62(self.random(), CHARS);
        let expires_at = self.now.plus(LIFE_MS);
        self.run(
            "invite somebody",
            "INSERT INTO invites (workspace, email, permissions, hash, created_at, expires_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (workspace, email) DO UPDATE SET permissions = excluded.permissions, hash = excluded.hash,
                 created_at = excluded.created_at, expires_at = excluded.expires_at, version = excluded.version",
            values![
                number,
                email,
                json!(grants.0).to_string(),
                sha256(token.as_bytes()),
                self.now,
                expires_at,
                self.makes()
            ],
        )?;
        let of = Resourced { workspace: Some(number), resource: Resource::Invite, id: &email, name: &email };
        self.note("Invite Created", &of, None, Some(permission::shown(grants)))?;
        Ok(MadeInvite { email, token, expires_at })
    }

    /// Takes an invitation back.
    pub fn delete_invite(&mut self, workspace: &WorkspaceId, email: &str) -> Result<(), ControlError> {
        let email = user::email("emails", email)?;
        let number = self.workspace_number(workspace)?;
        if !self.is_invited(workspace, &email)? {
            return Err(ControlError::NotFound(Resource::Invite));
        }
        self.forget_invite(workspace, &email)?;
        let of = Resourced { workspace: Some(number), resource: Resource::Invite, id: &email, name: &email };
        self.note("Invite Deleted", &of, None, None)
    }

    fn accept_invite(&mut self, token: &str, id: &str, name: &str, password: Hash) -> Result<UserRecord, ControlError> {
        let invite = self.invite_of(token)?;
        let account = self.workspace(&invite.workspace)?.account;
        let new = NewUser {
            email: invite.email.clone(),
            name: name.to_owned(),
            password: Some(password),
            must_change: false,
        };
        let user = self.create_user_as(id, &account, &new)?;
        self.join(&invite, &user)?;
        Ok(user)
    }

    /// Takes an invitation up as who is signed in, whose address it must be for.
    pub fn accept_invite_as(&mut self, token: &str, user: &str) -> Result<WorkspaceId, ControlError> {
        let (invite, user) = (self.invite_of(token)?, self.user(user)?);
        if invite.email != user.email {
            return Err(ControlError::NotFound(Resource::Invite));
        }
        self.join(&invite, &user)?;
        Ok(invite.workspace)
    }

    fn join(&mut self, invite: &InviteRecord, user: &UserRecord) -> Result<(), ControlError> {
        let workspace = &invite.workspace;
        // What was given was checked against who invited; what is gone since is held for nothing.
        self.add_member(workspace, &user.id, &Grants::default(), &Grants::owner())?;
        let all = [&self.permissions(workspace, Subject::User(&user.id))?.0[..], &invite.grants.0].concat();
        self.write_permissions(workspace, Subject::User(&user.id), &Grants(all))?;
        for link in self.links_to(workspace, INVITED, &invite.email, &Page::first(Page::COUNT_MAX))?.rows {
            self.link(workspace, MEMBER, (&link.a, &user.id), None)?;
        }
        self.forget_invite(workspace, &invite.email)?;
        let number = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace: number, resource: Resource::Invite, id: &invite.email, name: &invite.email };
        self.note("Invite Accepted", &of, None, Some(permission::shown(&invite.grants)))
    }

    fn forget_invite(&mut self, workspace: &WorkspaceId, email: &str) -> Result<(), ControlError> {
        let number = self.workspace_number(workspace)?;
        self.run(
            "forget an invitation",
            "DELETE FROM invites WHERE workspace = ?1 AND email = ?2",
            values![number, email],
        )?;
        for link in self.links_to(workspace, INVITED, email, &Page::first(Page::COUNT_MAX))?.rows {
            self.unlink(workspace, INVITED, (&link.a, email))?;
        }
        Ok(())
    }
}

impl Store {
    /// Takes an invitation up as somebody new; on the trail, they do it themselves. `token`: from the link.
    ///
    /// # Errors
    /// `NotFound` for a link that does not hold; `Conflict` when the address is somebody's: they sign in first.
    pub fn accept_invite(&self, token: &str, name: &str, password: Hash) -> Result<UserRecord, ControlError> {
        let invite = self.view(|view| view.invite_of(token))?;
        let id = new_id(&*self.inner.world.random);
        let by = Actor::User { id: id.clone(), name: invite.email };
        self.change(&by, |change| change.accept_invite(token, &id, name, password))
    }
}

impl View<'_> {
    /// The invitation that a link is for, while it holds.
    pub fn invite_of(&self, token: &str) -> Result<InviteRecord, ControlError> {
        let sql = format!("SELECT 0, {COLUMNS} FROM {FROM} WHERE i.hash = ?1 AND i.expires_at > ?2");
        let values = values![sha256(token.as_bytes()), self.now];
        self.one("find an invitation", &sql, values, record)?.ok_or(ControlError::NotFound(Resource::Invite))
    }

    /// The invitations of a workspace, those that have run out too.
    pub fn invites(&self, workspace: &WorkspaceId, page: &Page) -> Result<Listed<InviteRecord>, ControlError> {
        let list = List {
            doing: "read invitations",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE i.workspace = ?1"),
            count_from: "invites i WHERE i.workspace = ?1",
            number: "i.number",
            values: values![self.workspace_number(workspace)?],
        };
        self.page(&list, page, record)
    }

    /// Whether the address has an invitation. `email`: in lower case.
    pub(crate) fn is_invited(&self, workspace: &WorkspaceId, email: &str) -> Result<bool, ControlError> {
        let values = values![self.workspace_number(workspace)?, email];
        let sql = "SELECT count(*) FROM invites WHERE workspace = ?1 AND email = ?2";
        Ok(self.count("look for an invitation", sql, values)? > 0)
    }
}

/// From a row that has the columns after one of its own.
fn record(row: &Row) -> Result<InviteRecord, DbError> {
    let grants: String = row.get(3)?;
    let grants: Vec<Grant> = serde_json::from_str(&grants)
        .map_err(|_| DbError::odd("an invitation's permissions are not as they should be"))?;
    Ok(InviteRecord {
        workspace: WorkspaceId::new(row.get::<String>(1)?),
        email: row.get(2)?,
        grants: Grants(grants),
        expires_at: row.get(4)?,
    })
}
