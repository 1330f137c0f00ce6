//! A child process that says a line at a time on stdout: a client program or a script.

use crate::up::wait_for;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// One that runs. Dropped, it is ended: it may hold a browser.
pub struct Speaking {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    silence_max: Duration,
}

impl Speaking {
    /// Starts it; `silence_max` is the longest silence of one that works.
    pub fn start(mut command: Command, silence_max: Duration) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
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
        Ok(Self { child, lines, errors: Some(errors), silence_max })
    }

    /// Its next line, as `parse` reads it; none when it has ended.
    pub fn next<T, E: Display>(&mut self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, String> {
        match self.lines.recv_timeout(self.silence_max) {
            Ok(line) => parse(&line).map(Some).map_err(|error| format!("printed {line:?}: {error}")),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("printed nothing for {:?}", self.silence_max)),
        }
    }

    /// Tells one that waits on stdin to go on.
    pub fn go_on(&mut self) -> Result<(), String> {
        let stdin = self.child.stdin.as_mut().ok_or("it has no stdin")?;
        stdin.write_all(b"\n").map_err(|error| format!("it is gone: {error}"))
    }

    /// Nothing more comes on its stdin.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// After its last line it must end, and with 0.
    pub fn end(mut self) -> Result<(), String> {
        match wait_for(&mut self.child, self.silence_max) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{status}: {}", self.last_errors())),
            None => Err(format!("still runs {:?} after its last line", self.silence_max)),
        }
    }

    fn last_errors(&mut self) -> String {
        let text = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        let lines: Vec<_> = text.trim().lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n        ")
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
