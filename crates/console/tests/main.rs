//! The console from outside: pages, sessions, and what hostile events do to them.

mod bed;

mod pages;
mod people;
mod sessions;
