//! What the API is about: a file for each kind of thing, with its shapes, its rows of the table, and their handlers.

mod workspaces;

mod regions;

mod catalog;

mod labels;
mod sources;

mod destinations;
mod filters;
mod transformations;

mod tracking_plans;

mod functions;

mod warehouses;

mod privacy;

mod drills;
mod policy_checks;
mod transfers;

mod people;
mod permission;
mod tokens;

mod identity_providers;
mod operator;

mod balance;
mod delivery;
mod events;
mod ledger;
mod usage;
mod volume;

mod audit;
mod configuration;

pub use events::stream;
pub use ledger::{ledger_file, receipt_of_source};

use crate::contract::Group;

/// The table of operations.
pub(crate) static GROUPS: &[Group] = &[
    Group { name: "Workspaces", operations: workspaces::OPERATIONS },
    Group { name: "Regions", operations: regions::OPERATIONS },
    Group { name: "Catalog", operations: catalog::OPERATIONS },
    Group { name: "Sources", operations: sources::OPERATIONS },
    Group { name: "Labels", operations: labels::OPERATIONS },
    Group { name: "Destinations", operations: destinations::OPERATIONS },
    Group { name: "Destination filters", operations: filters::OPERATIONS },
    Group { name: "Transformations", operations: transformations::OPERATIONS },
    Group { name: "Tracking plans", operations: tracking_plans::OPERATIONS },
    Group { name: "Functions", operations: functions::OPERATIONS },
    Group { name: "Warehouses", operations: warehouses::OPERATIONS },
    Group { name: "Privacy", operations: privacy::OPERATIONS },
    Group { name: "Transfers", operations: transfers::OPERATIONS },
    Group { name: "Policy checks", operations: policy_checks::OPERATIONS },
    Group { name: "Drills", operations: drills::OPERATIONS },
    Group { name: "Balance", operations: balance::OPERATIONS },
    Group { name: "Events", operations: events::OPERATIONS },
    Group { name: "Ledger", operations: ledger::OPERATIONS },
    Group { name: "Event volume", operations: volume::OPERATIONS },
    Group { name: "Delivery overview", operations: delivery::OPERATIONS },
    Group { name: "Usage", operations: usage::OPERATIONS },
    Group { name: "Configuration as code", operations: configuration::OPERATIONS },
    Group { name: "Users and groups", operations: people::OPERATIONS },
    Group { name: "Tokens", operations: tokens::OPERATIONS },
    Group { name: "Operator", operations: operator::OPERATIONS },
    Group { name: "Identity providers", operations: identity_providers::OPERATIONS },
    Group { name: "Audit trail", operations: audit::OPERATIONS },
];
