//! One load on two regions at the same time. The difference in rate and latency is printed, and nothing is made of it: a figure of
//! a busy machine proves nothing. That every event is taken in both is checked.

use crate::http::Connection;
use crate::tally::Tally;
use crate::up::Home;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

const SIDES: [(&str, &str); 2] = [("us-west", "oregon"), ("eu-west", "dublin")];
const CLIENTS: usize = 4;
const EVENTS_PER_BATCH: usize = 50;
const LASTS: Duration = Duration::from_secs(4);

struct Load {
    events_per_second: f64,
    /// Of each batch, sorted.
    latencies: Vec<Duration>,
}

impl Load {
    fn quantile(&self, q: f64) -> f64 {
        let at = (q * self.latencies.len() as f64) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).map_or(0.0, |l| l.as_secs_f64() * 1e3)
    }
}

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "side-by-side", &[], |tally, home| {
        let _up = home.start_ready()?;
        let demo = home.demo()?;
        let side = |(region, point)| Ok((demo.ingest(region, point)?, demo.source(region, "server")?.key));
        let sides = SIDES.into_iter().map(side).collect::<Result<Vec<_>, String>>()?;
        let start = Barrier::new(SIDES.len() * CLIENTS);
        let loads: Vec<Result<Load, String>> = thread::scope(|scope| {
            let load = |(url, key)| {
                let start = &start;
                scope.spawn(move || load(url, key, start))
            };
            let sides: Vec<_> = sides.into_iter().map(load).collect();
            sides.into_iter().map(|side| side.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))).collect()
        });
        let mut good = Vec::new();
        for ((region, _), load) in SIDES.iter().zip(loads) {
            let outcome = load.map(|load| {
                let (p50, p99) = (load.quantile(0.5), load.quantile(0.99));
                println!("        {region}: {:.0} events/s, p50 {p50:.1} ms, p99 {p99:.1} ms", load.events_per_second);
                good.push(load);
            });
            tally.check(format!("{region} takes every event of a load beside the other's"), outcome);
        }
        if let [one, other] = good.as_slice() {
            let percent = |a: f64, b: f64| (b / a - 1.0) * 100.0;
            println!(
                "        {} against {}: rate {:+.1} %, p50 {:+.1} %, p99 {:+.1} %",
                SIDES[1].0,
                SIDES[0].0,
                percent(one.events_per_second, other.events_per_second),
                percent(one.quantile(0.5), other.quantile(0.5)),
                percent(one.quantile(0.99), other.quantile(0.99)),
            );
        }
        Ok(())
    });
}

fn load(url: &str, key: &str, start: &Barrier) -> Result<Load, String> {
    let clients: Vec<Result<Vec<Duration>, String>> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || client(url, key, n, start))).collect();
        clients.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))).collect()
    });
    let mut latencies = clients.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    latencies.sort();
    let events = (latencies.len() * EVENTS_PER_BATCH) as f64;
    Ok(Load { events_per_second: events / LASTS.as_secs_f64(), latencies })
}

fn client(url: &str, key: &str, client: usize, start: &Barrier) -> Result<Vec<Duration>, String> {
    let connection = Connection::to(url);
    start.wait();
    let mut connection = connection.map_err(|error| format!("{url}: {error}"))?;
    let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()));
    let headers = [("Authorization", basic.as_str()), ("Content-Type", "application/json")];
    let begun = Instant::now();
    let mut latencies = Vec::new();
    while begun.elapsed() < LASTS {
        let batch = latencies.len();
        let event = |n| {
            format!(
                r#"{{"type":"track","messageId":"side-{client}-{batch}-{n}","userId":"u{n}","event":"Seen","properties":{{"total":{n}}}}}"#
            )
        };
        let events: Vec<_> = (0..EVENTS_PER_BATCH).map(event).collect();
        let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
        let asked = Instant::now();
        let answer = connection.request("POST", "/v1/batch", &headers, body.as_bytes());
        match answer.map_err(|error| format!("{url}: {error}"))?.status {
            200 => latencies.push(asked.elapsed()),
            status => return Err(format!("a batch was answered {status}")),
        }
    }
    Ok(latencies)
}
