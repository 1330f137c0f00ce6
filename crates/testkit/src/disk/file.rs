//! A file's bytes: as the program sees them, and as they are on the platter.

use crate::Dice;
use std::ops::Range;

/// What a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// - `live` is what reads give; `platter` is what a power loss leaves.
/// - They differ only from `dirty_from` on, but for what a failed sync dropped.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) live: Vec<u8>,
    pub(crate) platter: Vec<u8>,
    dirty_from: usize,
}

impl File {
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.live.extend_from_slice(bytes);
    }

    pub(crate) fn cut(&mut self, bytes: usize) {
        // A longer length makes a hole, as `ftruncate` does.
        self.live.resize(bytes, 0);
        self.dirty_from = self.dirty_from.min(bytes);
    }

    pub(crate) fn sync(&mut self) {
        self.platter.resize(self.live.len(), 0);
        self.platter[self.dirty_from..].copy_from_slice(&self.live[self.dirty_from..]);
        self.dirty_from = self.live.len();
    }

    /// The write-back failed: the system takes the pages for clean all the same, so that the next sync says yes and
    /// leaves zeros where they should be. This is what Linux does, and why a failed sync is final.
    pub(crate) fn sync_failed(&mut self) {
        self.dirty_from = self.live.len();
    }

    /// The system's memory of a synced file goes: what a failed sync dropped is seen to be missing.
    pub(crate) fn forget(&mut self) {
        self.live.clone_from(&self.platter);
        self.dirty_from = self.live.len();
    }

    /// What is left after a power loss: what was synced, and when `torn`, some of the rest.
    pub(crate) fn power_lost(&mut self, torn: Option<&mut Dice>) {
        if let Some(dice) = torn {
            self.write_back_some(dice);
        }
        self.forget();
    }

    /// Some dirty sectors reach the platter, in no order; the new length too, or a length between, or not.
    fn write_back_some(&mut self, dice: &mut Dice) {
        let (old, new) = (self.platter.len(), self.live.len());
        let length = match dice.below(4) {
            0 => old,
            1 => new,
            _ => old.min(new) + dice.index(old.abs_diff(new) + 1),
        };
        self.platter.resize(length, 0);
        let chance = *dice.pick(&[10, 50, 90, 100]);
        for sector in sectors(self.dirty_from..length.min(new)) {
            if dice.percent(chance) {
                self.platter[sector.clone()].copy_from_slice(&self.live[sector]);
            }
        }
    }

    /// Changes what lies there, as bad hardware does: seen at once and for good.
    pub(crate) fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.live);
        self.platter.clone_from(&self.live);
        self.dirty_from = self.live.len();
    }
}

/// The parts of `range` that lie in one sector each.
fn sectors(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        (start < range.end).then(|| {
            let end = (start / SECTOR_BYTES + 1).saturating_mul(SECTOR_BYTES).min(range.end);
            std::mem::replace(&mut start, end)..end
        })
    })
}
