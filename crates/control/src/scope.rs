//! Scopes: who asks, in which workspace, and what they may do there. Everything that the API and the console do begins
//! with one.
//!
//! A scope is what was so when it was read: read it anew for each request, and now and then while an answer goes on.

use crate::audit::Actor;
use crate::db::values;
use crate::role::Grants;
use crate::session::Session;
use crate::view::View;
use crate::{ControlError, Store};
use domicile_workspace::WorkspaceId;

/// Who someone is, in which workspace, and what they may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Of the token or the person.
    pub id: String,
    pub actor: Actor,
    pub workspace: WorkspaceId,
    pub grants: Grants,
    operator: bool,
    /// Hash of the session that it is for; it ends with that.
    session: Option<[u8; 32]>,
}

impl Scope {
    pub(crate) fn of_token(id: String, name: String, workspace: WorkspaceId, grants: Grants) -> Self {
        let actor = Actor::Token { id: id.clone(), name };
        Self { id, actor, workspace, grants, operator: false, session: None }
    }

    pub(crate) fn of_user(id: String, email: String, workspace: WorkspaceId, grants: Grants) -> Self {
        let actor = Actor::User { id: id.clone(), name: email };
        Self { id, actor, workspace, grants, operator: false, session: None }
    }

    /// A person's, as long as this session holds.
    pub fn in_session(self, session: &Session) -> Self {
        Self { session: Some(session.hash), ..self }
    }

    pub(crate) fn of_operator(id: String, name: String) -> Self {
        let actor = Actor::Token { id: id.clone(), name };
        Self { id, actor, workspace: WorkspaceId::new(""), grants: Grants::default(), operator: true, session: None }
    }

    /// Whether it is the one who runs the cell, who is in no workspace.
    pub fn is_operator(&self) -> bool {
        self.operator
    }
}

impl View<'_> {
    /// What a person may do in a workspace; `None` for who is no member, or has to change their password first.
    pub fn scope_of_user(&self, user: &str, workspace: &WorkspaceId) -> Result<Option<Scope>, ControlError> {
        let found = self.one(
            "find a member",
            "SELECT u.email FROM users u WHERE u.id = ?1 AND u.deleted_at IS NULL AND u.must_change = 0 AND EXISTS
                 (SELECT 1 FROM permissions p JOIN workspaces w ON w.number = p.workspace
                  WHERE p.subject_kind = 'user' AND p.subject = u.id AND w.id = ?2)",
            values![user, workspace.as_str()],
            |row| row.get::<String>(0),
        )?;
        let Some(email) = found else { return Ok(None) };
        let grants = self.grants_of_user(workspace, user)?;
        Ok(Some(Scope::of_user(user.to_owned(), email, workspace.clone(), grants)))
    }

    /// The same token's or person's scope as it is now; `None` when it holds no more.
    pub fn scope_again(&self, scope: &Scope) -> Result<Option<Scope>, ControlError> {
        match &scope.actor {
            _ if scope.is_operator() => self.operator_with_id(&scope.id),
            Actor::Operator => Ok(None),
            Actor::User { id, .. } => {
                if let Some(hash) = &scope.session
                    && self.session_with_hash(hash)?.is_none()
                {
                    return Ok(None);
                }
                let again = self.scope_of_user(id, &scope.workspace)?;
                Ok(again.map(|again| Scope { session: scope.session, ..again }))
            }
            Actor::Token { id, .. } => self.token_with_id(id),
        }
    }
}

impl Store {
    /// As [`View::scope_again`].
    pub fn scope_again(&self, scope: &Scope) -> Result<Option<Scope>, ControlError> {
        self.view(|view| view.scope_again(scope))
    }
}
