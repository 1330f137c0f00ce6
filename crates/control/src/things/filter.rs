//! Filters of a destination: which of its source's events it gets, and what of them.
//!
//! - At most ten for one destination. Those that are switched on are in the configuration's snapshot: a destination follows
//!   it, and what it begins to send from then on has passed them.
//! - What is stored was checked as a whole. A filter that can't be read any more leaves nothing through.

use crate::thing::{Kept, Thing};
use crate::{Change, ControlError, Resource, View, text};
use domicile_event::filter::{self, Draft};
use domicile_workspace::{DestinationId, WorkspaceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Filters of one destination.
const FILTERS_MAX: usize = 10;
/// Bytes of an expression that is evaluated for every event.
const CONDITION_BYTES_MAX: usize = 5 * 1024;
/// Characters of a title, as in Segment.
const TITLE_CHARS_MAX: usize = 64;

/// A filter; its parent is the destination.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// FQL.
    #[serde(rename = "if")]
    pub condition: String,
    pub actions: Vec<FilterAction>,
    pub enabled: bool,
}

/// What is done to the events for which the condition holds.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilterAction {
    /// `ALLOW_PROPERTIES`, `DROP`, `DROP_PROPERTIES` or `SAMPLE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// From the path of an object to names in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeMap<String, Vec<String>>>,
    /// From 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Filter {
    /// The filter as it is put before events.
    ///
    /// # Errors
    /// `Invalid` with the first thing that is wrong, and for an expression with its column.
    pub fn ready(&self) -> Result<filter::Filter, ControlError> {
        ready(&self.condition, &self.actions)
    }
}

/// A condition and its actions as they are put before events; `field` names are those of a filter.
///
/// # Errors
/// As [`Filter::ready`].
pub fn ready<'a>(condition: &str, actions: &'a [FilterAction]) -> Result<filter::Filter, ControlError> {
    if condition.len() > CONDITION_BYTES_MAX {
        let mend = format!("give at most {CONDITION_BYTES_MAX}, or split it over several filters");
        return Err(ControlError::invalid("if", format!("has {} bytes", condition.len()), mend));
    }
    let draft = |action: &'a FilterAction| -> Draft<'a> {
        let FilterAction { kind, fields, percent, path } = action;
        Draft { kind, fields: fields.as_ref(), percent: *percent, path: path.as_deref() }
    };
    let drafts: Vec<Draft<'_>> = actions.iter().map(draft).collect();
    filter::Filter::check(condition, &drafts).map_err(|errors| match errors.into_iter().next() {
        Some(error) => {
            let at = error.column.map(|column| format!("column {column}: ")).unwrap_or_default();
            ControlError::invalid(error.field, format!("can't be taken: {at}{}", error.what), error.mend)
        }
        None => ControlError::invalid("actions", "can't be taken", "see the filters' reference"),
    })
}

impl Thing for Filter {
    const KIND: &'static str = "filter";
    const AUDIT: &'static str = "Destination Filter";
    const RESOURCE: Resource = Resource::Filter;

    fn name(&self) -> &str {
        &self.title
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("title", &self.title)?;
        if self.title.chars().count() > TITLE_CHARS_MAX {
            return Err(ControlError::invalid("title", "is too long", "give at most 64 characters"));
        }
        self.ready().map(drop)
    }
}

impl Change<'_> {
    /// Makes a filter of a destination.
    ///
    /// # Errors
    /// `NotFound` without the destination; `Conflict` when it has ten filters.
    pub fn create_filter(
        &mut self,
        workspace: &WorkspaceId,
        destination: &DestinationId,
        new: Filter,
    ) -> Result<Kept<Filter>, ControlError> {
        self.destination(workspace, destination)?;
        if self.count_things::<Filter>(workspace, Some(destination.as_str()))? >= FILTERS_MAX as u64 {
            return Err(ControlError::Conflict {
                what: format!("the destination has {FILTERS_MAX} filters"),
                mend: "delete one, or put the conditions of two into one".to_owned(),
            });
        }
        self.create_thing(workspace, Some(destination.as_str()), new)
    }
}

impl View<'_> {
    /// A filter of a destination.
    pub fn filter(
        &self,
        workspace: &WorkspaceId,
        destination: &DestinationId,
        id: &str,
    ) -> Result<Kept<Filter>, ControlError> {
        self.thing::<Filter>(workspace, id).and_then(|kept| match kept.parent.as_deref() {
            Some(parent) if parent == destination.as_str() => Ok(kept),
            _ => Err(ControlError::NotFound(Resource::Filter)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The field of the fault; nothing for a filter that is taken.
    fn fault(condition: &str, actions: Value) -> Option<String> {
        let actions: Vec<FilterAction> = serde_json::from_value(actions).expect("actions");
        let filter = Filter {
            title: "t".to_owned(),
            description: None,
            condition: condition.to_owned(),
            actions,
            enabled: true,
        };
        match filter.check() {
            Ok(()) => None,
            Err(ControlError::Invalid { field, .. }) => Some(field),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_filter_that_is_kept_can_be_put_before_events() {
        let drop = || json!([{"type": "DROP"}]);
        let long = format!("event = '{}'", "x".repeat(6_000));
        for (condition, actions, expected) in [
            ("all", drop(), None),
            ("event = 'a' and !contains(properties.email, '@x')", drop(), None),
            ("all", json!([{"type": "SAMPLE", "percent": 0.25, "path": "userId"}]), None),
            ("all", json!([{"type": "DROP_PROPERTIES", "fields": {"context": ["ip"], "": ["userId"]}}]), None),
            ("event = ", drop(), Some("if")),
            ("", drop(), Some("if")),
            (&long, drop(), Some("if")),
            ("all", json!([]), Some("actions")),
            ("all", json!([{"type": "SAMPLE"}]), Some("actions.0.percent")),
            ("all", json!([{"type": "DROP"}, {"type": "SAMPLE", "percent": 1.5}]), Some("actions.1.percent")),
            ("all", json!([{"type": "DROP", "percent": 0.5}]), Some("actions.0.percent")),
            ("all", json!([{"type": "ALLOW_PROPERTIES"}]), Some("actions.0.fields")),
            ("all", json!([{"type": "EXPLODE"}]), Some("actions.0.type")),
        ] {
            assert_eq!(fault(condition, actions).as_deref(), expected, "{condition}");
        }
    }
}
