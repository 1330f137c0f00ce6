//! Agreement to the event: what clients sent, what the balance sheet says, what is in the archive, what partners have, and the ledger.

use super::ledger::{self, Known, LEDGER};
use super::run::{Region, Run};
use super::table::{Destination, End, HOSTS};
use crate::archive::Archive;
use crate::tally::Tally;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::fs;

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
        ledger_of(tally, run, region, archived.values().sum());
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

fn ledger_of(tally: &mut Tally, run: &Run, region: &Region, archived: u64) {
    let what = format!("{}: the ledger agrees to the event, and with what crossed", region.side.region);
    if !LEDGER {
        return tally.skip(what, "cells write no ledger yet");
    }
    let known = known(run, region, archived);
    let entries = ledger::entries(&region.cell.cell_folder().join("ledger"));
    tally.check(what, entries.and_then(|entries| super::checks::none(ledger::differences(&entries, &known))));
}

fn known(run: &Run, region: &Region, archived: u64) -> Known {
    let of_region = || run.destinations.iter().filter(|destination| destination.region == region.side.region);
    let id = |destination: &Destination| region.cell.destinations[destination.name].clone();
    let delivered = of_region().map(|destination| {
        let taken = run.partners.get(destination.host).map(|partner| partner.taken(&destination.path()));
        let came = taken.map_or(0, |taken| taken.events.len() as u64);
        (id(destination), if matches!(destination.end, End::Dead(_)) { 0 } else { came })
    });
    let refused = of_region().filter(|destination| matches!(destination.end, End::Refused(_) | End::Stops(..))).map(id);
    let crossed = run.crossed.iter().filter_map(|((from, to), count)| {
        let is_partner = *from == region.side.cell && to.starts_with("partner-");
        let host = HOSTS.iter().find(|host| host.name == *to).filter(|_| is_partner)?;
        Some((host.address(), count.bytes))
    });
    Known {
        accepted: region.balance.sources.values().map(|counts| counts.accepted).sum(),
        archived,
        delivered: delivered.collect(),
        refused: refused.collect(),
        crossed: crossed.collect(),
    }
}
