//! Sign-in with somebody else's account: OpenID Connect, authorization code with PKCE.
//!
//! ```text
//! browser ── /sign-in/oidc/ID ──► begin: state, nonce, verifier into a signed cookie ──► the provider's page
//!         ◄─────────────────────────────────────────────── code, state ────────────────┘
//!         ── /sign-in/oidc/ID/answer ──► finish: state = cookie's, once ──► code + verifier for an ID token ──► Identity
//!                                                                          (by the border, like all that goes out)
//! ```
//!
//! - An answer counts in the browser that began, within ten minutes, and once. A network begins so many a minute.
//! - Of an ID token are checked: signature (RS256 or ES256 with a key of the provider's, nothing else), `iss`, `aud`, `azp`,
//!   `exp`, `nbf`, `iat`, `nonce`. The e-mail address must be verified, and of a domain that the provider is for.
//! - All that a provider answers is hostile input: bounded, read strictly, never shown.
//! - Addresses are https; plain http is for a provider on this very machine (loopback), as tests have one.
//!
//! No library for it: those at hand take time and randomness by themselves, and carry an RSA of known weakness.
//! What signs and compares here is aws-lc-rs.

mod begins;
mod discovery;
mod fetch;
mod id_token;
mod ticket;

pub(crate) use fetch::{BorderFetch, Fetch, FetchError, Fetched};
pub(crate) use ticket::LIFE_MS;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use begins::Begins;
use data_encoding::BASE64;
use discovery::{Discovered, Providers, SecretIn};
use domicile_region::Country;
use domicile_world::World;
use form_urlencoded::Serializer;
use http::HeaderValue;
use id_token::{Claims, Expected, Fault};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use ticket::{Ticket, Tickets};

/// Bytes of a code that a provider gives.
const CODE_BYTES_MAX: usize = 4_096;
/// Bytes of a subject: OpenID Connect allows 255.
const SUBJECT_BYTES_MAX: usize = 255;
const EMAIL_BYTES_MAX: usize = 320;

/// A provider as the operator set it up. No `Debug`: it holds a secret.
#[derive(Clone)]
pub(crate) struct Provider {
    pub id: String,
    pub issuer: String,
    pub client_id: String,
    /// `None` for a client that has none; PKCE holds without it.
    pub secret: Option<String>,
    /// In lower case. Of no domain, nobody is let in.
    pub domains: Vec<String>,
    /// Where it stands, as the operator says.
    pub country: Option<Country>,
}

/// Who somebody is, as a provider vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Names the person at the provider's issuer for ever; an e-mail address does not.
    pub subject: String,
    pub email: String,
    pub name: String,
}

/// Why nobody was signed in. The sentences are for the person, and hold nothing that a provider wrote.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum OidcError {
    #[error("This sign-in was not begun in this browser, or too long ago. Begin again.")]
    NotBegun,
    #[error("Too many sign-ins were begun from your network. Try again in a minute.")]
    TooMany,
    #[error("The provider did not sign you in. Begin again.")]
    Declined,
    #[error("The provider can't be reached. Try again later, or tell who runs this cell.")]
    Unreachable,
    /// Which rule it broke, for the log.
    #[error(
        "The provider's answer is not one that this cell trusts. Tell who runs this cell, who set the provider up."
    )]
    Untrusted(&'static str),
    #[error("The provider does not vouch for your e-mail address. Verify it there first.")]
    EmailNotVerified,
    #[error("This provider is not for e-mail addresses of your domain.")]
    OtherDomain,
}

/// Sign-ins under way, and what is known of providers.
#[derive(Clone)]
pub(crate) struct Oidc {
    world: World,
    fetch: Arc<dyn Fetch>,
    providers: Arc<Providers>,
    tickets: Arc<Tickets>,
    begins: Arc<Begins>,
}

/// Where the browser goes, and the cookie that it brings back.
pub(crate) struct Begun {
    pub url: String,
    pub cookie: String,
}

impl Oidc {
    pub fn new(world: World, fetch: Arc<dyn Fetch>) -> Self {
        let tickets = Arc::new(Tickets::new(&*world.random));
        Self { world, fetch, providers: Arc::default(), tickets, begins: Arc::default() }
    }

    /// Begins a sign-in. `answer_url`: where the provider sends the browser back, on this cell's public address. `client`:
    /// whose browser it is.
    pub async fn begin(&self, provider: &Provider, answer_url: &str, client: IpAddr) -> Result<Begun, OidcError> {
        if !self.begins.take(client, self.world.clock.monotonic()) {
            return Err(OidcError::TooMany);
        }
        let discovered = self.discovered(provider).await?;
        let ticket = Ticket::new(&provider.id, &self.world);
        let mut url = discovered.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", answer_url)
            .append_pair("scope", "openid email profile")
            .append_pair("state", &ticket.state)
            .append_pair("nonce", &ticket.nonce)
            .append_pair("code_challenge", &ticket.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(Begun { url: url.into(), cookie: self.tickets.sign(&ticket) })
    }

    /// Ends a sign-in. `query`: of the address to which the provider sent the browser. `cookie`: what [`Self::begin`] gave.
    pub async fn finish(
        &self,
        provider: &Provider,
        answer_url: &str,
        query: &str,
        cookie: Option<&str>,
    ) -> Result<Identity, OidcError> {
        let answer = Answer::read(query);
        let ticket = cookie.and_then(|cookie| self.tickets.open(cookie, self.world.clock.now()));
        let ticket = ticket.filter(|ticket| ticket.provider == provider.id).ok_or(OidcError::NotBegun)?;
        let state = answer.state.as_deref().unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), ticket.state.as_bytes()).map_err(|_| OidcError::NotBegun)?;
        if answer.failed {
            return Err(OidcError::Declined);
        }
        let code = answer.code.filter(|code| !code.is_empty() && code.len() <= CODE_BYTES_MAX);
        let code = code.ok_or(OidcError::Declined)?;
        // Only with a code: an answer without one signs nobody in, and has nothing to be remembered for.
        if !self.tickets.use_up(&ticket, self.world.clock.now()) {
            return Err(OidcError::NotBegun);
        }

        let discovered = self.discovered(provider).await?;
        match &answer.issuer {
            Some(issuer) if *issuer != provider.issuer => {
                return Err(OidcError::Untrusted("the answer is of another issuer"));
            }
            None if discovered.names_issuer => return Err(OidcError::Untrusted("the answer does not name its issuer")),
            _ => {}
        }
        let tokens = self.redeem(provider, &discovered, answer_url, &code, &ticket).await?;
        let id_token = tokens["id_token"].as_str().ok_or(OidcError::Untrusted("no ID token was given"))?;
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            nonce: &ticket.nonce,
            now: self.world.clock.now(),
        };
        let mut claims = self.verify(provider, &discovered, id_token, &expected).await?;
        if claims.email.is_none() {
            self.ask_more(provider, &discovered, &tokens, &mut claims).await?;
        }
        identity(provider, claims)
    }

    async fn discovered(&self, provider: &Provider) -> Result<Arc<Discovered>, OidcError> {
        self.providers.discovered(&*self.fetch, provider, self.world.clock.monotonic()).await
    }

    /// Gives the code and the verifier for the tokens.
    async fn redeem(
        &self,
        provider: &Provider,
        discovered: &Discovered,
        answer_url: &str,
        code: &str,
        ticket: &Ticket,
    ) -> Result<Value, OidcError> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", answer_url),
            ("code_verifier", &ticket.verifier),
        ];
        let mut authorization = None;
        match (&provider.secret, discovered.secret_in) {
            (Some(secret), SecretIn::Header) => authorization = Some(basic(&provider.client_id, secret)?),
            (Some(secret), SecretIn::Body) => {
                fields.extend([("client_id", provider.client_id.as_str()), ("client_secret", secret)]);
            }
            (None, _) => fields.push(("client_id", &provider.client_id)),
        }
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let fetched = self.fetch.post(provider, &discovered.token, form, authorization).await;
        match fetched.map_err(unreachable)? {
            Fetched { status: 200, body } => {
                serde_json::from_slice(&body).or(Err(OidcError::Untrusted("the answer for the code is not JSON")))
            }
            Fetched { status, .. } => {
                tracing::warn!(provider = provider.id, status, "an identity provider gave nothing for a code");
                Err(OidcError::Declined)
            }
        }
    }

    async fn verify(
        &self,
        provider: &Provider,
        discovered: &Discovered,
        id_token: &str,
        expected: &Expected<'_>,
    ) -> Result<Claims, OidcError> {
        let mut newer_than = None;
        loop {
            let now = self.world.clock.monotonic();
            let keys = self.providers.keys(&*self.fetch, provider, discovered, now, newer_than).await?;
            match id_token::verify(id_token, &keys.set, expected) {
                Ok(claims) => return Ok(claims),
                // Providers change their keys; look once whether this one did.
                Err(Fault::UnknownKey) if newer_than.is_none() => newer_than = Some(keys.generation),
                Err(Fault::UnknownKey) => {
                    return Err(OidcError::Untrusted(
                        "the ID token is signed with a key that the provider does not publish",
                    ));
                }
                Err(Fault::Refused(what)) => return Err(OidcError::Untrusted(what)),
            }
        }
    }

    /// Some providers give the e-mail address only to who asks with the access token.
    async fn ask_more(
        &self,
        provider: &Provider,
        discovered: &Discovered,
        tokens: &Value,
        claims: &mut Claims,
    ) -> Result<(), OidcError> {
        let (Some(url), Some(access)) = (&discovered.userinfo, tokens["access_token"].as_str()) else { return Ok(()) };
        let bearer = HeaderValue::try_from(format!("Bearer {access}"));
        let bearer = bearer.map_err(|_| OidcError::Untrusted("the access token is no header"))?;
        let Fetched { status, body } = self.fetch.get(provider, url, Some(bearer)).await.map_err(unreachable)?;
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status != 200 || told["sub"].as_str() != Some(claims.subject.as_str()) {
            return Err(OidcError::Untrusted("what is told of the person is of somebody else"));
        }
        claims.take_profile(&told);
        Ok(())
    }
}

fn unreachable(error: FetchError) -> OidcError {
    tracing::warn!(%error, "an identity provider was not reached");
    OidcError::Unreachable
}

fn identity(provider: &Provider, claims: Claims) -> Result<Identity, OidcError> {
    if claims.subject.is_empty() || claims.subject.len() > SUBJECT_BYTES_MAX {
        return Err(OidcError::Untrusted("the ID token's subject is empty or too long"));
    }
    let email = claims.email.unwrap_or_default();
    if !claims.email_verified {
        return Err(OidcError::EmailNotVerified);
    }
    let plain = email.len() <= EMAIL_BYTES_MAX && email.bytes().all(|b| b.is_ascii_graphic());
    let domain = match email.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && !domain.contains('@') => domain.to_ascii_lowercase(),
        _ => return Err(OidcError::Untrusted("the ID token's e-mail address is none")),
    };
    if !provider.domains.contains(&domain) {
        return Err(OidcError::OtherDomain);
    }
    let name = claims.name.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| email.clone());
    Ok(Identity { subject: claims.subject, email, name })
}

/// RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, OidcError> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair.as_bytes())))
        .map_err(|_| OidcError::Untrusted("the client's secret is no header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What stands in the address that the provider sends the browser back to.
#[derive(Default)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    issuer: Option<String>,
    failed: bool,
}

impl Answer {
    fn read(query: &str) -> Self {
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "iss" => &mut answer.issuer,
                "error" => {
                    answer.failed = true;
                    continue;
                }
                _ => continue,
            };
            // Said twice is not said.
            answer.failed |= place.is_some();
            *place = Some(value.into_owned());
        }
        answer
    }
}

#[cfg(test)]
mod tests;
