//! The attacks that the cell tried on its border, and where each way out leads.

use super::Stage;
use super::report::Exercise;
use crate::exit::Failure;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the attacks came to.
pub fn attacks(drill: &Value) -> Exercise {
    let classes = drill["attacks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = |of: &[&Value], name: &str| of.iter().filter_map(|class| class[name].as_u64()).sum::<u64>();
    let all: Vec<&Value> = classes.iter().collect();
    let (tried, not_tried) = (sum(&all, "tried"), sum(&all, "notTried"));
    let what = format!("{tried} forms of URLs and answers to look-ups, on the border in force, among nobody");
    let mut exercise = Exercise::new("Attacks on the border", what);
    let mut by_about: Vec<(&str, Vec<&Value>)> = Vec::new();
    for class in classes {
        let about = class["about"].as_str().unwrap_or("?");
        match by_about.last_mut() {
            Some((last, of)) if *last == about => of.push(class),
            _ => by_about.push((about, vec![class])),
        }
    }
    for (about, of) in by_about.iter().filter(|(_, of)| sum(of, "tried") > 0) {
        let mut codes: BTreeMap<&str, u64> = BTreeMap::new();
        for (code, n) in of.iter().filter_map(|class| class["refused"].as_object()).flatten() {
            *codes.entry(code).or_default() += n.as_u64().unwrap_or(0);
        }
        let mut told: Vec<String> = codes.iter().map(|(code, n)| format!("{n} {code}")).collect();
        for (name, means) in [("pinned", "called no address but the judged one"), ("listed", "in your `networks`")] {
            let n = sum(of, name);
            if n > 0 {
                told.push(format!("{n} {means}"));
            }
        }
        exercise.happened.push(format!("{about}: {} tried: {}", sum(of, "tried"), told.join(", ")));
    }
    exercise.happened.push(format!(
        "{not_tried} more need a partner's answer: the program's own tests try them (crates/border/tests/attacks.rs)"
    ));
    if drill["isGated"] != false {
        let told = "on the cell's side: the border process judges once more by the same code, and was not asked";
        exercise.happened.push(told.to_owned());
    }
    for crossed in classes.iter().filter_map(|class| class["crossed"].as_array()).flatten() {
        exercise.findings.push(crossed.as_str().unwrap_or("an attack got through").to_owned());
    }
    if tried == 0 {
        exercise.findings.push("the cell tried no attack at all".to_owned());
    }
    exercise
}

/// Where each way out leads now, held against policy and transfers.
pub fn countries(stage: &mut Stage<'_>) -> Result<Exercise, Failure> {
    let transfers = transfers(stage)?;
    let ways = stage.drill["ways"].as_array().map(Vec::as_slice).unwrap_or_default();
    let tried = format!("{} ways out that are switched on, each with its country and rule", ways.len());
    let mut exercise = Exercise::new("Countries", tried);
    exercise.happened.push(format!("the policy allows {}", stage.allowed()));
    for way in ways {
        let part = |at: &str| way.pointer(at).and_then(Value::as_str).unwrap_or("?");
        let (country, workspace) = (part("/outlook/country"), part("/workspaceId"));
        let named = format!("{} {}/{} ({})", part("/kind"), part("/workspaceSlug"), part("/name"), part("/id"));
        if part("/outlook/state") == "refused" {
            exercise.happened.push(format!("{named}: refused, {}", part("/outlook/code")));
            continue;
        }
        let host = part("/outlook/host");
        exercise.happened.push(format!("{named}: {host} in {country}, {}", part("/outlook/rule")));
        let is_covered = |transfer: &&Value| {
            let of = &transfer["workspaceId"];
            transfer["state"] == "granted" && transfer["to"] == country && (of.is_null() || of == workspace)
        };
        if !stage.allows(country) && !transfers.iter().any(|transfer| is_covered(&transfer)) {
            exercise.findings.push(format!(
                "{named} sends to {host} in {country}, which the policy does not allow and no transfer in force names"
            ));
        }
    }
    for transfer in &transfers {
        let part = |name: &str| transfer[name].as_str().unwrap_or("any vendor").to_owned();
        let told =
            format!("transfer to {} for {} ({}, until {})", part("to"), part("vendor"), part("basis"), part("expires"));
        match transfer["state"].as_str() {
            Some("granted") => exercise.happened.push(format!("{told}: in force")),
            Some("expired") => exercise.happened.push(format!("{told}: EXPIRED, what is to go by it waits")),
            _ => {}
        }
    }
    Ok(exercise)
}

/// All transfers of the cell.
fn transfers(stage: &mut Stage<'_>) -> Result<Vec<Value>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/transfers?pagination.count=1000{cursor}");
        let answer = stage.runtime.block_on(stage.cell.client.find_json(&path))?.unwrap_or_default();
        all.extend(answer["data"]["transfers"].as_array().into_iter().flatten().cloned());
        match answer["data"]["pagination"]["next"].as_str() {
            Some(next) => cursor = format!("&pagination.cursor={}", crate::client::encode(next)),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::report::Verdict;
    use serde_json::json;

    #[test]
    fn an_attack_that_got_through_is_named_and_none_tried_is_no_yes() {
        let class = |crossed: &[&str]| {
            json!({ "class": 3, "about": "forms of addresses", "tried": 5, "refused": { "address_form": 4 }, "listed": 0,
                    "pinned": 1, "notTried": 2, "crossed": crossed })
        };
        let sound = attacks(&json!({ "attacks": [class(&[])] }));
        assert_eq!(sound.verdict(), Verdict::Held);
        let told = "forms of addresses: 5 tried: 4 address_form, 1 called no address but the judged one";
        assert_eq!(sound.happened[0], told);
        let holed = attacks(&json!({ "attacks": [class(&["class 3, URL http://1/: a connection was permitted"])] }));
        assert_eq!(holed.findings, ["class 3, URL http://1/: a connection was permitted"]);
        assert_eq!(attacks(&json!({})).verdict(), Verdict::Crossed);
    }
}
