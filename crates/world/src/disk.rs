//! Files, as they are handed in.
//!
//! Only what the logs, indexes, keys and archives need: append, read at an offset, make a name last. Errors are
//! `std::io::Error`, so that a caller can tell a full disk (`StorageFull`) from a broken one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskEntry {
    pub name: String,
    pub bytes: u64,
    pub folder: bool,
}

/// A file open for appending. One writer at a time; dropping it closes it and syncs nothing.
pub trait AppendFile: Send + Sync {
    /// Appends all of `parts` in order.
    ///
    /// # Errors
    /// Some of the bytes may have been written: the caller cuts the file back to the length it knows with [`Self::cut`].
    fn append(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// Makes all appended bytes last through a power loss (`fdatasync`).
    ///
    /// # Errors
    /// Final: the system may have dropped the bytes. The caller must not try again and must not promise anything.
    fn sync(&self) -> io::Result<()>;

    /// Shortens the file to `bytes`.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
}

/// A file open for reading at any offset, by any number of readers.
pub trait ReadFile: Send + Sync {
    /// Reads up to `out.len()` bytes at `offset`; 0 at or past the end.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The file's length now, in bytes.
    fn bytes(&self) -> io::Result<u64>;

    /// Fills `out` from `offset`, or says how many bytes there were. An interrupted read goes on.
    fn read_full_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            match self.read_at(&mut out[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }
}

/// A file system. All paths are as the caller made them; none is resolved against a current folder by Domicile.
pub trait Disk: Send + Sync {
    /// Makes the folder and those above it; fine when it is there. The folder is private (0700) when `private`.
    ///
    /// The names last through a power loss when it returns, also when a killed program had made some of them: else a log
    /// that was promised could vanish with its folder and look like a new one.
    fn make_folder(&self, path: &Path, private: bool) -> io::Result<()>;

    /// Opens for appending at the end; makes the file (0600) when it is not there. The new name lasts only after
    /// [`Disk::sync_folder`].
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>>;

    /// Opens for reading.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;

    /// Puts on disk what the system only holds in memory of a file, and forgets it: reads after this see what is on the
    /// disk. After a kill, or after a sync that failed, they may have seen bytes that a power loss takes away.
    fn settle(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, sorted. A folder that is not there is an error (`NotFound`), never an empty list.
    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>>;

    /// Gives a file another name in place of what had it; atomic, lasts after [`Disk::sync_folder`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Takes an empty folder away. A disk that keeps empty folders may keep it.
    fn remove_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Makes the names in a folder last through a power loss.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Bytes that are free for an ordinary user on the file system that holds `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Whether the name exists.
    fn exists(&self, path: &Path) -> bool;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_read(path)?;
        let mut out = vec![0; usize::try_from(file.bytes()?).map_err(|_| io::ErrorKind::FileTooLarge)?];
        let n = file.read_full_at(&mut out, 0)?;
        out.truncate(n);
        Ok(out)
    }
}

/// Writes a whole small file so that after any crash there is the old content or the new, never a mixture: a temporary
/// file beside it, synced, renamed, the folder synced.
pub fn write_whole(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    if disk.exists(&temporary) {
        disk.remove(&temporary)?;
    }
    let mut file = disk.open_append(&temporary)?;
    file.append(&[IoSlice::new(content)])?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    match path.parent() {
        Some(folder) => disk.sync_folder(folder),
        None => Ok(()),
    }
}

/// The operating system's file system.
pub struct RealDisk;

struct RealAppend(File);
struct RealRead(File);

impl AppendFile for RealAppend {
    fn append(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        // `write_all_vectored` is not stable yet. A group commit hands over few, large parts, so the slow way after a
        // short write is rare.
        let mut parts = parts.to_vec();
        let mut rest = parts.as_mut_slice();
        // The kernel takes at most 1,024 parts a call (IOV_MAX).
        while !rest.is_empty() {
            let take = rest.len().min(1024);
            match self.0.write_vectored(&rest[..take]) {
                Ok(0) if rest[..take].iter().all(|p| p.is_empty()) => rest = &mut rest[take..],
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

impl ReadFile for RealRead {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(out, offset)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// The empty path, above a relative one, is the present folder.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

impl Disk for RealDisk {
    fn make_folder(&self, path: &Path, private: bool) -> io::Result<()> {
        let missing: Vec<_> = path.ancestors().take_while(|folder| !named(folder).exists()).collect();
        // From the top, each name synced before the next is made: so at most one can be there without lasting.
        let there = missing.last().map_or(Some(path), |folder| folder.parent());
        if there.is_some_and(|folder| !named(folder).is_dir()) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        match there.and_then(Path::parent).map(|above| self.sync_folder(named(above))) {
            // A folder that we may not even read is not one that we made names in.
            Some(Err(error)) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
            _ => {}
        }
        for folder in missing.iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            if private && *folder == path {
                fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
            }
            self.sync_folder(named(folder.parent().unwrap_or(folder)))?;
        }
        Ok(())
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(RealAppend(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(RealRead(File::open(path)?)))
    }

    fn settle(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        file.sync_data()?;
        // Where there is no such call, a failed sync followed by a power loss stops the start; nothing promised is lost.
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Taken away between the listing and the look.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let name = entry.file_name().into_string().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: a name that is not UTF-8", folder.display()))
            })?;
            entries.push(DiskEntry { name, bytes: meta.len(), folder: meta.is_dir() });
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}
