//! `GET /balance`: what became of every accepted event.

use crate::answer::{ApiError, data};
use crate::balance_keeper::{HOURS_KEPT, consumers};
use crate::cell::Cell;
use crate::contract::{Ask, ID, Needs, Object, Of, Operation, SLUG, Schema, get, list, may, need, text};
use axum::response::{IntoResponse, Response};
use domicile_control::{Area, Level, SourceName};
use domicile_event::{Stamp, parse_time};
use domicile_ledger::{Consumer, Delivery, Hour, Outcome, Row, Sheet};
use domicile_world::Millis;
use futures::FutureExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Rows of one answer: a month of hours of a dozen sources.
const ROWS_MAX: usize = 10_000;
/// How long an answer waits for the keeper to count what was decided before it was asked for.
const COUNT_WAIT: Duration = Duration::from_secs(5);

const EVENTS: Schema = Schema::Count { min: 0, max: i64::MAX };

static CONSUMER: Object = Object {
    name: "BalanceConsumer",
    fields: &[
        need("name", text(200)).about("`archive`, or a destination's id."),
        need("before", EVENTS).about("Decided before it existed."),
        need("off", EVENTS).about("Passed while it was switched off."),
        need("filtered", EVENTS).about("Left out by its own filters."),
        need("delivered", EVENTS),
        need("waiting", Schema::Null(&EVENTS)),
        need("dead", EVENTS),
    ],
};
static TOTAL: Object = Object {
    name: "BalanceTotal",
    fields: &[
        need("accepted", EVENTS),
        need("kept", EVENTS),
        need("duplicate", EVENTS),
        need("invalid", EVENTS),
        need("blocked", EVENTS),
        need("filtered", EVENTS),
        need("consumers", list(&Schema::Object(&CONSUMER), 1_000)),
        need("holds", Schema::Flag).about("Whether accepted is the sum of all that became of it."),
    ],
};
static ROW: Object = Object {
    name: "BalanceRow",
    fields: &[
        need("sourceId", Schema::Null(&ID)),
        need("sourceSlug", Schema::Null(&SLUG)),
        need("hour", Schema::Time),
        need("accepted", EVENTS),
        need("kept", EVENTS),
        need("duplicate", EVENTS),
        need("invalid", EVENTS),
        need("blocked", EVENTS),
        need("filtered", EVENTS),
        need("consumers", list(&Schema::Object(&CONSUMER), 1_000)),
        need("holds", Schema::Flag),
    ],
};
static BALANCE: Object = Object {
    name: "Balance",
    fields: &[
        need("from", EVENTS).about("The first position that is counted."),
        need("until", EVENTS).about("The first position that is not."),
        need("undecided", EVENTS),
        need("holds", Schema::Flag),
        need("total", Schema::Object(&TOTAL)),
        need("rows", list(&Schema::Object(&ROW), ROWS_MAX)),
    ],
};
static ANSWER: Object = Object { name: "", fields: &[need("balance", Schema::Object(&BALANCE))] };

pub(crate) static OPERATIONS: &[Operation] = &[get(
    "getBalance",
    "/balance",
    "What became of every accepted event, by source and hour: it adds up, or says that it does not.",
)
.needs(&[Needs::Role(Area::Source, Level::Read, Of::Any)])
.query(&[
    may("source", ID).about("The id or slug of one source."),
    may("since", text(100)).about("A time, for example 2027-01-15T07:00:00Z; the hour that it is in is the first."),
])
.data(&ANSWER)
.wait(|cell, ask| balance(cell, ask).boxed())];

async fn balance(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let since = ask.query("since").map(read_since).transpose()?;
    let others = settled(&cell).await?;
    let oldest = Hour(Hour::of(cell.world.clock.now()).0 - HOURS_KEPT);
    let since = since.map(Hour::of).map_or(oldest, |since| since.max(oldest));
    let sheet = move |cell: &Cell| -> Result<Response, ApiError> {
        let names = named(crate::live::seen_sources(cell, &ask.caller.scope)?, ask.query("source"))?;
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
        }}))
        .into_response())
    };
    cell.blocking(sheet).await
}

/// What the destinations have settled, when the sheet has everything that was decided before it was asked for.
pub(crate) async fn settled(cell: &Cell) -> Result<Vec<Consumer>, ApiError> {
    // In this order, so that no destination has settled an event that the tally does not have.
    let others = consumers(&cell.figures);
    let decided = cell.events.end();
    tokio::select! {
        () = cell.balance.counted(decided) => Ok(others),
        () = cell.world.clock.sleep(COUNT_WAIT) => {
            Err(ApiError::busy("the balance sheet is still being counted; try again in some seconds"))
        }
    }
}

/// A time in any spelling that events may use, for example `2027-01-15` or `2027-01-15T07:00:00Z`.
fn read_since(text: &str) -> Result<Millis, ApiError> {
    let message = "since is not a time; write it like 2027-01-15T07:00:00Z";
    parse_time(text).map(Millis).ok_or_else(|| ApiError::invalid("since", message))
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
        "filtered": delivery.filtered,
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
            of_all.filtered += delivery.filtered;
            of_all.delivered += delivery.delivered;
            of_all.dead += delivery.dead;
            of_all.waiting = of_all.waiting.zip(delivery.waiting).map(|(all, more)| all + more);
        }
    }
    Value::Object(show(&sum))
}
