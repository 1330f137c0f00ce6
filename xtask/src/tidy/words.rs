//! Names that the product's code may use in one place alone: a socket, a clock, dice, a file.
//!
//! The search reads text, not Rust: it finds a habit that slips, not somebody who wants to hide. Test code and comments are
//! left out; so are the crates and programs that only test.

use super::{Member, files, read, shown};
use crate::run::root;
use std::path::Path;

/// What may be written where: any of `names` only in files below one of `homes`.
struct Rule {
    names: &'static [&'static str],
    homes: &'static [&'static str],
    mend: &'static str,
}

const OUT: Rule = Rule {
    names: &[
        "TcpStream::connect",
        "UnixStream::connect",
        "TcpSocket",
        "UdpSocket",
        "UnixDatagram",
        "lookup_host",
        "ToSocketAddrs",
        "to_socket_addrs",
        "hyper::client",
        "hyper_util::client",
        "reqwest",
        "ureq::",
    ],
    homes: &["crates/border/"],
    mend: "a connection to the outside takes a permit: go through the border",
};

const IN: Rule =
    Rule { names: &["TcpListener", "UnixListener"], homes: &["crates/listen/"], mend: "let `listen` open it" };

const TIME_AND_DICE: Rule = Rule {
    names: &[
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "Utc::now",
        "thread::sleep",
        "thread_rng",
        "rand::rng(",
        "rand::random",
        "OsRng",
    ],
    homes: &["crates/world/"],
    mend: "take it from the `World` that is handed in",
};

/// The command line reads the files that a person names, and holds the data folder's lock: that is not a cell's disk.
const DISK: Rule = Rule {
    names: &["std::fs", "tokio::fs", "File::open", "File::create", "OpenOptions"],
    homes: &["crates/world/", "crates/domicile/"],
    mend: "take the disk from the `World` that is handed in",
};

/// Crates that are test code as a whole.
const TESTING: [&str; 5] = ["crates/testkit", "bench", "e2e", "e2e/reliability", "xtask"];

pub fn sockets(members: &[Member]) -> Vec<String> {
    search(members, &[OUT, IN])
}

pub fn world(members: &[Member]) -> Vec<String> {
    search(members, &[TIME_AND_DICE, DISK])
}

fn search(members: &[Member], rules: &[Rule]) -> Vec<String> {
    let product = members.iter().filter(|member| !TESTING.contains(&member.folder.as_str()));
    let sources = product.flat_map(|member| files(&root().join(&member.folder).join("src"), &["rs"]));
    sources.filter(|file| !is_test_file(file)).flat_map(|file| broken(&shown(&file), &read(&file), rules)).collect()
}

/// `src/…/tests.rs`, `src/…/tests/….rs`: reached under `#[cfg(test)]` alone.
fn is_test_file(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

fn broken(file: &str, text: &str, rules: &[Rule]) -> Vec<String> {
    let rules = rules.iter().filter(|rule| !rule.homes.iter().any(|home| file.starts_with(home)));
    let found = |rule: &Rule| {
        let hits = product_lines(text).filter_map(|(number, line)| {
            let name = rule.names.iter().find(|name| line.contains(*name))?;
            Some(format!("{file}:{number}: {name}: {}", rule.mend))
        });
        hits.collect::<Vec<_>>()
    };
    rules.flat_map(found).collect()
}

/// The lines with their numbers, without comments and without items under `#[cfg(test)]`.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside_test: Option<i64> = None; // the braces that are open since the attribute
    text.lines().enumerate().filter_map(move |(at, line)| {
        let code = line.split("//").next().unwrap_or(line);
        if code.trim() == "#[cfg(test)]" {
            inside_test = Some(0);
            return None;
        }
        let Some(open) = inside_test else { return Some((at + 1, code)) };
        let opened = open + code.matches('{').count() as i64 - code.matches('}').count() as i64;
        let ended = opened <= 0 && (code.contains('}') || code.trim_end().ends_with(';'));
        inside_test = (!ended).then_some(opened);
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, text: &str) -> usize {
        broken(file, text, &[OUT, IN, TIME_AND_DICE, DISK]).len()
    }

    #[test]
    fn a_name_outside_its_home_is_found() {
        assert_eq!(findings("crates/ingest/src/spool.rs", "let now = Instant::now();"), 1);
        assert_eq!(findings("crates/ingest/src/spool.rs", "use tokio::net::{TcpListener, UdpSocket};"), 2);
        assert_eq!(findings("crates/border/src/outside.rs", "TcpStream::connect(address)"), 0);
        assert_eq!(findings("crates/border/src/outside.rs", "std::fs::read(path)"), 1);
    }

    #[test]
    fn comments_and_test_code_are_left_out_and_what_follows_them_is_not() {
        let text = "// std::fs is not for us\n#[cfg(test)]\nmod tests {\n    fn a() { std::fs::read(b) }\n}\nfn b() { OsRng }\n";
        assert_eq!(findings("crates/log/src/lib.rs", text), 1);
        let text = "#[cfg(test)]\nuse std::fs;\n#[cfg(test)]\nmod tests;\nuse std::fs;\n";
        assert_eq!(findings("crates/log/src/lib.rs", text), 1);
    }
}
