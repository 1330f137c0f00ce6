//! R21: the tests are honest: bugs that are planted are found.
//!
//! Goal: a test that passes proves something, because the same test fails when the program makes a known mistake.
//! Method: the mistakes are made between the program and the simulated disk, so that the product's code needs no switch
//! for them. Each must be found within some seeds.

use crate::cell::compare;
use crate::{cell, power};
use domicile_reliability::CellSettings;
use domicile_world::{AppendFile, Disk, DiskEntry, ReadFile, World};
use std::io::{self, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// A mistake that programs have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    /// Answers before the sync.
    NoSync,
    /// Tries a failed sync again and believes the second yes.
    SyncTriedAgain,
    /// Goes on after a failed sync.
    SyncFailureIgnored,
    /// Does not sync the folder of a new file.
    NoFolderSync,
    /// Goes on after a failed sync of a folder.
    FolderSyncFailureIgnored,
    /// Believes what a killed program wrote and did not sync.
    NoSettle,
    /// Leaves what a failed or torn write left behind.
    NoCut,
    /// Takes a short write for a whole one.
    ShortWriteIgnored,
    /// Writes over a file in place, where it should write beside it and rename.
    RenameByCopy,
}

const MISTAKES: [Mistake; 9] = [
    Mistake::NoSync,
    Mistake::SyncTriedAgain,
    Mistake::SyncFailureIgnored,
    Mistake::NoFolderSync,
    Mistake::FolderSyncFailureIgnored,
    Mistake::NoSettle,
    Mistake::NoCut,
    Mistake::ShortWriteIgnored,
    Mistake::RenameByCopy,
];

const SEEDS: u64 = 1_000;

/// The seed that finds it, if one does.
fn found(name: &str, run: impl Fn(u64)) -> Option<u64> {
    let found = (0..SEEDS).find(|seed| catch_unwind(AssertUnwindSafe(|| run(*seed))).is_err());
    println!("{name}: {}", found.map_or("missed".into(), |seed| format!("found by seed {seed}")));
    found
}

fn world_with(mistake: Mistake) -> impl Fn(World) -> World {
    move |world| World { disk: Arc::new(Mistaken(world.disk, mistake)), ..world }
}

#[test]
fn every_planted_mistake_of_a_log_is_found() {
    let missed = MISTAKES.into_iter().filter(|mistake| {
        let run = |seed| drop(power::lives(seed, world_with(*mistake)));
        found(&format!("{mistake:?}"), run).is_none()
    });
    assert_eq!(missed.collect::<Vec<_>>(), []);
}

#[test]
fn planted_mistakes_of_a_cell_are_found() {
    let cell_with = |seed, mistake: Option<Mistake>, settings: fn(CellSettings) -> CellSettings| {
        let (handles, clients) = match mistake {
            Some(mistake) => cell::lives(seed, world_with(mistake), settings),
            None => cell::lives(seed, |world| world, settings),
        };
        compare(&handles, &clients);
    };
    let no_window = |mut settings: CellSettings| {
        settings.index.window_minutes = 0;
        settings
    };
    assert!(found("a window that ends at once", |seed| cell_with(seed, None, no_window)).is_some());
    for mistake in [Mistake::NoSync, Mistake::NoFolderSync, Mistake::NoSettle, Mistake::RenameByCopy] {
        let run = |seed| cell_with(seed, Some(mistake), |settings| settings);
        assert!(found(&format!("{mistake:?} in a cell"), run).is_some());
    }
}

/// A disk as a program sees it that makes a mistake.
struct Mistaken(Arc<dyn Disk>, Mistake);

struct MistakenFile(Box<dyn AppendFile>, Mistake);

impl AppendFile for MistakenFile {
    fn append(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        match self.0.append(parts) {
            Err(_) if self.1 == Mistake::ShortWriteIgnored => Ok(()),
            done => done,
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.1 {
            Mistake::NoSync => Ok(()),
            Mistake::SyncTriedAgain => self.0.sync().or_else(|_| self.0.sync()),
            Mistake::SyncFailureIgnored => {
                let _ = self.0.sync();
                Ok(())
            }
            _ => self.0.sync(),
        }
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        if self.1 == Mistake::NoCut { Ok(()) } else { self.0.cut(bytes) }
    }
}

impl Disk for Mistaken {
    fn make_folder(&self, path: &Path, private: bool) -> io::Result<()> {
        self.0.make_folder(path, private)
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(MistakenFile(self.0.open_append(path)?, self.1)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        self.0.open_read(path)
    }

    fn settle(&self, path: &Path) -> io::Result<()> {
        if self.1 == Mistake::NoSettle { Ok(()) } else { self.0.settle(path) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>> {
        self.0.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.1 != Mistake::RenameByCopy {
            return self.0.rename(from, to);
        }
        let content = self.0.read(from)?;
        let mut file = self.0.open_append(to)?;
        file.cut(0)?;
        file.append(&[IoSlice::new(&content)])?;
        self.0.remove(from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match self.1 {
            Mistake::NoFolderSync => Ok(()),
            Mistake::FolderSyncFailureIgnored => {
                let _ = self.0.sync_folder(path);
                Ok(())
            }
            _ => self.0.sync_folder(path),
        }
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.0.free_bytes(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.exists(path)
    }
}
