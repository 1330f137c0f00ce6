//! RudderStack's workspaceConfig.json: sources, each with its destinations.

use super::{Imported, Taking, entry_of, items, known_settings, put_into, slug, source_type, text};
use domicile_catalog::Kind;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Names that RudderStack has for what goes by another here.
const SOURCES: [(&str, &str); 20] = [
    ("javascript", "javascript"),
    ("android", "kotlin-android"),
    ("androidkotlin", "kotlin-android"),
    ("ios", "apple"),
    ("iosswift", "apple"),
    ("swift", "apple"),
    ("reactnative", "react-native"),
    ("flutter", "flutter"),
    ("unity", "mobile"),
    ("cordova", "mobile"),
    ("amp", "amp"),
    ("http", "http-api"),
    ("node", "node-js"),
    ("go", "go"),
    ("python", "python"),
    ("ruby", "ruby"),
    ("java", "java"),
    ("php", "php"),
    ("rust", "server"),
    ("dotnet", "net"),
];

pub(super) fn read(value: &Value) -> Result<Imported, String> {
    if !value["sources"].is_array() {
        return Err("it has no `sources`; is it a workspaceConfig.json?".to_owned());
    }
    let mut taking = Taking::default();
    let region = text(value, "region").or_else(|| text(&value["settings"], "region"));
    taking.region = region.map(str::to_owned);
    let mut slugs = HashSet::new();
    for source in items(value, "sources") {
        take_source(source, &mut taking, &mut slugs);
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let known = matches!(
            name.as_str(),
            "sources" | "region" | "settings" | "workspaceId" | "updatedAt" | "createdAt" | "id"
        );
        let count = value.as_array().map(Vec::len).or_else(|| value.as_object().map(Map::len)).unwrap_or(0);
        if !known && count > 0 {
            taking.skip(format!("{name} ({count})"), "a document does not hold these");
        }
    }
    Ok(taking.finish())
}

fn take_source(source: &Value, taking: &mut Taking, slugs: &mut HashSet<String>) {
    let name = text(source, "name").unwrap_or("source");
    if source["deleted"].as_bool().unwrap_or(false) {
        return;
    }
    let of = text(&source["sourceDefinition"], "name").unwrap_or_default();
    let plain: String = of.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let mapped = SOURCES.iter().find(|(from, _)| *from == plain).map_or(plain.as_str(), |(_, to)| to);
    // The SDKs that the catalog does not have send what a server sends.
    let stand_in = if SOURCES.iter().any(|(from, _)| *from == plain) { "server" } else { mapped };
    let of_type = match source_type(&[mapped, stand_in]) {
        Ok(of_type) => of_type,
        Err(why) => return taking.skip(format!("source {name} ({of})"), why),
    };
    let slug = slug(name, slugs);
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!(of_type));
    fields.insert("name".to_owned(), json!(name));
    fields.insert("enabled".to_owned(), json!(source["enabled"].as_bool().unwrap_or(true)));
    if let Some(key) = text(source, "writeKey") {
        fields.insert("writeKeys".to_owned(), json!([key]));
    }
    let mut destinations = json!({});
    let mut warehouses = Vec::new();
    for destination in items(source, "destinations") {
        take_destination(destination, &slug, taking, &mut destinations, &mut warehouses);
    }
    let has_plan = source["dgSourceTrackingPlanConfig"]["trackingPlan"].is_object();
    if has_plan {
        taking.skip(format!("tracking plan of source {slug}"), "its rules are not in the file");
    }
    fields.insert("destinations".to_owned(), destinations);
    if !warehouses.is_empty() {
        fields.insert("warehouses".to_owned(), json!(warehouses));
    }
    taking.put("sources", &slug, Value::Object(fields));
}

fn take_destination(
    destination: &Value,
    source: &str,
    taking: &mut Taking,
    destinations: &mut Value,
    warehouses: &mut Vec<String>,
) {
    if destination["deleted"].as_bool().unwrap_or(false) {
        return;
    }
    let of = text(&destination["destinationDefinition"], "name").unwrap_or_default();
    let name = text(destination, "name").unwrap_or(of);
    let what = format!("destination {name} ({of}) of source {source}");
    let enabled = destination["enabled"].as_bool().unwrap_or(true);
    let config = destination["config"].as_object().cloned().unwrap_or_default();
    if of == "POSTGRES" {
        return take_postgres(name, &what, enabled, &config, taking, warehouses);
    }
    let slug = of.to_ascii_lowercase().replace('_', "-");
    let (slug, config) = if of == "WEBHOOK" { ("webhook".to_owned(), webhook(config)) } else { (slug, config) };
    match entry_of(Kind::Destination, &[&slug]) {
        Err(why) => taking.skip(what, why),
        Ok(entry) => {
            let (known, others) = known_settings(entry, &config);
            if !others.is_empty() {
                taking.skip(format!("settings of {what}: {}", others.join(", ")), "it has no such settings here");
            }
            let enabled = taking.enabled(entry, &what, enabled);
            put_into(destinations, name, json!({ "type": entry.slug, "enabled": enabled, "settings": known }));
        }
    }
    let transformed = items(destination, "transformations").count();
    if transformed > 0 {
        taking
            .skip(format!("transformations of destination {name} of source {source}"), "their code is not in the file");
    }
}

/// A warehouse is a destination there, and a thing of its own here: the same database is one warehouse.
fn take_postgres(
    name: &str,
    what: &str,
    enabled: bool,
    config: &Map<String, Value>,
    taking: &mut Taking,
    warehouses: &mut Vec<String>,
) {
    let mut settings = Map::new();
    for (from, to) in [("host", "hostname"), ("database", "database"), ("user", "username"), ("password", "password")] {
        settings.extend(config.get(from).map(|value| (to.to_owned(), value.clone())));
    }
    let port = config.get("port").and_then(|port| port.as_u64().or_else(|| port.as_str()?.parse().ok()));
    settings.extend(port.map(|port| ("port".to_owned(), json!(port))));
    let entry = match entry_of(Kind::Warehouse, &["postgres"]) {
        Ok(entry) => entry,
        Err(why) => return taking.skip(what.to_owned(), why),
    };
    let (known, _) = known_settings(entry, &settings);
    let fields = json!({ "type": "postgres", "enabled": enabled, "settings": known });
    let same = taking.sections.get("warehouses").and_then(Value::as_object).and_then(|there| {
        there.iter().find(|(_, warehouse)| warehouse["settings"] == fields["settings"]).map(|(key, _)| key.clone())
    });
    warehouses.push(same.unwrap_or_else(|| taking.put("warehouses", name, fields)));
}

fn webhook(mut config: Map<String, Value>) -> Map<String, Value> {
    config.extend(config.get("webhookUrl").cloned().map(|url| ("url".to_owned(), url)));
    drop(config.remove("webhookUrl"));
    // What is sent here is always a POST.
    if config.get("webhookMethod").and_then(Value::as_str) == Some("POST") {
        drop(config.remove("webhookMethod"));
    }
    config
}

#[cfg(test)]
mod tests {
    use crate::configuration::import::{System, read};
    use serde_json::{Value, json};

    #[test]
    fn sources_keep_their_keys_and_what_can_not_be_taken_is_told() {
        let imported =
            read(System::Rudderstack, include_str!("../../../tests/imports/rudderstack.json")).expect("reads");
        let document = Value::Object(imported.document);
        assert_eq!(
            document["sources"],
            json!({
                "shop-web": {
                    "type": "javascript", "name": "Shop web", "enabled": true, "writeKeys": ["2aBcDeFgHiJkLmNoPqRsTuVwXyZ"],
                    "destinations": {
                        "Orders": { "type": "webhook", "enabled": true, "settings": { "url": "https://hooks.example.com/rs" } },
                    },
                    "warehouses": ["Reports"],
                },
                "backend": {
                    "type": "http-api", "name": "Backend", "enabled": false, "writeKeys": ["2zYxWvUtSrQpOnMlKjIhGfEdCbA"],
                    "destinations": {}, "warehouses": ["Reports"],
                },
            })
        );
        assert_eq!(
            document["warehouses"]["Reports"]["settings"],
            json!({ "hostname": "db.example.com", "database": "reports", "username": "rudder", "password": "imported-secret", "port": 5432 })
        );
        let told: Vec<&str> = imported.skipped.iter().map(|skipped| skipped.what.as_str()).collect();
        assert_eq!(
            told,
            [
                "settings of destination Orders (WEBHOOK) of source shop-web: headers",
                "destination Analytics (GA4) of source shop-web",
                "source Leads (Salesforce)",
                "libraries (1)",
            ]
        );
    }
}
