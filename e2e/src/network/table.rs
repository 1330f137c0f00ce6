//! What the lab is made of: its hosts, the destinations and what has to become of each, and between whom anything may cross.
//!
//! Not in it yet: functions and transformations. The product keeps them and does not run them; when it does, each that tries to
//! call out is a row here.

use super::lab::Host;
use super::partner::Manner;

/// All events that clients send; half of them to each region.
pub const EVENTS: u64 = 100_000;
/// Of those, in each region: to the source whose destinations take events, and to the one whose destinations are traps.
pub const SENT_ON: u64 = 1_000;
pub const TRAPPED: u64 = 40;

pub const US: &str = "us-west";
pub const EU: &str = "eu-west";

/// The cell of a region, its clients, and the clients who send its events to the other region.
pub struct Side {
    pub region: &'static str,
    pub cell: &'static str,
    pub clients: &'static str,
    pub strays: &'static str,
    /// Who looks at events in the cell.
    pub owner: &'static str,
    pub other: &'static str,
}

pub const SIDES: [Side; 2] = [
    Side { region: US, cell: "us", clients: "clients-us", strays: "strays-us", owner: "owner-us", other: EU },
    Side { region: EU, cell: "eu", clients: "clients-eu", strays: "strays-eu", owner: "owner-eu", other: US },
];

pub fn side(region: &str) -> &'static Side {
    SIDES.iter().find(|side| side.region == region).unwrap_or(&SIDES[0])
}

pub const CELL_PORT: u16 = 7100;
pub const POINT_PORT: u16 = 7101;

const fn host(name: &'static str, group: u8, host: u8) -> Host {
    Host { name, group, host }
}

/// Groups 1 and 3 stand in the US, 2 and 4 in Ireland, 5 in the United Kingdom; nobody says where the others are.
pub const HOSTS: [Host; 22] = [
    host("us", 1, 1),
    host("clients-us", 1, 2),
    host("strays-us", 1, 3),
    host("owner-us", 1, 4),
    host("eu", 2, 1),
    host("clients-eu", 2, 2),
    host("strays-eu", 2, 3),
    host("owner-eu", 2, 4),
    host("leak-eu", 2, 9),
    host("partner-us-takes", 3, 1),
    host("partner-us-denied", 3, 2),
    host("partner-us-moved", 3, 3),
    host("sink-us", 3, 9),
    host("partner-eu-takes", 4, 1),
    host("partner-eu-cut", 4, 2),
    host("partner-eu-moved", 4, 3),
    host("partner-eu-turns", 4, 4),
    host("partner-eu-rebinds", 4, 5),
    host("partner-gb-reduced", 5, 1),
    host("trap", 6, 1),
    host("dns", 7, 1),
    host("operator", 8, 1),
];

pub fn topology() -> String {
    format!(
        "regions:
  us-west:
    country: US
    locations: [oregon-a]
    listen: 10.99.1.1:{CELL_PORT}
    egress_addresses: [10.99.1.1/32]
    ingest: {{ oregon: {{ country: US, listen: '10.99.1.1:{POINT_PORT}' }} }}
    border: {{ allow: [any] }}
  eu-west:
    country: IE
    locations: [dublin-a]
    listen: 10.99.2.1:{CELL_PORT}
    egress_addresses: [10.99.2.1/32]
    ingest: {{ dublin: {{ country: IE, listen: '10.99.2.1:{POINT_PORT}' }} }}
    border:
      allow: [EEA]
      transfers:
        - to: GB
          basis: adequacy
          approved_by: dpo@example.com
          expires: 2099-12-31
          fields: {{ allow: [event, properties.plan], hash: [userId], truncate_ip: true }}
networks:
  10.99.1.0/24: US
  10.99.2.0/24: IE
  10.99.3.0/24: US
  10.99.4.0/24: IE
  10.99.5.0/24: GB
"
    )
}

/// Whose events a destination gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// [`SENT_ON`] events.
    Server,
    /// [`TRAPPED`] events.
    Few,
}

/// What has to become of the events of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Each arrives.
    Arrive,
    /// None leaves; each waits, and this is why.
    Refused(&'static str),
    /// Each is tried once and dead, because of this status.
    Dead(u16),
    /// Some arrive, so many at most; then the others wait, and this is why. The sheet counts up to the first that waits.
    Stops(&'static str, u64),
}

pub struct Destination {
    pub region: &'static str,
    pub name: &'static str,
    pub source: Source,
    /// `host` or `host:port` of the URL; one that ends in `.test` is a name that the lying server knows.
    pub at: String,
    /// What the customer declares.
    pub declared: Option<&'static str>,
    /// The hosts whose addresses the name server gives, one answer after the other.
    pub answers: Vec<Vec<&'static str>>,
    pub manner: Manner,
    /// The host where its events arrive.
    pub host: &'static str,
    pub end: End,
}

impl Destination {
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.at, self.path())
    }

    pub fn events(&self) -> u64 {
        match self.source {
            Source::Server => SENT_ON,
            Source::Few => TRAPPED,
        }
    }

    /// Whether any of its events may get to its host.
    pub fn opens(&self) -> bool {
        !matches!(self.end, End::Refused(_))
    }
}

/// A row of the table: a destination at a name of its own, which has its host's address. More is said behind it.
fn row(region: &'static str, source: Source, name: &'static str, host: &'static str, end: End) -> Destination {
    let at = format!("{name}.test:{}", super::partner::PORT);
    let answers = vec![vec![host]];
    Destination { region, name, source, at, declared: None, answers, manner: Manner::Takes, host, end }
}

impl Destination {
    fn declares(self, country: &'static str) -> Self {
        Self { declared: Some(country), ..self }
    }

    /// By number, without a name.
    fn by_number(self, at: &str) -> Self {
        Self { at: at.to_owned(), answers: Vec::new(), ..self }
    }

    fn lies(self, answers: &[&[&'static str]]) -> Self {
        Self { answers: answers.iter().map(|hosts| hosts.to_vec()).collect(), ..self }
    }

    /// Its partner closes each connection, so that each event needs a look-up.
    fn closes(self) -> Self {
        Self { manner: Manner::Closes, ..self }
    }

    fn says(self, status: u16, header: &'static str, value: &str) -> Self {
        Self { manner: Manner::Says { status, header, value: value.to_owned() }, ..self }
    }
}

/// Every destination of the run.
pub fn destinations() -> Vec<Destination> {
    use End::{Arrive, Dead, Refused, Stops};
    use Source::{Few, Server};
    const TRAP: &str = "http://10.99.6.1:8080/trap";
    const ABROAD: &str = "http://10.99.3.2:8080/abroad";
    const OTHER_CELL: &str = "http://10.99.1.1:7101/v1/batch";
    const ELSEWHERE: &str = "h2=\"10.99.3.2:8080\"; ma=3600, h3=\"10.99.6.1:8080\"; ma=3600";
    let moves = |name, end| row(EU, Few, name, "partner-eu-moved", end).declares("IE");
    vec![
        // In an allowed country; cut off for a while.
        row(EU, Server, "takes", "partner-eu-takes", Arrive),
        row(EU, Server, "cut", "partner-eu-cut", Arrive).declares("IE"),
        row(US, Server, "takes-us", "partner-us-takes", Arrive),
        row(US, Few, "moved-us", "partner-us-moved", Dead(307)).says(307, "location", TRAP),
        // In a country to which a transfer lets some fields go.
        row(EU, Server, "reduced", "partner-gb-reduced", Arrive),
        // In a denied country, whatever is said of it.
        row(EU, Server, "denied", "partner-us-denied", Refused("country_refused")),
        row(EU, Few, "declared", "partner-us-denied", Refused("country_contradicted")).declares("IE"),
        row(EU, Few, "by-number", "partner-us-denied", Refused("country_refused")).by_number("10.99.3.2:8080"),
        // The other region's cell, the own one, and where nobody may go.
        row(EU, Few, "other-cell", "us", Refused("country_refused")).by_number("10.99.1.1:7101"),
        row(EU, Few, "own-cell", "eu", Refused("own_address")).by_number("10.99.2.1:7101"),
        row(EU, Few, "trapped", "trap", Refused("address_refused")).declares("IE").by_number("10.99.6.1:8080"),
        row(US, Few, "trapped-us", "trap", Refused("address_refused")).declares("US").by_number("10.99.6.1:8080"),
        // Names that lie.
        row(EU, Few, "mixed", "partner-us-denied", Refused("country_contradicted"))
            .declares("IE")
            .lies(&[&["partner-eu-turns", "partner-us-denied"]]),
        row(EU, Few, "mixed-trap", "trap", Refused("address_refused"))
            .declares("IE")
            .lies(&[&["partner-eu-turns", "trap"]]),
        row(EU, Few, "turns", "partner-eu-turns", Stops("country_refused", 2))
            .lies(&[&["partner-eu-turns"], &["partner-eu-turns"], &["partner-us-denied"]])
            .closes(),
        row(EU, Few, "turns-trap", "partner-eu-turns", Stops("address_refused", 1))
            .declares("IE")
            .lies(&[&["partner-eu-turns"], &["trap"]])
            .closes(),
        row(EU, Few, "rebinds", "partner-eu-rebinds", Arrive)
            .declares("IE")
            .lies(&[&["trap"], &["partner-eu-rebinds"]]),
        // Partners that send elsewhere.
        moves("moved-301", Dead(301)).says(301, "location", TRAP),
        moves("moved-302", Dead(302)).says(302, "location", ABROAD),
        moves("moved-303", Dead(303)).says(303, "location", OTHER_CELL),
        moves("moved-307", Dead(307)).says(307, "location", ABROAD),
        moves("moved-308", Dead(308)).says(308, "location", TRAP),
        moves("refreshes", Arrive).says(200, "refresh", &format!("0; url={TRAP}")),
        moves("alt-svc", Arrive).says(200, "alt-svc", ELSEWHERE),
    ]
}

/// One way that something may cross, and whose events may be on it in clear.
pub struct Way {
    pub from: &'static str,
    pub to: &'static str,
    /// The region whose marker it may carry, from `from` to `to` alone.
    pub carries: Option<&'static str>,
    /// Whether something must have crossed: else the lab has shown nothing about it.
    pub is_used: bool,
}

/// All of them, with those that the destinations open. What is not here has 0 packets.
pub fn ways() -> Vec<Way> {
    let way = |from, to, carries| Way { from, to, carries, is_used: true };
    let mut ways = Vec::new();
    for side in &SIDES {
        let cell = side.cell;
        ways.push(way(side.clients, cell, Some(side.region)));
        // Who sends a region's events to the other region's cell has put them on that way itself.
        ways.push(way(side.strays, self::side(side.other).cell, Some(side.region)));
        ways.push(way("operator", cell, None));
        ways.push(way(cell, side.owner, Some(side.region)));
        ways.push(way(cell, "dns", None));
    }
    // The frames that close the capture.
    ways.push(way("operator", "dns", None));
    for destination in destinations().iter().filter(|destination| destination.opens()) {
        let (cell, to) = (side(destination.region).cell, destination.host);
        // What goes out under a reduced transfer must not hold the marker.
        let carries = (to != "partner-gb-reduced").then_some(destination.region);
        if ways.iter().all(|known| (known.from, known.to) != (cell, to)) {
            ways.push(way(cell, to, carries));
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_names_hosts_that_exist_and_each_thing_once() {
        let hosts: HashSet<_> = HOSTS.iter().map(|host| host.name).collect();
        assert_eq!(hosts.len(), HOSTS.len());
        assert_eq!(HOSTS.iter().map(Host::address).collect::<HashSet<_>>().len(), HOSTS.len());
        let all = destinations();
        assert_eq!(all.iter().map(|destination| destination.name).collect::<HashSet<_>>().len(), all.len());
        for destination in &all {
            let named = destination.answers.concat();
            assert!(named.iter().chain([&destination.host]).all(|host| hosts.contains(host)), "{}", destination.name);
            assert_eq!(destination.answers.is_empty(), !destination.at.contains(".test:"), "{}", destination.name);
        }
        assert!(ways().iter().all(|way| hosts.contains(way.from) && hosts.contains(way.to)));
    }

    #[test]
    fn no_way_leads_out_of_a_region_but_to_those_that_the_table_opens() {
        let out: Vec<_> = ways().iter().filter(|way| way.from == "eu").map(|way| way.to).collect();
        let allowed = [
            "owner-eu",
            "dns",
            "partner-eu-takes",
            "partner-eu-cut",
            "partner-eu-turns",
            "partner-eu-rebinds",
            "partner-eu-moved",
            "partner-gb-reduced",
        ];
        assert!(out.iter().all(|to| allowed.contains(to)), "{out:?}");
        assert!(ways().iter().all(|way| way.to != "trap" && (way.from, way.to) != ("us", "eu")));
    }
}
