//! Agreement to the event: what clients sent, what the balance sheet says, what is in the archive, what partners have, and the ledger.

use super::cell::Counts;
use super::checks::none;
use super::ledger::{self, Arrived, Known};
use super::partner::Taken;
use super::run::{Region, Run};
use super::table::{Destination, End, HOSTS};
use crate::archive::Archive;
use crate::tally::Tally;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

pub fn check(tally: &mut Tally, run: &Run) -> Result<(), String> {
    for region in &run.regions {
        let name = region.side.region;
        for (slug, sent) in &region.sent {
            let counts = region.balance.sources.get(*slug).copied().unwrap_or_default();
            tally.check(format!("{name}: the balance of {slug} agrees with its clients"), counts.agree(sent));
        }
        let archived = archived(region)?;
        for (slug, sent) in &region.sent {
            let lines = archived.get(&region.cell.sources[slug].0).copied().unwrap_or_default();
            let same = if lines == sent.distinct() { Ok(()) } else { Err(format!("{lines} lines")) };
            tally.check(format!("{name}: the archive of {slug} has each of {} events once", sent.distinct()), same);
        }
        for destination in run.destinations.iter().filter(|destination| destination.region == name) {
            let agreed = agrees(run, region, destination);
            tally.check(format!("{name}: {} and its partner agree: {:?}", destination.name, destination.end), agreed);
        }
        let entries = ledger::entries(&region.cell.cell_folder().join("ledger"));
        let differ = entries.and_then(|entries| none(ledger::differences(&entries, &known(run, region, archived)?)));
        tally.check(format!("{name}: the ledger agrees to the event, and with what crossed"), differ);
        tally.check(format!("{name}: `domicile verify` finds ledger and archive whole"), verified(region));
    }
    Ok(())
}

/// Lines by source id; one that is there twice is an error.
fn archived(region: &Region) -> Result<BTreeMap<String, u64>, String> {
    let (mut lines, mut seen) = (BTreeMap::<String, u64>::new(), HashSet::new());
    for file in Archive::of(&region.cell.home.data, region.side.region).new_files()? {
        file.lines(|line| {
            let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
            let id = event["messageId"].as_str().ok_or("an event without a messageId")?.to_owned();
            *lines.entry(file.source.clone()).or_default() += 1;
            if seen.insert(id.clone()) { Ok(()) } else { Err(format!("{id} is there twice")) }
        })?;
    }
    Ok(lines)
}

/// What the destination's partner has of it.
fn taken(run: &Run, destination: &Destination) -> Taken {
    run.partners.get(destination.host).map(|partner| partner.taken(&destination.path())).unwrap_or_default()
}

/// The sheet's counts of a destination, the events that came to its partner, and its dead letters.
fn agrees(run: &Run, region: &Region, destination: &Destination) -> Result<(), String> {
    let id = &region.cell.destinations[destination.name];
    let counts = region.balance.consumers.get(id).copied().unwrap_or_default();
    let taken =
        run.partners.get(destination.host).map(|partner| partner.taken(&destination.path())).unwrap_or_default();
    let came = taken.events.len() as u64;
    let letters = region.cell.cell_folder().join(format!("destinations/dead-letters/{id}.ndjson"));
    let letters = fs::read_to_string(letters).map_or(0, |text| text.lines().count() as u64);
    let fits = match destination.end {
        End::Refused(_) => came == 0,
        End::Dead(_) => came == counts.dead,
        End::Arrive => came == counts.delivered,
        End::Stops(_, most) => (1..=most).contains(&came) && counts.delivered <= came,
    };
    let once = !matches!(destination.end, End::Dead(_)) || taken.requests == came;
    let strangers = run.partners.get("trap").map_or(0, |trap| trap.all().len());
    match fits && letters == counts.dead && once && strangers == 0 {
        true => Ok(()),
        false => Err(format!(
            "the sheet says {counts:?}; {came} events came in {} requests, {letters} dead letters, {strangers} paths at the trap",
            taken.requests
        )),
    }
}

fn verified(region: &Region) -> Result<(), String> {
    let folder = |name: &str| region.cell.cell_folder().join(name).display().to_string();
    region.cell.home.command("verify", &["--ledger", &folder("ledger"), "--archive", &folder("archive")]).map(drop)
}

fn known(run: &Run, region: &Region, archived: BTreeMap<String, u64>) -> Result<Known, String> {
    let of_region = || run.destinations.iter().filter(|destination| destination.region == region.side.region);
    let source =
        |(slug, counts): (&String, &Counts)| Some((region.cell.sources.get(slug.as_str())?.0.clone(), *counts));
    let arrived = of_region().filter(|destination| destination.opens()).map(|destination| {
        let taken = taken(run, destination);
        let delivered = if matches!(destination.end, End::Dead(_)) { 0 } else { taken.events.len() as u64 };
        let arrived = Arrived { delivered, requests: taken.requests, bytes: taken.body_bytes };
        (region.cell.destinations[destination.name].clone(), arrived)
    });
    let refused = of_region().filter_map(|destination| match destination.end {
        End::Refused(code) | End::Stops(code, _) => Some((destination.at.split(':').next()?.to_owned(), code)),
        End::Arrive | End::Dead(_) => None,
    });
    let crossed = run.crossed.iter().filter_map(|((from, to), count)| {
        let is_partner = *from == region.side.cell && to.starts_with("partner-");
        let host = HOSTS.iter().find(|host| host.name == *to).filter(|_| is_partner)?;
        Some((host.address(), count.bytes))
    });
    Ok(Known {
        sources: region.balance.sources.iter().filter_map(source).collect(),
        archived,
        objects: objects(&region.cell.cell_folder().join("archive"))?,
        arrived: arrived.collect(),
        refused: refused.collect(),
        crossed: crossed.collect(),
    })
}

/// The bytes of each file of the archive, by its name from the archive's folder on.
fn objects(archive: &Path) -> Result<BTreeMap<String, u64>, String> {
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut objects = BTreeMap::new();
    let mut folders = vec![archive.join("segment-logs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| at(&folder, error))? {
            let path = entry.map_err(|error| at(&folder, error))?.path();
            let file = path.metadata().map_err(|error| at(&path, error))?;
            if file.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(archive) {
                objects.insert(name.display().to_string(), file.len());
            }
        }
    }
    Ok(objects)
}
