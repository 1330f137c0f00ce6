//! The topology file from outside: text in, regions or faults out.

mod faults;
mod regions;
