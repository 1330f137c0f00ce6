//! A home for a control store on each engine. Other crates' tests take this file in with `#[path]`.
//!
//! SQLite always, in a temporary folder; PostgreSQL when `DOMICILE_TEST_POSTGRES` names one (`postgres://USER@HOST/DB`), in
//! a schema of its own that goes with the home.

use domicile_border::{Ask, Border, Limits, Purpose};
use domicile_control::{Place, PostgresUrl, Store, StoreError};
use domicile_keys::Keyring;
use domicile_region::{Network, NetworkCountry, Region, RegionId};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use std::path::PathBuf;
use std::time::Duration;

pub struct Home {
    pub dir: tempfile::TempDir,
    pub region: Region,
    postgres: Option<(PostgresUrl, Border)>,
}

impl Home {
    pub fn sqlite(region: Region) -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), region, postgres: None }
    }

    /// `None` without a server to test on. The region gets a name that no other test has, because its schema is named
    /// after it.
    pub fn postgres(mut region: Region) -> Option<Self> {
        let url = PostgresUrl::read(&server()?).expect("DOMICILE_TEST_POSTGRES is an address");
        let mut own = [0; 8];
        World::real().random.fill(&mut own);
        let own: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
        region.id = RegionId::new(format!("{}-{own}", region.id));
        let border = border(&region);
        let dir = tempfile::tempdir().expect("a temporary folder");
        Some(Self { dir, region, postgres: Some((url, border)) })
    }

    /// A home on each engine that there is.
    pub fn each(region: &Region) -> Vec<Self> {
        [Some(Self::sqlite(region.clone())), Self::postgres(region.clone())].into_iter().flatten().collect()
    }

    pub fn is_sqlite(&self) -> bool {
        self.postgres.is_none()
    }

    /// SQLite's file.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("cell/control.db")
    }

    pub fn schema(&self) -> String {
        format!("domicile_{}", self.region.id.as_str().replace('-', "_"))
    }

    /// Opens the store, or opens it once more beside the first.
    pub fn open(&self) -> Result<Store, StoreError> {
        self.open_as(&self.region)
    }

    /// Opens what lies here as the store of this region.
    pub fn open_as(&self, region: &Region) -> Result<Store, StoreError> {
        let world = World::real();
        let keys = Keyring::open(&world, &self.dir.path().join("cell/keys")).expect("keys");
        let file = self.path();
        let place = match &self.postgres {
            None => Place::File(&file),
            Some((url, border)) => Place::Postgres { url, border },
        };
        Store::open_at(&world, place, region, &keys)
    }

    /// Runs statements as an operator's shell would; gives the text of what they answer, or the error's.
    pub fn shell(&self, sql: &str) -> Result<Vec<String>, String> {
        match &self.postgres {
            None => {
                let db = rusqlite::Connection::open(self.path()).map_err(|e| e.to_string())?;
                db.busy_timeout(Duration::from_secs(5)).map_err(|e| e.to_string())?;
                let mut statement = db.prepare(sql).map_err(|e| e.to_string())?;
                let mut rows = statement.query([]).map_err(|e| e.to_string())?;
                let mut told = Vec::new();
                while let Some(row) = rows.next().map_err(|e| e.to_string())? {
                    let value = row.get_ref(0).map_err(|e| e.to_string())?;
                    told.push(match value {
                        rusqlite::types::ValueRef::Integer(int) => int.to_string(),
                        other => other.as_str().unwrap_or_default().to_owned(),
                    });
                }
                Ok(told)
            }
            Some((_, border)) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let search = format!("SET search_path TO {}; {sql}", self.schema());
                // On a thread of its own: the caller's may have a runtime.
                let region = self.region.clone();
                std::thread::scope(|scope| {
                    let asked = scope.spawn(|| runtime.expect("a runtime").block_on(ask(border, &region, &search)));
                    asked.join().expect("no panic")
                })
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.postgres.is_some() {
            let _ = self.shell(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema()));
        }
    }
}

fn server() -> Option<String> {
    std::env::var("DOMICILE_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

fn border(region: &Region) -> Border {
    let local = Network { range: "127.0.0.0/8".parse().expect("a range"), country: NetworkCountry::Declared };
    Border::new(World::real(), region, &[local])
}

async fn ask(border: &Border, region: &Region, sql: &str) -> Result<Vec<String>, String> {
    let url = server().expect("a server");
    let (head, place) = url.split_once('@').expect("a user");
    let (host, database) = place.split_once('/').expect("a database");
    let user = head.rsplit('/').next().expect("a user");
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let ask = Ask {
        workspace: WorkspaceId::new("shell"),
        purpose: Purpose::ControlStore,
        url: format!("postgres://{host}/"),
        place: domicile_border::Place::Declared(Some(region.country)),
    };
    let permit = border.permit(ask).await.map_err(|e| e.to_string())?;
    let limits = Limits { connect: Duration::from_secs(5), whole: Duration::from_secs(5), answer_bytes: 0 };
    let pipe = border.pipe(permit, &limits).await.map_err(|e| e.to_string())?;
    let mut config = tokio_postgres::Config::new();
    let database = database.split('?').next().expect("a database");
    config.user(user).password(password).dbname(database).ssl_mode(tokio_postgres::config::SslMode::Disable);
    let (client, driver) = config.connect_raw(pipe, tokio_postgres::NoTls).await.map_err(|e| e.to_string())?;
    tokio::spawn(driver);
    let told =
        client.simple_query(sql).await.map_err(|e| e.as_db_error().map_or(e.to_string(), |e| e.message().into()))?;
    let rows = told.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    Ok(rows.collect())
}
