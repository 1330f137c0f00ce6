//! A workspace as a document.

use super::present::Here;
use super::shape::{self, Identity, Kind, is_nothing};
use crate::{ControlError, View};
use domicile_workspace::WorkspaceId;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A workspace's configuration, without its secrets.
pub struct ExportedConfiguration {
    pub document: Map<String, Value>,
    /// Where secrets are set, each a path of names: `sources`, `web`, `destinations`, `Hook`, `settings`, `sharedSecret`.
    pub secrets: Vec<Vec<String>>,
    /// For [`ApplyConfiguration::if_version`](super::ApplyConfiguration).
    pub version: u64,
}

impl View<'_> {
    /// The workspace's configuration as a document that makes an empty workspace the same. Things stand in the order of
    /// their names, fields in that of the guide; all sections are there.
    ///
    /// `write_keys`: whether they are in it. Applied to another workspace, they would be in two.
    pub fn export_configuration(
        &self,
        workspace: &WorkspaceId,
        write_keys: bool,
    ) -> Result<ExportedConfiguration, ControlError> {
        let record = self.workspace(workspace)?;
        let present = self.present(workspace)?;
        let mut exporting = Exporting { by_parent: HashMap::new(), secrets: Vec::new(), write_keys };
        for here in &present.things {
            exporting.by_parent.entry((here.kind, here.parent.as_deref())).or_default().push(here);
        }
        let region = self.region().id.as_str();
        let mut document = Map::new();
        document.insert("workspace".to_owned(), json!({ "slug": record.slug, "name": record.name, "region": region }));
        for kind in Kind::TOP {
            let section = exporting.section(kind, None, &[]);
            document.insert(kind.section().to_owned(), section);
        }
        let version = self.workspace_version(workspace)?;
        Ok(ExportedConfiguration { document, secrets: exporting.secrets, version })
    }
}

struct Exporting<'a> {
    by_parent: HashMap<(Kind, Option<&'a str>), Vec<&'a Here>>,
    secrets: Vec<Vec<String>>,
    write_keys: bool,
}

impl<'a> Exporting<'a> {
    fn section(&mut self, kind: Kind, parent: Option<&'a str>, path: &[String]) -> Value {
        let mut things = self.by_parent.remove(&(kind, parent)).unwrap_or_default();
        things.sort_by(|a, b| a.key.cmp(&b.key));
        let path = [path, &[kind.section().to_owned()]].concat();
        if kind.identity() == Identity::Only {
            return things.first().map_or(Value::Null, |here| Value::Object(self.thing(here, &path)));
        }
        let shown = things.into_iter().map(|here| {
            let path = [path.as_slice(), std::slice::from_ref(&here.key)].concat();
            (here.key.clone(), Value::Object(self.thing(here, &path)))
        });
        Value::Object(shown.collect())
    }

    fn thing(&mut self, here: &'a Here, path: &[String]) -> Map<String, Value> {
        let mut shown = Map::new();
        for shape::Field { name, .. } in here.kind.fields() {
            let Some(value) = here.fields.get(*name) else { continue };
            let says_nothing = match *name {
                "writeKeys" => !self.write_keys,
                // Which warehouses a source is connected to is said even when it is none.
                "warehouses" => false,
                "name" => value.as_str() == Some(here.key.as_str()),
                _ => is_nothing(value),
            };
            if !says_nothing {
                shown.insert((*name).to_owned(), value.clone());
            }
        }
        for secret in here.secrets.keys() {
            let (field, name) = secret.split_once('.').unwrap_or((secret, ""));
            // So that there is a place for what stands for it.
            shown.entry(field).or_insert_with(|| json!({}));
            self.secrets.push([path, &[field.to_owned(), name.to_owned()]].concat());
        }
        for part in here.kind.parts() {
            let section = self.section(*part, Some(&here.id), path);
            if !is_nothing(&section) || part.identity() == Identity::Name && here.kind == Kind::Source {
                shown.insert(part.section().to_owned(), section);
            }
        }
        shown
    }
}
