//! Rows of the whole program: what an event costs on its way to the archive, how soon a webhook has it, how quickly it
//! starts, and what it takes when nothing happens.

use crate::accept::Effort;
use crate::child::{Server, Up, resident, thread_cpu};
use crate::http::{get, post_json};
use crate::load::{Pace, Shape, run, sample_events};
use crate::row::{Goal, Row, median};
use crate::webhook::Webhook;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than the ledger's windows.
const LEDGER_WAIT: Duration = Duration::from_secs(7);
const BATCHES: Shape = Shape { connections: 32, batch: 50 };
/// Free ports for a whole `up`; above the demo's own.
const BASE: u16 = 27_000;

/// Processor time per event from the request to the gzip archive, over the bare server's plus gzip of the same bytes.
pub fn cost(me: &Path, domicile: &Path, effort: Effort) -> io::Result<Vec<Row>> {
    let pace = Pace { seconds: effort.seconds, events_per_second: None };
    let gzip = gzip_seconds_per_event(effort)?;
    let (mut ratios, mut rates, mut details, mut shares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let floor = {
            let folder = tempfile::tempdir()?;
            let path = folder.path().display().to_string();
            let server = Server::start(me, &["serve-floor", "--folder", &path])?;
            let outcome = run(server.address, crate::server::KEY, BATCHES, pace, 0)?;
            server.cpu()?.as_secs_f64() / outcome.events as f64
        };
        let folder = tempfile::tempdir()?;
        let up = Up::start(domicile, folder.path(), BASE)?;
        let (began, idle) = (Instant::now(), up.cpu()?);
        let outcome = run(up.ingest(), &up.key(), BATCHES, pace, 0)?;
        let taken = began.elapsed();
        // So that the ledger has told all of it.
        std::thread::sleep(LEDGER_WAIT);
        let of_ledger = up.cpu_of_threads(&[" ledger", " recorde"])?;
        let cpu = up.stop_and_count()? - idle;
        shares.push(of_ledger.as_secs_f64() / cpu.as_secs_f64());
        // The stop writes everything that was accepted into the archive: this is how long all of it took, without the wait.
        let stopping = began.elapsed() - taken - LEDGER_WAIT;
        rates.push(outcome.events as f64 / (taken + stopping).as_secs_f64());
        let ours = cpu.as_secs_f64() / outcome.events as f64;
        ratios.push(ours / (floor + gzip));
        details.push((ours * 1e6, floor * 1e6, gzip * 1e6));
    }
    let (ours, floor, gzip_us) = details[details.len() / 2];
    let detail = format!("{ours:.1} µs an event over {floor:.1} (bare server) + {gzip_us:.1} (gzip)");
    let cost = Row::new(
        "CPU of the pipeline to the archive, over bare server plus gzip",
        median(ratios),
        "",
        Goal::AtMost(1.8),
        detail,
    );
    let ledger = Row::new(
        "CPU of the ledger's threads, of the pipeline's",
        100.0 * median(shares),
        " %",
        Goal::AtMost(3.0),
        "recorder and writer of both cells, over the whole program from the request to the archive".to_owned(),
    );
    Ok(vec![cost, ledger, backlog(domicile, median(rates), effort)?])
}

/// At 0.8 of the rate at which everything keeps up, what waits for process must not grow: the most that waited in the
/// last third of the run over the most in the middle third.
fn backlog(domicile: &Path, highest: f64, effort: Effort) -> io::Result<Row> {
    let folder = tempfile::tempdir()?;
    let up = Up::start(domicile, folder.path(), BASE)?;
    let seconds = effort.seconds * 3.0;
    let (address, key) = (up.ingest(), up.key());
    let load = std::thread::spawn(move || {
        run(address, &key, BATCHES, Pace { seconds, events_per_second: Some(0.8 * highest) }, 0)
    });
    let (start, mut lags) = (Instant::now(), Vec::new());
    while !load.is_finished() {
        std::thread::sleep(Duration::from_millis(100));
        let metrics = get(up.cell(), "/metrics", None)?;
        let lag =
            metrics.lines().find(|line| line.starts_with("domicile_archive_unread_events") && line.contains("eu-west"));
        let lag: f64 = lag.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(f64::NAN);
        lags.push((start.elapsed().as_secs_f64() / seconds, lag));
    }
    let outcome = load.join().map_err(|_| io::Error::other("the load panicked"))??;
    let most = |from: f64, to: f64| {
        lags.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, lag)| *lag).fold(0.0, f64::max)
    };
    let (middle, last) = (most(0.33, 0.66), most(0.66, 1.0));
    // One batch of each connection is always on its way.
    let on_the_way = (BATCHES.connections * BATCHES.batch) as f64;
    let growth = (last - middle) / outcome.events as f64;
    let detail = format!(
        "at {:.0} of {highest:.0} events/s at most {middle:.0}, then {last:.0} waited to be read ({on_the_way:.0} are on their way)",
        outcome.events_per_second()
    );
    Ok(Row::new(
        "backlog at 0.8 of the highest rate: growth per event sent",
        growth.max(0.0),
        "",
        Goal::AtMost(0.05),
        detail,
    ))
}

fn gzip_seconds_per_event(effort: Effort) -> io::Result<f64> {
    let events = sample_events(BATCHES);
    let level = flate2::Compression::new(domicile_archive::ArchiveSettings::default().level);
    let (start, began, mut n) = (thread_cpu(), Instant::now(), 0_u64);
    let mut gzip = flate2::write::GzEncoder::new(io::sink(), level);
    while began.elapsed().as_secs_f64() < effort.seconds / 2.0 {
        gzip.write_all(&events)?;
        n += (BATCHES.batch * BATCHES.connections) as u64;
    }
    gzip.finish()?;
    Ok((thread_cpu() - start).as_secs_f64() / n as f64)
}

/// From the answer to the SDK to the local webhook's receipt, at 20 events a second.
pub fn webhook(domicile: &Path, effort: Effort) -> io::Result<Row> {
    let folder = tempfile::tempdir()?;
    let up = Up::start(domicile, folder.path(), BASE)?;
    let webhook = Webhook::start()?;
    let body = serde_json::json!({
        "sourceId": up.source_id(), "metadataId": "webhook", "name": "bench", "enabled": true,
        "settings": { "url": format!("http://{}/", webhook.address), "country": "IE" },
    });
    post_json(up.cell(), "/api/destinations", &up.token(), &body.to_string())?;
    std::thread::sleep(Duration::from_secs(3));
    let pace = Pace { seconds: effort.seconds, events_per_second: Some(20.0) };
    let outcome = run(up.ingest(), &up.key(), Shape { connections: 1, batch: 1 }, pace, 0)?;
    let mut latencies = webhook.latencies_ms(outcome.events, Duration::from_secs(20))?;
    latencies.sort_by(f64::total_cmp);
    let p50 = latencies[latencies.len() / 2];
    let detail =
        format!("{} events at 20/s, p99 {:.0} ms", latencies.len(), latencies[(latencies.len() - 1) * 99 / 100]);
    Ok(Row::new("accepted to received by a local webhook, p50", p50, " ms", Goal::AtMost(100.0), detail))
}

/// Memory and processor time of an idle `up` with two cells.
pub fn idle(domicile: &Path, effort: Effort) -> io::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let up = Up::start(domicile, folder.path(), BASE)?;
    std::thread::sleep(Duration::from_secs(5));
    let (before, began) = (up.cpu()?, Instant::now());
    std::thread::sleep(Duration::from_secs_f64((effort.seconds * 3.0).max(10.0)));
    let share = (up.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    let memory = resident(up.pid())? as f64 / f64::from(1 << 20);
    Ok(vec![
        Row::new(
            "idle `up`, two cells: memory",
            memory,
            " MiB",
            Goal::AtMost(120.0),
            format!("ready in {:?}", up.ready),
        ),
        Row::new("idle `up`, two cells: of one core", share, " %", Goal::AtMost(1.0), "ticks of the kernel".to_owned()),
    ])
}

/// The start of `up` with logs of `gigabytes` in one cell: half of it accepted, half decided.
pub fn start(domicile: &Path, gigabytes: f64) -> io::Result<Row> {
    let folder = tempfile::tempdir()?;
    Up::start(domicile, folder.path(), BASE)?.stop()?;
    let bytes = crate::fill::fill(&folder.path().join("cells/eu-west"), gigabytes)?;
    let up = Up::start(domicile, folder.path(), BASE)?;
    let detail = format!("{:.1} GB of logs", bytes as f64 / 1e9);
    Ok(Row::new("start of `up` to ready", up.ready.as_secs_f64(), " s", Goal::AtMost(2.0), detail))
}
