//! How far events came: received, refused, filtered, delivered, failed. From the balance sheet and what destinations count.
//!
//! ```text
//! accepted = failed-on-ingest + successfully-received
//!                               successfully-received = filtered-at-source + duplicates + kept
//! kept of a destination's source = filtered-at-destination + successful-delivery + failed-delivery + (waiting, off, before)
//! ```

use super::balance;
use super::volume::{Counts, Limit, SERIES, Step, TEXTS, Window, refuse_uncounted, wanted_sources};
use crate::answer::{ApiError, data};
use crate::cell::Cell;
use crate::contract::{Ask, Field, ID, Needs, Object, Of, Operation, PAGINATED, Schema, get, list, may, need, text};
use axum::response::{IntoResponse, Response};
use domicile_control::{Area, DestinationRecord, Level};
use domicile_ledger::{Consumer, Delivery, Outcome, Row};
use domicile_workspace::DestinationId;
use futures::FutureExt;
use serde_json::{Value, json};
use std::sync::Arc;

const COUNT: Schema = Schema::Count { min: 0, max: i64::MAX };
static DATASET: Object = Object { name: "DeliveryDataset", fields: &[need("total", COUNT), need("series", SERIES)] };
static OVERVIEW: Object = Object {
    name: "DeliveryOverview",
    fields: &[need("total", COUNT), need("dataset", list(&Schema::Object(&DATASET), 1_000)), PAGINATED],
};
static BREAKDOWN: Object =
    Object { name: "MetricPart", fields: &[need("metricName", text(100)), need("value", COUNT)] };
static METRIC: Object = Object {
    name: "Metric",
    fields: &[
        need("metricName", text(100)).about("`successes`, `discarded`, `filtered` or `waiting`."),
        need("total", COUNT),
        may("breakdown", list(&Schema::Object(&BREAKDOWN), 100)),
    ],
};
static SUMMARY: Object = Object {
    name: "DeliveryMetricsSummary",
    fields: &[
        need("sourceId", ID),
        need("destinationMetadataId", ID),
        need("metrics", list(&Schema::Object(&METRIC), 100)),
    ],
};
static METRICS: Object = Object { name: "", fields: &[need("deliveryMetricsSummary", Schema::Object(&SUMMARY))] };

/// Segment's clients write the small words here, and the large ones elsewhere.
const GRANULARITY: Schema = Schema::OneOf(&["day", "hour", "minute", "DAY", "HOUR", "MINUTE"]);
const UNCOUNTED: &str = "Refused: not counted.";
const START_ABOUT: &str = "By hour within 30 days and for 14 days at most, by day within and for 30.";

/// What all six take.
macro_rules! overview_query {
    ($($more:expr),*) => {{
        const QUERY: &[Field] = &[
            need("sourceId", ID),
            need("startTime", Schema::Time).about(START_ABOUT),
            need("endTime", Schema::Time),
            need("granularity", GRANULARITY).about("`minute` is refused: events are counted by hour."),
            may("groupBy", TEXTS).about(UNCOUNTED),
            may("filter", Schema::Map).about(UNCOUNTED),
            $($more),*
        ];
        QUERY
    }};
}
const UNCOUNTED_PARAMETERS: &[&str] = &["groupBy", "filter", "subscriptionId"];
const OF_SOURCE: &[Field] = overview_query!();
const OF_DESTINATION: &[Field] = overview_query!(
    need("destinationConfigId", ID).about("The id of a destination of the source."),
    may("subscriptionId", ID).about(UNCOUNTED)
);

const READ: &[Needs] = &[Needs::Role(Area::Source, Level::Read, Of::Any)];

const fn overview(id: &'static str, path: &'static str, about: &'static str, query: &'static [Field]) -> Operation {
    get(id, path, about).needs(READ).query(query).paged().data(&OVERVIEW)
}

pub(crate) static OPERATIONS: &[Operation] = &[
    overview(
        "getIngressSuccessMetricsFromDeliveryOverview",
        "/delivery-overview/successfully-received",
        "Events of a source that were accepted and are events, doubles included.",
        OF_SOURCE,
    )
    .wait(|cell, ask| show(cell, ask, Stage::Received).boxed()),
    overview(
        "getIngressFailedMetricsFromDeliveryOverview",
        "/delivery-overview/failed-on-ingest",
        "Accepted items of a source that are no valid events.",
        OF_SOURCE,
    )
    .wait(|cell, ask| show(cell, ask, Stage::FailedOnIngest).boxed()),
    overview(
        "getFilteredAtSourceMetricsFromDeliveryOverview",
        "/delivery-overview/filtered-at-source",
        "Events of a source that suppression, a tracking plan or a filter kept out of the event log.",
        OF_SOURCE,
    )
    .wait(|cell, ask| show(cell, ask, Stage::FilteredAtSource).boxed()),
    overview(
        "getFilteredAtDestinationMetricsFromDeliveryOverview",
        "/delivery-overview/filtered-at-destination",
        "Events that a destination's own filters left out.",
        OF_DESTINATION,
    )
    .wait(|cell, ask| show(cell, ask, Stage::FilteredAtDestination).boxed()),
    overview(
        "getEgressSuccessMetricsFromDeliveryOverview",
        "/delivery-overview/successful-delivery",
        "Events that a destination took.",
        OF_DESTINATION,
    )
    .wait(|cell, ask| show(cell, ask, Stage::Delivered).boxed()),
    overview(
        "getEgressFailedMetricsFromDeliveryOverview",
        "/delivery-overview/failed-delivery",
        "Events that were given up at a destination. Tries are not counted.",
        OF_DESTINATION,
    )
    .wait(|cell, ask| show(cell, ask, Stage::Dead).boxed()),
    get(
        "listDeliveryMetricsSummaryFromDestination",
        "/destinations/{destinationId}/delivery-metrics",
        "What became of the events of a destination in some time.",
    )
    .needs(&[Needs::Role(Area::Source, Level::Read, Of::Destination("destinationId"))])
    .query(&[
        may("sourceId", ID).about("The destination's source; it has one."),
        may("startTime", Schema::Time)
            .about("By HOUR within 7 days, by DAY within 14, which are also the longest times."),
        may("endTime", Schema::Time),
        may("granularity", Schema::OneOf(&["DAY", "HOUR", "MINUTE"])).about("`MINUTE` is refused."),
    ])
    .data(&METRICS)
    .wait(|cell, ask| metrics(cell, ask).boxed()),
];

const OVERVIEW_WINDOWS: &[Limit] = &[
    Limit { step: Step::Hour, span_days: 14, back_days: 30 },
    Limit { step: Step::Day, span_days: 30, back_days: 30 },
];
const METRICS_WINDOWS: &[Limit] =
    &[Limit { step: Step::Hour, span_days: 7, back_days: 7 }, Limit { step: Step::Day, span_days: 14, back_days: 14 }];

/// How far an event came.
#[derive(Clone, Copy)]
enum Stage {
    Received,
    FailedOnIngest,
    FilteredAtSource,
    FilteredAtDestination,
    Delivered,
    Dead,
}

impl Stage {
    fn is_of_destination(self) -> bool {
        matches!(self, Self::FilteredAtDestination | Self::Delivered | Self::Dead)
    }

    fn count(self, row: &Row, destination: &str) -> u64 {
        let of_it = |count: fn(&Delivery) -> u64| at(row, destination).map_or(0, count);
        match self {
            Self::Received => row.accepted.saturating_sub(row.outcome(Outcome::Invalid)),
            Self::FailedOnIngest => row.outcome(Outcome::Invalid),
            Self::FilteredAtSource => row.outcome(Outcome::Blocked) + row.outcome(Outcome::Filtered),
            Self::FilteredAtDestination => of_it(|delivery| delivery.filtered),
            Self::Delivered => of_it(|delivery| delivery.delivered),
            Self::Dead => of_it(|delivery| delivery.dead),
        }
    }
}

fn at<'a>(row: &'a Row, destination: &str) -> Option<&'a Delivery> {
    row.consumers.iter().find(|delivery| delivery.consumer == destination)
}

async fn show(cell: Arc<Cell>, ask: Ask, stage: Stage) -> Result<Response, ApiError> {
    refuse_uncounted(&ask, UNCOUNTED_PARAMETERS)?;
    let window = Window::read(&ask, cell.world.clock.now(), OVERVIEW_WINDOWS)?;
    let others = balance::settled(&cell).await?;
    let work = move |cell: &Cell| -> Result<Response, ApiError> {
        let source = ask.query("sourceId").unwrap_or_default();
        let sources = wanted_sources(cell, &ask.caller, &[source])?;
        let mut destination = String::new();
        if stage.is_of_destination() {
            let id = ask.query("destinationConfigId").unwrap_or_default();
            destination = find(cell, &ask, id, Some(source), "destinationConfigId")?.id.to_string();
        }
        let series =
            Counts::of_settled(cell, &sources, &window, &others, |row| stage.count(row, &destination)).of_all();
        let total = series.total();
        let (page, pagination) = ask.page.of(vec![json!({ "total": total, "series": series.shown(&window) })]);
        Ok(data(json!({ "total": total, "dataset": page, "pagination": pagination })).into_response())
    };
    cell.blocking(work).await
}

/// A destination of the workspace, and of this source.
fn find(cell: &Cell, ask: &Ask, id: &str, source: Option<&str>, field: &str) -> Result<DestinationRecord, ApiError> {
    let workspace = ask.caller.workspace();
    let destination = cell.control.view(|view| view.destination(workspace, &DestinationId::new(id)))?;
    if source.is_some_and(|source| source != destination.source.as_str()) {
        let message = format!("{field} names a destination of another source, `{}`", destination.source);
        return Err(ApiError::invalid(field, message));
    }
    Ok(destination)
}

async fn metrics(cell: Arc<Cell>, ask: Ask) -> Result<Response, ApiError> {
    let window = Window::read(&ask, cell.world.clock.now(), METRICS_WINDOWS)?;
    let others: Vec<Consumer> = balance::settled(&cell).await?;
    let work = move |cell: &Cell| -> Result<Response, ApiError> {
        let found = find(cell, &ask, ask.id("destinationId"), ask.query("sourceId"), "sourceId")?;
        let sources = wanted_sources(cell, &ask.caller, &[found.source.as_str()])?;
        let id = found.id.as_str();
        let total = |count: fn(&Delivery) -> u64| {
            let of_row = |row: &Row| at(row, id).map_or(0, count);
            Counts::of_settled(cell, &sources, &window, &others, of_row).of_all().total()
        };
        let metric = |name: &str, total: u64| json!({ "metricName": name, "total": total });
        let metrics: Vec<Value> = vec![
            metric("successes", total(|delivery| delivery.delivered)),
            metric("discarded", total(|delivery| delivery.dead)),
            metric("filtered", total(|delivery| delivery.filtered)),
            metric("waiting", total(|delivery| delivery.waiting.unwrap_or(0))),
        ];
        let entry = domicile_catalog::Catalog::get().find(domicile_catalog::Kind::Destination, &found.kind);
        let summary = json!({
            "sourceId": found.source.as_str(),
            "destinationMetadataId": entry.map_or(found.kind.as_str(), |entry| entry.id()),
            "metrics": metrics,
        });
        Ok(data(json!({ "deliveryMetricsSummary": summary })).into_response())
    };
    cell.blocking(work).await
}
