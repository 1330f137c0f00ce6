//! The load: many connections that post as fast as they are answered, or at a fixed rate. Requests are made once and only
//! their messageIds are changed, so that the load costs as little as it can beside the server it measures.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub connections: usize,
    /// Events in a request; 1 posts to `/v1/t`, more to `/v1/batch`.
    pub batch: usize,
}

/// When it ends, and how fast it goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub seconds: f64,
    /// Events a second over all connections; as fast as answered when absent.
    pub events_per_second: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub events: u64,
    pub requests: u64,
    pub refused: u64,
    pub seconds: f64,
    /// Microseconds from the request's time (its due time, when there is a rate) to its answer; sorted.
    pub latencies_us: Vec<u32>,
}

impl Outcome {
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// The given share of requests was answered within so many microseconds.
    pub fn latency_us(&self, share: f64) -> f64 {
        let last = self.latencies_us.len().saturating_sub(1);
        self.latencies_us.get((last as f64 * share) as usize).map_or(f64::NAN, |us| f64::from(*us))
    }
}

/// A request whose messageIds can be changed in place.
struct Template {
    bytes: Vec<u8>,
    ids: Vec<usize>,
}

const ID_DIGITS: usize = 16;

impl Template {
    fn new(shape: Shape, key: &str, host: &str, connection: usize) -> Self {
        let mut dice = Dice(connection as u64);
        let mut body = Vec::new();
        let mut ids = Vec::new();
        if shape.batch > 1 {
            body.extend_from_slice(b"{\"batch\":[");
        }
        for n in 0..shape.batch {
            if n > 0 {
                body.push(b',');
            }
            event(&mut body, &mut ids, &mut dice);
        }
        if shape.batch > 1 {
            body.extend_from_slice(b"],\"sentAt\":\"2026-11-23T10:00:01.000Z\"}");
        }
        let path = if shape.batch > 1 { "/v1/batch" } else { "/v1/t" };
        let auth = {
            use base64_of::encode;
            encode(format!("{key}:").as_bytes())
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Basic {auth}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut bytes = head.into_bytes();
        let at = bytes.len();
        bytes.extend_from_slice(&body);
        Self { bytes, ids: ids.into_iter().map(|id| id + at).collect() }
    }

    fn number(&mut self, mut next: u64) -> u64 {
        for id in &self.ids {
            let mut n = next;
            for digit in self.bytes[*id..*id + ID_DIGITS].iter_mut().rev() {
                *digit = b"0123456789abcdef"[(n & 15) as usize];
                n >>= 4;
            }
            next += 1;
        }
        next
    }
}

/// Words of names and addresses: with the random ids, events compress about as well as real ones do (some four times).
const WORDS: [&str; 64] = [
    "monopoly",
    "carcassonne",
    "puzzle",
    "catan",
    "lantern",
    "kettle",
    "bicycle",
    "garden",
    "winter",
    "harbour",
    "copper",
    "velvet",
    "thunder",
    "meadow",
    "orchid",
    "marble",
    "canyon",
    "summit",
    "breeze",
    "cobalt",
    "amber",
    "willow",
    "falcon",
    "ember",
    "quartz",
    "saffron",
    "indigo",
    "maple",
    "raven",
    "coral",
    "hazel",
    "pebble",
    "tundra",
    "lagoon",
    "prairie",
    "glacier",
    "dune",
    "fjord",
    "atoll",
    "delta",
    "ridge",
    "grove",
    "brook",
    "cliff",
    "valley",
    "island",
    "forest",
    "desert",
    "plain",
    "river",
    "ocean",
    "lake",
    "pond",
    "creek",
    "spring",
    "fall",
    "rapids",
    "gorge",
    "cave",
    "cape",
    "bay",
    "gulf",
    "strait",
    "channel",
];

/// splitmix64: the same events in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn word(&mut self) -> &'static str {
        WORDS[(self.next() % WORDS.len() as u64) as usize]
    }
}

/// An event of about 850 bytes, of the make that an e-commerce site sends.
fn event(out: &mut Vec<u8>, ids: &mut Vec<usize>, dice: &mut Dice) {
    out.extend_from_slice(b"{\"type\":\"track\",\"event\":\"Order Completed\",\"messageId\":\"load-");
    ids.push(out.len());
    out.extend_from_slice(&[b'0'; ID_DIGITS]);
    let mut product = || {
        format!(
            "{{\"product_id\":\"{:016x}\",\"sku\":\"{}-{}\",\"name\":\"{} {}\",\"price\":{}.{},\"quantity\":{},\"category\":\"{}\"}}",
            dice.next(),
            dice.next() % 100_000,
            dice.next() % 100,
            dice.word(),
            dice.word(),
            dice.next() % 200,
            dice.next() % 10,
            dice.next() % 4 + 1,
            dice.word()
        )
    };
    let products = [product(), product()].join(",");
    let rest = format!(
        "\",\"userId\":\"user-{:08x}\",\"timestamp\":\"2026-11-23T10:{:02}:{:02}.{:03}Z\",\"properties\":{{\"order_id\":\"{:024x}\",\
         \"total\":{}.50,\"revenue\":{}.00,\"shipping\":3,\"tax\":2,\"discount\":2.5,\"coupon\":\"{}\",\"currency\":\"EUR\",\
         \"products\":[{products}]}},\
         \"context\":{{\"library\":{{\"name\":\"analytics-node\",\"version\":\"3.1.0\"}},\"locale\":\"en-GB\",\
         \"userAgent\":\"Mozilla/5.0 (X11; Linux x86_64) {}/{}\",\"page\":{{\"path\":\"/{}/{}\",\
         \"referrer\":\"https://www.example.com/{}?id={:x}\"}}}},\"integrations\":{{}}}}",
        dice.next() as u32,
        dice.next() % 60,
        dice.next() % 60,
        dice.next() % 1000,
        u128::from(dice.next()) << 32,
        dice.next() % 1000,
        dice.next() % 1000,
        dice.word(),
        dice.word(),
        dice.next() % 200,
        dice.word(),
        dice.word(),
        dice.word(),
        dice.next(),
    );
    out.extend_from_slice(rest.as_bytes());
}

mod base64_of {
    /// Basic authorization is the one place here that needs base64: not worth a dependency.
    pub fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
            for place in 0..4 {
                let digit = DIGITS[(n >> (18 - 6 * place)) as usize & 63];
                out.push(if place > chunk.len() { '=' } else { char::from(digit) });
            }
        }
        out
    }
}

/// The events of some requests, one a line: what an archive would compress.
pub fn sample_events(shape: Shape) -> Vec<u8> {
    let mut out = Vec::new();
    for connection in 0..shape.connections {
        let mut dice = Dice(connection as u64);
        for _ in 0..shape.batch {
            event(&mut out, &mut Vec::new(), &mut dice);
            out.push(b'\n');
        }
    }
    out
}

/// Runs the load on this thread. `first_id` begins the messageIds; no two loads of one run may share any.
pub fn run(address: SocketAddr, key: &str, shape: Shape, pace: Pace, first_id: u64) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(pace.seconds);
        let mut tasks = Vec::new();
        for n in 0..shape.connections {
            let first = first_id + ((n as u64) << 36);
            let template = Template::new(shape, key, &address.to_string(), n);
            // With a rate, each connection has its share, and the connections are spread over the interval.
            let every = pace
                .events_per_second
                .map(|rate| Duration::from_secs_f64(shape.batch as f64 * shape.connections as f64 / rate));
            let begin = start + every.map_or(Duration::ZERO, |e| e.mul_f64(n as f64 / shape.connections as f64));
            tasks.push(tokio::spawn(connection(address, template, shape, first, (begin, every, end))));
        }
        let mut all = Outcome::default();
        for task in tasks {
            let one = task.await.map_err(io::Error::other)??;
            all.events += one.events;
            all.requests += one.requests;
            all.refused += one.refused;
            all.latencies_us.extend(one.latencies_us);
        }
        all.seconds = start.elapsed().as_secs_f64();
        all.latencies_us.sort_unstable();
        Ok(all)
    })
}

async fn connection(
    address: SocketAddr,
    mut template: Template,
    shape: Shape,
    mut id: u64,
    (mut due, every, end): (Instant, Option<Duration>, Instant),
) -> io::Result<Outcome> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut out = Outcome::default();
    let mut answer = Vec::with_capacity(1024);
    loop {
        let began = match every {
            Some(every) => {
                tokio::time::sleep_until(due.into()).await;
                let at = due;
                due += every;
                at
            }
            None => Instant::now(),
        };
        if Instant::now() >= end {
            return Ok(out);
        }
        id = template.number(id);
        stream.write_all(&template.bytes).await?;
        let status = read_answer(&mut stream, &mut answer).await?;
        out.requests += 1;
        if status == 200 {
            out.events += shape.batch as u64;
        } else {
            out.refused += 1;
        }
        out.latencies_us.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

/// Reads one answer with a Content-Length; gives its status.
async fn read_answer(stream: &mut TcpStream, buf: &mut Vec<u8>) -> io::Result<u16> {
    buf.clear();
    loop {
        if stream.read_buf(buf).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buf.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buf[..head]).to_ascii_lowercase();
        let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        let whole = head + 4 + length.unwrap_or(0_usize);
        if buf.len() >= whole {
            let status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
            return status.ok_or_else(|| io::Error::other("an answer without a status"));
        }
    }
}
