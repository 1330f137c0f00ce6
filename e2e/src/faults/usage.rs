//! Wrong usage and wrong configuration: exit code 2, with place, reason and mend; what is taken by others: 3. Nothing is begun.

use crate::tally::Tally;
use crate::up::{Ended, Home};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

const END_MAX: Duration = Duration::from_secs(30);

/// A topology, and what has to be said about it.
const TOPOLOGIES: &[(&str, &str, &[&str])] = &[
    (
        "an unknown field",
        "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest: { zurich: { country: CH } }\n    colour: red\n",
        &["topology.yml:6:5", "unknown field `colour`", "mend: remove it"],
    ),
    (
        "an ingest point abroad",
        "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest:\n      paris: { country: FR }\n",
        &["topology.yml:6:", "`paris` stands in FR", "mend:"],
    ),
    (
        "a location of two regions",
        "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest: { zurich: { country: CH } }\n  at:\n    country: AT\n    locations: [a]\n    ingest: { vienna: { country: AT } }\n",
        &["topology.yml:8:17", "also in region `ch` (line 4)", "mend:"],
    ),
    (
        "an expired transfer",
        "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest: { zurich: { country: CH } }\n    border:\n      transfers:\n        - { to: US, vendor: amplitude, basis: dpf, approved_by: a@example.com, expires: 2020-06-30 }\n",
        &["topology.yml:8:", "expired on 2020-06-30", "mend:"],
    ),
    (
        "overlapping networks",
        "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest: { zurich: { country: CH } }\nnetworks: { 10.20.0.0/16: CH, 10.20.3.0/24: FR }\n",
        &["topology.yml:6:", "overlaps `10.20.0.0/16`", "mend:"],
    ),
    (
        "several faults, all of them",
        "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest: { paris: { country: FR } }\n    colour: red\nnetworks: { 10.20.0.0/16: CH, 10.20.3.0/24: FR }\n",
        &["topology.yml:5:", "`paris` stands in FR", "topology.yml:6:5", "`colour`", "topology.yml:7:", "overlaps"],
    ),
    ("no YAML", "regions:\n  ch: [\n", &["topology.yml:2:7", "not YAML", "mend:"]),
    ("an empty file", "", &["topology.yml:1:1", "empty", "mend:"]),
];

const SOUND: &str = "regions:\n  ch:\n    country: CH\n    locations: [a]\n    ingest: { zurich: { country: CH } }\n";

pub fn run(tally: &mut Tally, domicile: &Path) {
    Home::test(tally, domicile, "usage", &[], |tally, home| {
        for (what, text, said) in TOPOLOGIES {
            let outcome = with_topology(home, text, &[]).and_then(|ended| ends(&ended, 2, said));
            tally.check(format!("topology with {what}: exit code 2 with line, reason and mend"), outcome);
        }
        let outcome = with_topology(home, SOUND, &["--region", "ch-2"]);
        let outcome = outcome.and_then(|ended| ends(&ended, 2, &["no region `ch-2`", "it has ch"]));
        tally.check("a region that the topology lacks: exit code 2 with those that it has", outcome);
        for (what, arguments, said) in [
            ("an unknown flag", &["--colour", "red"][..], &["--colour"][..]),
            ("a region without a topology", &["--region", "ch"], &["--topology"]),
            ("a port that is none", &["--port-base", "65500"], &["65600", "choose a lower port base"]),
            ("a topology that is not there", &["--topology", "/no/such/file.yml"], &["/no/such/file.yml"]),
            (
                "a certificate that is not there",
                &["--tls-cert", "/no/cert", "--tls-key", "/no/key"],
                &["/no/cert", "mend:"],
            ),
            ("scripts that are not there", &["--scripts", "/no/such/folder"], &["/no/such/folder", "mend:"]),
        ] {
            let outcome = end_of(home, arguments).and_then(|ended| ends(&ended, 2, said));
            tally.check(format!("{what}: exit code 2, and it is named"), outcome);
        }
        let begun = if home.data.exists() { Err(format!("{} is there", home.data.display())) } else { Ok(()) };
        tally.check("after all of these no data folder is begun", begun);
        Ok(())
    });
    Home::test(tally, domicile, "taken", &[], taken);
}

/// What another program has: a port, the data folder.
fn taken(tally: &mut Tally, home: &Home) -> Result<(), String> {
    let up = home.start_ready()?;
    let cell = home.demo()?.cell("us-west")?.to_owned();
    let outcome = end_of(home, &[]);
    let outcome =
        outcome.and_then(|ended| ends(&ended, 3, &["another `domicile up` runs on this data folder", "mend:"]));
    tally.check("a second `up` on one data folder: exit code 3, and what to do", outcome);
    up.stop()?;

    let address = cell.trim_start_matches("http://");
    let taken = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    let outcome = end_of(home, &[]).and_then(|ended| ends(&ended, 3, &[address, "mend:"]));
    tally.check("a port that is taken: exit code 3, which one, and what to do", outcome);
    drop(taken);
    home.start_ready()?.stop()
}

fn with_topology(home: &Home, text: &str, more: &[&str]) -> Result<Ended, String> {
    let file = home.folder.join("topology.yml");
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    end_of(home, &[&["--topology", &*file.to_string_lossy()], more].concat())
}

/// Runs `up` with these arguments more, to its end. A flag that stands there twice counts as the test gives it.
fn end_of(home: &Home, arguments: &[&str]) -> Result<Ended, String> {
    let mut command = home.up();
    if arguments.contains(&"--port-base") {
        command = std::process::Command::new(command.get_program());
        command.args(["up", "--data"]).arg(&home.data);
    }
    command.args(arguments);
    home.spawn(command).map_err(|error| error.to_string())?.ended(END_MAX)
}

/// That it ended with this code and said all of this.
pub fn ends(ended: &Ended, code: i32, said: &[&str]) -> Result<(), String> {
    let missing: Vec<_> = said.iter().filter(|part| !ended.said.contains(**part)).collect();
    if ended.said.contains("panicked") {
        return Err(format!("it panicked: {}", ended.said));
    }
    match ended.code {
        Some(given) if given == code && missing.is_empty() => Ok(()),
        given => {
            let lines: Vec<_> = ended.said.lines().collect();
            let last = lines[lines.len().saturating_sub(6)..].join("\n          ");
            Err(format!("exit code {given:?}, not said: {missing:?}; it ends: {last}"))
        }
    }
}
