//! Pages of long lists: by the number of a row, so that a page costs what it shows, wherever it is.
//!
//! - A page ends early, with `has_after` (or `has_before`), when its rows together have [`Page::BYTES_MAX`] bytes: the next
//!   one goes on where it ended. It has one row at least, and memory holds little more than a page.
//! - Rows that are made or deleted meanwhile move no other row to another page: none is shown twice and none is missed.

use crate::ControlError;
use crate::db::{DbError, Row, ToValue, Value};
use crate::view::View;

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows after the one with this number.
    pub after: Option<i64>,
    /// The rows just before the one with this number; goes before `after`.
    pub before: Option<i64>,
    /// At most this many rows.
    pub count: u32,
}

impl Page {
    /// Most rows of one page.
    pub const COUNT_MAX: u32 = 1_000;
    /// Bytes of the rows of one page, about: the row that would pass it stands on the next.
    pub const BYTES_MAX: usize = 4 << 20;

    pub fn first(count: u32) -> Self {
        Self { after: None, before: None, count }
    }

    pub fn after(number: i64, count: u32) -> Self {
        Self { after: Some(number), before: None, count }
    }

    pub fn before(number: i64, count: u32) -> Self {
        Self { after: None, before: Some(number), count }
    }

    /// The page of a list that lies in memory, each row with its number, in their order.
    pub fn of<T>(&self, rows: Vec<(i64, T)>) -> Listed<T> {
        let (total, count) = (rows.len(), self.count.clamp(1, Self::COUNT_MAX) as usize);
        let (first, end) = match self.before {
            Some(before) => {
                let end = rows.partition_point(|(number, _)| *number < before);
                (end.saturating_sub(count), end)
            }
            None => {
                let first = rows.partition_point(|(number, _)| *number <= self.after.unwrap_or(0));
                (first, total.min(first + count))
            }
        };
        let number_at = |at: usize| rows.get(at).filter(|_| first < end).map(|(number, _)| *number);
        Listed {
            first: number_at(first),
            last: number_at(end.wrapping_sub(1)),
            has_before: first > 0,
            has_after: end < total,
            total: total as u64,
            rows: rows.into_iter().skip(first).take(end - first).map(|(_, row)| row).collect(),
        }
    }

    pub fn last(count: u32) -> Self {
        Self::before(i64::MAX, count)
    }
}

/// A page of a list, in the order of the rows' numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    pub rows: Vec<T>,
    /// The numbers of the first and the last row: where the pages before and after begin.
    pub first: Option<i64>,
    pub last: Option<i64>,
    pub has_before: bool,
    pub has_after: bool,
    /// Rows of the whole list.
    pub total: u64,
}

impl<T> Listed<T> {
    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Listed<U> {
        let Self { rows, first, last, has_before, has_after, total } = self;
        Listed { rows: rows.into_iter().map(with).collect(), first, last, has_before, has_after, total }
    }
}

/// A list: what is selected of it, from where, and which column its rows are numbered by.
pub(crate) struct List<'a> {
    pub(crate) doing: &'static str,
    /// Columns; the number is put before them.
    pub(crate) columns: &'a str,
    /// `FROM`'s and `WHERE`'s text; its values are `?1`, `?2` …
    pub(crate) from: &'a str,
    /// For `total`: the same rows without the joins that only columns need.
    pub(crate) count_from: &'a str,
    pub(crate) number: &'a str,
    pub(crate) values: &'a [Value],
}

impl View<'_> {
    /// Reads a page. `read` sees the number at 0 and the columns from 1.
    pub(crate) fn page<T>(
        &self,
        list: &List<'_>,
        page: &Page,
        mut read: impl FnMut(&Row) -> Result<T, DbError>,
    ) -> Result<Listed<T>, ControlError> {
        let List { doing, columns, from, count_from, number, values } = list;
        let count = page.count.clamp(1, Page::COUNT_MAX);
        let place = values.len() + 1;
        let (edge, compare, order) = match (page.before, page.after) {
            (Some(before), _) => (before, "<", "DESC"),
            (None, after) => (after.unwrap_or(0), ">", "ASC"),
        };
        let mut with_edge = values.to_vec();
        with_edge.push(edge.to_value());
        let sql = format!(
            "SELECT {number}, {columns} FROM {from} AND {number} {compare} ?{place} ORDER BY {number} {order} LIMIT ?{}",
            place + 1
        );
        let mut with_limit = with_edge.clone();
        // One more than is shown says whether there are more.
        with_limit.push((count + 1).to_value());
        let rows = self.db.rows_within(&sql, &with_limit, Page::BYTES_MAX).map_err(|e| self.inner.sql(doing, e))?;
        let more = rows.left_off || rows.rows.len() > count as usize;
        let mut found = (rows.rows.iter().take(count as usize))
            .map(|row| Ok((row.get(0)?, read(row)?)))
            .collect::<Result<Vec<(i64, T)>, DbError>>()
            .map_err(|e| self.inner.sql(doing, e))?;
        let opposite = if compare == "<" { ">=" } else { "<=" };
        let sql = format!("SELECT 1 FROM {count_from} AND {number} {opposite} ?{place} LIMIT 1");
        let behind = self.one(doing, &sql, &with_edge, |_| Ok(()))?.is_some();
        let total = self.count(doing, &format!("SELECT count(*) FROM {count_from}"), values)?;
        let (has_before, has_after) = if compare == "<" {
            found.reverse();
            (more, behind)
        } else {
            (behind, more)
        };
        let (first, last) = (found.first().map(|(number, _)| *number), found.last().map(|(number, _)| *number));
        let rows = found.into_iter().map(|(_, row)| row).collect();
        Ok(Listed { rows, first, last, has_before, has_after, total })
    }
}
