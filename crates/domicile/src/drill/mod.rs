//! `domicile drill`: tries to break residency on a running cell, and says what happened.
//!
//! ```text
//! operator's token ──► the cell tries the attacks on its own border ──► attacks, countries
//! ingest points ◄───── events under made-up keys of other regions ────► misrouted keys, log hygiene
//! local partner ◄───── a destination of its own, for a moment (--partners) ──► redirects
//! ledger ────────────► read and checked here, against the policy ──► where events went
//! ```
//!
//! - Nothing that is in the cell is changed. Without `--partners` nothing is kept of a drill but a line of the API's log.
//! - What the ledger says is held against the policy here, without asking the border that let it out.
//! - What was not tried is said, with why.

mod border;
mod keys;
mod ledger;
mod partners;
mod report;

use crate::client::{Cell, CellArgs};
use crate::exit::{Exit, Failure};
use bytes::Bytes;
use clap::Args;
use domicile_event::parse_time;
use domicile_world::{Millis, World, write_whole};
use http::{HeaderMap, Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use report::{Exercise, Report};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::Runtime;

#[derive(Args)]
pub struct DrillArgs {
    /// Also redirect deliveries: makes a source and a destination in the demo workspace of a local `up`, sends four events,
    /// and deletes both
    #[arg(long, conflicts_with = "cell")]
    partners: bool,
    /// Judge only what was sent from this time on, for example 2027-01-15T07:00:00Z: for after a policy was narrowed
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Write the report as Markdown; the ledger's checkpoint is kept beside it for the next drill
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cell: CellArgs,
}

/// Balance and attacks of a large cell take a while.
const WHOLE: Duration = Duration::from_secs(120);

/// What a drill of one cell stands on.
struct Stage<'a> {
    args: &'a DrillArgs,
    world: &'a World,
    runtime: &'a Runtime,
    cell: Cell,
    /// What the cell answered at the beginning.
    drill: Value,
    /// Stands in every event that is sent, and must be found nowhere.
    marker: String,
    since: Option<Millis>,
    /// Events that the drill itself has had accepted.
    own_events: u64,
}

pub fn run(args: DrillArgs) -> Result<Exit, Failure> {
    let since = match &args.since {
        None => None,
        Some(text) => Some(Millis(parse_time(text).ok_or_else(|| {
            Failure::usage(format!("--since: `{text}` is not a time\n  mend: write it like 2027-01-15T07:00:00Z"))
        })?)),
    };
    let world = World::real();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let mut reports = Vec::new();
    for mut cell in args.cell.operated_cells()? {
        let drill = runtime.block_on(drilled(&mut cell))?;
        let mut random = [0; 12];
        world.random.fill(&mut random);
        let marker = format!("drill{}", data_encoding::HEXLOWER.encode(&random));
        let stage = Stage { args: &args, world: &world, runtime: &runtime, cell, drill, marker, since, own_events: 0 };
        reports.push(stage.report()?);
    }
    let held = reports.iter().all(Report::held);
    if let Some(file) = &args.report {
        let text: String = reports.iter().map(Report::markdown).collect::<Vec<_>>().join("\n");
        write(&world, file, text.as_bytes())?;
    }
    let text = match args.json {
        true => format!("{:#}\n", Value::Array(reports.iter().map(Report::json).collect())),
        false => reports.iter().map(Report::text).collect(),
    };
    crate::exit::print(&text)?;
    Ok(if held { Exit::Done } else { Exit::No })
}

/// Has the cell try the attacks on its border, and tell what it is.
async fn drilled(cell: &mut Cell) -> Result<Value, Failure> {
    let path = "/api/operator/drills";
    let answer = cell.client.send_with(Method::POST, path, Bytes::new(), &HeaderMap::new(), WHOLE).await?;
    if answer.status != StatusCode::OK {
        return Err(cell.client.refused(path, &answer));
    }
    let mut answer: Value = serde_json::from_slice(&answer.body).map_err(Failure::unreached)?;
    Ok(answer["data"]["drill"].take())
}

impl Stage<'_> {
    /// All exercises, in the order in which a person reads them.
    fn report(mut self) -> Result<Report, Failure> {
        let bar = if self.args.json { ProgressBar::hidden() } else { ProgressBar::new(6) };
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        let mut exercises: Vec<Exercise> = Vec::new();
        let mut step = |what: &str, exercise: Exercise| {
            exercises.push(exercise);
            bar.inc(1);
            bar.set_message(what.to_owned());
        };
        step("countries", border::attacks(&self.drill));
        step("misrouted keys", border::countries(&mut self)?);
        let tried = keys::misrouted(&mut self)?;
        step("redirects", tried.exercise);
        step("ledger", partners::redirects(&mut self)?);
        let (found, checkpoint) = ledger::went(&mut self)?;
        step("log hygiene", found);
        step("", keys::hygiene(&mut self, &tried.answers)?);
        bar.finish_and_clear();
        Ok(Report {
            region: self.region().to_owned(),
            name: self.text("name").to_owned(),
            cell: self.cell.client.base().to_owned(),
            at: self.text("at").to_owned(),
            program: self.text("program").to_owned(),
            checkpoint,
            exercises,
        })
    }

    fn text(&self, name: &str) -> &str {
        self.drill[name].as_str().unwrap_or("?")
    }

    fn region(&self) -> &str {
        self.text("region")
    }

    /// Whether the policy in force allows a country.
    fn allows(&self, country: &str) -> bool {
        match self.drill.get("allow") {
            Some(Value::Array(allowed)) => allowed.iter().any(|allowed| allowed == country),
            Some(Value::Null) => true,
            _ => false,
        }
    }

    /// The policy's countries, for people.
    fn allowed(&self) -> String {
        match &self.drill["allow"] {
            Value::Array(allowed) => allowed.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
            _ => "any country".to_owned(),
        }
    }

    /// Where the checkpoint is kept from one drill to the next: beside the report, else in the data folder of a local `up`.
    fn kept(&self) -> Option<PathBuf> {
        let folder = match &self.args.report {
            Some(file) => file.parent().unwrap_or(Path::new("")).to_owned(),
            None if self.args.cell.is_local() => self.args.cell.data().join("drills"),
            None => return None,
        };
        Some(folder.join(format!("{}.checkpoint", self.region())))
    }
}

/// Writes a file and the folder that it is in.
fn write(world: &World, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::unreached(format!("{}: {error}", file.display()));
    // A bare name has no folder to be synced.
    let whole = Path::new(".").join(file);
    if let Some(folder) = whole.parent() {
        world.disk.make_folder(folder, false).map_err(fail)?;
    }
    write_whole(world.disk.as_ref(), &whole, bytes).map_err(fail)
}
