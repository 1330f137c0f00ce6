//! The ledger's folder, open for writing.
//!
//! ```text
//! entries ──► full tiles and bundles, then the new partial ones, synced ──► checkpoint, in place of the last
//! ```
//!
//! - What the last checkpoint covers is never changed. A crash before the new checkpoint leaves files that nothing names;
//!   the next start takes them away.
//! - The head is noted beside the keys too: a ledger that has become shorter than it was does not open, so that no second
//!   history is signed.

use super::hashes::{inclusion, subtree, tree_root};
use super::layout::{TILE_WIDTH, bundle_path, is_of_tree, put_entry, split_bundle, tile_path, width_of};
use super::{Head, Tiles, TilesError, VKey};
use domicile_keys::SigningKey;
use domicile_world::{Disk, write_whole};
use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tlog_tiles::tlog::{EMPTY_HASH, Hash, record_hash};

/// Why a ledger does not open or takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    #[error("{file}: {error}\n  mend: check that the folder exists, is writable by this user and has room")]
    Io { file: String, error: io::Error },
    /// What is there is not what was signed. Nothing was changed.
    #[error(
        "{file}: {what}\n  \
         the ledger was changed by somebody or something else; it is not written on, so that what happened stays visible\n  \
         mend: run `domicile verify` to see what is wrong, and put the folder back from a backup"
    )]
    Changed { file: String, what: String },
}

impl BookError {
    /// Whether there was no room; nothing else is mended by waiting.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::StorageFull)
    }
}

impl BookError {
    fn into_final(self) -> Self {
        match self {
            Self::Io { file, error } => Self::Io { file, error: io::Error::other(error) },
            changed => changed,
        }
    }
}

/// Entries of one append at most, and the tiles of one level that they can begin or end.
pub(crate) const APPEND_MAX: usize = 10_000;
const APPEND_TILES: u64 = APPEND_MAX as u64 / TILE_WIDTH + 1;

/// One level's last, unfinished tile.
#[derive(Clone, Default)]
pub(crate) struct Edge {
    pub hashes: Vec<Hash>,
}

/// A ledger's folder and its right edge, in memory.
pub struct Book {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Where the head is noted beside the keys.
    noted: PathBuf,
    name: String,
    key: SigningKey,
    head: Head,
    edges: Vec<Edge>,
    /// The last, unfinished bundle.
    bundle: Vec<u8>,
    /// The partial files of the last checkpoint.
    partial: BTreeSet<String>,
    /// Those of checkpoints before it.
    old: BTreeSet<String>,
    checkpoint: Vec<u8>,
}

impl Book {
    /// Begins a ledger with nothing in it. `noted`: a file in another folder, where the head is noted.
    pub fn begin(
        disk: Arc<dyn Disk>,
        folder: &Path,
        noted: &Path,
        name: &str,
        key: SigningKey,
    ) -> Result<Self, BookError> {
        disk.make_folder(&folder.join("tile").join("entries"), false).map_err(|error| io_error(folder, error))?;
        let head = Head { size: 0, root: EMPTY_HASH };
        let vkey = format!("{}\n", VKey::of(name, &key));
        let mut book = Self::with(disk, (folder, noted), name, key, (head, Vec::new()));
        book.put("vkey", vkey.as_bytes())?;
        book.put_checkpoint(head)?;
        Ok(book)
    }

    /// With nothing of its right edge read yet.
    fn with(
        disk: Arc<dyn Disk>,
        (folder, noted): (&Path, &Path),
        name: &str,
        key: SigningKey,
        (head, checkpoint): (Head, Vec<u8>),
    ) -> Self {
        Self {
            disk,
            folder: folder.to_owned(),
            noted: noted.to_owned(),
            name: name.to_owned(),
            key,
            head,
            edges: Vec::new(),
            bundle: Vec::new(),
            partial: BTreeSet::new(),
            old: BTreeSet::new(),
            checkpoint,
        }
    }

    /// Refuses a folder that a ledger was written to with a key that is not there any more. One that was begun and has
    /// nothing in it is no ledger yet.
    pub fn refuse_other(disk: &dyn Disk, folder: &Path) -> Result<(), BookError> {
        let file = folder.join("tile").join("0");
        if disk.exists(&file) {
            let what = "there is a ledger here, and the key that signs it is gone".to_owned();
            return Err(BookError::Changed { file: file.display().to_string(), what });
        }
        Ok(())
    }

    /// Opens a ledger where it ended, and takes away what a crash left behind its end.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        noted: &Path,
        name: &str,
        key: SigningKey,
    ) -> Result<Self, BookError> {
        let changed =
            |file: &Path, what: &str| BookError::Changed { file: file.display().to_string(), what: what.into() };
        let file = folder.join("checkpoint");
        let checkpoint = match disk.read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(changed(&file, "the checkpoint is gone, and there is a key that has signed one"));
            }
            read => read.map_err(|error| io_error(&file, error))?,
        };
        let vkey = VKey::of(name, &key);
        let (head, _) = Head::read(&checkpoint, &vkey, &[]).map_err(|error| changed(&file, &error.to_string()))?;
        let file = folder.join("vkey");
        match disk.read(&file) {
            Ok(text) if text == format!("{vkey}\n").as_bytes() => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&file, error)),
            _ => return Err(changed(&file, "not the key of this ledger")),
        }
        let last = match disk.read(noted) {
            Ok(bytes) => Some(Head::read(&bytes, &vkey, &[]).map_err(|error| changed(noted, &error.to_string()))?.0),
            // A disk that was full when the ledger began.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(noted, error)),
        };
        let mut book = Self::with(disk, (folder, noted), name, key, (head, checkpoint));
        book.read_edges()?;
        if let Some(last) = last {
            book.refuse_other_history(last)?;
        }
        book.take_strays_away()?;
        Ok(book)
    }

    /// The head of what is on disk.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The checkpoint of what is on disk.
    pub fn checkpoint(&self) -> &[u8] {
        &self.checkpoint
    }

    /// The path from entry `index` to the root.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, TilesError> {
        inclusion(self.head.size, index, self)
    }

    /// Appends entries: after `Ok` they and a checkpoint over them are on disk.
    ///
    /// # Errors
    /// Nothing of them is in the ledger; with a full disk it can be tried again.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), BookError> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut edges, mut bundle, mut size) = (self.edges.clone(), self.bundle.clone(), self.head.size);
        let mut files = Vec::new();
        for entry in entries {
            put_entry(&mut bundle, entry);
            size += 1;
            if size % TILE_WIDTH == 0 {
                files.push((bundle_path(size / TILE_WIDTH - 1, TILE_WIDTH), std::mem::take(&mut bundle)));
            }
            push(&mut edges, record_hash(entry), size, &mut files);
        }
        let mut partial = BTreeSet::new();
        if !bundle.is_empty() {
            files.push((bundle_path(size / TILE_WIDTH, size % TILE_WIDTH), bundle.clone()));
        }
        for (level, edge) in edges.iter().enumerate().filter(|(_, edge)| !edge.hashes.is_empty()) {
            let number = (size >> (8 * level)) / TILE_WIDTH;
            let path = tile_path(u8::try_from(level).unwrap_or(u8::MAX), number, edge.hashes.len() as u64);
            files.push((path, bytes_of(&edge.hashes)));
        }
        for (path, _) in files.iter().filter(|(path, _)| path.contains(".p/")) {
            partial.insert(path.clone());
        }
        let root = tree_root(size, &Edges(&edges)).map_err(|error| self.tiles_error(error))?;
        files.retain(|(path, _)| !self.partial.contains(path));
        self.write(&files)?;
        self.put_checkpoint(Head { size, root })?;
        // From here on the entries are in the ledger.
        self.old.append(&mut std::mem::replace(&mut self.partial, partial));
        (self.edges, self.bundle) = (edges, bundle);
        Ok(())
    }

    /// Takes partial files away that an append has put others in the place of: when whoever reads knows the new head.
    pub fn take_old_away(&mut self) {
        let old = std::mem::take(&mut self.old);
        // One that can't be removed is tried again behind the next append.
        self.old = old.into_iter().filter(|path| !self.partial.contains(path) && self.remove(path).is_err()).collect();
    }

    /// Writes tiles that are new. What a try without room left of them is taken away first.
    fn write(&self, files: &[(String, Vec<u8>)]) -> Result<(), BookError> {
        let mut folders = BTreeSet::new();
        for (path, bytes) in files {
            let path = self.folder.join(path);
            let written = (|| {
                if let Some(folder) = path.parent() {
                    if !self.disk.exists(folder) {
                        self.disk.make_folder(folder, false)?;
                    }
                    folders.insert(folder.to_owned());
                }
                if self.disk.exists(&path) {
                    self.disk.remove(&path)?;
                }
                let mut file = self.disk.open_append(&path)?;
                file.append(&[IoSlice::new(bytes)])?;
                file.sync()
            })();
            written.map_err(|error| io_error(&path, error))?;
        }
        for folder in folders {
            self.disk.sync_folder(&folder).map_err(|error| io_error(&folder, error))?;
        }
        Ok(())
    }

    fn put_checkpoint(&mut self, head: Head) -> Result<(), BookError> {
        let signed = head.sign(&self.name, &self.key);
        let changed =
            |error| BookError::Changed { file: self.name.clone(), what: format!("not a ledger's name: {error}") };
        let checkpoint = signed.map_err(changed)?;
        if let Err(error) = self.put("checkpoint", &checkpoint) {
            let is_named = self.disk.read(&self.folder.join("checkpoint")).is_ok_and(|named| named == checkpoint);
            // Whether its name lasts is not known, so that nothing under it may be written anew.
            return Err(if is_named { error.into_final() } else { error });
        }
        (self.head, self.checkpoint) = (head, checkpoint);
        // The ledger itself has the entries already: a head that can't be noted is noted with the next ones.
        if let Err(error) = write_whole(&*self.disk, &self.noted, &self.checkpoint) {
            tracing::warn!(%error, "the ledger's head was not noted beside the keys");
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BookError> {
        let path = self.folder.join(name);
        write_whole(&*self.disk, &path, bytes).map_err(|error| io_error(&path, error))
    }

    /// Reads the unfinished tiles and checks them against the checkpoint.
    fn read_edges(&mut self) -> Result<(), BookError> {
        let size = self.head.size;
        for level in 0..8_u8 {
            let hashes = size >> (8 * level);
            if hashes == 0 {
                break;
            }
            let (number, width) = (hashes / TILE_WIDTH, hashes % TILE_WIDTH);
            let mut edge = Edge::default();
            if width > 0 {
                let path = tile_path(level, number, width);
                edge.hashes = self.read(&path).and_then(|bytes| {
                    hashes_of(&bytes)
                        .filter(|hashes| hashes.len() as u64 == width)
                        .ok_or_else(|| self.changed(&path, "not a tile of this size"))
                })?;
                self.partial.insert(path);
            }
            self.edges.push(edge);
        }
        let root = tree_root(size, &Edges(&self.edges)).map_err(|error| self.tiles_error(error))?;
        if root != self.head.root {
            return Err(self.changed("tile", "the tiles are not those that the checkpoint signs"));
        }
        if !size.is_multiple_of(TILE_WIDTH) {
            let path = bundle_path(size / TILE_WIDTH, size % TILE_WIDTH);
            self.bundle = self.read(&path)?;
            let hashes = split_bundle(&self.bundle, size % TILE_WIDTH)
                .map(|entries| entries.into_iter().map(record_hash).collect::<Vec<_>>());
            if hashes.as_deref() != Some(&self.edges[0].hashes) {
                return Err(self.changed(&path, "the entries are not those of their tile"));
            }
            self.partial.insert(path);
        }
        Ok(())
    }

    /// What was signed last must be in what is there.
    fn refuse_other_history(&self, last: Head) -> Result<(), BookError> {
        if last.size > self.head.size {
            let what = format!("it ends at entry {}, and {} were signed", self.head.size, last.size);
            return Err(self.changed("checkpoint", &what));
        }
        match self.head.extends(&last, self) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.changed("checkpoint", "it does not begin with the entries that were signed before")),
            Err(error) => Err(self.tiles_error(error)),
        }
    }

    /// Files at the end that no checkpoint names are what a crash left. To look at all of a long ledger is the business of
    /// `verify`: only the folders that the last append can have written to are listed.
    fn take_strays_away(&self) -> Result<(), BookError> {
        for level in 0..8_u8 {
            let full = (self.head.size >> (8 * level)) / TILE_WIDTH;
            let near = [full.saturating_sub(APPEND_TILES), full, full + APPEND_TILES];
            let tiles = near.map(|number| folder_of(&tile_path(level, number, TILE_WIDTH)));
            let bundles = near.map(|number| folder_of(&bundle_path(number, TILE_WIDTH)));
            let folders: BTreeSet<String> =
                if level == 0 { tiles.into_iter().chain(bundles).collect() } else { tiles.into() };
            for path in folders.iter().flat_map(|folder| list_near(&*self.disk, &self.folder, folder)) {
                if is_of_tree(&path, self.head.size) == Some(false) {
                    tracing::info!(file = path, "the ledger takes away what no checkpoint names");
                    self.remove(&path).map_err(|error| io_error(&self.folder.join(&path), error))?;
                }
            }
        }
        let temporary = self.folder.join("checkpoint.new");
        if self.disk.exists(&temporary) {
            self.disk.remove(&temporary).map_err(|error| io_error(&temporary, error))?;
        }
        Ok(())
    }

    /// Removes a file, and the folder of partial ones that it leaves empty.
    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.folder.join(path);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let folder = path.parent().filter(|folder| folder.extension().is_some_and(|extension| extension == "p"));
        match folder {
            Some(folder) if self.disk.list(folder)?.is_empty() => {
                // Nothing is written there any more, and the next starts do not look so far back.
                self.disk.sync_folder(folder)?;
                self.disk.remove_folder(folder)
            }
            _ => Ok(()),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, BookError> {
        let file = self.folder.join(path);
        match self.disk.read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.changed(path, "it is missing")),
            read => read.map_err(|error| io_error(&file, error)),
        }
    }

    fn changed(&self, path: &str, what: &str) -> BookError {
        BookError::Changed { file: self.folder.join(path).display().to_string(), what: what.to_owned() }
    }

    fn tiles_error(&self, error: TilesError) -> BookError {
        match error {
            TilesError::Io(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                io_error(&self.folder.join("tile"), error)
            }
            error => self.changed("tile", &error.to_string()),
        }
    }
}

impl Tiles for Book {
    fn tile(&self, level: u8, number: u64) -> io::Result<Vec<Hash>> {
        let width = width_of(self.head.size, level, number).ok_or(io::ErrorKind::NotFound)?;
        let bytes = self.disk.read(&self.folder.join(tile_path(level, number, width)))?;
        hashes_of(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Adds one entry's hash to the edges. Each tile that becomes full goes to `files`, and its root one level up.
pub(crate) fn push(edges: &mut Vec<Edge>, leaf: Hash, size: u64, files: &mut Vec<(String, Vec<u8>)>) {
    let mut hash = leaf;
    for level in 0..8_u8 {
        if edges.len() == usize::from(level) {
            edges.push(Edge::default());
        }
        let edge = &mut edges[usize::from(level)];
        edge.hashes.push(hash);
        if (edge.hashes.len() as u64) < TILE_WIDTH {
            return;
        }
        let full = std::mem::take(&mut edge.hashes);
        let number = (size >> (8 * level)) / TILE_WIDTH - 1;
        files.push((tile_path(level, number, TILE_WIDTH), bytes_of(&full)));
        hash = subtree(&full);
    }
}

/// The unfinished tiles, of which the root is made.
pub(crate) struct Edges<'a>(pub &'a [Edge]);

impl Tiles for Edges<'_> {
    fn tile(&self, level: u8, _: u64) -> io::Result<Vec<Hash>> {
        Ok(self.0.get(usize::from(level)).map(|edge| edge.hashes.clone()).unwrap_or_default())
    }
}

/// A tile's bytes.
pub(crate) fn bytes_of(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile; `None` when its bytes are not whole hashes.
pub(crate) fn hashes_of(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| hashes.iter().copied().map(Hash).collect())
}

/// All files below `folder/below`, by their names from `folder` on.
pub(crate) fn list_files(disk: &dyn Disk, folder: &Path, below: &str) -> io::Result<Vec<String>> {
    let (mut files, mut folders) = (Vec::new(), vec![below.to_owned()]);
    while let Some(next) = folders.pop() {
        let entries = match disk.list(&folder.join(&next)) {
            // A folder of partial tiles that is taken away while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let name = if next.is_empty() { entry.name } else { format!("{next}/{}", entry.name) };
            if entry.folder { folders.push(name) } else { files.push(name) }
        }
    }
    files.sort();
    Ok(files)
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// The tiles that lie in a folder itself or in its folders of partial ones.
fn list_near(disk: &dyn Disk, root: &Path, folder: &str) -> Vec<String> {
    let list = |folder: &str| disk.list(&root.join(folder)).unwrap_or_default();
    let mut files = Vec::new();
    for entry in list(folder) {
        let path = format!("{folder}/{}", entry.name);
        match entry.folder {
            true if path.ends_with(".p") => files.extend(list(&path).into_iter().map(|e| format!("{path}/{}", e.name))),
            true => {}
            false => files.push(path),
        }
    }
    files
}

fn io_error(file: &Path, error: io::Error) -> BookError {
    BookError::Io { file: file.display().to_string(), error }
}
