//! What the lab is made of: its hosts, the destinations and what has to become of each, and between whom anything may cross.
//!
//! Not in it yet: functions and transformations. The product keeps them and does not run them; when it does, each that tries to
//! call out is a row here.

use super::lab::Host;
use super::partner::Manner;

/// Whether the product can send part of an event under a transfer (`fields` of a transfer in `topology.yml`). Until it can, the
/// row of that destination is left out.
pub const REDUCED_TRANSFERS: bool = false;

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
    let transfers = match REDUCED_TRANSFERS {
        true => {
            "\n      transfers: [{ to: GB, basis: adequacy, approved_by: dpo@example.com, expires: 2099-12-31, fields: { allow: [event], hash: [userId], truncate_ip: true } }]"
        }
        false => "",
    };
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
      allow: [EEA]{transfers}
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
    pub answers: Answers,
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

/// The hosts whose addresses a name has, one answer after the other.
type Answers = &'static [&'static [&'static str]];

/// A destination at a name of its own.
#[allow(clippy::too_many_arguments, reason = "a row of the table: each column once")]
fn named(
    region: &'static str,
    name: &'static str,
    source: Source,
    declared: Option<&'static str>,
    answers: Answers,
    manner: Manner,
    host: &'static str,
    end: End,
) -> Destination {
    let at = format!("{name}.test:{}", super::partner::PORT);
    Destination { region, name, source, at, declared, answers, manner, host, end }
}

/// Every destination of the run.
pub fn destinations() -> Vec<Destination> {
    use End::{Arrive, Dead, Refused, Stops};
    use Source::{Few, Server};
    let at = |at: &str, destination: Destination| Destination { at: at.to_owned(), ..destination };
    let takes = || Manner::Takes;
    let says = |status, header, value: &str| Manner::Says { status, header, value: value.to_owned() };
    let moved =
        |name, manner, end| named(EU, name, Few, Some("IE"), &[&["partner-eu-moved"]], manner, "partner-eu-moved", end);
    const TRAP: &str = "http://10.99.6.1:8080/trap";
    const ABROAD: &str = "http://10.99.3.2:8080/abroad";
    const OTHER_CELL: &str = "http://10.99.1.1:7101/v1/batch";
    let mut all = vec![
        // In an allowed country; cut off for a while.
        named(EU, "takes", Server, None, &[&["partner-eu-takes"]], takes(), "partner-eu-takes", Arrive),
        named(EU, "cut", Server, Some("IE"), &[&["partner-eu-cut"]], takes(), "partner-eu-cut", Arrive),
        named(US, "takes-us", Server, None, &[&["partner-us-takes"]], takes(), "partner-us-takes", Arrive),
        named(
            US,
            "moved-us",
            Few,
            None,
            &[&["partner-us-moved"]],
            says(307, "location", TRAP),
            "partner-us-moved",
            Dead(307),
        ),
        at(
            "10.99.6.1:8080",
            named(US, "trapped-us", Few, Some("US"), &[], takes(), "trap", Refused("address_refused")),
        ),
        // In a denied country, whatever is said of it.
        named(
            EU,
            "denied",
            Server,
            None,
            &[&["partner-us-denied"]],
            takes(),
            "partner-us-denied",
            Refused("country_refused"),
        ),
        named(
            EU,
            "declared",
            Few,
            Some("IE"),
            &[&["partner-us-denied"]],
            takes(),
            "partner-us-denied",
            Refused("country_contradicted"),
        ),
        at(
            "10.99.3.2:8080",
            named(EU, "by-number", Few, Some("US"), &[], takes(), "partner-us-denied", Refused("country_refused")),
        ),
        // The other region's cell, and where nobody may go.
        at("10.99.1.1:7101", named(EU, "other-cell", Few, None, &[], takes(), "us", Refused("country_refused"))),
        at("10.99.2.1:7101", named(EU, "own-cell", Few, None, &[], takes(), "eu", Refused("own_address"))),
        at("10.99.6.1:8080", named(EU, "trapped", Few, Some("IE"), &[], takes(), "trap", Refused("address_refused"))),
        // Names that lie.
        named(
            EU,
            "mixed",
            Few,
            Some("IE"),
            &[&["partner-eu-turns", "partner-us-denied"]],
            takes(),
            "partner-us-denied",
            Refused("country_contradicted"),
        ),
        named(
            EU,
            "mixed-trap",
            Few,
            Some("IE"),
            &[&["partner-eu-turns", "trap"]],
            takes(),
            "trap",
            Refused("address_refused"),
        ),
        named(
            EU,
            "turns",
            Few,
            None,
            &[&["partner-eu-turns"], &["partner-eu-turns"], &["partner-us-denied"]],
            Manner::Closes,
            "partner-eu-turns",
            Stops("country_refused", 2),
        ),
        named(
            EU,
            "turns-trap",
            Few,
            Some("IE"),
            &[&["partner-eu-turns"], &["trap"]],
            Manner::Closes,
            "partner-eu-turns",
            Stops("address_refused", 1),
        ),
        named(
            EU,
            "rebinds",
            Few,
            Some("IE"),
            &[&["trap"], &["partner-eu-rebinds"]],
            takes(),
            "partner-eu-rebinds",
            Arrive,
        ),
        // Partners that send elsewhere.
        moved("moved-301", says(301, "location", TRAP), Dead(301)),
        moved("moved-302", says(302, "location", ABROAD), Dead(302)),
        moved("moved-303", says(303, "location", OTHER_CELL), Dead(303)),
        moved("moved-307", says(307, "location", ABROAD), Dead(307)),
        moved("moved-308", says(308, "location", TRAP), Dead(308)),
        moved("refreshes", says(200, "refresh", &format!("0; url={TRAP}")), Arrive),
        moved(
            "alt-svc",
            says(200, "alt-svc", "h2=\"10.99.3.2:8080\"; ma=3600, h3=\"10.99.6.1:8080\"; ma=3600"),
            Arrive,
        ),
    ];
    if REDUCED_TRANSFERS {
        all.push(named(EU, "reduced", Server, None, &[&["partner-gb-reduced"]], takes(), "partner-gb-reduced", Arrive));
    }
    all
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
