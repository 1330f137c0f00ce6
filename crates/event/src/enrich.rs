//! The finished event: the customer's object with what the pipeline knows put in its places.
//!
//! | field | becomes |
//! | --- | --- |
//! | `writeKey` | taken out |
//! | `type` | the call's name |
//! | `messageId` | as sent, a number as text, or else the pipeline's |
//! | `userId`, `anonymousId`, a group's `groupId`, an alias's `previousId` | as sent, a number as text |
//! | `timestamp` | receivedAt − (sentAt − the caller's time), in UTC with milliseconds |
//! | `originalTimestamp` | the caller's time as sent, or receivedAt |
//! | `sentAt` | the event's own, or its batch's, as sent |
//! | `receivedAt`, `projectId` | the pipeline's |
//! | `version` | as sent, or 2 |
//! | `context`, `integrations` | the event's own keys and those of its batch that it lacks; `context.ip` filled in |
//! | `properties`, `traits` | as sent; `[]` becomes `{}` |
//! | anything else | as sent, byte for byte, but for what [`crate::repair`] mends |
//!
//! A field that the event has keeps its place; the others follow behind, always in the same order.

use crate::item::{Field, Member, is_empty_list, is_number};
use crate::repair::mended;
use crate::text::{json_string, text};
use crate::time::{Stamp, parse_time};
use crate::{Call, Context, Facts, merge};
use std::borrow::Cow;
use std::net::IpAddr;

/// What the pipeline adds to an event. Raw values are JSON as scanned.
#[derive(Clone, Copy)]
pub struct Additions<'a> {
    /// When the request had been read, in milliseconds since 1970: `receivedAt`.
    pub received_at: i64,
    /// The batch's `sentAt`, for events that have none of their own.
    pub sent_at: Option<&'a [u8]>,
    /// The batch's `context`; the event's own keys win.
    pub context: Option<&'a [u8]>,
    /// The batch's `integrations`; the event's own keys win.
    pub integrations: Option<&'a [u8]>,
    /// Becomes `context.ip` if neither the event nor its batch has one.
    pub ip: Option<IpAddr>,
    /// Becomes `messageId` if the event has none.
    pub message_id: Option<&'a str>,
    /// The source's id: `projectId`.
    pub project_id: &'a str,
}

impl Facts<'_> {
    /// Appends the finished event to `out`: one JSON object on one line, without a line break at its end.
    pub fn write(&self, out: &mut Vec<u8>, add: &Additions<'_>) {
        out.reserve(self.item.raw.len() + 512);
        out.push(b'{');
        let mut writer = Writer { facts: self, add, out, empty: true, timestamp: self.corrected(add) };
        writer.own_members();
        writer.missing_members();
        out.push(b'}');
    }

    /// The event's time: the caller's, less what the client's clock was wrong by when it sent.
    fn corrected(&self, add: &Additions<'_>) -> i64 {
        let Some(timestamp) = self.timestamp else { return add.received_at };
        let shared = || add.sent_at.and_then(text).and_then(|time| parse_time(&time));
        match self.sent_at.or_else(shared) {
            Some(sent_at) => add.received_at.saturating_sub(sent_at.saturating_sub(timestamp)),
            None => timestamp,
        }
    }
}

/// What to do with a member that the customer sent.
enum Fate {
    Keep,
    Drop,
    Replace,
}

struct Writer<'w, 'a> {
    facts: &'w Facts<'a>,
    add: &'w Additions<'w>,
    out: &'w mut Vec<u8>,
    /// Whether nothing stands behind the opening brace yet.
    empty: bool,
    timestamp: i64,
}

impl<'w> Writer<'w, '_> {
    fn own_members(&mut self) {
        let item = &self.facts.item;
        // Neighbours that are kept are copied in one piece, with what stands between them.
        let mut run = 0..0;
        for member in &item.members {
            let fate = self.fate(*member);
            if let Fate::Keep = fate {
                if run.is_empty() {
                    run.start = member.start as usize;
                }
                run.end = member.value_end as usize;
                continue;
            }
            self.copy(std::mem::take(&mut run));
            if let Fate::Replace = fate {
                self.field(member.field);
            }
        }
        self.copy(run);
    }

    /// Copies whole members.
    fn copy(&mut self, members: std::ops::Range<usize>) {
        if !members.is_empty() {
            self.comma();
            self.facts.item.edits.copy(self.out, self.facts.item.raw, members);
        }
    }

    fn missing_members(&mut self) {
        const ALWAYS: [Field; 10] = [
            Field::MessageId,
            Field::Type,
            Field::Context,
            Field::Integrations,
            Field::Timestamp,
            Field::OriginalTimestamp,
            Field::SentAt,
            Field::ReceivedAt,
            Field::Version,
            Field::ProjectId,
        ];
        for field in ALWAYS {
            let unknown = match field {
                Field::SentAt => self.shared_sent_at().is_none(),
                Field::MessageId => self.add.message_id.is_none(),
                _ => false,
            };
            if !unknown && self.facts.item.get(field).is_none() {
                self.field(field);
            }
        }
    }

    fn fate(&self, member: Member) -> Fate {
        let raw = self.facts.item.raw.get(member.value()).unwrap_or_default();
        let replace_if = |wrong: bool| if wrong { Fate::Replace } else { Fate::Keep };
        match member.field {
            Field::Other | Field::Channel | Field::Event | Field::Name | Field::Category => Fate::Keep,
            Field::WriteKey => Fate::Drop,
            Field::Timestamp | Field::ReceivedAt | Field::ProjectId => Fate::Replace,
            Field::OriginalTimestamp => {
                replace_if(raw == b"null" || self.facts.item.present(Field::Timestamp).is_some())
            }
            Field::UserId | Field::AnonymousId => replace_if(is_number(raw)),
            Field::GroupId => replace_if(self.facts.call == Call::Group && is_number(raw)),
            Field::PreviousId => replace_if(self.facts.call == Call::Alias && is_number(raw)),
            Field::MessageId => match &self.facts.message_id {
                Some(_) => replace_if(is_number(raw)),
                None if self.add.message_id.is_some() => Fate::Replace,
                None => Fate::Drop,
            },
            Field::Type => replace_if(
                raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\""))
                    != Some(self.facts.call.as_str().as_bytes()),
            ),
            Field::SentAt => replace_if(raw == b"null" && self.shared_sent_at().is_some()),
            Field::Version => replace_if(raw == b"null"),
            Field::Properties | Field::Traits => replace_if(is_empty_list(raw)),
            Field::Context => replace_if(self.add.context.is_some() || self.ip().is_some() || is_absent_object(raw)),
            Field::Integrations => replace_if(self.add.integrations.is_some() || is_absent_object(raw)),
        }
    }

    /// Writes one field with its name.
    fn field(&mut self, field: Field) {
        self.comma();
        let item = &self.facts.item;
        let own = item.get(field);
        self.out.push(b'"');
        self.out.extend_from_slice(field.name());
        self.out.extend_from_slice(b"\":");
        match field {
            Field::Type => json_string(self.out, self.facts.call.as_str()),
            Field::Timestamp => self.stamp(self.timestamp),
            Field::OriginalTimestamp => match item.mended(Field::Timestamp).filter(|raw| **raw != *b"null") {
                Some(raw) => self.out.extend_from_slice(&raw),
                None => self.stamp(self.add.received_at),
            },
            Field::ReceivedAt => self.stamp(self.add.received_at),
            Field::SentAt => self.out.extend_from_slice(&mended(self.shared_sent_at().unwrap_or(b"null"))),
            Field::ProjectId => json_string(self.out, self.add.project_id),
            Field::Version => self.out.push(b'2'),
            Field::MessageId if self.facts.message_id.is_none() => {
                json_string(self.out, self.add.message_id.unwrap_or_default());
            }
            Field::MessageId | Field::UserId | Field::AnonymousId | Field::GroupId | Field::PreviousId => {
                // Only numbers come here; their spelling needs no escape.
                self.out.push(b'"');
                self.out.extend_from_slice(own.unwrap_or_default());
                self.out.push(b'"');
            }
            Field::Context => self.merged(field, self.add.context, self.ip()),
            Field::Integrations => self.merged(field, self.add.integrations, None),
            _ => self.out.extend_from_slice(b"{}"),
        }
    }

    /// The address to put in, if the event has none of its own.
    fn ip(&self) -> Option<IpAddr> {
        self.add.ip.filter(|_| !self.facts.context.ip)
    }

    fn merged(&mut self, field: Field, shared: Option<&[u8]>, ip: Option<IpAddr>) {
        let own = self.facts.item.mended(field).unwrap_or(Cow::Borrowed(b"null"));
        let shared = shared.map(mended);
        let shared_ip = ip.is_some() && shared.as_ref().is_some_and(|shared| Context::read(shared).ip);
        let ip = ip.filter(|_| !shared_ip);
        let ip_is_null = ip.is_some() && self.facts.context.ip_is_null;
        merge::write(self.out, &own, shared.as_deref(), ip, ip_is_null);
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }

    fn stamp(&mut self, ms: i64) {
        self.out.push(b'"');
        self.out.extend_from_slice(Stamp::of(ms).as_bytes());
        self.out.push(b'"');
    }

    fn shared_sent_at(&self) -> Option<&'w [u8]> {
        self.add.sent_at.filter(|raw| *raw != b"null")
    }
}

/// Whether a value that should be an object stands for an absent or empty one.
fn is_absent_object(raw: &[u8]) -> bool {
    raw == b"null" || is_empty_list(raw)
}
