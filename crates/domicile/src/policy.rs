//! `domicile policy check`: what a changed topology or destination would let out, before it is applied.
//!
//! Each cell judges and counts by itself, and answers with numbers; see `POST /policy-checks`.

use crate::client::{Cell, CellArgs, waiting};
use crate::exit::{Exit, Failure};
use crate::up::{read_text, read_topology};
use bytes::Bytes;
use clap::{Args, Subcommand};
use domicile_region::{RegionId, Topology};
use domicile_world::World;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// A day of a large cell takes a while to read.
const WHOLE: Duration = Duration::from_secs(900);

#[derive(Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Count what a changed topology or destination would newly let out, by the events of the last 24 hours; exit 1 when it
    /// is anything
    Check(CheckArgs),
}

#[derive(Args)]
struct CheckArgs {
    /// The changed topology; the running one when absent
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// A destination that is changed: its id
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
    /// Where the destination would send to
    #[arg(long, value_name = "URL", requires = "destination")]
    url: Option<String>,
    /// In which country that would be declared to be, like IE
    #[arg(long, value_name = "COUNTRY", requires = "destination")]
    country: Option<String>,
    /// As if the destination were switched on
    #[arg(long, requires = "destination", conflicts_with = "disable")]
    enable: bool,
    /// As if the destination were switched off
    #[arg(long, requires = "destination")]
    disable: bool,
    /// Print what each cell answers as JSON, by region
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cell: CellArgs,
}

pub fn run(args: PolicyArgs) -> Result<Exit, Failure> {
    let What::Check(args) = args.what;
    // What a start would refuse is told before any cell is asked.
    let topology = args.file.as_deref().map(|file| read_topology(Some(file), &World::real())).transpose()?;
    let body = args.body()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let mut cells = args.cell.operated_cells()?;
    refuse_lost_region(&args, topology.as_ref(), &cells)?;
    let (mut checks, mut lets_out, mut text) = (Map::new(), false, String::new());
    for cell in &mut cells {
        // A destination is in one region: in the others it is not found.
        let Some(check) = runtime.block_on(ask(cell, &body, args.destination.is_some()))? else { continue };
        lets_out |= check["letsMoreOut"].as_bool().unwrap_or(true);
        text.push_str(&told(&check));
        checks.insert(cell.name.clone(), check);
    }
    if checks.is_empty() {
        return Err(Failure::usage(format!("no cell has a destination `{}`", args.destination.unwrap_or_default())));
    }
    if args.json {
        text = format!("{:#}\n", Value::Object(checks));
    }
    crate::exit::print(&text)?;
    Ok(if lets_out { Exit::No } else { Exit::Done })
}

impl CheckArgs {
    fn body(&self) -> Result<Value, Failure> {
        let mut body = Map::new();
        if let Some(file) = &self.file {
            body.insert("topology".to_owned(), json!(read_text(file)?));
        }
        if let Some(id) = &self.destination {
            body.insert("destinationId".to_owned(), json!(id));
        }
        let settings = [("url", &self.url), ("country", &self.country)];
        let settings: Map<_, _> =
            settings.iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!(value.as_ref()?)))).collect();
        if !settings.is_empty() {
            body.insert("settings".to_owned(), Value::Object(settings));
        }
        if self.enable || self.disable {
            body.insert("enabled".to_owned(), json!(self.enable));
        }
        Ok(Value::Object(body))
    }
}

/// Cells of a local `up` are known by their regions, and a file that has lost one says so here, with its name.
fn refuse_lost_region(args: &CheckArgs, topology: Option<&Topology>, cells: &[Cell]) -> Result<(), Failure> {
    let (Some(file), Some(topology)) = (&args.file, topology) else { return Ok(()) };
    let is_lost =
        |cell: &&Cell| !cell.name.contains("://") && topology.region(&RegionId::new(cell.name.as_str())).is_none();
    match cells.iter().find(is_lost) {
        None => Ok(()),
        Some(cell) => Err(Failure::usage(format!(
            "{}: has no region `{}`, whose cell is running\n  mend: add the region, or check another by --region",
            file.display(),
            cell.name
        ))),
    }
}

async fn ask(cell: &mut Cell, body: &Value, may_lack: bool) -> Result<Option<Value>, Failure> {
    let path = "/api/policy-checks";
    let bar = waiting("the cell reads the last day's events");
    let body = Bytes::from(body.to_string());
    let sent = cell.client.send_with(Method::POST, path, body, &HeaderMap::new(), WHOLE).await;
    bar.finish_and_clear();
    let answer = sent?;
    match answer.status {
        StatusCode::OK => {
            let mut answer: Value = serde_json::from_slice(&answer.body).map_err(Failure::unreached)?;
            Ok(Some(answer["data"]["policyCheck"].take()))
        }
        StatusCode::NOT_FOUND if may_lack => Ok(None),
        _ => Err(cell.client.refused(path, &answer)),
    }
}

/// What one cell says, for a person: what changes, and how much that is.
fn told(check: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let minute = |value: &Value| format!("{}Z", word(value).get(..16).unwrap_or("?"));
    let mut text =
        format!("{}: events from {} to {}\n", word(&check["region"]), minute(&check["from"]), minute(&check["until"]));
    let mut same = 0;
    for flow in check["flows"].as_array().into_iter().flatten() {
        if flow["effect"] == "same" {
            same += 1;
            continue;
        }
        let at_least = if flow["peopleAtLeast"] == true { "at least " } else { "" };
        text.push_str(&format!(
            "  {}: {} events of {at_least}{} people, {}/{} → {} ({})\n    before  {}\n    after   {}\n",
            word(&flow["effect"]),
            flow["events"],
            flow["people"],
            word(&flow["workspaceSlug"]),
            word(&flow["sourceSlug"]),
            word(&flow["destinationName"]),
            word(&flow["destinationId"]),
            outlook(&flow["before"]),
            outlook(&flow["after"]),
        ));
    }
    let same = if same == 1 { "1 destination".to_owned() } else { format!("{same} destinations") };
    text.push_str(&format!("  as before: {same}\n"));
    if check["isWhole"] == false {
        text.push_str("  the log is long: less than a day of it was read\n");
    }
    let verdict = if check["letsMoreOut"] == false { "lets nothing more out" } else { "LETS MORE OUT" };
    text.push_str(&format!("  {verdict}; hosts are taken to be where they are declared to be\n"));
    text
}

fn outlook(outlook: &Value) -> String {
    let part = |name: &str| outlook[name].as_str().unwrap_or_default();
    match part("state") {
        "off" => "switched off".to_owned(),
        "goes" => format!("{} in {}, {}", part("host"), part("country"), part("rule")),
        _ => [part("host"), part("code")].join(" ").trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_told_with_how_much_it_is_and_the_rest_is_counted() {
        let goes =
            |country: &str, rule: &str| json!({"state": "goes", "host": "a.example", "country": country, "rule": rule});
        let flow = |effect: &str, before: Value, after: Value, at_least: bool| {
            json!({
                "workspaceSlug": "acme-eu", "sourceSlug": "web", "destinationName": "Orders", "destinationId": "d1",
                "effect": effect, "before": before, "after": after, "events": 12, "people": 3, "peopleAtLeast": at_least,
            })
        };
        let refused = json!({"state": "refused", "host": "a.example", "country": "US", "code": "country_refused"});
        let check = json!({
            "region": "eu-west", "from": "2026-11-23T16:00:00.000Z", "until": "2026-11-24T16:00:00.000Z", "isWhole": false,
            "letsMoreOut": true,
            "flows": [
                flow("begins", refused, goes("US", "allow US"), false),
                flow("stops", goes("IE", "allow IE"), json!({"state": "off"}), true),
                flow("same", goes("IE", "allow IE"), goes("IE", "allow IE"), false),
            ],
        });
        let expected = "\
eu-west: events from 2026-11-23T16:00Z to 2026-11-24T16:00Z
  begins: 12 events of 3 people, acme-eu/web → Orders (d1)
    before  a.example country_refused
    after   a.example in US, allow US
  stops: 12 events of at least 3 people, acme-eu/web → Orders (d1)
    before  a.example in IE, allow IE
    after   switched off
  as before: 1 destination
  the log is long: less than a day of it was read
  LETS MORE OUT; hosts are taken to be where they are declared to be
";
        assert_eq!(told(&check), expected);
    }
}
