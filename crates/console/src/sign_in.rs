//! Signing in with a token, until people have accounts.

use crate::page::{render, render_as};
use crate::router::Console;
use crate::session::{Cookie, from_own_page};
use askama::Template;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domicile_api::ApiError;
use domicile_control::TokenScope;
use http::{HeaderMap, StatusCode, header};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    region: &'a str,
    country: String,
    /// What went wrong the last time.
    fault: &'a str,
}

/// Whoever is signed in, if the token still holds.
pub(crate) async fn signed_in(console: &Console, headers: &HeaderMap) -> Result<Option<TokenScope>, ApiError> {
    let token_id = cookie(console).read(headers).and_then(|id| console.sessions.token_id(id));
    let Some(token_id) = token_id else { return Ok(None) };
    console.cell.blocking(move |cell| Ok(cell.control.token_with_id(&token_id)?)).await
}

fn cookie(console: &Console) -> Cookie {
    let region = &console.cell.region.id;
    Cookie::of(region.as_str(), console.cell.addresses.cells.get(region).map(String::as_str))
}

pub(crate) async fn page(State(console): State<Console>) -> Response {
    show(&console, StatusCode::OK, "")
}

fn show(console: &Console, status: StatusCode, fault: &str) -> Response {
    let region = &console.cell.region;
    let page = SignInPage { region: &region.name, country: region.country.to_string(), fault };
    if status == StatusCode::OK { render(&page) } else { render_as(status, &page) }
}

/// `token=…` as a form sends it.
pub(crate) async fn sign_in(State(console): State<Console>, headers: HeaderMap, body: Bytes) -> Response {
    if !from_own_page(&headers) {
        return show(&console, StatusCode::FORBIDDEN, "This form was sent from another site. Sign in here.");
    }
    let token =
        form_urlencoded::parse(&body).find(|(name, _)| name == "token").map(|(_, token)| token.trim().to_owned());
    let token = token.unwrap_or_default();
    let scope = match console.cell.blocking(move |cell| Ok(cell.control.token_of(&token)?)).await {
        Ok(Some(scope)) => scope,
        Ok(None) => {
            let fault = "This is not a token of this region. Each region has its own; demo.json lists them.";
            return show(&console, StatusCode::UNAUTHORIZED, fault);
        }
        Err(error) => return show(&console, error.status(), error.message()),
    };
    let cookie = cookie(&console);
    // Never go on in a session that was there before: someone else may know its id.
    if let Some(before) = cookie.read(&headers) {
        console.sessions.close(before);
    }
    let mut response = Redirect::to("/").into_response();
    if let Some(set) = cookie.set(&console.sessions.open(scope.id)) {
        response.headers_mut().insert(header::SET_COOKIE, set);
    }
    response
}

pub(crate) async fn sign_out(State(console): State<Console>, headers: HeaderMap) -> Response {
    if !from_own_page(&headers) {
        return show(&console, StatusCode::FORBIDDEN, "This form was sent from another site.");
    }
    let cookie = cookie(&console);
    if let Some(id) = cookie.read(&headers) {
        console.sessions.close(id);
    }
    let mut response = Redirect::to("/sign-in").into_response();
    if let Some(clear) = cookie.clear() {
        response.headers_mut().insert(header::SET_COOKIE, clear);
    }
    response
}
