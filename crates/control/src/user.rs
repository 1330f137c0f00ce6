//! People. One belongs to an account, and is a member of those of the cell's workspaces in which they hold a permission.
//!
//! - An e-mail address is one person's in the whole cell, however it is spelt: it is kept in lower case.
//! - Nobody is made with an address of a domain that is another account's: its identity provider says who has that address.
//! - Removing somebody takes them out of a workspace, ends their sessions and the tokens that they made there, and leaves the
//!   person: the audit trail names them.

use crate::audit::{Actor, Resourced};
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::page::{List, Listed, Page};
use crate::password::{self, Hash, Verdict};
use crate::permission::{self, Subject};
use crate::role::{Grant, Grants, Role};
use crate::view::View;
use crate::workspace::WorkspaceRecord;
use crate::{ControlError, Resource, Store, id, text};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::json;

const EMAIL_BYTES_MAX: usize = 254;
/// Workspaces of one person that are shown; nobody has more.
const WORKSPACES_MAX: u32 = 1_000;

/// A person to be made. No `Debug`: it holds a hash.
pub struct NewUser {
    pub email: String,
    pub name: String,
    /// `None` for who signs in elsewhere.
    pub password: Option<Hash>,
    /// Whether the password is for the first sign-in alone.
    pub must_change: bool,
}

/// A person, as the store has them.
#[derive(Clone, Debug, PartialEq)]
pub struct UserRecord {
    pub number: u32,
    pub id: String,
    /// The account's id.
    pub account: String,
    pub email: String,
    pub name: String,
    pub has_password: bool,
    pub must_change: bool,
    pub created_at: Millis,
    pub version: u64,
}

pub(crate) const COLUMNS: &str =
    "u.number, u.id, a.id, u.email, u.name, u.password IS NOT NULL, u.must_change, u.created_at, u.version";
pub(crate) const FROM: &str = "users u JOIN accounts a ON a.number = u.account";

impl Change<'_> {
    /// Makes a person, who is a member of no workspace yet.
    ///
    /// # Errors
    /// `Conflict` when the cell has somebody with this e-mail address, or the address is another account's to give.
    pub fn create_user(&mut self, account: &str, new: &NewUser) -> Result<UserRecord, ControlError> {
        let id = id::new_id(self.random());
        self.create_user_as(&id, account, new)
    }

    /// As [`Self::create_user`], with an id that was made before: whoever makes themself stands on the trail as who they are.
    pub(crate) fn create_user_as(
        &mut self,
        id: &str,
        account: &str,
        new: &NewUser,
    ) -> Result<UserRecord, ControlError> {
        let account = self.account(account)?;
        let email = email("email", &new.email)?;
        let name = text::name("name", &new.name)?;
        self.refuse_domain_of_another(&account.id, &email)?;
        if self.find_user_by_email(&email)?.is_some() {
            return Err(ControlError::Conflict {
                what: "the cell has somebody with this e-mail address".to_owned(),
                mend: "invite them, or give another address".to_owned(),
            });
        }
        self.insert(
            "make a user",
            "user",
            "INSERT INTO users (id, account, email, name, password, must_change, created_at, updated_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8) RETURNING number",
            values![
                id,
                account.number,
                email,
                name,
                new.password.as_ref().map(Hash::as_phc),
                new.must_change,
                self.now,
                self.makes()
            ],
        )?;
        let of = Resourced { workspace: None, resource: Resource::User, id, name: &email };
        self.note("User Created", &of, None, Some(json!({ "email": email, "name": name })))?;
        self.user(id)
    }

    /// Makes somebody a member of a workspace, with these permissions beside those that they may have.
    pub fn add_member(
        &mut self,
        workspace: &WorkspaceId,
        user: &str,
        grants: &Grants,
        giver: &Grants,
    ) -> Result<(), ControlError> {
        let user = self.user(user)?;
        permission::refuse_more_than(giver, grants)?;
        self.check_grants(workspace, grants)?;
        let before = self.permissions(workspace, Subject::User(&user.id))?;
        let member = Grant::whole(Role::WorkspaceMember);
        let all = [&before.0[..], &grants.0, &[member]].concat();
        self.write_permissions(workspace, Subject::User(&user.id), &Grants(all))?;
        let after = self.permissions(workspace, Subject::User(&user.id))?;
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::User, id: &user.id, name: &user.email };
        self.note("User Added", &of, Some(permission::shown(&before)), Some(permission::shown(&after)))
    }

    /// Takes somebody out of a workspace: permissions, groups, the tokens that they made there, and all their sessions.
    ///
    /// # Errors
    /// `Conflict` for the last owner.
    pub fn remove_member(&mut self, workspace: &WorkspaceId, user: &str) -> Result<(), ControlError> {
        let member = self.member(workspace, user)?;
        let before = self.permissions(workspace, Subject::User(user))?;
        self.keeping_an_owner(workspace, |change| {
            change.write_permissions(workspace, Subject::User(user), &Grants::default())?;
            change.unlink_all_of(workspace, user)
        })?;
        self.end_sessions_of(user)?;
        self.revoke_tokens_of(workspace, user)?;
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::User, id: user, name: &member.email };
        self.note("User Removed", &of, Some(permission::shown(&before)), None)
    }

    /// Gives somebody another password, and ends all their sessions.
    pub fn set_password(&mut self, user: &str, hash: &Hash, must_change: bool) -> Result<(), ControlError> {
        let user = self.user(user)?;
        self.run(
            "set a password",
            "UPDATE users SET password = ?2, must_change = ?3, updated_at = ?4, version = ?5 WHERE number = ?1",
            values![user.number, hash.as_phc(), must_change, self.now, self.makes()],
        )?;
        self.end_sessions_of(&user.id)?;
        let of = Resourced { workspace: None, resource: Resource::User, id: &user.id, name: &user.email };
        self.note("User Password Changed", &of, None, None)
    }

    /// Takes somebody's password away and ends all their sessions: from now on a provider vouches for them.
    pub(crate) fn remove_password(&mut self, user: &UserRecord) -> Result<(), ControlError> {
        self.run(
            "remove a password",
            "UPDATE users SET password = NULL, must_change = 0, updated_at = ?2, version = ?3 WHERE number = ?1",
            values![user.number, self.now, self.makes()],
        )?;
        self.end_sessions_of(&user.id)?;
        let of = Resourced { workspace: None, resource: Resource::User, id: &user.id, name: &user.email };
        self.note("User Password Removed", &of, None, None)
    }
}

impl View<'_> {
    pub fn user(&self, id: &str) -> Result<UserRecord, ControlError> {
        let sql = format!("SELECT 0, {COLUMNS} FROM {FROM} WHERE u.id = ?1 AND u.deleted_at IS NULL");
        self.one("find a user", &sql, values![id], record)?.ok_or(ControlError::NotFound(Resource::User))
    }

    /// However the address is spelt.
    pub fn find_user_by_email(&self, email: &str) -> Result<Option<UserRecord>, ControlError> {
        let sql = format!("SELECT 0, {COLUMNS} FROM {FROM} WHERE u.email = ?1 AND u.deleted_at IS NULL");
        self.one("find a user", &sql, values![email.trim().to_lowercase()], record)
    }

    /// A member of the workspace.
    pub fn member(&self, workspace: &WorkspaceId, user: &str) -> Result<UserRecord, ControlError> {
        if self.permissions(workspace, Subject::User(user))?.0.is_empty() {
            return Err(ControlError::NotFound(Resource::User));
        }
        self.user(user)
    }

    /// The members of a workspace.
    pub fn members(&self, workspace: &WorkspaceId, page: &Page) -> Result<Listed<UserRecord>, ControlError> {
        const MEMBERS: &str = "u.deleted_at IS NULL AND u.id IN
            (SELECT subject FROM permissions WHERE workspace = ?1 AND subject_kind = 'user')";
        let list = List {
            doing: "read users",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE {MEMBERS}"),
            count_from: &format!("users u WHERE {MEMBERS}"),
            number: "u.number",
            values: values![self.workspace_number(workspace)?],
        };
        self.page(&list, page, record)
    }

    /// The people of an account.
    pub fn users(&self, account: &str, page: &Page) -> Result<Listed<UserRecord>, ControlError> {
        let list = List {
            doing: "read users",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE u.account = ?1 AND u.deleted_at IS NULL"),
            count_from: "users u WHERE u.account = ?1 AND u.deleted_at IS NULL",
            number: "u.number",
            values: values![self.account(account)?.number],
        };
        self.page(&list, page, record)
    }

    /// The workspaces that somebody is a member of, oldest first.
    pub fn workspaces_of_user(&self, user: &str) -> Result<Vec<WorkspaceRecord>, ControlError> {
        let ids = self.all(
            "read whose member somebody is",
            "SELECT w.id FROM workspaces w WHERE w.number IN
                 (SELECT workspace FROM permissions WHERE subject_kind = 'user' AND subject = ?1)
             ORDER BY w.number LIMIT ?2",
            values![user, WORKSPACES_MAX],
            |row| row.get::<String>(0),
        )?;
        ids.into_iter().map(|id| self.workspace(&WorkspaceId::new(id))).collect()
    }

    /// Who has this address, with what their password is kept as. `None` for nobody.
    fn password_of(&self, email: &str) -> Result<Option<(UserRecord, Option<String>)>, ControlError> {
        let sql = format!("SELECT 0, {COLUMNS}, u.password FROM {FROM} WHERE u.email = ?1 AND u.deleted_at IS NULL");
        let values = values![email.trim().to_lowercase()];
        self.one("find a user", &sql, values, |row| Ok((record(row)?, row.get(10)?)))
    }
}

impl Store {
    /// Checks and hashes a password that somebody chose; takes some 30 ms, outside of any change.
    pub fn hash_password(&self, password: &str, email: &str, name: &str) -> Result<Hash, ControlError> {
        password::check(password, email, name)?;
        Hash::of(password, &*self.inner.world.random)
    }

    /// A password for a first sign-in, and its hash.
    pub fn one_time_password(&self) -> Result<(String, Hash), ControlError> {
        let random = &*self.inner.world.random;
        let password = password::one_time(random);
        let hash = Hash::of(&password, random)?;
        Ok((password, hash))
    }

    /// Who this is, if the password is right; takes as long when there is nobody. The record is of the moment whose password
    /// was checked: with it, [`Change::open_session`] knows when that was changed since. A hash of old parameters is made
    /// anew.
    ///
    /// Slowing those who guess is the caller's: [`Throttle`](crate::Throttle).
    pub fn user_with_password(&self, email: &str, password: &str) -> Result<Option<UserRecord>, ControlError> {
        let found = self.view(|view| view.password_of(email))?;
        let kept = found.as_ref().and_then(|(_, phc)| phc.clone()).map(Hash::kept);
        let (verdict, user) = (password::verify(password, kept.as_ref()), found.map(|(user, _)| user));
        let (Verdict::Right { stale }, Some(user)) = (verdict, user) else { return Ok(None) };
        if stale {
            let hash = Hash::of(password, &*self.inner.world.random)?;
            self.change(&Actor::Operator, |change| {
                change.run(
                    "make a password's hash anew",
                    "UPDATE users SET password = ?2 WHERE id = ?1 AND password = ?3",
                    values![user.id, hash.as_phc(), kept.as_ref().map(Hash::as_phc)],
                )
            })?;
        }
        Ok(Some(user))
    }
}

/// An e-mail address, in lower case.
pub(crate) fn email(field: &str, text: &str) -> Result<String, ControlError> {
    let email = text.trim().to_lowercase();
    let domain = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.contains('@'));
    let plain = email.chars().all(|c| c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric()));
    let quoted = email.contains(['"', '<', '>', ',', ';', '(', ')', '\\', '[', ']']);
    match domain {
        Some((_, domain)) if is_domain(domain) && plain && !quoted && email.len() <= EMAIL_BYTES_MAX => Ok(email),
        _ => Err(ControlError::invalid(field, "is not an e-mail address", "give one like `anna@example.com`")),
    }
}

/// Labels of letters, digits and hyphens, with dots between; lower case.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 253 && text == text.to_lowercase() && text.split('.').all(label)
}

/// From a row that has the columns after one of its own.
pub(crate) fn record(row: &Row) -> Result<UserRecord, DbError> {
    Ok(UserRecord {
        number: row.get(1)?,
        id: row.get(2)?,
        account: row.get(3)?,
        email: row.get(4)?,
        name: row.get(5)?,
        has_password: row.get(6)?,
        must_change: row.get(7)?,
        created_at: row.get(8)?,
        version: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_e_mail_address_is_one_and_is_spelt_in_one_way() {
        for (text, expected) in [
            ("anna@example.com", Some("anna@example.com")),
            (" Anna.Keller+x@Example.COM ", Some("anna.keller+x@example.com")),
            ("jörg@müller.example", Some("jörg@müller.example")),
            ("owner@localhost", Some("owner@localhost")),
            ("", None),
            ("@example.com", None),
            ("anna@", None),
            ("anna@b@c", None),
            ("anna@example..com", None),
            ("anna@-x.com", None),
            ("an na@example.com", None),
            ("anna\n@example.com", None),
            ("Anna <anna@example.com>", None),
            ("a\u{202E}b@example.com", None),
        ] {
            assert_eq!(email("email", text).ok().as_deref(), expected, "{text:?}");
        }
        assert!(email("email", &format!("{}@example.com", "a".repeat(250))).is_err());
    }
}
