//! Where the files are that are checked.

use crate::tlog::list_files;
use domicile_world::Disk;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A larger file is not read: no tile, bundle or checkpoint comes near.
pub(super) const FILE_BYTES_MAX: u64 = 32 << 20;

/// Files by their names from a folder on, with `/` between.
pub trait Files {
    /// All of a file; `None` when it is not there.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Reads a file of any size in pieces; false when it is not there.
    fn read_pieces(&self, path: &str, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        match self.read(path)? {
            Some(bytes) => {
                take(&bytes);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The names of all files; `None` where they can't be listed.
    fn list(&self) -> io::Result<Option<Vec<String>>>;
}

/// A folder of a disk.
pub struct Folder {
    pub disk: Arc<dyn Disk>,
    pub path: PathBuf,
}

impl Files for Folder {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let file = self.path.join(path);
        let read = self.disk.open_read(&file).and_then(|open| {
            if open.bytes()? > FILE_BYTES_MAX {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.disk.read(&file)
        });
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            // What stands where a file belongs is not the file.
            Err(error) if matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::FileTooLarge) => {
                Ok(Some(Vec::new()))
            }
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", file.display()))),
        }
    }

    fn read_pieces(&self, path: &str, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let file = match self.disk.open_read(&self.path.join(path)) {
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(true),
            open => open?,
        };
        let (mut piece, mut at) = (vec![0; 256 * 1024], 0);
        loop {
            let n = match file.read_full_at(&mut piece, at) {
                Ok(0) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => return Ok(true),
                read => read?,
            };
            take(&piece[..n]);
            at += n as u64;
        }
    }

    fn list(&self) -> io::Result<Option<Vec<String>>> {
        // A folder that is not there is an error, not an empty one.
        self.disk.list(&self.path)?;
        match list_files(&*self.disk, &self.path, "") {
            // A name that can't be spelled is told like one that does not belong there.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(vec![error.to_string()])),
            listed => listed.map(Some),
        }
    }
}

/// Not there, or below something that is no folder.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
