//! From what somebody typed to the entries that are meant.

use crate::{Catalog, Entry, Kind};

/// What is longer than the longest name by far is no misspelling of one.
const NAME_CHARS_MAX: usize = 100;

const NEAR_MAX: usize = 3;

impl Catalog {
    /// The entries that a name means: those of this slug or id, of every kind; if there are none, those with it
    /// somewhere in their slug, name or a previous name, whatever the case. Nothing for a name of blanks.
    pub fn search(&self, name: &str) -> Vec<&Entry> {
        let wanted = name.trim();
        if wanted.is_empty() || wanted.chars().count() > NAME_CHARS_MAX {
            return Vec::new();
        }
        let exact: Vec<_> =
            self.entries().iter().filter(|entry| entry.id() == wanted || entry.slug == wanted).collect();
        if !exact.is_empty() {
            return exact;
        }
        let wanted = wanted.to_lowercase();
        let holds = |entry: &&Entry| names(entry).any(|name| name.to_lowercase().contains(&wanted));
        self.entries().iter().filter(holds).collect()
    }

    /// Up to three slugs, of one kind or of all, that the name may be a misspelling of; the nearest first.
    pub fn near(&self, name: &str, kind: Option<Kind>) -> Vec<&str> {
        let wanted: Vec<char> = name.trim().to_lowercase().chars().take(NAME_CHARS_MAX + 1).collect();
        if wanted.is_empty() || wanted.len() > NAME_CHARS_MAX {
            return Vec::new();
        }
        // A third of the letters may be wrong.
        let far = wanted.len().div_ceil(3);
        let mut found: Vec<_> = kind
            .map_or(self.entries(), |kind| self.of_kind(kind))
            .iter()
            .filter_map(|entry| {
                let slug = distance(&wanted, &entry.slug);
                let nearest = names(entry).map(|name| distance(&wanted, &name.to_lowercase())).min()?;
                (nearest <= far).then_some((nearest, slug, entry.slug.as_str()))
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|(_, _, slug)| slug).take(NEAR_MAX).collect()
    }
}

fn names(entry: &Entry) -> impl Iterator<Item = &str> {
    [&entry.slug, &entry.name].into_iter().chain(&entry.previous_names).map(String::as_str)
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, of_b) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, of_a) in a.iter().enumerate() {
            let changed = diagonal + usize::from(*of_a != of_b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_the_number_of_letters_to_change() {
        let of = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), b);
        assert_eq!(of("webhook", "webhook"), 0);
        assert_eq!(of("webhok", "webhook"), 1);
        assert_eq!(of("", "abc"), 3);
        assert_eq!(of("abc", ""), 3);
        assert_eq!(of("kitten", "sitting"), 3);
    }
}
