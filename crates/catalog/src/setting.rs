//! Settings of destinations and warehouses: what the data lists, and the check of what a customer gives.

use crate::Entry;
use domicile_region::Country;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// As JSON, all together. Enough for the mappings of event names that some partners take as a setting.
pub const SETTINGS_BYTES_MAX: usize = 64 << 10;

/// No answer grows past this many faults.
const FAULTS_MAX: usize = 20;

/// Every entry takes it: where a host of the customer's own stands.
const COUNTRY: &str = "country";

/// One setting that an entry takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub name: String,
    #[serde(rename = "type")]
    pub setting_type: SettingType,
    pub required: bool,
    /// Sealed in the store, and never read back.
    #[serde(default)]
    pub secret: bool,
    pub default: Option<Value>,
    /// What a `select` may be; `None`: not known, and then any text is taken.
    pub choices: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingType {
    String,
    /// A text that is always secret.
    Password,
    /// One of some texts.
    Select,
    Boolean,
    Number,
    Array,
    /// From texts to texts: an object, or a list of `{key, value}`.
    TextMap,
    Map,
    /// Any value.
    Mixed,
    Color,
    /// ISO 3166-1 alpha-2, for example `IE`.
    Country,
}

impl SettingType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Password => "password",
            Self::Select => "select",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Array => "array",
            Self::TextMap => "text-map",
            Self::Map => "map",
            Self::Mixed => "mixed",
            Self::Color => "color",
            Self::Country => "country",
        }
    }

    fn takes(self, value: &Value) -> bool {
        match self {
            Self::String | Self::Password | Self::Select | Self::Color => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Array => value.is_array(),
            Self::TextMap | Self::Map => value.is_object() || value.is_array(),
            Self::Mixed => !value.is_null(),
            Self::Country => value.as_str().is_some_and(|code| Country::new(code).is_some()),
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::String | Self::Password | Self::Select | Self::Color => "give a JSON string",
            Self::Boolean => "give true or false",
            Self::Number => "give a JSON number",
            Self::Array => "give a JSON array",
            Self::TextMap | Self::Map => "give a JSON object",
            Self::Mixed => "give a value, or leave it out",
            Self::Country => "give an ISO 3166-1 alpha-2 code, for example IE",
        }
    }
}

/// A setting that can't be taken. Holds its name, never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// Its name; empty when all together are at fault.
    pub setting: String,
    pub what: String,
    pub mend: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.setting.is_empty() { "" } else { "." };
        write!(f, "settings{dot}{} {}; {}", self.setting, self.what, self.mend)
    }
}

impl Entry {
    /// Checks settings that a customer gives: their names, types and size.
    ///
    /// Settings that the entry does not list are refused; an entry whose settings are not known takes any. `country` is
    /// taken by all. That a required one is there is asked apart ([`Entry::missing_settings`]), since a connection may
    /// be filled in step by step.
    ///
    /// # Errors
    /// Up to 20 faults, in the order of `given`.
    pub fn check_settings(&self, given: &Map<String, Value>) -> Result<(), Vec<SettingFault>> {
        let bytes = serde_json::to_string(given).map_or(usize::MAX, |text| text.len());
        if bytes > SETTINGS_BYTES_MAX {
            let what = format!("have {bytes} bytes as JSON");
            let mend = format!("give at most {SETTINGS_BYTES_MAX}");
            return Err(vec![SettingFault { setting: String::new(), what, mend }]);
        }
        let faults: Vec<_> =
            given.iter().filter_map(|(name, value)| self.fault(name, value)).take(FAULTS_MAX).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The required settings that `given` lacks and that have no default.
    pub fn missing_settings(&self, given: &Map<String, Value>) -> Vec<&Setting> {
        let lacks = |setting: &&Setting| {
            setting.required && setting.default.is_none() && given.get(&setting.name).is_none_or(Value::is_null)
        };
        self.settings.iter().flatten().filter(lacks).collect()
    }

    /// The setting of this name, where it is listed.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().flatten().find(|setting| setting.name == name)
    }

    fn fault(&self, name: &str, value: &Value) -> Option<SettingFault> {
        let fault = |what: String, mend: String| Some(SettingFault { setting: name.to_owned(), what, mend });
        let (setting_type, choices) = match (self.setting(name), &self.settings) {
            (Some(setting), _) => (setting.setting_type, setting.choices.as_deref()),
            (None, _) if name == COUNTRY => (SettingType::Country, None),
            (None, None) => return None,
            (None, Some(known)) => {
                let known: Vec<_> = known.iter().map(|setting| setting.name.as_str()).collect();
                let mend = match known.as_slice() {
                    [] => "it takes none".to_owned(),
                    known => format!("its settings are: {}", known.join(", ")),
                };
                return fault(format!("is no setting of `{}`", self.slug), mend);
            }
        };
        if !setting_type.takes(value) {
            return fault(format!("is not a {}", setting_type.as_str()), setting_type.mend().to_owned());
        }
        match (choices, value.as_str()) {
            (Some(choices), Some(text)) if !choices.iter().any(|choice| choice == text) => {
                fault("is none of the choices".to_owned(), format!("choose one of: {}", choices.join(", ")))
            }
            _ => None,
        }
    }
}
