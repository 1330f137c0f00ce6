//! The control store from outside: what it promises to the API, the console and `up`, on each engine.

mod bed;
mod bounds;
mod changes;
mod configuration;
mod connections;
mod engine;
mod figures;
mod filters;
mod groups;
mod lists;
mod people;
mod plans;
mod rules;
mod single;
mod sources;
mod suppressions;
mod transfers;
mod vouched;
mod webhooks;
