//! Links and commands in the docs.

use super::{Member, files, read, shown};
use crate::run::root;
use crate::suite::Suite;
use clap::ValueEnum;
use std::path::Path;

pub fn all_resolve(_: &[Member]) -> Vec<String> {
    let pages = files(root(), &["md"]);
    pages.iter().flat_map(|page| broken_links(page, &read(page))).collect()
}

pub fn suites_exist(_: &[Member]) -> Vec<String> {
    let mut findings = Vec::new();
    for page in files(root(), &["md"]) {
        let text = read(&page);
        for (at, flag) in text.match_indices("--suite ") {
            let name: String = text[at + flag.len()..].chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            if !name.is_empty() && name != "NAME" && Suite::from_str(&name, false).is_err() {
                findings.push(format!("{}: there is no suite `{name}`", shown(&page)));
            }
        }
    }
    findings
}

pub fn suites_are_listed(_: &[Member]) -> Vec<String> {
    let text = read(&root().join("CONTRIBUTING.md"));
    let missing = Suite::ALL.iter().map(|suite| suite.line()).filter(|line| !text.lines().any(|known| known == line));
    missing.map(|line| format!("CONTRIBUTING.md: its list of suites has no line `{line}`")).collect()
}

fn broken_links(page: &Path, text: &str) -> Vec<String> {
    let folder = page.parent().unwrap_or(page);
    let broken = targets(text).into_iter().filter(|target| {
        let (path, heading) = target.split_once('#').map_or((*target, None), |(path, heading)| (path, Some(heading)));
        let file = if path.is_empty() { page.to_owned() } else { folder.join(path) };
        // `#L12` is a line of a source file; a heading is looked for in pages alone.
        let heading = heading.filter(|_| file.extension().is_some_and(|ending| ending == "md"));
        !file.exists() || heading.is_some_and(|heading| !anchors(&read(&file)).iter().any(|anchor| anchor == heading))
    });
    broken.map(|target| format!("{}: {target} leads nowhere", shown(page))).collect()
}

/// The targets of `[…](target)` outside code, without those on other hosts.
fn targets(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    for line in prose(text) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            let target = target.split_whitespace().next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                targets.push(target);
            }
            rest = after;
        }
    }
    targets
}

/// The names under which a page's headings can be linked to: lower case, spaces as dashes, no other signs.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let sign = |c: char| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => c.to_lowercase().next(),
        _ => None,
    };
    headings.map(|heading| heading.chars().filter_map(sign).collect()).collect()
}

/// The lines outside fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_in_prose_and_not_in_code() {
        let text =
            "See [a](a.md#x) and [b](https://example.com), [c](#here).\n```\n[d](d.md)\n```\n![e](e.png \"title\")\n";
        assert_eq!(targets(text), ["a.md#x", "#here", "e.png"]);
    }

    #[test]
    fn a_heading_is_linked_by_its_words() {
        assert_eq!(
            anchors("# The way of an event\n## `process`: decide, once!\n"),
            ["the-way-of-an-event", "process-decide-once"]
        );
    }
}
