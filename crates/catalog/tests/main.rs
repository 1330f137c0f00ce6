//! The catalog from outside: its data, the rules that regions apply to it, the check of settings, the search.

mod data;
mod regions;
mod search;
mod settings;

use domicile_catalog::{Catalog, Entry, Kind};

fn entry(kind: Kind, slug: &str) -> &'static Entry {
    Catalog::get().find(kind, slug).unwrap_or_else(|| panic!("no {kind} `{slug}`"))
}
