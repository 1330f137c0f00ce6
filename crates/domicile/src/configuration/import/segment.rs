//! Segment's Public API: its answers as they are, several of them, or their merged `data`.

use super::{Imported, Taking, copied, entry_of, items, known_settings, put_into, slug, source_type, text};
use domicile_catalog::{Detail, Entry, Kind};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// What is taken, each a list with the name that the API gives it.
const LISTS: [&str; 7] =
    ["sources", "destinations", "warehouses", "functions", "trackingPlans", "transformations", "labels"];
/// Lists that belong to the things above.
const PARTS: [&str; 3] = ["filters", "subscriptions", "schemaSettings"];

pub(super) fn read(value: Value) -> Result<Imported, String> {
    let mut merged = Map::new();
    match value {
        Value::Array(pages) => pages.into_iter().for_each(|page| merge(&mut merged, page)),
        page @ Value::Object(_) => merge(&mut merged, page),
        _ => return Err("a Segment export is an object or a list of answers".to_owned()),
    }
    if LISTS.iter().all(|list| !merged.contains_key(*list)) {
        return Err(format!("it has none of: {}", LISTS.join(", ")));
    }
    let all = Value::Object(merged);
    let mut import = Import { all: &all, taking: Taking::default(), sources: HashMap::new(), slugs: HashSet::new() };
    import.taking.region = text(&all["workspace"], "region").map(str::to_owned);
    import.labels();
    import.tracking_plans();
    import.warehouses();
    import.functions();
    import.sources();
    import.destinations();
    import.transformations();
    import.others();
    Ok(import.taking.finish())
}

/// Lays the lists of a page behind those of the pages before.
fn merge(merged: &mut Map<String, Value>, page: Value) {
    let Value::Object(mut page) = page else { return };
    let data = match page.remove("data") {
        Some(Value::Object(data)) => data,
        Some(_) => return,
        None => page,
    };
    for (name, value) in data {
        // The answers about one thing name it in the singular.
        let name = match (name.as_str(), &value) {
            (
                "source" | "destination" | "warehouse" | "function" | "trackingPlan" | "transformation",
                Value::Object(_),
            ) => {
                format!("{name}s")
            }
            _ => name,
        };
        match (merged.get_mut(&name), value) {
            (_, Value::Null) => {}
            (Some(Value::Array(before)), Value::Array(more)) => before.extend(more),
            (Some(Value::Array(before)), one) => before.push(one),
            (Some(_), _) => {}
            (None, one @ Value::Object(_)) if LISTS.contains(&name.as_str()) => {
                merged.insert(name, Value::Array(vec![one]));
            }
            (None, value) => drop(merged.insert(name, value)),
        }
    }
}

struct Import<'a> {
    all: &'a Value,
    taking: Taking,
    /// The slugs of the sources that were taken, by id.
    sources: HashMap<&'a str, String>,
    slugs: HashSet<String>,
}

fn metadata(thing: &Value) -> [&str; 2] {
    // Answers carry the catalog's entry; requests its id.
    let meta = &thing["metadata"];
    let slug = text(meta, "slug").or_else(|| text(thing, "metadataId")).unwrap_or_default();
    [slug, text(meta, "id").unwrap_or(slug)]
}

impl<'a> Import<'a> {
    fn labels(&mut self) {
        for label in items(self.all, "labels") {
            let (Some(key), Some(value)) = (text(label, "key"), text(label, "value")) else { continue };
            let fields = copied(label, &[("description", "description")]);
            self.taking.put("labels", &format!("{key}:{value}"), Value::Object(fields));
        }
    }

    fn tracking_plans(&mut self) {
        for plan in items(self.all, "trackingPlans") {
            let Some(name) = text(plan, "name").or_else(|| text(plan, "slug")) else {
                self.taking.skip("a tracking plan".to_owned(), "it has no name");
                continue;
            };
            let mut fields = copied(plan, &[("type", "type"), ("description", "description")]);
            fields.entry("type").or_insert_with(|| json!("LIVE"));
            let rule = |rule: &Value| {
                let mut rule = copied(
                    rule,
                    &[("type", "type"), ("key", "key"), ("jsonSchema", "jsonSchema"), ("version", "version")],
                );
                rule.entry("version").or_insert_with(|| json!(1));
                Value::Object(rule)
            };
            let rules: Vec<Value> = items(plan, "rules").map(rule).collect();
            if !rules.is_empty() {
                fields.insert("rules".to_owned(), Value::Array(rules));
            }
            self.taking.put("trackingPlans", name, Value::Object(fields));
        }
    }

    /// The name of the tracking plan that a source is under, by the source or by the plan.
    fn plan_of(&self, source: &Value) -> Option<&'a str> {
        let id = text(source, "id");
        let is_its = |plan: &&Value| {
            let own = text(plan, "id").is_some_and(|plan| Some(plan) == text(source, "trackingPlanId"));
            own || items(plan, "sources").any(|of| id.is_some() && (of.as_str() == id || text(of, "id") == id))
        };
        items(self.all, "trackingPlans").find(is_its).and_then(|plan| text(plan, "name").or_else(|| text(plan, "slug")))
    }

    fn warehouses(&mut self) {
        for warehouse in items(self.all, "warehouses") {
            let names = metadata(warehouse);
            let settings = warehouse["settings"].as_object().cloned().unwrap_or_default();
            let name = settings.get("name").and_then(Value::as_str).or_else(|| text(warehouse, "name"));
            let name = name.unwrap_or(names[0]);
            let what = format!("warehouse {name}");
            match entry_of(Kind::Warehouse, &names) {
                Err(why) => self.taking.skip(what, why),
                Ok(entry) => {
                    let mut settings = settings.clone();
                    drop(settings.remove("name"));
                    let (known, others) = known_settings(entry, &settings);
                    self.lost(&what, &others);
                    let enabled = warehouse["enabled"].as_bool().unwrap_or(true);
                    let fields = json!({ "type": entry.slug, "enabled": enabled, "settings": known });
                    self.taking.put("warehouses", name, fields);
                }
            }
        }
    }

    fn functions(&mut self) {
        for function in items(self.all, "functions") {
            let name = text(function, "displayName").unwrap_or("function");
            if text(function, "code").is_none() {
                let why = "its code is not in the file: lists leave it out; add the answers of GET /functions/{id}";
                self.taking.skip(format!("function {name}"), why);
                continue;
            }
            let fields = [
                ("resourceType", "type"),
                ("code", "code"),
                ("settings", "settings"),
                ("description", "description"),
                ("logoUrl", "logoUrl"),
            ];
            self.taking.put("functions", name, Value::Object(copied(function, &fields)));
        }
    }

    fn sources(&mut self) {
        for source in items(self.all, "sources") {
            let named = text(source, "slug").or_else(|| text(source, "name")).unwrap_or("source");
            let of_type = match source_type(&metadata(source)) {
                Ok(of_type) => of_type,
                Err(why) => {
                    self.taking.skip(format!("source {named}"), why);
                    continue;
                }
            };
            let slug = slug(named, &mut self.slugs);
            let mut fields = copied(source, &[("name", "name"), ("enabled", "enabled"), ("settings", "settings")]);
            fields.insert("type".to_owned(), json!(of_type));
            let keys: Vec<&str> = items(source, "writeKeys").filter_map(Value::as_str).collect();
            if !keys.is_empty() {
                fields.insert("writeKeys".to_owned(), json!(keys));
            }
            let labels =
                items(source, "labels").filter_map(|l| Some(format!("{}:{}", text(l, "key")?, text(l, "value")?)));
            let labels: Vec<String> = labels.collect();
            for label in &labels {
                let known = self.taking.sections.get("labels").is_some_and(|known| known.get(label).is_some());
                if !known {
                    self.taking.put("labels", label, json!({}));
                }
            }
            fields.insert("labels".to_owned(), json!(labels));
            if let Some(plan) = self.plan_of(source) {
                fields.insert("trackingPlan".to_owned(), json!(plan));
            }
            let schema = items(self.all, "schemaSettings").find(|of| text(of, "sourceId") == text(source, "id"));
            if let Some(Value::Object(settings)) = schema.map(|of| &of["settings"]) {
                let mut settings = settings.clone();
                for forwards in ["forwardingViolationsTo", "forwardingBlockedEventsTo"] {
                    if settings.remove(forwards).is_some_and(|to| !to.is_null()) {
                        self.taking.skip(
                            format!("{forwards} of source {slug}"),
                            "set it again by hand, with the source's slug",
                        );
                    }
                }
                fields.insert("schemaSettings".to_owned(), Value::Object(settings));
            }
            fields.insert("destinations".to_owned(), json!({}));
            if let Some(id) = text(source, "id") {
                self.sources.insert(id, slug.clone());
            }
            self.taking.put("sources", &slug, Value::Object(fields));
        }
    }

    fn destinations(&mut self) {
        for destination in items(self.all, "destinations") {
            let names = metadata(destination);
            let name = text(destination, "name").unwrap_or(names[0]);
            let source = text(destination, "sourceId").and_then(|id| self.sources.get(id)).cloned();
            let Some(source) = source else {
                self.taking.skip(format!("destination {name}"), "its source is not in the file, or was not taken");
                continue;
            };
            let what = format!("destination {name} of source {source}");
            let given = destination["settings"].as_object().cloned().unwrap_or_default();
            let (names, given) = if names[0] == "webhooks" { (["webhook"; 2], webhook(given)) } else { (names, given) };
            let entry = match entry_of(Kind::Destination, &names) {
                Ok(entry) => entry,
                Err(why) => {
                    self.taking.skip(what, why);
                    continue;
                }
            };
            let (known, others) = known_settings(entry, &given);
            self.lost(&what, &others);
            let enabled = self.taking.enabled(entry, &what, destination["enabled"].as_bool().unwrap_or(true));
            let mut fields = json!({ "type": entry.slug, "enabled": enabled, "settings": known });
            let filters = self.filters(destination);
            if filters.as_object().is_some_and(|filters| !filters.is_empty()) {
                fields["filters"] = filters;
            }
            self.subscriptions(destination, entry, &what, &mut fields);
            if let Some(of) = self.taking.sections.get_mut("sources") {
                put_into(&mut of[&source]["destinations"], name, fields);
            }
        }
    }

    fn filters(&self, destination: &Value) -> Value {
        let mut filters = json!({});
        for filter in items(self.all, "filters").filter(|of| belongs(of, destination)) {
            let fields = [("if", "if"), ("actions", "actions"), ("enabled", "enabled"), ("description", "description")];
            let title = text(filter, "title").unwrap_or("filter");
            put_into(&mut filters, title, Value::Object(copied(filter, &fields)));
        }
        filters
    }

    fn subscriptions(&mut self, destination: &Value, entry: &Entry, what: &str, fields: &mut Value) {
        let actions = match &entry.detail {
            Detail::Destination(detail) => detail.actions.as_slice(),
            _ => &[],
        };
        for subscription in items(self.all, "subscriptions").filter(|of| belongs(of, destination)) {
            let name = text(subscription, "name").unwrap_or("subscription");
            let slug = text(subscription, "actionSlug").unwrap_or_default();
            if actions.iter().all(|action| action.slug != slug) {
                let why = format!("the catalog's `{}` has no such action", entry.slug);
                self.taking.skip(format!("subscription {name} of {what}"), why);
                continue;
            }
            let copies = [("trigger", "trigger"), ("enabled", "enabled"), ("settings", "settings")];
            let mut subscription = copied(subscription, &copies);
            subscription.insert("action".to_owned(), json!(slug));
            if !fields["subscriptions"].is_object() {
                fields["subscriptions"] = json!({});
            }
            put_into(&mut fields["subscriptions"], name, Value::Object(subscription));
        }
    }

    fn transformations(&mut self) {
        const FIELDS: [(&str, &str); 10] = [
            ("destinationMetadataId", "destination"),
            ("enabled", "enabled"),
            ("if", "if"),
            ("drop", "drop"),
            ("newEventName", "newEventName"),
            ("propertyRenames", "propertyRenames"),
            ("propertyValueTransformations", "propertyValueTransformations"),
            ("fqlDefinedProperties", "fqlDefinedProperties"),
            ("allowProperties", "allowProperties"),
            ("hashPropertiesConfiguration", "hashPropertiesConfiguration"),
        ];
        for transformation in items(self.all, "transformations") {
            let name = text(transformation, "name").unwrap_or("transformation");
            let Some(source) = text(transformation, "sourceId").and_then(|id| self.sources.get(id)) else {
                self.taking.skip(format!("transformation {name}"), "its source is not in the file, or was not taken");
                continue;
            };
            let mut fields = copied(transformation, &FIELDS);
            fields.insert("source".to_owned(), json!(source));
            self.taking.put("transformations", name, Value::Object(fields));
        }
    }

    /// What the file has besides.
    fn others(&mut self) {
        let all = self.all.as_object().into_iter().flatten();
        for (name, value) in all {
            let known = LISTS.contains(&name.as_str()) || PARTS.contains(&name.as_str());
            if known || matches!(name.as_str(), "workspace" | "pagination" | "trackingPlanId") {
                continue;
            }
            let count = value.as_array().map_or(1, Vec::len);
            if count > 0 {
                self.taking.skip(format!("{name} ({count})"), "a document does not hold these");
            }
        }
    }

    fn lost(&mut self, what: &str, settings: &[String]) {
        if !settings.is_empty() {
            self.taking.skip(format!("settings of {what}: {}", settings.join(", ")), "it has no such settings here");
        }
    }
}

fn belongs(part: &Value, destination: &Value) -> bool {
    text(part, "destinationId").is_some_and(|id| Some(id) == text(destination, "id"))
}

/// Segment's webhooks have several addresses; the first is taken, the others are told as lost.
fn webhook(mut given: Map<String, Value>) -> Map<String, Value> {
    let mut urls = Vec::new();
    if let Some(Value::String(url)) = given.remove("globalHook") {
        urls.push(url);
    }
    for hook in given.remove("hooks").as_ref().and_then(Value::as_array).into_iter().flatten() {
        urls.extend(hook.as_str().or_else(|| text(hook, "hook")).map(str::to_owned));
    }
    let mut urls = urls.into_iter().filter(|url| !url.is_empty());
    given.extend(urls.next().map(|url| ("url".to_owned(), Value::String(url))));
    let others: Vec<String> = urls.collect();
    if !others.is_empty() {
        given.insert("hooks".to_owned(), json!(others));
    }
    given
}

#[cfg(test)]
mod tests {
    use crate::configuration::import::{Imported, System, read};
    use serde_json::{Value, json};

    fn sample() -> Imported {
        read(System::Segment, include_str!("../../../tests/imports/segment.json")).expect("reads")
    }

    #[test]
    fn what_can_be_taken_is_in_the_document_with_its_write_keys() {
        let sample = sample();
        let document = Value::Object(sample.document);
        assert_eq!(
            document["sources"]["web"],
            json!({
                "name": "Shop", "enabled": true, "settings": {}, "type": "javascript",
                "writeKeys": ["p9Xk2LwQv7Rt4MnB8ZcY1HdF6GsJ3TaE"], "labels": ["environment:prod", "team:shop"],
                "trackingPlan": "Shop plan",
                "destinations": {
                    "Orders": {
                        "type": "webhook", "enabled": true,
                        "settings": { "url": "https://hooks.example.com/orders", "sharedSecret": "imported-secret" },
                        "filters": { "No tests": { "if": "event = 'Test'", "actions": [{ "type": "DROP" }], "enabled": true } },
                    },
                    "Amplitude": { "type": "amplitude", "enabled": false, "settings": { "apiKey": "imported-secret" } },
                },
            })
        );
        assert_eq!(document["labels"], json!({ "team:shop": { "description": "The shop" }, "environment:prod": {} }));
        assert_eq!(document["trackingPlans"]["Shop plan"]["rules"][0]["key"], "Order Completed");
        assert_eq!(document["workspace"], json!({}));
    }

    #[test]
    fn what_can_not_be_taken_is_told_with_the_reason() {
        let told: Vec<String> =
            sample().skipped.into_iter().map(|skipped| format!("{}: {}", skipped.what, skipped.why)).collect();
        assert_eq!(told.len(), 5, "{told:#?}");
        for (n, begin) in [
            "warehouse Lake: its connector does not exist yet",
            "source crm: ",
            "destination Amplitude of source web is taken over switched off: its connector does not exist yet",
            "destination Salesforce: its source is not in the file, or was not taken",
            "users (1): a document does not hold these",
        ]
        .iter()
        .enumerate()
        {
            assert!(told[n].starts_with(begin), "{told:#?}");
        }
    }

    #[test]
    fn pages_single_answers_and_a_merged_object_are_all_taken() {
        let source =
            |n: u32| json!({ "id": format!("s{n}"), "slug": format!("s{n}"), "metadata": { "slug": "javascript" } });
        for form in [
            json!([{ "data": { "sources": [source(1)], "pagination": {} } }, { "data": { "sources": [source(2)] } }]),
            json!({ "data": { "sources": [source(1), source(2)] } }),
            json!({ "sources": [source(1), source(2)] }),
            json!([{ "data": { "source": source(1), "trackingPlanId": null } }, { "data": { "source": source(2) } }]),
        ] {
            let imported = read(System::Segment, &form.to_string()).expect("reads");
            let sources = imported.document["sources"].as_object().expect("an object");
            assert_eq!(sources.keys().collect::<Vec<_>>(), ["s1", "s2"], "{form}");
            assert_eq!(imported.skipped, []);
        }
    }
}
