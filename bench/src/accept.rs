//! Rows of the promise: what an ingest point takes, over what a bare server of the same HTTP stack takes.

use crate::child::Server;
use crate::load::{Outcome, Pace, Shape, run};
use crate::row::{Goal, Row, median};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

const BATCHES: Shape = Shape { connections: 64, batch: 50 };
const SINGLES: Shape = Shape { connections: 64, batch: 1 };
/// For a given rate: enough that none has to wait for its connection, as clients on the net do not wait for each other.
const OPEN: Shape = Shape { connections: 1_024, batch: 1 };

/// How much time a run may take.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: u32,
    pub seconds: f64,
}

fn load(me: &Path, server: &str, shape: Shape, pace: Pace) -> io::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    let server = Server::start(me, &[server, "--folder", &path])?;
    // A moment for connections, pages and branch predictors; not counted.
    run(server.address, crate::server::KEY, shape, Pace { seconds: 0.5, events_per_second: None }, 0)?;
    run(server.address, crate::server::KEY, shape, pace, 1 << 60)
}

/// The two are run in turn, and each pair gives a ratio: the machine's speed drifts, their relation does not.
fn ratio(me: &Path, name: &str, shape: Shape, goal: f64, effort: Effort) -> io::Result<(Row, f64)> {
    let pace = Pace { seconds: effort.seconds, events_per_second: None };
    let (mut ratios, mut ours, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let floor = load(me, "serve-floor", shape, pace)?;
        let accept = load(me, "serve-accept", shape, pace)?;
        if floor.refused + accept.refused > 0 {
            return Err(io::Error::other(format!("{name}: {} requests were refused", floor.refused + accept.refused)));
        }
        ratios.push(accept.events_per_second() / floor.events_per_second());
        ours.push(accept.events_per_second());
        floors.push(floor.events_per_second());
    }
    let (ours, floors) = (median(ours), median(floors));
    let spread = format!("{:.2} to {:.2}", min(&ratios), max(&ratios));
    let detail = format!("{ours:.0} over {floors:.0} events/s, {} pairs, {spread}", effort.rounds);
    Ok((Row::new(name, median(ratios), "", Goal::AtLeast(goal), detail), ours))
}

pub fn rows(me: &Path, effort: Effort) -> io::Result<Vec<Row>> {
    let (batches, _) = ratio(me, "accept, 50-event batches, over the floor", BATCHES, 0.65, effort)?;
    let (singles, highest) = ratio(me, "accept, single events, 64 connections, over the floor", SINGLES, 0.85, effort)?;
    Ok(vec![batches, singles, latency(me, highest, effort)?])
}

/// p99 of accept at half of the highest rate, over the disk's own p99 of a write and fdatasync of the same size.
fn latency(me: &Path, highest: f64, effort: Effort) -> io::Result<Row> {
    let disk_before = sync_p99_us(effort.seconds / 2.0)?;
    let pace = Pace { seconds: effort.seconds, events_per_second: Some(highest / 2.0) };
    let outcome = load(me, "serve-accept", OPEN, pace)?;
    let disk_after = sync_p99_us(effort.seconds / 2.0)?;
    let (accept, disk) = (outcome.latency_us(0.99), disk_before.max(disk_after));
    let detail = format!(
        "{accept:.0} µs (p50 {:.0}) at {:.0} events/s; fdatasync p99 {disk:.0} µs",
        outcome.latency_us(0.5),
        outcome.events_per_second()
    );
    Ok(Row::new("accept p99 at half load, over fdatasync p99", accept / disk, "", Goal::AtMost(3.0), detail))
}

fn sync_p99_us(seconds: f64) -> io::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut file = OpenOptions::new().create(true).append(true).open(folder.path().join("sync"))?;
    let bytes = vec![7; 20_000];
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed().as_secs_f64() < seconds || times.len() < 200 {
        let began = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[(times.len() - 1) * 99 / 100])
}

fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
