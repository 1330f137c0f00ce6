//! The published TypeScript client drives a whole life of a workspace, in four regions: the two of a plain `up`, and a Swiss and
//! an Australian one of a topology. What it is answered is the same in all of them.

use super::api::{Api, shortened};
use super::script::{Said, Script};
use crate::here;
use crate::tally::Tally;
use crate::up::Home;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

const PLAIN: [&str; 2] = ["us-west", "eu-west"];
const OTHERS: [&str; 2] = ["ch-central", "au-east"];

/// What the catalog offers depends on the region's country, as it must.
const DIFFERS: [&str; 1] = ["the catalog of "];

/// Sources to page through.
const SOURCES: &str = "500";

type Lives = Vec<(&'static str, Said)>;

/// `tools`: a Python environment that has `jsonschema`.
pub fn run(tally: &mut Tally, domicile: &Path, tools: &Path) {
    let topology = here("src/ingest/regions.yml").display().to_string();
    let mut lives = Vec::new();
    Home::test(tally, domicile, "life", &[], |tally, home| live(tally, home, tools, PLAIN, &mut lives));
    let more = [("--topology", &*topology)];
    Home::test(tally, domicile, "life-elsewhere", &more, |tally, home| live(tally, home, tools, OTHERS, &mut lives));
    let Some(((first, model), rest)) = lives.split_first() else { return };
    for (region, said) in rest {
        tally.check(format!("{region} answers as {first} does"), same(model, said));
    }
}

/// One client in each of the regions, at the same time.
fn live(
    tally: &mut Tally,
    home: &Home,
    tools: &Path,
    regions: [&'static str; 2],
    lives: &mut Lives,
) -> Result<(), String> {
    let _up = home.start_ready()?;
    let demo = home.demo()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let now = now.as_millis().to_string();
    let answers = |region: &str| home.folder.join(format!("{region}.ndjson"));
    let client = |region: &&str| {
        let mut command = Command::new("node");
        command.arg("--no-deprecation").arg(here("control/life.mjs"));
        command.args([&format!("{}/api", demo.cell(region)?), demo.token(region)?, &now, SOURCES]);
        command.arg(answers(region));
        Ok(command)
    };
    let clients = regions.iter().map(client).collect::<Result<Vec<_>, String>>()?;
    let run = |command| thread::spawn(move || Script::start(command).and_then(Script::finish));
    let running: Vec<_> = clients.into_iter().map(run).collect();
    for (region, running) in regions.into_iter().zip(running) {
        match running.join().map_err(|_| "the thread of a client panicked".to_owned())? {
            Ok(said) => {
                said.tally(tally, region);
                lives.push((region, said));
            }
            Err(why) => tally.check(format!("the client in {region} comes to its end"), Err(why)),
        }
        let document = home.folder.join(format!("{region}.json"));
        let told = Api::of(&demo, region)?.get("/openapi.json")?.body;
        fs::write(&document, told.to_string()).map_err(|error| format!("{}: {error}", document.display()))?;
        let mut conform = Command::new(tools.join("bin/python"));
        conform.arg(here("control/conform.py")).arg(document).arg(answers(region));
        Script::start(conform)?.finish()?.tally(tally, region);
    }
    Ok(())
}

/// Whether both were answered the same, step by step.
fn same(model: &Said, other: &Said) -> Result<(), String> {
    let steps = |said: &Said| match said.more.last().and_then(|line| line.get("transcript")?.as_array().cloned()) {
        Some(steps) if !steps.is_empty() => Ok(steps),
        _ => Err("it printed no transcript".to_owned()),
    };
    let (model, other) = (steps(model)?, steps(other)?);
    if model.len() != other.len() {
        return Err(format!("{} steps, not {}", other.len(), model.len()));
    }
    let differing = |(mine, theirs): &(&Value, &Value)| {
        let promise = mine[0].as_str().unwrap_or_default();
        mine != theirs && !DIFFERS.iter().any(|start| promise.starts_with(start))
    };
    match model.iter().zip(&other).find(differing) {
        None => Ok(()),
        Some((mine, theirs)) => Err(format!("{}: {}", mine[0], difference(&mine[1], &theirs[1]))),
    }
}

/// Where two values first differ.
fn difference(mine: &Value, theirs: &Value) -> String {
    let inner = match (mine, theirs) {
        (Value::Array(mine), Value::Array(theirs)) if mine.len() == theirs.len() => {
            let mut pairs = mine.iter().zip(theirs).enumerate();
            pairs.find(|(_, (a, b))| a != b).map(|(n, (a, b))| format!("[{n}]{}", difference(a, b)))
        }
        (Value::Object(mine), Value::Object(theirs)) if mine.keys().eq(theirs.keys()) => {
            let mut pairs = mine.iter().zip(theirs);
            pairs.find(|((_, a), (_, b))| a != b).map(|((name, a), (_, b))| format!(".{name}{}", difference(a, b)))
        }
        _ => None,
    };
    inner.unwrap_or_else(|| format!(" {} here, {} there", shortened(&mine.to_string()), shortened(&theirs.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_difference_is_found_where_it_is_and_not_in_what_must_differ() {
        let said = |steps: Value| Said { promises: Vec::new(), more: vec![json!({ "transcript": steps })] };
        let model = said(json!([["the catalog of sources", 1], ["a source", { "a": [1, { "b": 2 }] }]]));
        let good = said(json!([["the catalog of sources", 2], ["a source", { "a": [1, { "b": 2 }] }]]));
        let bad = said(json!([["the catalog of sources", 1], ["a source", { "a": [1, { "b": 3 }] }]]));
        assert_eq!(same(&model, &good), Ok(()));
        assert!(same(&model, &bad).unwrap_err().ends_with(".a[1].b 2 here, 3 there"));
        assert!(same(&model, &said(json!([]))).is_err());
    }
}
