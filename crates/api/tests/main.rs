//! The Public API from outside: requests in, answers out, over a cell whose logs, decision, archive and destinations are
//! the real ones.

mod asks;
mod bed;
#[path = "../../control/tests/single.rs"]
mod single;
mod things;

mod access;
mod as_code;
mod audit;
mod balance;
mod configuration;
mod drills;
mod events;
mod every;
mod figures;
mod filters;
mod functions;
mod labels;
mod ledger;
mod people;
mod plans;
mod policy_checks;
mod privacy;
mod transfers;
mod warehouses;
