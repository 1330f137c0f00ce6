//! One thing of a document, into the store: made, changed or deleted by the rules that hold for everybody.

mod source;

use super::present::{self, Here, Present};
use super::read::Item;
use super::shape::Kind;
use crate::{
    BUILT_IN_LABELS, Change, ControlError, DestinationChange, Filter, Function, FunctionChange, Kept, Label,
    LabelValue, NewDestination, NewFunction, NewWarehouse, PlanKind, Rule, Subscription, TrackingPlan, Transformation,
    Warehouse, WarehouseChange,
};
use domicile_catalog::{Catalog, Detail, Kind as CatalogKind};
use domicile_workspace::{DestinationId, SourceId, WorkspaceId};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// Writes into one workspace.
pub(crate) struct Writer<'c, 'a> {
    pub(crate) change: &'c mut Change<'a>,
    pub(crate) workspace: &'c WorkspaceId,
    pub(crate) present: &'c Present,
    /// The ids of what a document's names stand for: what is there, and what was made.
    pub(crate) ids: HashMap<(Kind, String), String>,
    /// What the document has and could not be written.
    pub(crate) failed: &'c HashSet<(Kind, String)>,
    /// Whether write keys and connections that the document does not list are taken away.
    pub(crate) prune: bool,
}

/// Why a thing was not written.
pub(crate) enum Unwritten {
    Refused(ControlError),
    /// What it refers to was not: that is told there.
    Elsewhere,
}

impl From<ControlError> for Unwritten {
    fn from(error: ControlError) -> Self {
        Self::Refused(error)
    }
}

impl Writer<'_, '_> {
    /// The id of what a document calls `name`. `field` is where it does.
    fn id_of(&self, kind: Kind, name: &str, field: &str) -> Result<String, Unwritten> {
        let named = (kind, name.to_owned());
        if self.failed.contains(&named) {
            return Err(Unwritten::Elsewhere);
        }
        self.ids.get(&named).cloned().ok_or_else(|| {
            let what = format!("names no {} of the document or the workspace", kind.word());
            ControlError::invalid(field, what, format!("name one of `{}`, or leave it out", kind.section())).into()
        })
    }

    /// Makes or changes the thing that `item` wants; gives it as the store has it then. `parent`: an id.
    ///
    /// # Errors
    /// What the rules of the kind refuse; fields are named as the API names them.
    pub(crate) fn write(&mut self, item: &Item, here: Option<&Here>, parent: Option<&str>) -> Result<Here, Unwritten> {
        let parent = parent.unwrap_or_default();
        let (id, fields, secrets) = match item.kind {
            Kind::Label => self.label(item, here)?,
            Kind::TrackingPlan => self.tracking_plan(item, here)?,
            Kind::Warehouse => self.warehouse(item, here)?,
            Kind::Function => self.function(item, here)?,
            Kind::Source => self.source(item, here)?,
            Kind::SchemaSettings => self.schema_settings(item, parent)?,
            Kind::Destination => self.destination(item, here, parent)?,
            Kind::Filter => self.filter(item, here, parent)?,
            Kind::Subscription => self.subscription(item, here, parent)?,
            Kind::Transformation => self.transformation(item, here)?,
        };
        self.ids.insert((item.kind, item.key.clone()), id.clone());
        let parent = (!parent.is_empty()).then(|| parent.to_owned());
        let (name, key) = (item.name.clone(), item.key.clone());
        Ok(Here { kind: item.kind, id, parent, key, name, ordinal: item.ordinal, fields, secrets })
    }

    pub(crate) fn delete(&mut self, here: &Here) -> Result<(), ControlError> {
        let (workspace, id) = (self.workspace, here.id.as_str());
        match here.kind {
            Kind::Label => self.change.delete_label(workspace, &label_value(&here.key)),
            Kind::TrackingPlan => self.change.delete_tracking_plan(workspace, id, None),
            Kind::Warehouse => self.change.delete_thing::<Warehouse>(workspace, id, None),
            Kind::Function => self.change.delete_function(workspace, id, None),
            Kind::Source => self.change.delete_source(workspace, &SourceId::new(id), None),
            // They go with their source.
            Kind::SchemaSettings => Ok(()),
            Kind::Destination => self.change.delete_destination(workspace, &DestinationId::new(id), None),
            Kind::Filter => self.change.delete_thing::<Filter>(workspace, id, None),
            Kind::Subscription => self.change.delete_thing::<Subscription>(workspace, id, None),
            Kind::Transformation => self.change.delete_thing::<Transformation>(workspace, id, None),
        }
    }

    fn label(&mut self, item: &Item, here: Option<&Here>) -> Result<Written, Unwritten> {
        let LabelValue { key, value } = label_value(&item.key);
        if BUILT_IN_LABELS.contains(&(key.as_str(), value.as_str())) {
            return Ok((String::new(), Map::new(), Map::new()));
        }
        let label = Label { key, value, description: text(item, "description") };
        let kept = match here {
            None => self.change.create_label(self.workspace, label)?,
            Some(here) => self.change.update_thing(self.workspace, &here.id, None, replace(label))?,
        };
        Ok((kept.id, present::label_fields(&kept.value), Map::new()))
    }

    fn tracking_plan(&mut self, item: &Item, here: Option<&Here>) -> Result<Written, Unwritten> {
        let kind: PlanKind = typed(item, "type")?;
        let (name, description) = (item.name.clone(), text(item, "description"));
        let kept = match here {
            None => {
                let plan = TrackingPlan { name, description, kind, revision: 0 };
                self.change.create_tracking_plan(self.workspace, plan)?
            }
            Some(here) => self.change.update_thing(self.workspace, &here.id, None, |plan: &mut TrackingPlan| {
                (plan.name, plan.description, plan.kind) = (name, description, kind);
                Ok(())
            })?,
        };
        let rules: Vec<Rule> = match item.fields.get("rules") {
            Some(_) => typed(item, "rules")?,
            None => Vec::new(),
        };
        self.change.replace_rules(self.workspace, &kept.id, None, rules)?;
        let rules: Vec<Rule> =
            self.change.rules_of(self.workspace, &kept.id)?.into_iter().map(|kept| kept.value).collect();
        Ok((kept.id, present::plan_fields(&kept.value, &rules), Map::new()))
    }

    fn warehouse(&mut self, item: &Item, here: Option<&Here>) -> Result<Written, Unwritten> {
        let metadata_id = text(item, "type").unwrap_or_default();
        let (name, enabled) = (Some(item.name.clone()), flag(item, "enabled"));
        let kept = match here {
            None => {
                let settings = map(item, "settings");
                let new = NewWarehouse { catalog: metadata_id, name, enabled, settings };
                self.change.create_warehouse(self.workspace, &new)?
            }
            Some(here) => {
                refuse_other_type(here, CatalogKind::Warehouse, &metadata_id)?;
                let settings = Some(laid_over(here, &map(item, "settings")));
                let to = WarehouseChange { name: Some(name), enabled: Some(enabled), settings };
                self.change.update_warehouse(self.workspace, &here.id, None, &to)?
            }
        };
        let fields = present::warehouse_fields(&kept.value);
        Ok((kept.id, fields, present::below("settings", kept.value.secrets)))
    }

    fn function(&mut self, item: &Item, here: Option<&Here>) -> Result<Written, Unwritten> {
        let mut settings = item.fields.get("settings").cloned().unwrap_or_else(|| json!([]));
        let before = here.map(|here| self.change.thing::<Function>(self.workspace, &here.id)).transpose()?;
        let before = before.map(|kept| kept.value.settings).unwrap_or_default();
        for setting in settings.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            // What a document does not say must not show what is sealed.
            let named = setting.get("name").and_then(Value::as_str);
            let sensitive = before.iter().any(|before| named == Some(&before.name) && before.sensitive);
            setting.entry("description").or_insert_with(|| json!(""));
            setting.entry("required").or_insert(Value::Bool(false));
            setting.entry("sensitive").or_insert(Value::Bool(sensitive));
        }
        let settings = serde_json::from_value(settings).map_err(|_| unfit("settings"))?;
        let code = text(item, "code").unwrap_or_default();
        let (description, logo_url) = (text(item, "description"), text(item, "logoUrl"));
        let kept = match here {
            None => {
                let resource_type = typed(item, "type")?;
                let new = NewFunction {
                    display_name: item.name.clone(),
                    description,
                    logo_url,
                    resource_type,
                    code,
                    settings,
                };
                self.change.create_function(self.workspace, new)?
            }
            Some(here) => {
                if here.fields.get("type") != item.fields.get("type") {
                    return Err(never_changes("function").into());
                }
                let to = FunctionChange { code: Some(code), settings: Some(settings), ..FunctionChange::default() };
                self.change.update_function(self.workspace, &here.id, None, to)?;
                // Unlike the API's change, a document can take these away.
                self.change.update_thing(self.workspace, &here.id, None, |function: &mut Function| {
                    (function.description, function.logo_url) = (description, logo_url);
                    Ok(())
                })?
            }
        };
        Ok((kept.id, present::function_fields(&kept.value), Map::new()))
    }

    fn destination(&mut self, item: &Item, here: Option<&Here>, source: &str) -> Result<Written, Unwritten> {
        let metadata_id = text(item, "type").unwrap_or_default();
        let (name, enabled) = (Some(item.name.clone()), flag(item, "enabled"));
        let settings = map(item, "settings");
        let record = match here {
            None => {
                let new =
                    NewDestination { source: SourceId::new(source), catalog: metadata_id, name, enabled, settings };
                self.change.create_destination(self.workspace, &new)?
            }
            Some(here) => {
                refuse_other_type(here, CatalogKind::Destination, &metadata_id)?;
                let settings = Some(laid_over(here, &settings));
                let to = DestinationChange { name: Some(name), enabled: Some(enabled), settings };
                self.change.update_destination(self.workspace, &DestinationId::new(here.id.as_str()), None, &to)?
            }
        };
        let secrets = match record.secrets.is_empty() {
            true => Map::new(),
            false => self.change.destination_secrets(self.workspace, &record.id)?,
        };
        Ok((record.id.to_string(), present::destination_fields(&record), present::below("settings", secrets)))
    }

    fn filter(&mut self, item: &Item, here: Option<&Here>, destination: &str) -> Result<Written, Unwritten> {
        let filter = Filter {
            title: item.name.clone(),
            description: text(item, "description"),
            condition: text(item, "if").unwrap_or_default(),
            actions: typed(item, "actions")?,
            enabled: flag(item, "enabled"),
        };
        let kept = match here {
            None => self.change.create_filter(self.workspace, &DestinationId::new(destination), filter)?,
            Some(here) => self.change.update_thing(self.workspace, &here.id, None, replace(filter))?,
        };
        Ok((kept.id, present::filter_fields(&kept.value), Map::new()))
    }

    fn subscription(&mut self, item: &Item, here: Option<&Here>, destination: &str) -> Result<Written, Unwritten> {
        let wanted = text(item, "action").unwrap_or_default();
        let of = self.change.destination(self.workspace, &DestinationId::new(destination))?;
        let entry = Catalog::get().find(CatalogKind::Destination, &of.kind);
        let slug = wanted.strip_prefix(&format!("{}.", of.kind)).unwrap_or(&wanted);
        let action = match entry.map(|entry| &entry.detail) {
            Some(Detail::Destination(detail)) => detail.actions.iter().find(|action| action.slug == slug),
            _ => None,
        };
        let Some(action) = action else {
            let what = format!("is no action of `{}`", of.kind);
            let mend = "`domicile catalog` shows a destination's actions";
            return Err(ControlError::invalid("actionId", what, mend).into());
        };
        let before = here.map(|here| self.change.thing::<Subscription>(self.workspace, &here.id)).transpose()?;
        let subscription = Subscription {
            name: item.name.clone(),
            // As the API makes it.
            action_id: format!("{}.{}", of.kind, action.slug),
            action_slug: action.slug.clone(),
            enabled: flag(item, "enabled"),
            settings: map(item, "settings"),
            trigger: text(item, "trigger").unwrap_or_default(),
            // Reverse ETL is no part of a document: what there is of it stays.
            model_id: before.as_ref().and_then(|kept| kept.value.model_id.clone()),
            schedule: before.as_ref().and_then(|kept| kept.value.schedule.clone()),
        };
        let kept: Kept<Subscription> = match before {
            None => self.change.create_thing(self.workspace, Some(destination), subscription)?,
            Some(kept) => self.change.update_thing(self.workspace, &kept.id, None, replace(subscription))?,
        };
        Ok((kept.id, present::subscription_fields(&kept.value), Map::new()))
    }

    fn transformation(&mut self, item: &Item, here: Option<&Here>) -> Result<Written, Unwritten> {
        let mut body = item.fields.clone();
        let slug = text(item, "source").unwrap_or_default();
        let source = self.id_of(Kind::Source, &slug, "sourceId")?;
        drop(body.remove("source"));
        body.insert("sourceId".to_owned(), Value::String(source));
        if let Some(destination) = body.remove("destination") {
            body.insert("destinationMetadataId".to_owned(), destination);
        }
        let mut transformation: Transformation = serde_json::from_value(Value::Object(body)).map_err(|_| unfit(""))?;
        // A secret that the document leaves out stays.
        if let (Some(hash), Some(here)) = (&mut transformation.hash_properties_configuration, here) {
            let kept = here.secrets.get("hashPropertiesConfiguration.key").and_then(Value::as_str);
            hash.key = hash.key.take().or_else(|| kept.map(str::to_owned));
        }
        let kept = match here {
            None => self.change.create_transformation(self.workspace, transformation)?,
            Some(here) => self.change.update_transformation(self.workspace, &here.id, None, transformation)?,
        };
        let mut fields = present::transformation_fields(&kept.value, self.present);
        fields.insert("source".to_owned(), item.fields.get("source").cloned().unwrap_or_default());
        Ok((kept.id, fields, present::transformation_secrets(kept.value)))
    }
}

/// Its id, its fields and its secrets.
type Written = (String, Map<String, Value>, Map<String, Value>);

fn replace<T>(with: T) -> impl FnOnce(&mut T) -> Result<(), ControlError> {
    |value| {
        *value = with;
        Ok(())
    }
}

/// The settings to give so that exactly `wanted` are there: those that are not wanted are taken away, secrets stay.
fn laid_over(here: &Here, wanted: &Map<String, Value>) -> Map<String, Value> {
    let mut given = wanted.clone();
    if let Some(Value::Object(before)) = here.fields.get("settings") {
        for name in before.keys().filter(|name| !wanted.contains_key(*name)) {
            given.insert(name.clone(), Value::Null);
        }
    }
    given
}

/// `wanted` may be the id of the catalog's entry.
fn refuse_other_type(here: &Here, kind: CatalogKind, wanted: &str) -> Result<(), ControlError> {
    let slug = Catalog::get().find(kind, wanted).map_or(wanted, |entry| entry.slug.as_str());
    if here.fields.get("type").and_then(Value::as_str) == Some(slug) {
        Ok(())
    } else {
        Err(never_changes(kind.as_str()))
    }
}

fn never_changes(word: &str) -> ControlError {
    let mend = format!("give the {word} of the new type another name, and delete this one");
    ControlError::invalid("metadataId", format!("of a {word} never changes"), mend)
}

fn unfit(field: &str) -> ControlError {
    ControlError::invalid(field, "is not of the form that it has to be", "see the guide to configuration as code")
}

/// `key:value`. What has no colon is a key without a value, which no label is.
fn label_value(text: &str) -> LabelValue {
    let (key, value) = text.split_once(':').unwrap_or((text, ""));
    LabelValue { key: key.to_owned(), value: value.to_owned() }
}

fn text(item: &Item, field: &str) -> Option<String> {
    item.fields.get(field)?.as_str().map(str::to_owned)
}

fn texts(item: &Item, field: &str) -> Vec<String> {
    let list = item.fields.get(field).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

fn flag(item: &Item, field: &str) -> bool {
    item.fields.get(field).and_then(Value::as_bool).unwrap_or(false)
}

fn map(item: &Item, field: &str) -> Map<String, Value> {
    item.fields.get(field).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn typed<T: DeserializeOwned>(item: &Item, field: &str) -> Result<T, ControlError> {
    let value = item.fields.get(field).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|_| unfit(field))
}
