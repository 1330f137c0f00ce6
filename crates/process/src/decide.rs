//! The decision about one request: what is an event, which events are new, and what they look like when they leave.
//!
//! ```text
//! Accepted + Snapshot ── read ──► Reading ── keys ──► the index ── found ──► decide ──► Decided
//! ```
//!
//! - Pure: no clock, no randomness, no state. The same request, configuration and answers give the same decision, so that
//!   a replay decides the same.
//! - The first position wins, inside one request too.
//! - An event that is blocked makes later ones with its messageId duplicates, as one that is kept does: what was refused
//!   once is not taken at the second try. What is invalid has no key, and makes none.
//! - Who is suppressed is asked of the snapshot that the frame is decided under, and the frame carries its version. It is
//!   decided once: after a crash process goes on where the event log ends, and whoever reads what was decided reads that.
//!   The lists of earlier versions are not kept (they would remember users who were let go), so a frame that was lost with
//!   the event log would be decided anew under today's list: whom it has by then is not kept either.

use crate::index::{Key, KeyMap};
use domicile_event::{Additions, BATCH_EVENTS_MAX, Context, Facts, Wrong, read};
use domicile_keys::UserHasher;
use domicile_ledger::{Outcome, Reason};
use domicile_log::{Accepted, Decided, DecidedBuilder, EventKey, Position};
use domicile_workspace::{Snapshot, Source, SourceNumber, UserHash};
use std::fmt::Write as _;
use std::ops::Range;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The libraries that run on the user's own device, by `context.library.name`: the connection's address is the user's,
/// whatever the kind of the source.
const CLIENT_LIBRARIES: [&str; 9] = [
    "analytics.js",
    "analytics-ios",
    "analytics-android",
    "analytics-kotlin",
    "analytics-swift",
    "@segment/analytics-react-native",
    "analytics-react-native",
    "analytics-flutter",
    "analytics_flutter",
];
const CLIENT_CHANNELS: [&str; 2] = ["browser", "mobile"];

/// 16 random bytes that a cell keeps for ever: they make the messageIds that it gives its own.
pub type CellSalt = [u8; 16];

/// A request's events as read, before it is known which of them are new.
pub(crate) struct Reading<'a> {
    accepted: &'a Accepted,
    source: Option<&'a Source>,
    items: Vec<Item<'a>>,
    /// Of the readable items, in order.
    keys: Vec<EventKey>,
}

#[expect(clippy::large_enum_variant, reason = "nearly all items are events")]
enum Item<'a> {
    Event {
        facts: Facts<'a>,
        /// The messageId that was made for an event without one.
        made_id: Option<String>,
    },
    Unreadable(Reason),
}

impl<'a> Reading<'a> {
    /// Reads every item of the request.
    pub(crate) fn of(accepted: &'a Accepted, snapshot: &'a Snapshot, salt: &CellSalt) -> Self {
        let source = snapshot.source_of_frame(accepted.receipt.source).map(|source| &**source);
        let events = usize::try_from(accepted.span.events()).unwrap_or(0);
        let mut reading =
            Self { accepted, source, items: Vec::with_capacity(events), keys: Vec::with_capacity(events) };
        for n in 0..events {
            let item = reading.read_item(n, salt);
            if let Item::Event { facts, made_id } = &item {
                let message_id = made_id.as_deref().or(facts.message_id.as_deref()).unwrap_or_default();
                reading.keys.push(event_key(accepted.receipt.source, message_id));
            }
            reading.items.push(item);
        }
        reading
    }

    fn read_item(&self, n: usize, salt: &CellSalt) -> Item<'a> {
        if self.accepted.erased {
            return Item::Unreadable(Reason::KeyDestroyed);
        }
        if self.source.is_none() {
            return Item::Unreadable(Reason::SourceGone);
        }
        if n >= BATCH_EVENTS_MAX {
            return Item::Unreadable(Reason::BatchTooLong);
        }
        let raw = self.accepted.envelope.items.get(n).and_then(|range| self.raw(range));
        match raw.ok_or(Wrong::NotObject).and_then(|raw| read(raw, self.accepted.receipt.call)) {
            Ok(facts) => {
                let position = self.accepted.span.first.plus(n as u64);
                let made_id = facts.message_id.is_none().then(|| make_message_id(salt, position));
                Item::Event { facts, made_id }
            }
            Err(wrong) => Item::Unreadable(reason(wrong)),
        }
    }

    /// What the index has to be asked about before [`Reading::decide`]: the keys of the readable events, in order.
    pub(crate) fn keys(&self) -> &[EventKey] {
        &self.keys
    }

    /// Decides. `found` has for each of [`Reading::keys`] the earlier event that makes this one a duplicate, if there is one.
    /// `hasher`: the cell's, for the ids of users.
    pub(crate) fn decide(self, found: &[Option<Position>], snapshot: &Snapshot, hasher: &UserHasher) -> Decided {
        let Accepted { span, receipt, log_time, envelope, .. } = self.accepted;
        let mut decided = DecidedBuilder::new(
            *span,
            receipt.source,
            receipt.received_at,
            *log_time,
            snapshot.version,
            receipt.point.clone(),
            receipt.client,
        );
        let shared = |range: &Option<Range<u32>>| range.as_ref().and_then(|range| self.raw(range));
        let additions = Additions {
            received_at: receipt.received_at.0,
            sent_at: shared(&envelope.sent_at),
            context: shared(&envelope.context),
            integrations: shared(&envelope.integrations),
            ip: None,
            message_id: None,
            project_id: self.source.map_or("", |source| source.id.as_str()),
        };
        let shared_context = additions.context.map(Context::read).unwrap_or_default();
        // Nearly all sources suppress nobody: their events' users are not hashed.
        let suppresses =
            self.source.is_some_and(|source| snapshot.suppressed.has_any(source.workspace_number, source.number));
        let mut here = KeyMap::default();
        let mut keyed = self.keys.iter().zip(found.iter().copied().chain(std::iter::repeat(None)));
        for item in &self.items {
            let (facts, made_id) = match item {
                Item::Unreadable(reason) => {
                    decided.drop(Outcome::Invalid, *reason, None, None);
                    continue;
                }
                Item::Event { facts, made_id } => (facts, made_id),
            };
            let Some((key, found)) = keyed.next() else { unreachable!("each event has a key") };
            if let Some(first) = found.or_else(|| here.get(&Key(*key)).copied()) {
                decided.drop(Outcome::Duplicate, Reason::None, Some(*key), Some(first));
                continue;
            }
            here.insert(Key(*key), decided.present());
            if suppresses && self.is_suppressed(facts, snapshot, hasher) {
                decided.drop(Outcome::Blocked, Reason::Suppressed, Some(*key), None);
                continue;
            }
            let ip = receipt.client.filter(|_| self.is_from_client(facts, &shared_context));
            facts.write(decided.out(), &Additions { ip, message_id: made_id.as_deref(), ..additions });
            decided.keep(*key);
        }
        decided.finish()
    }

    /// Whether the event's user is on the list of the workspace or of the source. By `userId` alone: an event that has
    /// only an `anonymousId` is nobody's who could be on a list.
    fn is_suppressed(&self, facts: &Facts<'_>, snapshot: &Snapshot, hasher: &UserHasher) -> bool {
        let (Some(source), Some(user)) = (self.source, facts.user_id.as_deref()) else { return false };
        let hash = UserHash(hasher.hash(source.workspace_number.0, user));
        snapshot.suppressed.has(source.workspace_number, source.number, hash)
    }

    /// Whether the address that the request came from is the user's own.
    fn is_from_client(&self, facts: &Facts<'_>, shared: &Context<'_>) -> bool {
        let either =
            |own: &Option<std::borrow::Cow<'_, str>>, of_batch: &Option<std::borrow::Cow<'_, str>>, known: &[&str]| {
                own.as_deref().or(of_batch.as_deref()).is_some_and(|name| known.contains(&name))
            };
        self.source.is_some_and(|source| source.kind.is_client())
            || facts.context.direct
            || shared.direct
            || either(&facts.context.library_name, &shared.library_name, &CLIENT_LIBRARIES)
            || either(&facts.channel, &shared.channel, &CLIENT_CHANNELS)
    }

    fn raw(&self, range: &Range<u32>) -> Option<&'a [u8]> {
        self.accepted.body().get(range.start as usize..range.end as usize)
    }
}

/// What dedup knows an event by: 80 bits of a hash over its source and its messageId.
pub fn event_key(source: SourceNumber, message_id: &str) -> EventKey {
    let mut hash = Xxh3::new();
    hash.update(&source.0.to_le_bytes());
    hash.update(message_id.as_bytes());
    let hash = hash.digest128().to_be_bytes();
    let mut key = [0; 10];
    key.copy_from_slice(&hash[..10]);
    EventKey(key)
}

/// The messageId of an event that came without one: the same at each replay, another one in each cell.
fn make_message_id(salt: &CellSalt, position: Position) -> String {
    let mut seed = [0; 24];
    seed[..16].copy_from_slice(salt);
    seed[16..].copy_from_slice(&position.0.to_le_bytes());
    let mut id = String::with_capacity(36);
    let _ = write!(id, "dom-{:032x}", xxh3_128(&seed));
    id
}

fn reason(wrong: Wrong) -> Reason {
    match wrong {
        Wrong::NotObject => Reason::NotObject,
        Wrong::EventTooLarge => Reason::EventTooLarge,
        Wrong::TypeUnknown => Reason::TypeUnknown,
        Wrong::NoUserAnonId => Reason::NoUserAnonId,
        Wrong::IdRequired => Reason::IdRequired,
        Wrong::IdNotString => Reason::IdNotString,
        Wrong::EventNotDefined => Reason::EventNotDefined,
        Wrong::EventNotString => Reason::EventNotString,
        Wrong::PropertiesNotObject => Reason::PropertiesNotObject,
        Wrong::TraitsNotObject => Reason::TraitsNotObject,
        Wrong::NameNotString => Reason::NameNotString,
        Wrong::CategoryNotString => Reason::CategoryNotString,
    }
}
