//! The fuzz targets, built by the stable compiler and run by libFuzzer.
//!
//! - What was found once is tried first; then a run goes on for its time from the seeds and from what earlier runs kept.
//! - What a run keeps lies in the cache; an input that broke a promise too, and its name is printed.

use crate::install;
use crate::outside::target_folder;
use crate::run::{Count, DidNotRun, cache, cargo, must, output, program, root, watch_errors};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECONDS: u32 = 60;
/// Larger inputs are slower and reach nothing new: what is about size comes in packed.
const INPUT_BYTES_MAX: u32 = 16 * 1024;
const MEMORY_MIB_MAX: u32 = 2048;
/// For one input; the slowest takes a few milliseconds.
const INPUT_SECONDS_MAX: u32 = 10;
/// Of a run that failed, so many of its last lines are shown.
const LINES_SHOWN: usize = 60;

/// What libFuzzer needs to see which way an input takes: a counter at each edge, where each is, and what is compared. No
/// sanitizer: there is no `unsafe` here to catch.
const COVERAGE: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Else the optimizer melts branches into one, and what is tried half is not seen.
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
];

/// Every target for [`SECONDS`].
pub fn run() -> Result<Count, DidNotRun> {
    install::need("c++", "g++")?;
    let programs = build()?;
    let mut count = Count::default();
    for name in targets()? {
        count += Count::of(Target::new(&name, &programs)?.run()?);
    }
    Ok(count)
}

fn targets() -> Result<Vec<String>, DidNotRun> {
    let folder = root().join("fuzz/fuzz_targets");
    let files = fs::read_dir(&folder).map_err(|error| at(&folder, &error))?;
    let mut names: Vec<_> = files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    if names.is_empty() { Err(DidNotRun("there is no target in fuzz/fuzz_targets".to_owned())) } else { Ok(names) }
}

/// Builds all targets; the folder of their programs.
fn build() -> Result<PathBuf, DidNotRun> {
    let about = output(program("rustc", &["--version", "--verbose"]))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| DidNotRun("rustc does not name its host".to_owned()))?;
    let folder = target_folder()?.join("fuzz");
    let mut command = cargo(&["build", "--release", "--locked", "--quiet", "--manifest-path", "fuzz/Cargo.toml"]);
    // With the target named, build scripts and macros are built without the counters.
    command.args(["--target", host, "--target-dir"]).arg(&folder);
    command.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    must(command)?;
    Ok(folder.join(host).join("release"))
}

struct Target<'a> {
    name: &'a str,
    program: PathBuf,
    /// What runs have kept; libFuzzer adds to it.
    corpus: PathBuf,
    /// What broke a promise is put there.
    found: PathBuf,
}

impl<'a> Target<'a> {
    fn new(name: &'a str, programs: &Path) -> Result<Self, DidNotRun> {
        let (corpus, found) = (cache().join("fuzz").join(name), cache().join("fuzz/found").join(name));
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        }
        Ok(Self { name, program: programs.join(name), corpus, found })
    }

    /// Whether nothing was found.
    fn run(&self) -> Result<bool, DidNotRun> {
        let known = ["fuzz/regressions", "fuzz/seeds"].map(|folder| root().join(folder).join(self.name));
        let known: Vec<_> = known.into_iter().filter(|folder| folder.is_dir()).collect();
        let mut again = self.command();
        again.arg("-runs=0").args(&known);
        let mut on = self.command();
        on.arg(format!("-max_total_time={SECONDS}")).arg(&self.corpus).args(&known);
        Ok(self.holds("past finds and seeds", again)? && self.holds("new inputs", on)?)
    }

    fn command(&self) -> Command {
        let mut command = program(&self.program, &["-print_final_stats=1"]);
        command
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-artifact_prefix={}/", self.found.display()));
        let dictionary = root().join("fuzz/dictionaries").join(self.name);
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        command
    }

    /// Runs it and prints what it did in a line, or what it found.
    fn holds(&self, what: &str, command: Command) -> Result<bool, DidNotRun> {
        let mut seen = Seen::default();
        let good = watch_errors(command, |line| {
            seen.line(line);
            false
        })?;
        println!("{}: {what}: {} executions, {} edges covered", self.name, seen.executions, seen.edges);
        if good {
            return Ok(true);
        }
        seen.last.iter().for_each(|line| println!("    {line}"));
        if let Some(input) = &seen.input {
            println!("the input is kept: {input}");
            println!("mend the bug, then copy it to fuzz/regressions/{}/ under the name of what it did", self.name);
        }
        Ok(false)
    }
}

/// What libFuzzer has said so far.
#[derive(Default)]
struct Seen {
    executions: u64,
    edges: u64,
    /// The file with the input that failed.
    input: Option<String>,
    last: VecDeque<String>,
}

impl Seen {
    fn line(&mut self, line: &str) {
        if let Some((executions, rest)) = line.strip_prefix('#').and_then(|line| line.split_once('\t')) {
            self.executions = executions.parse().unwrap_or(self.executions);
            let edges = rest.split_once("cov: ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
            self.edges = edges.unwrap_or(self.edges);
        } else if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = executions.trim().parse().unwrap_or(self.executions);
        } else if let Some((_, input)) = line.split_once("Test unit written to ") {
            self.input = Some(input.to_owned());
        }
        if self.last.len() == LINES_SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

fn at(path: &Path, error: &std::io::Error) -> DidNotRun {
    DidNotRun(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_finds_are_read_from_what_libfuzzer_says() {
        let mut seen = Seen::default();
        for line in [
            "INFO: Seed: 1",
            "#12\tINITED cov: 3867 ft: 4890 corp: 11/804b exec/s: 0 rss: 32Mb",
            "#4096\tpulse  cov: 3901 ft: 4999 corp: 12/804b lim: 4 exec/s: 2048 rss: 32Mb",
        ] {
            seen.line(line);
        }
        assert_eq!((seen.executions, seen.edges, &seen.input), (4096, 3901, &None));
        seen.line("artifact_prefix='/c/'; Test unit written to /c/crash-1f");
        seen.line("stat::number_of_executed_units: 5000");
        assert_eq!((seen.executions, seen.edges, seen.input.as_deref()), (5000, 3901, Some("/c/crash-1f")));
    }
}
