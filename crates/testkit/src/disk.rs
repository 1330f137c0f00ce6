//! A disk in memory that forgets what was not synced, and fails on command.
//!
//! ```text
//!          append            sync             crash
//! program ────────► live ────────► platter ────────► live again
//!                   names, bytes: what was not synced is lost, or some of it is kept, as the dice fall
//! ```
//!
//! - The strict reading: a file's bytes last after its own `sync`, its name after `sync_folder` of its folder (which
//!   `make_folder` does for the folders that it makes). Nothing lasts by luck.
//! - After a crash, whatever was opened before it gets errors: a program that is dead can't write.
//! - A failed sync drops what it should have written, and the next one says yes, as Linux does.

mod damage;
mod fault;
mod file;
mod names;

pub use damage::Snapshot;
pub use fault::{Failure, Op};

use crate::Dice;
use domicile_world::{AppendFile, Disk, DiskEntry, ReadFile};
use fault::{Faults, Strike};
use file::File;
use names::{Names, Node};
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a program's life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The program is killed (`kill -9`); the system lives on and forgets nothing, but has not synced it either.
    Kill,
    /// The power goes: only what was synced is left.
    Power,
    /// The power goes while the system is writing back: of the 512-byte sectors and the changes of names that were not
    /// synced, some are there; what is missing reads as zeros, and a file may or may not have its new length.
    Torn,
}

impl Crash {
    pub const ALL: [Self; 3] = [Self::Kill, Self::Power, Self::Torn];
}

/// The simulated disk, as a program sees it (through [`Disk`]) and as the test holds it. Clones share the disk.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Mutex<State>>,
    activity: Arc<AtomicU64>,
    /// The life of the machine that this handle belongs to.
    boot: u64,
}

struct State {
    dice: Dice,
    boot: u64,
    names: Names,
    /// By their number; a file without a name stays, for those who have it open.
    files: Vec<File>,
    faults: Faults,
    capacity: Option<u64>,
}

impl SimDisk {
    pub(crate) fn new(seed: u64, activity: Arc<AtomicU64>) -> Self {
        let state = State {
            dice: Dice::new(seed ^ 0x0064_6973_6B00_0000),
            boot: 0,
            names: Names::new(),
            files: Vec::new(),
            faults: Faults::default(),
            capacity: None,
        };
        Self { shared: Arc::new(Mutex::new(state)), activity, boot: 0 }
    }

    /// The disk for a program that starts now.
    pub fn restart(&self) -> Self {
        Self { boot: self.lock().boot, ..self.clone() }
    }

    /// Ends the running program's life here and now.
    pub fn crash(&self, crash: Crash) {
        self.lock().crash(crash);
    }

    /// Ends it at the `nth` change from now (1: the next). The change may have happened, in part or whole; it is not
    /// acknowledged. A crash before that takes the plan's place.
    pub fn crash_in(&self, nth: u64, crash: Crash) {
        self.lock().faults.crash_in(nth, crash);
    }

    /// Whether the life that this handle belongs to has ended.
    pub fn crashed(&self) -> bool {
        self.lock().boot != self.boot
    }

    /// The `nth` operation of this kind from now (1: the next) fails. Of an append, some bytes may have been written.
    pub fn fail_at(&self, op: Op, nth: u64, failure: Failure) {
        self.lock().faults.fail_once(op, nth, failure);
    }

    /// All operations of this kind fail from the `nth` on, until [`Self::heal`].
    pub fn fail_from(&self, op: Op, nth: u64, failure: Failure) {
        self.lock().faults.fail_from(op, nth, failure);
    }

    /// From the `nth` change on nothing that takes room succeeds, until [`Self::heal`].
    pub fn full_in(&self, nth: u64) {
        self.lock().faults.full_in(nth);
    }

    /// Operations of this kind say yes and do nothing, until [`Self::heal`]: the planted bug that a test must find.
    pub fn lie_about(&self, op: Op) {
        self.lock().faults.lie(op);
    }

    /// Nothing is to fail any more. The capacity stays.
    pub fn heal(&self) {
        self.lock().faults.heal();
    }

    /// Bytes that all files together may have; `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// How often an operation was asked for so far.
    pub fn count(&self, op: Op) -> u64 {
        self.lock().faults.count(op)
    }

    /// How many operations that change the disk were asked for so far: the points where a crash can be.
    pub fn changes(&self) -> u64 {
        self.lock().faults.changes()
    }

    /// How many operations failed so far because they were told to.
    pub fn failed(&self) -> u64 {
        self.lock().faults.failed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a program that still lives.
    fn enter(&self) -> io::Result<MutexGuard<'_, State>> {
        self.activity.fetch_add(1, Ordering::Relaxed);
        let state = self.lock();
        if state.boot == self.boot { Ok(state) } else { Err(power_is_off()) }
    }
}

impl State {
    fn crash(&mut self, crash: Crash) {
        self.boot += 1;
        self.faults.crashed();
        let mut torn = match crash {
            Crash::Kill => return,
            Crash::Power => None,
            Crash::Torn => Some(self.dice.split()),
        };
        self.names.power_lost(torn.as_mut());
        self.files.iter_mut().for_each(|file| file.power_lost(torn.as_mut()));
    }

    fn used_bytes(&self) -> u64 {
        let bytes = |node| match node {
            Node::File(number) => self.files[number].live.len() as u64,
            Node::Folder => 0,
        };
        self.names.all().map(|(_, node)| bytes(node)).sum()
    }

    fn free_bytes(&self) -> u64 {
        if self.faults.is_full() {
            return 0;
        }
        self.capacity.map_or(1 << 40, |capacity| capacity.saturating_sub(self.used_bytes()))
    }

    /// Counts an operation on names and does it, unless it is to fail.
    fn perform<T>(&mut self, op: Op, nothing: T, act: impl FnOnce(&mut Self) -> T) -> io::Result<T> {
        match self.faults.strike(op) {
            None => Ok(act(self)),
            Some(Strike::Lie) => Ok(nothing),
            Some(Strike::Fail(failure)) => Err(failure.error()),
            Some(Strike::Crash(crash)) => {
                if self.dice.coin() {
                    act(self);
                }
                self.crash(crash);
                Err(power_is_off())
            }
        }
    }

    fn append(&mut self, number: usize, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let strike = self.faults.strike(Op::Append);
        let free = self.capacity.map_or(u64::MAX, |_| self.free_bytes());
        let some = self.dice.index(bytes.len() + 1);
        let (kept, error) = match strike {
            Some(Strike::Fail(failure)) => (some, Some(failure.error())),
            Some(Strike::Crash(_)) => (some, Some(power_is_off())),
            _ if bytes.len() as u64 > free => (free as usize, Some(Failure::Full.error())),
            _ => (bytes.len(), None),
        };
        self.files[number].append(&bytes[..kept]);
        if let Some(Strike::Crash(crash)) = strike {
            self.crash(crash);
        }
        error.map_or(Ok(()), Err)
    }

    fn sync(&mut self, number: usize) -> io::Result<()> {
        let file = &mut self.files[number];
        match self.faults.strike(Op::Sync) {
            None => file.sync(),
            Some(Strike::Lie) => {}
            Some(Strike::Fail(failure)) => {
                file.sync_failed();
                return Err(failure.error());
            }
            Some(Strike::Crash(crash)) => {
                if self.dice.coin() {
                    file.sync();
                }
                self.crash(crash);
                return Err(power_is_off());
            }
        }
        Ok(())
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

fn file_number(node: Option<Node>) -> io::Result<Option<usize>> {
    match node {
        None => Ok(None),
        Some(Node::File(number)) => Ok(Some(number)),
        Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
    }
}

impl Disk for SimDisk {
    fn make_folder(&self, path: &Path, _private: bool) -> io::Result<()> {
        let mut state = self.enter()?;
        let missing: Vec<_> = path.ancestors().take_while(|folder| state.names.get(folder).is_none()).collect();
        let there = missing.last().map_or(Some(path), |folder| folder.parent());
        if there.is_some_and(|folder| state.names.get(folder) != Some(Node::Folder)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // As the real disk does it: each name lasts before the next is made.
        if let Some(above) = there.and_then(Path::parent) {
            state.perform(Op::SyncFolder, (), |state| state.names.sync_folder(above))?;
        }
        for folder in missing.into_iter().rev() {
            state.perform(Op::MakeFolder, (), |state| state.names.put(folder, Node::Folder))?;
            let above = folder.parent().unwrap_or(folder);
            state.perform(Op::SyncFolder, (), |state| state.names.sync_folder(above))?;
        }
        Ok(())
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        let mut state = self.enter()?;
        let number = match file_number(state.names.get(path))? {
            Some(number) => number,
            None => {
                if path.parent().and_then(|folder| state.names.get(folder)) != Some(Node::Folder) {
                    return Err(io::ErrorKind::NotFound.into());
                }
                let number = state.files.len();
                state.files.push(File::default());
                state.perform(Op::Create, (), |state| state.names.put(path, Node::File(number)))?;
                number
            }
        };
        Ok(Box::new(Open { disk: self.clone(), number }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        match file_number(self.enter()?.names.get(path))? {
            Some(number) => Ok(Box::new(Open { disk: self.clone(), number })),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn settle(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter()?;
        let number = file_number(state.names.get(path))?.ok_or(io::ErrorKind::NotFound)?;
        state.sync(number)?;
        state.files[number].forget();
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut state = self.enter()?;
        match state.names.get(folder) {
            Some(Node::Folder) => {}
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        state.perform(Op::List, Vec::new(), |state| {
            let entry = |(path, node): (&Path, Node)| {
                let (bytes, folder) = match node {
                    Node::Folder => (0, true),
                    Node::File(number) => (state.files[number].live.len() as u64, false),
                };
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                DiskEntry { name, bytes, folder }
            };
            state.names.within(folder).map(entry).collect()
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.enter()?;
        let Some(number) = file_number(state.names.get(from))? else { return Err(io::ErrorKind::NotFound.into()) };
        if to.parent().and_then(|folder| state.names.get(folder)) != Some(Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        file_number(state.names.get(to))?;
        state.perform(Op::Rename, (), |state| state.names.rename(from, to, Node::File(number)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter()?;
        if file_number(state.names.get(path))?.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.perform(Op::Remove, (), |state| state.names.take(path))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter()?;
        if state.names.get(path) != Some(Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.perform(Op::SyncFolder, (), |state| state.names.sync_folder(path))
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.enter()?.free_bytes())
    }

    fn exists(&self, path: &Path) -> bool {
        self.enter().is_ok_and(|state| state.names.get(path).is_some())
    }
}

/// An open file, for reading or for appending.
struct Open {
    disk: SimDisk,
    number: usize,
}

impl AppendFile for Open {
    fn append(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.disk.enter()?.append(self.number, parts)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.enter()?.sync(self.number)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let number = self.number;
        self.disk.enter()?.perform(Op::Cut, (), |state| state.files[number].cut(bytes as usize))
    }
}

impl ReadFile for Open {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.enter()?;
        state.perform(Op::Read, 0, |state| {
            let live = &state.files[self.number].live;
            let from = live.len().min(offset as usize);
            let n = out.len().min(live.len() - from);
            out[..n].copy_from_slice(&live[from..from + n]);
            n
        })
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.enter()?.files[self.number].live.len() as u64)
    }
}
