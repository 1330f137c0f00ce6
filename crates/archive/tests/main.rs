//! The archive from outside: a log in, files out, whatever happens in between.

mod cell;

mod contract;
mod outage;
mod restart;

mod folder;
