//! What process tells the metrics.

use domicile_ledger::Outcome;
use domicile_region::RegionId;
use metrics::{Counter, Gauge, counter, gauge};

pub(crate) struct Measures {
    outcomes: [Counter; Outcome::ALL.len()],
    lag: Gauge,
}

impl Measures {
    pub(crate) fn new(region: &RegionId) -> Self {
        let region = region.as_str();
        let outcomes = Outcome::ALL.map(|outcome| {
            counter!("domicile_process_events_total", "region" => region.to_owned(), "outcome" => outcome.as_str())
        });
        Self { outcomes, lag: gauge!("domicile_process_lag_events", "region" => region.to_owned()) }
    }

    /// Counts decisions by outcome; `lag` events are accepted and not decided.
    pub(crate) fn decided(&self, outcomes: [u64; Outcome::ALL.len()], lag: u64) {
        for (counter, events) in self.outcomes.iter().zip(outcomes) {
            if events > 0 {
                counter.increment(events);
            }
        }
        self.lag.set(lag as f64);
    }
}
