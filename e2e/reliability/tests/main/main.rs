//! Reliability on the crates, without a process: the disk fails, the power goes, the clock jumps, and nothing that was
//! promised is lost, changed or doubled. Rows R1 to R6 and R13 of docs/reliability.md.

mod power;

mod failure;
mod full;

mod damage;

mod clock;

mod cell;
mod twice;

mod mutants;
