//! `domicile export`: a workspace's configuration as a file.

use crate::client::CellArgs;
use crate::configuration::ask;
use crate::configuration::write::{Made, workspace_file};
use crate::exit::{Exit, Failure};
use clap::Args;
use domicile_event::Stamp;
use domicile_world::World;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Args)]
pub struct ExportArgs {
    /// Write here instead of to the standard output
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write keys too; a file with them can't be applied to a second workspace of the cell
    #[arg(long)]
    write_keys: bool,
    #[command(flatten)]
    cell: CellArgs,
}

pub fn run(args: ExportArgs) -> Result<Exit, Failure> {
    let runtime = ask::runtime()?;
    let mut cell = ask::one_cell(&args.cell, None)?;
    let path = format!("/api/configuration?writeKeys={}", args.write_keys);
    let answer = runtime.block_on(cell.client.find_json(&path))?;
    let Some(data) = answer.as_ref().map(|answer| &answer["data"]) else {
        return Err(Failure::unreached(format!(
            "{}: it knows no configuration as code; is it an older version?",
            cell.name
        )));
    };
    let Some(document) = data["configuration"].as_object() else {
        return Err(Failure::unreached(format!("{}: it did not answer as it should", cell.name)));
    };
    let names =
        |path: &Value| path.as_array().into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)).collect();
    let secrets: Vec<Vec<String>> = data["secrets"].as_array().into_iter().flatten().map(names).collect();
    let now = Stamp::of(World::real().clock.now().0);
    let made = Made { at: now.as_str(), cell: &cell.name, version: data["version"].as_u64().unwrap_or(0) };
    let text = workspace_file(document, &secrets, &made);
    match &args.file {
        None => print!("{text}"),
        Some(file) => {
            std::fs::write(file, text).map_err(|error| Failure::unreached(format!("{}: {error}", file.display())))?;
        }
    }
    Ok(Exit::Done)
}
