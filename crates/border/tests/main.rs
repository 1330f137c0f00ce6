//! The border from outside: what it refuses, where it connects, and what comes back.

mod attacks;
mod databases;
mod differential;
mod drill;
mod events;
mod foresee;
mod gate;
mod lines;
mod mmdb;
mod naive;
mod names;
mod policy;
mod sending;
mod sources;
mod stage;
mod tls;
mod witness;
