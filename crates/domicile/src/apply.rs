//! `domicile apply`: makes a workspace what a file says, in one change.

use crate::configuration::ask::{self, FileArgs};
use crate::configuration::show;
use crate::exit::{Exit, Failure};
use clap::Args;
use serde_json::json;
use std::io::{BufRead, IsTerminal, Write};

#[derive(Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Without asking
    #[arg(long)]
    yes: bool,
    /// Print what was done as JSON; needs --yes
    #[arg(long, requires = "yes")]
    json: bool,
    /// Of an import: apply what can be taken over, and leave the rest
    #[arg(long, requires = "from")]
    skip_unknown: bool,
}

pub fn run(args: ApplyArgs) -> Result<Exit, Failure> {
    let runtime = ask::runtime()?;
    let mut asking = args.file.open(&runtime)?;
    let plan = runtime.block_on(asking.plan())?;
    if !asking.skipped().is_empty() && !args.skip_unknown {
        let told = show::skipped(asking.skipped());
        let mend = "nothing was applied\n  mend: change the file, or leave these out with --skip-unknown";
        return Err(Failure::usage(format!("{told}{mend}")));
    }
    if !args.json {
        print!("{}", show::skipped(asking.skipped()));
        print!("{}", show::plan(&plan, args.file.prune));
    }
    if show::changes(&plan) {
        if !args.yes && !agreed()? {
            println!("nothing was applied");
            return Ok(Exit::No);
        }
        runtime.block_on(asking.apply(plan["version"].as_u64().unwrap_or(0)))?;
    }
    if args.json {
        println!("{:#}", json!({ "plan": plan, "applied": show::changes(&plan), "notTakenOver": asking.skipped() }));
    } else if show::changes(&plan) {
        println!("applied");
    }
    Ok(Exit::Done)
}

fn agreed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("there is nobody to ask\n  mend: pass --yes, after a look at `domicile plan`"));
    }
    print!("apply this? [y/N] ");
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::unreached)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
