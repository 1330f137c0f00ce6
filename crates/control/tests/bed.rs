//! A store in a temporary folder, for a region that exists only here.

use domicile_control::{Actor, NewSource, Store, StoreError};
use domicile_keys::Keyring;
use domicile_region::{BorderPolicy, Country, CountrySet, IngestPoint, PointName, Region, RegionId};
use domicile_workspace::{SourceKind, Workspace};
use domicile_world::World;
use std::path::PathBuf;
use std::sync::Arc;

pub struct Bed {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub workspace: Arc<Workspace>,
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
        border: BorderPolicy { allow: CountrySet::Any, transfers: Vec::new() },
    }
}

pub fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("cell/control.db")
}

pub fn open(dir: &tempfile::TempDir, region_id: &str) -> Result<Store, StoreError> {
    let world = World::real();
    let keys = Keyring::open(&world, &dir.path().join("cell/keys")).expect("keys");
    Store::open(&world, &path(dir), &region(region_id), &keys)
}

/// A shell on the same file, as an operator might open one.
pub fn shell(dir: &tempfile::TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(path(dir)).expect("opens the file")
}

pub fn new_source(slug: &str) -> NewSource {
    NewSource {
        slug: slug.to_owned(),
        name: None,
        kind: SourceKind::Website,
        enabled: true,
        ingestion_region: None,
        strict: false,
        rate_limit: None,
    }
}

impl Bed {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = open(&dir, "ch-north").expect("opens");
        let workspace = store.create_workspace(&BY, "acme", "Acme").expect("makes a workspace");
        Self { dir, store, workspace }
    }

    pub fn reopen(self) -> Self {
        let Self { dir, store, workspace } = self;
        drop(store);
        let store = open(&dir, "ch-north").expect("opens again");
        Self { dir, store, workspace }
    }
}
