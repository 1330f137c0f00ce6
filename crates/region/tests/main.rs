//! The topology file from outside: text in, regions or faults out.

mod faults;
mod faults_of_files;
mod faults_of_policy;
mod regions;
