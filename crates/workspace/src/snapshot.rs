//! One version of a cell's configuration, and the place where the newest one is found.

use crate::{ConfigVersion, Destination, Source, SourceId, SourceNumber, WorkspaceId, WorkspaceNumber};
use arc_swap::ArcSwap;
use domicile_region::RegionId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A workspace. Its region is the cell's, for good.
#[derive(Clone, Debug)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub number: WorkspaceNumber,
    pub slug: String,
    pub name: String,
    pub region: RegionId,
}

/// One version of a cell's configuration. Whole and unchanging.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub version: ConfigVersion,
    pub region: RegionId,
    pub workspaces: Vec<Arc<Workspace>>,
    /// By number; numbers may have gaps.
    pub sources: HashMap<SourceNumber, Arc<Source>>,
    pub destinations: Vec<Arc<Destination>>,
    /// Deleted ones: they take nothing, but what was promised before is decided and archived under their names.
    gone: HashMap<SourceNumber, Arc<Source>>,
    by_key: HashMap<String, (SourceNumber, bool)>,
    by_id: HashMap<SourceId, SourceNumber>,
}

impl Snapshot {
    pub fn new(
        version: ConfigVersion,
        region: RegionId,
        workspaces: Vec<Workspace>,
        sources: Vec<Source>,
        destinations: Vec<Destination>,
    ) -> Self {
        let mut by_key = HashMap::new();
        let mut by_id = HashMap::new();
        for source in &sources {
            by_id.insert(source.id.clone(), source.number);
            for key in &source.write_keys {
                by_key.insert(key.key.clone(), (source.number, key.enabled));
            }
        }
        Self {
            version,
            region,
            workspaces: workspaces.into_iter().map(Arc::new).collect(),
            sources: sources.into_iter().map(|source| (source.number, Arc::new(source))).collect(),
            destinations: destinations.into_iter().map(Arc::new).collect(),
            gone: HashMap::new(),
            by_key,
            by_id,
        }
    }

    /// The same, with sources that were deleted.
    pub fn with_gone(self, gone: Vec<Source>) -> Self {
        Self { gone: gone.into_iter().map(|source| (source.number, Arc::new(source))).collect(), ..self }
    }

    /// A configuration with nothing in it.
    pub fn empty(region: RegionId) -> Self {
        Self::new(ConfigVersion(0), region, Vec::new(), Vec::new(), Vec::new())
    }

    /// The source that a write key belongs to, and whether the key and the source are switched on.
    ///
    /// A hash look-up: its time depends on the key's length and not on how much of it is right.
    pub fn source_of_key(&self, key: &str) -> Option<(&Arc<Source>, bool)> {
        let &(number, enabled) = self.by_key.get(key)?;
        let source = self.sources.get(&number)?;
        Some((source, enabled && source.enabled))
    }

    /// The source that a frame names, deleted or not.
    pub fn source_of_frame(&self, number: SourceNumber) -> Option<&Arc<Source>> {
        self.sources.get(&number).or_else(|| self.gone.get(&number))
    }

    pub fn source(&self, id: &SourceId) -> Option<&Arc<Source>> {
        self.sources.get(self.by_id.get(id)?)
    }

    pub fn workspace(&self, id: &WorkspaceId) -> Option<&Arc<Workspace>> {
        self.workspaces.iter().find(|workspace| workspace.id == *id)
    }
}

/// Where the newest snapshot of a cell is found. Cheap to clone; loading costs no lock.
#[derive(Clone)]
pub struct Current {
    newest: Arc<ArcSwap<Snapshot>>,
    versions: watch::Sender<ConfigVersion>,
}

impl Current {
    pub fn new(snapshot: Snapshot) -> Self {
        let versions = watch::Sender::new(snapshot.version);
        Self { newest: Arc::new(ArcSwap::from_pointee(snapshot)), versions }
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.newest.load_full()
    }

    /// Puts a newer version in place; an older one is left out, so that two writers can't undo each other.
    pub fn put(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.newest.rcu(|now| if snapshot.version > now.version { Arc::clone(&snapshot) } else { Arc::clone(now) });
        self.versions.send_if_modified(|version| {
            let newer = snapshot.version > *version;
            if newer {
                *version = snapshot.version;
            }
            newer
        });
    }

    /// Tells of each new version.
    pub fn versions(&self) -> watch::Receiver<ConfigVersion> {
        self.versions.subscribe()
    }
}
