//! A person's own pages: the workspaces to choose from, another password, an invitation taken up.

use crate::entry::{person, workspace_cookie};
use crate::overview::fault;
use crate::page::render_as;
use crate::router::Console;
use crate::session::from_own_page;
use crate::sign_in::{client, field, right, signed_in};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domicile_api::ApiError;
use domicile_control::{Actor, ControlError, Session, UserRecord};
use domicile_listen::Peer;
use domicile_workspace::WorkspaceId;
use http::{HeaderMap, StatusCode, header};

const OTHER_SITE: &str = "This form was sent from another site.";

#[derive(Template)]
#[template(path = "workspaces.html")]
struct WorkspacesPage {
    region: String,
    email: String,
    /// Id, name and slug.
    workspaces: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage<'a> {
    email: &'a str,
    /// Nothing else can be done before.
    must: bool,
    fault: &'a str,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage<'a> {
    token: &'a str,
    email: &'a str,
    workspace: &'a str,
    /// Whoever is signed in has this invitation's address, and only says yes.
    is_own: bool,
    fault: &'a str,
}

/// The person, or the way to the sign-in page.
async fn own(console: &Console, headers: &HeaderMap) -> Result<Session, Response> {
    match person(console, headers).await {
        Ok(Some(session)) => Ok(session),
        Ok(None) => Err(Redirect::to("/sign-in").into_response()),
        Err(error) => Err(fault(&error)),
    }
}

pub(crate) async fn workspaces(State(console): State<Console>, headers: HeaderMap) -> Response {
    let session = match own(&console, &headers).await {
        Ok(session) if session.user.must_change => return Redirect::to("/password").into_response(),
        Ok(session) => session,
        Err(response) => return response,
    };
    let user = session.user.id.clone();
    let found = console.cell.blocking(move |cell| Ok(cell.control.view(|view| view.workspaces_of_user(&user))?)).await;
    match found {
        Ok(found) => {
            let workspaces = found.into_iter().map(|one| (one.id.to_string(), one.name, one.slug)).collect();
            let region = console.cell.region.name.clone();
            render_as(StatusCode::OK, &WorkspacesPage { region, email: session.user.email, workspaces })
        }
        Err(error) => fault(&error),
    }
}

/// `workspace=ID`. The choice opens nothing: each page looks whether the person is a member.
pub(crate) async fn choose(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    if !from_own_page(&headers) {
        return (StatusCode::FORBIDDEN, OTHER_SITE).into_response();
    }
    let session = match own(&console, &headers).await {
        Ok(session) => session,
        Err(response) => return response,
    };
    let wanted = WorkspaceId::new(field(&body, "workspace"));
    let (user, asked) = (session.user.id, wanted.clone());
    let scope =
        console.cell.blocking(move |cell| Ok(cell.control.view(|view| view.scope_of_user(&user, &asked))?)).await;
    let mut response = match scope {
        Ok(Some(_)) => Redirect::to("/").into_response(),
        Ok(None) => return Redirect::to("/workspaces").into_response(),
        Err(error) => return fault(&error),
    };
    if let Some(set) = workspace_cookie(&console).set(wanted.as_str()) {
        response.headers_mut().insert(header::SET_COOKIE, set);
    }
    response
}

pub(crate) async fn password(State(console): State<Console>, headers: HeaderMap) -> Response {
    match own(&console, &headers).await {
        Ok(session) => show_password(&session.user, StatusCode::OK, ""),
        Err(response) => response,
    }
}

fn show_password(user: &UserRecord, status: StatusCode, fault: &str) -> Response {
    render_as(status, &PasswordPage { email: &user.email, must: user.must_change, fault })
}

/// `current`, `new` and `again`. All sessions end; this browser gets a new one.
pub(crate) async fn change_password(
    State(console): State<Console>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !from_own_page(&headers) {
        return (StatusCode::FORBIDDEN, OTHER_SITE).into_response();
    }
    let user = match own(&console, &headers).await {
        Ok(session) => session.user,
        Err(response) => return response,
    };
    let (current, new, again) = (field(&body, "current"), field(&body, "new"), field(&body, "again"));
    if new != again {
        return show_password(&user, StatusCode::UNPROCESSABLE_ENTITY, "The two new passwords differ.");
    }
    if new == current {
        return show_password(&user, StatusCode::UNPROCESSABLE_ENTITY, "The new password is the old one.");
    }
    match right(&console, &user.email, current, client(&console, peer, &headers)).await {
        Ok(Some(found)) if found.id == user.id => {}
        Ok(_) => return show_password(&user, StatusCode::UNAUTHORIZED, "The password so far is wrong."),
        Err(response) => return response,
    }
    let Ok(_place) = console.hashing.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let whose = user.clone();
    let changed = console.cell.blocking(move |cell| {
        let hash = match cell.control.hash_password(&new, &whose.email, &whose.name) {
            Ok(hash) => hash,
            Err(ControlError::Invalid { what, mend, .. }) => {
                return Ok(Err(format!("The new password {what}; {mend}.")));
            }
            Err(error) => return Err(error.into()),
        };
        let by = Actor::User { id: whose.id.clone(), name: whose.email };
        let changed = cell.control.change(&by, |change| {
            change.set_password(&whose.id, &hash, false)?;
            change.user(&whose.id)
        })?;
        Ok(Ok(changed))
    });
    match changed.await {
        Ok(Ok(changed)) => signed_in(&console, &headers, changed, "password", Redirect::to("/").into_response()).await,
        Ok(Err(fault)) => show_password(&user, StatusCode::UNPROCESSABLE_ENTITY, &fault),
        Err(error) => fault(&error),
    }
}

/// What an invitation is for: the address, and the workspace's name.
async fn invited(console: &Console, token: &str) -> Result<Option<(String, String)>, ApiError> {
    let token = token.to_owned();
    console
        .cell
        .blocking(move |cell| {
            let found = cell.control.view(|view| match view.invite_of(&token) {
                Ok(invite) => Ok(Some((invite.email, view.workspace(&invite.workspace)?.name))),
                Err(ControlError::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            })?;
            Ok(found)
        })
        .await
}

pub(crate) async fn invite(State(console): State<Console>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    show_invite(&console, &token, &headers, StatusCode::OK, "").await
}

async fn show_invite(console: &Console, token: &str, headers: &HeaderMap, status: StatusCode, said: &str) -> Response {
    let (email, workspace) = match invited(console, token).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let said = "This invitation does not hold any more. Ask for a new one.";
            return crate::sign_in::refuse(console, StatusCode::NOT_FOUND, said).await;
        }
        Err(error) => return fault(&error),
    };
    let is_own = match person(console, headers).await {
        Ok(session) => session.is_some_and(|session| session.user.email == email),
        Err(error) => return fault(&error),
    };
    render_as(status, &InvitePage { token, email: &email, workspace: &workspace, is_own, fault: said })
}

/// Takes an invitation up: as who is signed in, or as somebody new with `name` and `password`.
pub(crate) async fn accept(
    State(console): State<Console>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !from_own_page(&headers) {
        return (StatusCode::FORBIDDEN, OTHER_SITE).into_response();
    }
    let (email, _) = match invited(&console, &token).await {
        Ok(Some(found)) => found,
        Ok(None) => return show_invite(&console, &token, &headers, StatusCode::NOT_FOUND, "").await,
        Err(error) => return fault(&error),
    };
    let own = match person(&console, &headers).await {
        Ok(session) => session.filter(|session| session.user.email == email),
        Err(error) => return fault(&error),
    };
    let is_signed_in = own.is_some();
    let (name, password, asked) = (field(&body, "name"), field(&body, "password"), token.clone());
    let Ok(_place) = console.hashing.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let done = console.cell.blocking(move |cell| {
        let done = match own {
            Some(Session { user, .. }) => {
                let by = Actor::User { id: user.id.clone(), name: user.email.clone() };
                cell.control.change(&by, |change| change.accept_invite_as(&asked, &user.id)).map(|_| user)
            }
            None => {
                let hash = cell.control.hash_password(&password, &email, &name);
                hash.and_then(|hash| cell.control.accept_invite(&asked, &name, hash))
            }
        };
        match done {
            Ok(user) => Ok(Ok(user)),
            Err(ControlError::Invalid { field, what, mend }) => Ok(Err(format!("The {field} {what}; {mend}."))),
            Err(ControlError::Conflict { .. }) => {
                let said = "This address has an account already, or signs in by its own provider: sign in first, then open \
                            this link again.";
                Ok(Err(said.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    });
    match done.await {
        Ok(Ok(_)) if is_signed_in => Redirect::to("/workspaces").into_response(),
        Ok(Ok(user)) => signed_in(&console, &headers, user, "password", Redirect::to("/").into_response()).await,
        Ok(Err(said)) => show_invite(&console, &token, &headers, StatusCode::UNPROCESSABLE_ENTITY, &said).await,
        Err(error) => fault(&error),
    }
}
