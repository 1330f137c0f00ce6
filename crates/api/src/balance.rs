//! `GET /balance`: what became of every accepted event.

use crate::answer::{ApiError, data};
use crate::ask::{Caller, Query};
use crate::balance_keeper::HOURS_KEPT;
use crate::cell::Cell;
use axum::Json;
use axum::extract::State;
use domicile_control::SourceName;
use domicile_destinations::DestinationFigures;
use domicile_event::{Stamp, parse_time};
use domicile_ledger::{Consumer, Delivery, Hour, Outcome, Row, Settled, Sheet};
use domicile_world::Millis;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows of one answer: a month of hours of a dozen sources.
const ROWS_MAX: usize = 10_000;
/// How long an answer waits for the keeper to count what was decided before it was asked for.
const COUNT_WAIT: Duration = Duration::from_secs(5);

/// `?source=ID-or-slug&since=TIME`: rows by source and hour, their sums, and whether all of it adds up.
pub(crate) async fn get(
    State(cell): State<Arc<Cell>>,
    caller: Caller,
    mut query: Query,
) -> Result<Json<Value>, ApiError> {
    let source = query.take("source")?;
    let since = query.take("since")?.map(|text| read_since(&text)).transpose()?;
    query.done()?;
    // In this order, so that no destination has settled an event that the tally does not have.
    let others: Vec<Consumer> = cell.figures.all().into_iter().map(consumer).collect();
    let decided = cell.events.end();
    tokio::select! {
        () = cell.balance.counted(decided) => {}
        () = cell.world.clock.sleep(COUNT_WAIT) => {
            return Err(ApiError::busy("the balance sheet is still being counted; try again in some seconds"));
        }
    }
    let oldest = Hour(Hour::of(cell.world.clock.now()).0 - HOURS_KEPT);
    let since = since.map(Hour::of).map_or(oldest, |since| since.max(oldest));
    let sheet = move |cell: &Cell| -> Result<Json<Value>, ApiError> {
        let names = named(cell.control.source_names(caller.workspace())?, source.as_deref())?;
        let by_number: BTreeMap<_, _> = names.iter().map(|name| (name.number, name)).collect();
        let sheet = cell.balance.sheet(&by_number.keys().copied().collect(), Some(since), &others);
        if sheet.rows.len() > ROWS_MAX {
            let message =
                format!("the sheet would have more than {ROWS_MAX} rows; give a later `since` or one `source`");
            return Err(ApiError::invalid("since", message));
        }
        let rows: Vec<Value> = sheet
            .rows
            .iter()
            .map(|row| {
                let mut shown = show(row);
                let name = by_number.get(&row.source);
                shown.insert("sourceId".to_owned(), json!(name.map(|name| name.id.as_str())));
                shown.insert("sourceSlug".to_owned(), json!(name.map(|name| &name.slug)));
                shown.insert("hour".to_owned(), json!(Stamp::of(row.hour.start().0).as_str()));
                Value::Object(shown)
            })
            .collect();
        let undecided = cell.accepted.end().0.saturating_sub(sheet.until);
        Ok(data(json!({ "balance": {
            "from": sheet.from,
            "until": sheet.until,
            "undecided": undecided,
            "holds": sheet.holds(),
            "total": total(&sheet),
            "rows": rows,
        }})))
    };
    cell.blocking(sheet).await
}

/// A time in any spelling that events may use, for example `2027-01-15` or `2027-01-15T07:00:00Z`.
fn read_since(text: &str) -> Result<Millis, ApiError> {
    let message = "since is not a time; write it like 2027-01-15T07:00:00Z";
    parse_time(text).map(Millis).ok_or_else(|| ApiError::invalid("since", message))
}

fn consumer(figures: DestinationFigures) -> Consumer {
    let settled = figures.hours.iter().map(|hour| {
        let counts = Settled { off: hour.counts.off, delivered: hour.counts.delivered, dead: hour.counts.dead };
        ((hour.source, Hour::of(hour.hour)), counts)
    });
    Consumer { name: figures.id.to_string(), settled_until: figures.position.0, settled: settled.collect() }
}

/// The source with this id or slug, or all of them; a slug may have belonged to deleted sources before.
fn named(names: Vec<SourceName>, wanted: Option<&str>) -> Result<Vec<SourceName>, ApiError> {
    let Some(wanted) = wanted else { return Ok(names) };
    let found: Vec<_> = names.into_iter().filter(|name| name.id.as_str() == wanted || name.slug == wanted).collect();
    if found.is_empty() { Err(ApiError::not_found("source")) } else { Ok(found) }
}

fn show(row: &Row) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("accepted".to_owned(), json!(row.accepted));
    for outcome in Outcome::ALL {
        shown.insert(outcome.as_str().to_owned(), json!(row.outcome(outcome)));
    }
    let consumers: Vec<Value> = row.consumers.iter().map(show_delivery).collect();
    shown.insert("consumers".to_owned(), json!(consumers));
    shown.insert("holds".to_owned(), json!(row.holds()));
    shown
}

fn show_delivery(delivery: &Delivery) -> Value {
    json!({
        "name": delivery.consumer,
        "before": delivery.before,
        "off": delivery.off,
        "delivered": delivery.delivered,
        "waiting": delivery.waiting,
        "dead": delivery.dead,
    })
}

/// The sums over all rows, in the form of one row without source and hour.
fn total(sheet: &Sheet) -> Value {
    let mut sum = Row {
        source: domicile_workspace::SourceNumber(0),
        hour: Hour(0),
        accepted: 0,
        outcomes: [0; Outcome::ALL.len()],
        consumers: Vec::new(),
    };
    for row in &sheet.rows {
        sum.accepted += row.accepted;
        for (of_all, of_row) in sum.outcomes.iter_mut().zip(row.outcomes) {
            *of_all += of_row;
        }
        for delivery in &row.consumers {
            let Some(of_all) = sum.consumers.iter_mut().find(|of_all| of_all.consumer == delivery.consumer) else {
                sum.consumers.push(delivery.clone());
                continue;
            };
            of_all.before += delivery.before;
            of_all.off += delivery.off;
            of_all.delivered += delivery.delivered;
            of_all.dead += delivery.dead;
            of_all.waiting = of_all.waiting.zip(delivery.waiting).map(|(all, more)| all + more);
        }
    }
    Value::Object(show(&sum))
}
