//! A sync that fails is final: no 200 after it, the process ends with 3 and names the file, a new start has all that was
//! promised.
//!
//! The failing sync loses what it should have made last, and the one after it says yes: a program that tried again
//! would promise what is gone.

use crate::faults::book::{Client, POINTS, close};
use crate::faults::preload::FailingSync;
use crate::faults::usage::ends;
use crate::tally::Tally;
use crate::up::{Demo, Ended, Home, Up};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// From the failure to the end of the process. It needs far less; a busy machine may take its time.
const END_MAX: Duration = Duration::from_secs(20);
/// Which sync under load fails; odd ones once, even ones with all that follow.
const UNDER_LOAD: [usize; 12] = [1, 2, 3, 4, 5, 8, 13, 21, 34, 55, 89, 144];

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "sync", &[], |tally, home| {
        let syncs = match FailingSync::build(&home.folder) {
            Ok(syncs) => syncs,
            Err(why) => {
                tally.skip("a failed sync is final", why);
                return Ok(());
            }
        };
        let mut clients = Vec::new();
        tally.check(
            "a 200 is never sent before a sync of the log that it promises",
            one_by_one(home, &syncs, &mut clients),
        );
        for n in UNDER_LOAD {
            let ever = n % 2 == 0;
            let outcome = under_load(home, &syncs, n, ever, &mut clients);
            let word = if ever { " and all after it" } else { "" };
            let promise =
                format!("sync {n} under load fails{word}: no 200 after it, exit code 3, which file, what to do");
            tally.check(promise, outcome);
        }
        in_a_start(tally, home, &syncs)?;
        in_a_stop(tally, home, &syncs, &mut clients)?;
        syncs.relent()?;
        let up = start(home, &syncs)?;
        close(tally, home, up, "after all failed syncs", &clients)?;
        Ok(())
    });
}

fn start(home: &Home, syncs: &FailingSync) -> Result<Up, String> {
    let mut command = home.up();
    syncs.stand_before(&mut command);
    home.spawn_ready(command)
}

/// One request after the other: each needs a sync of its own.
fn one_by_one(home: &Home, syncs: &FailingSync, clients: &mut Vec<Client>) -> Result<(), String> {
    const REQUESTS: u64 = 40;
    let up = start(home, syncs)?;
    let demo = home.demo()?;
    for point in POINTS {
        let mut client = Client::of(&demo, point, "one")?;
        syncs.relent()?;
        client.send_good(REQUESTS)?;
        let file = log_of(&client);
        let count = syncs.synced().iter().filter(|path| path.contains(&file) && path.ends_with(".log")).count();
        clients.push(client);
        if (count as u64) < REQUESTS {
            return Err(format!("{REQUESTS} requests one after the other at {file}, and {count} syncs"));
        }
    }
    up.stop()
}

/// The folder of the log that an ingest point promises with.
fn log_of(client: &Client) -> String {
    match client.point {
        "oregon" => "cells/us-west/accepted/".to_owned(),
        "dublin" if client.region == "eu-west" => "cells/eu-west/accepted/".to_owned(),
        remote => format!("ingest/{remote}/spool/"),
    }
}

fn under_load(home: &Home, syncs: &FailingSync, n: usize, ever: bool, clients: &mut Vec<Client>) -> Result<(), String> {
    syncs.relent()?;
    let up = start(home, syncs)?;
    let demo = home.demo()?;
    let traffic = Traffic::start(&demo, &format!("load{n}"))?;
    let mut probes = Client::of_all(&demo, &format!("probe{n}"))?;
    syncs.fail(n, ever)?;
    let probed = await_failure(syncs).and_then(|file| probe(&mut probes, &file));
    let ended = up.ended(END_MAX);
    clients.extend(traffic.finish());
    clients.extend(probes);
    probed?;
    tells(&ended?, &syncs.failed())
}

/// That it ended with 3 and named one of the files whose syncs have failed: when several fail at once, the first that is told.
fn tells(ended: &Ended, failed: &[String]) -> Result<(), String> {
    // A file that is put in place of another is told by the name that it would have got.
    let named = |file: &&String| ended.said.contains(file.trim_end_matches(".new"));
    match failed.iter().find(named) {
        Some(_) => ends(ended, 3, &["Input/output error", "mend:"]),
        None => ends(ended, 3, &[failed.first().map_or("a file whose sync failed", String::as_str)]),
    }
}

/// The first file whose sync fails.
fn await_failure(syncs: &FailingSync) -> Result<String, String> {
    let start = Instant::now();
    while start.elapsed() < END_MAX {
        if let Some(file) = syncs.failed().into_iter().next() {
            return Ok(file);
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("no sync has failed".to_owned())
}

/// Sends to each point at once. One whose log has failed must not say 200 any more; another one's promise is kept.
fn probe(probes: &mut [Client], file: &str) -> Result<(), String> {
    for client in probes {
        let failed_here = file.contains(&log_of(client));
        match client.send() {
            Ok(answer) if answer.status == 200 && failed_here => {
                return Err(format!("{} was answered 200 after a sync of {file} had failed", client.url()));
            }
            // 503, no connection any more, or another log's 200.
            _ => {}
        }
    }
    Ok(())
}

/// More than any start or stop has.
const SYNCS_MAX: usize = 100;

/// Each single sync of a start that has a killed process's logs to recover.
fn in_a_start(tally: &mut Tally, home: &Home, syncs: &FailingSync) -> Result<(), String> {
    syncs.relent()?;
    start(home, syncs)?.kill()?;
    let mut outcome = Ok(());
    for n in 1..SYNCS_MAX {
        syncs.fail(n, false)?;
        let mut command = home.up();
        syncs.stand_before(&mut command);
        let mut up = home.spawn(command).map_err(|error| error.to_string())?;
        if up.await_ready().is_ok() {
            await_quiet(syncs);
        }
        let failed = syncs.failed();
        if failed.is_empty() {
            let outcome = if n < 10 { Err(format!("only {n} syncs in a start")) } else { outcome };
            let promise =
                format!("each of the {} syncs of a start fails once: exit code 3, which file, what to do", n - 1);
            tally.check(promise, outcome);
            return up.kill();
        }
        let one = up.ended(END_MAX).and_then(|ended| tells(&ended, &failed));
        outcome = outcome.and(one.map_err(|why| format!("sync {n}: {why}")));
    }
    Err(format!("a start with {SYNCS_MAX} syncs"))
}

/// Each single sync of a stop, with promises that are not archived yet.
fn in_a_stop(tally: &mut Tally, home: &Home, syncs: &FailingSync, clients: &mut Vec<Client>) -> Result<(), String> {
    let mut outcome = Ok(());
    for n in 1..SYNCS_MAX {
        syncs.relent()?;
        let up = start(home, syncs)?;
        let mut all = Client::of_all(&home.demo()?, &format!("stop{n}"))?;
        all.iter_mut().try_for_each(|client| client.send_good(1))?;
        clients.extend(all);
        await_quiet(syncs);
        syncs.fail(n, false)?;
        up.terminate()?;
        let ended = up.ended(END_MAX + END_MAX);
        let failed = syncs.failed();
        if failed.is_empty() {
            let promise =
                format!("each of the {} syncs of a stop fails once: exit code 3, which file, what to do", n - 1);
            let ended = ended.and_then(|ended| ends(&ended, 0, &[]));
            tally.check(promise, outcome.and(ended));
            return Ok(());
        }
        let one = ended.and_then(|ended| tells(&ended, &failed));
        outcome = outcome.and(one.map_err(|why| format!("sync {n}: {why}")));
    }
    Err(format!("a stop with {SYNCS_MAX} syncs"))
}

/// Waits until nothing has been synced for a while: everything is forwarded and decided.
fn await_quiet(syncs: &FailingSync) {
    let (mut count, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(300) {
        let now = syncs.synced().len();
        if now != count {
            (count, since) = (now, Instant::now());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A client at each point that sends until the process is gone.
struct Traffic(Vec<JoinHandle<Client>>);

impl Traffic {
    /// Returns when each of them has had a 200.
    fn start(demo: &Demo, name: &str) -> Result<Self, String> {
        let mut clients = Client::of_all(demo, name)?;
        clients.iter_mut().try_for_each(|client| client.send_good(2))?;
        let send = |mut client: Client| {
            // A refusal is no end: only the next answers show whether it was the last.
            while client.send().is_ok() {}
            client
        };
        Ok(Self(clients.into_iter().map(|client| thread::spawn(move || send(client))).collect()))
    }

    fn finish(self) -> Vec<Client> {
        self.0.into_iter().filter_map(|thread| thread.join().ok()).collect()
    }
}
