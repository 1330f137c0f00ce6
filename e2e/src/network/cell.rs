//! A region's cell on its host, and the operator who sets it up and asks what became of the events.

use super::lab::Lab;
use super::load::Sent;
use super::table::{CELL_PORT, Destination, End, POINT_PORT, Side, Source};
use crate::control::{Api, eventually};
use crate::http::Connection;
use crate::up::{Home, Up};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const OPEN_MAX: Duration = Duration::from_secs(20);
const SETTLE_MAX: Duration = Duration::from_secs(150);

pub struct Cell {
    pub side: &'static Side,
    pub home: Home,
    pub api_url: String,
    pub point_url: String,
    pub token: String,
    /// Id and write key, by slug.
    pub sources: BTreeMap<&'static str, (String, String)>,
    /// Ids, by name.
    pub destinations: BTreeMap<&'static str, String>,
}

/// What a cell says of itself, each with its text.
pub type Pages = Vec<(String, Vec<u8>)>;

impl Cell {
    /// Starts the cell with its log at the finest level.
    pub fn start(lab: &Lab, domicile: &Path, topology: &Path, side: &'static Side) -> Result<(Self, Up), String> {
        let topology = topology.display().to_string();
        let home = Home::alone(domicile, &lab.home(side.cell), &["--topology", &topology, "--region", side.region]);
        let mut program: Command = home.up();
        program.env("DOMICILE_LOG", "trace").env("RUST_BACKTRACE", "full");
        let up = home.spawn_ready(lab.process(side.cell, &program)?)?;
        let demo = home.demo()?;
        let address = lab.address(side.cell)?;
        let mut cell = Self {
            side,
            api_url: demo.cell(side.region)?.to_owned(),
            point_url: format!("http://{}", SocketAddrV4::new(address, POINT_PORT)),
            token: demo.token(side.region)?.to_owned(),
            sources: BTreeMap::new(),
            destinations: BTreeMap::new(),
            home,
        };
        for slug in ["web", "server"] {
            let source = cell.home.demo()?;
            let source = source.source(side.region, slug)?;
            cell.sources.insert(slug, (source.id.to_owned(), source.key.to_owned()));
        }
        Ok((cell, up))
    }

    fn api(&self) -> Result<Api, String> {
        Api::with_token(&self.api_url, &self.token)
    }

    /// Makes the third source and the destinations, and waits until each has begun to read. On the host `operator`.
    pub fn set_up(&mut self, destinations: &[Destination]) -> Result<(), String> {
        let mut api = self.api()?;
        let made =
            api.post("/sources", json!({ "slug": "few", "enabled": true, "metadataId": "http-api" }))?.data(201)?;
        let text = |at: &str| made.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let made = text("/source/id").zip(text("/source/writeKeys/0")).ok_or("the new source has no id or key")?;
        self.sources.insert("few", made);
        for destination in destinations.iter().filter(|destination| destination.region == self.side.region) {
            let source = match destination.source {
                Source::Server => "server",
                Source::Few => "few",
            };
            let mut settings = json!({ "url": destination.url() });
            if let Some(country) = destination.declared {
                settings["country"] = json!(country);
            }
            let (id, _) = &self.sources[source];
            let asked =
                json!({ "sourceId": id, "metadataId": "webhook", "name": destination.name, "settings": settings });
            let made =
                api.post("/destinations", asked)?.data(200).map_err(|why| format!("{}: {why}", destination.name))?;
            let id = made.pointer("/destination/id").and_then(Value::as_str).ok_or("the new destination has no id")?;
            self.destinations.insert(destination.name, id.to_owned());
        }
        // What comes before a destination's cursor is there does not go to it.
        let folder = self.cell_folder().join("destinations");
        let cursors: Vec<_> =
            self.destinations.values().map(|id| folder.join(format!("destination-{id}.cursor"))).collect();
        eventually(OPEN_MAX, || match cursors.iter().find(|cursor| !cursor.exists()) {
            None => Ok(()),
            Some(cursor) => Err(format!("{} is not there", cursor.display())),
        })
    }

    /// `cells/REGION`
    pub fn cell_folder(&self) -> PathBuf {
        self.home.data.join("cells").join(self.side.region)
    }

    pub fn balance(&self) -> Result<Balance, String> {
        let answer = self.api()?.get("/balance")?.data(200)?;
        Balance::of(&answer["balance"])
    }

    /// Waits until each destination's events have come to their end. On the host `operator`.
    ///
    /// # Errors
    /// The last sheet's first destination that had not.
    pub fn await_settled(&self, destinations: &[Destination]) -> Result<(), String> {
        eventually(SETTLE_MAX, || {
            let balance = self.balance()?;
            for destination in destinations.iter().filter(|destination| destination.region == self.side.region) {
                let id = &self.destinations[destination.name];
                let counts = balance.consumers.get(id).copied().unwrap_or_default();
                let expected = destination.events();
                let fits = match destination.end {
                    End::Arrive => counts.delivered == expected,
                    End::Refused(_) => counts.waiting == expected,
                    End::Dead(_) => counts.dead == expected,
                    End::Stops(..) => counts.waiting > 0 && counts.delivered + counts.waiting == expected,
                };
                if !fits {
                    return Err(format!(
                        "{}: {:?} of {expected} events: {counts:?}",
                        destination.name, destination.end
                    ));
                }
            }
            Ok(())
        })
    }

    /// Why the border keeps one event of the destination waiting.
    pub fn refusal(&self, destination: &str, message_id: &str) -> Result<Option<String>, String> {
        let life = self.api()?.get(&format!("/events/{message_id}"))?.data(200)?;
        let sent = life.pointer("/event/occurrences/0/sent").and_then(Value::as_array);
        let id = &self.destinations[destination];
        let sent = sent.and_then(|sent| sent.iter().find(|one| one["destinationId"] == id.as_str()));
        let sent = sent.ok_or_else(|| format!("{destination} is not in the life of {message_id}: {life}"))?;
        Ok(sent["refused"].as_str().map(str::to_owned))
    }

    /// What it says without a token, and what an owner is shown that has no event in it.
    pub fn pages(&self) -> Result<Pages, String> {
        let bearer = format!("Bearer {}", self.token);
        let mut pages = Vec::new();
        for (base, path) in [
            (&self.api_url, "/metrics"),
            (&self.api_url, "/healthz"),
            (&self.api_url, "/readyz"),
            (&self.point_url, "/healthz"),
            (&self.point_url, "/readyz"),
            (&self.api_url, "/api/balance"),
            (&self.api_url, "/api/sources"),
            (&self.api_url, "/api/destinations"),
            (&self.api_url, "/api/audit-events"),
            (&self.api_url, "/api/openapi.json"),
        ] {
            let answer = Connection::to(base)
                .and_then(|mut cell| cell.request("GET", path, &[("Authorization", &bearer)], b""))
                .map_err(|error| format!("{base}{path}: {error}"))?;
            if answer.status != 200 {
                return Err(format!("{base}{path}: answered {}", answer.status));
            }
            pages.push((format!("{} {path}", self.side.cell), answer.body));
        }
        Ok(pages)
    }

    pub fn cell_address(&self, lab: &Lab) -> Result<SocketAddrV4, String> {
        Ok(SocketAddrV4::new(lab.address(self.side.cell)?, CELL_PORT))
    }

    pub fn point_address(&self, lab: &Lab) -> Result<SocketAddrV4, String> {
        Ok(SocketAddrV4::new(lab.address(self.side.cell)?, POINT_PORT))
    }
}

/// The sums of a balance sheet over all sources, and by source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub sources: BTreeMap<String, Counts>,
    pub consumers: BTreeMap<String, Delivery>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub accepted: u64,
    pub duplicate: u64,
    pub invalid: u64,
    pub kept: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    pub delivered: u64,
    pub waiting: u64,
    pub dead: u64,
}

impl Balance {
    /// # Errors
    /// A sheet that does not add up, or has something blocked or filtered, which nobody here asked for.
    fn of(sheet: &Value) -> Result<Self, String> {
        let mut sum = Self::default();
        if sheet["holds"] != true || sheet["undecided"] != 0 {
            return Err(format!("holds: {}, undecided: {}", sheet["holds"], sheet["undecided"]));
        }
        for row in sheet["rows"].as_array().into_iter().flatten() {
            let count = |of: &Value, name: &str| of[name].as_u64().ok_or_else(|| format!("no {name} in {of}"));
            if count(row, "blocked")? + count(row, "filtered")? > 0 {
                return Err(format!("something was blocked or filtered: {row}"));
            }
            let source = sum.sources.entry(row["sourceSlug"].as_str().unwrap_or("?").to_owned()).or_default();
            source.accepted += count(row, "accepted")?;
            source.duplicate += count(row, "duplicate")?;
            source.invalid += count(row, "invalid")?;
            source.kept += count(row, "kept")?;
            for consumer in row["consumers"].as_array().into_iter().flatten() {
                let name = consumer["name"].as_str().unwrap_or("?").to_owned();
                let delivery = sum.consumers.entry(name).or_default();
                delivery.delivered += count(consumer, "delivered")?;
                delivery.waiting += count(consumer, "waiting")?;
                delivery.dead += count(consumer, "dead")?;
            }
        }
        Ok(sum)
    }
}

impl Counts {
    /// Whether they are what the clients know of this source. What broke before its answer may have been taken: then it is there
    /// once more, as a duplicate.
    pub fn agree(&self, sent: &Sent) -> Result<(), String> {
        let possible = sent.events..=sent.events + sent.unknown;
        let sums = self.accepted == self.duplicate + self.invalid + self.kept;
        let invalid_at_least = self.invalid >= sent.invalid && (sent.unknown > 0 || self.invalid == sent.invalid);
        match possible.contains(&self.accepted) && sums && self.kept == sent.distinct() && invalid_at_least {
            true => Ok(()),
            false => Err(format!("the sheet says {self:?}, the clients {sent:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_agrees_with_its_clients_to_the_event() {
        let sent = Sent { events: 100, invalid: 2, again: 20, unknown: 0 };
        let good = Counts { accepted: 100, duplicate: 20, invalid: 2, kept: 78 };
        assert_eq!(good.agree(&sent), Ok(()));
        let unsure = Sent { unknown: 10, ..sent };
        assert_eq!(Counts { accepted: 110, duplicate: 30, ..good }.agree(&unsure), Ok(()));
        for (counts, sent) in [
            (Counts { accepted: 101, kept: 79, ..good }, sent),
            (Counts { accepted: 99, duplicate: 19, ..good }, sent),
            (Counts { duplicate: 21, kept: 77, ..good }, sent),
            (Counts { invalid: 3, kept: 77, ..good }, sent),
            (Counts { accepted: 101, ..good }, unsure),
            (Counts { accepted: 111, duplicate: 31, ..good }, unsure),
        ] {
            assert!(counts.agree(&sent).is_err(), "{counts:?}");
        }
    }

    #[test]
    fn rows_of_several_hours_are_added_up() {
        let row = |accepted: u64| {
            json!({
                "sourceSlug": "web", "accepted": accepted, "kept": accepted, "duplicate": 0, "invalid": 0, "blocked": 0, "filtered": 0,
                "consumers": [{ "name": "d", "delivered": accepted - 1, "waiting": 1, "dead": 0 }],
            })
        };
        let sheet = json!({ "holds": true, "undecided": 0, "rows": [row(3), row(4)] });
        let balance = Balance::of(&sheet).unwrap();
        assert_eq!((balance.sources["web"].accepted, balance.consumers["d"].delivered), (7, 5));
        for (at, value) in [
            ("/holds", json!(false)),
            ("/undecided", json!(1)),
            ("/rows/0/blocked", json!(1)),
            ("/rows/0/kept", json!(null)),
        ] {
            let mut bad = sheet.clone();
            *bad.pointer_mut(at).unwrap() = value;
            assert!(Balance::of(&bad).is_err(), "{at}");
        }
    }
}
