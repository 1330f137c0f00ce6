//! Schema settings of a source: what happens to events that its tracking plan does not know, or that break it.
//!
//! Kept and checked now; process acts on them once it enforces tracking plans.

use crate::change::refuse_stale;
use crate::thing::{Kept, Thing};
use crate::{Change, ControlError, Resource, View};
use domicile_workspace::{SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a source's events may do against its plan. A field that is not set is Segment's default: allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackRules>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identify: Option<TraitRules>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<TraitRules>,
    /// The source that gets an event for each violation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding_violations_to: Option<String>,
    /// The source that gets the events that are blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding_blocked_events_to: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unplanned_events: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unplanned_event_properties: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_event_on_violations: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_properties_on_violations: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_event_on_violations: Option<OnTrackViolation>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TraitRules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unplanned_traits: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_traits_on_violations: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_event_on_violations: Option<OnTraitViolation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnTrackViolation {
    Allow,
    Block,
    OmitProperties,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnTraitViolation {
    Allow,
    Block,
    OmitTraits,
}

impl Thing for SchemaSettings {
    const KIND: &'static str = "schema-settings";
    // Segment's trail calls a change `Source Settings Modified`.
    const AUDIT: &'static str = "Source Settings";
    const RESOURCE: Resource = Resource::Source;

    fn name(&self) -> &str {
        "schema settings"
    }

    fn check(&self) -> Result<(), ControlError> {
        Ok(())
    }
}

impl SchemaSettings {
    /// These with what `given` names: of `track`, `identify` and `group` each setting by itself. Forwarding that is not
    /// named is off, as in Segment's API.
    ///
    /// # Errors
    /// `Invalid` when `given` is not of the form.
    pub fn merged(&self, given: &Map<String, Value>) -> Result<Self, ControlError> {
        let unfit =
            || ControlError::invalid("settings", "are not of the form that they have", "see the API's reference");
        let mut all = match serde_json::to_value(Self {
            forwarding_violations_to: None,
            forwarding_blocked_events_to: None,
            ..self.clone()
        }) {
            Ok(Value::Object(all)) => all,
            _ => return Err(unfit()),
        };
        for (name, value) in given {
            match (all.get_mut(name), value) {
                (Some(Value::Object(before)), Value::Object(after)) => before.extend(after.clone()),
                _ => drop(all.insert(name.clone(), value.clone())),
            }
        }
        serde_json::from_value(Value::Object(all)).map_err(|_| unfit())
    }

    fn forwards(&self) -> [(&'static str, Option<&str>); 2] {
        [
            ("forwardingViolationsTo", self.forwarding_violations_to.as_deref()),
            ("forwardingBlockedEventsTo", self.forwarding_blocked_events_to.as_deref()),
        ]
    }
}

impl View<'_> {
    /// A source's settings; the defaults, in version 0, when none were made.
    pub fn schema_settings(
        &self,
        workspace: &WorkspaceId,
        source: &SourceId,
    ) -> Result<Kept<SchemaSettings>, ControlError> {
        let source = self.source(workspace, source)?;
        let made = self.all_things::<SchemaSettings>(workspace, Some(source.id.as_str()))?.pop();
        Ok(made.unwrap_or_else(|| Kept {
            number: 0,
            id: String::new(),
            parent: Some(source.id.to_string()),
            created_at: self.now(),
            updated_at: self.now(),
            version: 0,
            value: SchemaSettings::default(),
        }))
    }
}

impl Change<'_> {
    /// Lays `given` over a source's settings.
    ///
    /// # Errors
    /// `Invalid` for a source to forward to that the workspace does not have, or that is the source itself.
    pub fn update_schema_settings(
        &mut self,
        workspace: &WorkspaceId,
        source: &SourceId,
        if_version: Option<u64>,
        given: &Map<String, Value>,
    ) -> Result<Kept<SchemaSettings>, ControlError> {
        let before = self.schema_settings(workspace, source)?;
        refuse_stale(SchemaSettings::RESOURCE, before.version, if_version)?;
        let after = before.value.merged(given)?;
        for (field, to) in after.forwards() {
            let Some(to) = to else { continue };
            if to == source.as_str() {
                let mend = "name another source, so that no event goes in a circle";
                return Err(ControlError::invalid(field, "is the source itself", mend));
            }
            if self.source(workspace, &SourceId::new(to)).is_err() {
                return Err(ControlError::invalid(
                    field,
                    "is no source of the workspace",
                    "give the id of one, or leave it out",
                ));
            }
        }
        if before.version == 0 {
            return self.create_thing(workspace, Some(source.as_str()), after);
        }
        self.update_thing(workspace, &before.id, if_version, |settings: &mut SchemaSettings| {
            *settings = after;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(before: Value, given: Value) -> Option<Value> {
        let before: SchemaSettings = serde_json::from_value(before).expect("settings");
        let after = before.merged(given.as_object().expect("an object")).ok()?;
        Some(serde_json::to_value(after).expect("JSON"))
    }

    #[test]
    fn each_setting_is_laid_over_by_itself_and_forwarding_that_is_not_named_is_off() {
        for (before, given, after) in [
            (json!({}), json!({}), Some(json!({}))),
            (
                json!({"track": {"allowUnplannedEvents": false, "allowEventOnViolations": true}, "forwardingViolationsTo": "s"}),
                json!({"track": {"allowEventOnViolations": false}, "group": {"commonEventOnViolations": "OMIT_TRAITS"}}),
                Some(json!({
                    "track": {"allowUnplannedEvents": false, "allowEventOnViolations": false},
                    "group": {"commonEventOnViolations": "OMIT_TRAITS"},
                })),
            ),
            (json!({}), json!({"forwardingBlockedEventsTo": "s"}), Some(json!({"forwardingBlockedEventsTo": "s"}))),
            (json!({}), json!({"track": {"commonEventOnViolations": "OMIT_TRAITS"}}), None),
            (json!({}), json!({"identify": {"allowUnplannedEvents": true}}), None),
        ] {
            assert_eq!(merged(before, given.clone()), after, "{given}");
        }
    }
}
