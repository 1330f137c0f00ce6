//! Where a function is put in: before a destination or behind a source, with values for the function's settings.
//!
//! Kept and checked now; nothing of it runs yet.
//!
//! - One for each destination or source.
//! - The value of a sensitive setting is sealed, and never read back. A setting that becomes sensitive has its values sealed
//!   in the same change, and one that is taken away loses them.
//! - What was sealed is never opened: of a setting that is no longer sensitive the value goes, and has to be given anew.

use crate::thing::{Kept, Thing};
use crate::things::function::{Function, FunctionKind, FunctionSetting, SettingKind};
use crate::{Change, ControlError, Resource, View, text};
use domicile_workspace::{DestinationId, SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of one value, as JSON.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// A function put in; its parent is the destination or source.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionInstance {
    pub function: String,
    pub name: String,
    pub enabled: bool,
    /// What may be read back.
    pub settings: Map<String, Value>,
    /// What may not. Only in memory: it lies sealed beside the body.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub sensitive: Map<String, Value>,
}

/// An instance to be made.
#[derive(Clone)]
pub struct NewFunctionInstance {
    pub function: String,
    /// The id of a destination, or of a source for a source's function.
    pub integration: String,
    pub name: String,
    pub enabled: bool,
    pub settings: Map<String, Value>,
}

/// What to change of an instance; `None` leaves it. Settings that are not named stay, `null` takes one away.
#[derive(Clone, Default)]
pub struct FunctionInstanceChange {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub settings: Map<String, Value>,
}

impl Thing for FunctionInstance {
    const KIND: &'static str = "function-instance";
    const AUDIT: &'static str = "Function Instance";
    const RESOURCE: Resource = Resource::FunctionInstance;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("name", &self.name).map(drop)
    }

    fn take_secrets(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.sensitive)
    }

    fn put_secrets(&mut self, secrets: Map<String, Value>) {
        self.sensitive = secrets;
    }
}

impl FunctionInstance {
    /// Lays `given` over its values, and parts them anew by what the function says of each.
    fn fill(&mut self, known: &[FunctionSetting], given: &Map<String, Value>) -> Result<(), ControlError> {
        let mut all = self.take_values(known);
        for (name, value) in given {
            match value {
                Value::Null => drop(all.remove(name)),
                value => drop(all.insert(name.clone(), value.clone())),
            }
        }
        for setting in known {
            let field = format!("settings.{}", setting.name);
            let Some(value) = all.remove(&setting.name) else {
                if setting.required {
                    return Err(ControlError::invalid(field, "is missing", "the function needs it"));
                }
                continue;
            };
            check_value(setting.kind, &value, &field)?;
            let to = if setting.sensitive { &mut self.sensitive } else { &mut self.settings };
            to.insert(setting.name.clone(), value);
        }
        match all.keys().find(|name| given.contains_key(*name)) {
            Some(unknown) => {
                let shown: String = unknown.chars().take(100).collect();
                let names: Vec<&str> = known.iter().map(|setting| setting.name.as_str()).collect();
                let mend = format!("its settings are: {}", names.join(", "));
                Err(ControlError::invalid(format!("settings.{shown}"), "is no setting of the function", mend))
            }
            // What is left belongs to settings that the function no longer has.
            None => Ok(()),
        }
    }

    /// Takes all its values, but none that is sealed and that the function would show from now on.
    fn take_values(&mut self, known: &[FunctionSetting]) -> Map<String, Value> {
        let mut all = std::mem::take(&mut self.settings);
        let stays_sealed = |name: &str| known.iter().any(|setting| setting.name == name && setting.sensitive);
        all.extend(std::mem::take(&mut self.sensitive).into_iter().filter(|(name, _)| stays_sealed(name)));
        all
    }

    /// Parts its values anew after the function's settings changed. A value that no longer fits stays away.
    fn refit(&mut self, known: &[FunctionSetting]) {
        let mut all = self.take_values(known);
        for setting in known {
            let value = all.remove(&setting.name).filter(|value| check_value(setting.kind, value, "").is_ok());
            if let Some(value) = value {
                let to = if setting.sensitive { &mut self.sensitive } else { &mut self.settings };
                to.insert(setting.name.clone(), value);
            }
        }
    }
}

/// What a body names is a field's fault; what a path names would be a 404.
fn missing(field: &'static str, resource: Resource) -> impl FnOnce(ControlError) -> ControlError {
    move |error| match error {
        ControlError::NotFound(_) => {
            ControlError::invalid(field, format!("is no {resource} of the workspace"), "give the id of one")
        }
        other => other,
    }
}

fn check_value(kind: SettingKind, value: &Value, field: &str) -> Result<(), ControlError> {
    let (fits, mend) = match kind {
        SettingKind::String => (value.is_string(), "give a text"),
        SettingKind::Boolean => (value.is_boolean(), "give true or false"),
        SettingKind::Array => {
            (value.as_array().is_some_and(|items| items.iter().all(Value::is_string)), "give a list of texts")
        }
        SettingKind::TextMap => {
            (value.as_object().is_some_and(|map| map.values().all(Value::is_string)), "give an object of texts")
        }
    };
    if !fits {
        return Err(ControlError::invalid(field, "is not of the setting's type", mend));
    }
    if value.to_string().len() > VALUE_BYTES_MAX {
        return Err(ControlError::invalid(field, "is too long", format!("give at most {VALUE_BYTES_MAX} bytes")));
    }
    Ok(())
}

impl Change<'_> {
    /// Puts a function in.
    ///
    /// # Errors
    /// `Invalid` for a function that can't be put in, for what the workspace does not have, and for values that are not
    /// those of the function's settings; `Conflict` when another function is there.
    pub fn create_function_instance(
        &mut self,
        workspace: &WorkspaceId,
        new: NewFunctionInstance,
    ) -> Result<Kept<FunctionInstance>, ControlError> {
        let function =
            self.thing::<Function>(workspace, &new.function).map_err(missing("functionId", Resource::Function))?;
        let integration = match function.value.resource_type {
            FunctionKind::InsertSource => {
                let id = SourceId::new(new.integration.as_str());
                self.source(workspace, &id).map_err(missing("integrationId", Resource::Source))?.id.to_string()
            }
            FunctionKind::InsertDestination | FunctionKind::InsertTransformation => {
                let id = DestinationId::new(new.integration.as_str());
                self.destination(workspace, &id)
                    .map_err(missing("integrationId", Resource::Destination))?
                    .id
                    .to_string()
            }
            FunctionKind::Source | FunctionKind::Destination => {
                let mend = "name one whose resourceType begins with INSERT_";
                return Err(ControlError::invalid("functionId", "is not a function that is put in", mend));
            }
        };
        if self.count_things::<FunctionInstance>(workspace, Some(&integration))? > 0 {
            return Err(ControlError::Conflict {
                what: format!("a function is put in at `{integration}` already"),
                mend: "change or delete that instance".to_owned(),
            });
        }
        let NewFunctionInstance { function: id, name, enabled, settings, .. } = new;
        let mut instance =
            FunctionInstance { function: id, name, enabled, settings: Map::new(), sensitive: Map::new() };
        instance.fill(&function.value.settings, &settings)?;
        self.create_thing(workspace, Some(&integration), instance)
    }

    pub fn update_function_instance(
        &mut self,
        workspace: &WorkspaceId,
        id: &str,
        if_version: Option<u64>,
        to: FunctionInstanceChange,
    ) -> Result<Kept<FunctionInstance>, ControlError> {
        let before = self.thing::<FunctionInstance>(workspace, id)?;
        let function = self.thing::<Function>(workspace, &before.value.function)?;
        self.update_thing(workspace, id, if_version, |instance: &mut FunctionInstance| {
            if let Some(name) = to.name {
                instance.name = name;
            }
            instance.enabled = to.enabled.unwrap_or(instance.enabled);
            instance.fill(&function.value.settings, &to.settings)
        })
    }

    /// After a change of the function's settings: what became sensitive is sealed, and what no longer is, goes.
    pub(crate) fn reseal_instances(
        &mut self,
        workspace: &WorkspaceId,
        function: &Kept<Function>,
    ) -> Result<(), ControlError> {
        for instance in self.instances_of(workspace, &function.id)? {
            self.update_thing(workspace, &instance.id, None, |instance: &mut FunctionInstance| {
                instance.refit(&function.value.settings);
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl View<'_> {
    /// Where a function is put in.
    pub fn instances_of(
        &self,
        workspace: &WorkspaceId,
        function: &str,
    ) -> Result<Vec<Kept<FunctionInstance>>, ControlError> {
        let mut all = self.all_things::<FunctionInstance>(workspace, None)?;
        all.retain(|instance| instance.value.function == function);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setting(name: &str, kind: SettingKind, required: bool, sensitive: bool) -> FunctionSetting {
        FunctionSetting {
            name: name.to_owned(),
            label: name.to_owned(),
            description: String::new(),
            kind,
            required,
            sensitive,
        }
    }

    fn known() -> Vec<FunctionSetting> {
        vec![
            setting("apiKey", SettingKind::String, true, true),
            setting("tags", SettingKind::Array, false, false),
            setting("map", SettingKind::TextMap, false, false),
            setting("on", SettingKind::Boolean, false, false),
        ]
    }

    fn filled(given: Value) -> Result<FunctionInstance, String> {
        let (settings, sensitive) = (Map::new(), Map::new());
        let mut instance =
            FunctionInstance { function: "f".to_owned(), name: "n".to_owned(), enabled: true, settings, sensitive };
        match instance.fill(&known(), given.as_object().expect("an object")) {
            Ok(()) => Ok(instance),
            Err(ControlError::Invalid { field, .. }) => Err(field),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn values_fit_their_settings_and_sensitive_ones_stand_apart() {
        let instance =
            filled(json!({"apiKey": "s3cret", "tags": ["a"], "map": {"a": "b"}, "on": false})).expect("fits");
        assert_eq!(Value::Object(instance.settings.clone()), json!({"tags": ["a"], "map": {"a": "b"}, "on": false}));
        assert_eq!(Value::Object(instance.sensitive.clone()), json!({"apiKey": "s3cret"}));
        for (given, field) in [
            (json!({}), "settings.apiKey"),
            (json!({"apiKey": null}), "settings.apiKey"),
            (json!({"apiKey": 5}), "settings.apiKey"),
            (json!({"apiKey": "x".repeat(20_000)}), "settings.apiKey"),
            (json!({"apiKey": "s", "tags": [1]}), "settings.tags"),
            (json!({"apiKey": "s", "map": {"a": {}}}), "settings.map"),
            (json!({"apiKey": "s", "on": "yes"}), "settings.on"),
            (json!({"apiKey": "s", "other": "x"}), "settings.other"),
        ] {
            assert_eq!(filled(given.clone()).err().as_deref(), Some(field), "{given}");
        }
    }

    #[test]
    fn a_setting_that_becomes_sensitive_takes_its_value_along() {
        let mut instance = filled(json!({"apiKey": "s3cret", "tags": ["a"], "on": true})).expect("fits");
        let mut changed = known();
        changed[1].sensitive = true;
        changed.remove(3);
        instance.refit(&changed);
        assert!(instance.settings.is_empty());
        assert_eq!(Value::Object(instance.sensitive), json!({"apiKey": "s3cret", "tags": ["a"]}));
    }

    #[test]
    fn a_setting_that_is_no_longer_sensitive_loses_its_value() {
        let mut instance = filled(json!({"apiKey": "s3cret", "tags": ["a"]})).expect("fits");
        let mut changed = known();
        changed[0].sensitive = false;
        let mut filled_later = instance.clone();
        instance.refit(&changed);
        assert_eq!(Value::Object(instance.settings), json!({"tags": ["a"]}));
        assert!(instance.sensitive.is_empty());
        assert!(filled_later.fill(&changed, &Map::new()).is_err(), "it has to be given anew");
        assert!(!filled_later.settings.contains_key("apiKey"));
    }
}
