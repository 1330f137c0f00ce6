//! The house's habits that no compiler holds: each is a check, and each finding says where and what to do.

mod edges;
mod links;
mod sources;
mod words;

use crate::run::{Count, DidNotRun, cargo, output, root};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A member of the workspace, as `cargo metadata` tells it.
pub struct Member {
    pub name: String,
    /// `crates/ingest`
    pub folder: String,
    pub manifest: PathBuf,
    /// The members that it needs outside its tests.
    pub needs: Vec<String>,
    /// The files at which its libraries, programs, tests and examples begin.
    pub roots: Vec<PathBuf>,
}

type Check = (&'static str, fn(&[Member]) -> Vec<String>);

const CHECKS: &[Check] = &[
    ("a crate depends only on crates above it", edges::none_points_down),
    ("every crate has its line in ARCHITECTURE.md", edges::all_in_architecture),
    ("every crate takes the workspace's lints", edges::all_take_the_lints),
    ("every source file is reached from a crate's root", sources::none_is_dead),
    ("no source file is past 800 lines", sources::none_is_too_long),
    ("the way out is the border's, the way in is listen's", words::sockets),
    ("time, randomness and disk are handed in", words::world),
    ("links in the docs resolve", links::all_resolve),
    ("the docs name suites that exist", links::suites_exist),
    ("CONTRIBUTING.md lists the suites as they are", links::suites_are_listed),
];

pub fn run() -> Result<Count, DidNotRun> {
    let members = members()?;
    let mut count = Count::default();
    for (habit, check) in CHECKS {
        let findings = check(&members);
        println!("{}  {habit}", if findings.is_empty() { "ok    " } else { "FAILED" });
        for finding in &findings {
            println!("        {finding}");
        }
        count += Count::of(findings.is_empty());
    }
    Ok(count)
}

/// The members in the order in which the root Cargo.toml lists them: the order of an event's way.
fn members() -> Result<Vec<Member>, DidNotRun> {
    let metadata = output(cargo(&["metadata", "--format-version=1", "--no-deps", "--locked", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let order = listed_members(&read(&root().join("Cargo.toml")));
    let mut members: Vec<_> = list(&metadata["packages"]).filter_map(member).collect();
    members.sort_by_key(|member| order.iter().position(|folder| *folder == member.folder));
    if order.is_empty() || members.len() != order.len() {
        return Err(DidNotRun(format!("Cargo.toml lists {} members, cargo knows {}", order.len(), members.len())));
    }
    Ok(members)
}

fn member(package: &Value) -> Option<Member> {
    let manifest = PathBuf::from(package["manifest_path"].as_str()?);
    let needs = list(&package["dependencies"]).filter(|edge| edge["path"].is_string() && edge["kind"] != "dev");
    Some(Member {
        name: package["name"].as_str()?.to_owned(),
        folder: shown(manifest.parent()?),
        needs: needs.filter_map(|edge| edge["name"].as_str().map(str::to_owned)).collect(),
        roots: list(&package["targets"]).filter_map(|target| target["src_path"].as_str().map(PathBuf::from)).collect(),
        manifest,
    })
}

/// The quoted lines between `members = [` and its `]`.
fn listed_members(manifest: &str) -> Vec<String> {
    let lines =
        manifest.lines().skip_while(|line| !line.starts_with("members = [")).skip(1).take_while(|line| *line != "]");
    lines.filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once('"')?.0.to_owned())).collect()
}

/// All files below a folder with one of these endings, in order, without what was built or installed.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    const LEFT_OUT: [&str; 5] = ["target", "node_modules", "domicile-data", "corpus", "artifacts"];
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !LEFT_OUT.contains(&&*name) && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The path from the repository's root, for people.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// A file's text; nothing for one that is not there, which the check that wanted it then finds.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_in_their_order_past_comments() {
        let manifest = "[workspace]\nmembers = [\n    # first\n    \"crates/world\",\n    \"bench\", # last\n]\nexclude = [\"fuzz\"]\n";
        assert_eq!(listed_members(manifest), ["crates/world", "bench"]);
    }
}
