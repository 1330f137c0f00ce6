//! The console from outside: pages, sessions, and what hostile events do to them.

mod bed;
#[path = "../../control/tests/single.rs"]
mod single;

mod pages;
mod people;
mod sessions;
mod transfers;
