//! A client program: started with a host and a key, it sends by its SDK and prints what it sent.
//!
//! On stdout, one JSON object a line: an event as it went out (`type`, `messageId` and whatever else must come back
//! unchanged), or `{"hosts": […], "protocols": […]}` after a page load: whom a browser talked to, and how.

use crate::json::Json;
use crate::up::wait_for;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The longest silence of a client that works: ten tries of an SDK that is told to wait.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// An event as a client says that it sent it.
pub struct Sent {
    pub message_id: String,
    pub event: Json,
}

/// What a client printed up to its end or to the end of a page load.
#[derive(Default)]
pub struct Report {
    pub sent: Vec<Sent>,
    pub hosts: Vec<String>,
    /// `http/1.1`, `h2`
    pub protocols: Vec<String>,
}

pub struct Client {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Client {
    pub fn start(mut command: Command) -> Result<Self, String> {
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
        Ok(Self { child, lines, errors: Some(errors) })
    }

    /// Everything until the client ends, which must be with 0.
    pub fn finish(mut self) -> Result<Report, String> {
        let report = self.read(false)?;
        drop(self.child.stdin.take());
        match wait_for(&mut self.child, SILENCE_MAX) {
            Some(status) if status.success() => Ok(report),
            Some(status) => Err(format!("{status}: {}", last_lines(&self.errors()))),
            None => Err(format!("still runs {SILENCE_MAX:?} after its last line")),
        }
    }

    /// Everything until the next page load is done.
    pub fn page_load(&mut self) -> Result<Report, String> {
        self.read(true)
    }

    /// Tells a client that waits on stdin to go on.
    pub fn go_on(&mut self) -> Result<(), String> {
        let stdin = self.child.stdin.as_mut().ok_or("the client has no stdin")?;
        stdin.write_all(b"\n").map_err(|error| format!("the client is gone: {error}"))
    }

    fn errors(&mut self) -> String {
        self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default()
    }

    fn read(&mut self, one_page_load: bool) -> Result<Report, String> {
        let mut report = Report::default();
        loop {
            let line = match self.lines.recv_timeout(SILENCE_MAX) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return Ok(report),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("printed nothing for {SILENCE_MAX:?}"));
                }
            };
            let value = Json::parse(&line).map_err(|error| format!("printed {line:?}: {error}"))?;
            if let (Some(Json::List(hosts)), Some(Json::List(protocols))) = (value.get("hosts"), value.get("protocols"))
            {
                let texts = |list: &[Json]| list.iter().filter_map(|item| item.text().map(str::to_owned)).collect();
                (report.hosts, report.protocols) = (texts(hosts), texts(protocols));
                if one_page_load {
                    return Ok(report);
                }
            } else {
                let id = value
                    .get("messageId")
                    .and_then(Json::text)
                    .ok_or_else(|| format!("printed {line:?}: no messageId"))?;
                report.sent.push(Sent { message_id: id.to_owned(), event: value });
            }
        }
    }
}

/// A client that a failed step leaves behind is ended: it may hold a browser.
impl Drop for Client {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n        ")
}
