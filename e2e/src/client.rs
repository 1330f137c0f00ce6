//! A client program: started with a host and a key, it sends by its SDK and prints what it sent.
//!
//! On stdout, one JSON object a line: an event as it went out (`type`, `messageId` and whatever else must come back
//! unchanged), or `{"hosts": […], "protocols": […]}` after a page load: whom a browser talked to, and how.

use crate::json::Json;
use crate::speaking::Speaking;
use std::process::Command;
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

/// A running client. Dropped, it is ended.
pub struct Client(Speaking);

impl Client {
    pub fn start(command: Command) -> Result<Self, String> {
        Speaking::start(command, SILENCE_MAX).map(Self)
    }

    /// Everything until the client ends, which must be with 0.
    pub fn finish(mut self) -> Result<Report, String> {
        let report = self.read(false)?;
        self.0.close_stdin();
        self.0.end().map(|()| report)
    }

    /// Everything until the next page load is done.
    pub fn page_load(&mut self) -> Result<Report, String> {
        self.read(true)
    }

    /// Tells a client that waits on stdin to go on.
    pub fn go_on(&mut self) -> Result<(), String> {
        self.0.go_on()
    }

    fn read(&mut self, one_page_load: bool) -> Result<Report, String> {
        let mut report = Report::default();
        while let Some(line) = self.0.next(Line::parse)? {
            match line {
                Line::Sent(sent) => report.sent.push(sent),
                Line::PageLoad { hosts, protocols } => {
                    (report.hosts, report.protocols) = (hosts, protocols);
                    if one_page_load {
                        return Ok(report);
                    }
                }
            }
        }
        Ok(report)
    }
}

enum Line {
    Sent(Sent),
    PageLoad { hosts: Vec<String>, protocols: Vec<String> },
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        let value = Json::parse(line).map_err(|error| error.to_string())?;
        if let (Some(Json::List(hosts)), Some(Json::List(protocols))) = (value.get("hosts"), value.get("protocols")) {
            let texts = |list: &[Json]| list.iter().filter_map(|item| item.text().map(str::to_owned)).collect();
            return Ok(Self::PageLoad { hosts: texts(hosts), protocols: texts(protocols) });
        }
        let id = value.get("messageId").and_then(Json::text).ok_or("no messageId")?;
        Ok(Self::Sent(Sent { message_id: id.to_owned(), event: value }))
    }
}
