//! Source files: each is reached, none hides a second noun.

use super::{Member, files, read, shown};
use crate::run::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 800;

pub fn none_is_dead(members: &[Member]) -> Vec<String> {
    let mut reached = BTreeSet::new();
    for root in members.iter().flat_map(|member| &member.roots) {
        let folder = root.parent().unwrap_or(root).to_owned();
        reach(root, &folder, &mut reached);
    }
    let mut all: Vec<_> = members.iter().flat_map(|member| files(&root().join(&member.folder), &["rs"])).collect();
    all.dedup();
    let mut findings: Vec<_> = all
        .iter()
        .filter(|file| !reached.contains(*file))
        .map(|file| format!("{} is reached by no `mod`: remove it or name it", shown(file)))
        .collect();
    let manifest = read(&root().join("fuzz/Cargo.toml"));
    for target in files(&root().join("fuzz/fuzz_targets"), &["rs"]) {
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !manifest.contains(&format!("fuzz_targets/{name}\"")) {
            findings.push(format!("{} is no `[[bin]]` of fuzz/Cargo.toml", shown(&target)));
        }
    }
    findings
}

pub fn none_is_too_long(_: &[Member]) -> Vec<String> {
    let lines = |file: &PathBuf| read(file).lines().count();
    let all = files(root(), &["rs"]);
    let long = all.iter().map(|file| (file, lines(file))).filter(|(_, lines)| *lines > LINES_MAX);
    long.map(|(file, lines)| format!("{} has {lines} lines: find its second noun and give it a file", shown(file)))
        .collect()
}

/// Follows the `mod name;` lines from a file. `folder` is where its modules lie.
fn reach(file: &Path, folder: &Path, reached: &mut BTreeSet<PathBuf>) {
    if !reached.insert(file.to_owned()) {
        return;
    }
    let text = read(file);
    let mut path_given = None;
    for line in text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.split_once('"')) {
            path_given = Some(file.parent().unwrap_or(file).join(path.0));
        } else if let Some(name) = declared_module(line) {
            let flat = folder.join(format!("{name}.rs"));
            let nested = folder.join(name).join("mod.rs");
            let module = path_given.take().unwrap_or(if flat.is_file() { flat } else { nested });
            if module.is_file() {
                reach(&module, &folder.join(name), reached);
            }
        }
    }
}

/// The `x` of `mod x;`, `pub mod x;`, `pub(crate) mod x;`.
fn declared_module(line: &str) -> Option<&str> {
    let visibility = line.strip_prefix("pub").map(|rest| match rest.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map_or(rest, |(_, rest)| rest),
        None => rest,
    });
    let name = visibility.unwrap_or(line).trim_start().strip_prefix("mod ")?.split_once(';')?.0;
    name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_declared_with_any_visibility_and_not_by_an_inline_one() {
        for line in
            ["mod segment;", "pub mod segment;", "pub(crate) mod segment;", "pub(in crate::log) mod segment; // files"]
        {
            assert_eq!(declared_module(line), Some("segment"), "{line}");
        }
        for line in ["mod tests {", "// mod segment;", "use mod_name;", "let model = 1;", "pub fn mod_of() -> u8;"] {
            assert_eq!(declared_module(line), None, "{line}");
        }
    }
}
