//! What the ledger says: that it holds, that it begins with what was kept of it, and where events went, held against the
//! policy in force.

use super::report::{Checkpoint, Exercise};
use super::{Stage, write};
use crate::exit::Failure;
use crate::verify::{Remote, checked};
use domicile_event::Stamp;
use domicile_ledger::verify::{Files, Folder, Question, Report, Way, Went};
use domicile_world::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads the whole ledger: from the folder of a local `up`, else over HTTP.
pub fn went(stage: &mut Stage<'_>) -> Result<(Exercise, Checkpoint), Failure> {
    let tried = "every entry read and checked here: signature, hashes, counts, and where events went by country";
    let mut exercise = Exercise::new("Ledger and balance", tried);
    let kept = stage.kept();
    let earlier = kept.as_ref().and_then(|file| stage.world.disk.read(file).ok());
    let (files, place) = files(stage)?;
    let question = Question { earlier: earlier.clone(), ..Question::default() };
    let report = checked(&*files, None, &question, (stage.args.json, stage.world, stage.runtime));
    let report = report.map_err(|error| Failure::Unreached(format!("{place}: {error}")))?;
    drop(files);
    for finding in &report.findings {
        exercise.findings.push(format!("the ledger does not hold: {}: {}", finding.place, finding.what));
    }
    let checkpoint = Checkpoint {
        size: report.head.map_or(0, |head| head.size),
        root: report.head.map(|head| head.root.to_string()).unwrap_or_default(),
        note: report.checkpoint.as_deref().map(|note| String::from_utf8_lossy(note).into_owned()).unwrap_or_default(),
    };
    exercise.happened.push(format!("{place}: {} entries, signed by its own key `vkey`", checkpoint.size));
    match (&earlier, &kept) {
        (Some(_), Some(file)) if report.holds() => {
            exercise.happened.push(format!("it begins with the checkpoint of an earlier drill, {}", file.display()));
        }
        (Some(_), _) => {}
        (None, Some(file)) => {
            exercise
                .happened
                .push(format!("no checkpoint of an earlier drill yet; this one is kept in {}", file.display()));
        }
        (None, None) => {
            exercise.happened.push("no checkpoint is kept: --report FILE keeps one beside the report".to_owned())
        }
    }
    judge(stage, &report, &mut exercise);
    let balance = &stage.drill["balance"];
    match (balance["holds"].as_bool(), balance["difference"].as_u64()) {
        (Some(true), _) => {
            exercise.happened.push(format!("the balance of {} accepted events adds up", balance["accepted"]))
        }
        (_, difference) => {
            let difference = difference.unwrap_or(0);
            exercise
                .findings
                .push(format!("the balance does not add up: of {difference} events nobody knows what became of them"));
        }
    }
    // What does not hold must not become what the next drill begins with.
    if let (Some(file), Some(note), true) = (kept, &report.checkpoint, report.holds()) {
        write(stage.world, &file, note)?;
    }
    Ok((exercise, checkpoint))
}

fn files<'r>(stage: &Stage<'r>) -> Result<(Box<dyn Files + 'r>, String), Failure> {
    if stage.args.cell.is_local() {
        let path = stage.args.cell.data().join("cells").join(stage.region()).join("ledger");
        let place = path.display().to_string();
        return Ok((Box::new(Folder { disk: Arc::clone(&stage.world.disk), path }), place));
    }
    let place = format!("{}/ledger", stage.cell.client.base());
    let client = stage.args.cell.client(&place)?;
    Ok((Box::new(Remote::new(client, stage.runtime)), place))
}

/// Where events went, by country; and what neither the policy in force nor a granted transfer names.
fn judge(stage: &Stage<'_>, report: &Report, exercise: &mut Exercise) {
    for (country, (requests, delivered, bytes)) in &report.sums.sent {
        exercise
            .happened
            .push(format!("sent to {country}: {requests} requests, {delivered} events taken, {bytes} bytes"));
    }
    if report.sums.sent.is_empty() {
        exercise.happened.push("nothing was ever sent to a partner".to_owned());
    }
    if let Some(since) = &stage.args.since {
        exercise.happened.push(format!("only what was sent from {since} on is held against the policy (--since)"));
    }
    exercise.findings.extend(uncovered(&report.sums.ways, stage.since, |country| stage.allows(country)));
}

/// What went where neither the policy nor a transfer lets it.
fn uncovered(ways: &BTreeMap<Way, Went>, since: Option<Millis>, allows: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (way, went) in ways {
        let Some(last) = went.last_uncovered.filter(|last| since.is_none_or(|since| *last >= since)) else { continue };
        if allows(&way.country) {
            continue;
        }
        found.push(format!(
            "{} requests went to {} in {}, from destination {} of workspace {}, the last at {} by `{}`: the policy in force does \
             not allow {}, and no transfer was granted for it then",
            went.uncovered,
            way.host,
            way.country,
            way.destination,
            way.workspace,
            Stamp::of(last.0).as_str(),
            way.rule,
            way.country
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_to_a_country_that_nothing_names_is_found_with_its_host_and_when() {
        let way = |country: &str| Way {
            country: country.to_owned(),
            host: "partner.example".to_owned(),
            rule: format!("allow {country}"),
            workspace: "w".to_owned(),
            destination: "d".to_owned(),
        };
        let went = |uncovered: u64, last: Option<i64>| Went {
            requests: 9,
            delivered: 9,
            uncovered,
            last_uncovered: last.map(Millis),
        };
        let ways =
            BTreeMap::from([(way("IE"), went(9, Some(5))), (way("US"), went(4, Some(5))), (way("JP"), went(0, None))]);
        let allows = |country: &str| country == "IE";
        let found = uncovered(&ways, None, allows);
        assert_eq!(found.len(), 1, "{found:?}");
        for part in [
            "4 requests went to partner.example in US",
            "destination d of workspace w",
            "1970-01-01T00:00:00.005Z",
            "`allow US`",
        ] {
            assert!(found[0].contains(part), "{part} in {found:?}");
        }
        assert_eq!(uncovered(&ways, Some(Millis(5)), allows).len(), 1);
        assert!(uncovered(&ways, Some(Millis(6)), allows).is_empty());
        assert!(uncovered(&ways, None, |_| true).is_empty());
    }
}
