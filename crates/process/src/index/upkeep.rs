//! Upkeep: full generations become runs, runs are merged, expired ones go. In a thread of its own, or step by step.
//!
//! - Generations come first: a merge waits while one is there to be written, so that memory stays bounded.
//! - A file is part of the index when the manifest names it, and is taken away only when the manifest no longer does.
//! - What is dropped here was large: the decision's thread never pays for giving its memory back.

use super::entry::{Entry, Minute};
use super::generation::Generation;
use super::manifest::Manifest;
use super::merge::{self, Merge};
use super::run::Run;
use super::writer::RunWriter;
use super::{IndexError, IndexSettings};
use domicile_log::{Position, Span};
use domicile_world::Disk;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

/// Keys that a step works through: some milliseconds.
const STEP_KEYS: usize = 16 * 1024;

/// A full generation, committed up to its span's end.
pub(crate) struct Full {
    pub(crate) generation: Arc<Generation>,
    pub(crate) span: Span,
    /// The log's time when it was full.
    pub(crate) now: Minute,
}

/// What upkeep tells the index.
pub(crate) enum Report {
    /// These are the runs now, oldest first, with every decision before `covered`; `written` of the oldest waiting
    /// generations are among them.
    Runs { runs: Vec<Arc<Run>>, covered: Position, written: usize },
    /// It did not work this time; the next message makes it try again.
    Failed(IndexError),
}

pub(crate) struct Upkeep {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    settings: IndexSettings,
    runs: Vec<Arc<Run>>,
    covered: Position,
    now: Minute,
    waiting: VecDeque<Full>,
    seal: Option<Seal>,
    merge: Option<Merge>,
    /// What the index may still be reading.
    retired: Vec<Retired>,
}

/// A generation that is being written.
struct Seal {
    full: Full,
    entries: std::vec::IntoIter<Entry>,
    out: RunWriter,
}

enum Retired {
    Run(Arc<Run>),
    Generation(Arc<Generation>),
}

impl Upkeep {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        settings: IndexSettings,
        (runs, covered): (Vec<Arc<Run>>, Position),
    ) -> Self {
        Self {
            disk,
            folder,
            settings,
            runs,
            covered,
            now: Minute::default(),
            waiting: VecDeque::new(),
            seal: None,
            merge: None,
            retired: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, full: Full) {
        self.now = self.now.max(full.now);
        self.waiting.push_back(full);
    }

    /// Does a piece of what is to be done; `Ok(None)` when there is nothing. After an error the same is tried again from
    /// its start.
    pub(crate) fn step(&mut self) -> Result<Option<Vec<Report>>, IndexError> {
        self.retired.retain(|retired| match retired {
            Retired::Run(run) => Arc::strong_count(run) > 1,
            Retired::Generation(generation) => Arc::strong_count(generation) > 1,
        });
        if self.seal.is_some() || !self.waiting.is_empty() {
            let done = self.step_seal();
            if done.is_err()
                && let Some(seal) = self.seal.take()
            {
                self.waiting.push_front(seal.full);
            }
            return done.map(Some);
        }
        if self.merge.is_none() {
            let keys: Vec<_> = self.runs.iter().map(|run| run.keys()).collect();
            let Some(from) = merge::due(&keys, self.settings.runs_max) else { return Ok(None) };
            let window = (self.now, self.settings.window_minutes);
            self.merge = Some(Merge::begin(&*self.disk, &self.folder, &self.runs, from..self.runs.len(), window)?);
        }
        match self.step_merge() {
            Ok(reports) => Ok(Some(reports)),
            Err(error) => {
                self.merge = None;
                Err(error)
            }
        }
    }

    fn step_seal(&mut self) -> Result<Vec<Report>, IndexError> {
        let seal = match &mut self.seal {
            Some(seal) => seal,
            None => {
                let Some(front) = self.waiting.front() else { return Ok(Vec::new()) };
                let out = RunWriter::new(&*self.disk, &self.folder, front.span)?;
                let entries = front.generation.sorted(self.now, self.settings.window_minutes).into_iter();
                let Some(full) = self.waiting.pop_front() else { return Ok(Vec::new()) };
                self.seal.insert(Seal { full, entries, out })
            }
        };
        for entry in seal.entries.by_ref().take(STEP_KEYS) {
            seal.out.add(entry)?;
        }
        if seal.entries.len() > 0 {
            return Ok(Vec::new());
        }
        let Some(Seal { full, out, .. }) = self.seal.take() else { return Ok(Vec::new()) };
        let run = match out.finish(&*self.disk) {
            Ok(run) => run,
            Err(error) => {
                self.waiting.push_front(full);
                return Err(error);
            }
        };
        let expired = if self.merge.is_some() { 0 } else { self.expired() };
        let mut runs = self.runs[expired..].to_vec();
        runs.extend(run.map(Arc::new));
        let end = full.span.end;
        match self.replace(runs, end) {
            Ok(()) => {
                self.retired.push(Retired::Generation(full.generation));
                Ok(vec![Report::Runs { runs: self.runs.clone(), covered: end, written: 1 }])
            }
            Err(error) => {
                self.waiting.push_front(full);
                Err(error)
            }
        }
    }

    fn step_merge(&mut self) -> Result<Vec<Report>, IndexError> {
        let Some(merge) = &mut self.merge else { return Ok(Vec::new()) };
        if merge.step(STEP_KEYS)? {
            return Ok(Vec::new());
        }
        let Some(merge) = self.merge.take() else { return Ok(Vec::new()) };
        let of = merge.of.clone();
        let merged = merge.finish(&*self.disk)?.map(Arc::new);
        let mut runs = self.runs.clone();
        // Generations that were written meanwhile stand behind the merged ones.
        runs.splice(of, merged);
        self.replace(runs, self.covered)?;
        Ok(vec![Report::Runs { runs: self.runs.clone(), covered: self.covered, written: 0 }])
    }

    /// How many of the oldest runs are outside the window as a whole.
    fn expired(&self) -> usize {
        let inside = |run: &Arc<Run>| run.trailer.newest.is_inside(self.now, self.settings.window_minutes);
        self.runs.iter().position(inside).unwrap_or(self.runs.len())
    }

    /// Makes `runs` the index, and then takes away the files that are no longer part of it.
    fn replace(&mut self, runs: Vec<Arc<Run>>, covered: Position) -> Result<(), IndexError> {
        let manifest = Manifest { covered, runs: runs.iter().map(|run| run.trailer.span).collect() };
        manifest.write(&*self.disk, &self.folder)?;
        let old = std::mem::replace(&mut self.runs, runs);
        self.covered = covered;
        for run in old {
            if self.runs.iter().any(|kept| kept.trailer.span == run.trailer.span) {
                continue;
            }
            if let Err(error) = self.disk.remove(&run.path) {
                // The next start takes it away.
                tracing::warn!(file = %run.path.display(), %error, "can't remove a merged run of the dedup index");
            }
            self.retired.push(Retired::Run(run));
        }
        Ok(())
    }

    /// Works in a thread of its own, until the index is dropped.
    pub(crate) fn run(mut self, from_index: &mpsc::Receiver<Full>, to_index: &mpsc::Sender<Report>) {
        loop {
            match from_index.try_recv() {
                Ok(full) => {
                    self.take(full);
                    continue;
                }
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
            let (reports, rest) = match self.step() {
                Ok(Some(reports)) => (reports, false),
                Ok(None) => (Vec::new(), true),
                Err(error) => (vec![Report::Failed(error)], true),
            };
            for report in reports {
                if to_index.send(report).is_err() {
                    return;
                }
            }
            if rest {
                match from_index.recv() {
                    Ok(full) => self.take(full),
                    Err(mpsc::RecvError) => return,
                }
            }
        }
    }
}
