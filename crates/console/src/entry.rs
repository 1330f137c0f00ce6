//! Who comes in, and into which workspace: a person with a session of the store, or whoever signed in with a token.
//!
//! A person who has to change their password, or to choose among several workspaces, is led there first.

use crate::overview::fault;
use crate::router::Console;
use crate::session::Cookie;
use axum::response::{IntoResponse, Redirect, Response};
use domicile_api::ApiError;
use domicile_control::{ControlError, Scope, Session};
use domicile_workspace::WorkspaceId;
use http::HeaderMap;

/// Whose browser this is, and what there is to see.
pub(crate) enum Entry {
    In(Scope),
    /// Nobody, or somebody whose session has ended.
    Nobody,
    /// A person who goes somewhere else first.
    First(&'static str),
}

/// The cookie that holds a session's id.
pub(crate) fn session_cookie(console: &Console) -> Cookie {
    Cookie::of(console.cell.region.id.as_str(), console.address())
}

/// The cookie that says which workspace a person looks at. It opens nothing by itself.
pub(crate) fn workspace_cookie(console: &Console) -> Cookie {
    Cookie::of(&format!("{}-workspace", console.cell.region.id), console.address())
}

/// The person whose session the browser holds.
pub(crate) async fn person(console: &Console, headers: &HeaderMap) -> Result<Option<Session>, ApiError> {
    let Some(id) = session_cookie(console).read(headers).map(str::to_owned) else { return Ok(None) };
    console.cell.blocking(move |cell| Ok(cell.control.session(&id)?)).await
}

pub(crate) async fn entry(console: &Console, headers: &HeaderMap) -> Result<Entry, ApiError> {
    let Some(id) = session_cookie(console).read(headers).map(str::to_owned) else { return Ok(Entry::Nobody) };
    if let Some(token_id) = console.sessions.token_id(&id) {
        let scope = console.cell.blocking(move |cell| Ok(cell.control.token_with_id(&token_id)?)).await?;
        return Ok(scope.map_or(Entry::Nobody, Entry::In));
    }
    let chosen = workspace_cookie(console).read(headers).map(WorkspaceId::new);
    console
        .cell
        .blocking(move |cell| {
            let Some(session) = cell.control.session(&id)? else { return Ok(Entry::Nobody) };
            if session.user.must_change {
                return Ok(Entry::First("/password"));
            }
            let scope = cell.control.view(|view| {
                if let Some(chosen) = chosen
                    && let Some(scope) = view.scope_of_user(&session.user.id, &chosen)?
                {
                    return Ok::<_, ControlError>(Some(scope));
                }
                match &view.workspaces_of_user(&session.user.id)?[..] {
                    [only] => view.scope_of_user(&session.user.id, &only.id),
                    _ => Ok(None),
                }
            })?;
            Ok(scope.map_or(Entry::First("/workspaces"), |scope| Entry::In(scope.in_session(&session))))
        })
        .await
}

/// The scope of who comes in; else the answer that leads them where they go first.
pub(crate) async fn scope(console: &Console, headers: &HeaderMap) -> Result<Scope, Response> {
    match entry(console, headers).await {
        Ok(Entry::In(scope)) => Ok(scope),
        Ok(Entry::Nobody) => Err(Redirect::to("/sign-in").into_response()),
        Ok(Entry::First(path)) => Err(Redirect::to(path).into_response()),
        Err(error) => Err(fault(&error)),
    }
}
