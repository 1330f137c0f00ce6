//! The edges between crates, and each crate's place in the docs.

use super::{Member, read, shown};
use crate::run::root;

pub fn none_points_down(members: &[Member]) -> Vec<String> {
    let place = |name: &str| members.iter().position(|member| member.name == name);
    let mut findings = Vec::new();
    for (at, member) in members.iter().enumerate() {
        for need in &member.needs {
            if place(need).is_some_and(|need| need >= at) {
                findings.push(format!(
                    "{} needs {need}, which stands below it in Cargo.toml: hand it in, or move what both need up",
                    shown(&member.manifest)
                ));
            }
        }
    }
    findings
}

pub fn all_in_architecture(members: &[Member]) -> Vec<String> {
    let page = read(&root().join("ARCHITECTURE.md"));
    let missing = members.iter().filter(|member| !has_line(&page, &member.folder));
    missing.map(|member| format!("ARCHITECTURE.md's table of crates has no line for `{}`", member.folder)).collect()
}

pub fn all_take_the_lints(members: &[Member]) -> Vec<String> {
    let missing = members.iter().filter(|member| !read(&member.manifest).contains("[lints]\nworkspace = true\n"));
    missing.map(|member| format!("{} lacks `[lints]` with `workspace = true`", shown(&member.manifest))).collect()
}

/// Whether a table line of the page begins with the crate's name, with its folder's or linked to it.
fn has_line(page: &str, folder: &str) -> bool {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let first_cell = |line: &str| line.strip_prefix("| ").and_then(|line| line.split(" |").next()).map(str::to_owned);
    page.lines().filter_map(first_cell).any(|cell| {
        let shown = cell.trim_start_matches('[').split(']').next().unwrap_or_default();
        shown.split(", ").any(|shown| [name, folder].contains(&shown.trim_matches('`')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, needs: &[&str]) -> Member {
        let needs = needs.iter().map(|need| need.to_string()).collect();
        Member { name: name.to_owned(), folder: name.to_owned(), manifest: name.into(), needs, roots: vec![] }
    }

    #[test]
    fn an_edge_up_or_to_the_outside_is_fine_and_one_down_or_to_itself_is_found() {
        let members = [member("world", &["serde"]), member("log", &["world"])];
        assert!(none_points_down(&members).is_empty());
        assert_eq!(none_points_down(&[member("world", &["log"]), member("log", &[])]).len(), 1);
        assert_eq!(none_points_down(&[member("log", &["log"])]).len(), 1);
    }

    #[test]
    fn a_crates_line_begins_with_its_name() {
        for page in [
            "| `log` | the two logs |",
            "| [`log`](crates/log/src/lib.rs) | x |",
            "| `crates/log` | x |",
            "| `keys`, `log` | x |",
        ] {
            assert!(has_line(page, "crates/log"), "{page}");
        }
        for page in ["| `logs` | x |", "the `log` crate", "| `ledger` | does not know `log` |"] {
            assert!(!has_line(page, "crates/log"), "{page}");
        }
    }
}
