//! API tokens: shown once, kept as a hash.

use crate::audit::{Actor, Resourced};
use crate::id::{base62, new_id, sha256};
use crate::store::Change;
use crate::{ControlError, Resource, Store, StoreError, text};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use rusqlite::{OptionalExtension, params};
use serde_json::json;

/// Letters and digits of a token after its prefix: 256 bits.
const TOKEN_CHARS: usize = 43;
/// A token that is used all day is noted as used this often.
const USE_NOTED_MS: i64 = 60_000;
/// Longer texts are no tokens; they aren't even hashed.
const TOKEN_BYTES_MAX: usize = 256;

/// What a token may do: everything in one workspace. Roles come with people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenScope {
    pub id: String,
    pub name: String,
    pub workspace: WorkspaceId,
}

impl TokenScope {
    pub fn actor(&self) -> Actor {
        Actor::Token { id: self.id.clone(), name: self.name.clone() }
    }
}

/// A token that was just made. The text is nowhere else; it has no `Debug`.
pub struct NewToken {
    pub id: String,
    pub token: String,
}

impl Store {
    /// Makes a token of a workspace.
    pub fn create_token(&self, by: &Actor, workspace: &WorkspaceId, name: &str) -> Result<NewToken, ControlError> {
        let (token, _) = self.change(by, |change| insert(change, change.workspace(workspace)?, name))?;
        Ok(token)
    }

    /// Ends a token: whoever shows it from now on is nobody.
    pub fn revoke_token(&self, by: &Actor, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError> {
        self.change(by, |change| {
            let workspace = change.workspace(workspace)?;
            let name: String = change
                .db
                .query_row(
                    "SELECT name FROM tokens WHERE id = ?1 AND workspace = ?2 AND revoked_at IS NULL",
                    params![id, workspace],
                    |row| row.get(0),
                )
                .optional()
                .map_err(|e| change.sql("find a token", e))?
                .ok_or(ControlError::NotFound(Resource::Token))?;
            change.run(
                "revoke a token",
                "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1",
                params![id, change.at.0],
            )?;
            let of = Resourced { workspace, resource: Resource::Token, id, name: &name };
            change.note("Token Revoked", &of, None, None)
        })?;
        Ok(())
    }

    /// Whose token this is; `None` for the token of nobody, also for one of another cell.
    ///
    /// Found by its hash, so the time it takes says nothing about how much of a guess is right.
    pub fn token_of(&self, bearer: &str) -> Result<Option<TokenScope>, StoreError> {
        if bearer.is_empty() || bearer.len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let hash = sha256(bearer.as_bytes());
        let found = self.read("find a token", |db| find(db, &hash))?;
        let Some((scope, last_used_at)) = found else { return Ok(None) };
        let now = self.inner.world.clock.now();
        if last_used_at.is_none_or(|last| now.since(last).unsigned_abs() >= USE_NOTED_MS.unsigned_abs()) {
            let noted = self.note(&Actor::Operator, |change| {
                change.run(
                    "note a token's use",
                    "UPDATE tokens SET last_used_at = ?2 WHERE id = ?1",
                    params![scope.id, now.0],
                )
            });
            if let Err(error) = noted {
                // A full disk keeps nobody from reading.
                tracing::warn!(%error, "could not note a token's use");
            }
        }
        Ok(Some(scope))
    }

    /// The token with this id, if it still holds: for sessions that were opened with it.
    pub fn token_with_id(&self, id: &str) -> Result<Option<TokenScope>, StoreError> {
        self.read("find a token", |db| {
            db.prepare_cached(
                "SELECT t.id, t.name, w.id FROM tokens t JOIN workspaces w ON w.number = t.workspace
                 WHERE t.id = ?1 AND t.revoked_at IS NULL",
            )?
            .query_row([id], scope)
            .optional()
        })
    }
}

fn scope(row: &rusqlite::Row<'_>) -> rusqlite::Result<TokenScope> {
    Ok(TokenScope { id: row.get(0)?, name: row.get(1)?, workspace: WorkspaceId::new(row.get::<_, String>(2)?) })
}

fn find(db: &rusqlite::Connection, hash: &[u8; 32]) -> rusqlite::Result<Option<(TokenScope, Option<Millis>)>> {
    db.prepare_cached(
        "SELECT t.id, t.name, w.id, t.last_used_at FROM tokens t JOIN workspaces w ON w.number = t.workspace
         WHERE t.hash = ?1 AND t.revoked_at IS NULL",
    )?
    .query_row([hash], |row| Ok((scope(row)?, row.get::<_, Option<i64>>(3)?.map(Millis))))
    .optional()
}

/// Makes a token of the workspace with this number. The prefix lets secret scanners know one when they see it.
pub(crate) fn insert(change: &Change<'_>, workspace: u32, name: &str) -> Result<NewToken, ControlError> {
    let name = text::name("name", name)?;
    let random = &*change.inner.world.random;
    let (id, token) =
        (new_id(random), format!("domt_{}_{}", change.inner.region.key_prefix, base62(random, TOKEN_CHARS)));
    change.run(
        "make a token",
        "INSERT INTO tokens (id, workspace, name, hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![id, workspace, name, sha256(token.as_bytes()), change.at.0],
    )?;
    let of = Resourced { workspace, resource: Resource::Token, id: &id, name: &name };
    change.note("Token Created", &of, None, Some(json!({ "name": name })))?;
    Ok(NewToken { id, token })
}

/// Whether `token` is a token of the workspace with this number that holds.
pub(crate) fn holds(change: &Change<'_>, workspace: u32, token: &str) -> Result<bool, ControlError> {
    change
        .db
        .query_row(
            "SELECT count(*) FROM tokens WHERE hash = ?1 AND workspace = ?2 AND revoked_at IS NULL",
            params![sha256(token.as_bytes()), workspace],
            |row| Ok(row.get::<_, i64>(0)? > 0),
        )
        .map_err(|e| change.sql("find a token", e))
}
