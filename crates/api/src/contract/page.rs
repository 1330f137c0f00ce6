//! Pages of a list: `pagination.count` and `pagination.cursor` in, `{current, next?, previous?, totalEntries}` out.
//!
//! A cursor names the entry that its page begins behind or ends before, by the entry's own number and not by a number of
//! entries to skip: entries that are made or deleted meanwhile make no other one come twice or be missed.

use data_encoding::BASE64URL_NOPAD;
use domicile_control::{ControlError, Listed, Page};
use serde_json::{Value, json};

const COUNT_DEFAULT: u32 = 200;

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageAsk {
    pub count: u32,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    After(i64),
    Before(i64),
}

impl PageAsk {
    pub fn first() -> Self {
        Self { count: COUNT_DEFAULT, place: Place::After(0) }
    }

    /// `None` when the cursor is not one of ours.
    pub fn read(count: Option<u32>, cursor: Option<&str>) -> Option<Self> {
        let place = match cursor {
            None => Place::After(0),
            Some(cursor) => decode(cursor)?,
        };
        Some(Self { count: count.unwrap_or(COUNT_DEFAULT), place })
    }

    /// As the store is asked.
    pub fn page(&self) -> Page {
        match self.place {
            Place::After(number) => Page::after(number, self.count),
            Place::Before(number) => Page::before(number, self.count),
        }
    }

    /// What `data.pagination` says of a page of the store.
    pub fn told<T>(&self, page: &Listed<T>) -> Value {
        let next = page.last.filter(|_| page.has_after).map(|last| encode(Place::After(last)));
        let previous = page.first.filter(|_| page.has_before).map(|first| encode(Place::Before(first)));
        json!({ "current": encode(self.place), "next": next, "previous": previous, "totalEntries": page.total })
    }

    /// As the store is asked for a list that is shown newest first: `next` leads to older entries.
    pub fn newest_first(&self) -> Page {
        match self.place {
            Place::After(0) => Page::last(self.count),
            Place::After(number) => Page::before(number, self.count),
            Place::Before(number) => Page::after(number, self.count),
        }
    }

    /// What `data.pagination` says of such a page. The store's rows are oldest first.
    pub fn told_newest_first<T>(&self, page: &Listed<T>) -> Value {
        let next = page.first.filter(|_| page.has_before).map(|first| encode(Place::After(first)));
        let previous = page.last.filter(|_| page.has_after).map(|last| encode(Place::Before(last)));
        json!({ "current": encode(self.place), "next": next, "previous": previous, "totalEntries": page.total })
    }

    /// A page of those of a list's rows that `is_wanted` keeps. All are looked through: such a list has no index.
    pub fn some_of<T>(
        &self,
        list: impl Fn(&Page) -> Result<Listed<T>, ControlError>,
        number: impl Fn(&T) -> i64,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<Listed<T>, ControlError> {
        let (mut wanted, mut page) = (Vec::new(), Page::first(Page::COUNT_MAX));
        loop {
            let listed = list(&page)?;
            wanted.extend(listed.rows.into_iter().filter(|row| is_wanted(row)).map(|row| (number(&row), row)));
            match listed.last.filter(|_| listed.has_after) {
                Some(last) => page = Page::after(last, Page::COUNT_MAX),
                None => return Ok(self.page().of(wanted)),
            }
        }
    }

    /// A page of what lies in memory, in the order in which it lies.
    pub fn of<T>(&self, entries: Vec<T>) -> (Vec<T>, Value) {
        let total = entries.len();
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let at = |number: i64| usize::try_from(number).unwrap_or_default().min(total);
        let (first, end) = match self.place {
            Place::After(number) => (at(number), at(number).saturating_add(count).min(total)),
            Place::Before(number) => (at(number).saturating_sub(count), at(number)),
        };
        let cursor = |place: fn(i64) -> Place, n: usize| encode(place(i64::try_from(n).unwrap_or(i64::MAX)));
        let told = json!({
            "current": encode(self.place),
            "next": (end < total).then(|| cursor(Place::After, end)),
            "previous": (first > 0).then(|| cursor(Place::Before, first)),
            "totalEntries": total,
        });
        (entries.into_iter().skip(first).take(end - first).collect(), told)
    }
}

fn encode(place: Place) -> String {
    let text = match place {
        Place::After(number) => format!("after:{number}"),
        Place::Before(number) => format!("before:{number}"),
    };
    BASE64URL_NOPAD.encode(text.as_bytes())
}

fn decode(cursor: &str) -> Option<Place> {
    let text = String::from_utf8(BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?).ok()?;
    let (place, number) = text.split_once(':')?;
    let number = number.parse().ok().filter(|number| *number >= 0)?;
    match place {
        "after" => Some(Place::After(number)),
        "before" => Some(Place::Before(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(entries: &[u32], count: u32, field: &str, from: Place) -> Vec<Vec<u32>> {
        let (mut pages, mut place) = (Vec::new(), from);
        loop {
            let (page, told) = PageAsk { count, place }.of(entries.to_vec());
            pages.push(page);
            match told[field].as_str().and_then(decode) {
                Some(next) => place = next,
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_follow_each_other_both_ways_and_miss_nothing() {
        let entries = [1, 2, 3, 7, 10];
        assert_eq!(walk(&entries, 2, "next", Place::After(0)), [vec![1, 2], vec![3, 7], vec![10]]);
        assert_eq!(walk(&entries, 2, "previous", Place::After(4)), [vec![10], vec![3, 7], vec![1, 2]]);
        assert_eq!(walk(&[], 2, "next", Place::After(0)), [Vec::<u32>::new()]);
        assert_eq!(walk(&entries, 2, "next", Place::After(99)), [Vec::<u32>::new()], "past the end");
    }

    #[test]
    fn a_cursor_that_was_not_given_is_known() {
        for bad in ["", "x", "!!!", "YWZ0ZXI6LTE", "ZnJvbTox", "YWZ0ZXI6"] {
            assert_eq!(PageAsk::read(None, Some(bad)), None, "{bad}");
        }
        assert!(PageAsk::read(Some(7), Some(&encode(Place::Before(3)))).is_some());
    }
}
