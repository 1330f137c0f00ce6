//! The same requests in four regions, and the same answers: no region has limits, refusals or features of its own.
//!
//! Method: the steps below are taken in each region in their order, with one source of its demo workspace. In an answer the names
//! that differ from region to region are replaced: `OWN` and `OTHER` are the hosts of the region's two points (the source's events go to
//! the first), `ABROAD` is a point of the next region.

use crate::archive::await_archived;
use crate::client::Sent;
use crate::http::{Answer, Connection};
use crate::json::Json;
use crate::kept::{Expected, Kept};
use crate::tally::Tally;
use crate::up::{Demo, Home, Source};
use serde_json::Value;

struct Region {
    name: &'static str,
    own: &'static str,
    other: &'static str,
}

/// Those of `regions.yml`.
const REGIONS: [Region; 4] = [
    Region { name: "us-west", own: "oregon", other: "singapore" },
    Region { name: "eu-west", own: "dublin", other: "frankfurt" },
    Region { name: "ch-central", own: "zurich", other: "geneva" },
    Region { name: "au-east", own: "sydney", other: "auckland" },
];

struct Step {
    promise: &'static str,
    ask: Ask,
    answer: &'static str,
}

enum Ask {
    /// `PATCH /api/sources/{id}`
    Change(&'static str),
    /// `GET /v1/projects/{key}/settings`: where it says that events go.
    Settings(At),
    /// An event, or so many in a batch, with an id of its own each.
    Event(At),
    Events(At, usize),
    /// An event of so many bytes.
    Large(At, usize),
    /// Something that is no event: path, and what is sent.
    Bytes(At, &'static str, &'static [u8]),
    /// An event with another key.
    Key(&'static str),
}

#[derive(Clone, Copy)]
enum At {
    Own,
    Other,
    Abroad,
}

const fn step(promise: &'static str, ask: Ask, answer: &'static str) -> Step {
    Step { promise, ask, answer }
}

const TAKEN: &str = r#"200 {"success":true}"#;
const ELSEWHERE: &str = r#"400 {"success":false,"code":"wrong_ingest_point","message":"the source takes events only at its own ingest point: send to OWN","host":"OWN"}"#;
const LIMITED: &str = r#"429 in a while {"success":false,"code":"rate_limited","message":"the source sends faster than its limit allows"}"#;

const STEPS: &[Step] = &[
    step("an event is taken at the source's own point", Ask::Event(At::Own), TAKEN),
    step("and at another one of its region", Ask::Event(At::Other), TAKEN),
    step(
        "another region names the right one and its host",
        Ask::Event(At::Abroad),
        r#"400 {"success":false,"code":"wrong_region","message":"the write key belongs to region REGION, and its events are taken only there: send to OWN","region":"REGION","host":"OWN"}"#,
    ),
    step("settings name the source's own point", Ask::Settings(At::Own), "200 OWN/v1"),
    step("also when the other point is asked", Ask::Settings(At::Other), "200 OWN/v1"),
    step("a source becomes strict", Ask::Change(r#"{"strict":true}"#), "200"),
    step("strict: its own point takes an event", Ask::Event(At::Own), TAKEN),
    step("strict: another point names its own", Ask::Event(At::Other), ELSEWHERE),
    step("strict: a batch is refused as a whole", Ask::Events(At::Other, 3), ELSEWHERE),
    step("strict: the other point can become its own", Ask::Change(r#"{"ingestionRegion":"OTHER"}"#), "200"),
    step("strict: and then takes an event", Ask::Event(At::Other), TAKEN),
    step("and back", Ask::Change(r#"{"ingestionRegion":"OWN","strict":false}"#), "200"),
    step(
        "a point of another region can not be chosen",
        Ask::Change(r#"{"ingestionRegion":"ABROAD"}"#),
        "422 ingestionRegion",
    ),
    step("strict is true or false", Ask::Change(r#"{"strict":"yes"}"#), "422 strict"),
    step(
        "a limit of one event a second, two at once",
        Ask::Change(r#"{"rateLimit":{"perSecond":1,"burst":2}}"#),
        "200",
    ),
    step("limit: a large batch passes a rested source, and is paid off", Ask::Events(At::Own, 60), TAKEN),
    step("limit: what follows is told when to come back", Ask::Event(At::Own), LIMITED),
    step("limit: the points of a region share it", Ask::Event(At::Other), LIMITED),
    step("limit: it needs both numbers", Ask::Change(r#"{"rateLimit":{"perSecond":1}}"#), "422 rateLimit.burst"),
    step("a limit is taken away", Ask::Change(r#"{"rateLimit":null}"#), "200"),
    step("and then an event passes", Ask::Event(At::Own), TAKEN),
    step("a source is switched off", Ask::Change(r#"{"enabled":false}"#), "200"),
    step(
        "off: its events are refused",
        Ask::Event(At::Own),
        r#"400 {"success":false,"code":"source_disabled","message":"the source, or this write key of it, is switched off"}"#,
    ),
    step("a source is switched on", Ask::Change(r#"{"enabled":true}"#), "200"),
    step(
        "a key of nobody",
        Ask::Key("nobody"),
        r#"400 {"success":false,"code":"unknown_write_key","message":"no source has this write key"}"#,
    ),
    step(
        "no key",
        Ask::Key(""),
        r#"400 {"success":false,"code":"missing_write_key","message":"no write key: send it as the user name of Basic authorization, or as `writeKey` in the body"}"#,
    ),
    step("an event of 32 KiB", Ask::Large(At::Other, 32 * 1024), TAKEN),
    step(
        "a larger event",
        Ask::Large(At::Own, 32 * 1024 + 1),
        r#"400 {"success":false,"code":"event_too_large","message":"the event is larger than 32768 bytes"}"#,
    ),
    step("no JSON", Ask::Bytes(At::Own, "/v1/batch", b"{\"batch\":["), "400 invalid_json"),
    step("no event", Ask::Bytes(At::Own, "/v1/track", b"{\"userId\":\"ada\"}"), "400 invalid_event"),
    step("no such path", Ask::Bytes(At::Own, "/v1/batches", b"{}"), "404 not_found"),
    step("all is well afterwards", Ask::Event(At::Other), TAKEN),
];

pub fn same_in_every_region(tally: &mut Tally, home: &Home) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut places = REGIONS.iter().map(|region| Place::of(&demo, region)).collect::<Result<Vec<_>, _>>()?;
    for (n, step) in STEPS.iter().enumerate() {
        let different: Vec<_> = places
            .iter_mut()
            .filter_map(|place| match place.ask(n, &step.ask) {
                Ok(answer) if answer == step.answer => None,
                Ok(answer) => Some(format!("{}: {answer}", place.region.name)),
                Err(error) => Some(format!("{}: {error}", place.region.name)),
            })
            .collect();
        let outcome = match different.as_slice() {
            [] => Ok(()),
            _ => Err(format!("wanted {}\n          {}", step.answer, different.join("\n          "))),
        };
        tally.check(format!("{} regions: {}", places.len(), step.promise), outcome);
    }

    let expected: Vec<_> = places.into_iter().map(Place::expected).collect();
    let mut kept = Kept::in_regions(&home.data, &REGIONS.map(|region| region.name));
    tally.check("what was taken comes to the archives", await_archived(home, up, || kept.read(&expected)));
    for one in &expected {
        kept.check(tally, one);
    }
    kept.check_nothing_else(tally, &expected);
    Ok(())
}

/// One region under test.
struct Place<'a> {
    demo: &'a Demo,
    region: &'static Region,
    abroad: &'static Region,
    source: Source<'a>,
    taken: Vec<Sent>,
}

impl<'a> Place<'a> {
    fn of(demo: &'a Demo, region: &'static Region) -> Result<Self, String> {
        let next = REGIONS.iter().position(|known| known.name == region.name).map_or(0, |n| (n + 1) % REGIONS.len());
        let source = demo.source(region.name, "web")?;
        Ok(Self { demo, region, abroad: &REGIONS[next], source, taken: Vec::new() })
    }

    /// Takes a step; the answer, with names in place of this region's own.
    fn ask(&mut self, n: usize, ask: &Ask) -> Result<String, String> {
        let name = self.region.name;
        let event = |m: usize, more: &str| {
            format!(r#"{{"type":"track","messageId":"answers-{name}-{n}-{m}","userId":"ada","event":"Seen"{more}}}"#)
        };
        let key = self.source.key;
        match *ask {
            Ask::Change(change) => {
                let names = [("OWN", self.region.own), ("OTHER", self.region.other), ("ABROAD", self.abroad.own)];
                let change = names.iter().fold(change.to_owned(), |change, (name, point)| change.replace(name, point));
                let answer = self.demo.change_source(self.region.name, "web", &change)?;
                let field = serde_json::from_slice::<Value>(&answer.body)
                    .ok()
                    .and_then(|body| body.pointer("/errors/0/field")?.as_str().map(|field| format!(" {field}")));
                Ok(format!("{}{}", answer.status, field.unwrap_or_default()))
            }
            Ask::Settings(at) => {
                let answer = self.request(at, "GET", &format!("/v1/projects/{key}/settings"), key, b"")?;
                let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
                let host = body.pointer("/integrations/Segment.io/apiHost").and_then(Value::as_str);
                self.with_names(&format!("{} {}", answer.status, host.unwrap_or("no apiHost")))
            }
            Ask::Event(at) => self.send(at, "/v1/track", vec![event(0, "")]),
            Ask::Events(at, count) => self.send(at, "/v1/batch", (0..count).map(|m| event(m, "")).collect()),
            Ask::Large(at, bytes) => {
                let with =
                    |padding: usize| event(0, &format!(r#","properties":{{"padding":"{}"}}"#, "x".repeat(padding)));
                self.send(at, "/v1/track", vec![with(bytes - with(0).len())])
            }
            Ask::Bytes(at, path, bytes) => {
                let answer = self.request(at, "POST", path, key, bytes)?;
                let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
                Ok(format!("{} {}", answer.status, body["code"].as_str().unwrap_or("no code")))
            }
            Ask::Key(key) => {
                let answer = self.request(At::Own, "POST", "/v1/track", key, event(0, "").as_bytes())?;
                self.shown(&answer)
            }
        }
    }

    /// Sends good events, and notes those that were answered 200.
    fn send(&mut self, at: At, path: &str, events: Vec<String>) -> Result<String, String> {
        let body = match events.as_slice() {
            [event] if path != "/v1/batch" => event.clone(),
            events => format!(r#"{{"batch":[{}]}}"#, events.join(",")),
        };
        let answer = self.request(at, "POST", path, self.source.key, body.as_bytes())?;
        if answer.status == 200 {
            for event in &events {
                let event = Json::parse(event).map_err(|error| error.to_string())?;
                let id = event.get("messageId").and_then(Json::text).unwrap_or_default().to_owned();
                self.taken.push(Sent { message_id: id, event });
            }
        }
        self.shown(&answer)
    }

    fn request(&self, at: At, method: &str, path: &str, key: &str, body: &[u8]) -> Result<Answer, String> {
        let url = self.url(at)?;
        let basic = format!("Basic {}", data_encoding::BASE64.encode(format!("{key}:").as_bytes()));
        let headers = [("Authorization", basic.as_str()), ("Content-Type", "application/json")];
        Connection::to(url)
            .and_then(|mut point| point.request(method, path, &headers, body))
            .map_err(|error| format!("{url}: {error}"))
    }

    fn url(&self, at: At) -> Result<&'a str, String> {
        match at {
            At::Own => self.demo.ingest(self.region.name, self.region.own),
            At::Other => self.demo.ingest(self.region.name, self.region.other),
            At::Abroad => self.demo.ingest(self.abroad.name, self.abroad.own),
        }
    }

    /// Status, time to wait, body.
    fn shown(&self, answer: &Answer) -> Result<String, String> {
        let waits = ["Retry-After", "X-RateLimit-Reset"].map(|name| answer.header(name));
        let wait = match waits {
            [None, None] => String::new(),
            // Sixty events were paid off at one a second.
            [Some(one), Some(other)] if one == other && one.parse().is_ok_and(|s: u64| (1..=60).contains(&s)) => {
                " in a while".to_owned()
            }
            waits => format!(" {waits:?}"),
        };
        self.with_names(&format!("{}{wait} {}", answer.status, String::from_utf8_lossy(&answer.body)))
    }

    fn with_names(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_owned();
        for (name, at) in [("OWN", At::Own), ("OTHER", At::Other), ("ABROAD", At::Abroad)] {
            text = text.replace(self.url(at)?.trim_start_matches("http://"), name);
        }
        Ok(text.replace(self.region.name, "REGION"))
    }

    fn expected(self) -> Expected {
        Expected {
            name: format!("sent to {}", self.region.name),
            region: self.region.name,
            source_id: self.source.id.to_owned(),
            sent: self.taken,
            ip: Some("127.0.0.1"),
        }
    }
}
