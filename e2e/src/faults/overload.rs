//! Clients that hold connections and never finish: others are served, and memory stays where it was.

use crate::faults::book::{Client, close};
use crate::tally::Tally;
use crate::up::{Home, Up};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const IDLE: usize = 500;
const SLOW: usize = 100;
/// What a slow sender says that it will send.
const SLOW_BYTES: usize = 400_000;
/// What all of them together may add to the resident memory: what 600 connections may buffer (64 KiB each), and some room.
const GROWTH_MAX_KIB: u64 = 600 * 64 + (24 << 10);
/// A batch of a normal client under all this. It needs a few milliseconds; a busy machine may take its time.
const SLOWEST_MAX: Duration = Duration::from_secs(5);

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "overload", &[], |tally, home| {
        let up = home.start_ready()?;
        let mut client = Client::of(&home.demo()?, ("us-west", "oregon"), "normal")?;
        client.send_good(50)?;
        let before = resident_kib(&up);

        let address = client.url().trim_start_matches("http://").to_owned();
        let connect = || TcpStream::connect(&address).map_err(|error| format!("{address}: {error}"));
        let idle = (0..IDLE).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
        let mut slow = Vec::new();
        for _ in 0..SLOW {
            let mut stream = connect()?;
            let head = format!(
                "POST /v1/batch HTTP/1.1\r\nHost: {address}\r\nContent-Length: {SLOW_BYTES}\r\n\r\n{{\"batch\":["
            );
            stream.write_all(head.as_bytes()).map_err(|error| format!("{address}: {error}"))?;
            slow.push(stream);
        }
        let (mut served, mut slowest, mut largest) = (Ok(()), Duration::ZERO, 0);
        for _ in 0..100 {
            for stream in &mut slow {
                // One that was cut off meanwhile is no fault.
                let _ = stream.write_all(b"                ");
            }
            let start = Instant::now();
            served = served.and(client.send_good(2));
            slowest = slowest.max(start.elapsed());
            largest = largest.max(resident_kib(&up).unwrap_or(0));
        }
        if slowest > SLOWEST_MAX {
            served = served.and(Err(format!("two batches took {slowest:?}")));
        }
        tally
            .check(format!("beside {IDLE} idle connections and {SLOW} slow senders a normal client is served"), served);
        let promise = format!("they add at most {GROWTH_MAX_KIB} KiB to the resident memory");
        println!("        resident: {} KiB before, {largest} KiB at the most", before.unwrap_or(0));
        match before {
            None => tally.skip(promise, "no /proc/PID/status here"),
            Some(before) if largest <= before + GROWTH_MAX_KIB => tally.check(promise, Ok::<_, String>(())),
            Some(before) => tally.check(promise, Err(format!("{before} KiB before, {largest} KiB at the most"))),
        }
        drop((idle, slow));
        close(tally, home, up, "overload", &[client]).map(drop)
    });
}

/// `VmRSS` of the process, where the system shows it.
fn resident_kib(up: &Up) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", up.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}
