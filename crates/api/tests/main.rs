//! The Public API from outside: requests in, answers out, over a cell whose logs, decision, archive and destinations are
//! the real ones.

mod bed;

mod access;
mod balance;
mod configuration;
mod events;
