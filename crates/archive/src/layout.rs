//! Where an event lies: `segment-logs/SOURCE_ID/DAY/FIRST-LAST.gz`.
//!
//! DAY is the day it was received, as UTC midnight in epoch milliseconds; FIRST and LAST are the positions of the file's
//! first and last event. Of one source and day, each position lies in at most one file.

use domicile_log::Position;
use domicile_workspace::SourceId;
use domicile_world::Millis;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use std::ops::RangeInclusive;

const DAY_MS: i64 = 86_400_000;

/// A day, as its UTC midnight in epoch milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i64);

impl Day {
    pub fn of(moment: Millis) -> Self {
        Self(moment.0.div_euclid(DAY_MS).saturating_mul(DAY_MS))
    }
}

pub(crate) fn folder(source: &SourceId, day: Day) -> Path {
    Path::from_iter(["segment-logs", source.as_str(), &day.0.to_string()])
}

/// The file of the events from `first` to `last`, both included.
pub(crate) fn object(source: &SourceId, day: Day, first: Position, last: Position) -> Path {
    folder(source, day).join(format!("{first}-{last}.gz"))
}

/// The positions that a file covers, by its name; `None` when it is not a file of the archive.
fn span(object: &Path) -> Option<RangeInclusive<Position>> {
    let (first, last) = object.filename()?.strip_suffix(".gz")?.split_once('-')?;
    let number = |digits: &str| {
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|_| plain).map(Position)
    };
    let span = number(first)?..=number(last)?;
    (span.start() <= span.end()).then_some(span)
}

/// The spans of the files that are in the store for one source and day.
pub(crate) async fn spans(
    store: &dyn ObjectStore,
    source: &SourceId,
    day: Day,
) -> object_store::Result<Vec<RangeInclusive<Position>>> {
    let objects = store.list(Some(&folder(source, day)));
    objects.try_filter_map(|meta| std::future::ready(Ok(span(&meta.location)))).try_collect().await
}

/// The name of the object that holds the kept event at `position` of a source, if the archive has come so far.
///
/// # Errors
/// The store could not be listed.
pub async fn object_of(
    store: &dyn ObjectStore,
    source: &SourceId,
    received_at: Millis,
    position: Position,
) -> object_store::Result<Option<String>> {
    let day = Day::of(received_at);
    let spans = spans(store, source, day).await?;
    let holds = spans.iter().find(|span| span.contains(&position));
    Ok(holds.map(|span| object(source, day, *span.start(), *span.end()).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_utc_midnight_also_before_1970() {
        for (moment, day) in [
            (1_800_000_000_000, 1_799_971_200_000),
            (86_399_999, 0),
            (86_400_000, 86_400_000),
            (0, 0),
            (-1, -86_400_000),
        ] {
            assert_eq!(Day::of(Millis(moment)), Day(day), "{moment}");
        }
    }

    #[test]
    fn a_name_gives_its_span_back_and_a_foreign_name_gives_none() {
        let object = object(&SourceId::new("srcA"), Day(0), Position(7), Position(12));
        assert_eq!(object.to_string(), "segment-logs/srcA/0/7-12.gz");
        assert_eq!(span(&object), Some(Position(7)..=Position(12)));
        for name in
            ["7-12", "7.gz", "12-7.gz", "+7-12.gz", "7-12.gz.new", "-.gz", "a-b.gz", "7-99999999999999999999.gz"]
        {
            assert_eq!(span(&Path::from(name)), None, "{name}");
        }
    }

    #[test]
    fn a_source_id_can_not_leave_its_folder() {
        let folder = folder(&SourceId::new("../../keys"), Day(0)).to_string();
        assert!(!folder.contains("../"), "{folder}");
        assert_eq!(folder.matches('/').count(), 2, "{folder}");
    }
}
