//! The suites, in the order in which they run: what is quick and finds much comes first.
//!
//! - Each closes with `suite NAME: N passed, N failed`; the whole run with `N passed, N failed`, alone on the last line.
//! - A suite that could not run counts as failed, and says why.

use crate::postgres::Server;
use crate::run::{Count, DidNotRun, cargo, root, succeeds, watch};
use crate::{fuzz, install, outside, tidy};
use clap::ValueEnum;
use std::process::{Command, Stdio};
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    Fmt,
    Clippy,
    Tidy,
    Deny,
    Unit,
    Control,
    Ingest,
    Sdks,
    Browser,
    Faults,
    Network,
    Crash,
    Fuzz,
}

impl Suite {
    pub const ALL: &[Suite] = &[
        Suite::Fmt,
        Suite::Clippy,
        Suite::Tidy,
        Suite::Deny,
        Suite::Unit,
        Suite::Control,
        Suite::Ingest,
        Suite::Sdks,
        Suite::Browser,
        Suite::Faults,
        Suite::Network,
        Suite::Crash,
        Suite::Fuzz,
    ];

    fn name(self) -> &'static str {
        match self {
            Suite::Fmt => "fmt",
            Suite::Clippy => "clippy",
            Suite::Tidy => "tidy",
            Suite::Deny => "deny",
            Suite::Unit => "unit",
            Suite::Control => "control",
            Suite::Ingest => "ingest",
            Suite::Sdks => "sdks",
            Suite::Browser => "browser",
            Suite::Faults => "faults",
            Suite::Network => "network",
            Suite::Crash => "crash",
            Suite::Fuzz => "fuzz",
        }
    }

    fn shows(self) -> &'static str {
        match self {
            Suite::Fmt => "the sources are formatted",
            Suite::Clippy => "no warning in any target",
            Suite::Tidy => "the house's habits: edges between crates, sockets, clocks, dead files, links",
            Suite::Deny => "licences, bans, sources and advisories of the dependencies",
            Suite::Unit => "unit, property and integration tests: `cargo test --workspace`",
            Suite::Control => {
                "a published client, a property-based tester, an OIDC provider and PostgreSQL meet the control plane"
            }
            Suite::Ingest => "four regions answer alike; client addresses, proxies, limits, certificates that change",
            Suite::Sdks => "real SDKs send odd events; each is in its region's archive once, unchanged",
            Suite::Browser => "the browser SDK in Chromium does the same, from npm and as served, over HTTP/2 too",
            Suite::Faults => {
                "failing syncs, full disks, changed files, clocks that jump: each has a clear end, and loses nothing"
            }
            Suite::Network => {
                "regions and partners in network namespaces: a marker crosses nowhere, every count agrees to the event"
            }
            Suite::Crash => "30 times kill -9 under load: nothing acknowledged is lost, nothing is twice",
            Suite::Fuzz => "each fuzz target for 60 seconds",
        }
    }

    /// Its name and what it shows, as `--list` prints them.
    pub fn line(self) -> String {
        format!("{:8} {}", self.name(), self.shows())
    }

    fn run(self) -> Result<Count, DidNotRun> {
        match self {
            Suite::Fmt => succeeds(cargo(&["fmt", "--all", "--check"])).map(Count::of),
            Suite::Clippy => {
                let arguments =
                    ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
                succeeds(cargo(&arguments)).map(Count::of)
            }
            Suite::Tidy => tidy::run(),
            Suite::Deny => deny(),
            Suite::Unit => unit(),
            Suite::Control => outside::control(),
            Suite::Ingest => outside::ingest(),
            Suite::Sdks => outside::sdks(),
            Suite::Browser => outside::browser(),
            Suite::Faults => outside::faults(),
            Suite::Network => outside::network(),
            Suite::Crash => outside::crash(30, None),
            Suite::Fuzz => fuzz::run(),
        }
    }
}

/// The suites and what each shows, a line each.
pub fn list() -> bool {
    for suite in Suite::ALL {
        println!("{}", suite.line());
    }
    true
}

/// Runs the suites and prints the closing lines. Whether every one ran and nothing failed.
pub fn run(suites: &[Suite]) -> bool {
    let (mut whole, mut lines) = (Count::default(), Vec::new());
    for (number, suite) in suites.iter().enumerate() {
        println!("\n== {} ({} of {}): {}", suite.name(), number + 1, suites.len(), suite.shows());
        let start = Instant::now();
        let count = suite.run().unwrap_or_else(|DidNotRun(why)| {
            println!("did not run: {why}");
            Count::of(false)
        });
        println!("suite {}: {} passed, {} failed", suite.name(), count.passed, count.failed);
        let seconds = start.elapsed().as_secs();
        println!("   ({seconds} s)");
        lines.push(format!("{:8} {:5} passed {:5} failed {seconds:6} s", suite.name(), count.passed, count.failed));
        whole += count;
    }
    if lines.len() > 1 {
        println!("\n{}", lines.join("\n"));
    }
    println!("\n{} passed, {} failed", whole.passed, whole.failed);
    whole.failed == 0
}

/// Prints how a chore of its own ended. Whether nothing failed.
pub fn report(done: Result<Count, DidNotRun>) -> bool {
    match done {
        Ok(count) => {
            println!("{} passed, {} failed", count.passed, count.failed);
            count.failed == 0
        }
        Err(DidNotRun(why)) => {
            println!("did not run: {why}");
            false
        }
    }
}

fn unit() -> Result<Count, DidNotRun> {
    let postgres = Server::start()?;
    // The ledger is verified by a program in another language too.
    install::need("python3", "python3")?;
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    postgres.tell(&mut command);
    let mut count = Count::default();
    let good = watch(command, |line| {
        count += test_result(line).unwrap_or_default();
        true
    })?;
    match count {
        Count { passed: 0, failed: 0 } => Err(DidNotRun("cargo ran no test".to_owned())),
        // A test binary that did not build or died without counting.
        Count { failed: 0, .. } if !good => Ok(Count { failed: 1, ..count }),
        count => Ok(count),
    }
}

/// `test result: ok. 12 passed; 0 failed; 0 ignored; …`
fn test_result(line: &str) -> Option<Count> {
    let mut parts = line.strip_prefix("test result: ")?.split(['.', ';']).skip(1);
    let mut number = |word| parts.next()?.trim().strip_suffix(word)?.trim().parse().ok();
    Some(Count { passed: number("passed")?, failed: number("failed")? })
}

/// Licences, bans and sources need no network. Advisories do: without it they are not checked, and that is said.
fn deny() -> Result<Count, DidNotRun> {
    let deny = install::cargo_tool("cargo-deny", "0.20.2")?;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&deny);
        command.current_dir(root()).args(arguments);
        command
    };
    let mut count = Count::default();
    for what in ["licenses", "bans", "sources"] {
        count += Count::of(succeeds(command(&["--offline", "--locked", "check", "--hide-inclusion-graph", what]))?);
    }
    println!("$ cargo-deny --locked check advisories");
    let advisories = command(&["--locked", "check", "advisories"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| DidNotRun(format!("cargo-deny could not be run: {error}")))?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if !advisories.status.success() && said.contains("failed to fetch advisory database") {
        println!("advisories were NOT checked: the advisory database could not be fetched");
    } else {
        print!("{said}");
        count += Count::of(advisories.status.success());
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_result_is_counted_and_nothing_else_is() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(test_result(line), Some(Count { passed: 12, failed: 3 }));
        for line in ["", "test result: ", "test a ... ok", "12 passed; 3 failed"] {
            assert_eq!(test_result(line), None, "{line}");
        }
    }

    #[test]
    fn a_suite_is_called_by_the_name_that_it_prints() {
        for suite in Suite::value_variants() {
            assert_eq!(suite.to_possible_value().unwrap().get_name(), suite.name());
            assert!(Suite::ALL.contains(suite));
        }
    }
}
