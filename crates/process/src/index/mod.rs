//! The dedup index: which events were kept, by key, for as long as the window lasts.
//!
//! ```text
//! insert ──► filling generation ── full and committed ──► waiting ── upkeep ──► runs ── upkeep ──► merged runs
//!            (memory)                                     (memory)             (files; filters and fences in memory)
//! find   ──► newest first: filling, waiting, runs; the first entry found counts
//! ```
//!
//! - It is a cache of the event log, never the truth: missing, damaged or ahead of the log, it is set aside with a warning
//!   and filled again from the event log. Nothing is decided from a damaged block.
//! - A run holds only decisions that the event log has on disk.
//! - An event is a duplicate exactly when minute(now) − minute(kept) ≤ window. Only log time counts.
//! - What a look-up of a new key costs does not depend on the disk but for the filters' 0.4 %.

mod block;
mod entry;
mod filter;
mod generation;
mod manifest;
mod merge;
mod run;
mod upkeep;
mod writer;

use domicile_log::{EventKey, Position, Span};
use domicile_world::{Disk, Millis};
use entry::Minute;
use generation::Generation;
pub(crate) use generation::{Key, KeyMap};
use manifest::Manifest;
use run::Run;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use upkeep::{Full, Report, Upkeep};

/// How large the parts of the index are, and who does its upkeep.
#[derive(Clone, Debug)]
pub struct IndexSettings {
    /// How long an event makes duplicates of later ones, in minutes of log time.
    pub window_minutes: u32,
    /// Keys in memory before they become a run: 18 to 24 bytes each.
    pub generation_keys: usize,
    /// Runs that a look-up may have to ask.
    pub runs_max: usize,
    pub upkeep: UpkeepIn,
}

/// Where generations are written and runs merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpkeepIn {
    /// In a thread of its own: a decision never waits for it.
    Thread,
    /// In the thread that commits, at most so many steps a time: everything in one thread, the same each time.
    Steps(usize),
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            window_minutes: 30 * 24 * 60,
            // With the room that a group of decisions needs beside it, the table has 2^20 slots.
            generation_keys: 800_000,
            runs_max: 8,
            upkeep: UpkeepIn::Thread,
        }
    }
}

/// Room in a generation beyond `generation_keys`, because only a commit ends it.
const GENERATION_ROOM: usize = 100_000;
/// Generations that may wait to be written; more would take memory that the index must not have.
const WAITING_MAX: usize = 4;

/// A place in a file of the index that does not hold what was written.
#[derive(Debug, thiserror::Error)]
#[error("{file}: damage at byte {offset}: {what}", file = file.display())]
pub struct Damage {
    pub file: PathBuf,
    pub offset: u64,
    pub what: String,
}

#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The index has to be filled again from the event log.
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("{file}: {error}\n  mend: check that the folder is writable by this user and has room", file = file.display())]
    Io { file: PathBuf, error: io::Error },
    #[error("the thread that looks after the dedup index ended")]
    Gone,
}

/// The dedup index of a cell. One owner: process.
pub struct Index {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    settings: IndexSettings,
    filling: Generation,
    /// Full ones that are not written yet, oldest first.
    waiting: Vec<Arc<Generation>>,
    /// Oldest first.
    runs: Vec<Arc<Run>>,
    /// Every decision before it is in the runs or in a waiting generation.
    handed_over: Position,
    covered: Position,
    upkeep: Worker,
    failed: Option<IndexError>,
    candidates: Vec<(usize, usize)>,
}

enum Worker {
    Thread { to: Option<mpsc::Sender<Full>>, from: mpsc::Receiver<Report>, handle: Option<JoinHandle<()>> },
    Here { upkeep: Box<Upkeep>, steps: usize },
}

impl Index {
    /// Opens the index in `folder`, and makes it when it is not there. `log_end` is the end of the event log: all decisions
    /// from [`Index::covered`] up to it have to be inserted before the first look-up.
    ///
    /// Damage is no error: the index is set aside with a warning, and begins empty.
    ///
    /// # Errors
    /// `Io`: the folder can't be used.
    pub fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        settings: IndexSettings,
        log_end: Position,
    ) -> Result<Self, IndexError> {
        disk.make_folder(folder, true).map_err(|error| IndexError::Io { file: folder.into(), error })?;
        let (runs, covered) = match load(&*disk, folder, log_end) {
            Ok(found) => found,
            Err(IndexError::Damage(damage)) => {
                set_aside(&*disk, folder, &damage)?;
                (Vec::new(), Position(0))
            }
            Err(error) => return Err(error),
        };
        remove_strays(&*disk, folder, &runs)?;
        Ok(Self::start(disk, folder, settings, runs, covered))
    }

    fn start(
        disk: Arc<dyn Disk>,
        folder: &Path,
        settings: IndexSettings,
        runs: Vec<Arc<Run>>,
        covered: Position,
    ) -> Self {
        let upkeep = Upkeep::new(Arc::clone(&disk), folder.into(), settings.clone(), (runs.clone(), covered));
        let upkeep = match settings.upkeep {
            UpkeepIn::Steps(steps) => Worker::Here { upkeep: Box::new(upkeep), steps },
            UpkeepIn::Thread => {
                let (to, from_index) = mpsc::channel();
                let (to_index, from) = mpsc::channel();
                let handle = std::thread::Builder::new()
                    .name("dedup-index".into())
                    .spawn(move || upkeep.run(&from_index, &to_index));
                // Without a thread the channels are closed, which the first full generation will say.
                Worker::Thread { to: Some(to), from, handle: handle.ok() }
            }
        };
        Self {
            disk,
            folder: folder.into(),
            filling: Generation::with_room_for(settings.generation_keys.saturating_add(GENERATION_ROOM)),
            settings,
            waiting: Vec::new(),
            runs,
            handed_over: covered,
            covered,
            upkeep,
            failed: None,
            candidates: Vec::new(),
        }
    }

    /// Every decision before it is in the runs: what has to be inserted after an open begins here.
    pub fn covered(&self) -> Position {
        self.covered
    }

    /// Sets the index aside because of `damage` and begins an empty one: [`Index::covered`] is 0 again.
    pub fn begin_again(&mut self, damage: &Damage) -> Result<(), IndexError> {
        // Nobody may write into the folder meanwhile.
        self.upkeep.stop();
        set_aside(&*self.disk, &self.folder, damage)?;
        remove_strays(&*self.disk, &self.folder, &[])?;
        let (disk, folder, settings) = (Arc::clone(&self.disk), self.folder.clone(), self.settings.clone());
        *self = Self::start(disk, &folder, settings, Vec::new(), Position(0));
        Ok(())
    }

    /// For each key the kept event that makes an event at `now` its duplicate, if there is one; into `found`, in order.
    ///
    /// # Errors
    /// `Damage` and `Io`: nothing can be decided with this index, see [`Index::begin_again`].
    pub fn find_all(
        &mut self,
        keys: &[EventKey],
        now: Millis,
        found: &mut Vec<Option<Position>>,
    ) -> Result<(), IndexError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let now = Minute::of(now);
        let window = self.settings.window_minutes;
        let inside = |(minute, position): (Minute, Position)| minute.is_inside(now, window).then_some(position);
        found.clear();
        found.extend(keys.iter().map(|key| {
            let newest_first = std::iter::once(&self.filling).chain(self.waiting.iter().rev().map(|full| &**full));
            newest_first.map(|generation| generation.get(key)).find(Option::is_some).flatten().and_then(inside)
        }));
        // All filters first, one run after the other: the processor waits for many places of memory at once.
        self.candidates.clear();
        for (n, run) in self.runs.iter().enumerate().rev() {
            for (k, key) in keys.iter().enumerate() {
                if run.may_hold(key) {
                    self.candidates.push((k, n));
                }
            }
        }
        for &(k, n) in &self.candidates {
            if found[k].is_none() {
                // An older entry of the same key is no younger: when the newest one is outside the window, so are the others.
                found[k] = self.runs[n].find(&keys[k])?.and_then(inside);
            }
        }
        Ok(())
    }

    /// Notes that the event at `position` was kept at `now`. Its decision need not be on disk yet.
    pub fn insert(&mut self, key: EventKey, now: Millis, position: Position) {
        self.filling.insert(key, Minute::of(now), position);
    }

    /// Says that all that was inserted lies before `end` and is on disk in the event log, so that it may become a run.
    ///
    /// # Errors
    /// `Gone`: nobody looks after the index any more.
    pub fn committed(&mut self, end: Position, now: Millis) -> Result<(), IndexError> {
        if self.filling.len() >= self.settings.generation_keys.max(1) {
            let room = self.settings.generation_keys.saturating_add(GENERATION_ROOM);
            let full = Arc::new(std::mem::replace(&mut self.filling, Generation::with_room_for(room)));
            self.waiting.push(Arc::clone(&full));
            let span = Span { first: self.handed_over, end };
            self.handed_over = end;
            self.hand_over(Full { generation: full, span, now: Minute::of(now) })?;
        }
        self.take_reports()
    }

    fn hand_over(&mut self, full: Full) -> Result<(), IndexError> {
        match &mut self.upkeep {
            Worker::Here { upkeep, .. } => {
                upkeep.take(full);
                Ok(())
            }
            Worker::Thread { to, .. } => to.as_ref().ok_or(IndexError::Gone)?.send(full).map_err(|_| IndexError::Gone),
        }
    }

    /// Whether more may be inserted: not while too much waits to be written. Ask again after a while.
    pub fn has_room(&mut self) -> Result<bool, IndexError> {
        self.take_reports()?;
        Ok(self.waiting.len() < WAITING_MAX)
    }

    fn take_reports(&mut self) -> Result<(), IndexError> {
        let mut reports = Vec::new();
        match &mut self.upkeep {
            Worker::Thread { from, .. } => reports.extend(from.try_iter()),
            Worker::Here { upkeep, steps } => {
                for _ in 0..*steps {
                    match upkeep.step() {
                        Ok(None) => break,
                        Ok(Some(new)) => reports.extend(new),
                        Err(error) => {
                            reports.push(Report::Failed(error));
                            break;
                        }
                    }
                }
            }
        }
        for report in reports {
            match report {
                Report::Runs { runs, covered, written } => {
                    self.runs = runs;
                    self.covered = covered;
                    self.waiting.drain(..written.min(self.waiting.len()));
                }
                Report::Failed(IndexError::Damage(damage)) => self.failed = Some(damage.into()),
                Report::Failed(error) => {
                    tracing::warn!(%error, "can't write the dedup index now; it is tried again");
                }
            }
        }
        Ok(())
    }
}

impl Worker {
    /// Ends the thread and waits for it, which takes one step. What it was at is left half and removed at the next start.
    fn stop(&mut self) {
        if let Self::Thread { to, handle, .. } = self {
            drop(to.take());
            if let Some(handle) = handle.take() {
                // A panic there was reported when it happened.
                let _ = handle.join();
            }
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.upkeep.stop();
    }
}

/// Opens the runs that the manifest names.
fn load(disk: &dyn Disk, folder: &Path, log_end: Position) -> Result<(Vec<Arc<Run>>, Position), IndexError> {
    let Some(manifest) = Manifest::read(disk, folder)? else { return Ok((Vec::new(), Position(0))) };
    if manifest.covered > log_end {
        let what = format!("it covers 0..{}, but the event log ends at {log_end}", manifest.covered);
        return Err(Damage { file: Manifest::path(folder), offset: 0, what }.into());
    }
    let runs =
        manifest.runs.iter().map(|span| Run::open(disk, folder, *span).map(Arc::new)).collect::<Result<_, _>>()?;
    Ok((runs, manifest.covered))
}

/// Takes a damaged index out of use: from the first rename on, there is no manifest. The damaged file and the manifest are
/// kept beside, for whoever wants to know what happened.
fn set_aside(disk: &dyn Disk, folder: &Path, damage: &Damage) -> Result<(), IndexError> {
    tracing::warn!(
        file = %damage.file.display(),
        offset = damage.offset,
        what = damage.what,
        "the dedup index is damaged; it is set aside and filled again from the event log"
    );
    for file in [&Manifest::path(folder), &damage.file] {
        if disk.exists(file) {
            let mut aside = file.clone().into_os_string();
            aside.push(".damaged");
            disk.rename(file, Path::new(&aside)).map_err(|error| IndexError::Io { file: file.clone(), error })?;
        }
    }
    disk.sync_folder(folder).map_err(|error| IndexError::Io { file: folder.into(), error })
}

/// Removes the runs that are not part of the index: a crash left them, or the index was set aside.
fn remove_strays(disk: &dyn Disk, folder: &Path, runs: &[Arc<Run>]) -> Result<(), IndexError> {
    let io = |file: &Path| {
        let file = file.to_path_buf();
        move |error| IndexError::Io { file, error }
    };
    for entry in disk.list(folder).map_err(io(folder))? {
        let path = folder.join(&entry.name);
        let is_run = entry.name.starts_with("run-") && entry.name.ends_with(".run");
        if is_run && !runs.iter().any(|run| run.path == path) {
            tracing::info!(file = %path.display(), bytes = entry.bytes, "a run that no manifest names is removed");
            disk.remove(&path).map_err(io(&path))?;
        }
    }
    Ok(())
}
