//! Whether a warehouse can be reached and written to: connects through the border, as a sync will.
//!
//! ```text
//! settings ──► Ask ──► permit ──► pipe ──► sign in ──► SELECT 1 ──► may it create a schema? ──► Connected
//!                        └── the border's no, told as such        each failure ──► Failed, with its reason
//! ```
//!
//! - 10 s for all of it. Nothing is written to the database.
//! - A reason holds no password. What the server says of itself is cut to 300 characters.

use super::warehouse::{Warehouse, why_not};
use crate::ControlError;
use crate::thing::Thing;
use domicile_border::{Ask, Border, Limits, Pipe, Purpose};
use domicile_region::Country;
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};

const WHOLE: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { connect: Duration::from_secs(5), whole: WHOLE, answer_bytes: 0 };
const SAID_CHARS_MAX: usize = 300;

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    Connected,
    Failed {
        /// A sentence for people.
        reason: String,
        /// The border's code, when it was the border that said no.
        refused: Option<&'static str>,
    },
}

/// Where a PostgreSQL warehouse is and who signs in. It has no `Debug`: it holds a password.
pub struct Probe {
    url: String,
    country: Option<Country>,
    config: Config,
}

impl Probe {
    /// # Errors
    /// `Invalid` for a warehouse of a kind that has no connector, for settings that it would not be made with, and for a
    /// host that is none.
    pub fn of(warehouse: &Warehouse) -> Result<Self, ControlError> {
        let entry = warehouse.entry()?;
        if entry.slug != "postgres" {
            let what = format!("names `{}`, which can't be tried: {}", entry.slug, why_not(entry));
            return Err(ControlError::invalid("metadataId", what, "choose `postgres`"));
        }
        warehouse.check()?;
        let all = warehouse.all_settings();
        let text = |name: &str| all.get(name).and_then(Value::as_str).unwrap_or_default();
        let host = text("hostname");
        // The border parses it once more; this keeps a path or a query from being read into it.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
        if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
            let mend = "give a name like db.example.com, or an address, an IPv6 one in brackets";
            return Err(ControlError::invalid("settings.hostname", "is no host", mend));
        }
        let port = match all.get("port") {
            None => 5432,
            Some(port) => {
                port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).ok_or_else(|| {
                    ControlError::invalid("settings.port", "is no port", "give a whole number from 1 to 65535")
                })?
            }
        };
        let mut config = Config::new();
        config.user(text("username")).password(text("password")).dbname(text("database"));
        config.application_name("domicile").ssl_mode(SslMode::Disable);
        Ok(Self { url: format!("postgres://{host}:{port}"), country: Country::new(text("country")), config })
    }

    /// Tries it, for at most 10 s.
    pub async fn run(self, world: &World, border: &Border, workspace: &WorkspaceId) -> Tried {
        let failed = |reason: String| Tried::Failed { reason, refused: None };
        let tried = async {
            let Self { url, country, config } = self;
            let ask = Ask { workspace: workspace.clone(), purpose: Purpose::Warehouse, url, declared: country };
            let permit = match border.permit(ask).await {
                Ok(permit) => permit,
                Err(refusal) => {
                    let reason = format!("{refusal}; {}", refusal.mend());
                    return Tried::Failed { reason, refused: Some(refusal.code.as_str()) };
                }
            };
            match border.pipe(permit, &LIMITS).await {
                Ok(pipe) => sign_in(&config, pipe).await.map_or_else(failed, |()| Tried::Connected),
                Err(error) => failed(error.to_string()),
            }
        };
        tokio::select! {
            biased;
            tried = tried => tried,
            () = world.clock.sleep(WHOLE) => failed("the database did not answer within 10 s".to_owned()),
        }
    }
}

/// Signs in and asks what a sync needs.
async fn sign_in(config: &Config, pipe: Pipe) -> Result<(), String> {
    // TLS, where there is any, is around the pipe.
    let (client, driver) = config.connect_raw(pipe, NoTls).await.map_err(said)?;
    let asked = async {
        let rows = client
            .simple_query("SELECT has_database_privilege(current_database(), 'CREATE') AND 1 = (SELECT 1)")
            .await
            .map_err(said)?;
        let may_create = rows.iter().any(|row| match row {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
            _ => false,
        });
        if may_create {
            return Ok(());
        }
        Err("the user may not create schemas in the database; GRANT CREATE ON DATABASE … TO …".to_owned())
    };
    tokio::select! {
        asked = asked => asked,
        ended = driver => Err(ended.err().map_or_else(|| "the database ended the connection".to_owned(), said)),
    }
}

/// What the server says, in its own words and with its code.
fn said(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => {
            let message: String = db.message().chars().take(SAID_CHARS_MAX).collect();
            format!("the database says: {message} ({})", db.code().code())
        }
        None => "the connection to the database broke, or what answered is no PostgreSQL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn probe(hostname: &str, port: Value) -> Result<String, String> {
        let settings = json!({"hostname": hostname, "port": port, "database": "d", "username": "u", "password": "p"});
        let warehouse = Warehouse::new("postgres", settings.as_object().expect("an object")).expect("a warehouse");
        Probe::of(&warehouse).map(|probe| probe.url).map_err(|error| error.to_string())
    }

    #[test]
    fn a_host_is_a_host_and_brings_nothing_else_into_the_address() {
        for (host, url) in [
            ("db.example", "postgres://db.example:5432"),
            ("192.0.2.7", "postgres://192.0.2.7:5432"),
            ("[2001:db8::7]", "postgres://[2001:db8::7]:5432"),
        ] {
            assert_eq!(probe(host, json!(5432)).as_deref(), Ok(url));
        }
        let long = "x".repeat(256);
        for bad in ["", "a/b", "a?sslmode=disable", "u@a", "a#b", "a b", "a\n", "é.example", long.as_str()] {
            assert!(probe(bad, json!(5432)).is_err(), "{bad:?}");
        }
        for bad in [json!(0), json!(65_536), json!(-1), json!(5432.5)] {
            assert!(probe("db.example", bad.clone()).is_err(), "{bad}");
        }
    }
}
