//! `domicile send`: sends events as an SDK would, with the same retries.

use crate::client::Client;
use crate::exit::{Exit, Failure};
use bytes::Bytes;
use clap::Args;
use domicile_event::{BATCH_BYTES_MAX, EVENT_BYTES_MAX, Stamp};
use domicile_world::World;
use http::{Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
pub struct SendArgs {
    /// The ingest point, for example http://127.0.0.1:7201
    #[arg(long, value_name = "URL")]
    to: String,
    /// A write key of the source
    #[arg(long, value_name = "KEY")]
    key: String,
    /// Events, one JSON object a line; `-` is standard input. Sample events are made when absent
    file: Option<PathBuf>,
    /// How many sample events
    #[arg(long, default_value_t = 100, value_name = "N", conflicts_with = "file")]
    count: u64,
    /// Events a second at the most
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    trust: crate::client::TrustArgs,
}

/// Events in a batch, as SDKs send them.
const BATCH_EVENTS: usize = 100;
/// Room for what stands around the events.
const ENVELOPE_BYTES: usize = 1_024;
/// Tries of one batch: with waits doubling from half a second to 8 s, about a minute.
const TRIES: u32 = 10;

pub fn run(args: SendArgs) -> Result<Exit, Failure> {
    if args.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) {
        return Err(Failure::usage("--rate has to be more than 0"));
    }
    let world = World::real();
    let total = if args.file.is_some() { None } else { Some(args.count) };
    let events: Box<dyn Iterator<Item = Result<String, Failure>>> = match &args.file {
        None => Box::new((0..args.count).map(|n| Ok(sample(&world, n).to_string()))),
        Some(file) => Box::new(lines(&world, file)?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let authorization = format!("Basic {}", data_encoding::BASE64.encode(format!("{}:", args.key).as_bytes()));
    let client = Client::new(&args.to, None, &args.trust)?.with_authorization(authorization);
    let json = args.json;
    let sent = runtime.block_on(
        Sender { world: world.clone(), client, rate: args.rate, sent: 0 }.send_all(events, progress(total, json)),
    )?;
    if json {
        println!("{}", json!({ "sent": sent, "to": args.to }));
    } else {
        println!("{sent} events answered with 200");
    }
    Ok(Exit::Done)
}

fn progress(total: Option<u64>, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {pos}/{len} events  {per_sec}  {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {pos} events  {per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Sender {
    world: World,
    client: Client,
    rate: Option<f64>,
    sent: u64,
}

impl Sender {
    async fn send_all(
        mut self,
        events: impl Iterator<Item = Result<String, Failure>>,
        bar: ProgressBar,
    ) -> Result<u64, Failure> {
        let start = self.world.clock.monotonic();
        let mut batch = Vec::new();
        let mut bytes = 0;
        // With a low rate, batches are small enough to come about twice a second.
        let events_max = self.rate.map_or(BATCH_EVENTS, |rate| ((rate / 2.0) as usize).clamp(1, BATCH_EVENTS));
        for event in events {
            let event = event?;
            if batch.len() >= events_max || bytes + event.len() + ENVELOPE_BYTES > BATCH_BYTES_MAX {
                self.send(&batch, start, &bar).await?;
                batch.clear();
                bytes = 0;
            }
            bytes += event.len() + 1;
            batch.push(event);
        }
        if !batch.is_empty() {
            self.send(&batch, start, &bar).await?;
        }
        bar.finish_and_clear();
        Ok(self.sent)
    }

    async fn send(&mut self, batch: &[String], start: Duration, bar: &ProgressBar) -> Result<(), Failure> {
        if let Some(rate) = self.rate {
            let due = start + Duration::from_secs_f64(self.sent as f64 / rate);
            self.world.clock.sleep(due.saturating_sub(self.world.clock.monotonic())).await;
        }
        let sent_at = Stamp::of(self.world.clock.now().0);
        let body = format!("{{\"batch\":[{}],\"sentAt\":\"{}\"}}", batch.join(","), sent_at.as_str());
        let body = Bytes::from(body);
        let mut wait = Duration::from_millis(500);
        for attempt in 1..=TRIES {
            let last = attempt == TRIES;
            match self.client.send(Method::POST, "/v1/batch", body.clone()).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    self.sent += batch.len() as u64;
                    bar.inc(batch.len() as u64);
                    return Ok(());
                }
                Ok(answer) => {
                    let said = refusal(&answer.body);
                    let passing = answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS;
                    if !passing {
                        return Err(Failure::usage(format!("refused after {} events: {said}", self.sent)));
                    }
                    if last {
                        return Err(Failure::unreached(format!("given up after {} events: {said}", self.sent)));
                    }
                    let named = answer.headers.get(http::header::RETRY_AFTER);
                    let named = named.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
                    self.world.clock.sleep(named.unwrap_or(wait)).await;
                }
                Err(failure @ Failure::Usage(_)) => return Err(failure),
                Err(failure) if last => return Err(failure),
                Err(_) => self.world.clock.sleep(wait).await,
            }
            wait = (wait * 2).min(Duration::from_secs(8));
        }
        Ok(())
    }
}

/// What a refusal says, with the host to use where it names one.
fn refusal(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = value["code"].as_str().unwrap_or("no code");
    let message = value["message"].as_str().unwrap_or("no message");
    match value["host"].as_str() {
        Some(host) => format!("{code}: {message} (send to {host})"),
        None => format!("{code}: {message}"),
    }
}

/// The events of a file, each with a messageId, so that a batch sent twice counts once.
fn lines(world: &World, file: &PathBuf) -> Result<impl Iterator<Item = Result<String, Failure>> + use<>, Failure> {
    let shown = file.display().to_string();
    let reader: Box<dyn BufRead> = if shown == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let open = std::fs::File::open(file).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
        Box::new(std::io::BufReader::new(open))
    };
    let world = world.clone();
    let fault = move |n: usize, what: String| Failure::usage(format!("{shown}:{}: {what}", n + 1));
    Ok(reader.lines().enumerate().filter_map(move |(n, line)| {
        let line = match line {
            Ok(line) if line.trim().is_empty() => return None,
            Ok(line) => line,
            Err(error) => return Some(Err(fault(n, error.to_string()))),
        };
        if line.len() > EVENT_BYTES_MAX {
            return Some(Err(fault(n, format!("{} bytes, and an event has at most {EVENT_BYTES_MAX}", line.len()))));
        }
        Some(match serde_json::from_str::<Map<String, Value>>(&line) {
            Err(error) => Err(fault(n, format!("not a JSON object: {error}"))),
            Ok(event) if event.contains_key("messageId") => Ok(line.trim().to_owned()),
            // The line stays as it is spelled; only the id is put in front.
            Ok(event) => {
                let rest = line.trim().strip_prefix('{').unwrap_or_default();
                let comma = if event.is_empty() { "" } else { "," };
                Ok(format!("{{\"messageId\":\"{}\"{comma}{rest}", message_id(&world)))
            }
        })
    }))
}

fn message_id(world: &World) -> String {
    let mut bytes = [0; 16];
    world.random.fill(&mut bytes);
    format!("domicile-send-{}", data_encoding::HEXLOWER.encode(&bytes))
}

fn sample(world: &World, n: u64) -> Value {
    let names = ["Product Viewed", "Product Added", "Checkout Started", "Order Completed"];
    let products = ["Monopoly", "Uno", "Carcassonne", "Catan"];
    let pick = |count: usize| world.random.below(count as u64) as usize;
    let (name, product) = (names[pick(names.len())], products[pick(products.len())]);
    json!({
        "type": "track",
        "event": name,
        "userId": format!("user-{}", world.random.below(50)),
        "messageId": message_id(world),
        "timestamp": Stamp::of(world.clock.now().0).as_str(),
        "properties": {
            "number": n,
            "product": product,
            "price": (world.random.below(10_000) as f64) / 100.0,
            "currency": "EUR",
        },
        "context": { "library": { "name": "domicile send", "version": env!("CARGO_PKG_VERSION") } },
    })
}
