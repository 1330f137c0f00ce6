//! What the pipeline reads of a `context`, an event's own or the one that a batch shares.

use crate::cursor::Fault;
use crate::field::each_member;
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
        let mut context = Self::default();
        let mut library: &[u8] = b"";
        let read = each_member(raw, |cursor, key, value| {
            let value = cursor.raw(value);
            let present = value != b"null";
            if cursor.is(key, "ip") {
                context.ip = present;
                context.ip_is_null = !present;
            } else if cursor.is(key, "direct") {
                context.direct = value == b"true";
                context.has_direct = present;
            } else if cursor.is(key, "library") {
                library = value;
                context.has_library = present;
            } else if cursor.is(key, "channel") {
                context.channel = text(value);
            }
            Ok(())
        });
        let read = read.and_then(|()| {
            each_member(library, |cursor, key, value| {
                if cursor.is(key, "name") {
                    context.library_name = text(cursor.raw(value));
                }
                Ok(())
            })
        });
        // A context or library of another shape has nothing to be read.
        let _: Result<(), Fault> = read;
        context
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
