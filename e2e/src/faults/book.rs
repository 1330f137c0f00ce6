//! Who sends, what was promised, and whether the archives keep it.

use crate::archive::{Archive, await_archived};
use crate::http::{Answer, Connection};
use crate::kept::REGIONS;
use crate::tally::Tally;
use crate::up::{Demo, Home, Up};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::path::Path;

/// Every way in: each region's own point, and the remote points with their spools.
pub const POINTS: [(&str, &str); 5] = [
    ("us-west", "oregon"),
    ("us-west", "singapore"),
    ("us-west", "sydney"),
    ("us-west", "dublin"),
    ("eu-west", "dublin"),
];

/// Events in a batch.
pub const BATCH: u64 = 5;

/// One client at one ingest point. Its ids are its own, and it knows which were promised.
pub struct Client {
    pub region: &'static str,
    pub point: &'static str,
    name: String,
    url: String,
    key: String,
    connection: Connection,
    next: u64,
    promised: BTreeSet<u64>,
}

impl Client {
    /// `name`: no two clients of one home have the same at one point.
    pub fn of(demo: &Demo, (region, point): (&'static str, &'static str), name: &str) -> Result<Self, String> {
        let url = demo.ingest(region, point)?.to_owned();
        let connection = connect(&url)?;
        let key = demo.source(region, "server")?.key.to_owned();
        let name = format!("{name}-{region}-{point}");
        Ok(Self { region, point, name, url, key, connection, next: 0, promised: BTreeSet::new() })
    }

    /// One for each of [`POINTS`].
    pub fn of_all(demo: &Demo, name: &str) -> Result<Vec<Self>, String> {
        POINTS.into_iter().map(|point| Self::of(demo, point, name)).collect()
    }

    /// Sends a batch of new events; they are promised when the answer is 200.
    pub fn send(&mut self) -> io::Result<Answer> {
        let numbers = self.next..self.next + BATCH;
        self.next = numbers.end;
        self.send_again(numbers)
    }

    /// Sends these of its events, the same bytes as ever.
    pub fn send_again(&mut self, numbers: Range<u64>) -> io::Result<Answer> {
        let body = self.body(numbers.clone());
        let answer = self.connection.request("POST", "/v1/batch", &[], body.as_bytes())?;
        if answer.status == 200 {
            self.promised.extend(numbers);
        }
        Ok(answer)
    }

    /// Sends batches of new events, each of which must be answered 200.
    pub fn send_good(&mut self, batches: u64) -> Result<(), String> {
        (0..batches).try_for_each(|_| {
            let sent = self.send();
            good(&self.name, sent)
        })
    }

    /// Sends all its events again, which must be answered 200 too.
    pub fn send_all_again(&mut self) -> Result<(), String> {
        let numbers: Vec<_> = (0..self.next).step_by(BATCH as usize).collect();
        numbers.into_iter().try_for_each(|first| {
            let again = self.send_again(first..first + BATCH);
            good(&self.name, again)
        })
    }

    /// Forgets the connection: the next request opens another.
    pub fn reconnect(&mut self) -> Result<(), String> {
        self.connection = connect(&self.url)?;
        Ok(())
    }

    /// `GET` at its ingest point.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.connection.request("GET", path, &[], b"")
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many events were promised.
    pub fn promises(&self) -> usize {
        self.promised.len()
    }

    /// The batch as it is sent, for a test that sends it byte by byte; [`Self::promise`] when it was answered 200.
    pub fn take_body(&mut self) -> (Range<u64>, String) {
        let numbers = self.next..self.next + BATCH;
        self.next = numbers.end;
        (numbers.clone(), self.body(numbers))
    }

    pub fn promise(&mut self, numbers: Range<u64>) {
        self.promised.extend(numbers);
    }

    /// The ids of a range of its events.
    pub fn ids(&self, numbers: Range<u64>) -> Vec<String> {
        numbers.map(|n| self.id(n)).collect()
    }

    /// Whether its name, as it was given, is one of these.
    pub fn is_named(&self, names: &[&str]) -> bool {
        self.name.split('-').next().is_some_and(|own| names.contains(&own))
    }

    pub fn sent(&self) -> Range<u64> {
        0..self.next
    }

    fn body(&self, numbers: Range<u64>) -> String {
        let event = |n: u64| {
            let (id, padding) = (self.id(n), "x".repeat((n * 37 % 300) as usize));
            format!(
                r#"{{"type":"track","event":"Fault","messageId":"{id}","userId":"ada","properties":{{"n":{n},"padding":"{padding}"}}}}"#
            )
        };
        let events: Vec<_> = numbers.map(event).collect();
        format!(r#"{{"batch":[{}],"writeKey":"{}"}}"#, events.join(","), self.key)
    }

    fn id(&self, n: u64) -> String {
        format!("{}-{n}", self.name)
    }
}

fn connect(url: &str) -> Result<Connection, String> {
    Connection::to(url).map_err(|error| format!("{url}: {error}"))
}

/// The answer of a request that must succeed.
pub fn good(name: &str, answer: io::Result<Answer>) -> Result<(), String> {
    match answer {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(format!("{name}: answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// One archived event.
pub struct Line {
    pub region: &'static str,
    pub received_at: String,
}

/// The archives of a data folder, as far as they have been read.
pub struct Book {
    archives: Vec<(&'static str, Archive)>,
    lines: HashMap<String, Vec<Line>>,
}

impl Book {
    pub fn of(data: &Path) -> Self {
        let archives = REGIONS.map(|region| (region, Archive::of(data, region)));
        Self { archives: archives.into(), lines: HashMap::new() }
    }

    /// Reads the files that have come; how many promised events are missing.
    pub fn read(&mut self, clients: &[Client]) -> Result<usize, String> {
        for (region, archive) in &mut self.archives {
            for file in archive.new_files()? {
                file.lines(|line| {
                    let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
                    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                    let line = Line { region, received_at: text("receivedAt") };
                    self.lines.entry(text("messageId")).or_default().push(line);
                    Ok(())
                })?;
            }
        }
        Ok(self.missing(clients).count())
    }

    /// The archived events of an id.
    pub fn lines(&self, id: &str) -> &[Line] {
        self.lines.get(id).map_or(&[], Vec::as_slice)
    }

    fn missing<'a>(&'a self, clients: &'a [Client]) -> impl Iterator<Item = String> + 'a {
        let ids = clients.iter().flat_map(|client| client.promised.iter().map(|n| client.id(*n)));
        ids.filter(|id| !self.lines.contains_key(id))
    }

    /// What was promised is there, once, in its region; what was not is there once at the most; nobody else's is there.
    pub fn holds(&self, clients: &[Client]) -> Result<(), String> {
        let mut wrong: Vec<_> = self.missing(clients).map(|id| format!("{id} was promised and is not there")).collect();
        let regions: HashMap<_, _> = clients
            .iter()
            .flat_map(|client| client.ids(client.sent()).into_iter().map(|id| (id, client.region)))
            .collect();
        for (id, lines) in &self.lines {
            match regions.get(id) {
                None => wrong.push(format!("{id} was sent by nobody")),
                Some(region) if lines.iter().any(|line| line.region != *region) => {
                    wrong.push(format!("{id} is not only in {region}"));
                }
                Some(_) if lines.len() > 1 => wrong.push(format!("{id} is there {} times", lines.len())),
                Some(_) => {}
            }
        }
        if promises(clients) == 0 {
            wrong.push("no event was promised at all".to_owned());
        }
        wrong.sort();
        match wrong.as_slice() {
            [] => Ok(()),
            [first, ..] => Err(format!("{} of {} events; first: {first}", wrong.len(), promises(clients))),
        }
    }
}

pub fn promises(clients: &[Client]) -> usize {
    clients.iter().map(Client::promises).sum()
}

/// Stops `up`, lets the archive have everything, and checks it: what was promised is there once. The book that was read.
pub fn close(tally: &mut Tally, home: &Home, up: Up, what: &str, clients: &[Client]) -> Result<Book, String> {
    let mut book = Book::of(&home.data);
    await_archived(home, up, || book.read(clients))?;
    let promise = format!("{what}: of {} promised events each is archived once", promises(clients));
    tally.check(promise, book.holds(clients));
    Ok(book)
}
