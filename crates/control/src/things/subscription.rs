//! Subscriptions of a destination: which events go to which of its actions.
//!
//! Kept and checked now; destinations with actions act on them.

use crate::thing::Thing;
use crate::{ControlError, Resource, text};
use domicile_event::fql::Expression;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A subscription; its parent is the destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    pub name: String,
    pub action_id: String,
    pub action_slug: String,
    pub enabled: bool,
    /// How the action's fields are made of an event's.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// FQL: the events that it is for.
    pub trigger: String,
    /// Of reverse ETL: the model whose rows it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    #[serde(default, rename = "reverseETLSchedule", skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Value>,
}

impl Thing for Subscription {
    const KIND: &'static str = "subscription";
    const AUDIT: &'static str = "Destination Subscription";
    const RESOURCE: Resource = Resource::Subscription;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("name", &self.name)?;
        parse_fql("trigger", &self.trigger).map(drop)
    }
}

/// The expression of a field, or why it is none and where.
pub(crate) fn parse_fql(field: &str, text: &str) -> Result<Expression, ControlError> {
    Expression::parse(text).map_err(|error| {
        let what = format!("is no FQL: column {}: {}", error.column, error.what);
        ControlError::invalid(field, what, error.mend)
    })
}
