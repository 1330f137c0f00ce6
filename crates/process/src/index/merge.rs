//! Merging: several neighbouring runs become one, a piece at a time.

use super::IndexError;
use super::entry::{Entry, Minute};
use super::run::{Cursor, Run};
use super::writer::RunWriter;
use domicile_log::Span;
use domicile_world::Disk;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Which runs are to be merged now, by the number of their keys, oldest first: always the newest ones, from some run on.
///
/// A run joins as soon as those behind it hold twice its keys, so that an entry is written about log3(n) times and few
/// runs stay. When there are more than `runs_max` nevertheless, the cheapest that helps is done.
pub(crate) fn due(keys: &[u64], runs_max: usize) -> Option<usize> {
    let oldest_with = |ratio: u64| {
        let mut behind = 0;
        let mut found = None;
        for (n, keys) in keys.iter().enumerate().rev() {
            if behind > 0 && behind >= keys.saturating_mul(ratio) {
                found = Some(n);
            }
            behind += keys;
        }
        found
    };
    let crowded = keys.len() > runs_max.max(1);
    oldest_with(2).or_else(|| oldest_with(1).filter(|_| crowded)).or_else(|| crowded.then(|| keys.len() - 2))
}

/// A merge that is under way.
pub(crate) struct Merge {
    /// Which of the index's runs go into it.
    pub(crate) of: Range<usize>,
    /// Oldest first.
    inputs: Vec<Input>,
    out: RunWriter,
    now: Minute,
    window_minutes: u32,
}

struct Input {
    cursor: Cursor,
    /// The next entry and its order; `None` at the end.
    next: Option<(u128, Entry)>,
}

impl Input {
    fn advance(&mut self) -> Result<(), IndexError> {
        self.next = self.cursor.next()?.map(|entry| (entry.order(), entry));
        Ok(())
    }
}

impl Merge {
    /// Begins to merge the runs `of` of `runs`; entries outside the window at `now` are left out.
    pub(crate) fn begin(
        disk: &dyn Disk,
        folder: &Path,
        runs: &[Arc<Run>],
        of: Range<usize>,
        (now, window_minutes): (Minute, u32),
    ) -> Result<Self, IndexError> {
        let merged = &runs[of.clone()];
        let mut span: Option<Span> = None;
        let mut inputs = Vec::with_capacity(merged.len());
        for run in merged {
            let first = span.map_or(run.trailer.span.first, |span| span.first);
            span = Some(Span { first, end: run.trailer.span.end });
            let mut input = Input { cursor: Cursor::new(Arc::clone(run)), next: None };
            input.advance()?;
            inputs.push(input);
        }
        let span = span.unwrap_or(Span::new(Default::default(), 0));
        Ok(Self { of, inputs, out: RunWriter::new(disk, folder, span)?, now, window_minutes })
    }

    /// Merges up to `keys` more keys; `false` when there are none left.
    pub(crate) fn step(&mut self, keys: usize) -> Result<bool, IndexError> {
        for _ in 0..keys {
            let smallest = self.inputs.iter().filter_map(|input| input.next.as_ref()).map(|(order, _)| *order).min();
            let Some(smallest) = smallest else { return Ok(false) };
            // Where several runs have the key, the newest one's entry counts: it was kept after the window of the others.
            let mut newest = None;
            for input in &mut self.inputs {
                if let Some((order, entry)) = input.next
                    && order == smallest
                {
                    newest = Some(entry);
                    input.advance()?;
                }
            }
            if let Some(entry) = newest
                && entry.kept().minute().is_inside(self.now, self.window_minutes)
            {
                self.out.add(entry)?;
            }
        }
        Ok(true)
    }

    /// The merged run; `None` when all entries were outside the window.
    pub(crate) fn finish(self, disk: &dyn Disk) -> Result<Option<Run>, IndexError> {
        self.out.finish(disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_joins_those_behind_it_when_they_hold_twice_its_keys() {
        let table: &[(&[u64], Option<usize>)] = &[
            (&[], None),
            (&[1], None),
            (&[1, 1], None),
            (&[1, 1, 1], Some(0)),
            (&[3, 1, 1], None),
            (&[3, 1, 1, 1], Some(1)),
            (&[3, 3, 1, 1, 1], Some(0)),
            (&[90, 1, 1], None),
            (&[5, 80], Some(0)),
        ];
        for (keys, from) in table {
            assert_eq!(due(keys, 8), *from, "{keys:?}");
        }
    }

    #[test]
    fn there_are_never_more_runs_than_allowed() {
        for runs_max in 1..9 {
            let mut keys: Vec<u64> = Vec::new();
            for n in 0..3_000 {
                keys.push(1 + n % 7 * n % 5);
                while let Some(from) = due(&keys, runs_max) {
                    let merged = keys.drain(from..).sum();
                    keys.push(merged);
                }
                assert!(keys.len() <= runs_max, "{keys:?}");
            }
        }
    }
}
