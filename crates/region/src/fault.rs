//! What is wrong in a file, where, why that matters, and how to mend it.

use std::fmt;

/// One thing wrong in a file, shown as `FILE:LINE:COLUMN  WHAT`, why, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub what: String,
    pub why: String,
    pub mend: String,
}

/// All faults of a file, in its order. Never empty.
///
/// ```text
/// topology.yml:14:18  location `dublin-b` is also in region `us-west` (line 6)
///   a location belongs to one region, because fail-over never leaves a region
///   mend: give it another name here, or remove it from `us-west`
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    pub file: String,
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Fault { line, column, what, why, mend }) in self.faults.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{line}:{column}  {what}\n  {why}\n  mend: {mend}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Line and column in the file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Says that a fault is on the report. Only [`Report::add`] makes one, so a value can't be missing without a fault that
/// tells why.
#[derive(Clone, Copy, Debug)]
pub struct Reported(());

/// A value, or a fault on the report.
pub type Read<T> = Result<T, Reported>;

/// The faults found so far.
#[derive(Default)]
pub struct Report {
    faults: Vec<Fault>,
}

impl Report {
    /// Notes a fault: what is wrong, why that matters, how to mend it.
    pub fn add(
        &mut self,
        at: Place,
        what: impl Into<String>,
        why: impl Into<String>,
        mend: impl Into<String>,
    ) -> Reported {
        let Place { line, column } = at;
        self.faults.push(Fault { line, column, what: what.into(), why: why.into(), mend: mend.into() });
        Reported(())
    }

    /// The value when there was no fault, else all faults sorted by place.
    pub fn close<T>(mut self, file: &str, value: Read<T>) -> Result<T, Faults> {
        match value {
            Ok(value) if self.faults.is_empty() => Ok(value),
            _ => {
                self.faults.sort_by_key(|fault| (fault.line, fault.column));
                Err(Faults { file: file.to_owned(), faults: self.faults })
            }
        }
    }
}

/// What a file says, fit for a message: one line, no control characters, not too long.
pub fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut out: String =
        text.chars().take(CHARS_MAX).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

/// The known name that `text` was most likely meant to be, if one is near.
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long text is near to none of the names, and would be costly to compare.
    if text.len() > 40 {
        return None;
    }
    let text = text.to_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&text, &name.to_lowercase()), name))
        .filter(|&(distance, name)| distance <= (name.len() / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// How many insertions, deletions, replacements and exchanges of neighbours make `b` from `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["country", "locations", "ingest", "listen", "url"];
        for (text, expected) in [
            ("countrys", Some("country")),
            ("Country", Some("country")),
            ("location", Some("locations")),
            ("urls", Some("url")),
            ("ulr", Some("url")),
            ("ingress", Some("ingest")),
            ("bananas", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known), expected, "{text}");
        }
        assert_eq!(nearest(&"country".repeat(1000), known), None);
    }

    #[test]
    fn a_hostile_text_is_shown_short_and_on_one_line() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "a\u{fffd}b\u{fffd}[31m");
        assert_eq!(shown(&"x".repeat(100_000)).chars().count(), 61);
    }
}
