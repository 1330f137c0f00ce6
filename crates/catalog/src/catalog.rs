//! The whole catalog, read once from the embedded data.

use crate::{Entry, Kind};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Every source, destination and warehouse there is to connect.
pub struct Catalog {
    /// By kind, and within a kind by slug.
    entries: Vec<Entry>,
    /// Ids and slugs. An id is never another entry's slug.
    names: HashMap<(Kind, String), usize>,
}

/// A line of the data that can't be taken.
#[derive(Debug, thiserror::Error)]
#[error("catalog/{file}:{line}: {what}")]
pub struct DataFault {
    pub file: &'static str,
    /// From 1.
    pub line: usize,
    pub what: String,
}

const FILES: [(Kind, &str, &str); 3] = [
    (Kind::Source, "sources.jsonl", include_str!("../../../catalog/sources.jsonl")),
    (Kind::Destination, "destinations.jsonl", include_str!("../../../catalog/destinations.jsonl")),
    (Kind::Warehouse, "warehouses.jsonl", include_str!("../../../catalog/warehouses.jsonl")),
];

impl Catalog {
    /// The embedded catalog, read when it is first asked for.
    pub fn get() -> &'static Self {
        static EMBEDDED: LazyLock<Catalog> =
            LazyLock::new(|| Catalog::read(&FILES).expect("the embedded catalog is sound"));
        &EMBEDDED
    }

    /// Reads the embedded data afresh: for measuring how long that takes.
    ///
    /// # Errors
    /// The first line that is no entry, is of another kind than its file, is out of order, or takes another's name.
    pub fn read_embedded() -> Result<Self, DataFault> {
        Self::read(&FILES)
    }

    fn read(files: &[(Kind, &'static str, &str)]) -> Result<Self, DataFault> {
        let mut catalog = Self { entries: Vec::new(), names: HashMap::new() };
        for (kind, file, text) in files {
            for (index, line) in text.lines().enumerate() {
                let fault = |what: String| DataFault { file, line: index + 1, what };
                let entry: Entry = serde_json::from_str(line).map_err(|error| fault(error.to_string()))?;
                catalog.add(*kind, entry).map_err(fault)?;
            }
        }
        Ok(catalog)
    }

    fn add(&mut self, kind: Kind, entry: Entry) -> Result<(), String> {
        if entry.kind() != kind {
            return Err(format!("`{}` is a {}, the file holds each {kind}", entry.slug, entry.kind()));
        }
        if let Some(before) = self.entries.last().filter(|last| last.kind() == kind && last.slug >= entry.slug) {
            return Err(format!("`{}` stands behind `{}`; sort by slug, each once", entry.slug, before.slug));
        }
        let place = self.entries.len();
        for name in [entry.slug.as_str(), entry.id()] {
            if self.names.insert((kind, name.to_owned()), place).is_some_and(|other| other != place) {
                return Err(format!("`{name}` already names another {kind}"));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// All entries: sources, destinations, warehouses, each by slug.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// By slug.
    pub fn sources(&self) -> &[Entry] {
        self.of_kind(Kind::Source)
    }

    /// By slug.
    pub fn destinations(&self) -> &[Entry] {
        self.of_kind(Kind::Destination)
    }

    /// By slug.
    pub fn warehouses(&self) -> &[Entry] {
        self.of_kind(Kind::Warehouse)
    }

    /// The entries of one kind, by slug.
    pub fn of_kind(&self, kind: Kind) -> &[Entry] {
        let first = self.entries.partition_point(|entry| entry.kind() < kind);
        let end = self.entries.partition_point(|entry| entry.kind() <= kind);
        &self.entries[first..end]
    }

    /// The entry that goes by this id or slug, letter for letter: what the API calls `metadataId`.
    pub fn find(&self, kind: Kind, id_or_slug: &str) -> Option<&Entry> {
        self.names.get(&(kind, id_or_slug.to_owned())).map(|place| &self.entries[*place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slug: &str, id: &str) -> String {
        format!(
            r#"{{"slug": "{slug}", "name": "N", "id": "{id}", "status": "PUBLIC", "categories": ["C"], "usable": "anywhere", "endpoints": ["US"], "is": {{"source": {{"type": "server"}}}}, "from": "here", "date": "2026-11-24"}}"#
        )
    }

    fn fault(kind: Kind, text: &str) -> String {
        match Catalog::read(&[(kind, "s.jsonl", text)]) {
            Ok(_) => "none".to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn data_that_is_not_well_formed_is_refused_with_its_line() {
        let (a, b) = (line("a", "1"), line("b", "2"));
        let of = |text: String| fault(Kind::Source, &text);
        assert_eq!(of(format!("{a}\n{b}\n")), "none");
        assert_eq!(of(format!("{b}\n{a}\n")), "catalog/s.jsonl:2: `a` stands behind `b`; sort by slug, each once");
        assert_eq!(of(format!("{a}\n{a}\n")), "catalog/s.jsonl:2: `a` stands behind `a`; sort by slug, each once");
        assert_eq!(of(format!("{a}\n{}\n", line("b", "1"))), "catalog/s.jsonl:2: `1` already names another source");
        assert_eq!(of(format!("{a}\n{}\n", line("b", "a"))), "catalog/s.jsonl:2: `a` already names another source");
        let wanted = "catalog/s.jsonl:1: `a` is a source, the file holds each warehouse";
        assert_eq!(fault(Kind::Warehouse, &a), wanted);
        for (from, to) in [
            ("\"US\"", "\"UK\""),
            ("\"US\"", "\"us-west\""),
            ("anywhere", "everywhere"),
            ("\"anywhere\"", "[]"),
            ("\"anywhere\"", "[\"own\"]"),
            ("[\"US\"]", "[]"),
            ("\"PUBLIC\"", "\"SECRET\""),
            ("\"server\"", "\"toaster\""),
            ("\"name\"", "\"nmae\""),
            ("{\"slug\"", "{\"colour\": 1, \"slug\""),
        ] {
            let found = of(a.replacen(from, to, 1));
            assert!(found.starts_with("catalog/s.jsonl:1: "), "{from} → {to}: {found}");
        }
        assert!(of("\n".to_owned()).starts_with("catalog/s.jsonl:1: "));
    }
}
