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
    let missing = members.iter().filter(|member| !names_folder(&page, &member.folder));
    missing.map(|member| format!("ARCHITECTURE.md does not name `{}`", member.folder)).collect()
}

pub fn all_take_the_lints(members: &[Member]) -> Vec<String> {
    let missing = members.iter().filter(|member| !read(&member.manifest).contains("[lints]\nworkspace = true\n"));
    missing.map(|member| format!("{} lacks `[lints]` with `workspace = true`", shown(&member.manifest))).collect()
}

/// Whether the page names the folder and not only a longer one that begins alike.
fn names_folder(page: &str, folder: &str) -> bool {
    page.match_indices(folder).any(|(at, _)| {
        let word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        !page[at + folder.len()..].starts_with(word) && !page[..at].ends_with(word)
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
    fn a_longer_name_is_not_the_crate() {
        assert!(names_folder("see [`crates/log`](crates/log/src/lib.rs)", "crates/log"));
        assert!(!names_folder("see crates/logs and mycrates/log-files", "crates/log"));
    }
}
