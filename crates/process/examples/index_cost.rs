//! What the dedup index costs: `cargo run --release -p domicile-process --example index_cost -- KEYS [FOLDER]`.
//!
//! Inserts KEYS different keys as process does (asked for in frames of 50, then inserted, committed every 40 frames, 0.6 %
//! of them sent twice), and prints the speed, the memory, the bytes on disk, the longest single call, and what look-ups
//! cost with a million keys in it and with all of them. The window never ends here, so that nothing expires.

use domicile_log::{EventKey, Position};
use domicile_process::{Index, IndexSettings};
use domicile_world::{Millis, World};
use std::path::Path;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_128;

const FRAME: usize = 50;
const FRAMES_A_COMMIT: u64 = 40;
const MILLION: u64 = 1_000_000;
const NOW: Millis = Millis(1_800_000_000_000);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let keys: u64 = arguments.next().map_or(Ok(10 * MILLION), |keys| keys.replace('_', "").parse())?;
    let parent = arguments.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let folder = tempfile::tempdir_in(parent)?;
    let world = World::real();
    let mut bench =
        Bench { index: Index::open(world.disk.clone(), folder.path(), IndexSettings::default(), Position(0))?, world };
    let mut slowest = Slowest::default();
    let (mut waited, mut duplicates) = (Duration::ZERO, 0);
    let start = bench.now();
    let mut million = start;
    for next in (0..keys).step_by(FRAME) {
        duplicates += bench.insert(next, &mut slowest)?;
        if (next / FRAME as u64).is_multiple_of(FRAMES_A_COMMIT) {
            let before = bench.now();
            bench.index.committed(Position(next + FRAME as u64), NOW)?;
            slowest.note(bench.now() - before, "commit");
            waited += bench.wait_for_room()?;
        }
        let done = next + FRAME as u64;
        if done == MILLION || done == keys {
            println!(
                "{done:>11} keys: the last million at {:.0} ns each",
                (bench.now() - million).as_nanos() as f64 / 1e6
            );
            println!("              {}", bench.look_ups(done)?);
        }
        if done.is_multiple_of(MILLION) {
            million = bench.now();
        }
    }
    let took = bench.now() - start;
    let rate = keys as f64 / took.as_secs_f64() / 1e6;
    println!("{keys:>11} keys in {took:.1?}: {rate:.2} M/s, of which {waited:.1?} waiting for the disk");
    let processor_ns = processor_ticks()? as f64 * 1e7 / keys as f64;
    println!("              processor time {processor_ns:.0} ns a key, upkeep included; duplicates found {duplicates}");
    println!("              longest call: {slowest}");
    println!("              memory now {}, at most {}", memory("RssAnon:"), memory("VmHWM:"));
    bench.settle()?;
    println!("              when all is merged: memory {}", memory("RssAnon:"));
    println!("{keys:>11} keys: {}", bench.look_ups(keys)?);
    let bytes = on_disk(folder.path())?;
    println!("              {bytes} bytes on disk, {:.2} a key", bytes as f64 / keys as f64);
    let before = bench.now();
    let Bench { index, world } = bench;
    drop(index);
    let index = Index::open(world.disk.clone(), folder.path(), IndexSettings::default(), Position(u64::MAX))?;
    let took = world.clock.monotonic() - before;
    println!("              closed and opened again in {took:.1?}, covering 0..{}", index.covered());
    Ok(())
}

struct Bench {
    index: Index,
    world: World,
}

impl Bench {
    fn now(&self) -> Duration {
        self.world.clock.monotonic()
    }

    /// Asks for a frame of new keys and inserts them; every 166th is one that was there before. Returns the duplicates.
    fn insert(&mut self, next: u64, slowest: &mut Slowest) -> Result<u64, Box<dyn std::error::Error>> {
        let frame: Vec<_> = (next..next + FRAME as u64).map(|n| key(if n % 166 == 165 { n / 2 } else { n })).collect();
        let mut found = Vec::with_capacity(FRAME);
        let before = self.now();
        self.index.find_all(&frame, NOW, &mut found)?;
        slowest.note(self.now() - before, "look-up of a frame");
        let before = self.now();
        for (n, (key, found)) in frame.iter().zip(&found).enumerate() {
            if found.is_none() {
                self.index.insert(*key, NOW, Position(next + n as u64));
            }
        }
        slowest.note(self.now() - before, "insertion of a frame");
        Ok(found.iter().flatten().count() as u64)
    }

    fn wait_for_room(&mut self) -> Result<Duration, Box<dyn std::error::Error>> {
        let start = self.now();
        while !self.index.has_room()? {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(self.now() - start)
    }

    /// Waits until upkeep has nothing to do: until it has used no processor time for a while.
    fn settle(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let mut last = u64::MAX;
        loop {
            std::thread::sleep(Duration::from_millis(300));
            self.index.has_room()?;
            let used = processor_ticks()?;
            if used.abs_diff(last) <= 1 {
                return Ok(());
            }
            last = used;
        }
    }

    /// Nanoseconds a key for look-ups of new keys and of keys that are there.
    fn look_ups(&mut self, keys: u64) -> Result<String, Box<dyn std::error::Error>> {
        const ASKED: u64 = 2_000_000;
        let mut found = Vec::new();
        let mut cost = |from: &dyn Fn(u64) -> u64, asked: u64| -> Result<(f64, usize), Box<dyn std::error::Error>> {
            let frames: Vec<EventKey> = (0..asked).map(|n| key(from(n))).collect();
            let mut hits = 0;
            let before = self.world.clock.monotonic();
            for frame in frames.chunks(FRAME) {
                self.index.find_all(frame, NOW, &mut found)?;
                hits += found.iter().flatten().count();
            }
            Ok(((self.world.clock.monotonic() - before).as_nanos() as f64 / asked as f64, hits))
        };
        let (absent, wrong) = cost(&|n| u64::MAX - n, ASKED)?;
        let (present, right) = cost(&|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys, ASKED / 10)?;
        Ok(format!(
            "look-up of a new key {absent:.0} ns ({wrong} wrong), of a known key {present:.0} ns ({right} of {})",
            ASKED / 10
        ))
    }
}

#[derive(Default)]
struct Slowest(Duration, &'static str);

impl Slowest {
    fn note(&mut self, took: Duration, what: &'static str) {
        if took > self.0 {
            *self = Self(took, what);
        }
    }
}

impl std::fmt::Display for Slowest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1?} ({})", self.0, self.1)
    }
}

fn key(n: u64) -> EventKey {
    let hash = xxh3_128(&n.to_le_bytes()).to_be_bytes();
    let mut key = [0; 10];
    key.copy_from_slice(&hash[..10]);
    EventKey(key)
}

/// A line of `/proc/self/status`; other systems have none.
fn memory(line: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|l| l.strip_prefix(line)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map_or("unknown".into(), |kib| format!("{} MiB", kib / 1024))
}

fn processor_ticks() -> Result<u64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields.get(11..13).map_or(0, |times| times.iter().filter_map(|t| t.parse::<u64>().ok()).sum()))
}

fn on_disk(folder: &Path) -> Result<u64, std::io::Error> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}
