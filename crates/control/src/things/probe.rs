//! Whether a warehouse can be reached and written to: connects through the border, as a sync will.
//!
//! ```text
//! settings ──► Ask ──► permit ──► pipe ──► sign in ──► SELECT 1 ──► may it create a schema? ──► Connected
//!                        └── the border's no, told as such        each failure ──► Failed, with its reason
//! ```
//!
//! - 10 s for all of it. Nothing is written to the database.
//! - Without TLS, which the border allows in the operator's own networks only, the password is never sent: a server that
//!   asks for it in clear, or for an MD5 of it, is refused. SCRAM shows the server that the password is known, and not it.
//! - A reason holds no password, and of a connection that failed no more than its class: no address, no text of the
//!   operating system. What a database says of itself is cut to 300 characters.

mod guard;

use super::warehouse::{Warehouse, why_not};
use crate::ControlError;
use crate::thing::Thing;
use domicile_border::{Ask, Border, Foreseen, Limits, Place, Purpose, Refusal, SendError};
use domicile_region::Country;
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use guard::Guard;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
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

    /// What the border would say of it now, as far as that is known without a look-up.
    ///
    /// # Errors
    /// What would be refused.
    pub fn foresee(&self, border: &Border, workspace: &WorkspaceId) -> Result<Foreseen, Refusal> {
        border.foresee(&self.ask(workspace))
    }

    fn ask(&self, workspace: &WorkspaceId) -> Ask {
        let place = Place::Declared(self.country);
        Ask { workspace: workspace.clone(), purpose: Purpose::Warehouse, url: self.url.clone(), place }
    }

    /// Tries it, for at most 10 s.
    pub async fn run(self, world: &World, border: &Border, workspace: &WorkspaceId) -> Tried {
        let failed = |reason: String| Tried::Failed { reason, refused: None };
        let tried = async {
            let permit = match border.permit(self.ask(workspace)).await {
                Ok(permit) => permit,
                Err(refusal) => {
                    let reason = format!("{refusal}; {}", refusal.mend());
                    return Tried::Failed { reason, refused: Some(refusal.code.as_str()) };
                }
            };
            match border.pipe(permit, &LIMITS).await {
                Ok(pipe) => {
                    let is_encrypted = pipe.is_encrypted();
                    let guard = Guard::new(pipe, is_encrypted);
                    sign_in(&self.config, guard).await.map_or_else(failed, |()| Tried::Connected)
                }
                Err(error) => failed(class(&error)),
            }
        };
        tokio::select! {
            biased;
            tried = tried => tried,
            () = world.clock.sleep(WHOLE) => failed("the database did not answer within 10 s".to_owned()),
        }
    }
}

/// Why there is no connection, and not more: whether a port is closed, filtered or unreachable is for the operator's logs.
fn class(error: &SendError) -> String {
    match error {
        SendError::Refused(refusal) => format!("{refusal}; {}", refusal.mend()),
        SendError::Tls { .. } => {
            "could not connect: what answers is no PostgreSQL, or offers no TLS that is valid for the host's name"
                .to_owned()
        }
        _ => "could not connect: no server answers at the host and port".to_owned(),
    }
}

/// Signs in and asks what a sync needs.
async fn sign_in<S>(config: &Config, guard: Guard<S>) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let refused = guard.refused();
    // TLS, where there is any, is around the pipe.
    let (client, driver) = config
        .connect_raw(guard, NoTls)
        .await
        .map_err(|error| if refused.get() { guard::WHY.to_owned() } else { said(error) })?;
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

/// What the database says, in its own words and with its code.
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What `sign_in` comes to, and all that it sends, when the server asks for the password as `asked` says.
    async fn signs_in(asked: &'static [u8], is_encrypted: bool) -> (Result<(), String>, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(4_096);
        let server = async move {
            let mut sent = vec![0; 4_096];
            let begun = theirs.read(&mut sent).await.expect("the client begins");
            theirs.write_all(asked).await.expect("the server asks");
            let answered = theirs.read(&mut sent[begun..]).await.unwrap_or(0);
            sent.truncate(begun + answered);
            sent
        };
        let mut config = Config::new();
        config.user("u").password("geheim").dbname("d").ssl_mode(SslMode::Disable);
        let client = async { sign_in(&config, Guard::new(ours, is_encrypted)).await };
        let (told, sent) = tokio::join!(client, server);
        (told, sent)
    }

    #[tokio::test]
    async fn a_password_goes_in_clear_to_nobody_without_tls() {
        const CLEAR: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
        const MD5: &[u8] = b"R\0\0\0\x0c\0\0\0\x05salt";
        let holds = |sent: &[u8], word: &[u8]| sent.windows(word.len()).any(|part| part == word);
        for asked in [CLEAR, MD5] {
            let (told, sent) = signs_in(asked, false).await;
            assert_eq!(told, Err(guard::WHY.to_owned()));
            assert!(!holds(&sent, b"geheim") && !holds(&sent, b"md5"), "{sent:?}");
        }
        let (_, sent) = signs_in(CLEAR, true).await;
        assert!(holds(&sent, b"geheim"), "inside TLS nobody else reads it");
    }

    #[test]
    fn why_there_is_no_connection_is_told_by_its_class_alone() {
        let address = "192.0.2.7:5432".parse().expect("an address");
        let error = || std::io::Error::other("Connection refused (os error 111)");
        for error in [
            SendError::Unreachable { address, error: error() },
            SendError::Tls { address, error: error() },
            SendError::TimedOut { stage: domicile_border::Stage::Connecting },
        ] {
            let told = class(&error);
            assert!(told.starts_with("could not connect: "), "{told}");
            assert!(!told.contains("192.0.2.7") && !told.contains("os error"), "{told}");
        }
    }

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
