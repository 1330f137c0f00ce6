//! One item: an event, or what is wrong with it.
//!
//! - `null` is as good as absent, and an empty id as none.
//! - An empty list where an object is meant is an empty object: PHP cannot tell them apart.
//! - A number given as an id is taken as its spelling; any other id that is no text is refused.
//! - Whatever no rule names is not looked at.

use crate::item::{Field, Item, is_empty_list, is_number};
use crate::text::{decode, text};
use crate::time::parse_time;
use crate::{Call, Context, EVENT_BYTES_MAX};
use std::borrow::Cow;

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

impl<'a> Item<'a> {
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
