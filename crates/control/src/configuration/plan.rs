//! What applying a document changes, as a caller reads it. It holds no secret, and of a write key only the first letters.

use super::shape::Kind;
use crate::write_key;
use serde::Serialize;
use serde_json::{Map, Value};

/// What a change of a whole workspace did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The version of the workspace's configuration that it was made for.
    pub version: u64,
    /// Empty: the workspace is as the document says.
    pub steps: Vec<Step>,
    /// What the workspace has in a section of the document, and the document has not.
    pub not_in_file: Vec<Unlisted>,
}

/// One thing that is made, changed or deleted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub action: Action,
    pub kind: Kind,
    /// In the document: `sources.web`.
    pub path: String,
    pub name: String,
    pub fields: Vec<FieldChange>,
    /// Those that the document gives.
    pub secrets: Vec<SecretChange>,
    /// What of it decides where data goes, each a sentence.
    pub residency: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Change,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// `settings.url`.
    pub field: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretChange {
    /// `settings.sharedSecret`.
    pub field: String,
    pub changed: bool,
}

/// Drift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unlisted {
    pub kind: Kind,
    pub path: String,
    pub name: String,
}

/// The fields that differ, objects field by field.
pub(crate) fn difference(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let (before, after) = (flat(before), flat(after));
    let mut changes = Vec::new();
    for (field, is) in &after {
        let was = before.iter().find(|(name, _)| name == field).map(|(_, value)| value);
        if was != Some(is) {
            changes.push(FieldChange { field: field.clone(), before: was.cloned(), after: Some(is.clone()) });
        }
    }
    for (field, was) in before {
        if !after.iter().any(|(name, _)| *name == field) {
            changes.push(FieldChange { field, before: Some(was), after: None });
        }
    }
    changes
}

fn flat(fields: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Object(inner) => {
                out.extend(flat(inner).into_iter().map(|(deeper, value)| (format!("{name}.{deeper}"), value)));
            }
            Value::Array(keys) if name == "writeKeys" => {
                let shown = keys.iter().filter_map(Value::as_str).map(|key| Value::String(write_key::shown(key)));
                out.push((name.clone(), Value::Array(shown.collect())));
            }
            // Nothing to show: it is as if it were left out.
            Value::Array(items) if items.is_empty() => {}
            value => out.push((name.clone(), value.clone())),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_shown_and_of_write_keys_only_their_first_letters() {
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        let before = map(json!({"name": "a", "settings": {"url": "u", "x": {"y": 1}}, "gone": true, "list": []}));
        let after =
            map(json!({"name": "a", "settings": {"url": "v", "x": {"y": 1, "z": 2}}, "writeKeys": ["euw_0123456789"]}));
        let shown: Vec<_> = difference(&before, &after).iter().map(|c| json!([c.field, c.before, c.after])).collect();
        assert_eq!(
            Value::Array(shown),
            json!([
                ["settings.url", "u", "v"],
                ["settings.x.z", null, 2],
                ["writeKeys", null, ["euw_0123…"]],
                ["gone", true, null],
            ])
        );
    }
}
