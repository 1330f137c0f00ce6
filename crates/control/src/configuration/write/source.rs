//! Sources: with their write keys, what they are linked with, and their schema settings.

use super::{Unwritten, Writer, Written, flag, label_value, map, never_changes, text, texts};
use crate::configuration::present::{self, Here, Linked};
use crate::configuration::read::Item;
use crate::configuration::shape::{Kind, is_nothing};
use crate::{ControlError, LabelValue, NewSource, SourceChange, SourceRecord};
use domicile_region::PointName;
use domicile_workspace::{RateLimit, SourceId};
use serde_json::{Map, Value, json};

impl Writer<'_, '_> {
    pub(super) fn source(&mut self, item: &Item, here: Option<&Here>) -> Result<Written, Unwritten> {
        let rate_limit = item.fields.get("rateLimit").map(|limit| {
            let count = |name: &str| limit[name].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX);
            RateLimit { per_second: count("perSecond"), burst: count("burst") }
        });
        let (catalog, kind) = self.change.source_kind(&text(item, "type").unwrap_or_default())?;
        let point = text(item, "ingestionRegion").map(PointName::new);
        let (name, enabled, strict) = (text(item, "name"), flag(item, "enabled"), flag(item, "strict"));
        let settings = map(item, "settings");
        let keys = texts(item, "writeKeys");
        let record = match here {
            None => {
                let new = NewSource {
                    slug: item.key.clone(),
                    name,
                    kind,
                    catalog: Some(catalog),
                    enabled,
                    ingestion_region: point,
                    strict,
                    rate_limit,
                    settings,
                };
                self.new_source(&new, &keys)?
            }
            Some(here) => {
                if here.fields.get("type") != Some(&Value::String(catalog)) {
                    return Err(never_changes("source").into());
                }
                let to = SourceChange {
                    slug: None,
                    name,
                    enabled: Some(enabled),
                    ingestion_region: point,
                    strict: Some(strict),
                    rate_limit: Some(rate_limit),
                    settings: Some(settings),
                };
                self.change.update_source(self.workspace, &SourceId::new(here.id.as_str()), None, &to)?
            }
        };
        let record = self.write_keys(&keys, record)?;
        let linked = self.links(item, here, &record)?;
        Ok((record.id.to_string(), present::source_fields(&record, &linked), Map::new()))
    }

    /// A source that is not here: one that was deleted, when a key says which, or a new one. It has no key yet when the
    /// document lists some.
    fn new_source(&mut self, new: &NewSource, keys: &[String]) -> Result<SourceRecord, ControlError> {
        if keys.is_empty() {
            return self.change.create_source(self.workspace, new);
        }
        let catalog = new.catalog.as_deref().unwrap_or(new.kind.as_str());
        let Some(back) = self.change.restore_source(self.workspace, &new.slug, catalog, keys)? else {
            return self.change.create_keyless_source(self.workspace, new);
        };
        let to = SourceChange {
            slug: None,
            name: Some(new.name.clone().unwrap_or_else(|| new.slug.clone())),
            enabled: Some(new.enabled),
            ingestion_region: new
                .ingestion_region
                .clone()
                .or_else(|| self.change.region().ingest.first().map(|first| first.name.clone())),
            strict: Some(new.strict),
            rate_limit: Some(new.rate_limit),
            settings: Some(new.settings.clone()),
        };
        self.change.update_source(self.workspace, &back.id, None, &to)
    }

    /// Sees to it that the source has the keys that the document lists, switched on.
    fn write_keys(&mut self, wanted: &[String], record: SourceRecord) -> Result<SourceRecord, ControlError> {
        if wanted.is_empty() {
            return Ok(record);
        }
        let made = record.write_keys.clone();
        for key in wanted {
            match made.iter().find(|made| made.key == *key) {
                Some(_) => self.change.enable_write_key(self.workspace, &record.id, key, true)?,
                None => self.change.keep_write_key(self.workspace, &record.id, key)?,
            };
        }
        if self.prune {
            // One that is switched off is in no document.
            for key in made.iter().filter(|made| made.enabled && !wanted.contains(&made.key)) {
                self.change.delete_write_key(self.workspace, &record.id, &key.key)?;
            }
        }
        self.change.source(self.workspace, &record.id)
    }

    fn links(&mut self, item: &Item, here: Option<&Here>, record: &SourceRecord) -> Result<Linked, Unwritten> {
        let (workspace, id) = (self.workspace, &record.id);
        let was = |name: &str| here.and_then(|here| here.fields.get(name)).cloned().unwrap_or_default();
        let mut linked = Linked { labels: texts(item, "labels"), ..Linked::default() };
        linked.labels.sort();
        if json!(linked.labels) != was("labels") && !(linked.labels.is_empty() && is_nothing(&was("labels"))) {
            let labels: Vec<LabelValue> = linked.labels.iter().map(|label| label_value(label)).collect();
            self.change.set_labels(workspace, id, &labels)?;
        }
        let plan = text(item, "trackingPlan");
        let wanted = plan.as_deref().map(|name| self.id_of(Kind::TrackingPlan, name, "trackingPlan")).transpose()?;
        // A new source has none.
        let had = here.map(|_| self.change.tracking_plan_of(record)).transpose()?.flatten();
        if wanted != had {
            if let Some(had) = had {
                self.change.disconnect_tracking_plan(workspace, &had, id)?;
            }
            if let Some(wanted) = &wanted {
                self.change.connect_tracking_plan(workspace, wanted, id)?;
            }
        }
        linked.plan.extend(plan);
        linked.warehouses = self.warehouses(item, &was("warehouses"), id)?;
        Ok(linked)
    }

    /// Connects the source as the document says, if it does.
    fn warehouses(&mut self, item: &Item, before: &Value, id: &SourceId) -> Result<Vec<String>, Unwritten> {
        let before: Vec<String> =
            before.as_array().into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)).collect();
        if !item.fields.contains_key("warehouses") {
            return Ok(before);
        }
        let wanted = texts(item, "warehouses");
        for name in wanted.iter().filter(|name| !before.contains(name)) {
            let warehouse = self.id_of(Kind::Warehouse, name, "warehouses")?;
            self.change.connect_warehouse(self.workspace, &warehouse, id)?;
        }
        for name in before.iter().filter(|name| !wanted.contains(name)) {
            let warehouse = self.id_of(Kind::Warehouse, name, "warehouses")?;
            self.change.disconnect_warehouse(self.workspace, &warehouse, id)?;
        }
        Ok(wanted)
    }

    pub(super) fn schema_settings(&mut self, item: &Item, source: &str) -> Result<Written, Unwritten> {
        let mut given = Map::new();
        for name in ["track", "identify", "group"] {
            // What the document does not say is as by default: it is taken away, not left.
            given.insert(name.to_owned(), Value::Null);
            if let Some(Value::Object(rules)) = item.fields.get(name) {
                given.insert(name.to_owned(), Value::Object(rules.clone()));
            }
        }
        for name in ["forwardingViolationsTo", "forwardingBlockedEventsTo"] {
            let Some(slug) = text(item, name) else { continue };
            let id = self.id_of(Kind::Source, &slug, name)?;
            given.insert(name.to_owned(), Value::String(id));
        }
        let source = SourceId::new(source);
        let before = self.change.schema_settings(self.workspace, &source)?;
        if before.version > 0 {
            // Laid over nothing: of an object that is there, fields that are not named would stay.
            let mut nothing = Map::new();
            nothing.extend(["track", "identify", "group"].map(|name| (name.to_owned(), Value::Null)));
            let bare = before.value.merged(&nothing)?;
            let after = bare.merged(&given)?;
            if after == before.value {
                return Ok((before.id, item.fields.clone(), Map::new()));
            }
            self.change.update_schema_settings(self.workspace, &source, None, &nothing)?;
        }
        let kept = self.change.update_schema_settings(self.workspace, &source, None, &given)?;
        Ok((kept.id, item.fields.clone(), Map::new()))
    }
}
