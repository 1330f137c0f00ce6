//! What the archives hold, against what the clients say they sent.

use crate::archive::Archive;
use crate::client::Sent;
use crate::json::Json;
use crate::tally::Tally;
use std::collections::{HashMap, HashSet};
use std::path::Path;

pub const REGIONS: [&str; 2] = ["us-west", "eu-west"];

/// One client's events and where they belong.
pub struct Expected {
    /// `node to us-west/oregon`
    pub name: String,
    pub region: &'static str,
    pub source_id: String,
    pub sent: Vec<Sent>,
    /// What `context.ip` must be where the event did not say so itself; `None`: not looked at.
    pub ip: Option<&'static str>,
}

struct KeptEvent {
    region: &'static str,
    source_id: String,
    event: Json,
}

/// Every archived event of all regions, by its id.
pub struct Kept {
    archives: Vec<(&'static str, Archive)>,
    events: HashMap<String, Vec<KeptEvent>>,
}

impl Kept {
    pub fn of(data: &Path) -> Self {
        Self::in_regions(data, &REGIONS)
    }

    pub fn in_regions(data: &Path, regions: &[&'static str]) -> Self {
        let archives = regions.iter().map(|region| (*region, Archive::of(data, region))).collect();
        Self { archives, events: HashMap::new() }
    }

    /// An event that is there once.
    pub fn event(&self, message_id: &str) -> Option<&Json> {
        match self.events.get(message_id)?.as_slice() {
            [kept] => Some(&kept.event),
            _ => None,
        }
    }

    /// Reads what has come since the last call; how many of the expected events are still missing.
    pub fn read(&mut self, expected: &[Expected]) -> Result<usize, String> {
        for (region, archive) in &mut self.archives {
            for file in archive.new_files()? {
                file.lines(|line| {
                    let event = Json::parse(line).map_err(|error| error.to_string())?;
                    let id =
                        event.get("messageId").and_then(Json::text).ok_or("an event without a messageId")?.to_owned();
                    let kept = KeptEvent { region, source_id: file.source.clone(), event };
                    self.events.entry(id).or_default().push(kept);
                    Ok(())
                })?;
            }
        }
        Ok(expected.iter().flat_map(|one| &one.sent).filter(|sent| !self.events.contains_key(&sent.message_id)).count())
    }

    /// The checks of one client's events.
    pub fn check(&self, tally: &mut Tally, expected: &Expected) {
        let name = &expected.name;
        let count = expected.sent.len();
        let each = |holds: &dyn Fn(&Sent, &[KeptEvent]) -> Option<String>| {
            let broken: Vec<_> = expected
                .sent
                .iter()
                .filter_map(|sent| {
                    let kept = self.events.get(&sent.message_id).map_or(&[][..], Vec::as_slice);
                    holds(sent, kept).map(|why| format!("{}{}: {why}", kind(&sent.event), sent.message_id))
                })
                .collect();
            match broken.len() {
                0 => Ok(()),
                n => Err(format!("{n} of {count}:\n          {}", broken[..n.min(5)].join("\n          "))),
            }
        };
        tally.check(
            format!("{name}: {count} events, each once"),
            each(&|_, kept| match kept.len() {
                1 => None,
                n => Some(format!("{n} times in the archives")),
            }),
        );
        tally.check(
            format!("{name}: all in their region, under their source"),
            each(&|_, kept| {
                let stray =
                    kept.iter().find(|kept| kept.region != expected.region || kept.source_id != expected.source_id)?;
                Some(format!("is in {} under {}", stray.region, stray.source_id))
            }),
        );
        tally.check(
            format!("{name}: what was sent is unchanged"),
            each(&|sent, kept| kept.iter().find_map(|kept| changed(&sent.event, &kept.event))),
        );
        tally.check(
            format!("{name}: times and address added, no key kept"),
            each(&|_, kept| kept.iter().find_map(|kept| not_completed(&kept.event, expected.ip))),
        );
    }

    /// Nothing is in an archive that no client sent.
    pub fn check_nothing_else(&self, tally: &mut Tally, expected: &[Expected]) {
        let sent: HashSet<_> = expected.iter().flat_map(|one| &one.sent).map(|sent| sent.message_id.as_str()).collect();
        let stranger = self.events.keys().find(|id| !sent.contains(id.as_str()));
        let outcome = stranger.map_or(Ok(()), |id| Err(format!("{id} was sent by nobody")));
        tally.check("the archives hold nothing else", outcome);
    }
}

/// Every member comes back equal; `context` and `integrations` may have gained members.
fn changed(sent: &Json, kept: &Json) -> Option<String> {
    let Json::Object(members) = sent else { return Some("is not an object".to_owned()) };
    members.iter().find_map(|(name, sent)| {
        let kept = kept.get(name).unwrap_or(&Json::Null);
        let at = if matches!(name.as_str(), "context" | "integrations") {
            sent.not_within(kept)
        } else {
            sent.difference(kept)
        };
        at.map(|at| format!("{name}{at}"))
    })
}

fn not_completed(kept: &Json, ip: Option<&str>) -> Option<String> {
    for name in ["receivedAt", "timestamp"] {
        match kept.get(name).and_then(Json::text) {
            Some(time) if time.len() >= 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T' => {}
            _ => return Some(format!("{name} is {}", kept.get(name).unwrap_or(&Json::Null))),
        }
    }
    if kept.get("writeKey").is_some() {
        return Some("the write key was kept".to_owned());
    }
    let found = kept.get("context").and_then(|context| context.get("ip"));
    match ip {
        Some(ip) if found.and_then(Json::text) != Some(ip) => {
            Some(format!("context.ip is {}", found.unwrap_or(&Json::Null)))
        }
        _ => None,
    }
}

fn kind(event: &Json) -> String {
    let word = |name| event.get(name).and_then(Json::text).map(|text| format!("{text} ")).unwrap_or_default();
    format!("{}{}", word("type"), word("event"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(sent: &str, kept: &str) -> Option<String> {
        changed(&Json::parse(sent).unwrap(), &Json::parse(kept).unwrap())
    }

    #[test]
    fn an_event_may_gain_members_at_its_top_and_in_its_context_and_nowhere_else() {
        let kept =
            r#"{"type":"track","properties":{"n":1},"context":{"ip":"203.0.113.7","library":{}},"receivedAt":""}"#;
        for (sent, change_at) in [
            (r#"{"type":"track","properties":{"n":1.0},"context":{"ip":"203.0.113.7"}}"#, None),
            (r#"{"userId":null}"#, None),
            (r#"{"type":"page"}"#, Some(r#"type was "page", is "track""#)),
            (r#"{"properties":{}}"#, Some("properties.n was not sent, is 1")),
            (r#"{"context":{"ip":"203.0.113.8"}}"#, Some(r#"context.ip was "203.0.113.8", is "203.0.113.7""#)),
            (r#"{"traits":{}}"#, Some("traits was an object of 0, is null")),
        ] {
            assert_eq!(change(sent, kept).as_deref(), change_at, "{sent}");
        }
    }

    #[test]
    fn an_event_without_its_times_or_with_its_key_is_not_complete() {
        let times = r#""receivedAt":"2026-11-23T10:00:00.000Z","timestamp":"2026-11-23T10:00:00.000Z""#;
        let kept = |members: &str| Json::parse(&format!("{{{members}}}")).unwrap();
        assert_eq!(not_completed(&kept(times), None), None);
        assert_eq!(not_completed(&kept(r#""receivedAt":"yesterday""#), None).unwrap(), "receivedAt is \"yesterday\"");
        assert_eq!(
            not_completed(&kept(&format!(r#"{times},"writeKey":"k""#)), None).unwrap(),
            "the write key was kept"
        );
        assert_eq!(not_completed(&kept(times), Some("127.0.0.1")).unwrap(), "context.ip is null");
    }
}
