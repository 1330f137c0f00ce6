//! The checks of one run: each prints a line when it is known, the last line counts them.

use std::fmt::Display;
use std::process::ExitCode;

#[derive(Default)]
pub struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Tally {
    /// Counts one check and prints it. `Err` says what does not hold.
    pub fn check<E: Display>(&mut self, promise: impl Display, outcome: Result<(), E>) {
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("ok      {promise}");
            }
            Err(why) => {
                self.failed += 1;
                println!("FAILED  {promise}\n        {why}");
            }
        }
    }

    /// Counts one check that this machine can't make, and says why. It has not passed.
    pub fn skip(&mut self, promise: impl Display, why: impl Display) {
        self.skipped += 1;
        println!("skipped {promise}\n        {why}");
    }

    /// How many checks have failed so far.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// Prints the closing line. A run without a single check has failed too, unless it said what it had to skip.
    pub fn close(self) -> ExitCode {
        if self.skipped > 0 {
            println!("{} skipped", self.skipped);
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.passed + self.skipped > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
