//! Sessions of who signed in with a token, and the cookies of all sessions. People have theirs in the control store; these
//! are in memory only, and a restart signs them out.
//!
//! - A session's id is 256 random bits, made anew at each sign-in, and kept nowhere but in the browser and in this map.
//! - It ends 12 hours after the sign-in, with its token, or when the browser signs out.

use data_encoding::HEXLOWER;
use domicile_control::SESSION_MS;
use domicile_world::World;
use http::{HeaderMap, HeaderValue, header};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const LIFE: Duration = Duration::from_secs(12 * 3_600);
/// Sessions at once; the oldest gives way.
const SESSIONS_MAX: usize = 1_000;

#[derive(Clone)]
pub(crate) struct Sessions {
    world: World,
    open: Arc<Mutex<HashMap<String, Session>>>,
}

struct Session {
    token_id: String,
    /// In monotonic time.
    began: Duration,
}

impl Sessions {
    pub fn new(world: World) -> Self {
        Self { world, open: Arc::default() }
    }

    /// Opens a session; gives its id.
    pub fn open(&self, token_id: String) -> String {
        let mut bytes = [0; 32];
        self.world.random.fill(&mut bytes);
        let id = HEXLOWER.encode(&bytes);
        let began = self.world.clock.monotonic();
        let mut open = self.lock();
        open.retain(|_, session| began.saturating_sub(session.began) < LIFE);
        if open.len() >= SESSIONS_MAX {
            let oldest = open.iter().min_by_key(|(_, session)| session.began).map(|(id, _)| id.clone());
            oldest.and_then(|id| open.remove(&id));
        }
        open.insert(id.clone(), Session { token_id, began });
        id
    }

    /// The token that the session was opened with.
    pub fn token_id(&self, id: &str) -> Option<String> {
        let now = self.world.clock.monotonic();
        let open = self.lock();
        let session = open.get(id).filter(|session| now.saturating_sub(session.began) < LIFE)?;
        Some(session.token_id.clone())
    }

    pub fn close(&self, id: &str) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cookie that holds a session's id.
pub(crate) struct Cookie {
    name: String,
    secure: bool,
    /// Whether it comes along when another site leads here.
    lax: bool,
    path: &'static str,
    age_s: u64,
}

impl Cookie {
    /// `region`: browsers keep cookies by host and not by port, and several cells of a demo are on one host. `url`: the
    /// cell's public address; with https, the cookie goes nowhere without it.
    pub fn of(region: &str, url: Option<&str>) -> Self {
        let secure = url.is_some_and(|url| url.starts_with("https://"));
        Self {
            name: format!("domicile-{region}"),
            secure,
            lax: false,
            path: "/",
            age_s: SESSION_MS.unsigned_abs() / 1_000,
        }
    }

    /// A cookie that comes along when another site leads the browser below `path`; for `age_s` seconds.
    pub fn lax(name: &str, url: Option<&str>, path: &'static str, age_s: i64) -> Self {
        Self { lax: true, path, age_s: age_s.unsigned_abs(), ..Self::of(name, url) }
    }

    pub fn read<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value).next()
    }

    pub fn set(&self, id: &str) -> Option<HeaderValue> {
        self.header(id, self.age_s)
    }

    pub fn clear(&self) -> Option<HeaderValue> {
        self.header("", 0)
    }

    fn header(&self, value: &str, age_s: u64) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let site = if self.lax { "Lax" } else { "Strict" };
        let (name, path) = (&self.name, self.path);
        let text = format!("{name}={value}; Path={path}; Max-Age={age_s}; HttpOnly; SameSite={site}{secure}");
        HeaderValue::try_from(text).ok()
    }
}

/// Whether a form was sent by a page of this very origin, as far as the browser says. What says nothing is no browser, and
/// has no cookie that another site could use.
pub(crate) fn from_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, of_page)| of_page == host),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_form_of_another_origin_is_known_as_such() {
        for (pairs, own) in [
            (&[][..], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("origin", "http://127.0.0.1:7100"), ("host", "127.0.0.1:7100")], true),
            (&[("origin", "http://127.0.0.1:7200"), ("host", "127.0.0.1:7100")], false),
            (&[("origin", "null"), ("host", "127.0.0.1:7100")], false),
            (&[("origin", "http://evil.example")], false),
        ] {
            assert_eq!(from_own_page(&headers(pairs)), own, "{pairs:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let cookie = Cookie::of("eu-west", Some("https://eu1.example.com"));
        let read = |value: &'static str| cookie.read(&headers(&[("cookie", value)])).map(str::to_owned);
        assert_eq!(read("a=b; domicile-eu-west=x; c=d").as_deref(), Some("x"));
        assert_eq!(read("domicile-eu-west2=x; xdomicile-eu-west=y"), None);
        let set = cookie.set("x").expect("a header");
        let set = set.to_str().expect("text");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Secure"), "{set}");
        assert!(!Cookie::of("eu-west", None).clear().expect("a header").to_str().expect("text").contains("Secure"));
    }

    #[test]
    fn a_session_ends_and_the_oldest_gives_way() {
        let sessions = Sessions::new(World::real());
        let first = sessions.open("t".to_owned());
        assert_eq!(sessions.token_id(&first).as_deref(), Some("t"));
        for _ in 0..SESSIONS_MAX {
            sessions.open("t".to_owned());
        }
        assert_eq!(sessions.token_id(&first), None);
        let last = sessions.open("t".to_owned());
        sessions.close(&last);
        assert_eq!(sessions.token_id(&last), None);
        assert_eq!(sessions.token_id(""), None);
    }
}
