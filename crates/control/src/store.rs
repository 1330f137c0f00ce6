//! The store: where it is, and the ways in, [`Store::view`], [`Store::change`] and [`Store::rehearse`].

use crate::audit::Actor;
use crate::change::Change;
use crate::db::postgres::PostgresUrl;
use crate::db::{Begin, Database, DbError, Tx, postgres, sqlite};
use crate::view::View;
use crate::{ControlError, StoreError, migration, snapshot};
use domicile_border::Border;
use domicile_keys::Keyring;
use domicile_region::{Region, RegionId};
use domicile_workspace::{Current, Snapshot};
use domicile_world::World;
use std::path::Path;
use std::sync::Arc;

/// The control store of a cell. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) db: Database,
    pub(crate) world: World,
    pub(crate) region: Region,
    pub(crate) keys: Keyring,
    current: Current,
}

/// Where a control store is.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// A file of SQLite: one machine.
    File(&'a Path),
    /// A schema of a PostgreSQL database: a cluster. The border opens its connections.
    Postgres { url: &'a PostgresUrl, border: &'a Border },
}

impl Store {
    /// Opens the store of `region` in a file, or makes it. As [`Self::open_at`].
    pub fn open(world: &World, path: &Path, region: &Region, keys: &Keyring) -> Result<Self, StoreError> {
        Self::open_at(world, Place::File(path), region, keys)
    }

    /// Opens the store of `region`, or makes it; applies the migrations that are missing; reads the configuration.
    ///
    /// # Errors
    /// `OtherRegion` when it belongs to another cell, and everything that keeps it from being read whole.
    pub fn open_at(world: &World, place: Place<'_>, region: &Region, keys: &Keyring) -> Result<Self, StoreError> {
        let db = match place {
            Place::File(path) => sqlite::open(world, path)?,
            Place::Postgres { url, border } => postgres::open(world, url, border, region)?,
        };
        let applied = migration::migrate(&db, &region.id, world.clock.now())?;
        if applied > 0 {
            tracing::info!(region = %region.id, applied, "control store migrated");
        }
        if matches!(place, Place::File(_)) {
            sqlite::check(&db)?;
        }
        let empty = Snapshot::empty(region.id.clone());
        let (world, region, keys) = (world.clone(), region.clone(), keys.clone());
        let store = Self { inner: Arc::new(Inner { db, world, region, keys, current: Current::new(empty) }) };
        store.follow()?;
        Ok(store)
    }

    /// Whether what lies at `path` can be a control store: a first look, which opens and changes nothing.
    ///
    /// # Errors
    /// `NotOurs`, and `Io` when it can't be read.
    pub fn look(world: &World, path: &Path) -> Result<(), StoreError> {
        sqlite::look(world, path)
    }

    /// Where the newest configuration is found.
    pub fn current(&self) -> Current {
        self.inner.current.clone()
    }

    /// The region that this store belongs to.
    pub fn region(&self) -> &RegionId {
        &self.inner.region.id
    }

    /// Reads one state of the store, beside whatever is being changed.
    pub fn view<T, E: From<ControlError>>(&self, read: impl FnOnce(&View<'_>) -> Result<T, E>) -> Result<T, E> {
        let inner = &*self.inner;
        let tx = inner.db.begin(Begin::View).map_err(|e| E::from(inner.sql("begin reading", e)))?;
        // Rolled back at the end, whatever was read: there is nothing to keep.
        read(&View::new(&*tx, inner))
    }

    /// Makes one change, which may have many steps: whole, or not at all. When `make` gives an error, nothing of it holds;
    /// when it changed nothing, the version stays. After `Ok` the change is durable, and [`Self::current`] has it.
    pub fn change<T, E: From<ControlError>>(
        &self,
        by: &Actor,
        make: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let inner = &*self.inner;
        let tx = inner.db.begin(Begin::Change).map_err(|e| E::from(inner.sql("begin a change", e)))?;
        self.make(tx, by, make)
    }

    /// Makes a change and takes it back: what would be. Nothing of it holds, whatever it gives.
    pub fn rehearse<T, E: From<ControlError>>(
        &self,
        by: &Actor,
        make: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let inner = &*self.inner;
        let tx = inner.db.begin(Begin::Change).map_err(|e| E::from(inner.sql("begin a rehearsal", e)))?;
        let view = View::new(&*tx, inner);
        let version = view.version()?;
        // The transaction is dropped at the end, which rolls it back.
        make(&mut Change::new(view, by, version + 1))
    }

    /// As [`Self::change`], unless another change is under way: then it gives `None`, without waiting. For what can be
    /// left out.
    pub(crate) fn change_if_free<T>(
        &self,
        by: &Actor,
        make: impl FnOnce(&mut Change<'_>) -> Result<T, ControlError>,
    ) -> Result<Option<T>, ControlError> {
        let inner = &*self.inner;
        let tx = inner.db.begin_if_free().map_err(|e| inner.sql("begin a change", e))?;
        tx.map(|tx| self.make(tx, by, make)).transpose()
    }

    fn make<T, E: From<ControlError>>(
        &self,
        tx: Tx<'_>,
        by: &Actor,
        make: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let inner = &*self.inner;
        let view = View::new(&*tx, inner);
        let version = view.version()?;
        let mut change = Change::new(view, by, version + 1);
        // From here on an early return drops the transaction, which rolls it back.
        let made = make(&mut change)?;
        let mut newer = None;
        if change.has_changed() {
            change.take_version()?;
            // Read before the commit: a change that can't be read back is not made.
            newer = Some(snapshot::newer(&change, &inner.current.load())?);
        }
        tx.commit(|| {
            if let Some(newer) = newer {
                inner.current.put(newer);
            }
        })
        .map_err(|e| E::from(inner.sql("commit a change", e)))?;
        Ok(made)
    }

    /// Looks whether another program changed the store, and brings [`Self::current`] up to date. Gives whether it did.
    /// Cheap when nothing changed: call it every 250 ms or so. It waits for no view.
    pub fn follow(&self) -> Result<bool, StoreError> {
        let inner = &*self.inner;
        let newer = || {
            let tx = inner.db.begin_following().map_err(|e| inner.sql("begin reading", e))?;
            let (view, before) = (View::new(&*tx, inner), inner.current.load());
            let is_newer = view.version()? > before.version.0;
            is_newer.then(|| snapshot::newer(&view, &before)).transpose()
        };
        match newer() {
            Ok(None) => Ok(false),
            Ok(Some(newer)) => {
                inner.current.put(newer);
                Ok(true)
            }
            Err(ControlError::Store(error)) => Err(error),
            // Reading applies no rule.
            Err(other) => Err(StoreError::Damaged { file: inner.db.at.clone(), what: other.to_string() }),
        }
    }
}

impl Inner {
    pub(crate) fn sql(&self, doing: &'static str, error: DbError) -> ControlError {
        ControlError::Store(StoreError::sql(&self.db.at, doing, error))
    }
}
