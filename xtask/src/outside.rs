//! The suites that look from outside: they build the release binary, install the clients, and leave the rest to `domicile-e2e`.

use crate::install;
use crate::postgres::Server;
use crate::run::{Count, DidNotRun, cache, cargo, counts, must, output, root};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub fn ingest() -> Result<Count, DidNotRun> {
    let mut command = e2e()?;
    command.arg("ingest");
    counts(command)
}

pub fn control() -> Result<Count, DidNotRun> {
    let scripts = root().join("e2e/control");
    let tools = cache().join("clients/control");
    install::npm(&scripts)?;
    install::python(&scripts.join("requirements.txt"), &tools)?;
    let mut command = e2e()?;
    command.arg("control").arg("--tools").arg(tools);
    let postgres = Server::start()?;
    postgres.tell(&mut command);
    counts(command)
}

pub fn sdks() -> Result<Count, DidNotRun> {
    let clients = root().join("e2e/sdks");
    let tools = cache().join("clients");
    fs::create_dir_all(tools.join("go")).map_err(|error| format!("{}: {error}", tools.display()))?;
    install::npm(&clients.join("node"))?;
    install::npm(&clients.join("node-rudder"))?;
    install::python(&clients.join("python/requirements.txt"), &tools.join("python"))?;
    install::maven(&clients.join("java/pom.xml"), &tools.join("java"))?;
    install::go(&clients.join("go"), &tools.join("go/client"))?;
    let mut command = e2e()?;
    command.arg("sdks").arg("--tools").arg(tools);
    counts(command)
}

pub fn browser() -> Result<Count, DidNotRun> {
    install::npm(&root().join("e2e/browser"))?;
    let chromium = install::chromium()?;
    let mut command = e2e()?;
    command.arg("browser").env("CHROMIUM", chromium);
    counts(command)
}

pub fn faults() -> Result<Count, DidNotRun> {
    install::need("cc", "gcc")?;
    if cfg!(target_os = "linux") {
        install::need("faketime", "faketime")?;
    }
    let mut command = e2e()?;
    command.arg("faults");
    counts(command)
}

/// Who may not make namespaces needs no programs for them: the suite says that it was skipped.
pub fn network() -> Result<Count, DidNotRun> {
    if cfg!(target_os = "linux") && install::is_root() {
        install::need("ip", "iproute2")?;
        install::need("nft", "nftables")?;
        install::need("tcpdump", "tcpdump")?;
    }
    let mut command = e2e()?;
    command.arg("network");
    counts(command)
}

pub fn crash(rounds: u32, seed: Option<u64>) -> Result<Count, DidNotRun> {
    let mut command = e2e()?;
    command.arg("crash").args(["--rounds", &rounds.to_string()]);
    if let Some(seed) = seed {
        command.args(["--seed", &seed.to_string()]);
    }
    counts(command)
}

/// Measures, prints the table (or JSON and nothing else), and writes it to `bench/results/`.
pub fn bench(arguments: &[String]) -> Result<bool, DidNotRun> {
    let build = ["build", "--release", "--locked", "--quiet", "--package", "domicile", "--package", "domicile-bench"];
    let built = cargo(&build).stdout(Stdio::null()).status();
    if !built.map_err(|error| format!("cargo build: {error}"))?.success() {
        return Err("the release build failed".to_owned().into());
    }
    let release = target_folder()?.join("release");
    let mut command = Command::new(release.join("domicile-bench"));
    command.args(["rows", "--domicile"]).arg(release.join("domicile"));
    command.arg("--results").arg(root().join("bench/results")).args(arguments);
    let ran = command.status().map_err(|error| format!("domicile-bench: {error}"))?;
    Ok(ran.success())
}

/// The program that runs the suites, told where the release binary is.
fn e2e() -> Result<Command, DidNotRun> {
    must(cargo(&["build", "--release", "--locked", "--quiet", "--package", "domicile"]))?;
    let mut command = cargo(&["run", "--locked", "--quiet", "--package", "domicile-e2e", "--", "--domicile"]);
    command.arg(target_folder()?.join("release/domicile"));
    Ok(command)
}

pub fn target_folder() -> Result<PathBuf, DidNotRun> {
    let metadata = output(cargo(&["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let folder =
        metadata["target_directory"].as_str().ok_or_else(|| "cargo metadata names no target folder".to_owned())?;
    Ok(PathBuf::from(folder))
}
