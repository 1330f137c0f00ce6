//! Tickets: what a browser keeps of a sign-in under way, so that the answer counts there and nowhere else.
//!
//! A ticket is a cookie, signed with a key of this process: after a restart, a sign-in that was under way begins again.
//! Which ones came back with a code is kept until they run out.

use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64URL_NOPAD;
use domicile_world::{Millis, Random, World};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long somebody may take at the provider's page.
pub(crate) const LIFE_MS: i64 = 10 * 60 * 1_000;
/// Tickets that are remembered as used; more of them within their life are taken to be an attack.
const USED_MAX: usize = 10_000;
/// Longer cookies are not ours.
const COOKIE_BYTES_MAX: usize = 2_048;

pub(super) struct Ticket {
    /// The provider's id.
    pub provider: String,
    pub state: String,
    pub nonce: String,
    /// PKCE's secret; the provider is told its hash first, and the secret with the code.
    pub verifier: String,
    expires_at: Millis,
}

impl Ticket {
    pub fn new(provider: &str, world: &World) -> Self {
        let random = || {
            let mut bytes = [0; 32];
            world.random.fill(&mut bytes);
            BASE64URL_NOPAD.encode(&bytes)
        };
        let expires_at = world.clock.now().plus(LIFE_MS);
        Self { provider: provider.to_owned(), state: random(), nonce: random(), verifier: random(), expires_at }
    }

    pub fn challenge(&self) -> String {
        BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, self.verifier.as_bytes()).as_ref())
    }
}

pub(super) struct Tickets {
    key: hmac::Key,
    /// States of used tickets, until they run out.
    used: Mutex<HashMap<String, Millis>>,
}

impl Tickets {
    pub fn new(random: &dyn Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), used: Mutex::default() }
    }

    /// `PAYLOAD.SIGNATURE`, each in base64url.
    pub fn sign(&self, ticket: &Ticket) -> String {
        let Ticket { provider, state, nonce, verifier, expires_at } = ticket;
        let payload = json!([provider, state, nonce, verifier, expires_at.0]).to_string();
        let signature = hmac::sign(&self.key, payload.as_bytes());
        format!("{}.{}", BASE64URL_NOPAD.encode(payload.as_bytes()), BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// A ticket that this process signed and that has not run out.
    pub fn open(&self, cookie: &str, now: Millis) -> Option<Ticket> {
        let (payload, signature) = cookie.split_once('.').filter(|_| cookie.len() <= COOKIE_BYTES_MAX)?;
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        hmac::verify(&self.key, &payload, &signature).ok()?;
        let fields: Value = serde_json::from_slice(&payload).ok()?;
        let text = |n: usize| fields[n].as_str().map(str::to_owned);
        let ticket = Ticket {
            provider: text(0)?,
            state: text(1)?,
            nonce: text(2)?,
            verifier: text(3)?,
            expires_at: Millis(fields[4].as_i64()?),
        };
        (now < ticket.expires_at).then_some(ticket)
    }

    /// Whether this is the ticket's first use.
    pub fn use_up(&self, ticket: &Ticket, now: Millis) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= USED_MAX {
            used.retain(|_, expires_at| now < *expires_at);
        }
        used.len() < USED_MAX && used.insert(ticket.state.clone(), ticket.expires_at).is_none()
    }
}
