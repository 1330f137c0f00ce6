//! One item: an event, or what is wrong with it.
//!
//! - `null` is as good as absent, and an empty id as none.
//! - An empty list where an object is meant is an empty object: PHP cannot tell them apart.
//! - A number given as an id is taken as its spelling; any other id that is no text is refused.
//! - Whatever no rule names is not looked at.

use crate::cursor::{Cursor, Fault};
use crate::repair::{Edits, Suspicion};
use crate::text::{decode, text};
use crate::time::parse_time;
use crate::{Call, Context, EVENT_BYTES_MAX};
use std::borrow::Cow;
use std::ops::Range;

/// The rule that an item breaks. It is not kept, and counted under this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    NotObject,
    /// Larger than [`EVENT_BYTES_MAX`] as received.
    EventTooLarge,
    /// No path names the call, and `type` is none of the six.
    TypeUnknown,
    /// Neither `userId` nor `anonymousId`.
    NoUserAnonId,
    /// alias without `userId`, group without `groupId`.
    IdRequired,
    /// An id that is neither text nor number.
    IdNotString,
    EventNotDefined,
    EventNotString,
    PropertiesNotObject,
    TraitsNotObject,
    NameNotString,
    CategoryNotString,
}

/// What is known of an event that keeps the rules. Texts are decoded; numbers given as ids are their spelling.
#[derive(Clone)]
pub struct Facts<'a> {
    pub call: Call,
    /// `None`: the pipeline makes one, and hands it to [`Facts::write`] in the additions.
    pub message_id: Option<Cow<'a, str>>,
    pub user_id: Option<Cow<'a, str>>,
    pub anonymous_id: Option<Cow<'a, str>>,
    /// The caller's time in milliseconds since 1970, if there is one that can be read. `originalTimestamp` stands in for a
    /// missing `timestamp`: RudderStack's clients send it.
    pub timestamp: Option<i64>,
    /// The event's own `sentAt`, likewise; a batch's is not known here.
    pub sent_at: Option<i64>,
    /// The event's own `context`; put it [`Context::over`] what its batch shares.
    pub context: Context<'a>,
    /// The event's own `channel`, on its top level or else in its context.
    pub channel: Option<Cow<'a, str>>,
    pub(crate) item: Item<'a>,
}

impl Facts<'_> {
    /// The id by which order is kept: `userId`, else `anonymousId`.
    pub fn user_key(&self) -> &str {
        self.user_id.as_deref().or(self.anonymous_id.as_deref()).unwrap_or_default()
    }
}

/// Reads one item of a scanned body. `call` is what the request's path names, and wins over the item's `type`.
///
/// # Errors
/// The rule that is broken. Bytes that were never scanned and are no JSON are `NotObject`.
pub fn read(raw: &[u8], call: Option<Call>) -> Result<Facts<'_>, Wrong> {
    if raw.len() > EVENT_BYTES_MAX {
        return Err(Wrong::EventTooLarge);
    }
    let (item, context) = Item::read(raw).ok_or(Wrong::NotObject)?;
    let call = match call {
        Some(call) => call,
        None => item.text(Field::Type).and_then(|name| Call::named(&name)).ok_or(Wrong::TypeUnknown)?,
    };
    let user_id = item.id(Field::UserId)?;
    let anonymous_id = item.id(Field::AnonymousId)?;
    if user_id.is_none() && anonymous_id.is_none() {
        return Err(Wrong::NoUserAnonId);
    }
    item.check(call, user_id.is_some())?;
    let timestamp = item.present(Field::Timestamp).or_else(|| item.present(Field::OriginalTimestamp));
    Ok(Facts {
        call,
        // One that is neither text nor number is no id, and is no reason to lose the event.
        message_id: item.id(Field::MessageId).ok().flatten(),
        user_id,
        anonymous_id,
        timestamp: timestamp.and_then(text).and_then(|time| parse_time(&time)),
        sent_at: item.text(Field::SentAt).and_then(|time| parse_time(&time)),
        channel: item.text(Field::Channel).or_else(|| context.channel.clone()),
        context,
        item,
    })
}

/// The names on an event's top level that mean something to the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    AnonymousId,
    Category,
    Channel,
    Context,
    Event,
    GroupId,
    Integrations,
    MessageId,
    Name,
    OriginalTimestamp,
    PreviousId,
    ProjectId,
    Properties,
    ReceivedAt,
    SentAt,
    Timestamp,
    Traits,
    Type,
    UserId,
    Version,
    WriteKey,
    /// The customer's own.
    Other,
}

const FIELDS: usize = Field::Other as usize;

impl Field {
    pub fn name(self) -> &'static str {
        match self {
            Self::AnonymousId => "anonymousId",
            Self::Category => "category",
            Self::Channel => "channel",
            Self::Context => "context",
            Self::Event => "event",
            Self::GroupId => "groupId",
            Self::Integrations => "integrations",
            Self::MessageId => "messageId",
            Self::Name => "name",
            Self::OriginalTimestamp => "originalTimestamp",
            Self::PreviousId => "previousId",
            Self::ProjectId => "projectId",
            Self::Properties => "properties",
            Self::ReceivedAt => "receivedAt",
            Self::SentAt => "sentAt",
            Self::Timestamp => "timestamp",
            Self::Traits => "traits",
            Self::Type => "type",
            Self::UserId => "userId",
            Self::Version => "version",
            Self::WriteKey => "writeKey",
            Self::Other => "",
        }
    }

    fn named(name: &[u8]) -> Self {
        match name {
            b"anonymousId" => Self::AnonymousId,
            b"category" => Self::Category,
            b"channel" => Self::Channel,
            b"context" => Self::Context,
            b"event" => Self::Event,
            b"groupId" => Self::GroupId,
            b"integrations" => Self::Integrations,
            b"messageId" => Self::MessageId,
            b"name" => Self::Name,
            b"originalTimestamp" => Self::OriginalTimestamp,
            b"previousId" => Self::PreviousId,
            b"projectId" => Self::ProjectId,
            b"properties" => Self::Properties,
            b"receivedAt" => Self::ReceivedAt,
            b"sentAt" => Self::SentAt,
            b"timestamp" => Self::Timestamp,
            b"traits" => Self::Traits,
            b"type" => Self::Type,
            b"userId" => Self::UserId,
            b"version" => Self::Version,
            b"writeKey" => Self::WriteKey,
            _ => Self::Other,
        }
    }
}

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
    fn read(raw: &'a [u8]) -> Option<(Self, Context<'a>)> {
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

    fn text(&self, field: Field) -> Option<Cow<'a, str>> {
        self.get(field).and_then(text)
    }

    /// An id that is there and not empty; a number's spelling.
    fn id(&self, field: Field) -> Result<Option<Cow<'a, str>>, Wrong> {
        let Some(raw) = self.present(field) else { return Ok(None) };
        if is_number(raw) {
            return Ok(Some(decode(raw, false)));
        }
        let id = text(raw).ok_or(Wrong::IdNotString)?;
        Ok(Some(id).filter(|id| !id.is_empty()))
    }

    /// The rules of each call.
    fn check(&self, call: Call, has_user_id: bool) -> Result<(), Wrong> {
        match call {
            Call::Track => {
                let event = self.present(Field::Event).ok_or(Wrong::EventNotDefined)?;
                if !event.starts_with(b"\"") {
                    return Err(Wrong::EventNotString);
                }
                if event == br#""""# {
                    return Err(Wrong::EventNotDefined);
                }
                self.check_object(Field::Properties, Wrong::PropertiesNotObject)
            }
            Call::Identify => self.check_object(Field::Traits, Wrong::TraitsNotObject),
            Call::Page | Call::Screen => {
                self.check_name(Field::Name, Wrong::NameNotString)?;
                self.check_name(Field::Category, Wrong::CategoryNotString)?;
                self.check_object(Field::Properties, Wrong::PropertiesNotObject)
            }
            Call::Group => {
                self.id(Field::GroupId)?.ok_or(Wrong::IdRequired)?;
                self.check_object(Field::Traits, Wrong::TraitsNotObject)
            }
            Call::Alias => {
                self.id(Field::PreviousId)?;
                if has_user_id { Ok(()) } else { Err(Wrong::IdRequired) }
            }
        }
    }

    fn check_object(&self, field: Field, wrong: Wrong) -> Result<(), Wrong> {
        match self.present(field) {
            Some(raw) if !raw.starts_with(b"{") && !is_empty_list(raw) => Err(wrong),
            _ => Ok(()),
        }
    }

    fn check_name(&self, field: Field, wrong: Wrong) -> Result<(), Wrong> {
        match self.present(field) {
            Some(raw) if !raw.starts_with(b"\"") || raw == br#""""# => Err(wrong),
            _ => Ok(()),
        }
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
