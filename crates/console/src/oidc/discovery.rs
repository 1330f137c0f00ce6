//! What a provider publishes about itself: its addresses, and the keys that it signs with.
//!
//! - Both are kept for an hour. Keys are asked for again when a token names one that is not among them, five times at once
//!   and then once a minute: nobody makes this cell hammer a provider with made-up key names.
//! - A document counts only when it names the very issuer that it was asked of.

use super::id_token::KeySet;
use super::{Fetch, Fetched, OidcError, Provider, unreachable};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use url::{Host, Url};

const KEPT: Duration = Duration::from_secs(3_600);
/// What an early look at the keys costs, and how much of that can be owed: five looks.
const KEYS_LOOK: Duration = Duration::from_secs(60);
const KEYS_LOOKS: Duration = Duration::from_secs(5 * 60);
/// Issuers that are remembered; when there are more, all are asked again.
const REMEMBERED_MAX: usize = 1_000;

/// Where a provider wants a client's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretIn {
    Header,
    Body,
}

#[derive(Debug)]
pub(super) struct Discovered {
    pub authorization: Url,
    pub token: String,
    pub userinfo: Option<String>,
    keys: String,
    pub secret_in: SecretIn,
    /// It promises to say who it is in each answer (RFC 9207).
    pub names_issuer: bool,
}

/// The keys of a provider at one time.
#[derive(Clone)]
pub(super) struct Keys {
    pub set: Arc<KeySet>,
    /// Goes up whenever they are asked for.
    pub generation: u64,
    asked_at: Duration,
    /// Until when early looks are paid for.
    paid_until: Duration,
}

#[derive(Default)]
pub(super) struct Providers {
    discovered: Mutex<HashMap<String, (Arc<Discovered>, Duration)>>,
    /// By the address that they are published at.
    keys: Mutex<HashMap<String, Keys>>,
}

impl Providers {
    pub async fn discovered(
        &self,
        fetch: &dyn Fetch,
        provider: &Provider,
        now: Duration,
    ) -> Result<Arc<Discovered>, OidcError> {
        if let Some((found, at)) = lock(&self.discovered).get(&provider.issuer)
            && now.saturating_sub(*at) < KEPT
        {
            return Ok(Arc::clone(found));
        }
        if !is_allowed(&provider.issuer, &provider.issuer) {
            return Err(OidcError::Untrusted("the issuer is no https address"));
        }
        let url = format!("{}/.well-known/openid-configuration", provider.issuer.trim_end_matches('/'));
        let document = document(fetch, provider, &url).await?;
        let found = Arc::new(Discovered::read(&document, &provider.issuer)?);
        let mut known = lock(&self.discovered);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(provider.issuer.clone(), (Arc::clone(&found), now));
        Ok(found)
    }

    /// The provider's keys; asked for again where `newer_than` says that this generation does not suffice, unless that was
    /// done too often.
    pub async fn keys(
        &self,
        fetch: &dyn Fetch,
        provider: &Provider,
        discovered: &Discovered,
        now: Duration,
        newer_than: Option<u64>,
    ) -> Result<Keys, OidcError> {
        let known = lock(&self.keys).get(&discovered.keys).cloned();
        if let Some(known) = &known {
            let age = now.saturating_sub(known.asked_at);
            let suffices = newer_than.is_none_or(|than| known.generation > than);
            let too_often = known.paid_until.max(now) + KEYS_LOOK > now + KEYS_LOOKS;
            if age < KEPT && (suffices || too_often) {
                return Ok(known.clone());
            }
        }
        let generation = known.as_ref().map_or(1, |known| known.generation + 1);
        let paid_until = known.as_ref().map_or(now, |known| known.paid_until.max(now) + KEYS_LOOK);
        if let Some(known) = lock(&self.keys).get_mut(&discovered.keys) {
            // Before the answer: a look that fails costs as much.
            known.paid_until = paid_until;
        }
        let document = document(fetch, provider, &discovered.keys).await?;
        let keys = Keys { set: Arc::new(KeySet::read(&document)), generation, asked_at: now, paid_until };
        let mut known = lock(&self.keys);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(discovered.keys.clone(), keys.clone());
        Ok(keys)
    }
}

async fn document(fetch: &dyn Fetch, provider: &Provider, url: &str) -> Result<Value, OidcError> {
    match fetch.get(provider, url, None).await.map_err(unreachable)? {
        Fetched { status: 200, body } => {
            serde_json::from_slice(&body).or(Err(OidcError::Untrusted("a document of the provider is not JSON")))
        }
        Fetched { status, .. } => {
            tracing::warn!(provider = provider.id, status, "an identity provider does not show its documents");
            Err(OidcError::Unreachable)
        }
    }
}

impl Discovered {
    fn read(document: &Value, issuer: &str) -> Result<Self, OidcError> {
        if document["issuer"].as_str() != Some(issuer) {
            return Err(OidcError::Untrusted("the discovery document is of another issuer"));
        }
        let address = |name: &str| document[name].as_str().filter(|url| is_allowed(url, issuer)).map(str::to_owned);
        let needed = |name: &str| {
            address(name).ok_or(OidcError::Untrusted("the discovery document lacks an https address that is needed"))
        };
        let authorization = Url::parse(&needed("authorization_endpoint")?);
        let listed =
            |name: &str, word: &str| document[name].as_array().map(|list| list.iter().any(|item| item == word));
        // Without a list, the standard says `client_secret_basic`.
        let basic = listed("token_endpoint_auth_methods_supported", "client_secret_basic").unwrap_or(true);
        Ok(Self {
            authorization: authorization.map_err(|_| OidcError::Untrusted("the provider's page has no address"))?,
            token: needed("token_endpoint")?,
            userinfo: address("userinfo_endpoint"),
            keys: needed("jwks_uri")?,
            secret_in: if basic { SecretIn::Header } else { SecretIn::Body },
            names_issuer: document["authorization_response_iss_parameter_supported"] == true,
        })
    }
}

/// https, without a name and password in it; or http on this machine, where the issuer is there too.
pub(super) fn is_allowed(url: &str, issuer: &str) -> bool {
    let read = |text: &str| Url::parse(text).ok().filter(|url| url.username().is_empty() && url.password().is_none());
    match (read(url), read(issuer)) {
        (Some(url), Some(_)) if url.scheme() == "https" => url.has_host(),
        (Some(url), Some(issuer)) => [url, issuer].iter().all(|url| url.scheme() == "http" && is_loopback(url)),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
