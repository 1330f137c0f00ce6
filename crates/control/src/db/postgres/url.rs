//! Which database, and who signs in to it.

use crate::ControlError;
use percent_encoding::percent_decode_str;
use std::fmt;
use tokio_postgres::config::{Config, SslMode};
use url::Url;

const FIELD: &str = "control-store";

/// `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?sslmode=disable|require|verify-full]`. Shown without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    host: String,
    port: u16,
    database: String,
    user: String,
    password: Option<String>,
    ssl_mode: Option<String>,
}

impl PostgresUrl {
    /// # Errors
    /// `Invalid`; its text doesn't repeat the URL, which may hold a password.
    pub fn read(text: &str) -> Result<Self, ControlError> {
        let refuse = |what: &str, mend: &str| Err(ControlError::invalid(FIELD, what, mend));
        let Ok(url) = Url::parse(text) else {
            return refuse("is not an address", "give one like postgres://domicile@db.example.com:5432/domicile");
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).ok();
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return refuse("does not begin with postgres://", "the control store of a cluster is a PostgreSQL");
        }
        let (Some(host), Some(user)) = (url.host_str().filter(|host| !host.is_empty()), decode(url.username())) else {
            return refuse("has no host, or a user that is not UTF-8", "write postgres://USER@HOST/DATABASE");
        };
        let database = decode(url.path().trim_start_matches('/')).unwrap_or_default();
        if user.is_empty() || database.is_empty() || database.contains('/') {
            return refuse("names no user or no database", "write postgres://USER@HOST/DATABASE");
        }
        let mut ssl_mode = None;
        for (name, value) in url.query_pairs() {
            match (&*name, &*value) {
                ("sslmode", "disable" | "require" | "verify-full") => ssl_mode = Some(value.into_owned()),
                ("sslmode", _) => return refuse("has an unknown `sslmode`", "give disable, require or verify-full"),
                _ => return refuse("has a parameter that is not `sslmode`", "leave it out"),
            }
        }
        let password = match url.password().map(decode) {
            Some(None) => return refuse("has a password that is not UTF-8", "encode it with %"),
            Some(password) => password,
            None => None,
        };
        Ok(Self { host: host.to_owned(), port: url.port().unwrap_or(5432), database, user, password, ssl_mode })
    }

    /// The same with this password, unless the URL has one of its own.
    pub fn with_password(self, password: Option<String>) -> Self {
        Self { password: self.password.or(password), ..self }
    }

    /// What the border has to know: nothing of who signs in.
    pub(super) fn for_border(&self) -> String {
        let mode = self.ssl_mode.as_ref().map(|mode| format!("?sslmode={mode}")).unwrap_or_default();
        format!("postgres://{}:{}/{mode}", self.host, self.port)
    }

    /// For `connect_raw`: TLS is the border's, so this side asks for none.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new();
        config.user(&self.user).dbname(&self.database).application_name("domicile").ssl_mode(SslMode::Disable);
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}:{}/{}", self.host, self.port, self.database)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_whole_and_shown_without_who_signs_in() {
        let url = PostgresUrl::read("postgres://me%40x:p%2Fw@db.example:6432/cells?sslmode=require").expect("good");
        assert_eq!(
            (url.user.as_str(), url.password.as_deref(), url.port, url.database.as_str()),
            ("me@x", Some("p/w"), 6432, "cells")
        );
        assert_eq!(format!("{url} {url:?}"), "postgres://db.example:6432/cells postgres://db.example:6432/cells");
        assert_eq!(url.for_border(), "postgres://db.example:6432/?sslmode=require");
        let plain = PostgresUrl::read("postgresql://me@[::1]/cells").expect("good").with_password(Some("p".to_owned()));
        assert_eq!((plain.for_border().as_str(), plain.password.as_deref()), ("postgres://[::1]:5432/", Some("p")));
    }

    #[test]
    fn what_is_no_address_of_a_database_is_refused_without_repeating_it() {
        for bad in [
            "",
            "secret",
            "http://me:secret@db/cells",
            "postgres://db/cells",
            "postgres://me:secret@db",
            "postgres://me:secret@/cells",
            "postgres://me:secret@db/cells/more",
            "postgres://me:secret@db/cells?sslmode=prefer",
            "postgres://me:secret@db/cells?options=-c%20x",
            "postgres://me:secret@db:99999/cells",
        ] {
            let Err(error) = PostgresUrl::read(bad) else { panic!("{bad}") };
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
