//! A running `domicile up`: its data folder, its ports, its end by SIGTERM or by kill -9.

use crate::http::{Answer, Connection};
use crate::tally::Tally;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

const READY_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(30);

/// Where one `up` lives; it may start there many times.
pub struct Home {
    domicile: PathBuf,
    /// Everything of this home: the data folder, the log of `up`, what a test puts beside them.
    pub folder: PathBuf,
    pub data: PathBuf,
    port_base: u16,
    /// More arguments of `up`.
    more: Vec<String>,
}

impl Home {
    /// A fresh data folder named after the suite, and ports that are free now.
    pub fn fresh(domicile: &Path, suite: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("domicile-{suite}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let data = folder.join("data");
        Ok(Self { domicile: domicile.to_owned(), folder, data, port_base: free_port_base()?, more: Vec::new() })
    }

    /// A home on a machine of its own, where all ports are free, in a folder that is there.
    pub fn alone(domicile: &Path, folder: &Path, more: &[&str]) -> Self {
        let (domicile, folder) = (domicile.to_owned(), folder.to_owned());
        let more = more.iter().map(ToString::to_string).collect();
        Self { domicile, data: folder.join("data"), folder, port_base: 7000, more }
    }

    /// Takes the steps in a fresh home where `up` is given these arguments more. What stops a step is a failed check.
    pub fn test(
        tally: &mut Tally,
        domicile: &Path,
        name: &str,
        more: &[(&str, &str)],
        steps: impl FnOnce(&mut Tally, &Home) -> Result<(), String>,
    ) {
        let before = tally.failed();
        match Self::fresh(domicile, name) {
            Ok(mut home) => {
                home.more = more.iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]).collect();
                if let Err(why) = steps(tally, &home) {
                    tally.check(format!("the run of {name}"), Err(why));
                }
                home.leave(tally.failed() > before);
            }
            Err(error) => tally.check("a data folder and ports", Err(error)),
        }
    }

    /// Starts `up` and does not wait. What it prints is added to `up.log` beside the data folder.
    pub fn start(&self) -> io::Result<Up> {
        self.spawn(self.up())
    }

    /// Starts `up` and waits for its line `domicile is ready`.
    pub fn start_ready(&self) -> Result<Up, String> {
        self.spawn_ready(self.up())
    }

    /// `up` on this home, for a caller that adds arguments or surroundings before it starts.
    pub fn up(&self) -> Command {
        let mut command = Command::new(&self.domicile);
        command.args(["up", "--port-base", &self.port_base.to_string(), "--data"]).arg(&self.data).args(&self.more);
        command
    }

    /// [`Self::start`] of a changed [`Self::up`].
    pub fn spawn(&self, mut command: Command) -> io::Result<Up> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let said_from = log.metadata()?.len();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?).spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Up { child, ready: watch_for_ready(stdout, log), log: self.log(), said_from })
    }

    /// [`Self::start_ready`] of a changed [`Self::up`].
    pub fn spawn_ready(&self, command: Command) -> Result<Up, String> {
        let mut up = self.spawn(command).map_err(|error| format!("{}: {error}", self.domicile.display()))?;
        up.await_ready()?;
        Ok(up)
    }

    /// `domicile balance --json`: each region's sheet.
    pub fn balance(&self) -> Result<Value, String> {
        let said = self.command("balance", &["--json"])?;
        serde_json::from_str(&said).map_err(|error| format!("`domicile balance --json` printed no JSON: {error}"))
    }

    /// Runs another command of the binary on the same data folder: what it says on stdout.
    ///
    /// # Errors
    /// Anything but exit code 0, with all that it printed.
    pub fn command(&self, name: &str, more: &[&str]) -> Result<String, String> {
        match self.run(name, more)? {
            (Some(0), said, _) => Ok(said),
            (code, said, told) => Err(format!("exit code {code:?}: {said}{told}")),
        }
    }

    /// Runs another command of the binary on the same data folder: its exit code, and what it says on stdout and stderr.
    pub fn run(&self, name: &str, more: &[&str]) -> Result<(Option<i32>, String, String), String> {
        let run = Command::new(&self.domicile).arg(name).arg("--data").arg(&self.data).args(more).output();
        let run = run.map_err(|error| format!("{}: {error}", self.domicile.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((run.status.code(), text(&run.stdout), text(&run.stderr)))
    }

    /// What `domicile verify` says of each ledger and its archive; an error when one does not hold.
    pub fn verified(&self) -> Result<Vec<Value>, String> {
        let said = self.command("verify", &["--json"])?;
        serde_json::from_str(&said).map_err(|error| format!("`domicile verify --json` printed no JSON: {error}"))
    }

    pub fn demo(&self) -> Result<Demo, String> {
        self.written("demo.json")
    }

    /// A file that `up` writes for people, by region.
    fn written(&self, name: &str) -> Result<Demo, String> {
        let path = self.data.join(name);
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map(Demo).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The token of whoever runs the region's cell, as `up` leaves it beside the data.
    pub fn operator_token(&self, region: &str) -> Result<String, String> {
        self.written("operator.json")?.token(region).map(str::to_owned)
    }

    /// Removes the folder after a good run; keeps it after a bad one and says where it is.
    pub fn leave(self, failed: bool) {
        if failed {
            println!("kept: {} (the log of `up` is {})", self.folder.display(), self.log().display());
        } else if let Err(error) = fs::remove_dir_all(&self.folder) {
            println!("could not remove {}: {error}", self.folder.display());
        }
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("up.log")
    }
}

/// A process that was started. Dropped, it is killed.
pub struct Up {
    child: Child,
    ready: Receiver<()>,
    log: PathBuf,
    /// Where in the log this process begins.
    said_from: u64,
}

/// A process that ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// `None`: by a signal.
    pub code: Option<i32>,
    /// What it printed, both streams.
    pub said: String,
}

impl Up {
    pub fn await_ready(&mut self) -> Result<(), String> {
        match self.ready.recv_timeout(READY_MAX) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("not ready after {READY_MAX:?}; its log ends: {}", self.last_words()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(format!("`up` ended before it was ready ({status}); its log ends: {}", self.last_words()))
            }
        }
    }

    /// kill -9. `Err` when the process had already ended by itself.
    pub fn kill(mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!("`up` ended by itself ({status}); its log ends: {}", self.last_words()));
        }
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(drop)
            .map_err(|error| format!("cannot kill `up`: {error}"))
    }

    /// SIGTERM, then exit code 0 within [`STOP_MAX`].
    pub fn stop(mut self) -> Result<(), String> {
        self.terminate()?;
        match wait_for(&mut self.child, STOP_MAX) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("`up` ended with {status} after SIGTERM; its log ends: {}", self.last_words())),
            None => Err(format!("`up` did not end within {STOP_MAX:?} of SIGTERM")),
        }
    }

    /// SIGTERM, without a wait for what it does.
    pub fn terminate(&self) -> Result<(), String> {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("`up` was not there to be stopped; its log ends: {}", self.last_words())),
        }
    }

    /// Waits for its end, which comes by itself.
    pub fn ended(mut self, max: Duration) -> Result<Ended, String> {
        match wait_for(&mut self.child, max) {
            Some(status) => Ok(Ended { code: status.code(), said: self.said() }),
            None => Err(format!("`up` still runs after {max:?}; its log ends: {}", self.last_words())),
        }
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, both streams.
    pub fn said(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(self.said_from).unwrap_or(usize::MAX).min(log.len());
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n          ")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Both fail when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of a process; `None` when it still runs after `max`.
pub fn wait_for(child: &mut Child, max: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < max => thread::sleep(Duration::from_millis(20)),
            _ => return None,
        }
    }
}

/// `demo.json`: what a newcomer is given to try things with.
pub struct Demo(Value);

impl Demo {
    pub fn cell(&self, region: &str) -> Result<&str, String> {
        self.text(&format!("/regions/{region}/api"))
    }

    /// What the owner of the region's demo workspace may do, this token may.
    pub fn token(&self, region: &str) -> Result<&str, String> {
        self.text(&format!("/regions/{region}/token"))
    }

    /// Address and password of the owner of the region's demo workspace.
    pub fn owner(&self, region: &str) -> Result<(&str, &str), String> {
        let at = format!("/regions/{region}/owner");
        Ok((self.text(&format!("{at}/email"))?, self.text(&format!("{at}/password"))?))
    }

    pub fn ingest(&self, region: &str, point: &str) -> Result<&str, String> {
        self.text(&format!("/regions/{region}/ingest/{point}"))
    }

    /// A source of the region's demo workspace, `web` or `server`.
    pub fn source(&self, region: &str, source: &str) -> Result<Source<'_>, String> {
        let workspace = format!("acme-{}", region.split('-').next().unwrap_or(region));
        let at = format!("/regions/{region}/workspaces/{workspace}/sources/{source}");
        Ok(Source { id: self.text(&format!("{at}/id"))?, key: self.text(&format!("{at}/writeKey"))? })
    }

    /// `PATCH /api/sources/{id}` as the workspace's owner.
    pub fn change_source(&self, region: &str, source: &str, change: &str) -> Result<Answer, String> {
        let bearer = format!("Bearer {}", self.token(region)?);
        let path = format!("/api/sources/{}", self.source(region, source)?.id);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        Connection::to(self.cell(region)?)
            .and_then(|mut cell| cell.request("PATCH", &path, &headers, change.as_bytes()))
            .map_err(|error| format!("PATCH {path}: {error}"))
    }

    fn text(&self, at: &str) -> Result<&str, String> {
        self.0.pointer(at).and_then(Value::as_str).ok_or_else(|| format!("demo.json has no {at}"))
    }
}

#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub id: &'a str,
    pub key: &'a str,
}

/// Copies what `up` prints to the log and reports its line `domicile is ready`; the sender is dropped when `up` ends.
fn watch_for_ready(stdout: impl io::Read + Send + 'static, mut log: File) -> Receiver<()> {
    let (report, ready) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A log that cannot be written is missed when a test fails; it must not fail one.
            let _ = writeln!(log, "{line}");
            if line == "domicile is ready" {
                let _ = report.send(());
            }
        }
    });
    ready
}

/// The first port of a row whose members that `up` uses are free: those of its own two regions, and of four regions with two
/// points each.
fn free_port_base() -> io::Result<u16> {
    let offsets = [0, 100, 101, 102, 103, 104, 200, 201, 202, 300, 301, 302, 400, 401, 402];
    // Below the ports that systems give to clients: one that tries to reach an `up` that is down could be given its port.
    const ROWS: u16 = 25;
    let first = (std::process::id() % u32::from(ROWS)) as u16;
    (0..ROWS)
        .map(|row| 20_000 + (first + row) % ROWS * 500)
        .find(|base| offsets.iter().all(|offset| TcpListener::bind(("127.0.0.1", base + offset)).is_ok()))
        .ok_or_else(|| io::Error::other("no free row of ports between 20000 and 32500"))
}
