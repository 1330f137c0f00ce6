//! What bad hardware and bad hands do to files, and ways to look at them and put them back.

use super::file::File;
use super::names::{Names, Node};
use super::{SimDisk, State};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// All files and names of a moment.
#[derive(Clone)]
pub struct Snapshot {
    names: Names,
    files: Vec<File>,
}

impl SimDisk {
    /// Every file with its length, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.lock();
        let length = |node| match node {
            Node::File(number) => Some(state.files[number].live.len() as u64),
            Node::Folder => None,
        };
        state.names.all().filter_map(|(path, node)| Some((path.into(), length(node)?))).collect()
    }

    /// Every file with its content, sorted by path.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock();
        let content = |node| match node {
            Node::File(number) => Some(state.files[number].live.clone()),
            Node::Folder => None,
        };
        state.names.all().filter_map(|(path, node)| Some((path.into(), content(node)?))).collect()
    }

    /// Turns one bit of a file over.
    ///
    /// # Panics
    /// Like all of these, when there is no such file or byte: the test is wrong.
    pub fn flip(&self, path: &Path, byte: usize, bit: u8) {
        self.lock().file(path).damage(|bytes| bytes[byte] ^= 1 << bit);
    }

    /// Shortens a file to `bytes`.
    pub fn truncate(&self, path: &Path, bytes: usize) {
        self.lock().file(path).damage(|content| content.truncate(bytes));
    }

    /// Fills a part of a file with zeros.
    pub fn zero(&self, path: &Path, range: Range<usize>) {
        self.lock().file(path).damage(|bytes| bytes[range].fill(0));
    }

    /// Puts other bytes in the place of a file's.
    pub fn overwrite(&self, path: &Path, content: &[u8]) {
        self.lock().file(path).damage(|bytes| *bytes = content.to_vec());
    }

    /// Gives each of two files the other's name.
    pub fn swap(&self, a: &Path, b: &Path) {
        self.lock().names.swap(a, b);
    }

    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot { names: state.names.clone(), files: state.files.clone() }
    }

    /// Puts all files back as they were. Open handles end, as after a crash; counts and plans stay.
    pub fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.lock();
        let Snapshot { names, files } = snapshot.clone();
        state.names = names;
        state.files = files;
        state.boot += 1;
    }
}

impl State {
    fn file(&mut self, path: &Path) -> &mut File {
        match self.names.get(path) {
            Some(Node::File(number)) => &mut self.files[number],
            _ => panic!("{}: there is no such file", path.display()),
        }
    }
}
