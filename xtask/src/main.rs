//! Every chore of the house: `cargo xtask test`, `crash`, `bench`.
//!
//! - `.ci/run` calls `cargo xtask test` and nothing else: what passes here passes there.
//! - What a chore installs is pinned (versions, lock files, hashes) and lies outside the clone, in `~/.cache/domicile`, or
//!   in a folder that git ignores. A cache may be used and is never relied on.

mod fuzz;
mod install;
mod outside;
mod postgres;
mod run;
mod suite;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use suite::Suite;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The house's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the tests need, then run every suite
    Test {
        /// Only this suite
        #[arg(long)]
        suite: Option<Suite>,
        /// Name the suites and what each shows
        #[arg(long)]
        list: bool,
    },
    /// Kill the process again and again under clients that never stop sending
    Crash {
        #[arg(long, default_value_t = 1000)]
        rounds: u32,
        /// The seed that an earlier run printed
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Measure against the bare server; arguments go on to the bench
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Test { list: true, .. } => suite::list(),
        Chore::Test { suite: Some(suite), .. } => suite::run(&[suite]),
        Chore::Test { suite: None, .. } => suite::run(Suite::ALL),
        Chore::Crash { rounds, seed } => suite::report(outside::crash(rounds, seed)),
        Chore::Bench { arguments } => match outside::bench(&arguments) {
            Ok(done) => done,
            Err(run::DidNotRun(why)) => {
                eprintln!("bench: {why}");
                false
            }
        },
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
