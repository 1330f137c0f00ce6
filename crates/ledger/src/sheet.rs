//! The balance sheet: per source and hour,
//!
//! ```text
//! accepted = duplicate + invalid + blocked + filtered + kept
//! kept     = before + off + filtered + delivered + waiting + dead      for each consumer
//! ```
//!
//! `before` are the events that were decided before a consumer existed, `off` those of a time when it was switched off: it
//! is owed none of them. `filtered` are those that its own filters left out. For the archive all three are 0.

use crate::Outcome;
use crate::balance::{Hour, Tally};
use domicile_workspace::SourceNumber;
use std::collections::{BTreeMap, BTreeSet};

/// What a destination says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its id, the name of its column in the tally.
    pub name: String,
    /// Everything before this position is delivered, dead, off or filtered.
    pub settled_until: u64,
    pub settled: BTreeMap<(SourceNumber, Hour), Settled>,
}

/// A destination's own counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub off: u64,
    pub filtered: u64,
    pub delivered: u64,
    pub dead: u64,
}

/// One consumer's part of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// `archive`, or a destination's id.
    pub consumer: String,
    pub before: u64,
    pub off: u64,
    pub filtered: u64,
    pub delivered: u64,
    /// What is left of the kept ones; `None` when the consumer claims more than there are, or claims to be done with
    /// events that it has not settled.
    pub waiting: Option<u64>,
    pub dead: u64,
}

/// One source in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub source: SourceNumber,
    pub hour: Hour,
    pub accepted: u64,
    /// In the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    pub consumers: Vec<Delivery>,
}

impl Row {
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Whether both equations hold.
    pub fn holds(&self) -> bool {
        self.accepted == self.outcomes.iter().sum::<u64>() && self.consumers.iter().all(|c| c.waiting.is_some())
    }

    /// The events by which the equations do not hold: 0 when they do.
    pub fn difference(&self) -> u64 {
        let kept = self.outcome(Outcome::Kept);
        let consumers = self.consumers.iter().filter(|c| c.waiting.is_none()).map(|c| {
            let told = c.before + c.off + c.filtered + c.delivered + c.dead;
            kept.abs_diff(told).max(1)
        });
        self.accepted.abs_diff(self.outcomes.iter().sum()) + consumers.sum::<u64>()
    }
}

/// All rows of some sources from some hour on, as of one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The first position that was counted; what came before is not on the sheet.
    pub from: u64,
    /// Everything before this position is on the sheet.
    pub until: u64,
    /// In the order of source and hour.
    pub rows: Vec<Row>,
}

impl Sheet {
    pub fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }

    /// The events by which its rows do not add up: 0 when they do.
    pub fn difference(&self) -> u64 {
        self.rows.iter().map(Row::difference).sum()
    }
}

impl Tally {
    /// The sheet of `sources` from hour `since` on. A row's first consumer is always the archive; the source's destinations
    /// among `others` follow.
    ///
    /// Ask when the first two columns have come equally far, and `others` not farther: else a row that is half counted does
    /// not hold. A destination without a column is left out.
    pub fn sheet(&self, sources: &BTreeSet<SourceNumber>, since: Option<Hour>, others: &[Consumer]) -> Sheet {
        let keys: BTreeSet<_> = self.accepted.rows.keys().chain(self.decided.rows.keys()).copied().collect();
        let wanted = |(source, hour): &(SourceNumber, Hour)| {
            sources.contains(source) && since.is_none_or(|since| *hour >= since)
        };
        let rows = keys.into_iter().filter(wanted).map(|key| self.row(key, others)).collect();
        Sheet { from: self.accepted.from, until: self.decided.until, rows }
    }

    fn row(&self, key: (SourceNumber, Hour), others: &[Consumer]) -> Row {
        let [accepted] = self.accepted.get(key);
        let outcomes = self.decided.get(key);
        let kept = outcomes[Outcome::Kept as usize];
        let [archived] = self.archived.get(key);
        let of_archive = Settled { delivered: archived, ..Settled::default() };
        let mut consumers = vec![self.delivery("archive", (kept, kept), of_archive, self.archived.until)];
        for other in others {
            let Some(owed) = self.owed.get(&other.name).filter(|owed| owed.source == key.0) else { continue };
            let [owed] = owed.column.get(key);
            let settled = other.settled.get(&key).copied().unwrap_or_default();
            consumers.push(self.delivery(&other.name, (kept, owed), settled, other.settled_until));
        }
        Row { source: key.0, hour: key.1, accepted, outcomes, consumers }
    }

    fn delivery(&self, name: &str, (kept, owed): (u64, u64), settled: Settled, settled_until: u64) -> Delivery {
        let Settled { off, filtered, delivered, dead } = settled;
        let left = owed.checked_sub(off + filtered + delivered + dead);
        let done = settled_until >= self.decided.until;
        let possible = |left: &u64| owed <= kept && (!done || *left == 0);
        let before = kept.saturating_sub(owed);
        let waiting = left.filter(possible);
        Delivery { consumer: name.to_owned(), before, off, filtered, delivered, waiting, dead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TallyError;
    use domicile_world::Millis;

    const WEB: SourceNumber = SourceNumber(1);
    const SERVER: SourceNumber = SourceNumber(2);
    const NOON: Millis = Millis(12 * 3_600_000);
    const ONE: Millis = Millis(13 * 3_600_000 + 59 * 60_000);

    fn all() -> BTreeSet<SourceNumber> {
        BTreeSet::from([WEB, SERVER])
    }

    fn counts(outcomes: &[Outcome]) -> [u64; Outcome::ALL.len()] {
        let mut counts = [0; Outcome::ALL.len()];
        for outcome in outcomes {
            counts[*outcome as usize] += 1;
        }
        counts
    }

    /// Five events accepted in two requests, decided, three of them archived.
    fn tally() -> Tally {
        let mut tally = Tally::new(0);
        for (span, source, at) in [((0, 3), WEB, NOON), ((3, 4), SERVER, NOON), ((4, 5), WEB, ONE)] {
            tally.count_accepted(span, source, at).expect("follows");
        }
        let of_first = [Outcome::Kept, Outcome::Duplicate, Outcome::Kept];
        tally.count_decided((0, 3), WEB, NOON, counts(&of_first)).expect("follows");
        tally.count_decided((3, 4), SERVER, NOON, counts(&[Outcome::Invalid])).expect("follows");
        tally.count_decided((4, 5), WEB, ONE, counts(&[Outcome::Kept])).expect("follows");
        tally.count_archived((0, 3), WEB, NOON, 2).expect("follows");
        tally
    }

    fn told(sheet: &Sheet) -> Vec<String> {
        let row = |row: &Row| {
            let consumers: Vec<_> = row
                .consumers
                .iter()
                .map(|c| {
                    let aside = format!("{} {}+{}+{}", c.consumer, c.before, c.off, c.filtered);
                    format!("{aside}+{}+{:?}+{}", c.delivered, c.waiting, c.dead)
                })
                .collect();
            let (source, hour) = (row.source.0, row.hour.0);
            format!("{source} {hour}h {} = {:?} {} {}", row.accepted, row.outcomes, consumers.join(", "), row.holds())
        };
        sheet.rows.iter().map(row).collect()
    }

    #[test]
    fn every_accepted_event_is_in_one_column() {
        let sheet = tally().sheet(&all(), None, &[]);
        assert_eq!(
            told(&sheet),
            [
                "1 12h 3 = [2, 1, 0, 0, 0] archive 0+0+0+2+Some(0)+0 true",
                "1 13h 1 = [1, 0, 0, 0, 0] archive 0+0+0+0+Some(1)+0 true",
                "2 12h 1 = [0, 0, 1, 0, 0] archive 0+0+0+0+Some(0)+0 true",
            ]
        );
        assert!(sheet.holds());
        assert_eq!((sheet.from, sheet.until), (0, 5));
        assert_eq!(tally().sheet(&BTreeSet::from([WEB]), Some(Hour(13)), &[]).rows.len(), 1);
    }

    #[test]
    fn an_event_that_was_lost_or_came_from_nowhere_shows() {
        let mut lost = tally();
        lost.decided.rows.insert((SERVER, Hour(12)), Outcomes::default());
        assert!(!lost.sheet(&all(), None, &[]).holds());
        let mut from_nowhere = tally();
        from_nowhere.decided.rows.insert((SERVER, Hour(99)), [1, 0, 0, 0, 0]);
        assert!(!from_nowhere.sheet(&all(), None, &[]).holds());
        let mut twice = tally();
        twice.archived.rows.insert((WEB, Hour(12)), [3]);
        assert!(!twice.sheet(&all(), None, &[]).holds(), "archived more than was kept");
    }

    #[test]
    fn a_destination_is_owed_its_own_source_from_its_beginning_on() {
        let mut tally = tally();
        // Made at position 3: the two events of noon were before it, the one of one o'clock is its own.
        tally.begin_owing("hook", WEB, 3, [(ONE, 1)]);
        tally.count_accepted((5, 7), WEB, ONE).expect("follows");
        tally.count_decided((5, 7), WEB, ONE, counts(&[Outcome::Kept, Outcome::Kept])).expect("follows");
        let hook = |delivered, settled_until| {
            let settled = BTreeMap::from([((WEB, Hour(13)), Settled { off: 1, filtered: 1, delivered, dead: 0 })]);
            [Consumer { name: "hook".to_owned(), settled_until, settled }]
        };
        let part =
            |delivered, settled_until| told(&tally.sheet(&all(), Some(Hour(12)), &hook(delivered, settled_until)));
        assert_eq!(
            part(0, 6),
            [
                "1 12h 3 = [2, 1, 0, 0, 0] archive 0+0+0+2+Some(0)+0, hook 2+0+0+0+Some(0)+0 true",
                "1 13h 3 = [3, 0, 0, 0, 0] archive 0+0+0+0+Some(3)+0, hook 0+1+1+0+Some(1)+0 true",
                "2 12h 1 = [0, 0, 1, 0, 0] archive 0+0+0+0+Some(0)+0 true",
            ]
        );
        assert!(part(1, 7)[1].ends_with("hook 0+1+1+1+Some(0)+0 true"));
        assert!(part(2, 7)[1].ends_with("hook 0+1+1+2+None+0 false"), "more than it is owed");
        assert!(part(0, 7)[1].ends_with("hook 0+1+1+0+None+0 false"), "it says that it is done, and one is missing");
        for (delivered, settled_until, difference) in [(0, 6, 0), (1, 7, 0), (2, 7, 1), (9, 7, 8), (0, 7, 1)] {
            let sheet = tally.sheet(&all(), None, &hook(delivered, settled_until));
            assert_eq!(sheet.difference(), difference, "{delivered} delivered until {settled_until}");
        }
        tally.end_owing("hook");
        assert_eq!(tally.owing().count(), 0);
        assert_eq!(tally.sheet(&all(), None, &hook(1, 6)).rows[0].consumers.len(), 1);
    }

    #[test]
    fn a_span_counts_once_and_a_gap_is_refused() {
        let mut tally = tally();
        let before = tally.clone();
        tally.count_accepted((0, 3), WEB, NOON).expect("was counted");
        tally.count_decided((3, 4), SERVER, NOON, counts(&[Outcome::Kept])).expect("was counted");
        assert_eq!(tally, before);
        assert_eq!(tally.count_accepted((7, 9), WEB, NOON), Err(TallyError { until: 5, first: 7 }));
        assert_eq!(tally.count_archived((2, 4), WEB, NOON, 1), Err(TallyError { until: 3, first: 2 }));
        assert_eq!(tally, before);
    }

    #[test]
    fn a_tally_comes_back_from_its_checkpoint_and_a_damaged_one_does_not() {
        let mut tally = tally();
        tally.begin_owing("hook", WEB, 3, [(ONE, 1)]);
        let text = serde_json::to_string(&tally).expect("writes");
        assert_eq!(serde_json::from_str::<Tally>(&text).expect("reads"), tally);
        for (from, to) in [
            ("[1,12,[3]]", "[1,12,[3,3]]"),
            ("[1,13,[1]]", "[1,12,[1]]"),
            ("\"until\":5", "\"until\":-5"),
            ("\"from\":0", "\"from\":9"),
        ] {
            assert!(text.contains(from), "{text}");
            assert!(serde_json::from_str::<Tally>(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
        for cut in 0..text.len() {
            assert!(serde_json::from_str::<Tally>(&text[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn hours_that_are_forgotten_are_forgotten_in_all_columns() {
        let mut tally = tally();
        tally.forget_before(Hour(13));
        let sheet = tally.sheet(&all(), None, &[]);
        assert_eq!(told(&sheet), ["1 13h 1 = [1, 0, 0, 0, 0] archive 0+0+0+0+Some(1)+0 true"]);
    }

    #[test]
    fn an_hour_begins_at_its_first_millisecond_also_before_1970() {
        for (moment, hour) in [(0, 0), (3_599_999, 0), (3_600_000, 1), (-1, -1)] {
            assert_eq!(Hour::of(Millis(moment)), Hour(hour));
        }
    }

    type Outcomes = crate::balance::Outcomes;
}
