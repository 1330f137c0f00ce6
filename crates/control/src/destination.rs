//! Destinations.

use crate::audit::{Actor, Resourced};
use crate::settings::{self, Settings};
use crate::store::Change;
use crate::{ControlError, Resource, Store, StoreError, id, source, text};
use domicile_workspace::{Destination, DestinationId, Snapshot, SourceId, WorkspaceId};
use rusqlite::params;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Destinations of one source.
const DESTINATIONS_MAX: u32 = 100;

/// A destination to be made.
#[derive(Clone)]
pub struct NewDestination {
    pub source: SourceId,
    /// The catalog's id or slug: `webhook`.
    pub metadata_id: String,
    /// `None`: the kind.
    pub name: Option<String>,
    pub enabled: bool,
    /// What the kind takes, secrets too. For `webhook`: `url`, `country`, `sharedSecret`.
    pub settings: Map<String, Value>,
}

/// What to change of a destination; `None` leaves it. Settings that are not named stay, `null` takes one away.
#[derive(Clone, Default)]
pub struct DestinationChange {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub settings: Option<Map<String, Value>>,
}

impl Store {
    /// Makes a destination of a source. Whether its host's country is allowed is the border's to say, at each connection.
    ///
    /// # Errors
    /// `Invalid` for a kind or settings that can't be; `NotFound` when the workspace has no such source.
    pub fn create_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        new: &NewDestination,
    ) -> Result<Arc<Destination>, ControlError> {
        let (id, snapshot) = self.change(by, |change| insert(change, workspace, new))?;
        in_snapshot(&snapshot, &id)
    }

    /// Changes a destination.
    pub fn update_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &DestinationId,
        to: &DestinationChange,
    ) -> Result<Arc<Destination>, ControlError> {
        let ((), snapshot) = self.change(by, |change| update(change, &find(change, workspace, id)?, to))?;
        in_snapshot(&snapshot, id)
    }

    /// Deletes a destination and destroys its secrets.
    pub fn delete_destination(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &DestinationId,
    ) -> Result<(), ControlError> {
        self.change(by, |change| delete(change, &find(change, workspace, id)?))?;
        Ok(())
    }
}

fn in_snapshot(snapshot: &Snapshot, id: &DestinationId) -> Result<Arc<Destination>, ControlError> {
    let found = snapshot.destinations.iter().find(|destination| destination.id == *id);
    found.cloned().ok_or(ControlError::NotFound(Resource::Destination))
}

fn insert(change: &Change<'_>, workspace: &WorkspaceId, new: &NewDestination) -> Result<DestinationId, ControlError> {
    let source = source::find(change, workspace, &new.source)?;
    settings::check_kind(&new.metadata_id)?;
    let count: u32 = change
        .db
        .query_row(
            "SELECT count(*) FROM destinations WHERE source = ?1 AND deleted_at IS NULL",
            [source.number],
            |row| row.get(0),
        )
        .map_err(|e| change.sql("count destinations", e))?;
    if count >= DESTINATIONS_MAX {
        return Err(ControlError::Conflict {
            what: format!("the source has {DESTINATIONS_MAX} destinations"),
            mend: "delete one that is no longer used".to_owned(),
        });
    }
    let row = DestinationRow {
        number: 0,
        id: id::new_hex_id(&*change.inner.world.random),
        workspace: source.workspace,
        source: new.source.to_string(),
        name: text::name("name", new.name.as_deref().unwrap_or(&new.metadata_id))?,
        kind: new.metadata_id.clone(),
        enabled: new.enabled,
        settings: settings::merge(&Settings::default(), &new.settings)?,
    };
    let (open, sealed) = row.seal(change)?;
    change.run(
        "make a destination",
        "INSERT INTO destinations (id, source, name, kind, enabled, settings, sealed, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        params![row.id, source.number, row.name, row.kind, row.enabled, open, sealed, change.at.0],
    )?;
    change.note("Integration Created", &row.resourced(), None, Some(row.shown()))?;
    Ok(DestinationId::new(row.id))
}

fn update(change: &Change<'_>, before: &DestinationRow, to: &DestinationChange) -> Result<(), ControlError> {
    let mut after = before.clone();
    if let Some(name) = &to.name {
        after.name = text::name("name", name)?;
    }
    if let Some(given) = &to.settings {
        after.settings = settings::merge(&before.settings, given)?;
    }
    after.enabled = to.enabled.unwrap_or(after.enabled);
    if after == *before {
        return Ok(());
    }
    let (open, sealed) = after.seal(change)?;
    change.run(
        "change a destination",
        "UPDATE destinations SET name = ?2, enabled = ?3, settings = ?4, sealed = ?5, updated_at = ?6
         WHERE number = ?1",
        params![after.number, after.name, after.enabled, open, sealed, change.at.0],
    )?;
    let only_switched = DestinationRow { enabled: before.enabled, ..after.clone() } == *before;
    let kind = match (only_switched, after.enabled) {
        (true, true) => "Integration Enabled",
        (true, false) => "Integration Disabled",
        (false, _) => "Integration Modified",
    };
    change.note(kind, &after.resourced(), Some(before.shown()), Some(after.shown()))
}

fn delete(change: &Change<'_>, row: &DestinationRow) -> Result<(), ControlError> {
    change.run(
        "delete a destination",
        "UPDATE destinations SET deleted_at = ?2, updated_at = ?2, sealed = NULL WHERE number = ?1",
        params![row.number, change.at.0],
    )?;
    change.note("Integration Deleted", &row.resourced(), Some(row.shown()), None)
}

/// Deletes what a source that is being deleted sends to.
pub(crate) fn delete_all_of(change: &Change<'_>, workspace: u32, source: u32) -> Result<(), ControlError> {
    for row in select(change, workspace, "d.source = ?1", params![source])? {
        delete(change, &row)?;
    }
    Ok(())
}

#[derive(Clone, PartialEq)]
struct DestinationRow {
    number: i64,
    id: String,
    workspace: u32,
    source: String,
    name: String,
    kind: String,
    enabled: bool,
    settings: Settings,
}

impl DestinationRow {
    fn resourced(&self) -> Resourced<'_> {
        Resourced { workspace: self.workspace, resource: Resource::Destination, id: &self.id, name: &self.name }
    }

    /// As the audit trail shows it: of secrets only which are set.
    fn shown(&self) -> Value {
        json!({
            "sourceId": self.source,
            "metadataId": self.kind,
            "name": self.name,
            "enabled": self.enabled,
            "settings": self.settings.open,
            "secrets": self.settings.secret.keys().collect::<Vec<_>>(),
        })
    }

    fn seal(&self, change: &Change<'_>) -> Result<(String, Option<Vec<u8>>), ControlError> {
        settings::seal(&self.settings, &change.inner.keys).map_err(|error| {
            ControlError::Store(StoreError::Secret { file: change.inner.file.clone(), id: self.id.clone(), error })
        })
    }
}

fn find(change: &Change<'_>, workspace: &WorkspaceId, id: &DestinationId) -> Result<DestinationRow, ControlError> {
    let workspace = change.workspace(workspace)?;
    let mut found = select(change, workspace, "d.id = ?1 AND s.workspace = ?2", params![id.as_str(), workspace])?;
    found.pop().ok_or(ControlError::NotFound(Resource::Destination))
}

/// The destinations that are not deleted and fit `filter`, a condition over `d` and its source `s`.
fn select(
    change: &Change<'_>,
    workspace: u32,
    filter: &'static str,
    values: impl rusqlite::Params,
) -> Result<Vec<DestinationRow>, ControlError> {
    let sql = |e| change.sql("find a destination", e);
    let mut statement = change
        .db
        .prepare_cached(&format!(
            "SELECT d.number, d.id, s.id, d.name, d.kind, d.enabled, d.settings, d.sealed
             FROM destinations d JOIN sources s ON s.number = d.source
             WHERE d.deleted_at IS NULL AND s.deleted_at IS NULL AND {filter}"
        ))
        .map_err(sql)?;
    let mut rows = statement.query(values).map_err(sql)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(sql)? {
        found.push(read(change, workspace, row)?);
    }
    Ok(found)
}

fn read(change: &Change<'_>, workspace: u32, row: &rusqlite::Row<'_>) -> Result<DestinationRow, ControlError> {
    let columns = || -> rusqlite::Result<(DestinationRow, String, Option<Vec<u8>>)> {
        let without_settings = DestinationRow {
            number: row.get(0)?,
            id: row.get(1)?,
            workspace,
            source: row.get(2)?,
            name: row.get(3)?,
            kind: row.get(4)?,
            enabled: row.get(5)?,
            settings: Settings::default(),
        };
        Ok((without_settings, row.get(6)?, row.get(7)?))
    };
    let (row, open, sealed) = columns().map_err(|e| change.sql("read a destination", e))?;
    let settings = settings::unseal(&row.id, &open, sealed.as_deref(), &change.inner.keys, &change.inner.file)?;
    Ok(DestinationRow { settings, ..row })
}
