//! Signing in, by e-mail address and password or with a token, and signing out.
//!
//! - Wrong passwords are slowed, for each address that is tried and each that tries. What is said is the same whether
//!   there is such a person or not, and so is the time it takes.
//! - A sign-in never goes on in a session that was there before: somebody else may know its id.

use crate::entry::{self, session_cookie};
use crate::page::render_as;
use crate::router::Console;
use crate::session::from_own_page;
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domicile_api::ApiError;
use domicile_control::{Actor, ControlError, TooSoon, UserRecord};
use domicile_listen::{Peer, client_address};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use std::net::{IpAddr, Ipv4Addr};

const OTHER_SITE: &str = "This form was sent from another site. Sign in here.";
const WRONG: &str = "The e-mail address or the password is wrong.";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    region: &'a str,
    country: String,
    /// What went wrong the last time.
    fault: &'a str,
    /// Id and name.
    providers: Vec<(String, String)>,
    /// Whether one says of which workspace, before its providers are named.
    asks_workspace: bool,
}

/// A field of a form.
pub(crate) fn field(body: &[u8], name: &str) -> String {
    form_urlencoded::parse(body)
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Where a request comes from: the connection's address, or what a trusted proxy says. Behind a proxy that is not trusted,
/// all clients are one.
pub(crate) fn client(console: &Console, peer: Option<Extension<Peer>>, headers: &HeaderMap) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(peer)| peer.ip);
    client_address(peer, headers, &console.trusted_proxies)
}

pub(crate) async fn page(State(console): State<Console>, uri: Uri) -> Response {
    let workspace = field(uri.query().unwrap_or_default().as_bytes(), "workspace");
    show(&console, StatusCode::OK, "", &workspace).await
}

/// The page, with the providers of a workspace's account; of the only account that has some, when none is named: whom
/// else the cell serves is not for everybody to read.
async fn show(console: &Console, status: StatusCode, fault: &str, workspace: &str) -> Response {
    let workspace = workspace.to_owned();
    let listed = console.cell.blocking(move |cell| {
        let listed = cell.control.view(|view| {
            let mut all = view.identity_providers(None)?;
            all.retain(|provider| provider.enabled);
            let named = match workspace.is_empty() {
                true => None,
                false => view.find_workspace_by_slug(&workspace)?.map(|workspace| workspace.account),
            };
            let only = all.first().map(|first| first.account.clone());
            let only = only.filter(|only| all.iter().all(|provider| provider.account == *only));
            let asks = only.is_none() && !all.is_empty();
            let account = named.or(only);
            all.retain(|provider| Some(&provider.account) == account.as_ref());
            Ok::<_, ControlError>((all.into_iter().map(|one| (one.id, one.name)).collect(), asks))
        })?;
        Ok(listed)
    });
    let (providers, asks_workspace) = match listed.await {
        Ok(listed) => listed,
        Err(error) => {
            // Who has a password or a token signs in all the same.
            tracing::warn!(message = error.message(), "could not list the identity providers");
            (Vec::new(), false)
        }
    };
    let region = &console.cell.region;
    let country = region.country.to_string();
    render_as(status, &SignInPage { region: &region.name, country, fault, providers, asks_workspace })
}

pub(crate) async fn refuse(console: &Console, status: StatusCode, fault: &str) -> Response {
    show(console, status, fault, "").await
}

/// `token=…`, or `email=…&password=…`, as a form sends it.
pub(crate) async fn sign_in(
    State(console): State<Console>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !from_own_page(&headers) {
        return refuse(&console, StatusCode::FORBIDDEN, OTHER_SITE).await;
    }
    let (email, password) = (field(&body, "email"), field(&body, "password"));
    if email.is_empty() && password.is_empty() {
        return with_token(&console, &headers, field(&body, "token").trim().to_owned()).await;
    }
    match right(&console, &email, password, client(&console, peer, &headers)).await {
        Ok(Some(user)) => signed_in(&console, &headers, user, "password", Redirect::to("/").into_response()).await,
        Ok(None) => refuse(&console, StatusCode::UNAUTHORIZED, WRONG).await,
        Err(response) => response,
    }
}

/// Who this is, if the password is right and it is not tried too often.
pub(crate) async fn right(
    console: &Console,
    email: &str,
    password: String,
    client: IpAddr,
) -> Result<Option<UserRecord>, Response> {
    let now = console.cell.world.clock.monotonic();
    if let Err(soon) = console.throttle.begin(email, client, now) {
        return Err(too_soon(console, soon).await);
    }
    let Ok(_place) = console.hashing.acquire().await else { return Ok(None) };
    let asked = email.to_owned();
    let found = console.cell.blocking(move |cell| Ok(cell.control.user_with_password(&asked, &password)?)).await;
    match found {
        Ok(Some(user)) => {
            console.throttle.right(email, client);
            Ok(Some(user))
        }
        Ok(None) => Ok(None),
        Err(error) => Err(refuse(console, error.status(), error.message()).await),
    }
}

async fn too_soon(console: &Console, soon: TooSoon) -> Response {
    let seconds = soon.seconds();
    let fault = format!("Too many wrong passwords. Try again in {seconds} s.");
    let mut response = refuse(console, StatusCode::TOO_MANY_REQUESTS, &fault).await;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Opens a session of the store, for somebody as they were when it was found out that it is them, ends the one that was there, and sets the cookie on `response`.
pub(crate) async fn signed_in(
    console: &Console,
    headers: &HeaderMap,
    user: UserRecord,
    how: &str,
    mut response: Response,
) -> Response {
    end(console, headers).await;
    let how = how.to_owned();
    let opened = console.cell.blocking(move |cell| {
        let by = Actor::User { id: user.id.clone(), name: user.email.clone() };
        Ok(cell.control.change(&by, |change| change.open_session(&user, &how))?)
    });
    match opened.await {
        Ok(id) => {
            if let Some(set) = session_cookie(console).set(&id) {
                response.headers_mut().append(header::SET_COOKIE, set);
            }
            response
        }
        Err(error) => refuse(console, error.status(), error.message()).await,
    }
}

async fn with_token(console: &Console, headers: &HeaderMap, token: String) -> Response {
    let scope = match console.cell.blocking(move |cell| Ok(cell.control.scope_of_token(&token)?)).await {
        Ok(Some(scope)) if !scope.is_operator() => scope,
        Ok(_) => {
            let fault = "This is not a token of this region. Each region has its own; demo.json lists them.";
            return refuse(console, StatusCode::UNAUTHORIZED, fault).await;
        }
        Err(error) => return refuse(console, error.status(), error.message()).await,
    };
    end(console, headers).await;
    let mut response = Redirect::to("/").into_response();
    if let Some(set) = session_cookie(console).set(&console.sessions.open(scope.id)) {
        response.headers_mut().insert(header::SET_COOKIE, set);
    }
    response
}

/// Ends the session that the browser holds, of whichever kind.
async fn end(console: &Console, headers: &HeaderMap) {
    let Some(id) = session_cookie(console).read(headers).map(str::to_owned) else { return };
    console.sessions.close(&id);
    let ended = console
        .cell
        .blocking(move |cell| Ok(cell.control.change(&Actor::Operator, |change| change.end_session(&id))?));
    if let Err(error) = ended.await {
        tracing::warn!(message = error.message(), "could not end a session");
    }
}

pub(crate) async fn sign_out(State(console): State<Console>, headers: HeaderMap) -> Response {
    if !from_own_page(&headers) {
        return refuse(&console, StatusCode::FORBIDDEN, OTHER_SITE).await;
    }
    end(&console, &headers).await;
    gone(&console)
}

/// Ends all sessions of the person, in all browsers.
pub(crate) async fn sign_out_everywhere(State(console): State<Console>, headers: HeaderMap) -> Response {
    if !from_own_page(&headers) {
        return refuse(&console, StatusCode::FORBIDDEN, OTHER_SITE).await;
    }
    let ended: Result<(), ApiError> = match entry::person(&console, &headers).await {
        Ok(Some(session)) => {
            let user = session.user;
            let work = move |cell: &domicile_api::Cell| {
                let by = Actor::User { id: user.id.clone(), name: user.email };
                Ok(cell.control.change(&by, |change| change.end_sessions_of(&user.id))?)
            };
            console.cell.blocking(work).await
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    end(&console, &headers).await;
    match ended {
        Ok(()) => gone(&console),
        Err(error) => refuse(&console, error.status(), error.message()).await,
    }
}

fn gone(console: &Console) -> Response {
    let mut response = Redirect::to("/sign-in").into_response();
    for cookie in [session_cookie(console), entry::workspace_cookie(console)] {
        if let Some(clear) = cookie.clear() {
            response.headers_mut().append(header::SET_COOKIE, clear);
        }
    }
    response
}
