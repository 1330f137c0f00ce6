//! Names and folders: as the program sees them, and as they are on the platter.
//!
//! A change of names is on the platter when the folder that it happened in was synced after it. Until then a power loss
//! may keep it or not: a strict reading of what file systems promise, stricter than most are.

use crate::Dice;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a name stands for; a file by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Folder,
    File(usize),
}

/// A change of names, whole or not at all.
#[derive(Clone)]
enum Change {
    Put { path: PathBuf, node: Node },
    Take { path: PathBuf },
    Move { from: PathBuf, to: PathBuf, node: Node },
}

impl Change {
    /// The folder whose sync makes it last.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Put { path, .. } | Self::Take { path } => path.parent(),
            Self::Move { to, .. } => to.parent(),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Put { path, node } => {
                names.insert(path, node);
            }
            Self::Take { path } => {
                names.remove(&path);
            }
            Self::Move { from, to, node } => {
                // Only if the name still means this file: it may have been given again since.
                if names.get(&from) == Some(&node) {
                    names.remove(&from);
                }
                names.insert(to, node);
            }
        }
    }
}

#[derive(Clone)]
pub(crate) struct Names {
    live: BTreeMap<PathBuf, Node>,
    platter: BTreeMap<PathBuf, Node>,
    /// What was done and not synced, in order.
    pending: Vec<Change>,
}

impl Names {
    /// Only `/`.
    pub(crate) fn new() -> Self {
        let root = BTreeMap::from([(PathBuf::from("/"), Node::Folder)]);
        Self { live: root.clone(), platter: root, pending: Vec::new() }
    }

    pub(crate) fn get(&self, path: &Path) -> Option<Node> {
        self.live.get(path).copied()
    }

    pub(crate) fn put(&mut self, path: &Path, node: Node) {
        self.change(Change::Put { path: path.into(), node });
    }

    pub(crate) fn take(&mut self, path: &Path) {
        self.change(Change::Take { path: path.into() });
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path, node: Node) {
        self.change(Change::Move { from: from.into(), to: to.into(), node });
    }

    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.live);
        self.pending.push(change);
    }

    /// What is directly in `folder`, sorted by name.
    pub(crate) fn within<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = (&'a Path, Node)> {
        self.all().filter(move |(path, _)| path.parent() == Some(folder))
    }

    /// Every name, sorted.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Path, Node)> {
        self.live.iter().map(|(path, node)| (path.as_path(), *node))
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) {
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition(|c| c.folder() == Some(folder));
        self.pending = pending;
        Vec::into_iter(synced).for_each(|change| change.apply(&mut self.platter));
    }

    /// What is left after a power loss: what was synced, and when `torn`, some of the rest: all up to a point, as a
    /// journal keeps it, or any of it.
    pub(crate) fn power_lost(&mut self, torn: Option<&mut Dice>) {
        if let Some(dice) = torn {
            let pending = std::mem::take(&mut self.pending);
            let (in_order, point) = (dice.coin(), dice.index(pending.len() + 1));
            for (nth, change) in pending.into_iter().enumerate() {
                if if in_order { nth < point } else { dice.coin() } {
                    change.apply(&mut self.platter);
                }
            }
        }
        self.pending.clear();
        // What lies in a folder that is not there is not there.
        let mut left = BTreeMap::new();
        for (path, node) in std::mem::take(&mut self.platter) {
            if path.parent().is_none_or(|folder| left.get(folder) == Some(&Node::Folder)) {
                left.insert(path, node);
            }
        }
        self.live.clone_from(&left);
        self.platter = left;
    }

    /// Swaps what two names stand for, now and for good.
    pub(crate) fn swap(&mut self, a: &Path, b: &Path) {
        for names in [&mut self.live, &mut self.platter] {
            if let (Some(&at_a), Some(&at_b)) = (names.get(a), names.get(b)) {
                names.insert(a.into(), at_b);
                names.insert(b.into(), at_a);
            }
        }
    }
}
