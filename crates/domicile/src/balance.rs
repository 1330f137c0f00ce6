//! `domicile balance`: what became of every accepted event.

use crate::client::{CellArgs, encode};
use crate::exit::{Exit, Failure};
use clap::Args;
use serde_json::{Map, Value};

#[derive(Args)]
pub struct BalanceArgs {
    /// Only this source: its id or slug
    #[arg(long, value_name = "S")]
    source: Option<String>,
    /// Only hours from this time on, for example 2027-01-15T07:00:00Z
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Print the sheets as JSON, by region
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cell: CellArgs,
}

pub fn run(args: BalanceArgs) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unreached)?;
    let asked = [("source", &args.source), ("since", &args.since)];
    let asked = asked.iter().filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_ref()?))));
    let path = format!("/api/balance?{}", asked.collect::<Vec<_>>().join("&"));
    let (mut sheets, mut holds, mut unknown, mut text) = (Map::new(), true, 0, String::new());
    let mut cells = args.cell.cells()?;
    for cell in &mut cells {
        // A source is in one region: in the others it is not found.
        let Some(mut answer) = runtime.block_on(cell.client.find_json(&path))? else {
            unknown += 1;
            continue;
        };
        let sheet = answer["data"]["balance"].take();
        holds &= sheet["holds"].as_bool().unwrap_or(false);
        if !args.json {
            text.push_str(&told(&cell.name, &sheet));
        }
        sheets.insert(cell.name.clone(), sheet);
    }
    if unknown == cells.len() {
        return Err(Failure::usage(format!("no cell has a source `{}`", args.source.unwrap_or_default())));
    }
    if args.json {
        text = format!("{:#}\n", Value::Object(sheets));
    }
    crate::exit::print(&text)?;
    Ok(if holds { Exit::Done } else { Exit::No })
}

/// The sheet of one region, as a person reads it.
fn told(region: &str, sheet: &Value) -> String {
    let mut text = format!("{region}\n");
    let count = |value: &Value| value.as_u64().map_or("?".to_owned(), |n| n.to_string());
    let rows = sheet["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        text.push_str("  nothing was accepted\n");
    }
    for row in rows {
        let hour = row["hour"].as_str().unwrap_or_default().get(..13).unwrap_or_default();
        let source = row["sourceSlug"].as_str().unwrap_or("a deleted source");
        let lost = ["duplicate", "invalid", "blocked", "filtered"].map(|name| format!("{name} {}", count(&row[name])));
        let verdict = if row["holds"].as_bool().unwrap_or(false) { "" } else { "   DOES NOT ADD UP" };
        let (accepted, lost) = (count(&row["accepted"]), lost.join(" + "));
        text.push_str(&format!("  {hour}h  {source}: accepted {accepted} = {lost} +{verdict}\n"));
        for consumer in row["consumers"].as_array().into_iter().flatten() {
            let parts = ["delivered", "waiting", "dead"].map(|name| format!("{name} {}", count(&consumer[name])));
            let aside: String = [("before", "came before it"), ("off", "while it was off"), ("filtered", "filtered")]
                .iter()
                .filter(|(name, _)| consumer[name].as_u64().is_some_and(|n| n > 0))
                .map(|(name, why)| format!(" + {} {why}", count(&consumer[name])))
                .collect();
            let name = consumer["name"].as_str().unwrap_or("?");
            text.push_str(&format!("      {name}: {}{aside}\n", parts.join(" + ")));
        }
    }
    if sheet["undecided"].as_u64().is_some_and(|n| n > 0) {
        text.push_str(&format!("  {} more are accepted and not decided yet\n", count(&sheet["undecided"])));
    }
    text
}
