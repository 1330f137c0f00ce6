//! The dedup index with runs on disk: more keys than it holds in memory. Damaged or deleted it comes back from the event log,
//! and no duplicate passes meanwhile.

use crate::faults::book::good;
use crate::faults::files::Files;
use crate::http::Connection;
use crate::sheet::Sheet;
use crate::tally::Tally;
use crate::up::Home;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const REGION: &str = "eu-west";
/// As many events as a batch may have.
const BATCH: u64 = 2_500;
/// More keys than the index collects before it writes a run.
const BATCHES: u64 = 330;
const RUN_WAIT_MAX: Duration = Duration::from_secs(120);
/// Batches that are sent again: the first one, one of those that no run has yet, and some between.
const AGAIN: [u64; 5] = [0, 77, 160, 300, BATCHES - 1];

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "runs", &[], |tally, home| {
        let cell = home.data.join("cells").join(REGION);
        let index = cell.join("index");
        let up = home.start_ready()?;
        send(home, 0..BATCHES)?;
        await_run(&index)?;
        up.stop()?;
        let archive = Files::of(&cell.join("archive/segment-logs"))?;

        let mut again = 0;
        for (what, damage) in DAMAGES {
            let file = damage(&index)?;
            let outcome = (|| {
                let up = home.start_ready()?;
                again += send(home, AGAIN.into_iter())?;
                up.stop()?;
                Files::of(&cell.join("archive/segment-logs"))?.same_as(&archive)?;
                let up = home.start_ready()?;
                let sheet = Sheet::of(&home.balance()?, REGION)?;
                up.stop()?;
                let kept = BATCHES * BATCH;
                match sheet {
                    Sheet { kept: same, duplicate, .. } if (same, duplicate) == (kept, again) => Ok(()),
                    sheet => Err(format!("kept {kept}, sent again {again}, and the balance sheet has {sheet:?}")),
                }
            })();
            tally.check(format!("{what}, {file}: the archive stays the same, and duplicates are found"), outcome);
            // The next damage needs a run, and a short life may not have written it.
            let up = home.start_ready()?;
            await_run(&index)?;
            up.stop()?;
        }
        Ok(())
    });
}

type Damage = fn(&Path) -> Result<String, String>;

const DAMAGES: [(&str, Damage); 7] = [
    ("nothing done", |_| Ok("dedup index".to_owned())),
    ("a bit flipped in the middle", |index| change(&run_of(index)?, |bytes| flip(bytes, 2))),
    ("a bit flipped near the end", |index| change(&run_of(index)?, |bytes| flip(bytes, 1))),
    ("cut in half", |index| change(&run_of(index)?, |bytes| bytes.truncate(bytes.len() / 2))),
    ("a bit flipped", |index| change(&index.join("manifest"), |bytes| flip(bytes, 2))),
    ("emptied", |index| change(&index.join("manifest"), Vec::clear)),
    ("gone", |index| {
        let run = run_of(index)?;
        fs::remove_file(&run).map_err(|error| format!("{}: {error}", run.display()))?;
        Ok(name(&run))
    }),
];

/// One bit of the byte at 1/`part` of the length, or of the last but a few.
fn flip(bytes: &mut [u8], part: usize) {
    let at = (bytes.len() / part).saturating_sub(9);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<String, String> {
    let at = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut bytes = fs::read(file).map_err(at)?;
    change(&mut bytes);
    fs::write(file, bytes).map_err(at)?;
    Ok(name(file))
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The largest run.
fn run_of(index: &Path) -> Result<PathBuf, String> {
    let files = Files::of(index)?;
    let runs = files.in_folder("", ".run");
    let largest = runs.into_iter().max_by_key(|run| files.bytes(run).len());
    largest.map(|run| index.join(run)).ok_or_else(|| format!("{}: no run", index.display()))
}

/// Waits until a run and the manifest that names it are there.
fn await_run(index: &Path) -> Result<(), String> {
    let start = Instant::now();
    while !index.join("manifest").exists() || run_of(index).is_err() {
        if start.elapsed() > RUN_WAIT_MAX {
            return Err(format!("{}: no run after {RUN_WAIT_MAX:?}", index.display()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Sends these batches, the same bytes each time; how many events that were.
fn send(home: &Home, batches: impl Iterator<Item = u64>) -> Result<u64, String> {
    let demo = home.demo()?;
    let key = demo.source(REGION, "server")?.key;
    let url = demo.ingest(REGION, "dublin")?;
    let mut connection = Connection::to(url).map_err(|error| format!("{url}: {error}"))?;
    let mut sent = 0;
    for batch in batches {
        let event = |n: u64| format!(r#"{{"type":"track","event":"e","userId":"u","messageId":"run-{n}"}}"#);
        let events: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(event).collect();
        let body = format!(r#"{{"batch":[{}],"writeKey":"{key}"}}"#, events.join(","));
        good(url, connection.request("POST", "/v1/batch", &[], body.as_bytes()))?;
        sent += BATCH;
    }
    Ok(sent)
}
