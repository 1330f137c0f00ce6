//! API tokens: shown once, kept as a hash.
//!
//! - A token belongs to one workspace, or to who runs the cell and then to none.
//! - It has no more than who made it had then, and holds for a year at most unless it has no end.
//! - A token ends with its maker: what a token makes ends no later than it does, and with it when it is revoked; what a
//!   person makes ends when they are taken out of the workspace. Who ends a stolen token so ends what the thief made, also
//!   where tokens in between have ended already. Only who says so keeps what a token made: that is how it is replaced by
//!   one of those.
//! - All that is so within a workspace. The first token of a workspace that was made with a token is the new workspace's.

use crate::audit::{Actor, Resourced};
use crate::change::Change;
use crate::db::{DbError, Row, values};
use crate::id::{base62, new_id, sha256};
use crate::page::{List, Listed, Page};
use crate::permission::{self, Subject};
use crate::role::Grants;
use crate::scope::Scope;
use crate::view::View;
use crate::{ControlError, Resource, Store, text};
use domicile_workspace::WorkspaceId;
use domicile_world::Millis;
use serde_json::json;

/// Letters and digits of a token after its prefix: 256 bits.
const TOKEN_CHARS: usize = 43;
/// A token that is used all day is noted as used this often.
const USE_NOTED_MS: i64 = 60_000;
/// Longer texts are no tokens; they aren't even hashed.
const TOKEN_BYTES_MAX: usize = 256;
/// A year, and the day that some have more.
const LIFE_MS_MAX: i64 = 366 * 24 * 3_600_000;
/// Of one workspace, that hold.
const TOKENS_MAX: u64 = 500;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub name: String,
    pub description: String,
    pub grants: Grants,
    /// `None`: it holds until it is revoked; made by a token, as long as that one does.
    pub expires_at: Option<Millis>,
}

impl NewToken {
    /// An owner's token without an end.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: String::new(), grants: Grants::owner(), expires_at: None }
    }
}

/// A token that was just made. The text is nowhere else; it has no `Debug`.
pub struct MadeToken {
    pub id: String,
    pub token: String,
    /// The maker's, where that is earlier than what was wanted.
    pub expires_at: Option<Millis>,
}

/// A token, as the store has it: everything but itself.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRecord {
    pub id: String,
    pub name: String,
    pub description: String,
    pub grants: Grants,
    /// `operator`, `user:ID` or `token:ID`.
    pub created_by: String,
    pub created_at: Millis,
    pub expires_at: Option<Millis>,
    /// To the minute.
    pub last_used_at: Option<Millis>,
}

impl Change<'_> {
    /// Makes a token of a workspace. The prefix lets secret scanners know one when they see it.
    ///
    /// # Errors
    /// `Invalid`; `Refused` when `giver` has less than the token would have; `Conflict` when the workspace has enough.
    pub fn create_token(
        &mut self,
        workspace: &WorkspaceId,
        new: &NewToken,
        giver: &Grants,
    ) -> Result<MadeToken, ControlError> {
        let number = self.workspace_number(workspace)?;
        let name = text::name("name", &new.name)?;
        let description = text::lines("description", &new.description)?;
        if new.expires_at.is_some_and(|end| end <= self.now || end.since(self.now) > LIFE_MS_MAX) {
            let mend = "give a moment within a year, or null for none";
            return Err(ControlError::invalid("expiresAt", "is past or more than a year away", mend));
        }
        permission::refuse_more_than(giver, &new.grants)?;
        self.check_grants(workspace, &new.grants)?;
        let held = format!("SELECT count(*) FROM {HOLDS} AND t.workspace = ?2");
        if self.count("count tokens", &held, values![self.now, number])? >= TOKENS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {TOKENS_MAX} tokens that hold"),
                mend: "end some that are not used: `lastUsedAt` says which".to_owned(),
            });
        }
        let expires_at = [new.expires_at, self.end_of_maker(number)?].into_iter().flatten().min();
        let id = new_id(self.random());
        let token = format!("domt_{}_{}", self.region().key_prefix, base62(self.random(), TOKEN_CHARS));
        self.run(
            "make a token",
            "INSERT INTO tokens (id, workspace, name, description, hash, created_by, created_at, expires_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            values![
                id,
                number,
                name,
                description,
                sha256(token.as_bytes()),
                self.by().code(),
                self.now,
                expires_at,
                self.makes()
            ],
        )?;
        self.write_permissions(workspace, Subject::Token(&id), &new.grants)?;
        let of = Resourced { workspace: Some(number), resource: Resource::Token, id: &id, name: &name };
        let mut after = permission::shown(&new.grants);
        (after["name"], after["expiresAt"]) = (json!(name), json!(expires_at.map(|end| end.0)));
        self.note("Token Created", &of, None, Some(after))?;
        Ok(MadeToken { id, token, expires_at })
    }

    /// When the token ends that makes this change; `None` for one without an end, and for who is no token of the workspace.
    fn end_of_maker(&self, workspace: u32) -> Result<Option<Millis>, ControlError> {
        let Actor::Token { id, .. } = self.by() else { return Ok(None) };
        let sql = "SELECT expires_at FROM tokens WHERE id = ?1 AND workspace = ?2";
        Ok(self.one("find a token", sql, values![id, workspace], |row| row.get(0))?.flatten())
    }

    /// Ends a token, and those that it made: whoever shows one from now on is nobody.
    pub fn revoke_token(&mut self, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError> {
        let token = self.live_token(workspace, id)?;
        self.end_with_made(workspace, vec![(token, true)])
    }

    /// Ends a token alone: how one that made others is replaced by one of them.
    pub fn revoke_token_alone(&mut self, workspace: &WorkspaceId, id: &str) -> Result<(), ControlError> {
        let token = self.live_token(workspace, id)?;
        self.end_token(&token)
    }

    /// Ends the tokens that a person made in a workspace, and those that these made.
    pub(crate) fn revoke_tokens_of(&mut self, workspace: &WorkspaceId, user: &str) -> Result<(), ControlError> {
        let number = self.workspace_number(workspace)?;
        let theirs = self.made_by(number, &format!("user:{user}"))?;
        self.end_with_made(workspace, theirs)
    }

    fn live_token(&self, workspace: &WorkspaceId, id: &str) -> Result<TokenRow, ControlError> {
        let number = self.workspace_number(workspace)?;
        let sql = "SELECT t.id, t.name, w.id FROM tokens t JOIN workspaces w ON w.number = t.workspace
                   WHERE t.revoked_at IS NULL AND t.workspace = ?1 AND t.id = ?2";
        let found = self.one("find a token", sql, values![number, id], token_row)?;
        found.ok_or(ControlError::NotFound(Resource::Token))
    }

    /// Ends those of these tokens that are live, and whatever they made: one that was ended alone left what it made.
    fn end_with_made(
        &mut self,
        workspace: &WorkspaceId,
        mut makers: Vec<(TokenRow, bool)>,
    ) -> Result<(), ControlError> {
        let number = self.workspace_number(workspace)?;
        while let Some((token, is_live)) = makers.pop() {
            if is_live {
                self.end_token(&token)?;
            }
            makers.extend(self.made_by(number, &format!("token:{}", token.0))?);
        }
        Ok(())
    }

    /// What `maker` made in a workspace, and whether each was not revoked. `maker`: as on the trail.
    fn made_by(&self, workspace: u32, maker: &str) -> Result<Vec<(TokenRow, bool)>, ControlError> {
        self.all(
            "find what somebody made",
            "SELECT t.id, t.name, w.id, t.revoked_at IS NULL FROM tokens t JOIN workspaces w ON w.number = t.workspace
             WHERE t.workspace = ?1 AND t.created_by = ?2 ORDER BY t.number",
            values![workspace, maker],
            |row| Ok((token_row(row)?, row.get(3)?)),
        )
    }

    fn end_token(&mut self, (id, name, workspace): &TokenRow) -> Result<(), ControlError> {
        self.run(
            "revoke a token",
            "UPDATE tokens SET revoked_at = ?2, version = ?3 WHERE id = ?1",
            values![id, self.now, self.makes()],
        )?;
        self.write_permissions(workspace, Subject::Token(id), &Grants::default())?;
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::Token, id, name };
        self.note("Token Revoked", &of, None, None)
    }

    /// Makes a token for who runs the cell. It opens the operator's part of the API, and no workspace.
    pub fn create_operator_token(&mut self, name: &str) -> Result<MadeToken, ControlError> {
        let name = text::name("name", name)?;
        let id = new_id(self.random());
        let token = format!("domo_{}_{}", self.region().key_prefix, base62(self.random(), TOKEN_CHARS));
        self.run(
            "make an operator's token",
            "INSERT INTO operator_tokens (id, name, hash, created_at) VALUES (?1, ?2, ?3, ?4)",
            values![id, name, sha256(token.as_bytes()), self.now],
        )?;
        let of = Resourced { workspace: None, resource: Resource::Token, id: &id, name: &name };
        self.note("Operator Token Created", &of, None, Some(json!({ "name": name })))?;
        Ok(MadeToken { id, token, expires_at: None })
    }
}

/// A token `t` of a workspace `w` that holds at `?1`.
const HOLDS: &str = "tokens t JOIN workspaces w ON w.number = t.workspace
                     WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?1)";

/// Id, name and workspace.
type TokenRow = (String, String, WorkspaceId);

impl View<'_> {
    /// Whose token this is, and when it was last noted as used.
    ///
    /// Found by its hash, so the time it takes says nothing about how much of a guess is right.
    fn token(&self, bearer: &str) -> Result<Option<(Scope, Option<Millis>)>, ControlError> {
        let sql = format!("SELECT t.id, t.name, w.id, t.last_used_at FROM {HOLDS} AND t.hash = ?2");
        let found = self.one("find a token", &sql, values![self.now, sha256(bearer.as_bytes())], |row| {
            Ok((token_row(row)?, row.get(3)?))
        })?;
        found.map(|(token, used)| Ok((self.scope(token)?, used))).transpose()
    }

    /// The operator's token with this id, if it still holds.
    pub(crate) fn operator_with_id(&self, id: &str) -> Result<Option<Scope>, ControlError> {
        self.one(
            "find an operator's token",
            "SELECT id, name FROM operator_tokens WHERE id = ?1 AND revoked_at IS NULL",
            values![id],
            |row| Ok(Scope::of_operator(row.get(0)?, row.get(1)?)),
        )
    }

    fn operator_token(&self, bearer: &str) -> Result<Option<(Scope, Option<Millis>)>, ControlError> {
        self.one(
            "find an operator's token",
            "SELECT id, name, last_used_at FROM operator_tokens WHERE hash = ?1 AND revoked_at IS NULL",
            values![sha256(bearer.as_bytes())],
            |row| Ok((Scope::of_operator(row.get(0)?, row.get(1)?), row.get(2)?)),
        )
    }

    /// The token with this id, if it still holds.
    pub fn token_with_id(&self, id: &str) -> Result<Option<Scope>, ControlError> {
        let sql = format!("SELECT t.id, t.name, w.id FROM {HOLDS} AND t.id = ?2");
        let found = self.one("find a token", &sql, values![self.now, id], token_row)?;
        found.map(|token| self.scope(token)).transpose()
    }

    fn scope(&self, (id, name, workspace): TokenRow) -> Result<Scope, ControlError> {
        let grants = self.permissions(&workspace, Subject::Token(&id))?;
        Ok(Scope::of_token(id, name, workspace, grants))
    }

    /// The tokens of a workspace that were not revoked, those that have run out too.
    pub fn tokens(&self, workspace: &WorkspaceId, page: &Page) -> Result<Listed<TokenRecord>, ControlError> {
        let list = List {
            doing: "read tokens",
            columns: "id, name, description, created_by, created_at, expires_at, last_used_at",
            from: "tokens WHERE workspace = ?1 AND revoked_at IS NULL",
            count_from: "tokens WHERE workspace = ?1 AND revoked_at IS NULL",
            number: "number",
            values: values![self.workspace_number(workspace)?],
        };
        let mut listed = self.page(&list, page, record)?;
        for token in &mut listed.rows {
            token.grants = self.permissions(workspace, Subject::Token(&token.id))?;
        }
        Ok(listed)
    }

    /// Whether `token` is a token of this workspace that holds.
    pub(crate) fn token_holds(&self, workspace: &WorkspaceId, token: &str) -> Result<bool, ControlError> {
        Ok(self.token(token)?.is_some_and(|(scope, _)| scope.workspace == *workspace))
    }
}

impl Store {
    /// As [`View::token_with_id`](crate::View::token_with_id).
    pub fn token_with_id(&self, id: &str) -> Result<Option<Scope>, ControlError> {
        self.view(|view| view.token_with_id(id))
    }

    /// Whose token this is, with what it may do now; `None` for the token of nobody, also for one of another cell, one that
    /// has run out and one that was revoked. Notes its use now and then.
    pub fn scope_of_token(&self, bearer: &str) -> Result<Option<Scope>, ControlError> {
        if bearer.is_empty() || bearer.len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let found = self.view(|view| match view.token(bearer)? {
            Some(found) => Ok(Some(found)),
            None => view.operator_token(bearer),
        })?;
        let Some((scope, last_used_at)) = found else { return Ok(None) };
        let now = self.inner.world.clock.now();
        if last_used_at.is_none_or(|last| now.since(last).unsigned_abs() >= USE_NOTED_MS.unsigned_abs()) {
            let sql = match scope.is_operator() {
                true => "UPDATE operator_tokens SET last_used_at = ?2 WHERE id = ?1",
                false => "UPDATE tokens SET last_used_at = ?2 WHERE id = ?1",
            };
            // Left out while somebody changes the store: whoever reads must not wait for that. The next use notes it.
            let noted = self.change_if_free(&Actor::Operator, |change| {
                change.run("note a token's use", sql, values![scope.id, now])
            });
            if let Err(error) = noted {
                // A full disk keeps nobody from reading.
                tracing::warn!(%error, "could not note a token's use");
            }
        }
        Ok(Some(scope))
    }

    /// The operator's token, made anew unless `kept` still holds: what `up` writes beside the data.
    pub fn operator_token(&self, kept: Option<&str>) -> Result<String, ControlError> {
        if let Some(kept) = kept
            && self.view(|view| view.operator_token(kept))?.is_some()
        {
            return Ok(kept.to_owned());
        }
        Ok(self
            .change(&Actor::Operator, |change| {
                change.run(
                    "end the operator's old token",
                    "UPDATE operator_tokens SET revoked_at = ?1 WHERE revoked_at IS NULL AND name = ?2",
                    values![change.now, OPERATOR],
                )?;
                change.create_operator_token(OPERATOR)
            })?
            .token)
    }
}

/// The name of the token that `up` makes.
const OPERATOR: &str = "operator";

fn token_row(row: &Row) -> Result<TokenRow, DbError> {
    Ok((row.get(0)?, row.get(1)?, WorkspaceId::new(row.get::<String>(2)?)))
}

/// From a row with the number and the columns.
fn record(row: &Row) -> Result<TokenRecord, DbError> {
    Ok(TokenRecord {
        id: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        grants: Grants::default(),
        created_by: row.get(4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        last_used_at: row.get(7)?,
    })
}
