//! A PostgreSQL of the tests' own: a fresh folder, 127.0.0.1, a port that was free, no fsync, and nobody asked for a password.
//!
//! - It ends with this program: dropped it is stopped and its folder removed; Ctrl-C reaches it too (it is in the same process
//!   group), and on Linux so does the end of this program by any other way. Then the folder stays among the temporary files.
//! - It never runs as root, which it refuses: then it runs as the user `postgres` that Debian's package makes.

use crate::install::{self, is_root};
use crate::run::{DidNotRun, must, program};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(10);

/// Where Debian keeps the programs of each version, `VERSION/bin`.
const VERSIONS: &str = "/usr/lib/postgresql";

pub struct Server {
    folder: PathBuf,
    port: u16,
    /// The words that start it.
    words: Vec<String>,
    child: Child,
}

impl Server {
    /// Installs PostgreSQL if need be, and starts one that accepts connections.
    pub fn start() -> Result<Self, DidNotRun> {
        let programs = install::programs("PostgreSQL", "postgresql", || newest(Path::new(VERSIONS)))?;
        let folder = std::env::temp_dir().join(format!("domicile-postgres-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let port = free_port().map_err(|error| format!("no free port for PostgreSQL: {error}"))?;
        let data = folder.join("data");
        if is_root() {
            must(program("chown", &["postgres:postgres", &folder.display().to_string()]))?;
        }

        let initdb = programs.join("initdb").display().to_string();
        let data_word = data.display().to_string();
        let arguments = ["--pgdata", &data_word, "--username", "domicile", "--auth", "trust", "--encoding", "UTF8"];
        let mut made = as_its_user(&initdb, &arguments);
        made.extend(["--locale", "C", "--no-sync", "--no-instructions"].map(str::to_owned));
        must(quiet(&made))?;

        let setting = |name: &str, value: &str| format!("--{name}={value}");
        let mut words = as_its_user(&programs.join("postgres").display().to_string(), &[]);
        words.extend([
            setting("listen-addresses", "127.0.0.1"),
            setting("port", &port.to_string()),
            setting("unix-socket-directories", &folder.display().to_string()),
            setting("fsync", "off"),
            setting("max-connections", "200"),
            "-D".to_owned(),
            data_word,
        ]);
        let log = fs::File::create(folder.join("log")).map_err(|error| format!("{}: {error}", folder.display()))?;
        let child = quiet(&words).stderr(log).spawn();
        let child = child.map_err(|error| format!("PostgreSQL could not be started: {error}"))?;
        let mut server = Self { folder, port, words, child };
        server.await_start()?;
        Ok(server)
    }

    /// Hands it to a suite: where it is, and the words (a JSON list) that start it again when the suite has stopped it.
    pub fn tell(&self, command: &mut Command) {
        command.env("DOMICILE_TEST_POSTGRES", format!("postgres://domicile@127.0.0.1:{}/postgres", self.port));
        command.env("DOMICILE_TEST_POSTGRES_START", serde_json::json!(self.words).to_string());
    }

    fn await_start(&mut self) -> Result<(), DidNotRun> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("PostgreSQL ended at its start ({status}); see {}", self.folder.display()).into());
            }
            // It listens before it is ready to answer; its clients are told to come back, and this file says when not.
            let status = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
            if status.lines().last().is_some_and(|line| line.trim() == "ready")
                && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!("PostgreSQL is not ready after {START_MAX:?}; see {}", self.folder.display()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: it sends its clients away and ends. Each step may fail when it is gone already.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > STOP_MAX {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The words that run a program of PostgreSQL as the user that it wants, and end it with this program.
fn as_its_user(program: &str, arguments: &[&str]) -> Vec<String> {
    let user: &[&str] = match (cfg!(target_os = "linux"), is_root()) {
        (true, true) => &["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=INT", "--"],
        (true, false) => &["setpriv", "--pdeathsig=INT", "--"],
        (false, _) => &[],
    };
    user.iter().copied().chain([program]).chain(arguments.iter().copied()).map(str::to_owned).collect()
}

fn quiet(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    // It looks into its working directory, which `postgres` must be allowed to.
    command.args(&words[1..]).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The `bin` of the highest version that can start a server.
fn newest(versions: &Path) -> Option<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = fs::read_dir(versions).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let complete = folders.filter(|version| version.join("bin/postgres").is_file());
    complete.max_by_key(|version| number(version)).map(|version| version.join("bin"))
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_is_complete_is_taken() {
        let versions = std::env::temp_dir().join(format!("domicile-versions-{}", std::process::id()));
        for (version, complete) in [("9", true), ("15", true), ("17", false), ("common", false)] {
            let programs = versions.join(version).join("bin");
            fs::create_dir_all(&programs).unwrap();
            if complete {
                fs::write(programs.join("postgres"), "").unwrap();
            }
        }
        assert_eq!(newest(&versions), Some(versions.join("15/bin")));
        assert_eq!(newest(&versions.join("nowhere")), None);
        fs::remove_dir_all(&versions).unwrap();
    }
}
