//! What a workspace used: accepted events by day. Counts are texts, as Segment writes them.
//!
//! Users are not counted: the two lists of monthly tracked users are empty, and an empty list is no zero.

use super::balance;
use super::volume::wanted_sources;
use crate::answer::{ApiError, data};
use crate::balance_keeper::HOURS_KEPT;
use crate::cell::Cell;
use crate::contract::{Answer, Ask, Field, ID, Needs, Object, Of, Operation, PAGINATED, Schema, get, list, need, text};
use axum::response::{IntoResponse, Response};
use domicile_control::{Area, Level};
use domicile_event::{Stamp, parse_time};
use domicile_ledger::Hour;
use domicile_world::Millis;
use futures::FutureExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

const DAY_HOURS: i64 = 24;
/// Days of a month times sources of a cell.
const ENTRIES_MAX: usize = 1_000;
const COUNT: Schema = text(20);

static OF_SOURCE: Object = Object {
    name: "DailySourceApiCalls",
    fields: &[need("sourceId", ID), need("apiCalls", COUNT), need("timestamp", Schema::Time)],
};
static OF_WORKSPACE: Object =
    Object { name: "DailyApiCalls", fields: &[need("apiCalls", COUNT), need("timestamp", Schema::Time)] };
static BY_SOURCE: Object = Object {
    name: "",
    fields: &[need("dailyPerSourceAPICallsUsage", list(&Schema::Object(&OF_SOURCE), ENTRIES_MAX)), PAGINATED],
};
static BY_WORKSPACE: Object = Object {
    name: "",
    fields: &[need("dailyWorkspaceAPICallsUsage", list(&Schema::Object(&OF_WORKSPACE), ENTRIES_MAX)), PAGINATED],
};
const PERIOD_NUMBER: Schema = Schema::Count { min: 0, max: i64::MAX };
static USERS_OF_SOURCE: Object = Object {
    name: "DailySourceUsers",
    fields: &[
        need("sourceId", ID),
        need("periodStart", PERIOD_NUMBER),
        need("periodEnd", PERIOD_NUMBER),
        need("anonymous", COUNT),
        need("anonymousIdentified", COUNT),
        need("identified", COUNT),
        need("neverIdentified", COUNT),
        need("timestamp", Schema::Time),
    ],
};
static USERS: Object = Object {
    name: "DailyUsers",
    fields: &[
        need("periodStart", PERIOD_NUMBER),
        need("periodEnd", PERIOD_NUMBER),
        need("anonymous", COUNT),
        need("anonymousIdentified", COUNT),
        need("identified", COUNT),
        need("neverIdentified", COUNT),
        need("timestamp", Schema::Time),
    ],
};
static USERS_BY_SOURCE: Object = Object {
    name: "",
    fields: &[need("dailyPerSourceMTUUsage", list(&Schema::Object(&USERS_OF_SOURCE), ENTRIES_MAX)), PAGINATED],
};
static USERS_BY_WORKSPACE: Object = Object {
    name: "",
    fields: &[need("dailyWorkspaceMTUUsage", list(&Schema::Object(&USERS), ENTRIES_MAX)), PAGINATED],
};

const PERIOD: &[Field] =
    &[need("period", Schema::Time).about("A day of the month, for example 2026-11-01. Days are counted for 30 days.")];
const ALL: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::All)];
const SEEN: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Any)];

pub(crate) static OPERATIONS: &[Operation] = &[
    get(
        "getDailyWorkspaceAPICallsUsage",
        "/usage/api-calls/daily",
        "Accepted events of each day of a month. Days that are no longer counted are left out.",
    )
    .needs(ALL)
    .query(PERIOD)
    .paged()
    .data(&BY_WORKSPACE)
    .wait(|cell, ask| calls(cell, ask, false).boxed()),
    get(
        "getDailyPerSourceAPICallsUsage",
        "/usage/api-calls/sources/daily",
        "Accepted events of each day of a month and each source that had some.",
    )
    .needs(SEEN)
    .query(PERIOD)
    .paged()
    .data(&BY_SOURCE)
    .wait(|cell, ask| calls(cell, ask, true).boxed()),
    get("getDailyWorkspaceMTUUsage", "/usage/mtu/daily", "Always empty: users are not counted.")
        .needs(ALL)
        .query(PERIOD)
        .paged()
        .data(&USERS_BY_WORKSPACE)
        .view(|_, _, ask| Ok(nobody(ask, "dailyWorkspaceMTUUsage"))),
    get("getDailyPerSourceMTUUsage", "/usage/mtu/sources/daily", "Always empty: users are not counted.")
        .needs(SEEN)
        .query(PERIOD)
        .paged()
        .data(&USERS_BY_SOURCE)
        .view(|_, _, ask| Ok(nobody(ask, "dailyPerSourceMTUUsage"))),
];

fn nobody(ask: &Ask, name: &str) -> Answer {
    let (none, pagination) = ask.page.of(Vec::<Value>::new());
    let mut answer = json!({ "pagination": pagination });
    answer[name] = json!(none);
    Answer::of(answer)
}

async fn calls(cell: Arc<Cell>, ask: Ask, by_source: bool) -> Result<Response, ApiError> {
    let now = cell.world.clock.now();
    let days = counted_days(ask.query("period").unwrap_or_default(), now)?;
    balance::settled(&cell).await?;
    let work = move |cell: &Cell| -> Result<Response, ApiError> {
        let sources = wanted_sources(cell, &ask.caller, &[])?;
        let numbers: BTreeSet<_> = sources.iter().map(|source| source.number).collect();
        let sheet = cell.balance.sheet(&numbers, Some(Hour(days.start * DAY_HOURS)), &[]);
        let mut counts: BTreeMap<(i64, Option<&str>), u64> = BTreeMap::new();
        if !by_source {
            counts.extend(days.clone().map(|day| ((day, None), 0)));
        }
        let ids: BTreeMap<_, _> = sources.iter().map(|source| (source.number, source.id.as_str())).collect();
        for row in &sheet.rows {
            let day = row.hour.0.div_euclid(DAY_HOURS);
            if days.contains(&day) {
                let source = if by_source { ids.get(&row.source).copied() } else { None };
                *counts.entry((day, source)).or_insert(0) += row.accepted;
            }
        }
        let (page, pagination) = ask.page.of(counts.into_iter().collect());
        let shown = page.into_iter().map(|((day, source), calls)| {
            let time = Stamp::of(Hour(day * DAY_HOURS).start().0);
            let mut shown = json!({ "apiCalls": calls.to_string(), "timestamp": time.as_str() });
            if let Some(source) = source {
                shown["sourceId"] = json!(source);
            }
            shown
        });
        let name = if by_source { "dailyPerSourceAPICallsUsage" } else { "dailyWorkspaceAPICallsUsage" };
        let mut answer = json!({ "pagination": pagination });
        answer[name] = shown.collect();
        Ok(data(answer).into_response())
    };
    cell.blocking(work).await
}

/// The days of the month that `period` is in, counted from 1970, as far as they have come and are still counted whole.
fn counted_days(period: &str, now: Millis) -> Result<Range<i64>, ApiError> {
    let wrong = || ApiError::invalid("period", "period is not a day of a month, for example 2026-11-01");
    let month = parse_time(period).and_then(|time| month_of(Millis(time))).ok_or_else(wrong)?;
    let today = Hour::of(now).0.div_euclid(DAY_HOURS);
    // The oldest hour that is kept is seldom the first of its day.
    let oldest = (Hour::of(now).0 - HOURS_KEPT).div_euclid(DAY_HOURS) + 1;
    if month.end <= oldest {
        let since = Stamp::of(Hour(oldest * DAY_HOURS).start().0);
        let message = format!("period is too long ago; days are counted for 30 days: since {}", since.day());
        return Err(ApiError::invalid("period", message));
    }
    let first = month.start.max(oldest);
    Ok(first..month.end.min(today + 1).max(first))
}

/// The days of a moment's month, in UTC.
fn month_of(moment: Millis) -> Option<Range<i64>> {
    let stamp = Stamp::of(moment.0);
    let (year, month): (i32, u32) = (stamp.as_str().get(..4)?.parse().ok()?, stamp.as_str().get(5..7)?.parse().ok()?);
    let day = |year: i32, month: u32| {
        let first = parse_time(&format!("{year:04}-{month:02}-01T00:00:00Z"))?;
        Some(Hour::of(Millis(first)).0.div_euclid(DAY_HOURS))
    };
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Some(day(year, month)?..day(next.0, next.1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(period: &str, now: &str) -> Result<(i64, i64), String> {
        let day_one = parse_time("2027-01-01T00:00:00Z").expect("a time") / 86_400_000;
        let now = Millis(parse_time(now).expect("a time"));
        let days = counted_days(period, now).map_err(|error| error.message().to_owned())?;
        Ok((days.start - day_one + 1, days.end - day_one + 1))
    }

    #[test]
    fn a_month_has_the_days_that_have_come_and_are_still_counted_whole() {
        assert_eq!(days("2027-01-01", "2027-01-15T12:00:00Z"), Ok((1, 16)));
        assert_eq!(days("2027-01-20", "2027-01-15T12:00:00Z"), Ok((1, 16)), "any day of the month will do");
        assert_eq!(days("2027-01-01", "2027-02-10T12:00:00Z"), Ok((12, 32)), "11 January is counted in part");
        assert_eq!(days("2026-12-01", "2027-01-15T12:00:00Z"), Ok((-14, 1)));
        assert_eq!(days("2027-03-01", "2027-01-15T12:00:00Z"), Ok((60, 60)), "not come yet");
        let told = "period is too long ago; days are counted for 30 days: since 2026-12-17";
        assert_eq!(days("2026-11-01", "2027-01-15T12:00:00Z"), Err(told.to_owned()));
        assert!(days("soon", "2027-01-15T12:00:00Z").is_err());
    }
}
