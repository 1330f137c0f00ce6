//! Why a request is refused, in the words that SDKs and their users read.

use domicile_event::{BATCH_BYTES_MAX, EVENT_BYTES_MAX, ScanError, Wrong};
use domicile_region::RegionId;
use http::StatusCode;
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

/// Seconds to wait that SDKs understand: 0 counts as absent for some, more than 300 is capped by others.
const WAIT_S_MAX: u64 = 300;
/// After a 503: the disk or the budget may have room again soon.
const CANNOT_STORE_S: u64 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidJson(ScanError),
    /// The body begins with a byte order mark.
    ByteOrderMark,
    /// The connection ended before the body did.
    BrokenOff,
    InvalidEncoding(&'static str),
    EventTooLarge,
    BatchTooLarge,
    InvalidEvent(Wrong),
    MissingWriteKey,
    UnknownWriteKey,
    SourceDisabled,
    WrongRegion {
        region: RegionId,
        host: Option<String>,
    },
    WrongIngestPoint {
        host: Option<String>,
    },
    RateLimited(Duration),
    CannotStore(&'static str),
    TooSlow,
    NotFound,
    MethodNotAllowed,
    NoScripts(&'static str),
}

/// The answer's body. `code` and `message` have to be there: some SDKs send a permanent error again without them.
#[derive(Serialize)]
pub(crate) struct RefusalBody<'a> {
    success: bool,
    code: &'static str,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
}

impl Refusal {
    /// The stable code, also a label of the metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidJson(_) | Self::ByteOrderMark | Self::BrokenOff => "invalid_json",
            Self::InvalidEncoding(_) => "invalid_encoding",
            Self::EventTooLarge => "event_too_large",
            Self::BatchTooLarge => "batch_too_large",
            Self::InvalidEvent(_) => "invalid_event",
            Self::MissingWriteKey => "missing_write_key",
            Self::UnknownWriteKey => "unknown_write_key",
            Self::SourceDisabled => "source_disabled",
            Self::WrongRegion { .. } => "wrong_region",
            Self::WrongIngestPoint { .. } => "wrong_ingest_point",
            Self::RateLimited(_) => "rate_limited",
            Self::CannotStore(_) => "cannot_store",
            Self::TooSlow => "too_slow",
            Self::NotFound | Self::NoScripts(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::CannotStore(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Sent again by most SDKs, which is right: the network was slow, not the request wrong.
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::NotFound | Self::NoScripts(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            // Nothing but 400 is dropped by every SDK.
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whole seconds for `Retry-After`, 1 to 300.
    pub fn wait_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited(wait) => {
                let whole = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
                Some(whole.clamp(1, WAIT_S_MAX))
            }
            Self::CannotStore(_) => Some(CANNOT_STORE_S),
            _ => None,
        }
    }

    pub fn body(&self) -> RefusalBody<'_> {
        let (region, host) = match self {
            Self::WrongRegion { region, host } => (Some(region.as_str()), host.as_deref()),
            Self::WrongIngestPoint { host } => (None, host.as_deref()),
            _ => (None, None),
        };
        let reason = match self {
            Self::InvalidEvent(wrong) => Some(reason(*wrong)),
            _ => None,
        };
        RefusalBody { success: false, code: self.code(), message: self.message(), reason, region, host }
    }

    fn message(&self) -> Cow<'static, str> {
        let at = |host: &Option<String>| host.as_ref().map(|host| format!(": send to {host}")).unwrap_or_default();
        match self {
            Self::InvalidJson(error) => error.to_string().into(),
            Self::ByteOrderMark => {
                "the body begins with a byte order mark, which JSON does not allow: write it as UTF-8 without one"
                    .into()
            }
            Self::BrokenOff => "the body broke off before its end".into(),
            Self::InvalidEncoding(what) => (*what).into(),
            Self::EventTooLarge => format!("the event is larger than {EVENT_BYTES_MAX} bytes").into(),
            Self::BatchTooLarge => format!("the batch is larger than {BATCH_BYTES_MAX} bytes uncompressed").into(),
            Self::InvalidEvent(wrong) => sentence(*wrong).into(),
            Self::MissingWriteKey => {
                "no write key: send it as the user name of Basic authorization, or as `writeKey` in the body".into()
            }
            Self::UnknownWriteKey => "no source has this write key".into(),
            Self::SourceDisabled => "the source, or this write key of it, is switched off".into(),
            Self::WrongRegion { region, host } => {
                format!("the write key belongs to region {region}, and its events are taken only there{}", at(host))
                    .into()
            }
            Self::WrongIngestPoint { host } => {
                format!("the source takes events only at its own ingest point{}", at(host)).into()
            }
            Self::RateLimited(_) => "the source sends faster than its limit allows".into(),
            Self::CannotStore(what) => format!("the events cannot be stored just now: {what}").into(),
            Self::TooSlow => "the body came too slowly".into(),
            Self::NotFound => "no such path: events go to /v1/batch, /v1/track and their like".into(),
            Self::MethodNotAllowed => "the path has no such method: `Allow` names those it has".into(),
            Self::NoScripts(what) => (*what).into(),
        }
    }
}

/// The codes are the balance sheet's; a test compares them.
pub(crate) fn reason(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::NotObject => "not_object",
        Wrong::EventTooLarge => "event_too_large",
        Wrong::TypeUnknown => "type_unknown",
        Wrong::NoUserAnonId => "no_user_anon_id",
        Wrong::IdRequired => "id_required",
        Wrong::IdNotString => "id_not_string",
        Wrong::EventNotDefined => "event_not_defined",
        Wrong::EventNotString => "event_not_string",
        Wrong::PropertiesNotObject => "properties_not_object",
        Wrong::TraitsNotObject => "traits_not_object",
        Wrong::NameNotString => "name_not_string",
        Wrong::CategoryNotString => "category_not_string",
    }
}

fn sentence(wrong: Wrong) -> &'static str {
    match wrong {
        Wrong::NotObject => "the event is not a JSON object",
        Wrong::EventTooLarge => "the event is larger than 32 KiB",
        Wrong::TypeUnknown => "`type` is none of track, identify, page, screen, group and alias",
        Wrong::NoUserAnonId => "the event needs a `userId` or an `anonymousId`",
        Wrong::IdRequired => "alias needs a `userId`, group needs a `groupId`",
        Wrong::IdNotString => "an id has to be a non-empty string or a number",
        Wrong::EventNotDefined => "track needs `event`, the event's name",
        Wrong::EventNotString => "`event` has to be a string",
        Wrong::PropertiesNotObject => "`properties` has to be an object",
        Wrong::TraitsNotObject => "`traits` has to be an object",
        Wrong::NameNotString => "`name` has to be a non-empty string",
        Wrong::CategoryNotString => "`category` has to be a non-empty string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_ledger::Reason;

    #[test]
    fn reasons_are_the_balance_sheets_words() {
        for wrong in [
            Wrong::NotObject,
            Wrong::EventTooLarge,
            Wrong::TypeUnknown,
            Wrong::NoUserAnonId,
            Wrong::IdRequired,
            Wrong::IdNotString,
            Wrong::EventNotDefined,
            Wrong::EventNotString,
            Wrong::PropertiesNotObject,
            Wrong::TraitsNotObject,
            Wrong::NameNotString,
            Wrong::CategoryNotString,
        ] {
            assert!(Reason::ALL.iter().any(|known| known.as_str() == reason(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn waits_are_whole_seconds_from_1_to_300() {
        for (wait, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_millis(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(301), 300),
            (Duration::MAX, 300),
        ] {
            assert_eq!(Refusal::RateLimited(wait).wait_s(), Some(seconds), "{wait:?}");
        }
    }

    #[test]
    fn the_body_has_success_code_and_message_and_names_the_right_host() {
        let refusal =
            Refusal::WrongRegion { region: RegionId::new("eu-west"), host: Some("events.eu1.example.com".to_owned()) };
        let body = serde_json::to_string(&refusal.body()).unwrap();
        assert_eq!(
            body,
            r#"{"success":false,"code":"wrong_region","message":"the write key belongs to region eu-west, and its events are taken only there: send to events.eu1.example.com","region":"eu-west","host":"events.eu1.example.com"}"#
        );
    }
}
