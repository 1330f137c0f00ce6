//! `domicile plan`: what a workspace file would change.

use crate::configuration::ask::{self, FileArgs};
use crate::configuration::show;
use crate::exit::{Exit, Failure};
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub struct PlanArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: PlanArgs) -> Result<Exit, Failure> {
    let runtime = ask::runtime()?;
    let mut asking = args.file.open(&runtime)?;
    let plan = runtime.block_on(asking.plan())?;
    if args.json {
        println!("{:#}", json!({ "plan": plan, "notTakenOver": asking.skipped() }));
    } else {
        print!("{}", show::skipped(asking.skipped()));
        print!("{}", show::plan(&plan, args.file.prune));
    }
    // As `diff` does.
    Ok(if show::changes(&plan) { Exit::No } else { Exit::Done })
}
