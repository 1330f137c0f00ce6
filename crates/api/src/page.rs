//! Pages of a list: `pagination.count` and `pagination.cursor` in, `{current, next?, previous?, totalEntries}` out.
//!
//! A cursor names the first entry of its page by the entry's own key, not by a number of entries to skip: entries that
//! are made or deleted meanwhile make no other one come twice or be missed.

use crate::answer::ApiError;
use crate::ask::Query;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

const COUNT_MAX: usize = 1_000;
const COUNT_DEFAULT: usize = 200;

/// Which part of a list.
pub(crate) struct PageAsk {
    count: usize,
    /// Empty: from the first.
    from: String,
}

impl PageAsk {
    pub fn read(query: &mut Query) -> Result<Self, ApiError> {
        let count = match query.take("pagination.count")? {
            None => COUNT_DEFAULT,
            Some(text) => text.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count)).ok_or_else(|| {
                ApiError::invalid("pagination.count", format!("pagination.count is not a number from 1 to {COUNT_MAX}"))
            })?,
        };
        let from = match query.take("pagination.cursor")? {
            None => String::new(),
            Some(cursor) => decode(&cursor).ok_or_else(|| {
                let message = "pagination.cursor is not one that this cell gave";
                ApiError::invalid("pagination.cursor", message)
            })?,
        };
        Ok(Self { count, from })
    }

    /// The entries of this page, in the order of their keys, and what `data.pagination` says.
    pub fn of<T>(&self, mut entries: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, Value) {
        entries.sort_by_cached_key(&key);
        let total = entries.len();
        let first = entries.partition_point(|entry| key(entry) < self.from);
        let end = total.min(first + self.count);
        let cursor_at = |n: usize| entries.get(n).map(|entry| encode(&key(entry)));
        let next = cursor_at(end);
        let previous = if first == 0 { None } else { cursor_at(first.saturating_sub(self.count)) };
        let page = json!({
            "current": encode(&self.from),
            "next": next,
            "previous": previous,
            "totalEntries": total,
        });
        (entries.drain(first..end).collect(), page)
    }
}

fn encode(key: &str) -> String {
    BASE64URL_NOPAD.encode(format!("from:{key}").as_bytes())
}

fn decode(cursor: &str) -> Option<String> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix("from:").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(entries: &[u32], count: usize, field: &str, from: String) -> Vec<Vec<u32>> {
        let (mut pages, mut from) = (Vec::new(), from);
        loop {
            let (page, told) = PageAsk { count, from }.of(entries.to_vec(), |n| format!("{n:010}"));
            pages.push(page);
            match told[field].as_str().and_then(decode) {
                Some(next) => from = next,
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_follow_each_other_both_ways_and_miss_nothing() {
        let entries = [7, 1, 3, 10, 2];
        assert_eq!(walk(&entries, 2, "next", String::new()), [vec![1, 2], vec![3, 7], vec![10]]);
        assert_eq!(walk(&entries, 2, "previous", "0000000010".to_owned()), [vec![10], vec![3, 7], vec![1, 2]]);
        assert_eq!(walk(&[], 2, "next", String::new()), [Vec::<u32>::new()]);
        assert_eq!(walk(&entries, 2, "next", "zzz".to_owned()), [Vec::<u32>::new()], "past the end");
    }

    #[test]
    fn an_entry_that_goes_away_makes_no_other_one_be_missed() {
        let (_, told) = PageAsk { count: 2, from: String::new() }.of(vec![1, 2, 3, 4], |n| format!("{n:010}"));
        let from = told["next"].as_str().and_then(decode).expect("a cursor");
        let (page, _) = PageAsk { count: 2, from }.of(vec![2, 3, 4], |n| format!("{n:010}"));
        assert_eq!(page, [3, 4]);
    }
}
