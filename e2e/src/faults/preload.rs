//! Libraries that stand between the binary and the system: failing syncs, a clock that can be set.

use crate::here;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `e2e/faults/eio.c`: syncs of the logs that fail on command.
pub struct FailingSync {
    library: PathBuf,
    control: PathBuf,
    log: PathBuf,
}

impl FailingSync {
    /// Compiles the library into `folder`.
    ///
    /// # Errors
    /// Why it can't be had here.
    pub fn build(folder: &Path) -> Result<Self, String> {
        if !cfg!(target_os = "linux") {
            return Err("only on Linux".to_owned());
        }
        let library = folder.join("eio.so");
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Werror", "-O2", "-shared", "-fPIC", "-o"]).arg(&library);
        cc.arg(here("faults/eio.c")).args(["-ldl", "-lpthread"]);
        let cc = cc.output().map_err(|error| format!("cc: {error}"))?;
        if !cc.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&cc.stderr)));
        }
        Ok(Self { library, control: folder.join("eio.control"), log: folder.join("eio.log") })
    }

    pub fn stand_before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("EIO_CONTROL", &self.control).env("EIO_LOG", &self.log);
    }

    /// Of the syncs from now on the `n`th fails; with `ever` all after it, too. The log begins anew.
    pub fn fail(&self, n: usize, ever: bool) -> Result<(), String> {
        self.begin_log()?;
        let word = if ever { "ever" } else { "once" };
        // In place of the old text at once, so that nobody reads a half.
        let new = self.control.with_extension("new");
        fs::write(&new, format!("{n} {word}"))
            .and_then(|()| fs::rename(&new, &self.control))
            .map_err(|error| format!("{}: {error}", self.control.display()))
    }

    /// No sync fails any more. The log begins anew.
    pub fn relent(&self) -> Result<(), String> {
        if self.control.exists() {
            fs::remove_file(&self.control).map_err(|error| format!("{}: {error}", self.control.display()))?;
        }
        self.begin_log()
    }

    /// The files and folders whose syncs have failed since the log began, in order.
    pub fn failed(&self) -> Vec<String> {
        self.noted("EIO ")
    }

    /// The files and folders that were synced since the log began, in order.
    pub fn synced(&self) -> Vec<String> {
        self.noted("ok ")
    }

    fn noted(&self, word: &str) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter_map(|line| line.strip_prefix(word).map(str::to_owned)).collect()
    }

    fn begin_log(&self) -> Result<(), String> {
        fs::write(&self.log, "").map_err(|error| format!("{}: {error}", self.log.display()))
    }
}

/// Debian's libfaketime: the wall clock, ahead or behind by what a file says. The monotonic clock stays as it is.
pub struct FalseClock {
    library: PathBuf,
    offset: PathBuf,
}

impl FalseClock {
    /// # Errors
    /// Where it was looked for.
    pub fn find(folder: &Path) -> Result<Self, String> {
        let libraries = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
        let library =
            libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let library =
            library.ok_or("no /usr/lib/*/faketime/libfaketimeMT.so.1; on Debian: `apt-get install faketime`")?;
        Ok(Self { library, offset: folder.join("clock") })
    }

    pub fn stand_before(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }

    /// Sets the clock so many days ahead of the true one, or behind it.
    pub fn set(&self, days: i64) -> Result<(), String> {
        let new = self.offset.with_extension("new");
        fs::write(&new, format!("{days:+}d\n"))
            .and_then(|()| fs::rename(&new, &self.offset))
            .map_err(|error| format!("{}: {error}", self.offset.display()))
    }
}
