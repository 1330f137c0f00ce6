//! What of an event a transfer lets out, as the API writes it and the store keeps it.

use crate::{ControlError, text};
use domicile_event::reduce::{Draft, Reduction};
use serde::{Deserialize, Serialize};

/// A transfer's fields as they are written. Paths are dotted, as `properties.plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TransferFields {
    /// Only these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// All but these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<String>>,
    /// Their values as keyed hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Vec<String>>,
    /// `context.ip` without its last part.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncate_ip: bool,
}

impl TransferFields {
    /// As they were written.
    pub fn of(reduction: &Reduction) -> Self {
        let Draft { allow, deny, hash, truncate_ip } = reduction.draft().clone();
        Self { allow, deny, hash, truncate_ip }
    }

    /// What they do to an event.
    ///
    /// # Errors
    /// `Invalid` for the first that is wrong.
    pub(crate) fn check(&self) -> Result<Reduction, ControlError> {
        let Self { allow, deny, hash, truncate_ip } = self.clone();
        for (list, paths) in [("allow", &allow), ("deny", &deny), ("hash", &hash)] {
            for (place, path) in paths.iter().flatten().enumerate().filter(|(_, path)| !path.is_empty()) {
                // Who approves it sees what is there.
                text::name(&format!("fields.{list}.{place}"), path)?;
            }
        }
        Reduction::check(&Draft { allow, deny, hash, truncate_ip }).map_err(|faults| match faults.into_iter().next() {
            Some(fault) if fault.at.list.is_empty() => ControlError::invalid("fields", fault.what, fault.mend),
            Some(fault) => ControlError::invalid(format!("fields.{}", fault.at), fault.what, fault.mend),
            None => ControlError::invalid("fields", "can't be read", "leave `fields` out"),
        })
    }
}
