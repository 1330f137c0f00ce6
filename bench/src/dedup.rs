//! Rows of the dedup index: memory, disk, the cost of a look-up as it grows, and the longest that it holds process up.

use crate::child::resident_private;
use crate::row::{Goal, Row, median};
use domicile_log::{EventKey, Position};
use domicile_process::{Index, IndexSettings};
use domicile_world::{Millis, World};
use std::io;
use std::time::{Duration, Instant};

/// As process asks: a frame of 50 events, a commit each 40 frames.
const FRAME: u64 = 50;
const COMMIT: u64 = 40 * FRAME;
const MILLION: u64 = 1_000_000;
const NOW: Millis = Millis(1_800_000_000_000);

pub fn rows(keys: u64) -> io::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let world = World::real();
    let mut index = Index::open(world.disk.clone(), folder.path(), IndexSettings::default(), Position(0))
        .map_err(io::Error::other)?;
    let before = resident_private(std::process::id())?;
    let (mut longest, mut at_million, mut found) = (Duration::ZERO, f64::NAN, Vec::new());
    let mut most = 0;
    for next in (0..keys).step_by(FRAME as usize) {
        let frame: Vec<_> = (next..next + FRAME).map(key).collect();
        let began = Instant::now();
        index.find_all(&frame, NOW, &mut found).map_err(io::Error::other)?;
        for (n, key) in frame.iter().enumerate() {
            index.insert(*key, NOW, Position(next + n as u64));
        }
        if next % COMMIT == 0 {
            index.committed(Position(next + FRAME), NOW).map_err(io::Error::other)?;
        }
        longest = longest.max(began.elapsed());
        if next % COMMIT == 0 {
            while !index.has_room().map_err(io::Error::other)? {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if next % MILLION == 0 {
            most = most.max(resident_private(std::process::id())?.saturating_sub(before));
        }
        if next + FRAME == MILLION {
            at_million = look_up_ns(&mut index)?;
        }
    }
    let at_end = look_up_ns(&mut index)?;
    let millions = keys / MILLION;
    let memory = most as f64 / f64::from(1 << 20);
    drop(index);
    let on_disk: u64 = std::fs::read_dir(folder.path())?.flatten().filter_map(|f| Some(f.metadata().ok()?.len())).sum();
    let row = |what: &str, value, unit, goal, detail| {
        Row::new(&format!("dedup, {millions} M keys: {what}"), value, unit, goal, detail)
    };
    Ok(vec![
        row(
            "memory at most",
            memory,
            " MiB",
            Goal::AtMost(400.0),
            "private memory over that of an empty index".to_owned(),
        ),
        row("on disk", on_disk as f64 / keys as f64, " bytes a key", Goal::AtMost(20.0), format!("{on_disk} bytes")),
        row(
            "look-up of a new key, over that at 1 M",
            at_end / at_million,
            "",
            Goal::AtMost(1.5),
            format!("{at_end:.0} ns over {at_million:.0} ns"),
        ),
        row(
            "longest call",
            longest.as_secs_f64() * 1e3,
            " ms",
            Goal::AtMost(50.0),
            "one frame, its commit included".to_owned(),
        ),
    ])
}

/// What an event that is new costs, as nearly all are: the median of several rounds.
fn look_up_ns(index: &mut Index) -> io::Result<f64> {
    const ROUND: u64 = 200_000;
    let mut rounds = Vec::new();
    let mut found = Vec::new();
    for round in 0..9 {
        let from = u64::MAX - (round + 1) * ROUND;
        let keys: Vec<EventKey> = (from..from + ROUND).map(key).collect();
        let began = Instant::now();
        for frame in keys.chunks(FRAME as usize) {
            index.find_all(frame, NOW, &mut found).map_err(io::Error::other)?;
        }
        rounds.push(began.elapsed().as_nanos() as f64 / ROUND as f64);
    }
    Ok(median(rounds))
}

/// Spread over the whole range, as a hash is (splitmix64, twice).
fn key(n: u64) -> EventKey {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let (a, b) = (mix(n), mix(mix(n)));
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&a.to_be_bytes());
    bytes[8..].copy_from_slice(&b.to_be_bytes()[..2]);
    EventKey(bytes)
}
