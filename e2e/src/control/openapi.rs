//! The OpenAPI document: an independent validator finds it sound, and Schemathesis finds that the API does what it says.
//!
//! - The seed is fixed; `DOMICILE_SCHEMATHESIS_EXAMPLES` (cases of each operation) and `DOMICILE_SCHEMATHESIS_SEED` change the run.

use super::api::{Api, shortened};
use crate::here;
use crate::tally::Tally;
use crate::up::{Demo, Home};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const REGION: &str = "eu-west";
const ELSEWHERE: &str = "us-west";
/// Bounded, so that a run of the suite stays short.
const EXAMPLES: &str = "20";
const SEED: &str = "20261124";
/// As many as one token may make in a minute, twice.
const TOKENS: u32 = 30;
const ENDS_TOKENS: &str = "deleteToken";

/// One worker: with more, what is asked depends on chance.
const HOW: &str = "--checks not_a_server_error,status_code_conformance,content_type_conformance,\
                   response_headers_conformance,response_schema_conformance,negative_data_rejection,ignored_auth,\
                   use_after_free,unsupported_method,allow_header_conformance \
                   --phases examples,coverage,fuzzing --workers 1 --request-timeout 10 --no-color --warnings off \
                   --continue-on-failure";

pub fn run(tally: &mut Tally, domicile: &Path, tools: &Path) {
    Home::test(tally, domicile, "openapi", &[], |tally, home| check(tally, home, tools));
}

fn check(tally: &mut Tally, home: &Home, tools: &Path) -> Result<(), String> {
    let _up = home.start_ready()?;
    let demo = home.demo()?;
    let document = Api::of(&demo, REGION)?.get("/openapi.json")?.body;
    let file = home.folder.join("openapi.json");
    fs::write(&file, document.to_string()).map_err(|error| format!("{}: {error}", file.display()))?;

    let operations = operations(&document);
    let without_id = operations.iter().filter(|operation| operation.id.is_empty()).count();
    let ids: BTreeSet<_> = operations.iter().map(|operation| &operation.id).collect();
    let named = match (operations.len(), ids.len()) {
        (0, _) => Err("it has no operation".to_owned()),
        (all, different) if all == different && without_id == 0 => Ok(()),
        (all, different) => Err(format!("{all} operations have {different} ids, {without_id} have none")),
    };
    tally.check(format!("the document names {} operations, each once", operations.len()), named);

    let outcome = closed_to_others(&operations, &demo);
    tally.check(format!("none of the {} opens to a token of another cell, or to none", operations.len()), outcome);

    let mut validator = Command::new(tools.join("bin/openapi-spec-validator"));
    validator.arg(&file);
    tally.check("an independent validator finds the document sound", quiet(validator));

    let examples = env::var("DOMICILE_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let seed = env::var("DOMICILE_SCHEMATHESIS_SEED").unwrap_or_else(|_| SEED.to_owned());
    let operator = home.operator_token(REGION)?;
    let apart = |operation: &&Operation| operation.streams || operation.id == ENDS_TOKENS;
    let without = operations.iter().filter(apart).map(|operation| format!(" exclude-operation-id {}", operation.id));
    // What ends a token comes last: it has learned the ids of those that it is asked with.
    for (what, tokens, chosen) in [
        (
            "what an owner may ask",
            owners(&demo)?,
            format!("exclude-path-regex ^/operator/{}", without.collect::<String>()),
        ),
        ("what the operator may ask", operator, "include-path-regex ^/operator/".to_owned()),
        ("the end of a token", owners(&demo)?, format!("include-operation-id {ENDS_TOKENS}")),
    ] {
        let statuses = home.folder.join("statuses.json");
        let mut tester = Command::new(tools.join("bin/schemathesis"));
        tester.env("SCHEMATHESIS_HOOKS", here("control/tokens.py"));
        tester.env("DOMICILE_TOKENS", tokens).env("DOMICILE_STATUSES", &statuses);
        tester.arg("--config-file").arg(here("control/schemathesis.toml"));
        tester.arg("run").arg(&file).args(["--url", &format!("{}/api", demo.cell(REGION)?)]);
        let chosen: Vec<_> = chosen.split(' ').collect();
        for pair in chosen.chunks(2) {
            tester.arg(format!("--{}", pair[0])).args(&pair[1..]);
        }
        tester.args(["--seed", &seed, "--max-examples", &examples]).args(HOW.split_whitespace());
        // It keeps what it has learned in its working directory.
        tester.current_dir(&home.folder);
        let promise = "Schemathesis finds no server error and no answer that the document does not allow";
        tally.check(format!("{what}: {promise}"), quiet(tester));
        tally.check(format!("{what}: few requests met a rate limit"), few_waited(&statuses));
    }
    Ok(())
}

/// Tokens of a workspace's owner, with commas between them: one alone may not ask so much.
fn owners(demo: &Demo) -> Result<String, String> {
    let mut api = Api::of(demo, REGION)?;
    let make = |n| {
        let made = api.post("/tokens", json!({ "name": format!("Tester {n}") }))?.data(201)?;
        made.pointer("/token/token").and_then(Value::as_str).map(str::to_owned).ok_or(format!("no token in {made}"))
    };
    Ok((0..TOKENS).map(make).collect::<Result<Vec<_>, String>>()?.join(","))
}

/// Whether what was tried is more than the rate limit. `statuses`: how often each was answered.
fn few_waited(statuses: &Path) -> Result<(), String> {
    let counts = fs::read_to_string(statuses).map_err(|error| format!("{}: {error}", statuses.display()))?;
    let counts: BTreeMap<String, u64> = serde_json::from_str(&counts).map_err(|error| error.to_string())?;
    let shown: Vec<_> = counts.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    println!("        {}", shown.join(", "));
    let (all, waited) = (counts.values().sum::<u64>(), counts.get("429").copied().unwrap_or(0));
    if waited * 20 < all { Ok(()) } else { Err(format!("{waited} of {all}")) }
}

/// Each operation, asked with a token of another cell and without one. The document itself is for everybody.
fn closed_to_others(operations: &[Operation], demo: &Demo) -> Result<(), String> {
    let mut stranger = Api::with_token(demo.cell(REGION)?, demo.token(ELSEWHERE)?)?;
    for Operation { verb, path, .. } in operations.iter().filter(|operation| !operation.open) {
        let path: Vec<_> = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let (verb, path) = (verb.to_uppercase(), path.join("/"));
        let asked = [stranger.ask(&verb, &path, None, &[])?, stranger.raw(&verb, &path, &[], b"")?];
        asked.iter().try_for_each(|told| told.refuses(&[401])).map_err(|why| format!("{verb} {path} {why}"))?;
    }
    Ok(())
}

/// An operation of the document.
struct Operation {
    verb: String,
    path: String,
    id: String,
    /// Whether its answer never ends: a tester waits for the end.
    streams: bool,
    /// Whether it asks for no token.
    open: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let entries =
        paths.flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(verb, it)| (path, verb, it)));
    entries
        .filter(|(_, verb, _)| ["get", "put", "post", "delete", "patch"].contains(&verb.as_str()))
        .map(|(path, verb, operation)| Operation {
            verb: verb.clone(),
            path: path.clone(),
            id: operation["operationId"].as_str().unwrap_or_default().to_owned(),
            streams: operation["responses"].to_string().contains("text/event-stream"),
            open: operation["security"].as_array().is_some_and(Vec::is_empty),
        })
        .collect()
}

/// Runs it to its end, which must be with 0; otherwise all that it said.
fn quiet(mut command: Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ran = command.stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() {
        // How much was tried, as Schemathesis counts it.
        said.lines().filter(|line| line.contains(" generated, ")).for_each(|line| println!("        {}", line.trim()));
        return Ok(());
    }
    // A request may be a megabyte.
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).map(shortened).collect();
    Err(format!("{}: {}", ran.status, lines.join("\n        ")))
}
