//! A full disk: what can't be stored is refused at once, everything else goes on, and when there is room again so does the rest.

use crate::faults::book::{Client, close, good};
use crate::faults::mount::Mount;
use crate::faults::usage::ends;
use crate::http::{Answer, Connection};
use crate::tally::Tally;
use crate::up::{Demo, Ended, Home};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const MIB: u32 = 64;
/// The promise: a refusal comes within this time.
const REFUSAL_MAX: Duration = Duration::from_secs(1);
/// The promise: so long after there is room, everything is taken again.
const RESUME_MAX: Duration = Duration::from_secs(5);
const STOP_MAX: Duration = Duration::from_secs(30);
/// Batches that find a place in pages that were begun before the disk was full.
const LAST_BATCHES: u32 = 500;

pub fn run(tally: &mut Tally, domicile: &Path) {
    on(tally, domicile, "tmpfs", |home| Mount::memory(&home.data, MIB));
    on(tally, domicile, "ext4", |home| Mount::ext4(&home.data, &home.folder.join("image"), MIB));
}

fn on(tally: &mut Tally, domicile: &Path, kind: &str, mount: impl FnOnce(&Home) -> Result<Mount, String>) {
    Home::test(tally, domicile, &format!("full-{kind}"), &[], |tally, home| match mount(home) {
        Ok(mount) => {
            let done = fill_and_free(tally, home, kind);
            drop(mount);
            done
        }
        Err(why) => {
            tally.skip(format!("a full disk, {kind}"), format!("nothing can be mounted here (it needs root): {why}"));
            Ok(())
        }
    });
}

fn fill_and_free(tally: &mut Tally, home: &Home, kind: &str) -> Result<(), String> {
    let ballast = Ballast(home.data.join("ballast"));
    let mut up = home.start_ready()?;
    let demo = home.demo()?;
    let mut clients = Client::of_all(&demo, "full")?;
    clients.iter_mut().try_for_each(|client| client.send_good(20))?;

    // Again and again full, with room for some batches in between.
    for round in 1..=5_u64 {
        ballast.fill()?;
        let refused = clients.iter_mut().try_for_each(await_refusal);
        tally
            .check(format!("{kind} full, {round}: 503 cannot_store with Retry-After, within {REFUSAL_MAX:?}"), refused);
        if round == 1 {
            tally.check(
                format!("{kind} full: settings, /healthz and /readyz answer"),
                others_answer(&demo, &mut clients),
            );
        }
        ballast.shrink(round * 20_000)?;
        clients.iter_mut().for_each(|client| {
            let _ = client.send();
        });
    }
    ballast.fill()?;
    let running = if up.is_running() { Ok(()) } else { Err(up.said()) };
    tally.check(format!("{kind} full: the process goes on"), running);

    ballast.remove()?;
    let freed = Instant::now();
    let resumed = clients.iter_mut().try_for_each(await_resumed);
    println!("        {kind}: taken again at all points {:?} after there was room", freed.elapsed());
    tally.check(format!("{kind} with room again: events are taken within {RESUME_MAX:?}, without a restart"), resumed);
    clients.iter_mut().try_for_each(|client| client.send_good(20))?;
    close(tally, home, up, &format!("{kind} full and back"), &clients)?;

    stop_when_full(tally, home, kind, &ballast, &mut clients)?;
    ballast.fill()?;
    let outcome = home.start().map_err(|error| error.to_string())?.ended(Duration::from_secs(30));
    let outcome = outcome.and_then(|ended| ends(&ended, 3, &[&home.data.to_string_lossy(), "mend:"]));
    tally.check(format!("{kind} full at the start: exit code 3, which file, what to do"), outcome);
    ballast.remove()?;
    let up = home.start_ready()?;
    for client in &mut clients {
        client.reconnect()?;
        client.send_good(1)?;
    }
    close(tally, home, up, &format!("{kind} full at the start, and back"), &clients).map(drop)
}

/// A stop that can't write its closing notes is no stop in order, and says so; it ends all the same.
fn stop_when_full(
    tally: &mut Tally,
    home: &Home,
    kind: &str,
    ballast: &Ballast,
    clients: &mut [Client],
) -> Result<(), String> {
    let up = home.start_ready()?;
    clients.iter_mut().try_for_each(Client::reconnect)?;
    clients.iter_mut().try_for_each(|client| client.send_good(2))?;
    ballast.fill()?;
    clients.iter_mut().try_for_each(await_refusal)?;
    up.terminate()?;
    let outcome = match up.ended(STOP_MAX)? {
        Ended { code: Some(0), .. } => Ok(()),
        ended => ends(&ended, 3, &[&home.data.to_string_lossy(), "mend:"]),
    };
    tally.check(format!("{kind} full, SIGTERM: it ends within {STOP_MAX:?} and says what it could not write"), outcome);
    ballast.remove()?;
    let up = home.start_ready()?;
    close(tally, home, up, &format!("{kind} full at a stop, and back"), clients).map(drop)
}

/// Sends until there is no place left, which must be said as promised.
fn await_refusal(client: &mut Client) -> Result<(), String> {
    for _ in 0..LAST_BATCHES {
        let start = Instant::now();
        let answer = client.send().map_err(|error| format!("{}: {error}", client.url()))?;
        let took = start.elapsed();
        if answer.status != 200 {
            return refusal(&answer, took).map_err(|why| format!("{}: {why}", client.url()));
        }
    }
    Err(format!("{}: {LAST_BATCHES} batches were taken on a full disk", client.url()))
}

fn refusal(answer: &Answer, took: Duration) -> Result<(), String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let wait: Option<u64> = answer.header("retry-after").and_then(|wait| wait.parse().ok());
    match (answer.status, body["code"].as_str(), wait) {
        (503, Some("cannot_store"), Some(1..)) if took <= REFUSAL_MAX => Ok(()),
        (status, code, wait) => Err(format!("{status}, code {code:?}, Retry-After {wait:?}, after {took:?}")),
    }
}

fn others_answer(demo: &Demo, clients: &mut [Client]) -> Result<(), String> {
    for client in clients {
        let settings = format!("/v1/projects/{}/settings", client.key());
        let mut cell = Connection::to(demo.cell(client.region)?).map_err(|error| error.to_string())?;
        for path in ["/healthz", "/readyz", &settings] {
            good(path, client.get(path))?;
            good(path, cell.request("GET", path, &[], b""))?;
        }
        good("/metrics", cell.request("GET", "/metrics", &[], b""))?;
    }
    Ok(())
}

fn await_resumed(client: &mut Client) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match client.send() {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) if answer.status == 503 && start.elapsed() < RESUME_MAX => {
                thread::sleep(Duration::from_millis(20))
            }
            other => return good(client.url(), other).map_err(|why| format!("after {:?}: {why}", start.elapsed())),
        }
    }
}

/// The file that takes all the room.
struct Ballast(PathBuf);

impl Ballast {
    fn fill(&self) -> Result<(), String> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).map_err(|error| self.at(&error))?;
        for bytes in [64 << 10, 4 << 10, 1] {
            let block = vec![b'x'; bytes];
            loop {
                match file.write(&block).and_then(|_| file.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(self.at(&error)),
                }
            }
        }
        Ok(())
    }

    fn shrink(&self, by: u64) -> Result<(), String> {
        let file = OpenOptions::new().write(true).open(&self.0).map_err(|error| self.at(&error))?;
        let bytes = file.metadata().map_err(|error| self.at(&error))?.len();
        File::set_len(&file, bytes.saturating_sub(by)).map_err(|error| self.at(&error))
    }

    fn remove(&self) -> Result<(), String> {
        fs::remove_file(&self.0).map_err(|error| self.at(&error))
    }

    fn at(&self, error: &std::io::Error) -> String {
        format!("{}: {error}", self.0.display())
    }
}
