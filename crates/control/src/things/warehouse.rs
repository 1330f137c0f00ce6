//! Warehouses: databases of the customer's that events are to be synced into, and what of which source.
//!
//! - Settings are those of the catalog's entry; its secrets are sealed and never read back. `country` says where the host
//!   is: the border asks for it.
//! - A password goes only where it was given for: with another host, port or user name it has to be given anew.
//! - A new warehouse is connected to all sources and a new source to all warehouses, unless that is said otherwise, as far
//!   as the roles of who makes it reach both.
//! - Nothing is synced yet: connections, schedules and selections are kept for the version that does.

use crate::audit::Resourced;
use crate::change::Change;
use crate::db::values;
use crate::offer::catalog_entry;
use crate::role::{Area, Grants, Level};
use crate::thing::{Kept, Thing};
use crate::things::sync::{SyncSchedule, SyncSelection};
use crate::view::View;
use crate::{ControlError, Resource, SourceRecord, text};
use domicile_catalog::{Entry, Kind, SettingFault, SettingType};
use domicile_workspace::{SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Warehouses of a workspace.
const WAREHOUSES_MAX: u64 = 100;
/// Sources that the audit trail names when all are connected; beside them it has their number.
const NOTED_MAX: usize = 20;
/// From a warehouse to a source; the link's body is a [`SyncSelection`].
pub(crate) const LINK: &str = "warehouse-source";
/// What says to whom a secret is sent, and as whom.
const ADDRESS: [&str; 3] = ["hostname", "port", "username"];

/// A warehouse. It has no `Debug`: it holds a password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Warehouse {
    /// The catalog's slug.
    pub catalog: String,
    pub name: String,
    pub enabled: bool,
    /// What may be read back.
    pub settings: Map<String, Value>,
    #[serde(skip)]
    pub secrets: Map<String, Value>,
    /// At which hours it is to be synced; `None`: as the cell does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<SyncSchedule>,
}

/// A warehouse to be made.
#[derive(Clone)]
pub struct NewWarehouse {
    /// The id or slug of a warehouse of the catalog.
    pub catalog: String,
    /// `None`: the catalog's.
    pub name: Option<String>,
    pub enabled: bool,
    pub settings: Map<String, Value>,
}

/// What to change of a warehouse; `None` leaves it.
#[derive(Clone, Default)]
pub struct WarehouseChange {
    /// `Some(None)`: the catalog's name.
    pub name: Option<Option<String>>,
    pub enabled: Option<bool>,
    /// What is not named stays; null takes a setting away.
    pub settings: Option<Map<String, Value>>,
}

impl Warehouse {
    /// A warehouse of the catalog with these settings, not checked yet.
    ///
    /// # Errors
    /// `Invalid` for a kind that is not in the catalog, and for one whose settings are not known: which of them are
    /// secret is not known either.
    pub fn new(metadata_id: &str, settings: &Map<String, Value>) -> Result<Self, ControlError> {
        let entry = entry_of(metadata_id)?;
        if entry.settings.is_none() {
            let what = format!("names `{}`, and {}", entry.slug, why_not(entry));
            return Err(ControlError::invalid("metadataId", what, "choose `postgres`"));
        }
        let mut warehouse = Self {
            catalog: entry.slug.clone(),
            name: entry.name.clone(),
            enabled: true,
            settings: Map::new(),
            secrets: Map::new(),
            schedule: None,
        };
        warehouse.lay(entry, settings);
        Ok(warehouse)
    }

    /// The entry of the catalog that it is one of.
    pub fn entry(&self) -> Result<&'static Entry, ControlError> {
        entry_of(&self.catalog)
    }

    /// All settings, secrets too. They never go into an answer.
    pub(crate) fn all_settings(&self) -> Map<String, Value> {
        self.settings.iter().chain(&self.secrets).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Lays settings over those that there are.
    fn lay(&mut self, entry: &Entry, given: &Map<String, Value>) {
        for (name, value) in given {
            // Segment shows the name among the settings: what was read can be written back.
            if name == "name" && entry.setting(name).is_none() {
                if let Some(text) = value.as_str() {
                    self.name = text.to_owned();
                }
                continue;
            }
            self.settings.remove(name);
            self.secrets.remove(name);
            let secret =
                |setting: &domicile_catalog::Setting| setting.secret || setting.setting_type == SettingType::Password;
            let kept = if entry.setting(name).is_some_and(secret) { &mut self.secrets } else { &mut self.settings };
            if !value.is_null() {
                kept.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Refuses to send a secret that was given for one server to another.
fn refuse_moved_secrets(before: &Warehouse, after: &Warehouse, given: &Map<String, Value>) -> Result<(), ControlError> {
    let Some(moved) = ADDRESS.iter().find(|name| before.settings.get(**name) != after.settings.get(**name)) else {
        return Ok(());
    };
    match after.secrets.keys().find(|name| before.secrets.contains_key(*name) && !given.contains_key(*name)) {
        None => Ok(()),
        Some(secret) => Err(ControlError::invalid(
            format!("settings.{secret}"),
            format!("was given for another `{moved}`"),
            "give it anew in the same change, so that it goes to no server that it is not for",
        )),
    }
}

fn entry_of(metadata_id: &str) -> Result<&'static Entry, ControlError> {
    catalog_entry(Kind::Warehouse, metadata_id)
}

pub(crate) fn why_not(entry: &Entry) -> String {
    entry.why_not_ready().unwrap_or_else(|| "its connector does not exist yet".to_owned())
}

impl Thing for Warehouse {
    const KIND: &'static str = "warehouse";
    /// Segment's word.
    const AUDIT: &'static str = "Storage Destination";
    const RESOURCE: Resource = Resource::Warehouse;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("name", &self.name)?;
        let entry = self.entry()?;
        let all = self.all_settings();
        if let Err(faults) = entry.check_settings(&all) {
            let fault = faults.into_iter().next();
            let SettingFault { setting, what, mend } = fault.unwrap_or_else(|| SettingFault {
                setting: String::new(),
                what: "can't be taken".to_owned(),
                mend: "see the catalog".to_owned(),
            });
            let dot = if setting.is_empty() { "" } else { "." };
            return Err(ControlError::invalid(format!("settings{dot}{setting}"), what, mend));
        }
        if let Some(missing) = entry.missing_settings(&all).first() {
            let mend = format!("give a {}", missing.setting_type.as_str());
            return Err(ControlError::invalid(format!("settings.{}", missing.name), "is missing", mend));
        }
        self.schedule.as_ref().map_or(Ok(()), SyncSchedule::check)
    }

    fn take_secrets(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.secrets)
    }

    fn put_secrets(&mut self, secrets: Map<String, Value>) {
        self.secrets = secrets;
    }
}

impl Change<'_> {
    /// Makes a warehouse.
    ///
    /// # Errors
    /// `Invalid` for a kind that can't be used in this region, and for settings that the kind does not take or that are
    /// missing; `Conflict` when there are too many.
    pub fn create_warehouse(
        &mut self,
        workspace: &WorkspaceId,
        new: &NewWarehouse,
    ) -> Result<Kept<Warehouse>, ControlError> {
        let mut warehouse = Warehouse::new(&new.catalog, &new.settings)?;
        self.check_offered(warehouse.entry()?)?;
        warehouse.enabled = new.enabled;
        if let Some(name) = &new.name {
            warehouse.name = text::name("name", name)?;
        }
        if self.count_things::<Warehouse>(workspace, None)? >= WAREHOUSES_MAX {
            return Err(ControlError::Conflict {
                what: format!("a workspace has at most {WAREHOUSES_MAX} warehouses"),
                mend: "delete one that is not needed".to_owned(),
            });
        }
        self.create_thing(workspace, None, warehouse)
    }

    /// Changes a warehouse.
    ///
    /// # Errors
    /// `Invalid` for settings that the kind does not take, and for a secret that would be kept while the server or the
    /// user that it was given for changes.
    pub fn update_warehouse(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
        to: &WarehouseChange,
    ) -> Result<Kept<Warehouse>, ControlError> {
        self.update_thing::<Warehouse>(workspace, id, if_version, |warehouse| {
            let entry = warehouse.entry()?;
            if let Some(settings) = &to.settings {
                let before = warehouse.clone();
                warehouse.lay(entry, settings);
                refuse_moved_secrets(&before, warehouse, settings)?;
            }
            match &to.name {
                Some(Some(name)) => warehouse.name = text::name("name", name)?,
                Some(None) => warehouse.name.clone_from(&entry.name),
                None => {}
            }
            warehouse.enabled = to.enabled.unwrap_or(warehouse.enabled);
            Ok(())
        })
    }

    /// Connects a source to a warehouse. One that is connected already stays as it is.
    pub fn connect_warehouse(
        &mut self,
        workspace: &WorkspaceId,
        warehouse: &str,
        source: &SourceId,
    ) -> Result<(), ControlError> {
        let (kept, source) = (self.thing::<Warehouse>(workspace, warehouse)?, self.source(workspace, source)?);
        let ends = (kept.id.as_str(), source.id.as_str());
        if self.linked(workspace, LINK, ends)?.is_none() {
            self.link(workspace, LINK, ends, None)?;
            self.note_connection(workspace, &kept, source.id.as_str(), "connected")?;
        }
        Ok(())
    }

    /// # Errors
    /// `NotFound` when the two are not connected.
    pub fn disconnect_warehouse(
        &mut self,
        workspace: &WorkspaceId,
        warehouse: &str,
        source: &SourceId,
    ) -> Result<(), ControlError> {
        let kept = self.thing::<Warehouse>(workspace, warehouse)?;
        if !self.unlink(workspace, LINK, (&kept.id, source.as_str()))? {
            return Err(ControlError::NotFound(Resource::Source));
        }
        self.note_connection(workspace, &kept, source.as_str(), "disconnected")
    }

    fn note_connection(
        &mut self,
        workspace: &WorkspaceId,
        kept: &Kept<Warehouse>,
        source: &str,
        what: &str,
    ) -> Result<(), ControlError> {
        let mut after = Map::new();
        after.insert(format!("{what}Source"), json!(source));
        self.note_warehouse(workspace, kept, Value::Object(after))
    }

    fn note_warehouse(
        &mut self,
        workspace: &WorkspaceId,
        kept: &Kept<Warehouse>,
        after: Value,
    ) -> Result<(), ControlError> {
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::Warehouse, id: &kept.id, name: &kept.value.name };
        self.note("Storage Destination Modified", &of, None, Some(after))
    }

    /// Connects a warehouse that was just made to the sources that `grants` may change.
    pub fn connect_all_sources(
        &mut self,
        workspace: &WorkspaceId,
        warehouse: &Kept<Warehouse>,
        grants: &Grants,
    ) -> Result<(), ControlError> {
        let mut ids: Vec<String> = self.all(
            "read the sources of a workspace",
            "SELECT id FROM sources WHERE workspace = ?1 AND deleted_at IS NULL ORDER BY number",
            values![self.workspace_number(workspace)?],
            |row| row.get(0),
        )?;
        let reach = grants.reach(Area::Source, Level::Admin);
        if reach.is_whole() {
            self.link_all_sources(workspace, LINK, &warehouse.id)?;
        } else {
            let labels = self.labels_of_sources(workspace)?;
            ids.retain(|id| reach.covers(id, labels.of(id)));
            for id in &ids {
                self.link(workspace, LINK, (&warehouse.id, id), None)?;
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let count = ids.len();
        ids.truncate(NOTED_MAX);
        self.note_warehouse(workspace, warehouse, json!({ "connected": count, "connectedSources": ids }))
    }

    /// Connects a source that was just made to the warehouses that `grants` may change.
    pub fn connect_all_warehouses(
        &mut self,
        workspace: &WorkspaceId,
        source: &SourceRecord,
        grants: &Grants,
    ) -> Result<(), ControlError> {
        let reach = grants.reach(Area::Warehouse, Level::Admin);
        let all = self.all_things::<Warehouse>(workspace, None)?;
        let ids: Vec<String> = all.into_iter().map(|kept| kept.id).filter(|id| reach.covers(id, &[])).collect();
        for id in &ids {
            self.link(workspace, LINK, (id, source.id.as_str()), None)?;
        }
        match ids.is_empty() {
            true => Ok(()),
            false => {
                let after = json!({ "connectedWarehouses": ids });
                self.note("Source Modified", &source.resourced(), None, Some(after))
            }
        }
    }

    /// Changes what is synced of a source that is connected. Gives whether anything changed.
    pub fn select_syncs(
        &mut self,
        workspace: &WorkspaceId,
        warehouse: &str,
        source: &str,
        selection: &SyncSelection,
    ) -> Result<bool, ControlError> {
        let kept = self.thing::<Warehouse>(workspace, warehouse)?;
        let ends = (kept.id.as_str(), source);
        let before = self.linked(workspace, LINK, ends)?.ok_or(ControlError::NotFound(Resource::Source))?;
        let body = selection.body()?;
        if before.body == body {
            return Ok(false);
        }
        self.link(workspace, LINK, ends, body.as_ref())?;
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::Warehouse, id: &kept.id, name: &kept.value.name };
        let shown = |body: Option<Value>| Some(json!({ "source": source, "selectiveSync": body }));
        self.note("Storage Destination Modified", &of, shown(before.body), shown(body))?;
        Ok(true)
    }
}

impl View<'_> {
    /// The ids of the sources that a warehouse is connected to, in the order in which the sources were made.
    pub fn sources_of_warehouse(&self, workspace: &WorkspaceId, warehouse: &str) -> Result<Vec<String>, ControlError> {
        let kept = self.thing::<Warehouse>(workspace, warehouse)?;
        self.all(
            "read the sources of a warehouse",
            "SELECT s.id FROM links l JOIN sources s ON s.id = l.b AND s.deleted_at IS NULL
             WHERE l.workspace = ?1 AND l.kind = ?2 AND l.a = ?3 AND l.undone = 0 ORDER BY s.number",
            values![self.workspace_number(workspace)?, LINK, kept.id],
            |row| row.get(0),
        )
    }

    /// The ids of the warehouses that a source is connected to, oldest first.
    pub fn warehouses_of_source(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
    ) -> Result<Vec<String>, ControlError> {
        let source = self.source(workspace, source)?;
        self.all(
            "read the warehouses of a source",
            "SELECT t.id FROM links l JOIN things t ON t.id = l.a AND t.deleted_at IS NULL
             WHERE l.workspace = ?1 AND l.kind = ?2 AND l.b = ?3 AND l.undone = 0 ORDER BY t.number",
            values![self.workspace_number(workspace)?, LINK, source.id.as_str()],
            |row| row.get(0),
        )
    }

    /// What is synced of a source.
    ///
    /// # Errors
    /// `NotFound` when the two are not connected.
    pub fn selected_syncs(
        &self,
        workspace: &WorkspaceId,
        warehouse: &str,
        source: &str,
    ) -> Result<SyncSelection, ControlError> {
        let kept = self.thing::<Warehouse>(workspace, warehouse)?;
        let link = self.linked(workspace, LINK, (&kept.id, source))?;
        let link = link.ok_or(ControlError::NotFound(Resource::Source))?;
        let broken = || self.damaged(format!("warehouse {}: what is synced of {source}", kept.id));
        SyncSelection::read(link.body).ok_or_else(broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warehouse(settings: Value) -> Result<Warehouse, String> {
        let settings = settings.as_object().cloned().unwrap_or_default();
        let made = Warehouse::new("postgres", &settings).map_err(|error| error.to_string())?;
        made.check().map_err(|error| error.to_string())?;
        Ok(made)
    }

    fn whole() -> Value {
        json!({"hostname": "db.example", "port": 5432, "database": "d", "username": "u", "password": "geheim",
               "country": "CH"})
    }

    #[test]
    fn a_password_is_never_among_what_may_be_read_back() {
        let mut made = warehouse(whole()).expect("good settings");
        assert!(!serde_json::to_string(&made).expect("JSON").contains("geheim"));
        let secrets = made.take_secrets();
        assert_eq!(secrets.keys().collect::<Vec<_>>(), ["password"]);
        made.put_secrets(secrets);
        made.check().expect("whole again");
    }

    #[test]
    fn settings_that_are_missing_wrong_or_unknown_are_refused_by_name() {
        for (field, value, told) in [
            ("password", Value::Null, "settings.password: is missing"),
            ("hostname", Value::Null, "settings.hostname: is missing"),
            ("hostname", json!(7), "settings.hostname: is not a string"),
            ("port", json!("x"), "settings.port: is not a number"),
            ("country", json!("Switzerland"), "settings.country: is not a country"),
            ("ssl", json!(true), "settings.ssl: is no setting of `postgres`"),
        ] {
            let mut settings = whole();
            settings[field] = value;
            let error = warehouse(settings).err().unwrap_or_default();
            assert!(error.starts_with(told), "{error}");
        }
        assert!(Warehouse::new("snowflake", &Map::new()).is_err(), "which of its settings are secret is not known");
        assert!(Warehouse::new("no-such", &Map::new()).is_err());
    }

    #[test]
    fn settings_that_are_given_lie_over_those_that_were() {
        let mut made = warehouse(whole()).expect("good settings");
        let entry = made.entry().expect("an entry");
        let given = json!({"name": "Reports", "country": null, "password": "neu", "port": 6432});
        made.lay(entry, given.as_object().expect("an object"));
        assert_eq!((made.name.as_str(), made.secrets["password"].as_str()), ("Reports", Some("neu")));
        assert_eq!(
            Value::Object(made.settings),
            json!({"hostname": "db.example", "port": 6432, "database": "d", "username": "u"})
        );
    }
}
