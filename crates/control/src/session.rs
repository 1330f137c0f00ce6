//! Sessions: who is signed in to the console. The browser holds 256 random bits, the store their hash.
//!
//! - A session ends seven days after it began, when its person signs out, changes the password or is taken out of a
//!   workspace, when the identity provider that opened it is switched off or deleted, and, where the account says so, after
//!   some minutes without a page.
//! - A session is one person's, made at sign-in and never handed on: there is no way to give a session that is there to
//!   somebody else.

use crate::audit::{self, Actor, Resourced};
use crate::change::Change;
use crate::db::values;
use crate::id::{base62, sha256};
use crate::scope::Scope;
use crate::user::{self, UserRecord};
use crate::view::View;
use crate::{ControlError, Resource, Store};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;

/// How long a session lasts.
pub const SESSION_MS: i64 = 7 * 24 * 3_600_000;
/// Letters and digits: 256 bits.
const ID_CHARS: usize = 43;
/// Longer texts are no sessions.
const ID_BYTES_MAX: usize = 128;
/// Of one person; the oldest gives way.
const SESSIONS_MAX: u32 = 50;
/// How often it is noted that a session is used. An idle limit is that much longer at most.
const SEEN_NOTED_MS: i64 = 30_000;
const MINUTE_MS: i64 = 60_000;
/// How who has no identity provider signs in.
const PASSWORD: &str = "password";

/// A session that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub user: UserRecord,
    pub created_at: Millis,
    pub expires_at: Millis,
    /// `password`, or the identity provider's id.
    pub how: String,
    seen_at: Millis,
    pub(crate) hash: [u8; 32],
}

impl Change<'_> {
    /// Opens a session, and gives what the browser keeps; it is nowhere else. `user`: as they were when it was found out that
    /// it is them. `how`: `password`, or the identity provider's id. It is noted on the trails of the person's workspaces,
    /// and is no change of the configuration.
    ///
    /// # Errors
    /// `Refused` when the password was changed since; `NotFound` when the person or the provider is gone, or the provider is
    /// off.
    pub fn open_session(&mut self, user: &UserRecord, how: &str) -> Result<String, ControlError> {
        let checked_at = user.version;
        let user = self.user(&user.id)?;
        self.refuse_outdated(&user, checked_at, how)?;
        let id = base62(self.random(), ID_CHARS);
        self.run("sweep old sessions", "DELETE FROM sessions WHERE expires_at <= ?1", values![self.now])?;
        self.run(
            "end the oldest sessions",
            "DELETE FROM sessions WHERE user_number = ?1 AND hash NOT IN
                 (SELECT hash FROM sessions WHERE user_number = ?1 ORDER BY created_at DESC LIMIT ?2)",
            values![user.number, SESSIONS_MAX - 1],
        )?;
        self.run(
            "open a session",
            "INSERT INTO sessions (hash, user_number, created_at, seen_at, expires_at, how)
             VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
            values![sha256(id.as_bytes()), user.number, self.now, self.now.plus(SESSION_MS), how],
        )?;
        for workspace in self.workspaces_of_user(&user.id)? {
            let of = Resourced {
                workspace: Some(workspace.number),
                resource: Resource::User,
                id: &user.id,
                name: &user.email,
            };
            audit::insert(self, "User Signed In", &of, None, Some(serde_json::json!({ "how": how })))?;
        }
        Ok(id)
    }

    /// What a sign-in was checked against may have changed before its session is opened, and that change has ended only the
    /// sessions that there were.
    fn refuse_outdated(&self, user: &UserRecord, checked_at: u64, how: &str) -> Result<(), ControlError> {
        if how != PASSWORD {
            return match self.identity_provider(how)?.enabled {
                true => Ok(()),
                false => Err(ControlError::NotFound(Resource::IdentityProvider)),
            };
        }
        match user.has_password && user.version == checked_at {
            true => Ok(()),
            false => Err(ControlError::Refused {
                what: "the password was changed meanwhile".to_owned(),
                mend: "sign in again".to_owned(),
            }),
        }
    }

    /// Ends one session. One that is no more is nothing to complain of.
    pub fn end_session(&mut self, id: &str) -> Result<(), ControlError> {
        self.run("end a session", "DELETE FROM sessions WHERE hash = ?1", values![sha256(id.as_bytes())]).map(drop)
    }

    /// Ends all sessions of a person.
    pub fn end_sessions_of(&mut self, user: &str) -> Result<(), ControlError> {
        self.run(
            "end somebody's sessions",
            "DELETE FROM sessions WHERE user_number IN (SELECT number FROM users WHERE id = ?1)",
            values![user],
        )
        .map(drop)
    }
}

impl View<'_> {
    /// The session that a browser holds; `None` when it has ended.
    pub fn session(&self, id: &str) -> Result<Option<Session>, ControlError> {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Ok(None);
        }
        self.session_with_hash(&sha256(id.as_bytes()))
    }

    pub(crate) fn session_with_hash(&self, hash: &[u8; 32]) -> Result<Option<Session>, ControlError> {
        let sql = format!(
            "SELECT 0, {}, s.created_at, s.expires_at, s.how, s.seen_at, a.idle_minutes
             FROM {} JOIN sessions s ON s.user_number = u.number
             WHERE s.hash = ?1 AND s.expires_at > ?2 AND u.deleted_at IS NULL",
            user::COLUMNS,
            user::FROM
        );
        let found = self.one("find a session", &sql, values![hash, self.now], |row| {
            let session = Session {
                user: user::record(row)?,
                created_at: row.get(10)?,
                expires_at: row.get(11)?,
                how: row.get(12)?,
                seen_at: row.get(13)?,
                hash: *hash,
            };
            Ok((session, row.get::<Option<i64>>(14)?))
        })?;
        let still = |(session, idle_minutes): &(Session, Option<i64>)| {
            idle_minutes.is_none_or(|minutes| self.now.since(session.seen_at) < minutes.saturating_mul(MINUTE_MS))
        };
        Ok(found.filter(still).map(|(session, _)| session))
    }

    /// What the holder of a session may do in a workspace. `None`: the session has ended, or they are no member, or have to
    /// change their password first.
    pub fn scope_of_session(&self, id: &str, workspace: &WorkspaceId) -> Result<Option<Scope>, ControlError> {
        match self.session(id)? {
            Some(session) => {
                let scope = self.scope_of_user(&session.user.id, workspace)?;
                Ok(scope.map(|scope| scope.in_session(&session)))
            }
            None => Ok(None),
        }
    }
}

impl Store {
    /// The session that a browser holds, which is in use: an idle limit begins anew.
    pub fn session(&self, id: &str) -> Result<Option<Session>, ControlError> {
        let Some(session) = self.view(|view| view.session(id))? else { return Ok(None) };
        let now = self.inner.world.clock.now();
        if now.since(session.seen_at) >= SEEN_NOTED_MS {
            // Left out while somebody changes the store: whoever reads must not wait for that. The next page notes it.
            let noted = self.change_if_free(&Actor::Operator, |change| {
                change.run(
                    "note a session's use",
                    "UPDATE sessions SET seen_at = ?2 WHERE hash = ?1",
                    values![session.hash, now],
                )
            });
            if let Err(error) = noted {
                // A full disk keeps nobody from reading.
                tracing::warn!(%error, "could not note a session's use");
            }
        }
        Ok(Some(session))
    }

    /// As [`View::scope_of_session`].
    pub fn scope_of_session(&self, id: &str, workspace: &WorkspaceId) -> Result<Option<Scope>, ControlError> {
        self.view(|view| view.scope_of_session(id, workspace))
    }
}
