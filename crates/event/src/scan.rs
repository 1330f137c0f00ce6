//! A request's body: is it JSON, where is each event, whose is it.
//!
//! One pass, before anything is promised. After it the whole body is known to be UTF-8 and JSON, and nobody downstream
//! meets a fault in it.
//!
//! - The write key is found wherever it stands, behind the events too, and however it is spelled (`write\u004bey`).
//! - Of a key that comes twice the last counts; `null` is as good as absent.

use crate::cursor::{Cursor, Fault, Text, Unwatched};
use crate::{DEPTH_MAX, EVENT_BYTES_MAX, Envelope};
use std::borrow::Cow;
use std::ops::Range;

/// A batch, valid to its last byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch<'a> {
    /// `items` may be empty, and each item may be any JSON value.
    pub envelope: Envelope,
    /// The body's own `writeKey`, or that of the first item that has one.
    pub write_key: Option<Cow<'a, str>>,
}

/// A single event, valid to its last byte: an object.
#[derive(Clone, PartialEq, Eq)]
pub struct Single<'a> {
    /// `items` is one range, that of the object without the space around it.
    pub envelope: Envelope,
    pub write_key: Option<Cow<'a, str>>,
}

/// Why a body is refused. None of these gets better by sending it again: answer 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("the body is not UTF-8: it breaks at byte {offset}")]
    NotUtf8 { offset: usize },
    #[error("the body is not JSON: {what} at byte {offset}")]
    Malformed { offset: usize, what: &'static str },
    #[error("the body is nested deeper than {DEPTH_MAX} levels at byte {offset}")]
    TooDeep { offset: usize },
    #[error("the body is JSON, but not an object")]
    NotObject,
    #[error("the body has no `batch`: send {{\"batch\": [event, …]}}")]
    NoBatch,
    #[error("`batch` at byte {offset} is not a list")]
    BatchNotList { offset: usize },
    /// `context` or `integrations` beside the batch.
    #[error("the batch's `{field}` at byte {offset} is not an object")]
    SharedNotObject { field: &'static str, offset: usize },
    /// Every event would carry it, and be larger than an event may be.
    #[error("the batch's `{field}` has {bytes} bytes, more than a whole event may have ({EVENT_BYTES_MAX})")]
    SharedTooLarge { field: &'static str, bytes: usize },
}

impl From<Fault> for ScanError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooDeep { offset } => Self::TooDeep { offset },
            Fault::Malformed { offset, what } => Self::Malformed { offset, what },
        }
    }
}

/// Scans the body of a batch path.
///
/// # Errors
/// The first thing in the body that is wrong. The text names places by offset and holds nothing of the body.
pub fn scan_batch(body: &[u8]) -> Result<Batch<'_>, ScanError> {
    let mut cursor = start(body)?;
    let mut found = Found::default();
    cursor.object(&mut Unwatched, 0, |cursor, unwatched, key| {
        let start = cursor.at();
        if cursor.is(key, "batch") {
            found.batch(cursor)?;
        } else if cursor.is(key, "writeKey") {
            found.write_key = text_value(cursor, 1)?;
        } else {
            cursor.value(unwatched, 1)?;
            let slot = if cursor.is(key, "context") {
                &mut found.context
            } else if cursor.is(key, "integrations") {
                &mut found.integrations
            } else if cursor.is(key, "sentAt") {
                &mut found.sent_at
            } else {
                return Ok::<(), ScanError>(());
            };
            *slot = Some(start..cursor.at()).filter(|range| cursor.raw(range.clone()) != b"null");
        }
        Ok(())
    })?;
    cursor.end(&mut Unwatched)?;
    let items = match found.items {
        Items::Missing => return Err(ScanError::NoBatch),
        Items::NotList { offset } => return Err(ScanError::BatchNotList { offset }),
        Items::List(items) => items,
    };
    let envelope = Envelope {
        sent_at: found.sent_at.map(narrow),
        context: shared("context", body, found.context)?,
        integrations: shared("integrations", body, found.integrations)?,
        items,
    };
    Ok(Batch { envelope, write_key: found.write_key.or(found.item_write_key) })
}

/// Scans the body of a single path.
///
/// # Errors
/// As [`scan_batch`].
pub fn scan_single(body: &[u8]) -> Result<Single<'_>, ScanError> {
    let mut cursor = start(body)?;
    let start = cursor.at();
    let mut write_key = None;
    cursor.object(&mut Unwatched, 0, |cursor, unwatched, key| {
        if cursor.is(key, "writeKey") {
            write_key = text_value(cursor, 1)?;
            Ok(())
        } else {
            cursor.value(unwatched, 1)
        }
    })?;
    let item = narrow(start..cursor.at());
    cursor.end(&mut Unwatched)?;
    Ok(Single { envelope: Envelope { items: vec![item], ..Envelope::default() }, write_key })
}

/// A cursor at the opening brace of a body that is UTF-8.
fn start(body: &[u8]) -> Result<Cursor<'_>, ScanError> {
    if u32::try_from(body.len()).is_err() {
        return Err(ScanError::Malformed { offset: u32::MAX as usize, what: "no end before 4 GiB" });
    }
    std::str::from_utf8(body).map_err(|error| ScanError::NotUtf8 { offset: error.valid_up_to() })?;
    let mut cursor = Cursor::new(body);
    cursor.space(&mut Unwatched);
    if cursor.peek() != b'{' {
        cursor.value(&mut Unwatched, 0)?;
        cursor.end(&mut Unwatched)?;
        return Err(ScanError::NotObject);
    }
    Ok(cursor)
}

/// What has been found of a batch so far.
#[derive(Default)]
struct Found<'a> {
    sent_at: Option<Range<usize>>,
    context: Option<Range<usize>>,
    integrations: Option<Range<usize>>,
    items: Items,
    write_key: Option<Cow<'a, str>>,
    item_write_key: Option<Cow<'a, str>>,
}

#[derive(Default)]
enum Items {
    #[default]
    Missing,
    NotList {
        offset: usize,
    },
    List(Vec<Range<u32>>),
}

impl<'a> Found<'a> {
    /// Passes the value of `batch`. An earlier one is forgotten, with the key that its items had.
    fn batch(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        self.item_write_key = None;
        let offset = cursor.at();
        if cursor.peek() != b'[' {
            cursor.value(&mut Unwatched, 1)?;
            let null = cursor.raw(offset..cursor.at()) == b"null";
            self.items = if null { Items::Missing } else { Items::NotList { offset } };
            return Ok(());
        }
        let mut items = Vec::with_capacity(64);
        cursor.list(&mut Unwatched, 1, |cursor, unwatched| {
            let start = cursor.at();
            if cursor.peek() == b'{' && self.item_write_key.is_none() {
                self.item_write_key = write_key_of(cursor)?;
            } else {
                cursor.value(unwatched, 2)?;
            }
            items.push(narrow(start..cursor.at()));
            Ok(())
        })?;
        self.items = Items::List(items);
        Ok(())
    }
}

/// Passes an item that is an object, looking for its `writeKey`.
fn write_key_of<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
    let mut write_key = None;
    cursor.object(&mut Unwatched, 2, |cursor, unwatched, key: Text| {
        if cursor.is(key, "writeKey") {
            write_key = text_value(cursor, 3)?;
            Ok(())
        } else {
            cursor.value(unwatched, 3)
        }
    })?;
    Ok(write_key)
}

/// Passes the value of a `writeKey`. One that is no string, or an empty one, is none.
fn text_value<'a>(cursor: &mut Cursor<'a>, depth: usize) -> Result<Option<Cow<'a, str>>, Fault> {
    if cursor.peek() != b'"' {
        cursor.value(&mut Unwatched, depth)?;
        return Ok(None);
    }
    let text = cursor.string(&mut Unwatched)?;
    Ok(Some(cursor.decode(text)).filter(|key| !key.is_empty()))
}

/// A shared object's range; an empty list is what PHP makes of an empty object.
fn shared(field: &'static str, body: &[u8], range: Option<Range<usize>>) -> Result<Option<Range<u32>>, ScanError> {
    let Some(range) = range else { return Ok(None) };
    let raw = &body[range.clone()];
    if crate::item::is_empty_list(raw) {
        return Ok(None);
    }
    if !raw.starts_with(b"{") {
        return Err(ScanError::SharedNotObject { field, offset: range.start });
    }
    if raw.len() > EVENT_BYTES_MAX {
        return Err(ScanError::SharedTooLarge { field, bytes: raw.len() });
    }
    Ok(Some(narrow(range)))
}

/// A body is shorter than 4 GiB: [`start`] has looked.
fn narrow(range: Range<usize>) -> Range<u32> {
    range.start as u32..range.end as u32
}
