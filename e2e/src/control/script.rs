//! A script of `e2e/control`: it prints a JSON object a line, and what is no promise is handed to whoever started it.

use crate::speaking::Speaking;
use crate::tally::Tally;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// The longest silence of a script that works.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A promise, and why it does not hold.
pub type Kept = (String, Result<(), String>);

/// What a script printed up to its end.
#[derive(Default)]
pub struct Said {
    pub promises: Vec<Kept>,
    /// Everything else, in its order.
    pub more: Vec<Value>,
}

impl Said {
    /// Counts its promises under a name.
    pub fn tally(&self, tally: &mut Tally, name: &str) {
        for (promise, held) in &self.promises {
            tally.check(format!("{name}: {promise}"), held.clone());
        }
    }
}

/// A running script. Dropped, it is ended.
pub struct Script(Speaking);

impl Script {
    /// Starts it; its stdin stays open until it is dropped.
    pub fn start(command: Command) -> Result<Self, String> {
        Speaking::start(command, SILENCE_MAX).map(Self)
    }

    /// Its next line.
    pub fn next(&mut self) -> Result<Option<Value>, String> {
        self.0.next(|line| serde_json::from_str(line))
    }

    /// Everything up to its end, which must be with 0.
    pub fn finish(mut self) -> Result<Said, String> {
        let mut said = Said::default();
        while let Some(line) = self.next()? {
            match line.get("promise").and_then(Value::as_str) {
                Some(promise) => {
                    let held = line.get("failed").and_then(Value::as_str).map_or(Ok(()), |why| Err(why.to_owned()));
                    said.promises.push((promise.to_owned(), held));
                }
                None => said.more.push(line),
            }
        }
        self.0.end().map(|()| said)
    }
}
