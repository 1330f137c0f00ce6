//! What the pipeline reads of a `context`, an event's own or the one that a batch shares.

use crate::cursor::{Cursor, Fault, Unwatched, Watch};
use crate::text::text;
use std::borrow::Cow;

/// The parts of a `context` that decide how its event is enriched. Everything else in it is only copied.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// Whether `ip` is there: whatever it says (`0.0.0.0` too), it wins over the connection's address.
    pub ip: bool,
    /// `direct: true`: a raw call from a device, which asks for the connection's address.
    pub direct: bool,
    /// `library.name`.
    pub library_name: Option<Cow<'a, str>>,
    /// `channel`: `server`, `browser`, `mobile`, or what the caller says.
    pub channel: Option<Cow<'a, str>>,
    /// Whether `direct` and `library` are there at all: then what is shared does not show through.
    has_direct: bool,
    has_library: bool,
    /// Whether there is an `ip` that is `null`: as good as none, but it has to give way when one is put in.
    pub(crate) ip_is_null: bool,
}

impl<'a> Context<'a> {
    /// Reads a raw JSON value that has been scanned. What is not an object has nothing in it.
    pub fn read(raw: &'a [u8]) -> Self {
        let mut cursor = Cursor::new(raw);
        cursor.space(&mut Unwatched);
        Self::pass(&mut cursor, &mut Unwatched, 0).unwrap_or_default()
    }

    /// Passes the value at the cursor, which is inside of `depth` lists and objects, and reads it on the way.
    pub(crate) fn pass<W: Watch>(cursor: &mut Cursor<'a>, watch: &mut W, depth: usize) -> Result<Self, Fault> {
        let mut context = Self::default();
        if cursor.peek() != b'{' {
            cursor.value(watch, depth)?;
            return Ok(context);
        }
        cursor.object(watch, depth, |cursor, watch, key| {
            if cursor.is(key, "library") {
                (context.has_library, context.library_name) = pass_library(cursor, watch, depth + 1)?;
                return Ok::<(), Fault>(());
            }
            let start = cursor.at();
            cursor.value(watch, depth + 1)?;
            let value = cursor.raw(start..cursor.at());
            if cursor.is(key, "ip") {
                context.ip = value != b"null";
                context.ip_is_null = !context.ip;
            } else if cursor.is(key, "direct") {
                context.direct = value == b"true";
                context.has_direct = value != b"null";
            } else if cursor.is(key, "channel") {
                context.channel = text(value);
            }
            Ok(())
        })?;
        Ok(context)
    }

    /// This context over the one that its batch shares: what this one lacks, `shared` gives.
    #[must_use]
    pub fn over(mut self, shared: &Self) -> Self {
        self.ip |= shared.ip;
        if !self.has_direct {
            self.direct = shared.direct;
            self.has_direct = shared.has_direct;
        }
        if !self.has_library {
            self.library_name.clone_from(&shared.library_name);
            self.has_library = shared.has_library;
        }
        if self.channel.is_none() {
            self.channel.clone_from(&shared.channel);
        }
        self
    }
}

/// Passes the value of `library`: whether there is one, and its name.
fn pass_library<'a, W: Watch>(
    cursor: &mut Cursor<'a>,
    watch: &mut W,
    depth: usize,
) -> Result<(bool, Option<Cow<'a, str>>), Fault> {
    let start = cursor.at();
    let mut name = None;
    if cursor.peek() != b'{' {
        cursor.value(watch, depth)?;
        return Ok((cursor.raw(start..cursor.at()) != b"null", name));
    }
    cursor.object(watch, depth, |cursor, watch, key| {
        let start = cursor.at();
        cursor.value(watch, depth + 1)?;
        if cursor.is(key, "name") {
            name = text(cursor.raw(start..cursor.at()));
        }
        Ok::<(), Fault>(())
    })?;
    Ok((true, name))
}
