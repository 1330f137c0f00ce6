//! Folders as they are: every file with its bytes, compared, put back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder's files, by their path in it.
#[derive(PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    pub fn of(folder: &Path) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            let at = |error: std::io::Error| format!("{}: {error}", next.display());
            for entry in fs::read_dir(&next).map_err(at)? {
                let path = entry.map_err(at)?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap_or(&path).to_owned();
                    files.insert(name, fs::read(&path).map_err(at)?);
                }
            }
        }
        Ok(Self(files))
    }

    /// Makes the folder hold these files and no others.
    pub fn restore(&self, folder: &Path) -> Result<(), String> {
        let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        for name in Self::of(folder)?.0.keys().filter(|name| !self.0.contains_key(*name)) {
            let path = folder.join(name);
            fs::remove_file(&path).map_err(|error| at(&path, error))?;
        }
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            if fs::read(&path).ok().as_ref() != Some(bytes) {
                fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(|error| at(&path, error))?;
                fs::write(&path, bytes).map_err(|error| at(&path, error))?;
            }
        }
        Ok(())
    }

    /// `Err` names what is not in both alike.
    pub fn same_as(&self, other: &Self) -> Result<(), String> {
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let changed = |name: &&PathBuf| self.0.get(*name) != other.0.get(*name);
        let word = |name: &PathBuf| match (self.0.get(name), other.0.get(name)) {
            (Some(_), None) => format!("{} is gone", name.display()),
            (None, Some(_)) => format!("{} is new", name.display()),
            _ => format!("{} is changed", name.display()),
        };
        let changes: Vec<_> = names.filter(changed).map(word).collect();
        if changes.is_empty() { Ok(()) } else { Err(changes.join(", ")) }
    }

    /// Only what lies in this folder of it, at any depth.
    pub fn in_part(&self, folder: &Path) -> Self {
        let inside = self.0.iter().filter(|(name, _)| name.starts_with(folder));
        Self(inside.map(|(name, bytes)| (name.clone(), bytes.clone())).collect())
    }

    /// The files of a folder in it whose names end so, in order.
    pub fn in_folder(&self, folder: &str, end: &str) -> Vec<&Path> {
        let names = self.0.keys().filter(|name| name.parent() == Some(Path::new(folder)));
        names.filter(|name| name.to_string_lossy().ends_with(end)).map(PathBuf::as_path).collect()
    }

    pub fn bytes(&self, name: &Path) -> &[u8] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}
