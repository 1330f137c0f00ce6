//! From rows to one version of the configuration.

use crate::{StoreError, settings};
use domicile_keys::Keyring;
use domicile_region::{PointName, Region};
use domicile_workspace::{
    ConfigVersion, Destination, DestinationId, RateLimit, Snapshot, Source, SourceId, SourceKind, SourceNumber,
    Workspace, WorkspaceId, WorkspaceNumber, WriteKey,
};
use rusqlite::{Connection, Row};
use std::collections::HashMap;

/// Reads the whole configuration. Inside a transaction: as the transaction would leave it.
pub(crate) fn read(db: &Connection, file: &str, region: &Region, keys: &Keyring) -> Result<Snapshot, StoreError> {
    // One read transaction, so that the version and the rows fit; there is one already when a change calls.
    let own = if db.is_autocommit() {
        Some(db.unchecked_transaction().map_err(|e| StoreError::sql(file, "begin reading", e))?)
    } else {
        None
    };
    let rows = read_rows(db, region).map_err(|e| StoreError::sql(file, "read the configuration", e))?;
    drop(own);
    let mut destinations = Vec::with_capacity(rows.destinations.len());
    for (partial, settings, sealed) in rows.destinations {
        destinations.push(settings::open(partial, &settings, sealed.as_deref(), keys, file)?);
    }
    let snapshot = Snapshot::new(rows.version, region.id.clone(), rows.workspaces, rows.sources, destinations);
    Ok(snapshot.with_gone(rows.gone))
}

struct Rows {
    version: ConfigVersion,
    workspaces: Vec<Workspace>,
    sources: Vec<Source>,
    gone: Vec<Source>,
    destinations: Vec<(PartialDestination, String, Option<Vec<u8>>)>,
}

/// A destination before its settings are read.
pub(crate) struct PartialDestination {
    pub(crate) id: DestinationId,
    workspace: WorkspaceId,
    workspace_number: WorkspaceNumber,
    source: SourceId,
    name: String,
    enabled: bool,
    pub(crate) kind: String,
}

impl PartialDestination {
    pub(crate) fn with(self, kind: domicile_workspace::DestinationKind) -> Destination {
        let Self { id, workspace, workspace_number, source, name, enabled, .. } = self;
        Destination { id, workspace, workspace_number, source, name, enabled, kind }
    }
}

fn read_rows(db: &Connection, region: &Region) -> rusqlite::Result<Rows> {
    let version = db.query_row("SELECT config_version FROM meta", [], |row| row.get(0))?;
    let workspaces = db
        .prepare_cached("SELECT id, number, slug, name FROM workspaces ORDER BY number")?
        .query_map([], |row| {
            Ok(Workspace {
                id: WorkspaceId::new(row.get::<_, String>(0)?),
                number: WorkspaceNumber(row.get(1)?),
                slug: row.get(2)?,
                name: row.get(3)?,
                region: region.id.clone(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut keys = read_keys(db)?;
    let (mut sources, mut gone) = (Vec::new(), Vec::new());
    let mut statement = db.prepare_cached(
        "SELECT s.id, s.number, w.id, w.number, s.slug, s.name, s.kind, s.enabled, s.ingestion_region, s.strict,
                s.rate_per_second, s.rate_burst, s.deleted_at IS NOT NULL
         FROM sources s JOIN workspaces w ON w.number = s.workspace ORDER BY s.number",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let of_its_kind = if row.get(12)? { &mut gone } else { &mut sources };
        of_its_kind.push(source(row, region, &mut keys)?);
    }
    let destinations = db
        .prepare_cached(
            "SELECT d.id, w.id, w.number, s.id, d.name, d.enabled, d.kind, d.settings, d.sealed
             FROM destinations d JOIN sources s ON s.number = d.source JOIN workspaces w ON w.number = s.workspace
             WHERE d.deleted_at IS NULL AND s.deleted_at IS NULL ORDER BY d.number",
        )?
        .query_map([], |row| {
            let partial = PartialDestination {
                id: DestinationId::new(row.get::<_, String>(0)?),
                workspace: WorkspaceId::new(row.get::<_, String>(1)?),
                workspace_number: WorkspaceNumber(row.get(2)?),
                source: SourceId::new(row.get::<_, String>(3)?),
                name: row.get(4)?,
                enabled: row.get(5)?,
                kind: row.get(6)?,
            };
            Ok((partial, row.get(7)?, row.get(8)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Rows { version: ConfigVersion(version), workspaces, sources, gone, destinations })
}

fn read_keys(db: &Connection) -> rusqlite::Result<HashMap<u32, Vec<WriteKey>>> {
    let mut keys: HashMap<u32, Vec<WriteKey>> = HashMap::new();
    let mut statement =
        db.prepare_cached("SELECT source, key, enabled FROM write_keys ORDER BY source, created_at, key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.entry(row.get(0)?).or_default().push(WriteKey { key: row.get(1)?, enabled: row.get(2)? });
    }
    Ok(keys)
}

fn source(row: &Row<'_>, region: &Region, keys: &mut HashMap<u32, Vec<WriteKey>>) -> rusqlite::Result<Source> {
    let id = SourceId::new(row.get::<_, String>(0)?);
    let number: u32 = row.get(1)?;
    let kind: String = row.get(6)?;
    let point: String = row.get(8)?;
    let rate_limit = match (row.get(10)?, row.get(11)?) {
        (Some(per_second), Some(burst)) => Some(RateLimit { per_second, burst }),
        _ => None,
    };
    Ok(Source {
        number: SourceNumber(number),
        workspace: WorkspaceId::new(row.get::<_, String>(2)?),
        workspace_number: WorkspaceNumber(row.get(3)?),
        slug: row.get(4)?,
        name: row.get(5)?,
        kind: SourceKind::named(&kind).ok_or_else(|| {
            rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, "no such kind of source".into())
        })?,
        enabled: row.get(7)?,
        ingestion_region: point_or_first(&id, &point, region),
        strict: row.get(9)?,
        rate_limit,
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
