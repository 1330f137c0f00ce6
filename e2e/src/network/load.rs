//! The clients of one region: what they send, and what they were answered.
//!
//! Each event has the region's marker in its user, traits, properties, context, and in the headers that bring it. A batch is sent
//! again, the same bytes, until it is answered 200.

use super::table::{SENT_ON, TRAPPED};
use crate::control::encoded;
use crate::http::Connection;
use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Events in a batch to the source that most go to.
const BATCH: u64 = 250;
/// Every so many batches one has an event that is no event, and every so many one is sent twice.
const INVALID_EVERY: u64 = 10;
const TWICE_EVERY: u64 = 20;
/// How long one batch may take to come to its 200, cuts included.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was sent to one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// In requests that were answered 200, those of a batch that was sent twice counted twice.
    pub events: u64,
    /// Of these, those that are no events.
    pub invalid: u64,
    /// Of these, those that had been answered 200 before.
    pub again: u64,
    /// In requests that broke before their answer: they may have been taken.
    pub unknown: u64,
}

impl Sent {
    /// Those that have to be kept.
    pub fn distinct(&self) -> u64 {
        self.events - self.invalid - self.again
    }
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.invalid += other.invalid;
        self.again += other.again;
        self.unknown += other.unknown;
    }
}

/// One client of one source.
pub struct Client<'a> {
    connection: Connection,
    key: String,
    marker: &'a str,
    /// Begins each messageId.
    name: String,
    sent: Sent,
    /// Events that were answered 200 so far, for whoever watches.
    progress: &'a AtomicU64,
}

impl<'a> Client<'a> {
    pub fn new(url: &str, key: &str, marker: &'a str, name: &str, progress: &'a AtomicU64) -> Result<Self, String> {
        let connection = Connection::to(url).map_err(|error| format!("{url}: {error}"))?;
        Ok(Self { connection, key: key.to_owned(), marker, name: name.to_owned(), sent: Sent::default(), progress })
    }

    /// Batches, some of them gzipped, some twice, until `events` are sent.
    pub fn send_bulk(mut self, events: u64) -> Result<Sent, String> {
        let (mut number, mut batch) = (0, 0);
        while self.sent.events < events {
            batch += 1;
            let count = BATCH.min(events - self.sent.events);
            let invalid = u64::from(batch % INVALID_EVERY == 0).min(count);
            let body = self.batch(number..number + count, invalid);
            let body = if batch % 3 == 0 { gzipped(&body)? } else { body };
            let more: &[(&str, &str)] = if batch % 3 == 0 { &[("Content-Encoding", "gzip")] } else { &[] };
            self.post("/v1/batch", more, &body, Sent { events: count, invalid, ..Sent::default() })?;
            if batch % TWICE_EVERY == 0 && self.sent.events + count <= events {
                self.post(
                    "/v1/batch",
                    more,
                    &body,
                    Sent { events: count, invalid, again: count - invalid, unknown: 0 },
                )?;
            }
            number += count;
        }
        Ok(self.sent)
    }

    /// [`SENT_ON`] events in small batches.
    pub fn send_on(mut self) -> Result<Sent, String> {
        const SMALL: u64 = 50;
        for first in (0..SENT_ON).step_by(SMALL as usize) {
            let count = SMALL.min(SENT_ON - first);
            let body = self.batch(first..first + count, 0);
            self.post("/v1/batch", &[], &body, Sent { events: count, ..Sent::default() })?;
        }
        Ok(self.sent)
    }

    /// [`TRAPPED`] events, one request each, by all the calls that there are and by the pixel.
    pub fn send_single(mut self) -> Result<Sent, String> {
        const CALLS: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];
        for number in 0..TRAPPED {
            let one = Sent { events: 1, ..Sent::default() };
            match usize::try_from(number % 7).unwrap_or_default() {
                6 => {
                    // A pixel's key is in its event.
                    let event = self.event(number, "track");
                    let event = event.replacen('{', &format!(r#"{{"writeKey":"{}","#, self.key), 1);
                    let path = format!("/v1/pixel/track?data={}", encoded(&BASE64.encode(event.as_bytes())));
                    self.request("GET", &path, &[], b"", one)?;
                }
                call => {
                    let event = self.event(number, CALLS[call]);
                    self.post(&format!("/v1/{}", CALLS[call]), &[], event.as_bytes(), one)?;
                }
            }
        }
        Ok(self.sent)
    }

    fn batch(&self, numbers: std::ops::Range<u64>, invalid: u64) -> Vec<u8> {
        let mut body = format!("{{\"sentAt\":\"2026-11-24T10:00:00.000Z\",\"writeKey\":\"{}\",\"batch\":[", self.key);
        for (at, number) in numbers.enumerate() {
            body.push_str(if at == 0 { "" } else { "," });
            body.push_str(&self.event(number, if (at as u64) < invalid { "fly" } else { "track" }));
        }
        body.push_str("]}");
        body.into_bytes()
    }

    /// An event with the marker in all that a customer fills.
    fn event(&self, number: u64, call: &str) -> String {
        let (name, marker) = (&self.name, self.marker);
        let mut event = format!(
            r#"{{"messageId":"{name}-{number}","type":"{call}","userId":"u{}-{marker}","anonymousId":"a-{marker}","groupId":"g-{marker}","previousId":"p-{marker}","event":"Order Completed","#,
            number % 16
        );
        let _ = write!(
            event,
            r#""properties":{{"plan":"pro","note":"{marker}","list":["{marker}",{{"deep":"x{marker}y"}}],"{marker}":1}},"traits":{{"email":"{marker}@example.com","name":"Ada {marker}"}},"#
        );
        let _ = write!(
            event,
            r#""context":{{"userAgent":"Agent/{marker}","page":{{"url":"https://shop.example/{marker}?q={marker}"}},"campaign":{{"name":"{marker}"}}}}}}"#
        );
        event
    }

    fn post(&mut self, path: &str, more: &[(&str, &str)], body: &[u8], counts: Sent) -> Result<(), String> {
        self.request("POST", path, more, body, counts)
    }

    fn request(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
        counts: Sent,
    ) -> Result<(), String> {
        let agent = format!("Mozilla/5.0 ({})", self.marker);
        let cookie = format!("ajs_user_id={}", self.marker);
        let referer = format!("https://shop.example/{}", self.marker);
        let basic = format!("Basic {}", BASE64.encode(format!("{}:", self.key).as_bytes()));
        let mut headers = vec![
            ("Authorization", basic.as_str()),
            ("User-Agent", agent.as_str()),
            ("Cookie", cookie.as_str()),
            ("Referer", referer.as_str()),
            ("X-Request-Id", self.marker),
        ];
        headers.extend(more);
        let begun = Instant::now();
        loop {
            match self.connection.request(method, path, &headers, body) {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) if answer.status != 503 => {
                    return Err(format!(
                        "{}: answered {}: {}",
                        self.name,
                        answer.status,
                        String::from_utf8_lossy(&answer.body)
                    ));
                }
                // Not taken, or cut off: sent once more.
                Ok(_) => {}
                Err(_) => self.sent.unknown += counts.events,
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{}: no 200 within {PATIENCE:?}", self.name));
            }
            thread::sleep(Duration::from_millis(100));
        }
        self.sent += counts;
        self.progress.fetch_add(counts.events, Ordering::Relaxed);
        Ok(())
    }
}

fn gzipped(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body).and_then(|()| gzip.finish()).map_err(|error| error.to_string())
}
