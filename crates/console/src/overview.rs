//! The first page: this region, the workspace's sources, and its events as they come.

use crate::entry::{self, Entry};
use crate::page::{render, render_as};
use crate::router::Console;
use crate::row::Row;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domicile_api::{ApiError, Cell, LiveEvents, SourceNames, recent, stream};
use domicile_control::{Actor, Area, ControlError, Level, Reach, Scope};
use domicile_ledger::{Hour, Outcome, Sheet};
use domicile_log::Position;
use domicile_workspace::{Source, Workspace};
use http::{HeaderMap, StatusCode, Uri};
use std::sync::Arc;

/// Events on the page before the first live one, and how far back in the log they are looked for.
const RECENT_EVENTS: usize = 50;
const RECENT_POSITIONS: u64 = 5_000;
const DAY_HOURS: i64 = 24;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    region: String,
    region_id: String,
    country: String,
    locations: Vec<String>,
    workspace: String,
    /// Whether a person looks, who may have other workspaces and has a password.
    is_person: bool,
    sources: Vec<SourceRow>,
    events: Vec<Row>,
    /// The first position that the list does not have.
    from: Position,
}

struct SourceRow {
    name: String,
    slug: String,
    kind: &'static str,
    enabled: bool,
    point: String,
    /// `https://events.eu1.example.com`; empty where nothing is known.
    url: String,
    /// The first letters of the first key.
    key: String,
    keys: usize,
    /// Whether the caller's roles reach no write key.
    hides_key: bool,
    accepted: u64,
    kept: u64,
    duplicate: u64,
    invalid: u64,
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    message: &'a str,
}

pub(crate) fn fault(error: &ApiError) -> Response {
    render_as(error.status(), &FaultPage { message: error.message() })
}

pub(crate) async fn page(State(console): State<Console>, headers: HeaderMap) -> Response {
    let scope = match entry::scope(&console, &headers).await {
        Ok(scope) => scope,
        Err(response) => return response,
    };
    match console.cell.blocking(move |cell| overview(cell, &scope)).await {
        Ok(page) => render(&page),
        Err(error) => fault(&error),
    }
}

fn overview(cell: &Cell, scope: &Scope) -> Result<OverviewPage, ApiError> {
    let snapshot = cell.control.current().load();
    let workspace: &Workspace = snapshot.workspace(&scope.workspace).ok_or(domicile_control::Resource::Workspace)?;
    let mut own = seen(cell, scope, snapshot.sources.values().filter(|source| source.workspace == scope.workspace))?;
    own.sort_by_key(|(source, _)| source.number);
    let since = Hour(Hour::of(cell.world.clock.now()).0 - DAY_HOURS);
    let sheet = cell.balance.sheet(&own.iter().map(|(source, _)| source.number).collect(), Some(since), &[]);

    cell.control.note_view(&scope.actor, &scope.workspace, "events", "console")?;
    let from = cell.events.end();
    let names = SourceNames::of(cell, scope)?;
    let mut events: Vec<Row> =
        recent(&cell.events, &names, RECENT_POSITIONS, RECENT_EVENTS)?.iter().map(Row::of).collect();
    events.reverse();
    Ok(OverviewPage {
        region: cell.region.name.clone(),
        region_id: cell.region.id.to_string(),
        country: cell.region.country.to_string(),
        locations: cell.region.locations.iter().map(ToString::to_string).collect(),
        workspace: workspace.name.clone(),
        is_person: matches!(scope.actor, Actor::User { .. }),
        sources: own.into_iter().map(|(source, with_key)| source_row(cell, source, with_key, &sheet)).collect(),
        events,
        from,
    })
}

/// Those of the sources that the caller's roles reach, and whether they reach its write keys too.
fn seen<'a>(
    cell: &Cell,
    scope: &Scope,
    sources: impl Iterator<Item = &'a Arc<Source>>,
) -> Result<Vec<(&'a Arc<Source>, bool)>, ApiError> {
    let reach = |level| scope.grants.reach(Area::Source, level);
    let (read, admin) = (reach(Level::Read), reach(Level::Admin));
    if read.is_whole() && admin.is_whole() {
        return Ok(sources.map(|source| (source, true)).collect());
    }
    let seen = cell.control.view(|view| {
        let labels = view.labels_of_sources(&scope.workspace)?;
        let covered =
            |reach: &Reach<'_>, source: &Source| reach.covers(source.id.as_str(), labels.of(source.id.as_str()));
        let seen = sources.filter(|source| covered(&read, source)).map(|source| (source, covered(&admin, source)));
        Ok::<_, ControlError>(seen.collect())
    })?;
    Ok(seen)
}

fn source_row(cell: &Cell, source: &Source, with_key: bool, sheet: &Sheet) -> SourceRow {
    let rows = sheet.rows.iter().filter(|row| row.source == source.number);
    let sum = |count: &dyn Fn(&domicile_ledger::Row) -> u64| rows.clone().map(count).sum();
    let outcome = |outcome: Outcome| sum(&|row| row.outcome(outcome));
    let url = cell.addresses.points.of(&cell.region.id, &source.ingestion_region);
    let key = source.write_keys.iter().find(|key| key.enabled && with_key);
    SourceRow {
        name: source.name.clone(),
        slug: source.slug.clone(),
        kind: source.kind.as_str(),
        enabled: source.enabled,
        point: source.ingestion_region.to_string(),
        url: url.map(|url| format!("{}://{}", url.protocol(), url.host())).unwrap_or_default(),
        key: key.map(|key| key.key.chars().take(8).collect()).unwrap_or_default(),
        keys: source.write_keys.len(),
        hides_key: !with_key,
        accepted: sum(&|row| row.accepted),
        kept: outcome(Outcome::Kept),
        duplicate: outcome(Outcome::Duplicate),
        invalid: outcome(Outcome::Invalid),
    }
}

/// The events from `?from=POSITION` on, for the page's script. 204 tells a browser not to try again.
pub(crate) async fn live(State(console): State<Console>, headers: HeaderMap, uri: Uri) -> Response {
    let scope = match entry::entry(&console, &headers).await {
        Ok(Entry::In(scope)) => scope,
        Ok(_) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => return error.into_response(),
    };
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let asked = query.into_iter().find(|(name, _)| name == "from").and_then(|(_, from)| from.parse().ok());
    // A browser that lost its stream says where it was, and must not see what it has seen again.
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let from = last.map(|last| last.saturating_add(1)).or(asked).map(Position);
    let cell = Arc::clone(&console.cell);
    match console.cell.blocking(move |_| LiveEvents::open(&cell, scope, None, from)).await {
        Ok(live) => stream(live),
        Err(error) => error.into_response(),
    }
}
