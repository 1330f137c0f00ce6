//! A document against a workspace: what is matched with what, in which order it is written, and the plan that comes of it.
//!
//! 1. What the document lacks and is to go, of the kinds that nothing refers to.
//! 2. What it has, kind by kind, in the order of [`Kind`]: what is referred to comes first.
//! 3. What it lacks of the other kinds.
//!
//! All faults of all steps are gathered; with one, none of it is kept.

use super::fault::{ConfigurationError, ConfigurationFault, FaultKind, Faults, fault};
use super::matched::{Matched, is_as_wanted};
use super::plan::{self, Action, Plan, SecretChange, Step, Unlisted};
use super::present::{Here, Present};
use super::read::{Document, Item, join};
use super::residency;
use super::shape::Kind;
use super::write::{Unwritten, Writer};
use crate::db::values;
use crate::{Change, ControlError, Resource, View};
use domicile_event::Stamp;
use domicile_region::{Region, RegionId};
use domicile_workspace::WorkspaceId;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// A document to be applied.
pub struct ApplyConfiguration<'a> {
    pub document: &'a Map<String, Value>,
    /// Whether what the document's sections do not list is deleted.
    pub prune: bool,
    /// Only for this version of the workspace's configuration.
    pub if_version: Option<u64>,
    /// The paths of the values that stand outside the document: only there may a secret be. `None`: anywhere.
    pub referenced: Option<&'a HashSet<String>>,
    /// The other region that a write key names, if it names one.
    pub region_of_key: &'a dyn Fn(&str) -> Option<RegionId>,
}

impl View<'_> {
    /// The version of a workspace's configuration: that of the last change of anything in it.
    pub fn workspace_version(&self, workspace: &WorkspaceId) -> Result<u64, ControlError> {
        let number = self.workspace_number(workspace)?;
        let latest = ["sources", "destinations", "things", "links"]
            .map(|table| format!("SELECT max(version) AS version FROM {table} WHERE workspace = ?1"));
        let sql = format!(
            "SELECT max(version) FROM (SELECT version FROM workspaces WHERE number = ?1 UNION ALL {}) latest",
            latest.join(" UNION ALL ")
        );
        let version: Option<Option<u64>> =
            self.one("read a workspace's version", &sql, values![number], |row| row.get(0))?;
        Ok(version.flatten().unwrap_or(0))
    }
}

impl Change<'_> {
    /// Makes a workspace what a document says, and gives what that changed. Give an error to the store's change to see the
    /// plan only: nothing is kept then.
    ///
    /// # Errors
    /// All faults of the document, with the paths; `Stale` when the workspace has another version than the one named.
    pub fn apply_configuration(
        &mut self,
        workspace: &WorkspaceId,
        asked: &ApplyConfiguration<'_>,
    ) -> Result<Plan, ConfigurationError> {
        let version = self.workspace_version(workspace)?;
        if asked.if_version.is_some_and(|wanted| wanted != version) {
            return Err(ControlError::Stale { resource: Resource::Workspace, version }.into());
        }
        let mut faults = Faults::default();
        let first_point = self.region().ingest.first().map(|point| point.name.to_string()).unwrap_or_default();
        let document = Document::read(asked.document, &first_point, &mut faults);
        let name = self.check_workspace(workspace, &document, &mut faults)?;
        refuse_foreign_keys(&document, asked, &mut faults);
        // What follows would only tell the same once more.
        faults.close()?;
        if let Some(name) = name {
            self.rename_workspace(workspace, None, &name)?;
        }
        let present = self.present(workspace)?;
        let today = Stamp::of(self.now().0).day().to_owned();
        let mut applying = Applying {
            ids: present.things.iter().map(|here| ((here.kind, here.key.clone()), here.id.clone())).collect(),
            matched: Matched::of(&document, &present),
            failed: HashSet::new(),
            present,
            document,
            asked,
            today,
            region: self.region_of(workspace)?,
            workspace,
            change: self,
            faults: Faults::default(),
            plan: Plan { version, steps: Vec::new(), not_in_file: Vec::new() },
        };
        applying.run()?;
        applying.faults.close()?;
        Ok(applying.plan)
    }

    /// The name that the workspace is to get, if another than it has.
    fn check_workspace(
        &self,
        workspace: &WorkspaceId,
        document: &Document,
        faults: &mut Faults,
    ) -> Result<Option<String>, ControlError> {
        let record = self.workspace(workspace)?;
        let stated = |field: &str| document.workspace.get(field).and_then(Value::as_str);
        let mut refuse = |field: &str, what: String, why: &str, mend: String| {
            let (field, why) = (format!("workspace.{field}"), why.to_owned());
            faults.add(ConfigurationFault { field, what, why, mend, kind: FaultKind::Conflict });
        };
        let here = &self.region().id;
        if let Some(region) = stated("region").filter(|region| *region != here.as_str()) {
            refuse(
                "region",
                format!("is `{}`, and this workspace is in `{here}`", domicile_region::shown(region)),
                "the region of a workspace never changes, and what is right in one may break the rules of another",
                format!(
                    "apply it with the cell of that region, or write `{here}` once you have checked every destination"
                ),
            );
        }
        if let Some(slug) = stated("slug").filter(|slug| *slug != record.slug) {
            refuse(
                "slug",
                format!("is `{}`, and this workspace is `{}`", domicile_region::shown(slug), record.slug),
                "the file of one workspace would overwrite another",
                "use a token of that workspace; to apply the file to any workspace, remove the line".to_owned(),
            );
        }
        Ok(stated("name").filter(|name| *name != record.name).map(str::to_owned))
    }
}

/// A key that names another region is known by its ingest points as that region's: its events would be refused.
fn refuse_foreign_keys(document: &Document, asked: &ApplyConfiguration<'_>, faults: &mut Faults) {
    for item in &document.items {
        let keys = item.fields.get("writeKeys").and_then(Value::as_array).into_iter().flatten();
        for (n, key) in keys.enumerate() {
            let Some(region) = key.as_str().and_then(|key| (asked.region_of_key)(key)) else { continue };
            faults.add(ConfigurationFault {
                field: format!("{}.writeKeys.{n}", item.path),
                what: format!("is a write key of region `{region}`"),
                why: "a key's first letters name its region, and ingest points send its events there".to_owned(),
                mend: "leave it out: the source gets a key of this region".to_owned(),
                kind: FaultKind::Conflict,
            });
        }
    }
}

struct Applying<'c, 'a, 'b> {
    change: &'c mut Change<'a>,
    workspace: &'c WorkspaceId,
    asked: &'c ApplyConfiguration<'b>,
    document: Document,
    present: Present,
    matched: Matched,
    ids: HashMap<(Kind, String), String>,
    failed: HashSet<(Kind, String)>,
    today: String,
    /// With the workspace's own transfers.
    region: Region,
    faults: Faults,
    plan: Plan,
}

/// Nothing refers to these, and with their going room is made for what comes.
const LEAVES: [Kind; 4] = [Kind::Transformation, Kind::Subscription, Kind::Filter, Kind::Destination];
const OTHERS: [Kind; 5] = [Kind::Source, Kind::Function, Kind::Warehouse, Kind::TrackingPlan, Kind::Label];
const WRITTEN: [Kind; 10] = [
    Kind::Label,
    Kind::TrackingPlan,
    Kind::Warehouse,
    Kind::Function,
    Kind::Source,
    Kind::SchemaSettings,
    Kind::Destination,
    Kind::Filter,
    Kind::Subscription,
    Kind::Transformation,
];

impl Applying<'_, '_, '_> {
    fn run(&mut self) -> Result<(), ControlError> {
        for kind in LEAVES {
            self.clear(kind)?;
        }
        // The ids of what was written, by the place in the document.
        let mut written: HashMap<usize, String> = HashMap::new();
        for kind in WRITTEN {
            for place in 0..self.document.items.len() {
                if self.document.items[place].kind != kind {
                    continue;
                }
                if self.faults.are_enough() {
                    return Ok(());
                }
                let parent = match self.document.items[place].parent {
                    None => None,
                    Some(parent) => match written.get(&parent) {
                        Some(id) => Some(id.clone()),
                        // Its parent has a fault already.
                        None => continue,
                    },
                };
                if let Some(id) = self.item(place, parent.as_deref())? {
                    written.insert(place, id);
                }
            }
        }
        for kind in OTHERS {
            self.clear(kind)?;
        }
        Ok(())
    }

    /// Writes one thing of the document; gives its id, unless it has a fault.
    fn item(&mut self, place: usize, parent: Option<&str>) -> Result<Option<String>, ControlError> {
        let item = &self.document.items[place];
        let before = self.matched.here.get(&place).map(|place| &self.present.things[*place]);
        if let Some(before) = before.filter(|before| is_as_wanted(item, before, self.asked.prune)) {
            let literal = literal_secrets(item, before, self.asked);
            self.ids.insert((item.kind, item.key.clone()), before.id.clone());
            literal.into_iter().for_each(|fault| self.faults.add(fault));
            return Ok(Some(before.id.clone()));
        }
        if before.is_none() && item.kind == Kind::SchemaSettings && item.fields.is_empty() {
            return Ok(None);
        }
        let mut writer = Writer {
            change: &mut *self.change,
            workspace: self.workspace,
            present: &self.present,
            ids: std::mem::take(&mut self.ids),
            failed: &self.failed,
            prune: self.asked.prune,
        };
        let written = writer.write(item, before, parent);
        self.ids = writer.ids;
        match written {
            Ok(after) => {
                let literal = literal_secrets(item, &after, self.asked);
                literal.into_iter().for_each(|fault| self.faults.add(fault));
                let step = step(item, before, &after, |before, after| {
                    residency::notes(item.kind, before, after, &self.region, &self.today)
                });
                self.plan.steps.extend(step);
                Ok(Some(after.id))
            }
            Err(Unwritten::Refused(error @ ControlError::Store(_))) => Err(error),
            Err(unwritten) => {
                if let Unwritten::Refused(error) = unwritten {
                    self.faults.add(fault(item.kind, &item.path, error));
                }
                self.failed.insert((item.kind, item.key.clone()));
                Ok(None)
            }
        }
    }

    /// Deletes, or tells, what the document's sections of this kind do not list.
    fn clear(&mut self, kind: Kind) -> Result<(), ControlError> {
        for place in 0..self.present.things.len() {
            let here = &self.present.things[place];
            if here.kind != kind || self.matched.listed.contains(&place) {
                continue;
            }
            let parent = match &here.parent {
                None => None,
                // What goes with its parent is not told by itself.
                Some(id) => match self.matched.by_id.get(id) {
                    Some(parent) => Some(*parent),
                    None => continue,
                },
            };
            if !self.document.has_section(kind, parent) {
                continue;
            }
            let at = parent.map_or("", |parent| self.document.items[parent].path.as_str());
            let path = join(&join(at, kind.section()), &here.key);
            let name = here.name.clone();
            if !self.asked.prune {
                self.plan.not_in_file.push(Unlisted { kind, path, name });
                continue;
            }
            let mut writer = Writer {
                change: &mut *self.change,
                workspace: self.workspace,
                present: &self.present,
                ids: HashMap::new(),
                failed: &self.failed,
                prune: true,
            };
            match writer.delete(here) {
                Ok(()) => self.plan.steps.push(Step {
                    action: Action::Delete,
                    kind,
                    path,
                    name,
                    fields: Vec::new(),
                    secrets: Vec::new(),
                    residency: Vec::new(),
                }),
                Err(error @ ControlError::Store(_)) => return Err(error),
                Err(error) => self.faults.add(fault(kind, &path, error)),
            }
        }
        Ok(())
    }
}

/// Secrets that stand in the document itself, where they must not.
fn literal_secrets(item: &Item, here: &Here, asked: &ApplyConfiguration<'_>) -> Vec<ConfigurationFault> {
    let Some(referenced) = asked.referenced else { return Vec::new() };
    let given = here.secrets.keys().filter(|path| given(item, path).is_some());
    let literal = given.map(|path| join(&item.path, path)).filter(|path| !referenced.contains(path));
    literal
        .map(|field| ConfigurationFault {
            field,
            what: "is a secret and stands in the file".to_owned(),
            why: "files are copied, shown and kept in histories".to_owned(),
            mend: "write `${env:NAME}` or `${file:PATH}`, or leave it out to keep the one that is set".to_owned(),
            kind: FaultKind::Wrong,
        })
        .collect()
}

/// What an item gives at a path like `settings.sharedSecret`.
fn given<'a>(item: &'a Item, path: &str) -> Option<&'a Value> {
    let (field, name) = path.split_once('.')?;
    item.fields.get(field)?.get(name)
}

/// What was done to one thing; nothing when the store found nothing to change.
fn step(
    item: &Item,
    before: Option<&Here>,
    after: &Here,
    notes: impl FnOnce(Option<&Map<String, Value>>, &Map<String, Value>) -> Vec<String>,
) -> Option<Step> {
    let nothing = Map::new();
    let was = before.map_or(&nothing, |before| &before.fields);
    let mut fields = plan::difference(was, &after.fields);
    // The key that a new source gets is another one in each plan.
    fields.retain(|change| change.field != "writeKeys" || item.fields.contains_key("writeKeys"));
    let secrets: Vec<SecretChange> = after
        .secrets
        .iter()
        .filter(|(path, _)| given(item, path).is_some())
        .map(|(path, is)| SecretChange {
            field: path.clone(),
            changed: before.and_then(|before| before.secrets.get(path)) != Some(is),
        })
        .collect();
    // A label that every workspace has is made by nobody.
    let is_made = before.is_none() && !after.id.is_empty();
    if !is_made && fields.is_empty() && secrets.iter().all(|secret| !secret.changed) {
        return None;
    }
    Some(Step {
        action: if before.is_some() || item.kind == Kind::SchemaSettings { Action::Change } else { Action::Create },
        kind: item.kind,
        path: item.path.clone(),
        name: item.name.clone(),
        residency: notes(before.map(|before| &before.fields), &after.fields),
        fields,
        secrets,
    })
}
