//! Sources.

use crate::audit::Resourced;
use crate::change::{Change, refuse_stale};
use crate::db::{DbError, Row, values};
use crate::depth::refuse_deep;
use crate::page::{List, Listed, Page};
use crate::snapshot::{collect, key};
use crate::view::View;
use crate::{ControlError, Resource, destination, id, text, things};
use domicile_catalog::{Catalog, Kind};
use domicile_region::{PointName, Region};
use domicile_workspace::{RateLimit, SourceId, SourceKind, SourceNumber, WorkspaceId, WriteKey};
use domicile_world::Millis;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Events a second, and events at once, that a limit may name.
const RATE_MAX: u32 = 1_000_000;
/// Bytes of a source's settings, as JSON.
const SETTINGS_BYTES_MAX: usize = 64 * 1024;

/// A source to be made. Everything but its slug and kind has a default.
#[derive(Clone, Debug)]
pub struct NewSource {
    pub slug: String,
    /// `None`: the slug.
    pub name: Option<String>,
    /// What the pipeline has to know of it.
    pub kind: SourceKind,
    /// The catalog's slug; `None`: the word of `kind`.
    pub catalog: Option<String>,
    pub enabled: bool,
    /// `None`: the region's first ingest point.
    pub ingestion_region: Option<PointName>,
    pub strict: bool,
    pub rate_limit: Option<RateLimit>,
    /// What the catalog's kind takes besides; no secrets.
    pub settings: Map<String, Value>,
}

impl NewSource {
    /// A source with everything as it is by default.
    pub fn new(slug: impl Into<String>, kind: SourceKind) -> Self {
        Self {
            slug: slug.into(),
            name: None,
            kind,
            catalog: None,
            enabled: true,
            ingestion_region: None,
            strict: false,
            rate_limit: None,
            settings: Map::new(),
        }
    }
}

/// What to change of a source; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct SourceChange {
    pub slug: Option<String>,
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub ingestion_region: Option<PointName>,
    pub strict: Option<bool>,
    /// `Some(None)` takes the limit away.
    pub rate_limit: Option<Option<RateLimit>>,
    /// All of them: what is not named is taken away.
    pub settings: Option<Map<String, Value>>,
}

/// A source, as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRecord {
    pub number: u32,
    pub id: SourceId,
    pub workspace: WorkspaceId,
    pub slug: String,
    pub name: String,
    pub kind: SourceKind,
    /// The catalog's slug.
    pub catalog: String,
    pub enabled: bool,
    pub ingestion_region: PointName,
    pub strict: bool,
    pub rate_limit: Option<RateLimit>,
    pub settings: Map<String, Value>,
    /// Oldest first.
    pub write_keys: Vec<WriteKey>,
    pub created_at: Millis,
    pub updated_at: Millis,
    pub version: u64,
    pub(crate) workspace_number: u32,
}

/// What a number in the logs stands for, also after the source was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceName {
    pub number: SourceNumber,
    pub id: SourceId,
    pub slug: String,
    pub deleted: bool,
}

const COLUMNS: &str = "s.id, w.id, w.number, s.slug, s.name, s.sender, s.kind, s.enabled, s.ingestion_region, s.strict,
     s.rate_per_second, s.rate_burst, s.settings, s.created_at, s.updated_at, s.version";

impl Change<'_> {
    /// Makes a source with one write key.
    ///
    /// # Errors
    /// `Invalid` for a name, slug, ingest point or limit that can't be; `Conflict` when the slug is taken.
    pub fn create_source(&mut self, workspace: &WorkspaceId, new: &NewSource) -> Result<SourceRecord, ControlError> {
        let row = self.create_keyless_source(workspace, new)?;
        let key = self.insert_write_key(row.number)?;
        Ok(SourceRecord { write_keys: vec![WriteKey { key, enabled: true }], ..row })
    }

    /// As [`Self::create_source`], without a key: for who gives it one in the same change.
    pub(crate) fn create_keyless_source(
        &mut self,
        workspace: &WorkspaceId,
        new: &NewSource,
    ) -> Result<SourceRecord, ControlError> {
        let workspace_number = self.workspace_number(workspace)?;
        let region = self.region().clone();
        let slug = text::slug("slug", &new.slug)?;
        self.refuse_taken_slug(workspace_number, &slug)?;
        let row = SourceRecord {
            number: 0,
            id: SourceId::new(id::new_id(self.random())),
            workspace: workspace.clone(),
            name: text::name("name", new.name.as_deref().unwrap_or(&slug))?,
            slug,
            kind: new.kind,
            catalog: text::slug("metadataId", new.catalog.as_deref().unwrap_or(new.kind.as_str()))?,
            enabled: new.enabled,
            ingestion_region: match (&new.ingestion_region, region.ingest.first()) {
                (Some(point), _) => checked_point(&region, point)?,
                (None, Some(first)) => first.name.clone(),
                (None, None) => PointName::new(""),
            },
            strict: new.strict,
            rate_limit: new.rate_limit.map(checked_rate).transpose()?,
            settings: checked_settings(new.catalog.as_deref().unwrap_or(new.kind.as_str()), &new.settings)?,
            write_keys: Vec::new(),
            created_at: self.now,
            updated_at: self.now,
            version: self.makes(),
            workspace_number,
        };
        let number = self.insert(
            "make a source",
            "source",
            "INSERT INTO sources (id, workspace, slug, name, kind, sender, enabled, ingestion_region, strict,
                                  rate_per_second, rate_burst, settings, created_at, updated_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14) RETURNING number",
            values![
                row.id.as_str(),
                workspace_number,
                row.slug,
                row.name,
                row.catalog,
                row.kind.as_str(),
                row.enabled,
                row.ingestion_region.as_str(),
                row.strict,
                row.rate_limit.map(|limit| limit.per_second),
                row.rate_limit.map(|limit| limit.burst),
                Value::Object(row.settings.clone()).to_string(),
                self.now,
                self.makes(),
            ],
        )?;
        let row = SourceRecord { number, ..row };
        self.note("Source Created", &row.resourced(), None, Some(row.shown()))?;
        Ok(row)
    }

    /// Changes a source. Only what `to` names is written, so two changes of different things both hold.
    pub fn update_source(
        &mut self,
        workspace: &WorkspaceId,
        id: &SourceId,
        if_version: Option<u64>,
        to: &SourceChange,
    ) -> Result<SourceRecord, ControlError> {
        let before = self.source(workspace, id)?;
        refuse_stale(Resource::Source, before.version, if_version)?;
        let mut after = before.clone();
        if let Some(slug) = &to.slug {
            after.slug = text::slug("slug", slug)?;
            if after.slug != before.slug {
                self.refuse_taken_slug(before.workspace_number, &after.slug)?;
            }
        }
        if let Some(name) = &to.name {
            after.name = text::name("name", name)?;
        }
        if let Some(point) = &to.ingestion_region {
            after.ingestion_region = checked_point(self.region(), point)?;
        }
        if let Some(limit) = to.rate_limit {
            after.rate_limit = limit.map(checked_rate).transpose()?;
        }
        if let Some(settings) = &to.settings {
            after.settings = checked_settings(&before.catalog, settings)?;
        }
        after.enabled = to.enabled.unwrap_or(after.enabled);
        after.strict = to.strict.unwrap_or(after.strict);
        if after == before {
            return Ok(before);
        }
        after.updated_at = self.now;
        after.version = self.makes();
        self.run(
            "change a source",
            "UPDATE sources SET slug = ?2, name = ?3, enabled = ?4, ingestion_region = ?5, strict = ?6,
                    rate_per_second = ?7, rate_burst = ?8, settings = ?9, updated_at = ?10, version = ?11
             WHERE number = ?1",
            values![
                after.number,
                after.slug,
                after.name,
                after.enabled,
                after.ingestion_region.as_str(),
                after.strict,
                after.rate_limit.map(|limit| limit.per_second),
                after.rate_limit.map(|limit| limit.burst),
                Value::Object(after.settings.clone()).to_string(),
                after.updated_at,
                after.version,
            ],
        )?;
        let (was, is) = (before.shown(), after.shown());
        let only_switched = {
            let mut switched = before.shown();
            switched["enabled"] = after.enabled.into();
            switched == is
        };
        let kind = match (only_switched, after.enabled) {
            (true, true) => "Source Enabled",
            (true, false) => "Source Disabled",
            (false, _) => "Source Modified",
        };
        self.note(kind, &after.resourced(), Some(was), Some(is))?;
        Ok(after)
    }

    /// Deletes a source and its destinations. Its number and its write keys are never given again; what it sent stays.
    pub fn delete_source(
        &mut self,
        workspace: &WorkspaceId,
        id: &SourceId,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        let row = self.source(workspace, id)?;
        refuse_stale(Resource::Source, row.version, if_version)?;
        destination::delete_all_of(self, workspace, row.number)?;
        things::delete_of_source(self, workspace, id.as_str())?;
        self.run(
            "delete a source",
            "UPDATE sources SET deleted_at = ?2, updated_at = ?2, version = ?3 WHERE number = ?1",
            values![row.number, self.now, self.makes()],
        )?;
        self.note("Source Deleted", &row.resourced(), Some(row.shown()), None)
    }

    /// Says that something of a source changed that lies beside its row: the snapshot reads it anew.
    pub(crate) fn touch_source(&mut self, number: u32) -> Result<(), ControlError> {
        self.run(
            "note a source's version",
            "UPDATE sources SET updated_at = ?2, version = ?3 WHERE number = ?1",
            values![number, self.now, self.makes()],
        )?;
        self.touch();
        Ok(())
    }

    fn refuse_taken_slug(&self, workspace: u32, slug: &str) -> Result<(), ControlError> {
        let sql = "SELECT 1 FROM sources WHERE workspace = ?1 AND slug = ?2 AND deleted_at IS NULL";
        match self.one("look for a slug", sql, values![workspace, slug], |_| Ok(()))? {
            Some(()) => Err(ControlError::Conflict {
                what: format!("the workspace has a source with the slug `{slug}`"),
                mend: "choose another slug".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl View<'_> {
    /// The source of a workspace, if it is not deleted.
    pub fn source(&self, workspace: &WorkspaceId, id: &SourceId) -> Result<SourceRecord, ControlError> {
        let workspace = self.workspace_number(workspace)?;
        let sql = format!(
            "SELECT s.number, {COLUMNS} FROM sources s JOIN workspaces w ON w.number = s.workspace
             WHERE s.id = ?1 AND s.workspace = ?2 AND s.deleted_at IS NULL"
        );
        let found = self.one("find a source", &sql, values![id.as_str(), workspace], record)?;
        let mut row = found.ok_or(ControlError::NotFound(Resource::Source))?;
        row.write_keys = self.all(
            "read a source's keys",
            "SELECT source, key, enabled FROM write_keys WHERE source = ?1 AND deleted_at IS NULL ORDER BY created_at, key",
            values![row.number],
            |row| Ok(key(row)?.1),
        )?;
        Ok(row)
    }

    /// The sources of a workspace that are not deleted.
    pub fn sources(&self, workspace: &WorkspaceId, page: &Page) -> Result<Listed<SourceRecord>, ControlError> {
        let workspace = self.workspace_number(workspace)?;
        let list = List {
            doing: "read sources",
            columns: COLUMNS,
            from: "sources s JOIN workspaces w ON w.number = s.workspace WHERE s.workspace = ?1 AND s.deleted_at IS NULL",
            count_from: "sources s WHERE s.workspace = ?1 AND s.deleted_at IS NULL",
            number: "s.number",
            values: values![workspace],
        };
        let mut listed = self.page(&list, page, record)?;
        let found = self.all(
            "read the keys of sources",
            "SELECT k.source, k.key, k.enabled FROM sources s JOIN write_keys k ON k.source = s.number
             WHERE s.workspace = ?1 AND s.deleted_at IS NULL AND s.number >= ?2 AND s.number <= ?3
               AND k.deleted_at IS NULL
             ORDER BY k.source, k.created_at, k.key",
            values![workspace, listed.first.unwrap_or(0), listed.last.unwrap_or(0)],
            key,
        )?;
        let mut keys = HashMap::new();
        collect(&mut keys, found);
        for row in &mut listed.rows {
            row.write_keys = keys.remove(&row.number).unwrap_or_default();
        }
        Ok(listed)
    }

    /// What the logs' source numbers stand for in a workspace, deleted sources too, in the order of their numbers.
    pub fn source_names(&self, workspace: &WorkspaceId) -> Result<Vec<SourceName>, ControlError> {
        self.all(
            "read the names of sources",
            "SELECT s.number, s.id, s.slug, s.deleted_at IS NOT NULL
             FROM sources s JOIN workspaces w ON w.number = s.workspace WHERE w.id = ?1 ORDER BY s.number",
            values![workspace.as_str()],
            |row| {
                Ok(SourceName {
                    number: SourceNumber(row.get(0)?),
                    id: SourceId::new(row.get::<String>(1)?),
                    slug: row.get(2)?,
                    deleted: row.get(3)?,
                })
            },
        )
    }
}

impl SourceRecord {
    /// As the audit trail shows it: without write keys.
    fn shown(&self) -> Value {
        json!({
            "slug": self.slug,
            "name": self.name,
            "metadataId": self.catalog,
            "enabled": self.enabled,
            "ingestionRegion": self.ingestion_region.as_str(),
            "strict": self.strict,
            "rateLimit": self.rate_limit.map(|limit| json!({ "perSecond": limit.per_second, "burst": limit.burst })),
            "settings": self.settings,
        })
    }

    pub(crate) fn resourced(&self) -> Resourced<'_> {
        Resourced {
            workspace: Some(self.workspace_number),
            resource: Resource::Source,
            id: self.id.as_str(),
            name: &self.name,
        }
    }
}

/// From a row with the number and the columns.
fn record(row: &Row) -> Result<SourceRecord, DbError> {
    let id = SourceId::new(row.get::<String>(1)?);
    let sender: String = row.get(6)?;
    let rate: (Option<u32>, Option<u32>) = (row.get(11)?, row.get(12)?);
    let settings: String = row.get(13)?;
    Ok(SourceRecord {
        number: row.get(0)?,
        workspace: WorkspaceId::new(row.get::<String>(2)?),
        workspace_number: row.get(3)?,
        slug: row.get(4)?,
        name: row.get(5)?,
        kind: SourceKind::named(&sender).ok_or_else(|| DbError::odd(format!("source {id}: no such kind of sender")))?,
        catalog: row.get(7)?,
        enabled: row.get(8)?,
        ingestion_region: PointName::new(row.get::<String>(9)?),
        strict: row.get(10)?,
        rate_limit: rate.0.zip(rate.1).map(|(per_second, burst)| RateLimit { per_second, burst }),
        settings: serde_json::from_str(&settings)
            .map_err(|_| DbError::odd(format!("source {id}: its settings are not a JSON object")))?,
        write_keys: Vec::new(),
        created_at: row.get(14)?,
        updated_at: row.get(15)?,
        version: row.get(16)?,
        id,
    })
}

fn checked_point(region: &Region, point: &PointName) -> Result<PointName, ControlError> {
    if region.ingest.iter().any(|offered| offered.name == *point) {
        return Ok(point.clone());
    }
    let offered: Vec<&str> = region.ingest.iter().map(|point| point.name.as_str()).collect();
    Err(ControlError::invalid(
        "ingestionRegion",
        format!("is no ingest point of region `{}`", region.id),
        format!("choose one of: {}", offered.join(", ")),
    ))
}

fn checked_rate(limit: RateLimit) -> Result<RateLimit, ControlError> {
    let fits = |n| (1..=RATE_MAX).contains(&n);
    if fits(limit.per_second) && fits(limit.burst) {
        return Ok(limit);
    }
    let mend = format!("give `perSecond` and `burst` from 1 to {RATE_MAX}, or null for no limit");
    Err(ControlError::invalid("rateLimit", "is out of range", mend))
}

/// What the catalog's kind takes.
fn checked_settings(catalog: &str, settings: &Map<String, Value>) -> Result<Map<String, Value>, ControlError> {
    let entry = Catalog::get().find(Kind::Source, catalog);
    if let Some(fault) = entry.and_then(|entry| entry.check_settings(settings).err()?.into_iter().next()) {
        return Err(ControlError::invalid(format!("settings.{}", fault.setting), fault.what, fault.mend));
    }
    refuse_deep("settings", settings)?;
    if Value::Object(settings.clone()).to_string().len() > SETTINGS_BYTES_MAX {
        return Err(ControlError::invalid("settings", "are too long", "give at most 64 KiB of JSON"));
    }
    Ok(settings.clone())
}
