//! One entry: which event was kept, when, and where.
//!
//! ```text
//! entry = key 10 | minute 3 | place 5                             (minute and place little endian, 18 bytes)
//! ```

use domicile_log::{EventKey, Position};
use domicile_world::Millis;

pub(crate) const KEY_BYTES: usize = 10;
pub(crate) const ENTRY_BYTES: usize = 18;

/// 2020-01-01T00:00:00Z in milliseconds since 1970.
const EPOCH_MS: i64 = 1_577_836_800_000;
const MINUTE_MAX: u32 = (1 << 24) - 1;
const PLACE_MASK: u64 = (1 << 40) - 1;

/// A minute of log time, counted from 2020 in 24 bits: good until November 2051. Times outside count as the first or the
/// last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minute(u32);

impl Minute {
    pub(crate) fn of(log_time: Millis) -> Self {
        let minutes = log_time.0.saturating_sub(EPOCH_MS).div_euclid(60_000);
        Self(minutes.clamp(0, i64::from(MINUTE_MAX)) as u32)
    }

    pub(crate) fn from_u32(minutes: u32) -> Self {
        Self(minutes.min(MINUTE_MAX))
    }

    pub(crate) fn as_u32(self) -> u32 {
        self.0
    }

    /// Whether an event kept at this minute still makes duplicates at `now`. A time before this minute is inside: log
    /// time never goes back, and a doubt must not let a duplicate through.
    pub(crate) fn is_inside(self, now: Self, window_minutes: u32) -> bool {
        now.0.saturating_sub(self.0) <= window_minutes
    }
}

/// Minute and place of an entry, packed as on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept([u8; ENTRY_BYTES - KEY_BYTES]);

impl Kept {
    pub(crate) fn new(minute: Minute, position: Position) -> Self {
        let packed = (position.0 & PLACE_MASK) << 24 | u64::from(minute.0);
        Self(packed.to_le_bytes())
    }

    pub(crate) fn minute(self) -> Minute {
        Minute((u64::from_le_bytes(self.0) & u64::from(MINUTE_MAX)) as u32)
    }

    /// The position, given that it lies before `end` by less than 2^40 events: the entry keeps the low 40 bits.
    pub(crate) fn position(self, end: Position) -> Position {
        let place = u64::from_le_bytes(self.0) >> 24;
        let back = end.0.wrapping_sub(place).wrapping_sub(1) & PLACE_MASK;
        Position(end.0.saturating_sub(1).saturating_sub(back))
    }
}

/// An entry as it lies in a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(pub(crate) [u8; ENTRY_BYTES]);

impl Entry {
    pub(crate) fn new(key: EventKey, kept: Kept) -> Self {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..KEY_BYTES].copy_from_slice(&key.0);
        bytes[KEY_BYTES..].copy_from_slice(&kept.0);
        Self(bytes)
    }

    pub(crate) fn key(&self) -> EventKey {
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&self.0[..KEY_BYTES]);
        EventKey(key)
    }

    #[inline]
    pub(crate) fn kept(&self) -> Kept {
        let mut kept = [0; ENTRY_BYTES - KEY_BYTES];
        kept.copy_from_slice(&self.0[KEY_BYTES..]);
        Kept(kept)
    }

    /// A number that orders entries as their keys do.
    #[inline]
    pub(crate) fn order(&self) -> u128 {
        order(&self.0)
    }
}

/// A number that orders keys as their bytes do; only the first ten bytes count.
fn order(bytes: &[u8]) -> u128 {
    let mut wide = [0; 16];
    wide[6..].copy_from_slice(&bytes[..KEY_BYTES]);
    u128::from_be_bytes(wide)
}

/// The 64 bits of a key that filters and hash tables use: the last eight bytes, because the first ones are nearly the same
/// for the neighbours in a run.
#[inline]
pub(crate) fn low_bits(key: &EventKey) -> u64 {
    let k = &key.0;
    u64::from_le_bytes([k[2], k[3], k[4], k[5], k[6], k[7], k[8], k[9]])
}

/// The first 16 bits of a key: where in a run it is to be looked for.
#[inline]
pub(crate) fn high_bits(key: &EventKey) -> u16 {
    u16::from_be_bytes([key.0[0], key.0[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_from_its_low_forty_bits() {
        for position in [0, 1, 77, (1 << 40) - 1, 1 << 40, (1 << 40) + 5, 3 << 40, u64::MAX - 9] {
            for ahead in [1, 2, 1_000, (1 << 40) - 1] {
                let Some(end) = position.checked_add(ahead) else { continue };
                let kept = Kept::new(Minute(9), Position(position));
                assert_eq!(kept.position(Position(end)), Position(position), "{position} before {end}");
                assert_eq!(kept.minute(), Minute(9));
            }
        }
    }

    #[test]
    fn times_outside_the_calendar_count_as_its_first_or_last_minute() {
        assert_eq!(Minute::of(Millis(i64::MIN)), Minute(0));
        assert_eq!(Minute::of(Millis(EPOCH_MS - 1)), Minute(0));
        assert_eq!(Minute::of(Millis(EPOCH_MS + 59_999)), Minute(0));
        assert_eq!(Minute::of(Millis(EPOCH_MS + 60_000)), Minute(1));
        assert_eq!(Minute::of(Millis(i64::MAX)), Minute(MINUTE_MAX));
    }

    #[test]
    fn the_window_ends_after_its_last_minute_and_an_earlier_time_is_inside() {
        let kept = Minute(100);
        assert!(kept.is_inside(Minute(100), 30));
        assert!(kept.is_inside(Minute(130), 30));
        assert!(!kept.is_inside(Minute(131), 30));
        assert!(kept.is_inside(Minute(0), 30));
    }
}
