//! A disk on which only one folder may be read.

use domicile_world::{AppendFile, Disk, DiskEntry, ReadFile};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Another disk, looked over: who opens a file outside of `folder` for reading is found out.
pub struct Watched {
    pub disk: Arc<dyn Disk>,
    pub folder: PathBuf,
    /// The cell's own files, which it may read.
    pub own: Vec<PathBuf>,
}

impl Watched {
    fn look_over(&self, path: &Path) {
        // The simulated disk takes paths literally; a real one would follow these.
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let inside = path.starts_with(&self.folder) || self.own.iter().any(|own| path.starts_with(own));
        assert!(plain && inside, "a file outside of the folder is asked for");
    }
}

impl Disk for Watched {
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        self.look_over(path);
        self.disk.open_read(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.look_over(path);
        self.disk.exists(path)
    }

    fn make_folder(&self, path: &Path, private: bool) -> io::Result<()> {
        self.disk.make_folder(path, private)
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        self.disk.open_append(path)
    }

    fn settle(&self, path: &Path) -> io::Result<()> {
        self.disk.settle(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>> {
        self.disk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_folder(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }
}
