//! The decision, from outside: commands in, the event log's text out. Each test has a simulated world, and the real logs,
//! keys and index in it.

mod cell;
mod crashes;
mod damage;
mod decisions;
mod dedup;
mod index;
