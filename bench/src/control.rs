//! The control plane with 10,000 sources and 100,000 write keys in one cell: a list's page, a change until ingest does as
//! it was told, the start.

use crate::child::Up;
use crate::http;
use crate::row::{Goal, Row, median};
use domicile_control::{Actor, ControlError, NewSource, Store};
use domicile_keys::Keyring;
use domicile_region::{RegionId, Topology};
use domicile_workspace::{SourceId, SourceKind, WorkspaceId};
use domicile_world::World;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const SOURCES: usize = 10_000;
const KEYS_OF_A_SOURCE: usize = 10;
/// Sources that one transaction of the filling makes.
const CHUNK: usize = 500;
const BASE: u16 = 27_000;
const REGION: &str = "eu-west";
const PAGE: usize = 200;
/// How long a change is waited for.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

pub fn rows(domicile: &Path) -> io::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    // The first start makes the demo's workspace, which the sources are then put into.
    let up = Up::start(domicile, folder.path(), BASE)?;
    let source = up.source_id();
    up.stop()?;
    let filling = fill(folder.path(), &source)?;

    let up = Up::start(domicile, folder.path(), BASE)?;
    let start = up.ready.as_secs_f64();
    let (pages, page_ms) = walk(&up)?;
    let (key_ms, change_ms) = change(&up)?;
    up.stop()?;
    let size = format!("{SOURCES} sources, {} keys", SOURCES * KEYS_OF_A_SOURCE);
    let per_change = filling.as_secs_f64() * 1e3 / (SOURCES / CHUNK) as f64;
    Ok(vec![
        Row::new("control: start", start, " s", Goal::AtMost(2.0), size.clone()),
        Row::new(
            "control: a list's page",
            median(page_ms.clone()),
            " ms",
            Goal::AtMost(50.0),
            format!("{pages} pages of {PAGE}, the slowest {:.1} ms", page_ms.iter().copied().fold(0.0, f64::max)),
        ),
        Row::new(
            "control: a change until ingest does as told",
            median(change_ms) / 1e3,
            " s",
            Goal::AtMost(2.0),
            format!("{size}; an event {:.1} ms; {CHUNK} sources made in {per_change:.0} ms", median(key_ms)),
        ),
    ])
}

/// Makes the sources in the workspace of `source`, with the store itself; gives how long it took.
fn fill(data: &Path, source: &str) -> io::Result<Duration> {
    let (world, topology) = (World::real(), Topology::built_in());
    let region = topology.region(&RegionId::new(REGION)).ok_or_else(|| io::Error::other("no such region"))?;
    let cell = data.join("cells").join(REGION);
    let keys = Keyring::open(&world, &cell.join("keys")).map_err(io::Error::other)?;
    let store = Store::open(&world, &cell.join("control.db"), region, &keys).map_err(io::Error::other)?;
    let workspace: WorkspaceId = {
        let snapshot = store.current().load();
        let found = snapshot.source(&SourceId::new(source)).map(|source| source.workspace.clone());
        found.ok_or_else(|| io::Error::other("the demo's source is gone"))?
    };
    let began = Instant::now();
    for first in (0..SOURCES).step_by(CHUNK) {
        store
            .change(&Actor::Operator, |change| {
                for n in first..first + CHUNK {
                    let new = NewSource::new(format!("bench-{n:05}"), SourceKind::Server);
                    let made = change.create_source(&workspace, &new)?;
                    for _ in 1..KEYS_OF_A_SOURCE {
                        change.add_write_key(&workspace, &made.id)?;
                    }
                }
                Ok::<_, ControlError>(())
            })
            .map_err(io::Error::other)?;
    }
    Ok(began.elapsed())
}

/// Every page of the list, and how long each took.
fn walk(up: &Up) -> io::Result<(usize, Vec<f64>)> {
    let (mut cursor, mut took, mut seen) = (None::<String>, Vec::new(), 0);
    loop {
        let from = cursor.map(|cursor| format!("&pagination.cursor={cursor}")).unwrap_or_default();
        let began = Instant::now();
        let answer = http::get(up.cell(), &format!("/api/sources?pagination.count={PAGE}{from}"), Some(&up.token()))?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        let answer: Value = serde_json::from_str(&answer)?;
        seen += answer["data"]["sources"].as_array().map_or(0, Vec::len);
        match answer["data"]["pagination"]["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None if seen >= SOURCES => return Ok((took.len(), took)),
            None => return Err(io::Error::other(format!("the pages show {seen} of {SOURCES} sources"))),
        }
    }
}

/// Switches a source off and on again and again, and sends until the ingest point does as it was told. Gives the
/// milliseconds of one event, and from asking for a change until it is seen.
fn change(up: &Up) -> io::Result<(Vec<f64>, Vec<f64>)> {
    let (mut looks, mut changes) = (Vec::new(), Vec::new());
    let event = format!("{{\"writeKey\":\"{}\",\"userId\":\"u\",\"event\":\"e\"}}", up.key());
    for round in 0..20 {
        let enabled = round % 2 == 1;
        let began = Instant::now();
        http::patch_json(
            up.cell(),
            &format!("/api/sources/{}", up.source_id()),
            &up.token(),
            &format!("{{\"enabled\":{enabled}}}"),
        )?;
        loop {
            let looked = Instant::now();
            let taken = http::post(up.ingest(), "/v1/track", &event).is_ok();
            looks.push(looked.elapsed().as_secs_f64() * 1e3);
            if taken == enabled {
                break;
            }
            if began.elapsed() > SEEN_WITHIN {
                return Err(io::Error::other("a change was not seen within 10 s"));
            }
        }
        changes.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok((looks, changes))
}
