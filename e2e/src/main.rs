//! Domicile from outside: the release binary, real clients, kill -9, and the archive read back.
//!
//! Everything here knows only what a user knows: the command line, `demo.json`, HTTP, and the layout of the archive. Run it by
//! `cargo xtask test --suite control|sdks|ingest|browser|faults|network|crash`, which builds the binary and installs the clients first.
//!
//! - Each check prints a line; the last line counts them: `N passed, N failed`.
//! - A failed run keeps its data folder, with the log of `up` in it, and says where.

mod archive;
mod browser;
mod certificate;
mod client;
mod control;
mod crash;
mod faults;
mod http;
mod ingest;
mod json;
mod kept;
mod network;
mod sdks;
mod sheet;
mod speaking;
mod tally;
mod up;

use clap::{Parser, Subcommand};
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Tests of the release binary from outside")]
struct Arguments {
    /// The release binary
    #[arg(long)]
    domicile: PathBuf,
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// Real SDKs against three ingest points, compared with the archive
    Sdks {
        /// Where the clients' packages are: `python/`, `java/`, `go/`
        #[arg(long)]
        tools: PathBuf,
    },
    /// The control plane: API, sign-in, regions beside each other, PostgreSQL as its store
    Control {
        /// A Python environment with `bin/schemathesis` and `bin/openapi-spec-validator`
        #[arg(long)]
        tools: PathBuf,
        /// Only this part
        #[arg(long)]
        only: Option<String>,
    },
    /// Client addresses, refusals, limits and certificates at ingest points of four regions
    Ingest,
    /// The browser SDK in headless Chromium, and a source that moves to another ingest point
    Browser,
    /// Failing syncs, full disks, changed files, clocks that jump, wrong configuration, clients that never finish
    Faults {
        /// Only this part: a file of `src/faults` without its ending
        #[arg(long)]
        only: Option<String>,
    },
    /// Regions, partners and a lying name server in network namespaces: what crosses is counted and captured
    Network,
    /// Clients that never stop sending while the process is killed again and again
    Crash {
        #[arg(long, default_value_t = 30)]
        rounds: u32,
        /// Replays the moments of the kills and the sizes of the batches
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let tally = match arguments.suite {
        Suite::Sdks { tools } => sdks::run(&arguments.domicile, &tools),
        Suite::Control { tools, only } => control::run(&arguments.domicile, &tools, only.as_deref()),
        Suite::Ingest => ingest::run(&arguments.domicile),
        Suite::Browser => browser::run(&arguments.domicile),
        Suite::Faults { only } => faults::run(&arguments.domicile, only.as_deref()),
        Suite::Network => network::run(&arguments.domicile),
        Suite::Crash { rounds, seed } => crash::run(&arguments.domicile, rounds, seed),
    };
    tally.close()
}

/// A file of `e2e/`. Cargo says where it starts the program; where it was built says less, since clones may share a target folder.
fn here(path: &str) -> PathBuf {
    let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    folder.as_deref().unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR"))).join(path)
}
