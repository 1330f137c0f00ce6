//! `domicile tail`: events as they are decided, or the whole life of one.

use crate::client::{Cell, CellArgs, encode};
use crate::exit::{Exit, Failure};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

#[derive(Args)]
pub struct TailArgs {
    /// Only this source: its id or slug
    #[arg(long, value_name = "S", conflicts_with = "event")]
    source: Option<String>,
    /// Show the life of this event: accepted, decided, stored, sent, where and when
    #[arg(long, value_name = "MESSAGE_ID")]
    event: Option<String>,
    /// Print JSON: one object a line for the live view
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cell: CellArgs,
}

pub fn run(args: TailArgs) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let cells = args.cell.cells()?;
    match &args.event {
        Some(message_id) => runtime.block_on(life(cells, message_id, args.json)),
        None => runtime.block_on(follow(cells, args.source.as_deref(), args.json)),
    }
}

/// Watches all cells at once, until they end or the reader of the output goes away.
async fn follow(cells: Vec<Cell>, source: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let query = source.map(|source| format!("?source={}", encode(source))).unwrap_or_default();
    let path = format!("/api/events/live{query}");
    let watches = cells.into_iter().map(|mut cell| {
        let path = path.clone();
        Box::pin(async move {
            let name = cell.name.clone();
            let mut lines = Lines::default();
            let shown = |line: &str| match line.strip_prefix("data: ") {
                None => true,
                Some(data) => print_live(&name, data, json).is_ok(),
            };
            cell.client.stream(&path, |piece| lines.push(piece, &shown)).await
        })
    });
    // The first cell that ends or can't be reached ends the command; the others would run for ever.
    let (ended, _, _) = futures::future::select_all(watches).await;
    ended.map(|()| Exit::Done)
}

/// Puts the pieces of a stream together again as lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn push(&mut self, piece: &[u8], take: &dyn Fn(&str) -> bool) -> bool {
        self.0.extend_from_slice(piece);
        let mut from = 0;
        while let Some(n) = self.0[from..].iter().position(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(&self.0[from..from + n]);
            if !take(&line) {
                return false;
            }
            from += n + 1;
        }
        self.0.drain(..from);
        true
    }
}

fn print_live(region: &str, data: &str, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let Ok(mut seen) = serde_json::from_str::<Value>(data) else { return Ok(()) };
    if json {
        seen["region"] = json!(region);
        writeln!(out, "{seen}")?;
        return out.flush();
    }
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    if let Some(missed) = seen["missed"].as_u64() {
        writeln!(out, "… {missed} events were passed over: they came faster than they were read")?;
        return out.flush();
    }
    let event = &seen["event"];
    let what = match event["event"].as_str().or_else(|| event["name"].as_str()) {
        Some(name) => format!("{} \"{name}\"", text(&event["type"])),
        None => text(&event["type"]),
    };
    let outcome = match (seen["outcome"].as_str(), seen["reason"].as_str(), seen["firstPosition"].as_u64()) {
        (Some("kept"), ..) => what,
        (Some(outcome), Some(reason), _) => format!("{outcome} ({reason})"),
        (Some(outcome), None, Some(first)) => format!("{outcome} of {first}"),
        (outcome, ..) => outcome.unwrap_or("?").to_owned(),
    };
    let time = text(&seen["receivedAt"]);
    let time = time.get(11..23).unwrap_or(&time);
    writeln!(
        out,
        "{time}  {region}  {:>8}  {}  {outcome}  {}",
        seen["position"].as_u64().unwrap_or(0),
        text(&seen["sourceSlug"]),
        text(&event["messageId"])
    )?;
    out.flush()
}

/// The life of one event, wherever it was accepted.
async fn life(cells: Vec<Cell>, message_id: &str, json: bool) -> Result<Exit, Failure> {
    let path = format!("/api/events/{}", encode(message_id));
    let mut lives = Vec::new();
    for mut cell in cells {
        if let Some(mut answer) = cell.client.find_json(&path).await? {
            lives.push((cell.name, answer["data"]["event"].take()));
        }
    }
    if json {
        let lives: Vec<_> = lives.iter().map(|(region, event)| json!({ "region": region, "event": event })).collect();
        println!("{:#}", Value::Array(lives));
    } else {
        for (region, event) in &lives {
            for occurrence in event["occurrences"].as_array().into_iter().flatten() {
                print_life(region, occurrence);
            }
        }
    }
    if lives.is_empty() {
        if !json {
            println!("no event with the messageId `{message_id}` is in the logs");
        }
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

fn print_life(region: &str, life: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    println!("position {} of {region}, source {}", life["position"], text(&life["sourceSlug"]));
    let accepted = &life["accepted"];
    let from = accepted["clientAddress"].as_str().map(|address| format!(" from {address}")).unwrap_or_default();
    println!("  accepted  {} at {}{from}", text(&accepted["receivedAt"]), text(&accepted["point"]));
    let decided = &life["decided"];
    match (decided["outcome"].as_str(), decided["reason"].as_str(), decided["firstPosition"].as_u64()) {
        (None, ..) => println!("  decided   not yet"),
        (Some(outcome), _, Some(first)) => println!("  decided   {outcome} of position {first}"),
        (Some(outcome), Some(reason), None) => println!("  decided   {outcome}: {reason}"),
        (Some(outcome), None, None) => println!("  decided   {outcome}"),
    }
    if let Some(entry) = life["recorded"]["entry"].as_u64() {
        println!("  recorded  entry {entry} of the ledger, receipt {}", text(&life["recorded"]["receipt"]));
    }
    match (life["stored"]["object"].as_str(), life["stored"]["state"].as_str()) {
        (Some(object), _) => println!("  stored    {object}"),
        (None, Some(state)) => println!("  stored    {state}"),
        (None, None) => {}
    }
    for sent in life["sent"].as_array().into_iter().flatten() {
        println!("  sent      {} to {}", text(&sent["state"]), text(&sent["name"]));
        for attempt in sent["attempts"].as_array().into_iter().flatten() {
            let part = |name: &str| attempt[name].as_str().map(|value| format!(" {value}")).unwrap_or_default();
            let status = attempt["status"].as_u64().map(|status| format!(" answered {status}")).unwrap_or_default();
            println!("           {}{}{}{status}{}", part("at"), part("host"), part("country"), part("error"));
        }
    }
}
