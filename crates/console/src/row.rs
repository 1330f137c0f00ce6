//! One event as a line of the list.

use domicile_api::Seen;
use domicile_event::{field, text};
use domicile_ledger::Reason;

/// Characters of an event's JSON that a page shows; a list of the largest events stays a page.
const JSON_CHARS_MAX: usize = 4_000;

/// What a line shows. Everything in it is text to be escaped.
pub(crate) struct Row {
    pub position: String,
    /// `07:59:03.123`, UTC; the whole time is in `received_at`.
    pub time: String,
    pub received_at: String,
    pub source: String,
    /// `track`, or empty where the event is not kept.
    pub call: String,
    /// The event's or page's name.
    pub name: String,
    /// `kept`, `duplicate`…
    pub outcome: &'static str,
    /// Why, or of which position.
    pub note: String,
    pub json: String,
}

impl Row {
    pub fn of(seen: &Seen) -> Self {
        let event = seen.event.as_ref().map_or("", |event| event.get());
        let said = |name: &str| {
            let value = field(event.as_bytes(), &[name]).and_then(text);
            value.map(|value| value.into_owned()).unwrap_or_default()
        };
        let name = Some(said("event")).filter(|name| !name.is_empty()).unwrap_or_else(|| said("name"));
        let note = match (seen.first, seen.reason) {
            (Some(first), _) => format!("of {first}"),
            (None, Reason::None) => String::new(),
            (None, reason) => reason.as_str().to_owned(),
        };
        let time = seen.received_at.get(11..23).unwrap_or(&seen.received_at);
        Self {
            position: seen.position.to_string(),
            time: time.to_owned(),
            received_at: seen.received_at.clone(),
            source: seen.source_slug.clone(),
            call: said("type"),
            name,
            outcome: seen.outcome.as_str(),
            note,
            json: cut(event),
        }
    }
}

fn cut(json: &str) -> String {
    match json.char_indices().nth(JSON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &json[..end]),
        None => json.to_owned(),
    }
}
