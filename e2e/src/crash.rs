//! kill -9, again and again, under clients that never stop sending.
//!
//! Goal: whatever was answered 200 is in its region's archive once, in the order in which each user's events were sent, however
//! often and wherever the process dies.
//!
//! Method: one client for each ingest point and two for the first, each with users of its own, sends batch after batch. A
//! batch is sent again, the same bytes, until it is answered 200: then, and only then, its events count as acknowledged. Now and then
//! an old batch is sent once more. Meanwhile `up` is killed at random moments, some of them during its start, and started again.
//! At the end it is stopped in good order and the archives are read.

use crate::archive::{Archive, await_archived};
use crate::http::Connection;
use crate::kept::REGIONS;
use crate::sheet::Sheet;
use crate::tally::Tally;
use crate::up::{Demo, Home, Up};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The point, and the most events that a client puts into a batch; 1 sends single events.
const CLIENTS: [(&str, &str, u64); 6] = [
    ("us-west", "oregon", 40),
    ("us-west", "oregon", 1),
    ("us-west", "singapore", 40),
    ("us-west", "sydney", 20),
    ("us-west", "dublin", 20),
    ("eu-west", "dublin", 40),
];
const USERS: u64 = 3;

pub fn run(domicile: &Path, rounds: u32, seed: Option<u64>) -> Tally {
    let seed =
        seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64));
    println!("seed {seed}");
    let mut tally = Tally::default();
    Home::test(&mut tally, domicile, "crash", &[], |tally, home| kill_and_compare(tally, home, rounds, seed));
    tally
}

fn kill_and_compare(tally: &mut Tally, home: &Home, rounds: u32, seed: u64) -> Result<(), String> {
    let first = home.start_ready()?;
    let demo = home.demo()?;
    let stop = Arc::new(AtomicBool::new(false));
    let clients =
        (0..CLIENTS.len()).map(|number| Sender::start(&demo, number, seed, &stop)).collect::<Result<Vec<_>, _>>()?;
    let during_start = kill_rounds(home, first, rounds, seed)?;
    tally.check(format!("{rounds} kills, and every start came to be ready"), Ok::<_, String>(()));

    // A last run in peace, in which each client brings its open batch to its 200.
    let up = home.start_ready()?;
    stop.store(true, Ordering::Relaxed);
    let (counts, taken): (Vec<_>, Vec<_>) =
        clients.into_iter().map(Sender::finish).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let mut archived = Archived::new(&home.data);
    let outcome = await_archived(home, up, || archived.read_new(&counts));
    tally.check("a stop in good order, and everything comes to the archive", outcome);

    let acknowledged: u64 = counts.iter().sum();
    let (lost, twice) = (archived.lost(&counts), archived.twice());
    println!(
        "{rounds} kills ({during_start} during the start), {acknowledged} events acknowledged: {lost} lost, {twice} twice, {} in another region, {} out of order",
        archived.strayed, archived.disordered
    );
    let none = |count: u64| if count == 0 { Ok(()) } else { Err(format!("{count} events of {acknowledged}")) };
    tally.check("nothing acknowledged is missing", none(lost));
    tally.check("nothing is twice", none(twice));
    tally.check("nothing is in another region", none(archived.strayed));
    tally.check("each user's events are in order", none(archived.disordered));
    // Less than one batch for each kill and client would have tried nothing.
    let enough = acknowledged >= u64::from(rounds) * CLIENTS.len() as u64;
    tally
        .check("the clients were busy", if enough { Ok(()) } else { Err(format!("only {acknowledged} acknowledged")) });

    let up = home.start_ready()?;
    tally.check("the balance sheet adds up to what the clients know", balance(home, &counts, &taken));
    tally.check("a second stop in good order", up.stop());
    tally.check("the ledgers hold, and say what the clients know", ledgers(home, &counts, &taken));
    Ok(())
}

/// After all kills the ledgers verify with their archives, and their sums are those of the clients.
fn ledgers(home: &Home, acknowledged: &[u64], taken: &[u64]) -> Result<(), String> {
    let reports = home.verified()?;
    for region in REGIONS {
        let name = format!("domicile/{region}/");
        let report = reports.iter().find(|report| report["name"].as_str().is_some_and(|n| n.starts_with(&name)));
        let report = report.ok_or_else(|| format!("{region}: no ledger"))?;
        let sources = report["sources"].as_object().into_iter().flat_map(|sources| sources.values());
        let (mut accepted, mut kept, mut stored) = (0, 0, 0);
        for sums in sources {
            accepted += sums["accepted"].as_u64().unwrap_or(0);
            kept += sums["decided"]["kept"].as_u64().unwrap_or(0);
            stored += sums["stored"].as_u64().unwrap_or(0);
        }
        println!("{region}: {} entries: accepted {accepted}, kept {kept}, stored {stored}", report["entries"]);
        let acknowledged = of_region(region, acknowledged);
        if (kept, stored) != (acknowledged, acknowledged)
            || accepted < of_region(region, taken)
            || report["closed"] != true
        {
            return Err(format!("{region}: {acknowledged} were acknowledged: {report}"));
        }
    }
    Ok(())
}

/// The sum over the clients of a region.
fn of_region(region: &str, counts: &[u64]) -> u64 {
    CLIENTS.iter().zip(counts).filter(|((known, ..), _)| *known == region).map(|(_, count)| count).sum()
}

/// Every row adds up, each acknowledged event is kept once, and whatever else was answered 200 is a duplicate of one of them. More
/// may have been accepted: events whose 200 a kill cut off.
fn balance(home: &Home, acknowledged: &[u64], taken: &[u64]) -> Result<(), String> {
    let balance = home.balance()?;
    for region in REGIONS {
        let (acknowledged, taken) = (of_region(region, acknowledged), of_region(region, taken));
        let sheet = Sheet::of(&balance, region)?;
        println!(
            "{region}: accepted {} = duplicate {} + kept {}; answered 200: {taken}",
            sheet.accepted, sheet.duplicate, sheet.kept
        );
        if sheet.kept != acknowledged || sheet.accepted < taken {
            return Err(format!("{region}: {acknowledged} were acknowledged, in answers for {taken}: {sheet:?}"));
        }
    }
    Ok(())
}

/// Kills what runs and starts it again, `rounds` times; how many of the kills came during a start.
fn kill_rounds(home: &Home, first: Up, rounds: u32, seed: u64) -> Result<u32, String> {
    let mut dice = Dice(seed);
    let mut during_start = 0;
    let mut running = Some(first);
    for round in 1..=rounds {
        let at_round = |why: String| format!("round {round}: {why}");
        let (up, ready) = match running.take() {
            Some(first) => (first, true),
            None => {
                let mut up = home.start().map_err(|error| at_round(error.to_string()))?;
                let ready = dice.below(5) > 0;
                if ready {
                    up.await_ready().map_err(at_round)?;
                }
                (up, ready)
            }
        };
        during_start += u32::from(!ready);
        thread::sleep(Duration::from_millis(if ready { 50 + dice.below(1450) } else { dice.below(300) }));
        up.kill().map_err(at_round)?;
        if round % 100 == 0 {
            println!("{round} of {rounds} rounds");
        }
    }
    Ok(during_start)
}

/// A client on its own thread. Its events are numbered from 0; those below `acknowledged` have had their 200.
struct Sender {
    number: usize,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Result<u64, String>>,
}

impl Sender {
    fn start(demo: &Demo, number: usize, seed: u64, stop: &Arc<AtomicBool>) -> Result<Self, String> {
        let (region, point, batch_max) = CLIENTS[number];
        let source = demo.source(region, if number.is_multiple_of(2) { "server" } else { "web" })?;
        let url = demo.ingest(region, point)?;
        let connection = Connection::to(url).map_err(|error| format!("{url}: {error}"))?;
        let acknowledged = Arc::new(AtomicU64::new(0));
        let line = Line { number, connection, key: source.key.to_owned(), single: batch_max == 1, taken: 0 };
        let thread = thread::spawn({
            let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
            let dice = Dice(seed ^ (number as u64 + 1) << 32);
            move || send_until(line, dice, batch_max, &acknowledged, &stop)
        });
        Ok(Self { number, acknowledged, thread })
    }

    /// How many of its events were acknowledged, and how many with those that were sent again and answered 200 again.
    fn finish(self) -> Result<(u64, u64), String> {
        let (_, point, _) = CLIENTS[self.number];
        let at = |why: String| format!("client {} at {point}: {why}", self.number);
        let taken = self.thread.join().map_err(|_| at("panicked".to_owned()))?.map_err(at)?;
        Ok((self.acknowledged.load(Ordering::Acquire), taken))
    }
}

/// How many events were in requests that were answered 200.
fn send_until(
    mut line: Line,
    mut dice: Dice,
    batch_max: u64,
    acknowledged: &AtomicU64,
    stop: &AtomicBool,
) -> Result<u64, String> {
    /// Tries of one batch after the kills are over, 50 ms apart at least: a client that gets no 200 then is stuck.
    const LAST_TRIES_MAX: u32 = 600;
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        let first = next;
        next += 1 + dice.below(batch_max);
        let mut last_tries = 0;
        while !line.send(first..next)? {
            thread::sleep(Duration::from_millis(50));
            last_tries += u32::from(stop.load(Ordering::Relaxed));
            if last_tries > LAST_TRIES_MAX {
                return Err(format!("no 200 in {LAST_TRIES_MAX} tries, with nothing killed any more"));
            }
        }
        acknowledged.store(next, Ordering::Release);
        if dice.below(10) == 0 {
            // As an SDK does whose answer was lost long ago. To the same point, or the first of the two would be another one.
            let again = dice.below(next);
            line.send(again..(again + batch_max).min(next))?;
        }
        thread::sleep(Duration::from_millis(dice.below(30)));
    }
    Ok(line.taken)
}

/// A client's way to its ingest point.
struct Line {
    number: usize,
    connection: Connection,
    key: String,
    single: bool,
    /// Events in requests that were answered 200, each time that they were.
    taken: u64,
}

impl Line {
    /// Whether the answer was 200. Same numbers, same bytes.
    ///
    /// # Errors
    /// A refusal: the events are good, so 4xx is a fault.
    fn send(&mut self, numbers: std::ops::Range<u64>) -> Result<bool, String> {
        let (path, events) =
            if self.single { ("/v1/track", numbers.start..numbers.start + 1) } else { ("/v1/batch", numbers) };
        let events: Vec<_> = events.map(|n| event(self.number, n)).collect();
        let key = &self.key;
        let body = match self.single {
            true => format!(r#"{{"writeKey":"{key}",{}"#, &events[0][1..]),
            false => format!(r#"{{"batch":[{}],"writeKey":"{key}"}}"#, events.join(",")),
        };
        match self.connection.request("POST", path, &[("Content-Type", "application/json")], body.as_bytes()) {
            Ok(answer) if answer.status == 200 => {
                self.taken += events.len() as u64;
                Ok(true)
            }
            Ok(answer) if (400..500).contains(&answer.status) && answer.status != 429 => {
                Err(format!("refused with {}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
            }
            _ => Ok(false),
        }
    }
}

/// The n-th event of a client: its id says which it is, its user is one of the client's own.
fn event(client: usize, n: u64) -> String {
    let padding = "x".repeat((n % 200) as usize);
    format!(
        r#"{{"type":"track","event":"Crash","messageId":"crash-{client}-{n}","userId":"user-{client}-{}","properties":{{"n":{n},"padding":"{padding}"}}}}"#,
        n % USERS
    )
}

/// Which client and which of its events an id names.
fn numbers_of(message_id: &str) -> Option<(usize, u64)> {
    let (client, n) = message_id.strip_prefix("crash-")?.split_once('-')?;
    Some((client.parse().ok().filter(|client| *client < CLIENTS.len())?, n.parse().ok()?))
}

/// The archives as they are read, file by file.
struct Archived {
    archives: [(&'static str, Archive); 2],
    /// For each client and number: how often.
    times: Vec<Vec<u8>>,
    /// The highest number read so far, for each source, client and user.
    last: HashMap<(String, usize, u64), u64>,
    strayed: u64,
    disordered: u64,
}

impl Archived {
    fn new(data: &Path) -> Self {
        let archives = REGIONS.map(|region| (region, Archive::of(data, region)));
        Self { archives, times: vec![Vec::new(); CLIENTS.len()], last: HashMap::new(), strayed: 0, disordered: 0 }
    }

    /// Reads the files that have come; how many acknowledged events are missing. Files come in the order of their positions, so
    /// one that came later and stands earlier counts as disorder too.
    fn read_new(&mut self, counts: &[u64]) -> Result<usize, String> {
        for (region, archive) in &mut self.archives {
            for file in archive.new_files()? {
                file.lines(|line| {
                    let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
                    let id = event["messageId"].as_str().unwrap_or_default();
                    let (client, n) = numbers_of(id).ok_or_else(|| format!("{id:?} was sent by nobody"))?;
                    self.strayed += u64::from(CLIENTS[client].0 != *region);
                    let times = &mut self.times[client];
                    if times.len() <= n as usize {
                        times.resize(n as usize + 1, 0);
                    }
                    times[n as usize] = times[n as usize].saturating_add(1);
                    let last = self.last.entry((file.source.clone(), client, n % USERS)).or_insert(0);
                    self.disordered += u64::from(n < *last);
                    *last = n.max(*last);
                    Ok(())
                })?;
            }
        }
        Ok(self.lost(counts) as usize)
    }

    fn lost(&self, counts: &[u64]) -> u64 {
        let missing = |(times, count): (&Vec<u8>, &u64)| {
            (0..*count).filter(|n| times.get(*n as usize).is_none_or(|times| *times == 0)).count()
        };
        self.times.iter().zip(counts).map(missing).sum::<usize>() as u64
    }

    fn twice(&self) -> u64 {
        self.times.iter().flatten().filter(|times| **times > 1).count() as u64
    }
}

/// SplitMix64: small, and the same for the same seed.
struct Dice(u64);

impl Dice {
    /// 0 to `end` - 1.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::fs;
    use std::io::Write;

    /// What is found in archives that hold these files of client 0 (at Oregon, of us-west), when 4 events were acknowledged.
    fn found(suite: &str, files: &[(&str, &str, &[u64])]) -> (u64, u64, u64, u64) {
        let data = std::env::temp_dir().join(format!("domicile-crash-test-{suite}-{}", std::process::id()));
        for (region, name, numbers) in files {
            let folder = data.join("cells").join(region).join("archive/segment-logs/source/0");
            fs::create_dir_all(&folder).unwrap();
            let mut file = GzEncoder::new(fs::File::create(folder.join(name)).unwrap(), Compression::fast());
            numbers.iter().for_each(|n| writeln!(file, "{}", event(0, *n)).unwrap());
            file.finish().unwrap();
        }
        let counts = [4, 0, 0, 0, 0, 0];
        let mut archived = Archived::new(&data);
        archived.read_new(&counts).unwrap();
        fs::remove_dir_all(&data).unwrap();
        (archived.lost(&counts), archived.twice(), archived.strayed, archived.disordered)
    }

    #[test]
    fn each_fault_is_counted_under_its_name() {
        let us = "us-west";
        // Files are read by position: 9 before 10. Number 4 had no answer when the clients stopped, and may be there.
        assert_eq!(found("good", &[(us, "10-11.gz", &[3, 4]), (us, "9-9.gz", &[0, 1, 2])]), (0, 0, 0, 0));
        assert_eq!(found("lost", &[(us, "0-2.gz", &[0, 1, 3])]), (1, 0, 0, 0));
        assert_eq!(found("twice", &[(us, "0-3.gz", &[0, 1, 2, 3]), (us, "4-4.gz", &[3])]), (0, 1, 0, 0));
        assert_eq!(found("strayed", &[(us, "0-3.gz", &[0, 1, 2, 3]), ("eu-west", "0-0.gz", &[4])]), (0, 0, 1, 0));
        assert_eq!(found("disordered", &[(us, "0-3.gz", &[3, 1, 2, 0])]), (0, 0, 0, 1), "0 and 3 are of one user");
    }

    #[test]
    fn an_id_names_its_client_and_its_number() {
        let id = serde_json::from_str::<Value>(&event(4, 217)).unwrap()["messageId"].as_str().unwrap().to_owned();
        assert_eq!(numbers_of(&id), Some((4, 217)));
        for stranger in ["", "crash-4", "crash-9-1", "crash-x-1", "node-1-2"] {
            assert_eq!(numbers_of(stranger), None, "{stranger}");
        }
    }
}
