//! A script of `e2e/control`: it prints a JSON object a line, and what is no promise is handed to whoever started it.

use crate::tally::Tally;
use crate::up::wait_for;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest silence of a script that works.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A promise, and why it does not hold.
pub type Kept = (String, Result<(), String>);

/// What a script printed up to its end.
#[derive(Default)]
pub struct Said {
    pub promises: Vec<Kept>,
    /// Everything else, in its order.
    pub more: Vec<Value>,
}

impl Said {
    /// Counts its promises under a name.
    pub fn tally(&self, tally: &mut Tally, name: &str) {
        for (promise, held) in &self.promises {
            tally.check(format!("{name}: {promise}"), held.clone());
        }
    }
}

/// A running script. Dropped, it is ended.
pub struct Script {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Script {
    /// Starts it; its stdin stays open until it is dropped.
    pub fn start(mut command: Command) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{program}: {error}"))?;
        let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(format!("{program}: no pipes"));
        };
        let (report, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| report.send(line))
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            // What cannot be read as text is missed in an error message and nowhere else.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Ok(Self { child, lines, errors: Some(errors) })
    }

    /// Its next line.
    pub fn next(&mut self) -> Result<Option<Value>, String> {
        match self.lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => serde_json::from_str(&line).map(Some).map_err(|error| format!("printed {line:?}: {error}")),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("printed nothing for {SILENCE_MAX:?}")),
        }
    }

    /// Everything up to its end, which must be with 0.
    pub fn finish(mut self) -> Result<Said, String> {
        let mut said = Said::default();
        while let Some(line) = self.next()? {
            match line.get("promise").and_then(Value::as_str) {
                Some(promise) => {
                    let held = line.get("failed").and_then(Value::as_str).map_or(Ok(()), |why| Err(why.to_owned()));
                    said.promises.push((promise.to_owned(), held));
                }
                None => said.more.push(line),
            }
        }
        match wait_for(&mut self.child, SILENCE_MAX) {
            Some(status) if status.success() => Ok(said),
            Some(status) => Err(format!("{status}: {}", self.errors())),
            None => Err(format!("still runs {SILENCE_MAX:?} after its last line")),
        }
    }

    fn errors(&mut self) -> String {
        let text = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        let lines: Vec<_> = text.trim().lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n        ")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
