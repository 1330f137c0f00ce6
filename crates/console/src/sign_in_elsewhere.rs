//! Signing in at an identity provider: off to it, and back.

use crate::oidc::{Identity, LIFE_MS, OidcError, Provider};
use crate::page::render;
use crate::router::Console;
use crate::session::Cookie;
use crate::sign_in::{client, refuse, signed_in};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domicile_api::ApiError;
use domicile_control::{ControlError, Resource, UserRecord, Vouched};
use domicile_listen::Peer;
use http::{HeaderMap, StatusCode, Uri, header};

const UNKNOWN: &str = "There is no such provider to sign in with. Choose another way.";

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage;

fn ticket_cookie(console: &Console) -> Cookie {
    Cookie::lax(&format!("oidc-{}", console.cell.region.id), console.address(), "/sign-in/oidc", LIFE_MS / 1_000)
}

fn answer_url(console: &Console, headers: &HeaderMap, id: &str) -> String {
    let base = match console.address() {
        Some(address) => address.trim_end_matches('/').to_owned(),
        None => format!("http://{}", headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()),
    };
    format!("{base}/sign-in/oidc/{id}/answer")
}

async fn provider(console: &Console, id: String) -> Result<Option<Provider>, ApiError> {
    console
        .cell
        .blocking(move |cell| {
            let found = cell.control.view(|view| {
                let provider = match view.identity_provider(&id) {
                    Ok(provider) if provider.enabled => provider,
                    Ok(_) | Err(ControlError::NotFound(_)) => return Ok(None),
                    Err(error) => return Err(error),
                };
                let secret = view.client_secret(&provider)?;
                let domicile_control::IdentityProvider { id, issuer, client_id, domains, country, .. } = provider;
                Ok(Some(Provider { id, issuer, client_id, secret, domains, country }))
            })?;
            Ok(found)
        })
        .await
}

pub(crate) async fn begin(
    State(console): State<Console>,
    Path(id): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let provider = match provider(&console, id).await {
        Ok(Some(provider)) => provider,
        Ok(None) => return refuse(&console, StatusCode::NOT_FOUND, UNKNOWN).await,
        Err(error) => return refuse(&console, error.status(), error.message()).await,
    };
    let client = client(&console, peer, &headers);
    match console.oidc.begin(&provider, &answer_url(&console, &headers, &provider.id), client).await {
        Ok(begun) => {
            let mut response = Redirect::to(&begun.url).into_response();
            if let Some(set) = ticket_cookie(&console).set(&begun.cookie) {
                response.headers_mut().insert(header::SET_COOKIE, set);
            }
            response
        }
        Err(error) => fail(&console, &provider, &error).await,
    }
}

pub(crate) async fn answer(
    State(console): State<Console>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let provider = match provider(&console, id).await {
        Ok(Some(provider)) => provider,
        Ok(None) => return refuse(&console, StatusCode::NOT_FOUND, UNKNOWN).await,
        Err(error) => return refuse(&console, error.status(), error.message()).await,
    };
    let cookie = ticket_cookie(&console);
    let url = answer_url(&console, &headers, &provider.id);
    let query = uri.query().unwrap_or_default();
    let found = console.oidc.finish(&provider, &url, query, cookie.read(&headers)).await;
    let mut response = match found {
        Ok(identity) => come_in(&console, &headers, &provider, identity).await,
        Err(error) => fail(&console, &provider, &error).await,
    };
    if let Some(clear) = cookie.clear() {
        response.headers_mut().append(header::SET_COOKIE, clear);
    }
    response
}

/// Finds or makes the person, and opens a session. The page that follows leads on by itself: the browser sends the
/// session's cookie, which no other site can use, only where a page of this site leads.
async fn come_in(console: &Console, headers: &HeaderMap, provider: &Provider, identity: Identity) -> Response {
    let id = provider.id.clone();
    let vouched = Vouched { subject: identity.subject, email: identity.email, name: identity.name };
    let found = console.cell.blocking(move |cell| match cell.control.user_vouched_for(&id, &vouched) {
        Ok(user) => Ok(Ok::<UserRecord, (StatusCode, String)>(user)),
        Err(ControlError::Refused { what, mend }) => {
            Ok(Err((StatusCode::FORBIDDEN, format!("Nobody is signed in: {what}; {mend}."))))
        }
        Err(ControlError::NotFound(Resource::IdentityProvider)) => Ok(Err((StatusCode::NOT_FOUND, UNKNOWN.to_owned()))),
        Err(ControlError::Invalid { .. }) => {
            let fault = "The provider's e-mail address for you is not one. Have it mended there.";
            Ok(Err((StatusCode::FORBIDDEN, fault.to_owned())))
        }
        Err(error) => Err(error.into()),
    });
    match found.await {
        Ok(Ok(user)) => signed_in(console, headers, user, &provider.id, render(&OnwardPage)).await,
        Ok(Err((status, fault))) => refuse(console, status, &fault).await,
        Err(error) => refuse(console, error.status(), error.message()).await,
    }
}

/// What is wrong with a provider's answer is for the log; the person reads that it is, and whom to tell.
async fn fail(console: &Console, provider: &Provider, error: &OidcError) -> Response {
    if let OidcError::Untrusted(what) = error {
        tracing::warn!(provider = provider.id, what, "an identity provider's answer was refused");
    }
    refuse(console, status(error), &error.to_string()).await
}

fn status(error: &OidcError) -> StatusCode {
    match error {
        OidcError::NotBegun => StatusCode::BAD_REQUEST,
        OidcError::TooMany => StatusCode::TOO_MANY_REQUESTS,
        OidcError::Declined => StatusCode::UNAUTHORIZED,
        OidcError::Unreachable | OidcError::Untrusted(_) => StatusCode::BAD_GATEWAY,
        OidcError::EmailNotVerified | OidcError::OtherDomain => StatusCode::FORBIDDEN,
    }
}
