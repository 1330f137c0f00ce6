//! A store on each engine, for a region that exists only here.

use crate::engine::Home;
use crate::single::OneStep as _;
use domicile_control::{Actor, NewSource, Store, StoreError};
use domicile_region::{BorderPolicy, Country, CountrySet, IngestPoint, PointName, Region, RegionId};
use domicile_workspace::{SourceKind, Workspace};
use std::sync::Arc;

pub struct Bed {
    // Closed before its home goes.
    pub store: Store,
    pub workspace: Arc<Workspace>,
    pub home: Home,
}

pub const BY: Actor = Actor::Operator;

pub fn region(id: &str) -> Region {
    let country = Country::new("CH").expect("a country");
    let point =
        |name: &str| IngestPoint { name: PointName::new(name), country, url: None, listen: None, remote: false };
    Region {
        id: RegionId::new(id),
        name: "Test".to_owned(),
        country,
        locations: Vec::new(),
        ingest: vec![point("zurich"), point("geneva")],
        plan: None,
        api: None,
        listen: None,
        key_prefix: "chn".to_owned(),
        egress_addresses: Vec::new(),
        witnesses: Vec::new(),
        border: BorderPolicy { allow: CountrySet::Any, transfers: Vec::new() },
    }
}

/// Runs a test on a store of each engine, with a workspace in it.
pub fn each(test: impl Fn(Bed)) {
    for home in Home::each(&region("ch-north")) {
        eprintln!("on {}", if home.is_sqlite() { "SQLite" } else { "PostgreSQL" });
        test(Bed::at(home));
    }
}

pub fn new_source(slug: &str) -> NewSource {
    NewSource::new(slug, SourceKind::Website)
}

impl Bed {
    pub fn sqlite() -> Self {
        Self::at(Home::sqlite(region("ch-north")))
    }

    pub fn at(home: Home) -> Self {
        let store = home.open().expect("opens");
        let workspace = store.create_workspace(&BY, "acme", "Acme").expect("makes a workspace");
        Self { store, workspace, home }
    }

    pub fn reopen(self) -> Self {
        let Self { home, store, workspace } = self;
        drop(store);
        let store = home.open().expect("opens again");
        Self { store, workspace, home }
    }

    /// As another region's cell would open it.
    pub fn open_as(&self, id: &str) -> Result<Store, StoreError> {
        self.home.open_as(&region(id))
    }

    pub fn version(&self) -> u64 {
        self.store.current().load().version.0
    }
}
