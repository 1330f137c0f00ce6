//! One run: two cells, their clients and partners, lies and cuts, until every event has come to its end. What it left is then looked at.

use super::bridge::{Crossed, Pair};
use super::capture::{Capture, Recorder};
use super::cell::{Balance, Cell, Pages};
use super::checks::{self, none};
use super::dns::Dns;
use super::hostile::{self, Hostile};
use super::lab::Lab;
use super::load::{Client, Sent};
use super::markers::{self, Search};
use super::partner::{Manner, Partner};
use super::table::{self, Destination, EU, EVENTS, End, HOSTS, SENT_ON, SIDES, Side, Source, TRAPPED, Way};
use crate::control::eventually;
use crate::tally::Tally;
use crate::up::Up;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddrV4;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the eu cell is cut off from everyone. Connections outlive it.
const CUT: Duration = Duration::from_secs(5);
const PROGRESS_MAX: Duration = Duration::from_secs(90);
const TOLD_MAX: Duration = Duration::from_secs(15);

/// One region when all has come to its end.
pub struct Region {
    pub side: &'static Side,
    pub marker: String,
    pub cell: Cell,
    /// By the source's slug.
    pub sent: BTreeMap<&'static str, Sent>,
    pub balance: Balance,
    /// What the cell says of itself, and what it answered to what it refused.
    pages: Pages,
    answers: Pages,
}

pub struct Run {
    pub regions: Vec<Region>,
    pub destinations: Vec<Destination>,
    pub partners: HashMap<&'static str, Partner>,
    pub crossed: BTreeMap<Pair, Crossed>,
    ways: Vec<Way>,
    capture: Capture,
}

/// Does it all.
///
/// # Errors
/// What kept it from its end. Promises that do not hold are failed checks.
pub fn go(tally: &mut Tally, lab: &Lab, domicile: &Path, dns: &Dns) -> Result<Run, String> {
    let destinations = table::destinations();
    let partners = partners(lab, &destinations)?;
    for destination in destinations.iter().filter(|destination| !destination.answers.is_empty()) {
        let answer = |hosts: &Vec<&str>| hosts.iter().map(|host| lab.address(host)).collect::<Result<Vec<_>, _>>();
        let answers = destination.answers.iter().map(answer).collect::<Result<Vec<_>, _>>()?;
        dns.tell(&format!("{}.test", destination.name), answers);
    }
    // A host has another `/tmp`: the program lies where it is seen.
    let (program, topology) = (lab.folder.join("domicile"), lab.folder.join("topology.yml"));
    fs::copy(domicile, &program).map_err(|error| format!("{}: {error}", domicile.display()))?;
    fs::write(&topology, table::topology()).map_err(|error| format!("{}: {error}", topology.display()))?;

    lab.bridge.reset()?;
    let recorder = Recorder::start(lab, "run")?;
    let (mut regions, mut running) = (Vec::new(), Vec::new());
    for side in &SIDES {
        let (region, up) = Region::start(lab, &program, &topology, side, &destinations)?;
        regions.push(region);
        running.push(up);
    }
    // Of a name whose first answer is refused the second comes with the next try, after the cuts.
    load(tally, lab, &mut regions, || none(untold(dns, &destinations, |end| matches!(end, End::Stops(..)))))?;
    refused(tally, lab, &mut regions)?;
    for region in &mut regions {
        let cell = &region.cell;
        let settled = lab.on("operator", || cell.await_settled(&destinations))?;
        let name = region.side.region;
        tally.check(format!("{name}: every event comes to the end that the table says"), settled);
        (region.balance, region.pages) = lab.on("operator", || Ok::<_, String>((cell.balance()?, cell.pages()?)))??;
        reasons(tally, lab, region, &destinations)?;
    }
    tally.check("every lie of the name server was told", none(untold(dns, &destinations, |_| true)));
    for up in running {
        tally.check("a cell stops in order", up.stop());
    }
    let capture = recorder.stop(lab)?;
    let crossed = lab.bridge.crossed()?;
    Ok(Run { regions, destinations, partners, crossed, ways: table::ways(), capture })
}

/// The names of which the server did not get to give all its answers, of destinations with such an end.
fn untold(dns: &Dns, destinations: &[Destination], of: impl Fn(End) -> bool) -> Vec<String> {
    let lied = destinations.iter().filter(|destination| !destination.answers.is_empty() && of(destination.end));
    let untold = lied.filter(|one| dns.asked(&format!("{}.test", one.name)) < one.answers.len() as u32);
    untold.map(|destination| format!("{} got not all of its answers", destination.name)).collect()
}

/// Every host that is no cell, client or server of names: a partner, and the trap, which would take what comes.
fn partners(lab: &Lab, destinations: &[Destination]) -> Result<HashMap<&'static str, Partner>, String> {
    let hosts = HOSTS.iter().map(|host| host.name).filter(|name| name.starts_with("partner-") || *name == "trap");
    let start = |host: &'static str| {
        let of_host = destinations.iter().filter(|destination| destination.host == host);
        let manners: HashMap<String, Manner> = of_host.map(|one| (one.path(), one.manner.clone())).collect();
        Ok((host, Partner::start(lab, host, manners)?))
    };
    hosts.map(start).collect()
}

impl Region {
    fn start(
        lab: &Lab,
        program: &Path,
        topology: &Path,
        side: &'static Side,
        destinations: &[Destination],
    ) -> Result<(Self, Up), String> {
        let marker = markers::fresh().map_err(|error| format!("a marker: {error}"))?;
        let (mut cell, up) = Cell::start(lab, program, topology, side)?;
        lab.on("operator", || cell.set_up(destinations))??;
        let (sent, balance) = (BTreeMap::new(), Balance::default());
        Ok((Self { side, marker, cell, sent, balance, pages: Vec::new(), answers: Vec::new() }, up))
    }

    fn client<'a>(&'a self, slug: &str, progress: &'a AtomicU64) -> Result<Client<'a>, String> {
        let (_, key) = &self.cell.sources[slug];
        Client::new(&self.cell.point_url, key, &self.marker, &message_ids(self.side, slug), progress)
    }
}

/// What the messageIds of a source's events begin with.
pub fn message_ids(side: &Side, slug: &str) -> String {
    format!("{}-{slug}", side.region)
}

/// All clients send: those whose events meet lies and traps first, then, while a partner and the whole eu cell is cut off, the others.
fn load(
    tally: &mut Tally,
    lab: &Lab,
    regions: &mut [Region],
    told: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    lab.bridge.cut("eu", &["partner-eu-cut"])?;
    let progress: Vec<_> = regions.iter().map(|_| AtomicU64::new(0)).collect();
    let bulk = EVENTS / SIDES.len() as u64 - SENT_ON - TRAPPED;
    let begun = Instant::now();
    let panicked = |_| "a client panicked".to_owned();
    let few = thread::scope(|scope| {
        let clients: Vec<_> = regions
            .iter()
            .zip(&progress)
            .map(|(region, progress)| {
                scope.spawn(move || lab.on(region.side.clients, || region.client("few", progress)?.send_single())?)
            })
            .collect();
        clients.into_iter().map(|client| client.join().map_err(panicked)?).collect::<Result<Vec<_>, String>>()
    })?;
    // A lie whose answer a cut swallows was told to nobody. That some are not is found when all has come to its end.
    let _ = eventually(TOLD_MAX, told);
    let bulk_sent = thread::scope(|scope| {
        let clients: Vec<_> = regions
            .iter()
            .zip(&progress)
            .map(|(region, progress)| {
                let spawn = |slug: &'static str| {
                    scope.spawn(move || {
                        lab.on(region.side.clients, || {
                            let client = region.client(slug, progress)?;
                            if slug == "web" { client.send_bulk(bulk) } else { client.send_on() }
                        })?
                    })
                };
                (spawn("server"), spawn("web"))
            })
            .collect();
        let cut = cut_off(tally, lab, &progress, bulk / 10..bulk);
        let mut all = Vec::new();
        for (server, web) in clients {
            all.push((server.join().map_err(panicked)??, web.join().map_err(panicked)??));
        }
        cut.map(|()| all)
    });
    lab.bridge.heal("eu", &["partner-eu-cut"])?;
    for ((region, few), (server, web)) in regions.iter_mut().zip(few).zip(bulk_sent?) {
        region.sent = BTreeMap::from([("few", few), ("server", server), ("web", web)]);
    }
    let all: u64 = regions.iter().flat_map(|region| region.sent.values()).map(|sent| sent.events).sum();
    println!("{all} events were answered 200 within {:?}", begun.elapsed());
    tally.check(format!("{EVENTS} events are taken, cuts or not"), if all == EVENTS { Ok(()) } else { Err(all) });
    Ok(())
}

/// Cuts the eu cell off from everyone when so many events are through, and not all of them, and heals it.
fn cut_off(tally: &mut Tally, lab: &Lab, progress: &[AtomicU64], at: Range<u64>) -> Result<(), String> {
    let eu = SIDES.iter().position(|side| side.region == EU).unwrap_or_default();
    let taken = |region: usize| progress[region].load(Ordering::Relaxed);
    let begun = Instant::now();
    while taken(eu) < at.start {
        if begun.elapsed() > PROGRESS_MAX {
            return Err(format!("only {} events of {EU} were answered within {PROGRESS_MAX:?}", taken(eu)));
        }
        thread::sleep(Duration::from_millis(10));
    }
    let others: Vec<_> = HOSTS.iter().map(|host| host.name).filter(|name| *name != "eu").collect();
    lab.bridge.cut("eu", &others)?;
    // An answer that was already past the bridge is counted yet.
    thread::sleep(Duration::from_millis(500));
    let (before, crossed) = (taken(eu), lab.bridge.crossed()?);
    thread::sleep(CUT);
    let (after, crossed_after) = (taken(eu), lab.bridge.crossed()?);
    lab.bridge.heal("eu", &others)?;
    lab.bridge.cut("eu", &["partner-eu-cut"])?;
    let nobody = match before == after {
        true if at.contains(&before) => Ok(()),
        true => Err("they had nothing left to send".to_owned()),
        false => Err(format!("{} were", after - before)),
    };
    tally.check(format!("while the eu cell is cut off for {CUT:?}, no event of its clients is answered"), nobody);
    let of_eu = |crossed: &BTreeMap<Pair, Crossed>| {
        let pairs =
            crossed.iter().filter(|((from, to), _)| [from, to].iter().any(|host| ["eu", "clients-eu"].contains(host)));
        pairs.map(|(pair, count)| (*pair, *count)).collect::<Vec<_>>()
    };
    let still = if of_eu(&crossed) == of_eu(&crossed_after) { Ok(()) } else { Err("something crossed") };
    tally.check("and nothing goes elsewhere instead: 0 packets from or to it or them", still);
    Ok(())
}

/// What has to be refused, at the cell where it belongs and at the other one.
fn refused(tally: &mut Tally, lab: &Lab, regions: &mut [Region]) -> Result<(), String> {
    let points = regions.iter().map(|region| region.cell.point_address(lab)).collect::<Result<Vec<_>, _>>()?;
    for (number, region) in regions.iter_mut().enumerate() {
        let (cell, marker) = (&region.cell, &region.marker);
        let (_, key) = &cell.sources["server"];
        let point = points[number];
        let other = points[1 - number];
        let own: Vec<(Hostile, SocketAddrV4)> = hostile::at_a_point(key, marker)
            .into_iter()
            .map(|hostile| (hostile, point))
            .chain(hostile::at_the_cell(&cell.token, marker).into_iter().map({
                let to = cell.cell_address(lab)?;
                move |hostile| (hostile, to)
            }))
            .collect();
        let strays: Vec<_> = hostile::misrouted(key, marker).into_iter().map(|hostile| (hostile, other)).collect();
        let name = region.side.region;
        for (what, from, all) in [
            (format!("{name}: {} bad requests are refused", own.len()), region.side.clients, own),
            (
                format!("{name}: {} misrouted requests are refused by the other cell", strays.len()),
                region.side.strays,
                strays,
            ),
        ] {
            let (answers, wrong) = lab.on(from, || {
                let (mut answers, mut wrong) = (Pages::new(), Vec::new());
                for (hostile, to) in &all {
                    match hostile.send(*to) {
                        Ok(answer) => {
                            wrong.extend(hostile.check(&answer).err());
                            answers.push((format!("{to}: {}", hostile.name), answer));
                        }
                        Err(error) => wrong.push(format!("{}: {error}", hostile.name)),
                    }
                }
                (answers, wrong)
            })?;
            region.answers.extend(answers);
            tally.check(what, none(wrong));
        }
    }
    Ok(())
}

/// What waits does so for the reason that the table says.
fn reasons(tally: &mut Tally, lab: &Lab, region: &Region, destinations: &[Destination]) -> Result<(), String> {
    let cell = &region.cell;
    let of_region = destinations.iter().filter(|destination| destination.region == region.side.region);
    let waiting = of_region.filter_map(|destination| match destination.end {
        End::Refused(code) | End::Stops(code, _) => Some((destination, code)),
        End::Arrive | End::Dead(_) => None,
    });
    let wrong = lab.on(region.side.owner, || {
        let wrong = waiting.filter_map(|(destination, code)| {
            let slug = if destination.source == Source::Server { "server" } else { "few" };
            let last = format!("{}-{}", message_ids(region.side, slug), destination.events() - 1);
            let name = destination.name;
            // A destination whose name could not be asked about while the cell was cut off waits for its next try first.
            let told = || match cell.refusal(name, &last)? {
                Some(refused) if refused == code => Ok(()),
                Some(refused) => Err(format!("{refused}, not {code}")),
                None => Err(format!("no refusal yet, not {code}")),
            };
            eventually(PROGRESS_MAX, told).err().map(|why| format!("{name}: {why}"))
        });
        wrong.collect::<Vec<_>>()
    })?;
    tally.check(format!("{}: what waits is told why", region.side.region), none(wrong));
    Ok(())
}

impl Run {
    /// Counters, capture, files, pages: no marker is where it may not be.
    pub fn check(&self, tally: &mut Tally, lab: &Lab) -> Result<(), String> {
        tally.check("nothing crossed but what the table opens", checks::crossings(&self.crossed, &self.ways));
        for (a, b) in
            [("us", "eu"), ("eu", "trap"), ("us", "trap"), ("eu", "partner-us-denied"), ("eu", "partner-us-takes")]
        {
            let both = [self.crossed.get(&(a, b)), self.crossed.get(&(b, a))];
            let sum = both.into_iter().flatten().fold(Crossed::default(), |sum, count| Crossed {
                packets: sum.packets + count.packets,
                bytes: sum.bytes + count.bytes,
            });
            let nothing = if sum == Crossed::default() { Ok(()) } else { Err(format!("{sum:?}")) };
            tally.check(format!("{a} and {b}: 0 packets, 0 bytes"), nothing);
        }
        let frames = self.capture.frames()?;
        println!("{} frames were captured", frames.len());
        for region in &self.regions {
            let (name, cell) = (region.side.region, region.side.cell);
            let search = Search::new(&region.marker);
            let seen = checks::seen(&frames, &lab.hosts, &search, name, &self.ways);
            let carrying = self.ways.iter().filter(|way| way.carries == Some(name));
            let blind = carrying.filter(|way| !seen.carried.contains_key(&(way.from, way.to)));
            let blind: Vec<_> = blind.map(|way| format!("{} -> {}", way.from, way.to)).collect();
            tally.check(format!("the search sees the {name} marker on every way that may carry it"), none(blind));
            tally.check(format!("the capture has every byte of every stream ({name})"), none(seen.holes));
            tally.check(format!("no frame or stream on any other way holds the {name} marker"), none(seen.leaks));

            let (mut read, mut leaks) = (0, Vec::new());
            for host in lab.hosts.iter().filter(|host| host.name != cell) {
                let (files, found) = checks::files(&lab.home(host.name), &[], &search)?;
                read += files;
                leaks.extend(found);
            }
            let none_read = (read == 0).then(|| "no file was read".to_owned());
            let found = none_read.into_iter().chain(leaks.iter().map(ToString::to_string)).collect();
            tally.check(format!("none of the {read} files outside {cell} holds the {name} marker"), none(found));

            let folder = region.cell.cell_folder();
            let payload = [folder.join("archive"), folder.join("destinations/dead-letters")];
            let (read, leaks) = checks::files(&lab.home(cell), &payload, &search)?;
            let what =
                format!("{cell}: logs, stores and the program's log hold it sealed or not at all ({read} files)");
            tally.check(what, none(leaks));
            let (_, kept) = checks::files(&folder.join("archive"), &[], &search)?;
            tally.check(
                format!("{cell}: the archive holds it"),
                if kept.is_empty() { Err("not found") } else { Ok(()) },
            );

            for (what, pages) in [("metrics, health and configuration", &region.pages), ("refusals", &region.answers)] {
                let found = pages.iter().flat_map(|(page, text)| {
                    self.regions
                        .iter()
                        .flat_map(|region| Search::new(&region.marker).find(text))
                        .map(move |found| format!("{page}: {}", found.form))
                });
                tally.check(
                    format!("{cell}: no marker in {} pages of {what}", pages.len()),
                    none(found.collect::<Vec<_>>()),
                );
            }
        }
        Ok(())
    }
}
