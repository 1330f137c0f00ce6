//! The tally under the balance sheet: how many events each source had in each hour, counted at three places.
//!
//! ```text
//! accepted log ──► accepted          counted from the requests, by how many events each has
//! event log    ──► decided           counted from the decisions, by outcome
//!              ├─► archived          the kept ones among them that the archive is past
//!              └─► owed              the kept ones that a destination was there for, one column for each
//! ```
//!
//! - Each column counts every position up to its own `until` once, and none after it. A span that was counted is not
//!   counted again; one that leaves a gap is refused.
//! - The first two columns are counted from different logs: that they agree is what the sheet shows, not what it assumes.
//! - An event's hour is the hour that it was received in, so that the columns speak of the same events.

use crate::Outcome;
use domicile_workspace::SourceNumber;
use domicile_world::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const HOUR_MS: i64 = 3_600_000;

/// An hour of the wall clock in UTC, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hour(pub i64);

impl Hour {
    /// The hour that a moment lies in.
    pub fn of(moment: Millis) -> Self {
        Self(moment.0.div_euclid(HOUR_MS))
    }

    /// Its first moment.
    pub fn start(self) -> Millis {
        Millis(self.0.saturating_mul(HOUR_MS))
    }
}

/// Counts by outcome, in the order of [`Outcome::ALL`].
pub(crate) type Outcomes = [u64; Outcome::ALL.len()];

/// A span that does not follow what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counted up to position {until}, and the next span begins at {first}")]
pub struct TallyError {
    pub until: u64,
    pub first: u64,
}

/// All columns. Written to a checkpoint and read back by serde.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    pub(crate) accepted: Column<1>,
    pub(crate) decided: Column<{ Outcome::ALL.len() }>,
    pub(crate) archived: Column<1>,
    pub(crate) owed: BTreeMap<String, Owed>,
}

/// The kept events of one source from the position on at which a destination was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owed {
    #[serde(with = "number")]
    pub(crate) source: SourceNumber,
    pub(crate) column: Column<1>,
}

impl Tally {
    /// A tally of nothing, which begins at a position where a request begins.
    pub fn new(from: u64) -> Self {
        let (accepted, decided, archived) = (Column::new(from), Column::new(from), Column::new(from));
        Self { accepted, decided, archived, owed: BTreeMap::new() }
    }

    /// The first position that was counted.
    pub fn from(&self) -> u64 {
        self.accepted.from
    }

    /// The sources that have been counted.
    pub fn sources(&self) -> BTreeSet<SourceNumber> {
        self.accepted.rows.keys().chain(self.decided.rows.keys()).map(|(source, _)| *source).collect()
    }

    /// Where each column's next span begins: accepted, decided, archived.
    pub fn until(&self) -> (u64, u64, u64) {
        (self.accepted.until, self.decided.until, self.archived.until)
    }

    /// Counts a request of `end - first` events.
    pub fn count_accepted(
        &mut self,
        (first, end): (u64, u64),
        source: SourceNumber,
        received_at: Millis,
    ) -> Result<(), TallyError> {
        self.accepted.add((first, end), source, received_at, [end.saturating_sub(first)])
    }

    /// Counts the decisions about one request, by [`Outcome`].
    pub fn count_decided(
        &mut self,
        span: (u64, u64),
        source: SourceNumber,
        received_at: Millis,
        counts: Outcomes,
    ) -> Result<(), TallyError> {
        self.decided.add(span, source, received_at, counts)?;
        let kept = [counts[Outcome::Kept as usize]];
        for owed in self.owed.values_mut().filter(|owed| owed.source == source && owed.column.from <= span.0) {
            // What is owed has gaps: other sources' spans.
            owed.column.until = owed.column.until.max(span.0);
            owed.column.add(span, source, received_at, kept)?;
        }
        Ok(())
    }

    /// Counts the kept events of one request that the archive is past.
    pub fn count_archived(
        &mut self,
        span: (u64, u64),
        source: SourceNumber,
        received_at: Millis,
        kept: u64,
    ) -> Result<(), TallyError> {
        self.archived.add(span, source, received_at, [kept])
    }

    /// The destinations that have a column, and where it begins.
    pub fn owing(&self) -> impl Iterator<Item = (&str, u64)> {
        self.owed.iter().map(|(destination, owed)| (destination.as_str(), owed.column.from))
    }

    /// Gives a destination of `source` its column. `kept`: the kept events of the source, from where the destination was
    /// made (`from`) to where the decisions are counted to, as received time and number.
    pub fn begin_owing(
        &mut self,
        destination: &str,
        source: SourceNumber,
        from: u64,
        kept: impl IntoIterator<Item = (Millis, u64)>,
    ) {
        let mut column = Column::new(from);
        for (received_at, events) in kept {
            column.rows.entry((source, Hour::of(received_at))).or_insert([0])[0] += events;
        }
        column.until = from.max(self.decided.until);
        self.owed.insert(destination.to_owned(), Owed { source, column });
    }

    /// Forgets the column of a destination that is gone.
    pub fn end_owing(&mut self, destination: &str) {
        self.owed.remove(destination);
    }

    /// Forgets all hours before `hour`, so that the tally does not grow for ever.
    pub fn forget_before(&mut self, hour: Hour) {
        self.accepted.rows.retain(|(_, of), _| *of >= hour);
        self.decided.rows.retain(|(_, of), _| *of >= hour);
        self.archived.rows.retain(|(_, of), _| *of >= hour);
        for owed in self.owed.values_mut() {
            owed.column.rows.retain(|(_, of), _| *of >= hour);
        }
    }
}

/// One place of counting: `N` counts by source and hour.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column<const N: usize> {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) rows: BTreeMap<(SourceNumber, Hour), [u64; N]>,
}

impl<const N: usize> Column<N> {
    fn new(from: u64) -> Self {
        Self { from, until: from, rows: BTreeMap::new() }
    }

    fn add(
        &mut self,
        (first, end): (u64, u64),
        source: SourceNumber,
        received_at: Millis,
        counts: [u64; N],
    ) -> Result<(), TallyError> {
        if end <= self.until {
            return Ok(());
        }
        if first != self.until {
            return Err(TallyError { until: self.until, first });
        }
        let row = self.rows.entry((source, Hour::of(received_at))).or_insert([0; N]);
        for (sum, more) in row.iter_mut().zip(counts) {
            *sum += more;
        }
        self.until = end;
        Ok(())
    }

    pub(crate) fn get(&self, key: (SourceNumber, Hour)) -> [u64; N] {
        self.rows.get(&key).copied().unwrap_or([0; N])
    }
}

/// A column in a file: rows as `[source, hour, counts…]`, because JSON knows no tuple as a name.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    from: u64,
    until: u64,
    rows: Vec<(u32, i64, Vec<u64>)>,
}

impl<const N: usize> Serialize for Column<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.rows.iter().map(|((source, hour), counts)| (source.0, hour.0, counts.to_vec())).collect();
        Lines { from: self.from, until: self.until, rows }.serialize(serializer)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Column<N> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Lines { from, until, rows } = Lines::deserialize(deserializer)?;
        let wrong = |what: &str| serde::de::Error::custom(what);
        if from > until {
            return Err(wrong("ends before it begins"));
        }
        let mut column = Self { from, until, rows: BTreeMap::new() };
        for (source, hour, counts) in rows {
            let counts: [u64; N] = counts.try_into().map_err(|_| wrong("a row of another length"))?;
            if column.rows.insert((SourceNumber(source), Hour(hour)), counts).is_some() {
                return Err(wrong("a row twice"));
            }
        }
        Ok(column)
    }
}

mod number {
    use domicile_workspace::SourceNumber;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(source: &SourceNumber, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(source.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SourceNumber, D::Error> {
        u32::deserialize(deserializer).map(SourceNumber)
    }
}
