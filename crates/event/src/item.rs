//! An event as a list of members: what stands where in the customer's bytes.
//!
//! - In the customer's order, each key once, and of a key that comes again the last.
//! - Nothing is copied: a member is its offsets.

use crate::context::Context;
use crate::cursor::{Cursor, Fault};
use crate::repair::{Edits, Suspicion};
use crate::text::text;
use std::borrow::Cow;
use std::ops::Range;

macro_rules! fields {
    ($($field:ident $name:literal)*) => {
        /// The names on an event's top level that mean something to the pipeline.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Field {
            $($field,)*
            /// The customer's own.
            Other,
        }

        impl Field {
            pub fn name(self) -> &'static [u8] {
                match self {
                    $(Self::$field => $name,)*
                    Self::Other => b"",
                }
            }

            fn named(name: &[u8]) -> Self {
                match name {
                    $($name => Self::$field,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

fields! {
    AnonymousId b"anonymousId"
    Category b"category"
    Channel b"channel"
    Context b"context"
    Event b"event"
    GroupId b"groupId"
    Integrations b"integrations"
    MessageId b"messageId"
    Name b"name"
    OriginalTimestamp b"originalTimestamp"
    PreviousId b"previousId"
    ProjectId b"projectId"
    Properties b"properties"
    ReceivedAt b"receivedAt"
    SentAt b"sentAt"
    Timestamp b"timestamp"
    Traits b"traits"
    Type b"type"
    UserId b"userId"
    Version b"version"
    WriteKey b"writeKey"
}

const FIELDS: usize = Field::Other as usize;

/// One member of an event's top level.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub field: Field,
    /// The opening quote of its key.
    pub start: u32,
    pub value_start: u32,
    pub value_end: u32,
}

impl Member {
    pub fn value(self) -> Range<usize> {
        self.value_start as usize..self.value_end as usize
    }
}

/// An object's bytes, its members, and what has to be mended when it is written.
#[derive(Clone)]
pub(crate) struct Item<'a> {
    pub raw: &'a [u8],
    /// In the customer's order, each key once.
    pub members: Vec<Member>,
    pub edits: Edits,
    /// Where in `members` each field is, plus 1; 0 is nowhere.
    places: [u16; FIELDS],
}

impl<'a> Item<'a> {
    /// With what its context says; `None` if `raw` is no JSON object.
    pub fn read(raw: &'a [u8]) -> Option<(Self, Context<'a>)> {
        // Items of a scanned body are UTF-8; this holds the line for bytes that are not.
        std::str::from_utf8(raw).ok()?;
        let mut suspicion = Suspicion::new();
        let mut members = Vec::with_capacity(32);
        let mut context = Context::default();
        let mut cursor = Cursor::new(raw);
        cursor.space(&mut suspicion);
        let walk = cursor.object(&mut suspicion, 0, |cursor, suspicion, key| {
            let field = match key.escaped {
                false => Field::named(cursor.raw(key.start..key.end)),
                true => Field::named(cursor.decode(key).as_bytes()),
            };
            let value_start = cursor.at() as u32;
            match field {
                Field::Context => context = Context::pass(cursor, suspicion, 1)?,
                _ => cursor.value(suspicion, 1)?,
            }
            members.push(Member { field, start: key.start as u32 - 1, value_start, value_end: cursor.at() as u32 });
            Ok::<(), Fault>(())
        });
        walk.and_then(|()| cursor.end(&mut suspicion)).ok()?;
        let mut edits = Edits::default();
        if suspicion.found() {
            edits = Edits::of(raw);
            members.retain(|member| !edits.takes_out(member.start as usize));
        }
        let mut places = [0; FIELDS];
        for (place, member) in members.iter().enumerate() {
            if let Some(slot) = places.get_mut(member.field as usize) {
                // An event's 32 KiB hold fewer than 65,535 members.
                *slot = place as u16 + 1;
            }
        }
        Some((Self { raw, members, edits, places }, context))
    }

    /// The raw value of a field that is there.
    pub fn get(&self, field: Field) -> Option<&'a [u8]> {
        self.raw.get(self.member(field)?.value())
    }

    /// The raw value of a field that is there and not `null`.
    pub fn present(&self, field: Field) -> Option<&'a [u8]> {
        self.get(field).filter(|raw| *raw != b"null")
    }

    /// The value of a field that is there, as it is to be written.
    pub fn mended(&self, field: Field) -> Option<Cow<'a, [u8]>> {
        let member = self.member(field)?;
        let raw = self.raw.get(member.value())?;
        if self.edits.is_empty() {
            return Some(Cow::Borrowed(raw));
        }
        let mut mended = Vec::with_capacity(raw.len());
        self.edits.copy(&mut mended, self.raw, member.value());
        Some(Cow::Owned(mended))
    }

    fn member(&self, field: Field) -> Option<Member> {
        let place = usize::from(*self.places.get(field as usize)?);
        self.members.get(place.checked_sub(1)?).copied()
    }

    pub fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        self.get(field).and_then(text)
    }
}

/// Whether a raw JSON value is a number.
pub(crate) fn is_number(raw: &[u8]) -> bool {
    matches!(raw.first(), Some(b'-' | b'0'..=b'9'))
}

/// Whether a raw JSON value is a list with nothing in it.
pub(crate) fn is_empty_list(raw: &[u8]) -> bool {
    raw.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).is_some_and(|inside| inside.trim_ascii().is_empty())
}
