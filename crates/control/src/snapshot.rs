//! From rows to the next version of the configuration: only what changed since the version before is read.

use crate::db::{DbError, Row, values};
use crate::thing::Thing;
use crate::things::Filter;
use crate::view::View;
use crate::{ControlError, settings, suppression, transfer};
use domicile_event::filter;
use domicile_region::{PointName, Region};
use domicile_workspace::{
    ConfigVersion, Delta, Destination, DestinationId, Filters, RateLimit, Snapshot, Source, SourceId, SourceKind,
    SourceNumber, Workspace, WorkspaceId, WorkspaceNumber, WriteKey,
};
use std::collections::HashMap;

/// The configuration as this view has it, from an earlier version of it. Through a change: as the change would leave it.
pub(crate) fn newer(view: &View<'_>, before: &Snapshot) -> Result<Snapshot, ControlError> {
    let since = before.version.0;
    let mut delta = Delta {
        version: ConfigVersion(view.version()?),
        workspaces: workspaces(view, since)?,
        destinations: destinations(view, since)?,
        suppressions: suppression::newer(view, since)?,
        transfers: transfer::newer(view, since)?,
        ..Delta::default()
    };
    let mut keys = keys(view, since)?;
    let sources = view.all(
        "read the sources",
        "SELECT s.id, s.number, w.id, w.number, s.slug, s.name, s.sender, s.enabled, s.ingestion_region, s.strict,
                s.rate_per_second, s.rate_burst, s.deleted_at IS NOT NULL
         FROM sources s JOIN workspaces w ON w.number = s.workspace WHERE s.version > ?1",
        values![since],
        |row| Ok((row.get::<bool>(12)?, source(row, view.region(), &mut keys)?)),
    )?;
    for (gone, source) in sources {
        if gone { delta.gone.push(source) } else { delta.sources.push(source) }
    }
    Ok(before.with(delta))
}

fn workspaces(view: &View<'_>, since: u64) -> Result<Vec<Workspace>, ControlError> {
    view.all(
        "read the workspaces",
        "SELECT id, number, slug, name FROM workspaces WHERE version > ?1",
        values![since],
        |row| {
            Ok(Workspace {
                id: WorkspaceId::new(row.get::<String>(0)?),
                number: WorkspaceNumber(row.get(1)?),
                slug: row.get(2)?,
                name: row.get(3)?,
                region: view.region().id.clone(),
            })
        },
    )
}

/// The numbers of the destinations that changed since version `?1`, themselves or in their filters (kind `?2`).
const CHANGED: &str = "SELECT number FROM destinations WHERE version > ?1
    UNION SELECT f.number FROM things t JOIN destinations f ON f.id = t.parent WHERE t.version > ?1 AND t.kind = ?2";

fn destinations(view: &View<'_>, since: u64) -> Result<Vec<(u64, Option<Destination>)>, ControlError> {
    let mut filters = filters(view, since)?;
    let sql = format!(
        "SELECT d.number, d.deleted_at IS NOT NULL OR s.deleted_at IS NOT NULL, d.id, w.id, w.number, s.id, d.name,
                d.enabled, d.kind, d.settings, d.sealed
         FROM destinations d JOIN sources s ON s.number = d.source JOIN workspaces w ON w.number = d.workspace
         WHERE d.number IN ({CHANGED}) ORDER BY d.number"
    );
    let rows = view.all("read the destinations", &sql, values![since, Filter::KIND], |row| {
        let number: u64 = row.get(0)?;
        // What has no connector can't be switched on, and is nothing to the pipeline.
        if row.get(1)? || row.get::<String>(8)? != settings::WEBHOOK {
            return Ok((number, None));
        }
        let partial = PartialDestination {
            id: DestinationId::new(row.get::<String>(2)?),
            workspace: WorkspaceId::new(row.get::<String>(3)?),
            workspace_number: WorkspaceNumber(row.get(4)?),
            source: SourceId::new(row.get::<String>(5)?),
            name: row.get(6)?,
            enabled: row.get(7)?,
            filters: filters.remove(&number).unwrap_or_default().into_iter().collect(),
            kind: row.get(8)?,
        };
        Ok((number, Some((partial, row.get::<String>(9)?, row.get::<Option<Vec<u8>>>(10)?))))
    })?;
    let open = |(number, row): (u64, Option<SealedDestination>)| {
        let opened = row.map(|(partial, settings, sealed)| settings::open(view, partial, &settings, sealed.as_deref()));
        Ok((number, opened.transpose()?))
    };
    rows.into_iter().map(open).collect()
}

/// With its settings as they lie in the store, and its secrets.
type SealedDestination = (PartialDestination, String, Option<Vec<u8>>);

/// The filters that are switched on, of the destinations that changed, by these destinations' numbers.
fn filters(view: &View<'_>, since: u64) -> Result<HashMap<u64, Vec<filter::Filter>>, ControlError> {
    let sql = format!(
        "SELECT d.number, t.id, t.body FROM destinations d
         JOIN things t ON t.workspace = d.workspace AND t.kind = ?2 AND t.parent = d.id AND t.deleted_at IS NULL
         WHERE d.number IN ({CHANGED}) ORDER BY t.number"
    );
    let rows = view.all("read the filters", &sql, values![since, Filter::KIND], |row| {
        Ok((row.get::<u64>(0)?, row.get::<String>(1)?, row.get::<String>(2)?))
    })?;
    let mut filters: HashMap<u64, Vec<filter::Filter>> = HashMap::new();
    for (destination, id, body) in rows {
        let ready = match serde_json::from_str::<Filter>(&body) {
            Ok(filter) if !filter.enabled => continue,
            Ok(filter) => filter.ready().ok(),
            Err(_) => None,
        };
        // What was to be left out must not go out because this program can't read why.
        let ready = ready.unwrap_or_else(|| {
            tracing::error!(filter = id, "a filter can't be read: its destination gets nothing");
            filter::Filter::closed()
        });
        filters.entry(destination).or_default().push(ready);
    }
    Ok(filters)
}

/// A destination before its settings are read.
pub(crate) struct PartialDestination {
    pub(crate) id: DestinationId,
    workspace: WorkspaceId,
    workspace_number: WorkspaceNumber,
    source: SourceId,
    name: String,
    enabled: bool,
    filters: Filters,
    pub(crate) kind: String,
}

impl PartialDestination {
    pub(crate) fn with(self, kind: domicile_workspace::DestinationKind) -> Destination {
        let Self { id, workspace, workspace_number, source, name, enabled, filters, .. } = self;
        Destination { id, workspace, workspace_number, source, name, enabled, filters, kind }
    }
}

type Keys = HashMap<u32, Vec<WriteKey>>;

fn keys(view: &View<'_>, since: u64) -> Result<Keys, ControlError> {
    let found = view.all(
        "read the write keys",
        // The sources first: SQLite would go through all keys, because they lie in this order.
        "SELECT k.source, k.key, k.enabled FROM sources s CROSS JOIN write_keys k
         WHERE s.version > ?1 AND k.source = s.number AND k.deleted_at IS NULL ORDER BY k.created_at, k.key",
        values![since],
        key,
    )?;
    let mut keys = HashMap::new();
    collect(&mut keys, found);
    Ok(keys)
}

/// Source number and key, of a row with source, key and enabled.
pub(crate) fn key(row: &Row) -> Result<(u32, WriteKey), DbError> {
    Ok((row.get(0)?, WriteKey { key: row.get(1)?, enabled: row.get(2)? }))
}

pub(crate) fn collect(keys: &mut Keys, found: Vec<(u32, WriteKey)>) {
    for (source, key) in found {
        keys.entry(source).or_default().push(key);
    }
}

fn source(row: &Row, region: &Region, keys: &mut Keys) -> Result<Source, DbError> {
    let id = SourceId::new(row.get::<String>(0)?);
    let number: u32 = row.get(1)?;
    let sender: String = row.get(6)?;
    let point: String = row.get(8)?;
    let rate: (Option<u32>, Option<u32>) = (row.get(10)?, row.get(11)?);
    Ok(Source {
        number: SourceNumber(number),
        workspace: WorkspaceId::new(row.get::<String>(2)?),
        workspace_number: WorkspaceNumber(row.get(3)?),
        slug: row.get(4)?,
        name: row.get(5)?,
        kind: SourceKind::named(&sender).ok_or_else(|| DbError::odd(format!("source {id}: no such kind of sender")))?,
        enabled: row.get(7)?,
        ingestion_region: point_or_first(&id, &point, region),
        strict: row.get(9)?,
        rate_limit: rate.0.zip(rate.1).map(|(per_second, burst)| RateLimit { per_second, burst }),
        write_keys: keys.remove(&number).unwrap_or_default(),
        id,
    })
}

/// The source's ingest point; the region's first when the topology has lost that one. SDKs then learn an address that
/// exists, and the store keeps what was chosen, should the point come back.
fn point_or_first(source: &SourceId, point: &str, region: &Region) -> PointName {
    if let Some(found) = region.ingest.iter().find(|p| p.name.as_str() == point) {
        return found.name.clone();
    }
    match region.ingest.first() {
        Some(first) => {
            tracing::warn!(%source, point, instead = %first.name, "the topology has lost a source's ingest point");
            first.name.clone()
        }
        None => PointName::new(point),
    }
}
