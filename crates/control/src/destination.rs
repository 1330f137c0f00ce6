//! Destinations.

use crate::audit::Resourced;
use crate::change::{Change, refuse_stale};
use crate::db::{DbError, Row, Value as Column, values};
use crate::offer::catalog_entry;
use crate::page::{List, Listed, Page};
use crate::settings::{self, Settings};
use crate::view::View;
use crate::{ControlError, Resource, id, text, things};
use domicile_catalog::Kind;
use domicile_workspace::{DestinationId, SourceId, WorkspaceId};
use domicile_world::Millis;
use serde_json::{Map, Value, json};

/// Destinations of one source.
const DESTINATIONS_MAX: u64 = 100;

/// A destination to be made.
#[derive(Clone)]
pub struct NewDestination {
    pub source: SourceId,
    /// The catalog's id or slug: `webhook`.
    pub catalog: String,
    /// `None`: the kind.
    pub name: Option<String>,
    pub enabled: bool,
    /// What the kind takes, secrets too. For `webhook`: `url`, `country`, `sharedSecret`.
    pub settings: Map<String, Value>,
}

/// What to change of a destination; `None` leaves it. Settings that are not named stay, `null` takes one away.
#[derive(Clone, Default)]
pub struct DestinationChange {
    /// `Some(None)`: the catalog's name.
    pub name: Option<Option<String>>,
    pub enabled: Option<bool>,
    pub settings: Option<Map<String, Value>>,
}

/// A destination, as the store has it and as it may be read back: of its secrets only which are set.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationRecord {
    pub number: i64,
    pub id: DestinationId,
    pub source: SourceId,
    /// The catalog's slug.
    pub kind: String,
    pub name: String,
    pub enabled: bool,
    pub settings: Map<String, Value>,
    /// Names of the settings that are secrets and set.
    pub secrets: Vec<String>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub version: u64,
}

const COLUMNS: &str = "d.id, s.id, d.name, d.kind, d.enabled, d.settings, d.sealed, d.created_at, d.updated_at,
     d.version, d.workspace";
const FROM: &str = "destinations d JOIN sources s ON s.number = d.source";

impl Change<'_> {
    /// Makes a destination of a source. Whether its host's country is allowed is the border's to say, at each connection.
    ///
    /// # Errors
    /// `Invalid` for a kind or settings that can't be; `NotFound` when the workspace has no such source.
    pub fn create_destination(
        &mut self,
        workspace: &WorkspaceId,
        new: &NewDestination,
    ) -> Result<DestinationRecord, ControlError> {
        let source = self.source(workspace, &new.source)?;
        let entry = catalog_entry(Kind::Destination, &new.catalog)?;
        self.check_destination(entry, new.enabled)?;
        let count = self.count(
            "count destinations",
            "SELECT count(*) FROM destinations WHERE source = ?1 AND deleted_at IS NULL",
            values![source.number],
        )?;
        if count >= DESTINATIONS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the source has {DESTINATIONS_MAX} destinations"),
                mend: "delete one that is no longer used".to_owned(),
            });
        }
        let mut row = DestinationRow {
            number: 0,
            id: id::new_hex_id(self.random()),
            workspace: source.workspace_number,
            source: new.source.to_string(),
            name: text::name("name", new.name.as_deref().unwrap_or(&entry.name))?,
            kind: entry.slug.clone(),
            enabled: new.enabled,
            settings: settings::merge(entry, &Settings::default(), &new.settings)?,
            created_at: self.now,
            updated_at: self.now,
            version: self.makes(),
        };
        let sealed = self.seal(&row.id, &row.settings.secret)?;
        row.number = self
            .insert(
                "make a destination",
                "destination",
                "INSERT INTO destinations (id, workspace, source, name, kind, enabled, settings, sealed, created_at,
                                           updated_at, version)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10) RETURNING number",
                values![
                    row.id,
                    row.workspace,
                    source.number,
                    row.name,
                    row.kind,
                    row.enabled,
                    row.open_settings(),
                    sealed,
                    self.now,
                    self.makes(),
                ],
            )?
            .into();
        self.note("Integration Created", &row.resourced(), None, Some(row.shown()))?;
        Ok(row.record())
    }

    /// Changes a destination.
    pub fn update_destination(
        &mut self,
        workspace: &WorkspaceId,
        id: &DestinationId,
        if_version: Option<u64>,
        to: &DestinationChange,
    ) -> Result<DestinationRecord, ControlError> {
        let before = self.destination_row(workspace, id)?;
        refuse_stale(Resource::Destination, before.version, if_version)?;
        let entry = catalog_entry(Kind::Destination, &before.kind)?;
        let mut after = before.clone();
        if let Some(name) = &to.name {
            after.name = text::name("name", name.as_deref().unwrap_or(&entry.name))?;
        }
        if let Some(given) = &to.settings {
            after.settings = settings::merge(entry, &before.settings, given)?;
        }
        after.enabled = to.enabled.unwrap_or(after.enabled);
        if after.enabled && !before.enabled {
            self.check_destination(entry, true)?;
        }
        if after == before {
            return Ok(before.record());
        }
        let only_switched = DestinationRow { enabled: before.enabled, ..after.clone() } == before;
        (after.updated_at, after.version) = (self.now, self.makes());
        let sealed = self.seal(&after.id, &after.settings.secret)?;
        self.run(
            "change a destination",
            "UPDATE destinations SET name = ?2, enabled = ?3, settings = ?4, sealed = ?5, updated_at = ?6, version = ?7
             WHERE number = ?1",
            values![
                after.number,
                after.name,
                after.enabled,
                after.open_settings(),
                sealed,
                after.updated_at,
                after.version
            ],
        )?;
        let kind = match (only_switched, after.enabled) {
            (true, true) => "Integration Enabled",
            (true, false) => "Integration Disabled",
            (false, _) => "Integration Modified",
        };
        self.note(kind, &after.resourced(), Some(before.shown()), Some(after.shown()))?;
        Ok(after.record())
    }

    /// Deletes a destination and destroys its secrets.
    pub fn delete_destination(
        &mut self,
        workspace: &WorkspaceId,
        id: &DestinationId,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        let row = self.destination_row(workspace, id)?;
        refuse_stale(Resource::Destination, row.version, if_version)?;
        delete(self, workspace, &row)
    }
}

impl View<'_> {
    /// A destination of a workspace, if it is not deleted.
    pub fn destination(&self, workspace: &WorkspaceId, id: &DestinationId) -> Result<DestinationRecord, ControlError> {
        Ok(self.destination_row(workspace, id)?.record())
    }

    /// Whose destination it is.
    pub fn source_of_destination(&self, workspace: &WorkspaceId, id: &str) -> Result<SourceId, ControlError> {
        Ok(self.destination(workspace, &DestinationId::new(id))?.source)
    }

    /// The destinations of a workspace, or of one source of it, that are not deleted.
    pub fn destinations(
        &self,
        workspace: &WorkspaceId,
        source: Option<&SourceId>,
        page: &Page,
    ) -> Result<Listed<DestinationRecord>, ControlError> {
        let (condition, value) = match source {
            Some(source) => ("d.source = ?1", self.source(workspace, source)?.number),
            None => ("d.workspace = ?1", self.workspace_number(workspace)?),
        };
        let list = List {
            doing: "read destinations",
            columns: COLUMNS,
            from: &format!("{FROM} WHERE {condition} AND d.deleted_at IS NULL"),
            count_from: &format!("destinations d WHERE {condition} AND d.deleted_at IS NULL"),
            number: "d.number",
            values: values![value],
        };
        let listed = self.page(&list, page, columns)?;
        let Listed { rows, first, last, has_before, has_after, total } = listed;
        let rows = rows.into_iter().map(|row| Ok(self.open_row(row)?.record())).collect::<Result<_, ControlError>>()?;
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }

    /// A destination's secrets by name. Only to compare with: they never go into an answer.
    pub(crate) fn destination_secrets(
        &self,
        workspace: &WorkspaceId,
        id: &DestinationId,
    ) -> Result<Map<String, Value>, ControlError> {
        Ok(self.destination_row(workspace, id)?.settings.secret)
    }

    /// All destinations of a workspace with their secrets, oldest first. As [`Self::destination_secrets`].
    pub(crate) fn destinations_with_secrets(&self, workspace: &WorkspaceId) -> Result<Vec<WithSecrets>, ControlError> {
        let number = self.workspace_number(workspace)?;
        let mut rows = self.destination_rows("d.workspace = ?1", values![number])?;
        rows.sort_by_key(|row| row.number);
        Ok(rows.into_iter().map(|row| (row.clone().record(), row.settings.secret)).collect())
    }

    fn destination_row(&self, workspace: &WorkspaceId, id: &DestinationId) -> Result<DestinationRow, ControlError> {
        let workspace = self.workspace_number(workspace)?;
        let mut found = self.destination_rows("d.id = ?1 AND d.workspace = ?2", values![id.as_str(), workspace])?;
        found.pop().ok_or(ControlError::NotFound(Resource::Destination))
    }

    /// The destinations that are not deleted and fit `filter`, a condition over `d` and its source `s`.
    fn destination_rows(&self, filter: &str, values: &[Column]) -> Result<Vec<DestinationRow>, ControlError> {
        let sql = format!("SELECT d.number, {COLUMNS} FROM {FROM} WHERE d.deleted_at IS NULL AND {filter}");
        let rows = self.all("find a destination", &sql, values, columns)?;
        rows.into_iter().map(|row| self.open_row(row)).collect()
    }

    fn open_row(&self, row: SealedRow) -> Result<DestinationRow, ControlError> {
        let (row, open, sealed) = row;
        let settings = settings::read(self, &row.id, &open, sealed.as_deref())?;
        Ok(DestinationRow { settings, ..row })
    }
}

/// Deletes what a source that is being deleted sends to.
pub(crate) fn delete_all_of(change: &mut Change<'_>, workspace: &WorkspaceId, source: u32) -> Result<(), ControlError> {
    let number = change.workspace_number(workspace)?;
    for row in change.destination_rows("d.source = ?1 AND d.workspace = ?2", values![source, number])? {
        delete(change, workspace, &row)?;
    }
    Ok(())
}

fn delete(change: &mut Change<'_>, workspace: &WorkspaceId, row: &DestinationRow) -> Result<(), ControlError> {
    things::delete_of_destination(change, workspace, &row.id)?;
    change.run(
        "delete a destination",
        "UPDATE destinations SET deleted_at = ?2, updated_at = ?2, sealed = NULL, version = ?3 WHERE number = ?1",
        values![row.number, change.now, change.makes()],
    )?;
    change.note("Integration Deleted", &row.resourced(), Some(row.shown()), None)
}

/// With its secrets: stays in this file. No `Debug`.
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
    created_at: Millis,
    updated_at: Millis,
    version: u64,
}

/// A destination and its secrets by name.
pub(crate) type WithSecrets = (DestinationRecord, Map<String, Value>);

/// A row, its settings as they lie in the store, and its secrets.
type SealedRow = (DestinationRow, String, Option<Vec<u8>>);

impl DestinationRow {
    fn resourced(&self) -> Resourced<'_> {
        Resourced { workspace: Some(self.workspace), resource: Resource::Destination, id: &self.id, name: &self.name }
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

    fn open_settings(&self) -> String {
        Value::Object(self.settings.open.clone()).to_string()
    }

    fn record(self) -> DestinationRecord {
        DestinationRecord {
            number: self.number,
            id: DestinationId::new(self.id),
            source: SourceId::new(self.source),
            kind: self.kind,
            name: self.name,
            enabled: self.enabled,
            settings: self.settings.open,
            secrets: self.settings.secret.keys().cloned().collect(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
        }
    }
}

/// From a row with the number and the columns.
fn columns(row: &Row) -> Result<SealedRow, DbError> {
    let without_settings = DestinationRow {
        number: row.get(0)?,
        id: row.get(1)?,
        source: row.get(2)?,
        name: row.get(3)?,
        kind: row.get(4)?,
        enabled: row.get(5)?,
        settings: Settings::default(),
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
        version: row.get(10)?,
        workspace: row.get(11)?,
    };
    Ok((without_settings, row.get(6)?, row.get(7)?))
}
