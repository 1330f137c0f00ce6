//! A generation: the entries that are not yet in a run, in memory.

use super::entry::{Entry, Kept, Minute, low_bits};
use domicile_log::{EventKey, Position};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A table of the newest entries. It is filled until it is full and committed, then written as a run and dropped.
pub(crate) struct Generation {
    entries: KeyMap<Kept>,
    /// Everything inserted so far lies before it.
    end: Position,
}

/// A table by event key.
pub(crate) type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<KeyBits>>;

#[derive(PartialEq, Eq)]
pub(crate) struct Key(pub(crate) EventKey);

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(low_bits(&self.0));
    }
}

/// A key is a hash already: its bits are taken as they are.
#[derive(Default)]
pub(crate) struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a key is hashed as one number");
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 = bits;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Generation {
    /// An empty one with room for `keys` entries: it must not grow while events wait, because moving a million entries
    /// takes longer than an event may wait. Pages that are never touched cost nothing.
    pub(crate) fn with_room_for(keys: usize) -> Self {
        Self { entries: HashMap::with_capacity_and_hasher(keys, BuildHasherDefault::default()), end: Position(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that the event at `position` was kept; it takes the place of an earlier one with its key.
    pub(crate) fn insert(&mut self, key: EventKey, minute: Minute, position: Position) {
        self.entries.insert(Key(key), Kept::new(minute, position));
        self.end = self.end.max(position.plus(1));
    }

    #[inline]
    pub(crate) fn get(&self, key: &EventKey) -> Option<(Minute, Position)> {
        let kept = self.entries.get(&Key(*key))?;
        Some((kept.minute(), kept.position(self.end)))
    }

    /// All entries that are inside the window at `now`, sorted by key.
    pub(crate) fn sorted(&self, now: Minute, window_minutes: u32) -> Vec<Entry> {
        let inside = |kept: &Kept| kept.minute().is_inside(now, window_minutes);
        let mut entries: Vec<_> =
            self.entries.iter().filter(|(_, kept)| inside(kept)).map(|(key, kept)| Entry::new(key.0, *kept)).collect();
        entries.sort_unstable_by_key(Entry::order);
        entries
    }
}
