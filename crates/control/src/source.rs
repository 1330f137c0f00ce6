//! Sources.

use crate::audit::{Actor, Resourced};
use crate::store::Change;
use crate::{ControlError, Resource, Store, StoreError, id, text, write_key};
use domicile_region::{PointName, Region};
use domicile_workspace::{RateLimit, Source, SourceId, SourceKind, SourceNumber, WorkspaceId};
use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};
use std::sync::Arc;

/// Events a second, and events at once, that a limit may name.
const RATE_MAX: u32 = 1_000_000;

/// A source to be made. Everything but its slug and kind has a default.
#[derive(Clone, Debug)]
pub struct NewSource {
    pub slug: String,
    /// `None`: the slug.
    pub name: Option<String>,
    pub kind: SourceKind,
    pub enabled: bool,
    /// `None`: the region's first ingest point.
    pub ingestion_region: Option<PointName>,
    pub strict: bool,
    pub rate_limit: Option<RateLimit>,
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
}

/// What a number in the logs stands for, also after the source was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceName {
    pub number: SourceNumber,
    pub id: SourceId,
    pub slug: String,
    pub deleted: bool,
}

impl Store {
    /// Makes a source with one write key.
    ///
    /// # Errors
    /// `Invalid` for a name, slug, ingest point or limit that can't be; `Conflict` when the slug is taken.
    pub fn create_source(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        new: &NewSource,
    ) -> Result<Arc<Source>, ControlError> {
        let (id, snapshot) = self.change(by, |change| insert(change, change.workspace(workspace)?, new))?;
        snapshot.source(&id).cloned().ok_or(ControlError::NotFound(Resource::Source))
    }

    /// Changes a source. Only what `change` names is written, so two changes of different things both hold.
    pub fn update_source(
        &self,
        by: &Actor,
        workspace: &WorkspaceId,
        id: &SourceId,
        to: &SourceChange,
    ) -> Result<Arc<Source>, ControlError> {
        let ((), snapshot) = self.change(by, |change| update(change, &find(change, workspace, id)?, to))?;
        snapshot.source(id).cloned().ok_or(ControlError::NotFound(Resource::Source))
    }

    /// Deletes a source and its destinations. Its number and its write keys are never given again; what it sent stays.
    pub fn delete_source(&self, by: &Actor, workspace: &WorkspaceId, id: &SourceId) -> Result<(), ControlError> {
        self.change(by, |change| {
            let row = find(change, workspace, id)?;
            crate::destination::delete_all_of(change, row.workspace, row.number)?;
            change.run(
                "delete a source",
                "UPDATE sources SET deleted_at = ?2, updated_at = ?2 WHERE number = ?1",
                params![row.number, change.at.0],
            )?;
            change.note("Source Deleted", &row.resourced(), Some(row.shown()), None)
        })?;
        Ok(())
    }

    /// What the logs' source numbers stand for in a workspace, deleted sources too, in the order of their numbers.
    pub fn source_names(&self, workspace: &WorkspaceId) -> Result<Vec<SourceName>, StoreError> {
        self.read("read the names of sources", |db| {
            db.prepare_cached(
                "SELECT s.number, s.id, s.slug, s.deleted_at IS NOT NULL
                 FROM sources s JOIN workspaces w ON w.number = s.workspace WHERE w.id = ?1 ORDER BY s.number",
            )?
            .query_map([workspace.as_str()], |row| {
                Ok(SourceName {
                    number: SourceNumber(row.get(0)?),
                    id: SourceId::new(row.get::<_, String>(1)?),
                    slug: row.get(2)?,
                    deleted: row.get(3)?,
                })
            })?
            .collect()
        })
    }
}

/// Makes a source in the workspace with this number.
pub(crate) fn insert(change: &Change<'_>, workspace: u32, new: &NewSource) -> Result<SourceId, ControlError> {
    let region = &change.inner.region;
    let slug = text::slug("slug", &new.slug)?;
    refuse_taken_slug(change, workspace, &slug)?;
    let mut row = SourceRow {
        number: 0,
        id: id::new_id(&*change.inner.world.random),
        workspace,
        name: text::name("name", new.name.as_deref().unwrap_or(&slug))?,
        slug,
        kind: new.kind.as_str().to_owned(),
        enabled: new.enabled,
        ingestion_region: match &new.ingestion_region {
            Some(point) => checked_point(region, point)?,
            None => region.ingest.first().map(|point| point.name.to_string()).unwrap_or_default(),
        },
        strict: new.strict,
        rate_limit: new.rate_limit.map(checked_rate).transpose()?,
    };
    change.run(
        "make a source",
        "INSERT INTO sources (id, workspace, slug, name, kind, enabled, ingestion_region, strict, rate_per_second,
                              rate_burst, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
        params![
            row.id,
            row.workspace,
            row.slug,
            row.name,
            row.kind,
            row.enabled,
            row.ingestion_region,
            row.strict,
            row.rate_limit.map(|limit| limit.per_second),
            row.rate_limit.map(|limit| limit.burst),
            change.at.0,
        ],
    )?;
    row.number = u32::try_from(change.db.last_insert_rowid()).map_err(|_| ControlError::Conflict {
        what: "the cell has given out all its source numbers".to_owned(),
        mend: "make the source in another cell".to_owned(),
    })?;
    write_key::insert(change, row.number)?;
    change.note("Source Created", &row.resourced(), None, Some(row.shown()))?;
    Ok(SourceId::new(row.id))
}

fn update(change: &Change<'_>, before: &SourceRow, to: &SourceChange) -> Result<(), ControlError> {
    let mut after = before.clone();
    if let Some(slug) = &to.slug {
        after.slug = text::slug("slug", slug)?;
        if after.slug != before.slug {
            refuse_taken_slug(change, before.workspace, &after.slug)?;
        }
    }
    if let Some(name) = &to.name {
        after.name = text::name("name", name)?;
    }
    if let Some(point) = &to.ingestion_region {
        after.ingestion_region = checked_point(&change.inner.region, point)?;
    }
    if let Some(limit) = to.rate_limit {
        after.rate_limit = limit.map(checked_rate).transpose()?;
    }
    after.enabled = to.enabled.unwrap_or(after.enabled);
    after.strict = to.strict.unwrap_or(after.strict);
    if after == *before {
        return Ok(());
    }
    change.run(
        "change a source",
        "UPDATE sources SET slug = ?2, name = ?3, enabled = ?4, ingestion_region = ?5, strict = ?6,
                            rate_per_second = ?7, rate_burst = ?8, updated_at = ?9 WHERE number = ?1",
        params![
            after.number,
            after.slug,
            after.name,
            after.enabled,
            after.ingestion_region,
            after.strict,
            after.rate_limit.map(|limit| limit.per_second),
            after.rate_limit.map(|limit| limit.burst),
            change.at.0,
        ],
    )?;
    let only_switched = SourceRow { enabled: before.enabled, ..after.clone() } == *before;
    let kind = match (only_switched, after.enabled) {
        (true, true) => "Source Enabled",
        (true, false) => "Source Disabled",
        (false, _) => "Source Modified",
    };
    change.note(kind, &after.resourced(), Some(before.shown()), Some(after.shown()))
}

/// A source's row, as far as it can change.
#[derive(Clone, PartialEq)]
pub(crate) struct SourceRow {
    pub(crate) number: u32,
    pub(crate) id: String,
    pub(crate) workspace: u32,
    slug: String,
    name: String,
    kind: String,
    enabled: bool,
    ingestion_region: String,
    strict: bool,
    rate_limit: Option<RateLimit>,
}

impl SourceRow {
    pub(crate) fn resourced(&self) -> Resourced<'_> {
        Resourced { workspace: self.workspace, resource: Resource::Source, id: &self.id, name: &self.name }
    }

    /// As the audit trail shows it.
    fn shown(&self) -> Value {
        json!({
            "slug": self.slug,
            "name": self.name,
            "metadataId": self.kind,
            "enabled": self.enabled,
            "ingestionRegion": self.ingestion_region,
            "strict": self.strict,
            "rateLimit": self.rate_limit.map(|limit| json!({ "perSecond": limit.per_second, "burst": limit.burst })),
        })
    }
}

/// The source of a workspace that is not deleted.
pub(crate) fn find(change: &Change<'_>, workspace: &WorkspaceId, id: &SourceId) -> Result<SourceRow, ControlError> {
    let workspace = change.workspace(workspace)?;
    change
        .db
        .query_row(
            "SELECT number, id, slug, name, kind, enabled, ingestion_region, strict, rate_per_second, rate_burst
             FROM sources WHERE id = ?1 AND workspace = ?2 AND deleted_at IS NULL",
            params![id.as_str(), workspace],
            |row| {
                let rate: (Option<u32>, Option<u32>) = (row.get(8)?, row.get(9)?);
                Ok(SourceRow {
                    number: row.get(0)?,
                    id: row.get(1)?,
                    workspace,
                    slug: row.get(2)?,
                    name: row.get(3)?,
                    kind: row.get(4)?,
                    enabled: row.get(5)?,
                    ingestion_region: row.get(6)?,
                    strict: row.get(7)?,
                    rate_limit: rate.0.zip(rate.1).map(|(per_second, burst)| RateLimit { per_second, burst }),
                })
            },
        )
        .optional()
        .map_err(|e| change.sql("find a source", e))?
        .ok_or(ControlError::NotFound(Resource::Source))
}

fn refuse_taken_slug(change: &Change<'_>, workspace: u32, slug: &str) -> Result<(), ControlError> {
    let taken = change
        .db
        .query_row(
            "SELECT 1 FROM sources WHERE workspace = ?1 AND slug = ?2 AND deleted_at IS NULL",
            params![workspace, slug],
            |_| Ok(()),
        )
        .optional()
        .map_err(|e| change.sql("look for a slug", e))?;
    match taken {
        Some(()) => Err(ControlError::Conflict {
            what: format!("the workspace has a source with the slug `{slug}`"),
            mend: "choose another slug".to_owned(),
        }),
        None => Ok(()),
    }
}

fn checked_point(region: &Region, point: &PointName) -> Result<String, ControlError> {
    if region.ingest.iter().any(|offered| offered.name == *point) {
        return Ok(point.to_string());
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
