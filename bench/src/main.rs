//! The bench: the rows of the design's table that exist, each a ratio within one run or a bound that the design gives.
//!
//! It starts the servers that it measures as processes of their own: the bare floor and the accept server (this program
//! again), and `domicile up`.

mod accept;
mod child;
mod control;
mod dedup;
mod fill;
mod floor;
mod http;
mod ledger;
mod load;
mod pipeline;
mod row;
mod server;
mod webhook;

use accept::Effort;
use clap::{Parser, Subcommand};
use row::Row;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(name = "domicile-bench", about = "Measures Domicile against its floors")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the rows and print the table
    Rows {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
        /// Only rows whose name holds this text
        #[arg(long)]
        only: Option<String>,
        /// Longer runs, 100 million keys, 10 GB of logs: some 30 minutes
        #[arg(long)]
        full: bool,
        /// The program to measure
        #[arg(long)]
        domicile: PathBuf,
        /// Also write the table into this folder, under the date
        #[arg(long)]
        results: Option<PathBuf>,
    },
    /// Serve the bare floor
    ServeFloor {
        #[arg(long)]
        folder: PathBuf,
    },
    /// Serve one ingest point and nothing behind it
    ServeAccept {
        #[arg(long)]
        folder: PathBuf,
    },
}

fn main() -> io::Result<()> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Args::parse().command {
        Command::ServeFloor { folder } => runtime.block_on(floor::serve(any, &folder)),
        Command::ServeAccept { folder } => runtime.block_on(server::serve(any, &folder)),
        Command::Rows { json, only, full, domicile, results } => {
            let rows = measure(&domicile, full, only.as_deref())?;
            let table = table(&rows);
            if json {
                println!("{}", serde_json::to_string_pretty(&rows)?);
            } else {
                println!("{table}");
            }
            if let Some(folder) = results {
                write_results(&folder, &table)?;
            }
            Ok(())
        }
    }
}

fn measure(domicile: &Path, full: bool, only: Option<&str>) -> io::Result<Vec<Row>> {
    let me = std::env::current_exe()?;
    let effort = if full { Effort { rounds: 7, seconds: 8.0 } } else { Effort { rounds: 5, seconds: 3.0 } };
    let keys = if full { 100_000_000 } else { 10_000_000 };
    type Step<'a> = (&'a str, Box<dyn Fn() -> io::Result<Vec<Row>> + 'a>);
    let steps: Vec<Step<'_>> = vec![
        ("accept", Box::new(|| accept::rows(&me, effort))),
        ("pipeline", Box::new(|| pipeline::cost(&me, domicile, effort))),
        ("webhook", Box::new(|| Ok(vec![pipeline::webhook(domicile, effort)?]))),
        ("idle", Box::new(|| pipeline::idle(domicile, effort))),
        ("start", Box::new(|| Ok(vec![pipeline::start(domicile, 10.0)?]))),
        ("control", Box::new(|| control::rows(domicile))),
        ("dedup", Box::new(|| dedup::rows(keys))),
        ("ledger", Box::new(|| ledger::rows(1_000_000))),
    ];
    let mut rows = Vec::new();
    for (name, step) in steps.iter().filter(|(name, _)| only.is_none_or(|only| name.contains(only))) {
        eprintln!("measuring {name} …");
        rows.extend(step()?);
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let mut out = String::from("| what | figure | goal | holds | made of |\n| --- | --- | --- | --- | --- |\n");
    for row in rows {
        let holds = if row.holds { "yes" } else { "**no**" };
        out += &format!("| {} | {} | {} | {holds} | {} |\n", row.name, row.value, row.goal, row.detail);
    }
    out
}

/// One file a day and machine; a later run of the day replaces it.
fn write_results(folder: &Path, table: &str) -> io::Result<()> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("\t: unknown processor");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let stamp = domicile_event::Stamp::of(i64::try_from(now.as_millis()).unwrap_or(0));
    let day = &stamp.as_str()[..10];
    std::fs::create_dir_all(folder)?;
    let mut file = std::fs::File::create(folder.join(format!("{day}.md")))?;
    write!(file, "# {day}, {cores} cores, {model}\n\nMade by `cargo xtask bench`.\n\n{table}")
}
