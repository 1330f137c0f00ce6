//! What a program does to a disk, and which of it is to fail.

use super::Crash;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// One kind of thing that a program asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// Making a folder that is not there.
    MakeFolder,
    /// Making a file that is not there.
    Create,
    Append,
    Sync,
    Cut,
    Rename,
    Remove,
    SyncFolder,
    /// Reading a file or its length; counted, not a point where a crash can be asked for.
    Read,
    /// Listing a folder; as `Read`.
    List,
}

impl Op {
    pub const ALL: [Self; 10] = [
        Self::MakeFolder,
        Self::Create,
        Self::Append,
        Self::Sync,
        Self::Cut,
        Self::Rename,
        Self::Remove,
        Self::SyncFolder,
        Self::Read,
        Self::List,
    ];

    /// Whether it changes the disk.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::List)
    }

    /// Whether it needs room.
    pub fn takes_room(self) -> bool {
        matches!(self, Self::MakeFolder | Self::Create | Self::Append)
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// EIO: the device is broken.
    Broken,
    /// ENOSPC: no room.
    Full,
    /// EROFS: the file system was made read-only.
    ReadOnly,
}

impl Failure {
    pub(crate) fn error(self) -> io::Error {
        match self {
            Self::Broken => io::Error::from_raw_os_error(5),
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
        }
    }
}

/// What happens to the operation that is asked for now.
pub(crate) enum Strike {
    Crash(Crash),
    Fail(Failure),
    /// Says yes and does nothing.
    Lie,
}

/// Counts of what was asked, and the plan of what is to fail.
#[derive(Default)]
pub(crate) struct Faults {
    counts: BTreeMap<Op, u64>,
    changes: u64,
    failed: u64,
    crash_at: Option<(u64, Crash)>,
    once: Vec<(Op, u64, Failure)>,
    lasting: Vec<(Op, u64, Failure)>,
    /// From which change on nothing that takes room succeeds.
    full_from: Option<u64>,
    lies: BTreeSet<Op>,
}

impl Faults {
    pub(crate) fn strike(&mut self, op: Op) -> Option<Strike> {
        let strike = self.strike_of(op);
        self.failed += u64::from(matches!(strike, Some(Strike::Fail(_))));
        strike
    }

    fn strike_of(&mut self, op: Op) -> Option<Strike> {
        let count = self.counts.entry(op).or_default();
        *count += 1;
        let count = *count;
        if op.changes() {
            self.changes += 1;
            if let Some((_, crash)) = self.crash_at.take_if(|(at, _)| *at == self.changes) {
                return Some(Strike::Crash(crash));
            }
            if op.takes_room() && self.is_full() {
                return Some(Strike::Fail(Failure::Full));
            }
        }
        if let Some(nth) = self.once.iter().position(|(which, at, _)| *which == op && *at == count) {
            return Some(Strike::Fail(self.once.swap_remove(nth).2));
        }
        if let Some((_, _, failure)) = self.lasting.iter().find(|(which, at, _)| *which == op && *at <= count) {
            return Some(Strike::Fail(*failure));
        }
        self.lies.contains(&op).then_some(Strike::Lie)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full_from.is_some_and(|from| from <= self.changes)
    }

    pub(crate) fn count(&self, op: Op) -> u64 {
        self.counts.get(&op).copied().unwrap_or(0)
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    pub(crate) fn crash_in(&mut self, nth: u64, crash: Crash) {
        self.crash_at = Some((self.changes + nth, crash));
    }

    /// A machine that has crashed does not crash again by an old plan.
    pub(crate) fn crashed(&mut self) {
        self.crash_at = None;
    }

    pub(crate) fn fail_once(&mut self, op: Op, nth: u64, failure: Failure) {
        self.once.push((op, self.count(op) + nth, failure));
    }

    pub(crate) fn fail_from(&mut self, op: Op, nth: u64, failure: Failure) {
        self.lasting.push((op, self.count(op) + nth, failure));
    }

    pub(crate) fn full_in(&mut self, nth: u64) {
        self.full_from = Some(self.changes + nth);
    }

    pub(crate) fn lie(&mut self, op: Op) {
        self.lies.insert(op);
    }

    /// Nothing is to fail any more; the counts go on.
    pub(crate) fn heal(&mut self) {
        let Self { counts, changes, failed, .. } = std::mem::take(self);
        *self = Self { counts, changes, failed, ..Self::default() };
    }
}
