//! Starting programs: each is printed before it runs, and what it says is passed on line by line.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

/// What a suite or a step counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub passed: u32,
    pub failed: u32,
}

impl Count {
    pub fn of(good: bool) -> Self {
        Self { passed: u32::from(good), failed: u32::from(!good) }
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A chore that could not be done at all, as opposed to one that found something. Says what to do about it.
#[derive(Debug)]
pub struct DidNotRun(pub String);

impl From<String> for DidNotRun {
    fn from(why: String) -> Self {
        Self(why)
    }
}

/// The root of the repository. Cargo says where it starts the program; where it was built says less, since clones may share a
/// target folder.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")))
    });
    ROOT.parent().unwrap_or(Path::new("."))
}

/// Where installed things live: `$XDG_CACHE_HOME/domicile`, by default `~/.cache/domicile`.
pub fn cache() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME").filter(|base| !base.is_empty()).map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| root().join("target")).join("domicile")
}

/// The cargo that started this program.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments).current_dir(root());
    command
}

pub fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Runs it with its output shown. Whether it ended with 0.
pub fn succeeds(mut command: Command) -> Result<bool, DidNotRun> {
    announce(&command);
    let status = command.stdin(Stdio::null()).status();
    status.map(|status| status.success()).map_err(|error| not_started(&command, error))
}

/// Runs it for its effect; anything but 0 ends the chore.
pub fn must(command: Command) -> Result<(), DidNotRun> {
    let shown = shown(&command);
    if succeeds(command)? { Ok(()) } else { Err(DidNotRun(format!("`{shown}` failed"))) }
}

/// Runs it quietly for what it prints on stdout.
pub fn output(mut command: Command) -> Result<String, DidNotRun> {
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| not_started(&command, error))?;
    match (output.status.success(), String::from_utf8(output.stdout)) {
        (true, Ok(text)) => Ok(text),
        _ => Err(DidNotRun(format!("`{}` failed", shown(&command)))),
    }
}

/// Runs it and hands each line of its stdout to `take`, which says whether to show it. Whether it ended with 0.
pub fn watch(mut command: Command, take: impl FnMut(&str) -> bool) -> Result<bool, DidNotRun> {
    command.stdout(Stdio::piped());
    watch_pipe(command, |child| child.stdout.take(), take)
}

/// The same for its stderr; its stdout is thrown away.
pub fn watch_errors(mut command: Command, take: impl FnMut(&str) -> bool) -> Result<bool, DidNotRun> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    watch_pipe(command, |child| child.stderr.take(), take)
}

fn watch_pipe<P: Read>(
    mut command: Command,
    pipe: impl FnOnce(&mut Child) -> Option<P>,
    mut take: impl FnMut(&str) -> bool,
) -> Result<bool, DidNotRun> {
    announce(&command);
    let mut child = command.stdin(Stdio::null()).spawn().map_err(|error| not_started(&command, error))?;
    if let Some(pipe) = pipe(&mut child) {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if take(&line) {
                println!("{line}");
            }
        }
    }
    child.wait().map(|status| status.success()).map_err(|error| not_started(&command, error))
}

/// Runs a test program whose last line is `N passed, N failed`. One that ends badly without having counted a failure has one.
pub fn counts(command: Command) -> Result<Count, DidNotRun> {
    let shown = shown(&command);
    let mut counted = None;
    let good = watch(command, |line| {
        let closing = closing_line(line);
        counted = closing.or(counted);
        closing.is_none()
    })?;
    match counted {
        Some(count) if good || count.failed > 0 => Ok(count),
        Some(count) => Ok(Count { failed: 1, ..count }),
        None => Err(DidNotRun(format!("`{shown}` ended without its closing line"))),
    }
}

fn closing_line(line: &str) -> Option<Count> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some(Count { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let word = |word: &std::ffi::OsStr| {
        let path = Path::new(word);
        path.strip_prefix(root()).unwrap_or(path).display().to_string()
    };
    let mut words: Vec<_> = words.map(word).collect();
    if let Some(program) = Path::new(&words[0]).file_name() {
        words[0] = program.to_string_lossy().into_owned();
    }
    words.join(" ")
}

fn not_started(command: &Command, error: std::io::Error) -> DidNotRun {
    DidNotRun(format!("`{}` could not be run: {error}", shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closing_line_counts() {
        assert_eq!(closing_line("12 passed, 3 failed"), Some(Count { passed: 12, failed: 3 }));
        for line in [
            "",
            "passed, failed",
            "suite unit: 1 passed, 0 failed",
            "1 passed, 0 failed, 2 skipped",
            "-1 passed, 0 failed",
        ] {
            assert_eq!(closing_line(line), None, "{line}");
        }
    }
}
