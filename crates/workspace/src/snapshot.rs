//! One version of a cell's configuration, and the place where the newest one is found.

use crate::{
    ConfigVersion, Destination, DestinationId, GrantedTransfer, Source, SourceId, SourceNumber, Suppressed,
    Suppression, WorkspaceId, WorkspaceNumber,
};
use arc_swap::ArcSwap;
use domicile_region::{RegionId, Transfer};
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use std::collections::BTreeMap;
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
///
/// Its maps share what they have in common with the version before: a new version costs what the change touched, not what
/// the cell has.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub version: ConfigVersion,
    pub region: RegionId,
    pub workspaces: RedBlackTreeMapSync<WorkspaceNumber, Arc<Workspace>>,
    /// By number; numbers may have gaps.
    pub sources: HashTrieMapSync<SourceNumber, Arc<Source>>,
    /// By the order in which they were made.
    pub destinations: RedBlackTreeMapSync<u64, Arc<Destination>>,
    /// Users of whom no event is kept.
    pub suppressed: Suppressed,
    /// Granted and not ended, expired ones too; in the order in which they were asked for.
    pub transfers: RedBlackTreeMapSync<u64, Arc<GrantedTransfer>>,
    /// Deleted ones: they take nothing, but what was promised before is decided and archived under their names.
    gone: HashTrieMapSync<SourceNumber, Arc<Source>>,
    by_key: HashTrieMapSync<Arc<str>, (SourceNumber, bool)>,
    source_by_id: HashTrieMapSync<SourceId, SourceNumber>,
    destination_by_id: HashTrieMapSync<DestinationId, u64>,
    workspace_by_id: HashTrieMapSync<WorkspaceId, WorkspaceNumber>,
}

/// What a later version has that an earlier one has not: whole objects, each as the later version has it.
#[derive(Clone, Debug, Default)]
pub struct Delta {
    pub version: ConfigVersion,
    pub workspaces: Vec<Workspace>,
    /// With all their write keys.
    pub sources: Vec<Source>,
    /// Sources that are deleted.
    pub gone: Vec<Source>,
    /// By their place in the order in which they were made; `None`: deleted.
    pub destinations: Vec<(u64, Option<Destination>)>,
    /// In any order; of one user in one place, once.
    pub suppressions: Vec<Suppression>,
    /// By their place in the order in which they were asked for; `None`: ended.
    pub transfers: Vec<(u64, Option<GrantedTransfer>)>,
}

impl Snapshot {
    pub fn new(
        version: ConfigVersion,
        region: RegionId,
        workspaces: Vec<Workspace>,
        sources: Vec<Source>,
        destinations: Vec<Destination>,
    ) -> Self {
        let destinations = (1..).zip(destinations.into_iter().map(Some)).collect();
        let delta = Delta { version, workspaces, sources, destinations, ..Delta::default() };
        Self::empty(region).with(delta)
    }

    /// A configuration with nothing in it.
    pub fn empty(region: RegionId) -> Self {
        Self {
            version: ConfigVersion(0),
            region,
            workspaces: RedBlackTreeMapSync::new_sync(),
            sources: HashTrieMapSync::new_sync(),
            destinations: RedBlackTreeMapSync::new_sync(),
            suppressed: Suppressed::default(),
            transfers: RedBlackTreeMapSync::new_sync(),
            gone: HashTrieMapSync::new_sync(),
            by_key: HashTrieMapSync::new_sync(),
            source_by_id: HashTrieMapSync::new_sync(),
            destination_by_id: HashTrieMapSync::new_sync(),
            workspace_by_id: HashTrieMapSync::new_sync(),
        }
    }

    /// The version that `delta` leads to. Costs what the delta holds.
    pub fn with(&self, delta: Delta) -> Self {
        let mut next = self.clone();
        next.version = delta.version;
        next.suppressed.apply(delta.suppressions);
        for (number, transfer) in delta.transfers {
            match transfer {
                Some(transfer) => next.transfers.insert_mut(number, Arc::new(transfer)),
                None => drop(next.transfers.remove_mut(&number)),
            }
        }
        for workspace in delta.workspaces {
            next.workspace_by_id.insert_mut(workspace.id.clone(), workspace.number);
            next.workspaces.insert_mut(workspace.number, Arc::new(workspace));
        }
        for source in delta.sources {
            next.take_out(source.number);
            next.gone.remove_mut(&source.number);
            next.put_in(source);
        }
        for source in delta.gone {
            next.take_out(source.number);
            next.gone.insert_mut(source.number, Arc::new(source));
        }
        for (number, destination) in delta.destinations {
            if let Some(before) = next.destinations.get(&number) {
                let id = before.id.clone();
                next.destination_by_id.remove_mut(&id);
            }
            match destination {
                Some(destination) => {
                    next.destination_by_id.insert_mut(destination.id.clone(), number);
                    next.destinations.insert_mut(number, Arc::new(destination));
                }
                None => drop(next.destinations.remove_mut(&number)),
            }
        }
        next
    }

    /// The same, with sources that were deleted.
    pub fn with_gone(self, gone: Vec<Source>) -> Self {
        let version = self.version;
        self.with(Delta { version, gone, ..Delta::default() })
    }

    fn put_in(&mut self, source: Source) {
        self.source_by_id.insert_mut(source.id.clone(), source.number);
        for key in &source.write_keys {
            self.by_key.insert_mut(key.key.as_str().into(), (source.number, key.enabled));
        }
        self.sources.insert_mut(source.number, Arc::new(source));
    }

    fn take_out(&mut self, number: SourceNumber) {
        let Some(source) = self.sources.get(&number).cloned() else { return };
        self.sources.remove_mut(&number);
        self.source_by_id.remove_mut(&source.id);
        for key in &source.write_keys {
            // The same delta may have given the key to another source.
            if self.by_key.get(key.key.as_str()).is_some_and(|(of, _)| *of == number) {
                self.by_key.remove_mut(key.key.as_str());
            }
        }
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
        self.sources.get(self.source_by_id.get(id)?)
    }

    pub fn destination(&self, id: &DestinationId) -> Option<&Arc<Destination>> {
        self.destinations.get(self.destination_by_id.get(id)?)
    }

    /// The transfers of all workspaces that have some, as the border takes them.
    pub fn grants(&self) -> BTreeMap<WorkspaceId, Vec<Transfer>> {
        let mut grants: BTreeMap<WorkspaceId, Vec<Transfer>> = BTreeMap::new();
        for granted in self.transfers.values() {
            grants.entry(granted.workspace.clone()).or_default().push(granted.transfer.clone());
        }
        grants
    }

    /// A workspace's own transfers.
    pub fn transfers_of<'a>(&'a self, workspace: &'a WorkspaceId) -> impl Iterator<Item = &'a Arc<GrantedTransfer>> {
        self.transfers.values().filter(move |transfer| transfer.workspace == *workspace)
    }

    pub fn workspace(&self, id: &WorkspaceId) -> Option<&Arc<Workspace>> {
        self.workspaces.get(self.workspace_by_id.get(id)?)
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
