//! How deep free JSON may be nested.
//!
//! - JSON is read 128 levels deep, by this program and by those who write tools for it. What stands inside a larger document
//!   (a configuration, an answer) has to leave room for that.

use crate::ControlError;
use serde_json::{Map, Value};

/// Objects and lists within one another, of settings.
pub(crate) const SETTINGS_DEPTH_MAX: usize = 32;

/// Objects and lists within one another: 0 for a text, 1 for `{}`. What was parsed is 128 deep at most.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Refuses settings that are nested too deep; `field` is what the API calls them.
pub(crate) fn refuse_deep(field: &str, settings: &Map<String, Value>) -> Result<(), ControlError> {
    let deep = settings.iter().find(|(_, value)| 1 + depth(value) > SETTINGS_DEPTH_MAX);
    match deep {
        None => Ok(()),
        Some((name, _)) => {
            let name: String = name.chars().take(100).collect();
            let mend = format!("nest objects and lists at most {SETTINGS_DEPTH_MAX} times");
            Err(ControlError::invalid(format!("{field}.{name}"), "is nested too deep", mend))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_and_lists_are_counted() {
        let nested = |times: usize| {
            (0..times).fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
        };
        for (value, expected) in [(json!(1), 0), (json!({}), 1), (json!([[], {"a": [1]}]), 3), (nested(50), 50)] {
            assert_eq!(depth(&value), expected, "{value}");
        }
        let settings = |times| Map::from_iter([("a".to_owned(), nested(times))]);
        refuse_deep("settings", &settings(31)).expect("32 with the settings themselves");
        let Err(ControlError::Invalid { field, .. }) = refuse_deep("settings", &settings(32)) else { panic!("taken") };
        assert_eq!(field, "settings.a");
    }
}
