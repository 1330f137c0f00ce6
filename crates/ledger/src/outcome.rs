//! The balance sheet's words: one enum that frames, metric labels, API fields and console columns share.

/// What process decided about one accepted event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Kept: it is in the event log, and every consumer gets it.
    Kept = 0,
    /// An event of the same source with the same messageId and a lower position is inside the dedup window.
    Duplicate = 1,
    /// Not an event: what is wrong is its [`Reason`].
    Invalid = 2,
    /// Refused by a tracking plan or by suppression.
    Blocked = 3,
    /// Left out by a filter of its source.
    Filtered = 4,
}

impl Outcome {
    pub const ALL: [Self; 5] = [Self::Kept, Self::Duplicate, Self::Invalid, Self::Blocked, Self::Filtered];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
            Self::Blocked => "blocked",
            Self::Filtered => "filtered",
        }
    }

    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// Why an event is not `Kept`. The codes are Segment's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Nothing to say: the event is kept, or it is a duplicate.
    None = 0,
    /// Not a JSON object.
    NotObject = 1,
    /// Larger than 32 KiB as received.
    EventTooLarge = 2,
    /// Beyond the 2,500th event of its batch.
    BatchTooLong = 3,
    /// `type` is missing or is none of the six calls.
    TypeUnknown = 4,
    /// Neither `userId` nor `anonymousId`.
    NoUserAnonId = 5,
    /// alias without `userId`, group without `groupId`.
    IdRequired = 6,
    /// An id that is neither a string nor a number.
    IdNotString = 7,
    EventNotDefined = 8,
    EventNotString = 9,
    PropertiesNotObject = 10,
    TraitsNotObject = 11,
    NameNotString = 12,
    CategoryNotString = 13,
    /// The sealing key of its workspace was destroyed before it was decided.
    KeyDestroyed = 14,
    /// Its source was deleted before it was decided.
    SourceGone = 15,
    /// Its `userId` is on the workspace's or the source's suppression list.
    Suppressed = 16,
}

impl Reason {
    pub const ALL: [Self; 17] = [
        Self::None,
        Self::NotObject,
        Self::EventTooLarge,
        Self::BatchTooLong,
        Self::TypeUnknown,
        Self::NoUserAnonId,
        Self::IdRequired,
        Self::IdNotString,
        Self::EventNotDefined,
        Self::EventNotString,
        Self::PropertiesNotObject,
        Self::TraitsNotObject,
        Self::NameNotString,
        Self::CategoryNotString,
        Self::KeyDestroyed,
        Self::SourceGone,
        Self::Suppressed,
    ];

    /// The stable code, for example `no_user_anon_id`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NotObject => "not_object",
            Self::EventTooLarge => "event_too_large",
            Self::BatchTooLong => "batch_too_long",
            Self::TypeUnknown => "type_unknown",
            Self::NoUserAnonId => "no_user_anon_id",
            Self::IdRequired => "id_required",
            Self::IdNotString => "id_not_string",
            Self::EventNotDefined => "event_not_defined",
            Self::EventNotString => "event_not_string",
            Self::PropertiesNotObject => "properties_not_object",
            Self::TraitsNotObject => "traits_not_object",
            Self::NameNotString => "name_not_string",
            Self::CategoryNotString => "category_not_string",
            Self::KeyDestroyed => "key_destroyed",
            Self::SourceGone => "source_gone",
            Self::Suppressed => "suppressed",
        }
    }

    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}
