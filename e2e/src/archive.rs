//! The archive as a customer finds it: `cells/REGION/archive/segment-logs/SOURCE_ID/DAY/FIRST-LAST.gz`, newline JSON.

use crate::up::{Home, Up};
use flate2::read::MultiGzDecoder;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long the archive may stand still while something is missing. It closes a file after 60 seconds at the latest.
const STILL_MAX: Duration = Duration::from_secs(90);

pub struct ArchiveFile {
    pub source: String,
    /// The position of the first event in it.
    pub first: u64,
    path: PathBuf,
}

impl ArchiveFile {
    /// Hands over each line. A file that is damaged or cut off is an error.
    pub fn lines(&self, mut take: impl FnMut(&str) -> Result<(), String>) -> Result<(), String> {
        let at = |error: io::Error| format!("{}: {error}", self.path.display());
        let file = File::open(&self.path).map_err(at)?;
        for line in BufReader::new(MultiGzDecoder::new(file)).lines() {
            take(&line.map_err(at)?).map_err(|error| format!("{}: {error}", self.path.display()))?;
        }
        Ok(())
    }
}

/// One region's archive.
pub struct Archive {
    root: PathBuf,
    seen: HashSet<PathBuf>,
}

impl Archive {
    pub fn of(data: &Path, region: &str) -> Self {
        Self { root: data.join("cells").join(region).join("archive/segment-logs"), seen: HashSet::new() }
    }

    /// The files that have come since the last call, each source's in the order of its positions.
    pub fn new_files(&mut self) -> Result<Vec<ArchiveFile>, String> {
        let mut files = Vec::new();
        for source in entries(&self.root)? {
            for day in entries(&source)? {
                for path in entries(&day)? {
                    if let Some(first) = first_position(&path)
                        && self.seen.insert(path.clone())
                    {
                        files.push(ArchiveFile { source: name(&source), first, path });
                    }
                }
            }
        }
        files.sort_by(|a, b| (&a.source, a.first).cmp(&(&b.source, b.first)));
        Ok(files)
    }
}

/// Stops `up`; if something is missing in the archive then, starts it again until all has come, and stops it once more.
/// `missing` looks and counts.
///
/// # Errors
/// A start or stop that failed, and an archive that stood still for [`STILL_MAX`] with something missing.
pub fn await_archived(home: &Home, up: Up, mut missing: impl FnMut() -> Result<usize, String>) -> Result<(), String> {
    up.stop()?;
    let mut left = missing()?;
    if left == 0 {
        return Ok(());
    }
    let up = home.start_ready()?;
    let mut moved = Instant::now();
    while left > 0 && moved.elapsed() < STILL_MAX {
        thread::sleep(Duration::from_millis(200));
        let now = missing()?;
        if now < left {
            moved = Instant::now();
        }
        left = now;
    }
    up.stop()?;
    match missing()? {
        0 => Ok(()),
        left => Err(format!("{left} events are not in the archive, and none has come for {STILL_MAX:?}")),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{}: {error}", folder.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

/// The FIRST of `FIRST-LAST.gz`; `None` for a file that is still being written under another name.
fn first_position(path: &Path) -> Option<u64> {
    let (first, last) = path.file_name()?.to_str()?.strip_suffix(".gz")?.split_once('-')?;
    last.parse::<u64>().ok()?;
    first.parse().ok()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
