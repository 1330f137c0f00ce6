//! What has to be mended in raw JSON before it is written: three things, all rare.
//!
//! | found | becomes |
//! | --- | --- |
//! | space between tokens with a line break in it | nothing, for an event is one line |
//! | the escape of a lone surrogate | `\ufffd`, in its place |
//! | a key that comes again in its object | nothing: the last one is kept |
//!
//! [`Suspicion`] rides along with the first pass over an event and costs little; only when it has grounds does a second
//! pass make the [`Edits`]. Both take time by length: keys are compared by number in small objects and sorted in large
//! ones, so ten thousand keys of one object are no hundred million comparisons.

use crate::cursor::{Cursor, Fault, Text, Watch};
use std::borrow::Cow;
use std::ops::Range;

/// Whether a pass has seen anything that might have to be mended.
pub(crate) struct Suspicion {
    found: bool,
    /// The hashes of the keys of all open objects, outermost first.
    keys: Vec<u32>,
    /// Where each open object's keys begin in `keys`.
    objects: Vec<u32>,
}

/// Objects of up to this many keys are checked key by key, larger ones at their end.
const SMALL_OBJECT_KEYS: usize = 32;

impl Suspicion {
    pub fn new() -> Self {
        Self { found: false, keys: Vec::with_capacity(64), objects: Vec::with_capacity(16) }
    }

    pub fn found(&self) -> bool {
        self.found
    }
}

impl Watch for Suspicion {
    fn open(&mut self) {
        self.objects.push(self.keys.len() as u32);
    }

    fn key(&mut self, key: Text, content: &[u8]) {
        let hash = hash(content);
        let first = self.objects.last().map_or(0, |first| *first as usize);
        let siblings = &self.keys[first..];
        // Two spellings of one key are equal only when decoded: leave that to the second pass.
        self.found |= key.escaped | (siblings.len() < SMALL_OBJECT_KEYS && siblings.contains(&hash));
        self.keys.push(hash);
    }

    fn close(&mut self) {
        let first = self.objects.pop().map_or(0, |first| first as usize);
        if self.keys.len() - first > SMALL_OBJECT_KEYS {
            let siblings = &mut self.keys[first..];
            siblings.sort_unstable();
            self.found |= siblings.windows(2).any(|pair| pair[0] == pair[1]);
        }
        self.keys.truncate(first);
    }

    fn space(&mut self, _run: Range<usize>, bytes: &[u8]) {
        self.found |= breaks_line(bytes);
    }

    fn lone_surrogate(&mut self, _offset: usize) {
        self.found = true;
    }
}

fn breaks_line(space: &[u8]) -> bool {
    space.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Equal keys have equal hashes. Unequal ones may too: that costs a second pass, nothing more.
#[inline]
fn hash(key: &[u8]) -> u32 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = key.len() as u64;
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
    }
    let tail = match *rest {
        [] => 0,
        [a, b, c, d, .., w, x, y, z] => {
            u64::from(u32::from_le_bytes([a, b, c, d])) << 32 | u64::from(u32::from_le_bytes([w, x, y, z]))
        }
        [a, b, c, d, ..] => {
            u64::from(u32::from_le_bytes([a, b, c, d])) << 32
                | rest[3..].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        }
        _ => rest.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    ((hash ^ tail).wrapping_mul(ODD) >> 32) as u32
}

/// What to mend in one raw value, in order of place, none inside of another.
#[derive(Clone, Default)]
pub(crate) struct Edits(Vec<Edit>);

#[derive(Clone)]
struct Edit {
    at: Range<usize>,
    becomes: &'static [u8],
}

impl Edits {
    /// The mends of a whole value that has been scanned.
    pub fn of(raw: &[u8]) -> Self {
        let mut mender = Mender { raw, edits: Vec::new(), members: Vec::new(), objects: Vec::new() };
        let mut cursor = Cursor::new(raw);
        cursor.space(&mut mender);
        // A value that is no JSON was never scanned; what is found before its fault holds all the same.
        let _: Result<(), Fault> = cursor.value(&mut mender, 0).and_then(|()| cursor.end(&mut mender));
        let mut edits = mender.edits;
        // No two start at one byte: a line break, a backslash and a key's quote are different bytes.
        edits.sort_unstable_by_key(|edit| edit.at.start);
        let mut end = 0;
        edits.retain(|edit| {
            let outside = edit.at.start >= end;
            end = end.max(edit.at.end);
            outside
        });
        Self(edits)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the byte at `at` is taken out.
    pub fn takes_out(&self, at: usize) -> bool {
        let behind = self.0.partition_point(|edit| edit.at.start <= at);
        behind > 0 && self.0[behind - 1].at.contains(&at) && self.0[behind - 1].becomes.is_empty()
    }

    /// Appends `raw[range]`, mended. No edit reaches over the range's ends.
    #[inline]
    pub fn copy(&self, out: &mut Vec<u8>, raw: &[u8], range: Range<usize>) {
        if self.0.is_empty() {
            out.extend_from_slice(raw.get(range).unwrap_or_default());
        } else {
            self.copy_mended(out, raw, range);
        }
    }

    fn copy_mended(&self, out: &mut Vec<u8>, raw: &[u8], range: Range<usize>) {
        let mut at = range.start;
        for edit in &self.0[self.0.partition_point(|edit| edit.at.start < range.start)..] {
            if edit.at.start >= range.end {
                break;
            }
            out.extend_from_slice(raw.get(at..edit.at.start).unwrap_or_default());
            out.extend_from_slice(edit.becomes);
            at = edit.at.end;
        }
        out.extend_from_slice(raw.get(at..range.end).unwrap_or_default());
    }
}

/// A whole raw value, mended.
pub(crate) fn mended(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut suspicion = Suspicion::new();
    let mut cursor = Cursor::new(raw);
    cursor.space(&mut suspicion);
    let _: Result<(), Fault> = cursor.value(&mut suspicion, 0).and_then(|()| cursor.end(&mut suspicion));
    if !suspicion.found() {
        return Cow::Borrowed(raw);
    }
    let mut whole = Vec::with_capacity(raw.len());
    Edits::of(raw).copy(&mut whole, raw, 0..raw.len());
    Cow::Owned(whole)
}

/// Collects edits.
struct Mender<'a> {
    raw: &'a [u8],
    edits: Vec<Edit>,
    /// The keys of all open objects, outermost first.
    members: Vec<(Cow<'a, str>, usize)>,
    /// Where each open object's members begin in `members`.
    objects: Vec<usize>,
}

impl Watch for Mender<'_> {
    fn open(&mut self) {
        self.objects.push(self.members.len());
    }

    fn key(&mut self, key: Text, _content: &[u8]) {
        let content = self.raw.get(key.start..key.end).unwrap_or_default();
        self.members.push((crate::text::decode(content, key.escaped), key.start - 1));
    }

    fn close(&mut self) {
        let first = self.objects.pop().unwrap_or_default();
        let members = &self.members[first..];
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_unstable_by(|a, b| members[*a].0.cmp(&members[*b].0).then(a.cmp(b)));
        for pair in order.windows(2) {
            let (earlier, later) = (pair[0], pair[1]);
            if members[earlier].0 == members[later].0 {
                // With its comma and the space behind that: there is a later one, so there is a next one.
                self.edits.push(Edit { at: members[earlier].1..members[earlier + 1].1, becomes: b"" });
            }
        }
        self.members.truncate(first);
    }

    fn space(&mut self, run: Range<usize>, bytes: &[u8]) {
        if breaks_line(bytes) {
            self.edits.push(Edit { at: run, becomes: b"" });
        }
    }

    fn lone_surrogate(&mut self, offset: usize) {
        self.edits.push(Edit { at: offset..offset + 6, becomes: br"\ufffd" });
    }
}
