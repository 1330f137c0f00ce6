//! How many events there were, by source and time: counted in the hours of the balance sheet, and nothing else.
//!
//! - What is not counted is refused with a sentence that says what can be asked: no minutes, no names of events.
//! - A bucket is an hour or a day in UTC. A day at either end of a window holds only the hours inside the window.
//! - An hour that the sheet no longer has is never told as zero.

use super::balance;
use crate::answer::{ApiError, data};
use crate::balance_keeper::HOURS_KEPT;
use crate::cell::Cell;
use crate::contract::{
    Ask, Caller, Field, ID, NAME, Needs, Object, Of, Operation, PAGINATED, SLUG, Schema, get, list, may, need, text,
};
use axum::response::{IntoResponse, Response};
use domicile_control::{Area, Level, Resource, SourceName};
use domicile_event::{Stamp, parse_time};
use domicile_ledger::{Hour, Row};
use domicile_workspace::SourceNumber;
use domicile_world::Millis;
use futures::FutureExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Points of all series of one answer.
const POINTS_MAX: usize = 100_000;

const COUNT: Schema = Schema::Count { min: 0, max: i64::MAX };
const TIMES: &[Field] = &[need("time", Schema::Time), need("count", COUNT)];
static POINT: Object = Object { name: "EventCount", fields: TIMES };
/// Of one bucket after the other.
pub(crate) const SERIES: Schema = Schema::List { of: &Schema::Object(&POINT), min: 0, max: POINTS_MAX };
/// A filter or grouping that Segment has.
pub(crate) const TEXTS: Schema = list(&text(500), 1_000);

static EVENT_SOURCE: Object =
    Object { name: "EventSource", fields: &[need("id", ID), may("name", NAME), may("slug", SLUG)] };
static VOLUME: Object = Object {
    name: "EventVolume",
    fields: &[
        may("source", Schema::Object(&EVENT_SOURCE)).about("When grouped by `source`."),
        need("total", COUNT),
        need("series", SERIES),
    ],
};
static QUERY: Object = Object {
    name: "EventVolumeQuery",
    fields: &[
        need("workspaceId", ID),
        need("granularity", Schema::OneOf(&["DAY", "HOUR"])),
        need("startTime", Schema::Time),
        need("endTime", Schema::Time),
        may("groupBy", TEXTS),
        may("sourceId", TEXTS),
    ],
};
static ANSWER: Object = Object {
    name: "",
    fields: &[
        need("path", text(100)),
        need("query", Schema::Object(&QUERY)),
        need("result", list(&Schema::Object(&VOLUME), 1_000)),
        PAGINATED,
    ],
};

pub(crate) static OPERATIONS: &[Operation] = &[get(
    "getEventsVolumeFromWorkspace",
    "/events/volume",
    "Accepted events by hour or day, of the workspace or by source. Events are not counted by minute, name, type or app \
     version: what asks for that is refused.",
)
.needs(&[Needs::Role(Area::Source, Level::Read, Of::Any)])
.query(&[
    need("granularity", Schema::OneOf(&["DAY", "HOUR", "MINUTE"])).about("`MINUTE` is refused."),
    need("startTime", Schema::Time).about("Within the last 30 days."),
    need("endTime", Schema::Time),
    may("groupBy", TEXTS).about("`source`; nothing else is counted."),
    may("sourceId", TEXTS),
    may("eventName", TEXTS).about("Refused: not counted."),
    may("eventType", TEXTS).about("Refused: not counted."),
    may("appVersion", TEXTS).about("Refused: not counted."),
])
.paged()
.per_minute(60)
.data(&ANSWER)
.wait(|cell, ask| volume(cell, ask).boxed())];

/// `HOUR` up to 30 days back and over 30 days, `DAY` likewise: all that the sheet has.
const WINDOWS: &[Limit] = &[
    Limit { step: Step::Hour, span_days: 30, back_days: 30 },
    Limit { step: Step::Day, span_days: 30, back_days: 30 },
];

async fn volume(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    refuse_uncounted(&ask, &["eventName", "eventType", "appVersion"])?;
    let by_source = grouped_by_source(&ask)?;
    let window = Window::read(&ask, cell.world.clock.now(), WINDOWS)?;
    balance::settled(&cell).await?;
    let work = move |cell: &Cell| -> Result<Response, ApiError> {
        let wanted = ask.query_list("sourceId");
        let sources = wanted_sources(cell, &ask.caller, &wanted)?;
        let counts = Counts::of(cell, &sources, &window, |row| row.accepted);
        let mut result = Vec::new();
        let snapshot = cell.control.current().load();
        if by_source {
            for source in &sources {
                let series = counts.of_source(source.number);
                if series.total() > 0 {
                    // A deleted source has lost its name.
                    let name = snapshot.source(&source.id).map_or(&source.slug, |source| &source.name);
                    let of = json!({ "id": source.id.as_str(), "name": name, "slug": source.slug });
                    result.push((Some(of), series));
                }
            }
        } else {
            result.push((None, counts.of_all()));
        }
        let (page, pagination) = ask.page.of(result);
        refuse_too_many_points(page.len(), &window)?;
        let shown = page.into_iter().map(|(source, series)| {
            let mut shown = json!({ "total": series.total(), "series": series.shown(&window) });
            if let Some(source) = source {
                shown["source"] = source;
            }
            shown
        });
        let mut query = json!({
            "workspaceId": ask.caller.workspace().as_str(),
            "granularity": window.step.word(),
            "startTime": window.start_time(),
            "endTime": window.end_time(),
        });
        if by_source {
            query["groupBy"] = json!(["source"]);
        }
        if !wanted.is_empty() {
            query["sourceId"] = json!(wanted);
        }
        let result: Vec<Value> = shown.collect();
        let answer = json!({ "path": "/events/volume", "query": query, "result": result, "pagination": pagination });
        Ok(data(answer).into_response())
    };
    cell.blocking(work).await
}

/// Refuses the parameters that ask for what is not counted.
pub(crate) fn refuse_uncounted(ask: &Ask, parameters: &[&str]) -> Result<(), ApiError> {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let asked = parameters.iter().filter(|name| ask.query_value(name).is_some_and(|value| !is_empty(value)));
    let faults: Vec<_> = asked.map(|name| ((*name).to_owned(), uncounted(name))).collect();
    if faults.is_empty() { Ok(()) } else { Err(ApiError::all_invalid(faults)) }
}

fn uncounted(name: &str) -> String {
    format!(
        "{name} asks for what is not counted; events are counted by source, destination, hour and day: leave it out"
    )
}

fn grouped_by_source(ask: &Ask) -> Result<bool, ApiError> {
    let groups = ask.query_list("groupBy");
    match groups.iter().find(|group| **group != "source") {
        Some(_) => {
            let message = "groupBy takes `source` only; events are not counted by name, type or app version";
            Err(ApiError::invalid("groupBy", message))
        }
        None => Ok(!groups.is_empty()),
    }
}

pub(crate) fn refuse_too_many_points(series: usize, window: &Window) -> Result<(), ApiError> {
    if series.saturating_mul(window.buckets().count()) <= POINTS_MAX {
        return Ok(());
    }
    let message = format!(
        "pagination.count is too large: the answer would have more than {POINTS_MAX} points; ask for fewer at once, for a \
         shorter time, or for days"
    );
    Err(ApiError::invalid("pagination.count", message))
}

/// The sources that the caller may see; with ids, just these.
pub(crate) fn wanted_sources(cell: &Cell, caller: &Caller, ids: &[&str]) -> Result<Vec<SourceName>, ApiError> {
    let seen = crate::live::seen_sources(cell, &caller.scope)?;
    if ids.is_empty() {
        return Ok(seen);
    }
    if ids.iter().any(|id| seen.iter().all(|source| source.id.as_str() != *id)) {
        return Err(Resource::Source.into());
    }
    Ok(seen.into_iter().filter(|source| ids.contains(&source.id.as_str())).collect())
}

/// The width of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Hour,
    Day,
}

impl Step {
    fn word(self) -> &'static str {
        match self {
            Self::Hour => "HOUR",
            Self::Day => "DAY",
        }
    }

    /// The first hour of the bucket that an hour is in.
    fn bucket(self, hour: Hour) -> Hour {
        match self {
            Self::Hour => hour,
            Self::Day => Hour(hour.0.div_euclid(24) * 24),
        }
    }

    fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }
}

/// How long and how far back one may ask in buckets of this width.
pub(crate) struct Limit {
    pub step: Step,
    pub span_days: i64,
    pub back_days: i64,
}

/// Hours from `from` up to and without `until`.
pub(crate) struct Window {
    pub step: Step,
    from: Hour,
    until: Hour,
}

impl Window {
    /// Reads `granularity`, `startTime` and `endTime`. Without times: as long as is allowed, up to now. Without a
    /// granularity: that of the last limit.
    ///
    /// # Errors
    /// What is not counted, not kept any more, longer than allowed, or ends before it begins; with what can be asked.
    pub fn read(ask: &Ask, now: Millis, limits: &[Limit]) -> Result<Self, ApiError> {
        let word = ask.query("granularity").map(str::to_ascii_uppercase);
        let limit = match &word {
            None => limits.last(),
            Some(word) => limits.iter().find(|limit| limit.step.word() == word),
        };
        let limit = limit.ok_or_else(|| {
            ApiError::invalid("granularity", "granularity is MINUTE; events are counted by hour: ask for HOUR or DAY")
        })?;
        let this_hour = Hour::of(now);
        let time = |name: &str| ask.query(name).and_then(parse_time).map(Millis);
        // The hour that the end is in counts as a whole, and so does the one that is under way.
        let until = time("endTime").map_or(this_hour.0 + 1, |end| Hour::of(Millis(end.0.saturating_sub(1))).0 + 1);
        let until = Hour(until.min(this_hour.0 + 1));
        let oldest = Hour(this_hour.0 - (limit.back_days * 24).min(HOURS_KEPT));
        let from = time("startTime").map_or(oldest.max(Hour(until.0 - limit.span_days * 24)), Hour::of);
        let word = limit.step.word();
        if from < oldest {
            let since = Stamp::of(oldest.start().0);
            let message = format!(
                "startTime is too long ago; by {word}, events of the last {} days can be asked for: since {}",
                limit.back_days,
                since.as_str()
            );
            return Err(ApiError::invalid("startTime", message));
        }
        if until <= from {
            return Err(ApiError::invalid("endTime", "endTime is not after startTime, or startTime has not come yet"));
        }
        // One hour more: both ends may lie in the middle of one.
        if until.0 - from.0 > limit.span_days * 24 + 1 {
            let message =
                format!("endTime is more than {} days after startTime, the longest by {word}", limit.span_days);
            return Err(ApiError::invalid("endTime", message));
        }
        Ok(Self { step: limit.step, from, until })
    }

    /// The first hours of its buckets.
    fn buckets(&self) -> impl Iterator<Item = Hour> + use<> {
        let (mut next, until, step) = (self.step.bucket(self.from), self.until, self.step);
        std::iter::from_fn(move || {
            let bucket = next;
            next = Hour(next.0 + step.hours());
            (bucket < until).then_some(bucket)
        })
    }

    fn start_time(&self) -> String {
        Stamp::of(self.from.start().0).as_str().to_owned()
    }

    fn end_time(&self) -> String {
        Stamp::of(self.until.start().0).as_str().to_owned()
    }
}

/// Counts by source and bucket.
pub(crate) struct Counts(BTreeMap<(SourceNumber, Hour), u64>);

/// Counts by bucket.
#[derive(Default)]
pub(crate) struct Series(BTreeMap<Hour, u64>);

impl Counts {
    /// From the balance sheet as it is. Wait for [`balance::settled`] before.
    pub fn of(cell: &Cell, sources: &[SourceName], window: &Window, count: impl Fn(&Row) -> u64) -> Self {
        Self::of_settled(cell, sources, window, &[], count)
    }

    /// With what destinations say about themselves.
    pub fn of_settled(
        cell: &Cell,
        sources: &[SourceName],
        window: &Window,
        others: &[domicile_ledger::Consumer],
        count: impl Fn(&Row) -> u64,
    ) -> Self {
        let numbers: BTreeSet<_> = sources.iter().map(|source| source.number).collect();
        let sheet = cell.balance.sheet(&numbers, Some(window.from), others);
        let mut counts = BTreeMap::new();
        for row in sheet.rows.iter().filter(|row| row.hour < window.until) {
            *counts.entry((row.source, window.step.bucket(row.hour))).or_insert(0) += count(row);
        }
        Self(counts)
    }

    pub fn of_source(&self, source: SourceNumber) -> Series {
        let range = (source, Hour(i64::MIN))..=(source, Hour(i64::MAX));
        Series(self.0.range(range).map(|((_, hour), count)| (*hour, *count)).collect())
    }

    pub fn of_all(&self) -> Series {
        let mut all = Series::default();
        for ((_, hour), count) in &self.0 {
            *all.0.entry(*hour).or_insert(0) += count;
        }
        all
    }
}

impl Series {
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// `[{time, count}]` with every bucket of the window.
    pub fn shown(&self, window: &Window) -> Value {
        let point = |bucket: Hour| {
            let time = Stamp::of(bucket.start().0);
            json!({ "time": time.as_str(), "count": self.0.get(&bucket).copied().unwrap_or(0) })
        };
        window.buckets().map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_and_a_window_has_all_its_buckets() {
        let window = |step, from, until| Window { step, from: Hour(from), until: Hour(until) };
        let buckets = |window: Window| window.buckets().map(|hour| hour.0).collect::<Vec<_>>();
        assert_eq!(buckets(window(Step::Hour, 5, 8)), [5, 6, 7]);
        assert_eq!(buckets(window(Step::Day, 25, 49)), [24, 48]);
        assert_eq!(buckets(window(Step::Day, 24, 48)), [24]);
        assert_eq!(buckets(window(Step::Day, -1, 1)), [-24, 0]);
    }
}
