//! One value out of a finished event.

use crate::cursor::{Cursor, Fault, Text, Unwatched};
use std::ops::Range;

/// The raw JSON value at `path` (`["context", "ip"]`), or `None` if a step is missing or leads through something that is
/// no object. `null` is a value; an empty path is the event itself.
///
/// `raw_event` is what [`crate::Facts::write`] made, so no key is there twice: the first is the one.
pub fn field<'a>(raw_event: &'a [u8], path: &[&str]) -> Option<&'a [u8]> {
    path.iter().try_fold(raw_event, |raw, name| member(raw, name))
}

/// How a search ends before its object does.
enum Stop<'a> {
    Found(&'a [u8]),
    Fault,
}

impl From<Fault> for Stop<'_> {
    fn from(_: Fault) -> Self {
        Self::Fault
    }
}

/// The value of the member `name` of a raw object.
fn member<'a>(raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let stop = each_member(
        raw,
        |cursor, key, value| {
            if cursor.is(key, name) { Err(Stop::Found(cursor.raw(value))) } else { Ok(()) }
        },
    );
    match stop {
        Err(Stop::Found(value)) => Some(value),
        Err(Stop::Fault) | Ok(()) => None,
    }
}

/// Calls `each` with the key and the value's range of every member of the raw object, in order; its error ends the walk.
pub(crate) fn each_member<'a, E: From<Fault>>(
    raw: &'a [u8],
    mut each: impl FnMut(&Cursor<'a>, Text, Range<usize>) -> Result<(), E>,
) -> Result<(), E> {
    let mut cursor = Cursor::new(raw);
    cursor.space(&mut Unwatched);
    cursor.object(&mut Unwatched, 0, |cursor, unwatched, key| {
        let start = cursor.at();
        cursor.value(unwatched, 1)?;
        each(cursor, key, start..cursor.at())
    })
}
