//! Members taken out of an event's bytes, with their commas.

use crate::cursor::{Cursor, Fault, Unwatched};
use crate::field::each_member;
use std::borrow::Cow;
use std::ops::Range;

/// What is taken out of one object, or of each object in one list.
#[derive(Clone, PartialEq, Eq)]
pub struct Cut {
    /// The way to the object; empty is the event itself.
    parent: Vec<String>,
    /// Sorted.
    keys: Vec<String>,
    /// Whether the named ones stay and the others go.
    allow: bool,
}

impl Cut {
    pub(super) fn new(parent: Vec<String>, mut keys: Vec<String>, allow: bool) -> Self {
        keys.sort_unstable();
        Self { parent, keys, allow }
    }

    /// The event without what is cut, borrowed if that is nothing; `None` if the event is no JSON.
    pub(super) fn apply<'e>(&self, event: &'e [u8]) -> Option<Cow<'e, [u8]>> {
        let mut ranges = Vec::new();
        let start = event.len() - event.trim_ascii_start().len();
        self.walk(event, start..event.len(), &self.parent, &mut ranges).ok()?;
        if ranges.is_empty() {
            return Some(Cow::Borrowed(event));
        }
        let mut out = Vec::with_capacity(event.len());
        let mut from = 0;
        for range in ranges {
            out.extend_from_slice(event.get(from..range.start)?);
            from = range.end;
        }
        out.extend_from_slice(event.get(from..)?);
        Some(Cow::Owned(out))
    }

    /// Follows the rest of the way from the value at `place`. As deep as the way is long.
    fn walk(
        &self,
        event: &[u8],
        place: Range<usize>,
        way: &[String],
        ranges: &mut Vec<Range<usize>>,
    ) -> Result<(), Fault> {
        let raw = &event[place.clone()];
        let Some((step, way)) = way.split_first() else {
            return match raw.first() {
                Some(b'{') => self.cut(event, place, ranges),
                Some(b'[') => {
                    let mut cursor = Cursor::new(raw);
                    cursor.list(&mut Unwatched, 0, |cursor, unwatched| {
                        let (object, start) = (cursor.peek() == b'{', cursor.at());
                        cursor.value(unwatched, 1)?;
                        let item = place.start + start..place.start + cursor.at();
                        if object { self.cut(event, item, ranges) } else { Ok(()) }
                    })
                }
                _ => Ok(()),
            };
        };
        if !raw.starts_with(b"{") {
            return Ok(());
        }
        each_member(raw, |cursor, key, value| {
            if !cursor.is(key, step) {
                return Ok(());
            }
            self.walk(event, place.start + value.start..place.start + value.end, way, ranges)
        })
    }

    /// Notes what goes of the object at `place`: whole runs of members, each with one comma.
    fn cut(&self, event: &[u8], place: Range<usize>, ranges: &mut Vec<Range<usize>>) -> Result<(), Fault> {
        let (mut kept_end, mut run, mut end) = (None, None, place.start);
        each_member(&event[place.clone()], |cursor, key, value| {
            let start = place.start + key.start - 1;
            end = place.start + value.end;
            let named = self.keys.binary_search_by(|name| name.as_str().cmp(&cursor.decode(key))).is_ok();
            if named != self.allow {
                run.get_or_insert(start);
            } else {
                ranges.extend(run.take().map(|from| from..start));
                kept_end = Some(end);
            }
            Ok::<(), Fault>(())
        })?;
        // Behind the last that stays there is no comma to keep.
        ranges.extend(run.map(|from| kept_end.unwrap_or(from)..end));
        Ok(())
    }
}
