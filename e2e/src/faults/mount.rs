//! File systems of a test's own: small ones that fill up, and ones that are read-only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; dropped, it is taken away.
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    /// A file system in memory of so many MiB.
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub fn memory(at: &Path, mib: u32) -> Result<Self, String> {
        Self::new(at, &["-t", "tmpfs", "-o", &format!("size={mib}m,mode=700"), "tmpfs"])
    }

    /// An ext4 file system of so many MiB in the file `image`.
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub fn ext4(at: &Path, image: &Path, mib: u32) -> Result<Self, String> {
        fs::File::create(image)
            .and_then(|file| file.set_len(u64::from(mib) << 20))
            .map_err(|error| format!("{}: {error}", image.display()))?;
        let image = image.to_string_lossy();
        run("mkfs.ext4", &["-q", "-F", &image])?;
        Self::new(at, &["-t", "ext4", "-o", "loop", &image])
    }

    fn new(at: &Path, arguments: &[&str]) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| format!("{}: {error}", at.display()))?;
        run("mount", &[arguments, &[&at.to_string_lossy()]].concat())?;
        Ok(Self { at: at.to_owned() })
    }

    pub fn make_readonly(&self) -> Result<(), String> {
        run("mount", &["-o", "remount,ro", &self.at.to_string_lossy()])
    }

    pub fn make_writable(&self) -> Result<(), String> {
        run("mount", &["-o", "remount,rw", &self.at.to_string_lossy()])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &[&self.at.to_string_lossy()]) {
            println!("could not unmount {}: {error}", self.at.display());
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    // The system's own programs are not on everyone's path.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let run = Command::new(program).args(arguments).env("PATH", path).output();
    let run = run.map_err(|error| format!("{program}: {error}"))?;
    match run.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&run.stderr).trim())),
    }
}
