//! Exceptions by which one workspace's events may go to another country.

use crate::{TransferId, WorkspaceId};
use domicile_region::Transfer;
use serde::{Deserialize, Serialize};

/// A transfer that two persons agreed on and nobody has ended. It may have expired: who lets something out by it looks at
/// the day.
#[derive(Clone, Debug)]
pub struct GrantedTransfer {
    /// The same for as long as there is a record of it.
    pub id: TransferId,
    pub workspace: WorkspaceId,
    /// As one of the region's own is written, for the border.
    pub transfer: Transfer,
    /// What of an event it lets out; `None`: all.
    pub fields: Option<TransferFields>,
}

/// What of an event a transfer lets out. Paths are dotted, as `properties.plan`; an empty list says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TransferFields {
    /// Only these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// All but these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Their values as keyed hashes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hash: Vec<String>,
    /// The address without its last part.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncate_ip: bool,
}
