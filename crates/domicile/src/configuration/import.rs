//! Configurations of other systems, as a document: what can be taken over, and what can't with the reason.
//!
//! - Write keys are kept, so that no app has to be released again.
//! - Ids are not: things are named by slug and name.
//! - A region that the file states is kept for the cell to judge; without one, the cell's is meant.

mod rudderstack;
mod segment;

use domicile_catalog::{Catalog, Detail, Entry, Kind, Setting, SettingType};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// Whose configuration a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum System {
    /// Answers of Segment's Public API, one or many, or their merged `data`
    Segment,
    /// RudderStack's workspaceConfig.json
    Rudderstack,
}

/// Something of the file that is not in the document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// `destination Amplitude of source web`.
    pub what: String,
    pub why: String,
}

/// A file as a document.
#[derive(Debug, Default)]
pub struct Imported {
    pub document: Map<String, Value>,
    pub skipped: Vec<Skipped>,
}

/// Reads a file of another system.
///
/// # Errors
/// A sentence: what is not JSON, and what is JSON of another form.
pub fn read(system: System, text: &str) -> Result<Imported, String> {
    let value: Value = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|error| {
        // The parser's own text may quote the file.
        format!("{}:{}: this is not JSON, or it is nested too deep", error.line(), error.column())
    })?;
    match system {
        System::Segment => segment::read(value),
        System::Rudderstack => rudderstack::read(&value),
    }
}

/// Exports leave passwords out. Those that a thing can't be without are taken from the environment, from the variable that
/// an export of ours would name: `REPORTS_PASSWORD` for the password of warehouse `Reports`.
pub fn fill_secrets(document: &mut Map<String, Value>, environment: &dyn Fn(&str) -> Option<String>) {
    let Some(Value::Object(warehouses)) = document.get_mut("warehouses") else { return };
    for (name, warehouse) in warehouses {
        let entry = warehouse["type"].as_str().and_then(|of| Catalog::get().find(Kind::Warehouse, of));
        let Some(Value::Object(given)) = warehouse.get_mut("settings") else { continue };
        let missing = entry.map(|entry| entry.missing_settings(given)).unwrap_or_default();
        let secret = |setting: &&&Setting| setting.secret || setting.setting_type == SettingType::Password;
        let missing: Vec<&str> = missing.iter().filter(secret).map(|setting| setting.name.as_str()).collect();
        for setting in missing {
            let path = ["warehouses", name, "settings", setting].map(str::to_owned);
            let variable = super::write::variable(&path, &mut HashSet::new());
            given.extend(environment(&variable).map(|value| (setting.to_owned(), Value::String(value))));
        }
    }
}

/// Takes the thing at a path (`sources.web.destinations.Hook`) out of a document. Whether it was there.
pub fn take_out(document: &mut Map<String, Value>, path: &str) -> bool {
    // A name may hold a dot itself: the longest that fits is meant.
    let fits =
        |key: &&String| path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let Some(key) = document.keys().filter(fits).max_by_key(|key| key.len()).cloned() else { return false };
    match path[key.len()..].strip_prefix('.') {
        None => document.remove(&key).is_some(),
        Some(rest) => match document.get_mut(&key) {
            Some(Value::Object(inner)) => take_out(inner, rest),
            _ => false,
        },
    }
}

/// A document under construction.
#[derive(Default)]
struct Taking {
    region: Option<String>,
    /// The parts of the document, by section.
    sections: Map<String, Value>,
    skipped: Vec<Skipped>,
}

impl Taking {
    fn skip(&mut self, what: String, why: impl Into<String>) {
        let what = what.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        self.skipped.push(Skipped { what, why: why.into() });
    }

    /// Whether a destination is switched on: one that has no connector yet is kept for when it has.
    fn enabled(&mut self, entry: &Entry, what: &str, enabled: bool) -> bool {
        match entry.why_not_ready().filter(|_| enabled) {
            Some(why) => {
                self.skip(format!("{what} is taken over switched off"), why);
                false
            }
            None => enabled,
        }
    }

    /// Puts a thing into a section under a name like `name`; gives the name.
    fn put(&mut self, section: &str, name: &str, thing: Value) -> String {
        let things = self.sections.entry(section).or_insert_with(|| json!({}));
        put_into(things, name, thing)
    }

    fn finish(self) -> Imported {
        let mut document = Map::new();
        let mut workspace = Map::new();
        workspace.extend(self.region.map(|region| ("region".to_owned(), Value::String(region))));
        document.insert("workspace".to_owned(), Value::Object(workspace));
        document.extend(self.sections);
        Imported { document, skipped: self.skipped }
    }
}

/// Puts a thing under `name`, or under `name (2)` when that is taken; gives the name.
fn put_into(things: &mut Value, name: &str, mut thing: Value) -> String {
    let Some(things) = things.as_object_mut() else { return name.to_owned() };
    let numbered = (2..).map(|n| format!("{name} ({n})"));
    let key = std::iter::once(name.to_owned()).chain(numbered).find(|key| !things.contains_key(key));
    let key = key.unwrap_or_else(|| name.to_owned());
    if key != name {
        thing["name"] = json!(name);
    }
    things.insert(key.clone(), thing);
    key
}

/// The catalog's slug for a source, or why there can be none.
fn source_type(named: &[&str]) -> Result<&'static str, String> {
    let entry = named.iter().find_map(|name| Catalog::get().find(Kind::Source, name));
    let Some(entry) = entry else { return Err("the catalog has no such source".to_owned()) };
    match &entry.detail {
        Detail::Source(source) if source.stand_in().is_some() => Ok(&entry.slug),
        _ => Err(entry.why_not_ready().unwrap_or_else(|| "it can't be made".to_owned())),
    }
}

/// The catalog's entry for something that events go to, or why there can be none.
fn entry_of(kind: Kind, named: &[&str]) -> Result<&'static Entry, String> {
    let entry = named.iter().find_map(|name| Catalog::get().find(kind, name));
    let entry = entry.ok_or_else(|| format!("the catalog has no such {kind}"))?;
    // Of a warehouse whose settings are not known, it is not known either which of them are secret.
    let known = kind == Kind::Destination || entry.settings.is_some();
    if known { Ok(entry) } else { Err(entry.why_not_ready().unwrap_or_else(|| "it can't be made".to_owned())) }
}

/// Those of the settings that the entry knows, and the names of the others that say something.
fn known_settings(entry: &Entry, given: &Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    };
    let is_known = |name: &str| entry.settings.is_none() || entry.setting(name).is_some() || name == "country";
    let (known, others): (Vec<_>, Vec<_>) =
        given.iter().filter(|(_, value)| says(value)).partition(|(name, _)| is_known(name));
    let known = known.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    (known, others.into_iter().map(|(name, _)| name.clone()).collect())
}

/// A slug like `name` that no other has.
fn slug(name: &str, taken: &mut HashSet<String>) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' | '_' if slug.len() < 80 => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_matches(|c| c == '-' || c == '_');
    let slug = if slug.is_empty() { "source" } else { slug };
    let numbered = (2..).map(|n| format!("{slug}-{n}"));
    let free = std::iter::once(slug.to_owned()).chain(numbered).find(|slug| taken.insert(slug.clone()));
    free.unwrap_or_else(|| slug.to_owned())
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value[field].as_str().filter(|text| !text.is_empty())
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// A copy of those fields that are there.
fn copied(value: &Value, fields: &[(&str, &str)]) -> Map<String, Value> {
    let given = fields.iter().filter_map(|(from, to)| {
        let found = value.get(*from).filter(|value| !value.is_null())?;
        Some(((*to).to_owned(), found.clone()))
    });
    given.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_export_is_refused() {
        for (text, expected) in [
            ("", "1:0: this is not JSON, or it is nested too deep"),
            ("{\n  \"sources\": [", "2:14: this is not JSON, or it is nested too deep"),
            ("7", "a Segment export is an object or a list of answers"),
            (
                "{}",
                "it has none of: sources, destinations, warehouses, functions, trackingPlans, transformations, labels",
            ),
            (
                "{\"data\": 7}",
                "it has none of: sources, destinations, warehouses, functions, trackingPlans, transformations, labels",
            ),
        ] {
            assert_eq!(read(System::Segment, text).err().as_deref(), Some(expected), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(System::Segment, &deep).is_err());
        assert_eq!(
            read(System::Rudderstack, "{}").err().as_deref(),
            Some("it has no `sources`; is it a workspaceConfig.json?")
        );
    }

    #[test]
    fn a_password_that_an_export_leaves_out_comes_from_the_environment() {
        let text = json!({ "warehouses": [{ "metadata": { "slug": "postgres" }, "settings": { "name": "My reports", "hostname": "h" } }] });
        let mut imported = read(System::Segment, &text.to_string()).expect("reads");
        fill_secrets(&mut imported.document, &|name| (name == "MY_REPORTS_PASSWORD").then(|| "s3cret".to_owned()));
        let warehouse = &imported.document["warehouses"]["My reports"];
        assert_eq!(warehouse["settings"], json!({ "hostname": "h", "password": "s3cret" }));
    }

    #[test]
    fn a_thing_is_taken_out_by_its_path_also_when_names_hold_dots() {
        let document = json!({ "sources": { "web": { "destinations": { "A": 1, "A. B": 2 } } } });
        let mut document = document.as_object().expect("an object").clone();
        assert!(take_out(&mut document, "sources.web.destinations.A. B"));
        assert!(!take_out(&mut document, "sources.web.destinations.C"));
        assert!(!take_out(&mut document, "sources.app"));
        assert_eq!(document["sources"]["web"]["destinations"], json!({ "A": 1 }));
        assert!(take_out(&mut document, "sources.web"));
        assert_eq!(document["sources"], json!({}));
    }

    #[test]
    fn slugs_are_plain_and_no_two_are_alike() {
        let mut taken = HashSet::new();
        let slugs = ["My App", "my app!", "МОЙ", "__", "a".repeat(200).as_str()].map(|name| slug(name, &mut taken));
        assert_eq!(slugs[..4], ["my-app", "my-app-2", "source", "source-2"]);
        assert_eq!(slugs[4].len(), 80);
    }
}
