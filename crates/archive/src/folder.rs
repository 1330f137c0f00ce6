//! A folder as an object store, over the disk that is handed in.
//!
//! `object_store`'s own keeps nothing through a power loss (it does not sync) and can't be failed by a test.
//!
//! - After a put that said yes, the object outlives a power loss: the bytes are synced before the name, and the name of
//!   every folder above it too.
//! - So does what a listing shows, or what stands in the way of a put: whoever made it, its name is synced first.
//! - An object is there whole or not at all. What a crash leaves of a put has a name that begins with a dot; such names are
//!   never listed, and the next put of the object takes them away.
//! - No times: `last_modified` is 1970, and conditions on times or tags mean nothing here.

use async_trait::async_trait;
use bytes::Bytes;
use domicile_world::{Disk, World};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::{Path, PathPart};
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::HashSet;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, ops::Range};

/// Objects as files of a folder. Cheap to clone. One process writes to a folder at a time.
#[derive(Clone)]
pub struct FolderStore {
    disk: Arc<dyn Disk>,
    root: Arc<PathBuf>,
    /// Changes are made one after the other, so that looking and putting are one step.
    changes: Arc<Mutex<Changes>>,
}

/// Folders known to last, themselves and the names that were in them. Forgetting them costs a sync.
#[derive(Default)]
struct Changes {
    lasting: HashSet<PathBuf>,
}

/// A busy region's sources times two days.
const LASTING_MAX: usize = 20_000;

impl FolderStore {
    /// The store in `root`; the folder is made at the first put.
    pub fn new(world: &World, root: impl Into<PathBuf>) -> Self {
        Self { disk: Arc::clone(&world.disk), root: Arc::new(root.into()), changes: Arc::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, location: &Path) -> PathBuf {
        self.root.join(location.as_ref())
    }

    fn write(&self, location: &Path, parts: &[Bytes], mode: &PutMode) -> Result<()> {
        if location.parts().any(|part| part.as_ref().starts_with('.')) || location.filename().is_none() {
            return Err(failed(location, io::Error::from(io::ErrorKind::InvalidFilename)));
        }
        let path = self.path(location);
        let mut changes = self.changes();
        match mode {
            PutMode::Overwrite => {}
            PutMode::Create if self.disk.exists(&path) => {
                // Whoever hears that it is there relies on it, and a killed program may not have synced its name.
                let folder = path.parent().unwrap_or(&path);
                self.make_lasting(&mut changes, folder).map_err(|error| failed(location, error))?;
                let source = io::Error::from(io::ErrorKind::AlreadyExists).into();
                return Err(Error::AlreadyExists { path: location.to_string(), source });
            }
            PutMode::Create => {}
            PutMode::Update(_) => return Err(not_implemented("put_opts with PutMode::Update")),
        }
        self.write_file(&mut changes, &path, parts).map_err(|error| failed(location, error))
    }

    fn write_file(&self, changes: &mut Changes, path: &std::path::Path, parts: &[Bytes]) -> io::Result<()> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        self.make_lasting(changes, folder)?;
        let temporary = folder.join(format!(".{}.new", name.to_string_lossy()));
        let written = self.write_temporary(&temporary, parts).and_then(|()| self.disk.rename(&temporary, path));
        if written.is_err() {
            // A full disk needs the room; what can't be taken away now goes at the next try.
            let _ = self.disk.remove(&temporary);
        }
        written?;
        self.disk.sync_folder(folder).inspect_err(|_| {
            // The object is seen, and may not last: the next look at it has to sync the folder first.
            changes.lasting.remove(folder);
        })
    }

    fn write_temporary(&self, temporary: &std::path::Path, parts: &[Bytes]) -> io::Result<()> {
        if self.disk.exists(temporary) {
            self.disk.remove(temporary)?;
        }
        let mut file = self.disk.open_append(temporary)?;
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        file.append(&slices)?;
        file.sync()
    }

    /// Makes the folder and those above it up to the root, and syncs the name of each and the names in it. Also of one
    /// that is there: an earlier try, or a program that was killed, may have stopped between making and syncing.
    fn make_lasting(&self, changes: &mut Changes, folder: &std::path::Path) -> io::Result<()> {
        if changes.lasting.contains(folder) {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            if folder != self.root.as_path() {
                self.make_lasting(changes, above)?;
            }
            self.disk.make_folder(folder, true)?;
            self.disk.sync_folder(above)?;
        }
        self.disk.sync_folder(folder)?;
        if changes.lasting.len() >= LASTING_MAX {
            changes.lasting.clear();
        }
        changes.lasting.insert(folder.to_owned());
        Ok(())
    }

    fn read(&self, location: &Path, options: &GetOptions) -> Result<(ObjectMeta, Range<u64>, Bytes)> {
        let broken = |error| failed(location, error);
        let file = self.disk.open_read(&self.path(location)).map_err(broken)?;
        let size = file.bytes().map_err(broken)?;
        let range = match &options.range {
            None => 0..size,
            Some(GetRange::Bounded(range)) => range.start..range.end.min(size),
            Some(GetRange::Offset(offset)) => *offset..size,
            Some(GetRange::Suffix(last)) => size.saturating_sub(*last)..size,
        };
        if range.start > range.end || (range.is_empty() && size > 0) {
            return Err(broken(io::Error::from(io::ErrorKind::InvalidInput)));
        }
        let meta = meta(location.clone(), size);
        if options.head {
            return Ok((meta, range, Bytes::new()));
        }
        let length = usize::try_from(range.end - range.start);
        let mut bytes = vec![0; length.map_err(|_| broken(io::ErrorKind::FileTooLarge.into()))?];
        if file.read_full_at(&mut bytes, range.start).map_err(broken)? < bytes.len() {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok((meta, range, bytes.into()))
    }

    /// The objects and folders right in a folder; of one that is not there, none.
    fn entries(&self, folder: &Path) -> Result<Vec<(Path, Option<u64>)>> {
        let path = self.path(folder);
        let entries = match self.disk.list(&path) {
            Ok(entries) => {
                self.make_lasting(&mut self.changes(), &path).map_err(|error| failed(folder, error))?;
                entries
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
            Err(error) => return Err(failed(folder, error)),
        };
        let shown = entries.into_iter().filter(|entry| !entry.name.starts_with('.'));
        shown
            .map(|entry| {
                let part = PathPart::parse(&entry.name)
                    .map_err(|source| Error::Generic { store: STORE, source: Box::new(source) })?;
                Ok((folder.clone().join(part), (!entry.folder).then_some(entry.bytes)))
            })
            .collect()
    }

    fn list_all(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let mut folders = vec![prefix.cloned().unwrap_or_default()];
        let mut objects = Vec::new();
        while let Some(folder) = folders.pop() {
            for (path, bytes) in self.entries(&folder)? {
                match bytes {
                    Some(bytes) => objects.push(meta(path, bytes)),
                    None => folders.push(path),
                }
            }
        }
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    fn remove(&self, location: &Path) -> Result<()> {
        let path = self.path(location);
        let _changes = self.changes();
        self.disk
            .remove(&path)
            .and_then(|()| path.parent().map_or(Ok(()), |folder| self.disk.sync_folder(folder)))
            .map_err(|error| failed(location, error))
    }
}

const STORE: &str = "FolderStore";

fn meta(location: Path, size: u64) -> ObjectMeta {
    ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None }
}

fn failed(location: &Path, error: io::Error) -> Error {
    let path = location.to_string();
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path, source: error.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: error.into() },
        io::ErrorKind::InvalidFilename => Error::NotSupported { source: error.into() },
        _ => Error::Generic { store: STORE, source: format!("{path}: {error}").into() },
    }
}

fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: STORE.to_owned() }
}

impl fmt::Display for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.root.display())
    }
}

impl fmt::Debug for FolderStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let parts: Vec<Bytes> = payload.into_iter().collect();
        self.write(location, &parts, &options.mode)?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("put_multipart_opts"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (meta, range, bytes) = self.read(location, &options)?;
        let payload = GetResultPayload::Stream(stream::once(async move { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Default::default(), extensions: Default::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations.and_then(move |location| std::future::ready(store.remove(&location).map(|()| location))).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.list_all(prefix) {
            Ok(objects) => stream::iter(objects.into_iter().map(Ok)).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut result =
            ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Default::default() };
        for (path, bytes) in self.entries(&prefix.cloned().unwrap_or_default())? {
            match bytes {
                Some(bytes) => result.objects.push(meta(path, bytes)),
                None => result.common_prefixes.push(path),
            }
        }
        Ok(result)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.get(from).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        self.write(to, &[bytes], &mode)
    }
}
