//! What a workspace has, in the form of a document's things.

use super::shape::{Kind, is_nothing};
use crate::db::values;
use crate::page::Page;
use crate::source::SourceRecord;
use crate::thing::{Kept, Thing};
use crate::things::{label, tracking_plan, warehouse};
use crate::view::View;
use crate::{
    ControlError, DestinationRecord, Filter, Function, Label, Rule, SchemaSettings, Subscription, TrackingPlan,
    Transformation, Warehouse,
};
use domicile_workspace::WorkspaceId;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// A thing that the workspace has.
#[derive(Clone)]
pub(crate) struct Here {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// The id of what it belongs to.
    pub(crate) parent: Option<String>,
    /// What a document calls it: its name, made unique in its section.
    pub(crate) key: String,
    pub(crate) name: String,
    /// Which of those of its name it is, oldest first.
    pub(crate) ordinal: usize,
    /// As an item of a document has them, and without secrets.
    pub(crate) fields: Map<String, Value>,
    /// By the path of the field. No `Debug`.
    pub(crate) secrets: Map<String, Value>,
}

/// All that a workspace has, and how ids and the document's names are the same.
#[derive(Default)]
pub(crate) struct Present {
    pub(crate) things: Vec<Here>,
    names: HashMap<String, String>,
}

impl Present {
    /// What a document calls the thing with this id.
    pub(crate) fn key_of(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    fn add(&mut self, kind: Kind, id: &str, parent: Option<&str>, name: &str, fields: Map<String, Value>) -> &mut Here {
        let (id, parent) = (id.to_owned(), parent.map(str::to_owned));
        let (key, name) = (name.to_owned(), name.to_owned());
        self.things.push(Here { kind, id, parent, key, name, ordinal: 0, fields, secrets: Map::new() });
        // It was just pushed.
        let last = self.things.len() - 1;
        &mut self.things[last]
    }

    /// Gives the things of a kind, which are the last from `first` on, keys that are unique with each parent.
    fn name(&mut self, first: usize) {
        let mut counts: HashMap<(Option<String>, String), usize> = HashMap::new();
        let mut taken: HashSet<(Option<String>, String)> =
            self.things[first..].iter().map(|here| (here.parent.clone(), here.name.clone())).collect();
        for here in &mut self.things[first..] {
            let count = counts.entry((here.parent.clone(), here.name.clone())).or_insert(0);
            here.ordinal = *count;
            *count += 1;
            if here.ordinal > 0 {
                let numbered = (here.ordinal + 1..).map(|n| format!("{} ({n})", here.name));
                let free = numbered.into_iter().find(|key| taken.insert((here.parent.clone(), key.clone())));
                here.key = free.unwrap_or_else(|| here.name.clone());
            }
            self.names.insert(here.id.clone(), here.key.clone());
        }
    }
}

impl View<'_> {
    pub(crate) fn present(&self, workspace: &WorkspaceId) -> Result<Present, ControlError> {
        let mut present = Present::default();
        for kept in self.all_things::<Label>(workspace, None)? {
            let key = format!("{}:{}", kept.value.key, kept.value.value);
            present.add(Kind::Label, &kept.id, None, &key, label_fields(&kept.value));
        }
        let mut rules: HashMap<String, Vec<Rule>> = HashMap::new();
        for kept in self.all_things::<Rule>(workspace, None)? {
            rules.entry(kept.parent.unwrap_or_default()).or_default().push(kept.value);
        }
        let mut first = present.things.len();
        for kept in self.all_things::<TrackingPlan>(workspace, None)? {
            let fields = plan_fields(&kept.value, &rules.remove(&kept.id).unwrap_or_default());
            present.add(Kind::TrackingPlan, &kept.id, None, &kept.value.name, fields);
        }
        present.name(first);
        first = present.things.len();
        for kept in self.all_things::<Warehouse>(workspace, None)? {
            let here = present.add(Kind::Warehouse, &kept.id, None, &kept.value.name, warehouse_fields(&kept.value));
            here.secrets = below("settings", kept.value.secrets);
        }
        present.name(first);
        first = present.things.len();
        for kept in self.all_things::<Function>(workspace, None)? {
            present.add(Kind::Function, &kept.id, None, &kept.value.display_name, function_fields(&kept.value));
        }
        present.name(first);
        self.present_sources(workspace, &mut present)?;
        first = present.things.len();
        for kept in self.all_things::<Transformation>(workspace, None)? {
            let fields = transformation_fields(&kept.value, &present);
            let here = present.add(Kind::Transformation, &kept.id, None, &kept.value.name, fields);
            here.secrets = transformation_secrets(kept.value);
        }
        present.name(first);
        Ok(present)
    }

    fn present_sources(&self, workspace: &WorkspaceId, present: &mut Present) -> Result<(), ControlError> {
        let labels = self.ends(workspace, label::LINK, false)?;
        let plans = self.ends(workspace, tracking_plan::LINK, true)?;
        let warehouses = self.ends(workspace, warehouse::LINK, true)?;
        let mut page = Page::first(Page::COUNT_MAX);
        loop {
            let listed = self.sources(workspace, &page)?;
            for source in &listed.rows {
                let of =
                    |ends: &HashMap<String, Vec<String>>| ends.get(source.id.as_str()).cloned().unwrap_or_default();
                let keys =
                    |ids: Vec<String>| ids.iter().filter_map(|id| present.key_of(id).map(str::to_owned)).collect();
                let linked = Linked { labels: of(&labels), plan: keys(of(&plans)), warehouses: keys(of(&warehouses)) };
                let fields = source_fields(source, &linked);
                present.add(Kind::Source, source.id.as_str(), None, &source.slug, fields);
                present.names.insert(source.id.to_string(), source.slug.clone());
            }
            match listed.last.filter(|_| listed.has_after) {
                Some(last) => page = Page::after(last, Page::COUNT_MAX),
                None => break,
            }
        }
        for kept in self.all_things::<SchemaSettings>(workspace, None)? {
            let fields = schema_fields(&kept.value, present);
            present.add(Kind::SchemaSettings, &kept.id, kept.parent.as_deref(), "", fields);
        }
        let first = present.things.len();
        for (destination, secrets) in self.destinations_with_secrets(workspace)? {
            let fields = destination_fields(&destination);
            let (id, source) = (destination.id.as_str(), destination.source.as_str());
            let here = present.add(Kind::Destination, id, Some(source), &destination.name, fields);
            here.secrets = below("settings", secrets);
        }
        present.name(first);
        self.present_parts(workspace, present, Kind::Filter, filter_fields)?;
        self.present_parts(workspace, present, Kind::Subscription, subscription_fields)
    }

    fn present_parts<T: Thing>(
        &self,
        workspace: &WorkspaceId,
        present: &mut Present,
        kind: Kind,
        fields: fn(&T) -> Map<String, Value>,
    ) -> Result<(), ControlError> {
        let first = present.things.len();
        for Kept { id, parent, value, .. } in self.all_things::<T>(workspace, None)? {
            present.add(kind, &id, parent.as_deref(), value.name(), fields(&value));
        }
        present.name(first);
        Ok(())
    }

    /// The ends of all links of a kind, by their other ends: from `a` to its `b`s, or backwards.
    fn ends(
        &self,
        workspace: &WorkspaceId,
        kind: &str,
        backwards: bool,
    ) -> Result<HashMap<String, Vec<String>>, ControlError> {
        let links = self.all(
            "read the links of a workspace",
            "SELECT a, b FROM links WHERE workspace = ?1 AND kind = ?2 AND undone = 0 ORDER BY a, b",
            values![self.workspace_number(workspace)?, kind],
            |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
        )?;
        let mut ends: HashMap<String, Vec<String>> = HashMap::new();
        for (a, b) in links {
            let (from, to) = if backwards { (b, a) } else { (a, b) };
            ends.entry(from).or_default().push(to);
        }
        Ok(ends)
    }
}

/// What a source is linked with, by the names of a document.
#[derive(Default)]
pub(crate) struct Linked {
    /// `key:value`.
    pub(crate) labels: Vec<String>,
    /// One at most.
    pub(crate) plan: Vec<String>,
    pub(crate) warehouses: Vec<String>,
}

/// Fields without those that may as well be left out.
fn fields<const N: usize>(given: [(&str, Value); N]) -> Map<String, Value> {
    let something = given.into_iter().filter(|(_, value)| !is_nothing(value));
    something.map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn label_fields(label: &Label) -> Map<String, Value> {
    fields([("description", json!(label.description))])
}

pub(crate) fn source_fields(source: &SourceRecord, linked: &Linked) -> Map<String, Value> {
    let rate = source.rate_limit.map(|limit| json!({ "perSecond": limit.per_second, "burst": limit.burst }));
    let mut warehouses = linked.warehouses.clone();
    warehouses.sort();
    let mut fields = fields([
        ("type", json!(source.catalog)),
        ("name", json!(source.name)),
        ("enabled", json!(source.enabled)),
        ("ingestionRegion", json!(source.ingestion_region.as_str())),
        ("strict", json!(source.strict)),
        ("rateLimit", json!(rate)),
        ("labels", json!(linked.labels)),
        ("settings", Value::Object(source.settings.clone())),
        ("trackingPlan", json!(linked.plan.first())),
    ]);
    let on = source.write_keys.iter().filter(|key| key.enabled);
    let keys: Vec<&str> = on.map(|key| key.key.as_str()).collect();
    fields.insert("warehouses".to_owned(), json!(warehouses));
    fields.insert("writeKeys".to_owned(), json!(keys));
    fields
}

pub(crate) fn schema_fields(settings: &SchemaSettings, present: &Present) -> Map<String, Value> {
    let mut fields = as_fields(settings);
    for name in ["forwardingViolationsTo", "forwardingBlockedEventsTo"] {
        if let Some(to) = fields.get_mut(name) {
            let slug = to.as_str().and_then(|id| present.key_of(id));
            *to = json!(slug);
        }
    }
    fields.retain(|_, value| !is_nothing(value));
    fields
}

pub(crate) fn destination_fields(destination: &DestinationRecord) -> Map<String, Value> {
    fields([
        ("type", json!(destination.kind)),
        ("name", json!(destination.name)),
        ("enabled", json!(destination.enabled)),
        ("settings", Value::Object(destination.settings.clone())),
    ])
}

pub(crate) fn filter_fields(filter: &Filter) -> Map<String, Value> {
    let actions = serde_json::to_value(&filter.actions).unwrap_or_default();
    fields([
        ("name", json!(filter.title)),
        ("enabled", json!(filter.enabled)),
        ("description", json!(filter.description)),
        ("if", json!(filter.condition)),
        ("actions", actions),
    ])
}

pub(crate) fn subscription_fields(subscription: &Subscription) -> Map<String, Value> {
    let action = if subscription.action_slug.is_empty() { &subscription.action_id } else { &subscription.action_slug };
    fields([
        ("name", json!(subscription.name)),
        ("enabled", json!(subscription.enabled)),
        ("action", json!(action)),
        ("trigger", json!(subscription.trigger)),
        ("settings", Value::Object(subscription.settings.clone())),
    ])
}

pub(crate) fn warehouse_fields(warehouse: &Warehouse) -> Map<String, Value> {
    fields([
        ("type", json!(warehouse.catalog)),
        ("name", json!(warehouse.name)),
        ("enabled", json!(warehouse.enabled)),
        ("settings", Value::Object(warehouse.settings.clone())),
    ])
}

pub(crate) fn function_fields(function: &Function) -> Map<String, Value> {
    fields([
        ("type", json!(function.resource_type)),
        ("name", json!(function.display_name)),
        ("description", json!(function.description)),
        ("logoUrl", json!(function.logo_url)),
        ("code", json!(function.code)),
        ("settings", json!(function.settings)),
    ])
}

pub(crate) fn plan_fields(plan: &TrackingPlan, rules: &[Rule]) -> Map<String, Value> {
    fields([
        ("type", json!(plan.kind)),
        ("name", json!(plan.name)),
        ("description", json!(plan.description)),
        ("rules", json!(rules)),
    ])
}

pub(crate) fn transformation_fields(transformation: &Transformation, present: &Present) -> Map<String, Value> {
    let mut open = transformation.clone();
    drop(open.take_secrets());
    let mut all = as_fields(&open);
    let mut fields = Map::new();
    for (name, stored) in [("name", "name"), ("source", "sourceId"), ("destination", "destinationMetadataId")] {
        fields.extend(all.remove(stored).map(|value| (name.to_owned(), value)));
    }
    fields.insert("source".to_owned(), json!(present.key_of(&transformation.source_id)));
    fields.extend(all.into_iter().filter(|(_, value)| !is_nothing(value)));
    fields
}

pub(crate) fn transformation_secrets(mut transformation: Transformation) -> Map<String, Value> {
    below("hashPropertiesConfiguration", transformation.take_secrets())
}

pub(crate) fn below(name: &str, secrets: Map<String, Value>) -> Map<String, Value> {
    secrets.into_iter().map(|(secret, value)| (format!("{name}.{secret}"), value)).collect()
}

fn as_fields(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
