//! Every entry of the data is well-formed. What a line's shape can't say is checked here; the rest when it is read.

use domicile_catalog::{
    Catalog, Detail, Entry, Kind, SettingType, SourceType, Status, Territory, Usable, WarehouseType,
};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Instant;

/// What is ours rather than the documentation's.
const OURS: [(Kind, &str); 4] =
    [(Kind::Source, "mobile"), (Kind::Source, "server"), (Kind::Source, "website"), (Kind::Destination, "webhook")];

const FILES: [&str; 3] = [
    include_str!("../../../catalog/sources.jsonl"),
    include_str!("../../../catalog/destinations.jsonl"),
    include_str!("../../../catalog/warehouses.jsonl"),
];

fn every_entry(fault: impl Fn(&Entry) -> Option<String>) {
    let faults: Vec<_> = Catalog::get()
        .entries()
        .iter()
        .filter_map(|entry| Some(format!("{} {}: {}", entry.kind(), entry.slug, fault(entry)?)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn is_day(text: &str) -> bool {
    let shape = |(at, b): (usize, u8)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shape)
}

fn is_own(entry: &Entry) -> bool {
    OURS.contains(&(entry.kind(), entry.slug.as_str()))
}

fn count(entries: &[Entry], wanted: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().filter(|entry| !is_own(entry) && wanted(entry)).count()
}

fn stands_in(entry: &Entry, name: &str) -> bool {
    entry.endpoints.iter().any(|endpoint| endpoint.as_str() == name)
}

#[test]
fn every_entry_has_a_name_a_category_a_provenance_and_a_date() {
    every_entry(|entry| {
        let texts = [&entry.name, &entry.from].into_iter().chain(&entry.categories).chain(&entry.previous_names);
        let empty = texts.chain([&entry.slug]).any(|text| text.trim().is_empty() || *text != text.trim());
        let slug = entry.slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        match () {
            () if empty => Some("an empty or blank-edged text".to_owned()),
            () if !slug => Some("its slug".to_owned()),
            () if !entry.id().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) => {
                Some("its id".to_owned())
            }
            () if entry.categories.is_empty() => Some("no category".to_owned()),
            () if !is_day(&entry.date) => Some(format!("its date {:?}", entry.date)),
            () => None,
        }
    });
}

#[test]
fn what_is_ours_says_so_and_the_rest_names_the_documentation() {
    every_entry(|entry| {
        let wanted = if is_own(entry) { "Domicile" } else { "public documentation data" };
        (entry.from != wanted).then(|| format!("from {:?}", entry.from))
    });
}

#[test]
fn every_note_names_a_field_says_something_and_has_a_provenance_of_its_own() {
    const FIELDS: [&str; 7] = ["name", "usable", "endpoints", "hosts", "categories", "settings", "docs_say_no"];
    every_entry(|entry| {
        let bad = entry.notes.iter().find(|note| {
            !FIELDS.contains(&note.field.as_str())
                || note.note.is_empty()
                || note.from.is_empty()
                || !is_day(&note.date)
        });
        bad.map(|note| format!("{note:?}"))
    });
}

#[test]
fn what_differs_from_the_data_has_a_note() {
    let has_note = |entry: &Entry, field: &str| entry.notes.iter().any(|note| note.field == field);
    every_entry(|entry| {
        let own = entry.endpoints.contains(&Territory::Own) && !is_own(entry) && !has_note(entry, "endpoints");
        let hosts = !entry.hosts.is_empty() && !has_note(entry, "hosts");
        let doubt = !entry.docs_say_no.is_empty() && !has_note(entry, "docs_say_no");
        (own || hosts || doubt).then(|| "it has none".to_owned())
    });
    for (slug, field) in [("apple", "usable"), ("flutter", "usable"), ("unity", "usable"), ("amazon-s3", "endpoints")] {
        assert!(has_note(super::entry(Kind::Source, slug), field), "{slug}");
    }
}

#[test]
fn hosts_and_endpoints_agree_and_no_endpoint_stands_twice() {
    every_entry(|entry| {
        let names: HashSet<_> = entry.endpoints.iter().map(Territory::as_str).collect();
        let host = entry.hosts.iter().find(|host| {
            let strange = host.country.is_some_and(|country| !host.territory.contains(country));
            !names.contains(host.territory.as_str()) || strange || host.host.contains('/')
        });
        let twice = names.len() != entry.endpoints.len();
        host.map(|host| host.host.clone()).or_else(|| twice.then(|| "an endpoint twice".to_owned()))
    });
}

#[test]
fn settings_have_distinct_names_and_defaults_of_their_type() {
    every_entry(|entry| {
        let settings = entry.settings.as_deref().unwrap_or_default();
        let names: HashSet<_> = settings.iter().map(|setting| &setting.name).collect();
        if names.len() != settings.len() {
            return Some("a setting twice".to_owned());
        }
        settings.iter().find_map(|setting| {
            let default = setting.default.as_ref()?;
            let given = [(setting.name.clone(), default.clone())].into_iter().collect();
            entry.check_settings(&given).err().map(|faults| format!("{faults:?}"))
        })
    });
}

/// So that nobody forgets it: a key left open is read back by the API.
#[test]
fn each_key_token_and_password_says_whether_it_is_secret() {
    const ENDS: [&str; 8] = ["apikey", "api_key", "secret", "secretkey", "token", "password", "privatekey", "devkey"];
    let lines = FILES.iter().flat_map(|file| file.lines());
    let entries = lines.map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    for entry in entries {
        for setting in entry["settings"].as_array().into_iter().flatten() {
            let name = setting["name"].as_str().expect("a name").to_lowercase();
            let said = &setting["secret"];
            match setting["type"].as_str() {
                Some("password") => assert_eq!(*said, true, "{} {name}", entry["slug"]),
                Some("string") if ENDS.iter().any(|end| name.ends_with(end)) => {
                    assert!(said.is_boolean(), "{} {name}", entry["slug"]);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_counts_are_those_of_the_data_and_what_is_ours() {
    let catalog = Catalog::get();
    let (sources, destinations, warehouses) = (catalog.sources(), catalog.destinations(), catalog.warehouses());
    assert_eq!([sources.len(), destinations.len(), warehouses.len()], [125 + 3, 503 + 1, 12]);

    let anywhere = |entry: &Entry| entry.usable == Usable::Anywhere;
    let in_eu = |entry: &Entry| stands_in(entry, "EU");
    // apple, flutter and unity are corrected.
    assert_eq!([count(sources, anywhere), count(sources, in_eu)], [62 + 3, 32]);
    assert_eq!([count(destinations, anywhere), count(destinations, in_eu)], [484, 26]);
    assert_eq!([count(warehouses, anywhere), count(warehouses, in_eu)], [12, 12]);
    assert_eq!(count(destinations, |entry| in_eu(entry) && !stands_in(entry, "US")), 2);
    assert_eq!(count(destinations, |entry| anywhere(entry) && stands_in(entry, "US")), 458 + 24);

    let of_type =
        |wanted| move |entry: &Entry| matches!(&entry.detail, Detail::Source(source) if source.source_type == wanted);
    let types = [SourceType::CloudApp, SourceType::Server, SourceType::Mobile, SourceType::Website, SourceType::Ott];
    assert_eq!(types.map(|wanted| count(sources, of_type(wanted))), [104, 12, 6, 2, 1]);
    assert_eq!(count(sources, |entry| matches!(&entry.detail, Detail::Source(source) if source.cloud_events)), 83);
    assert_eq!(count(sources, |entry| entry.hidden), 15);

    assert_eq!(count(destinations, |entry| entry.hidden), 26);
    assert_eq!(count(destinations, |entry| entry.status == Status::PublicBeta), 87);
    assert_eq!(count(destinations, |entry| entry.settings.is_some()), 52);
    let has = |wanted: fn(&domicile_catalog::Destination) -> bool| {
        count(destinations, |entry| matches!(&entry.detail, Detail::Destination(it) if wanted(it)))
    };
    assert_eq!(has(|it| it.actions_framework), 160);
    assert_eq!(has(|it| !it.region_settings.is_empty()), 58);
    assert_eq!(count(destinations, |entry| !entry.docs_say_no.is_empty()), 4);

    let is =
        |wanted| move |entry: &Entry| matches!(&entry.detail, Detail::Warehouse(it) if it.warehouse_type == wanted);
    let types = [WarehouseType::Warehouse, WarehouseType::ObjectStorage, WarehouseType::DataLake];
    assert_eq!(types.map(|wanted| count(warehouses, is(wanted))), [8, 3, 1]);
}

#[test]
fn only_what_works_today_is_ready_and_the_rest_says_what_to_do() {
    let takes_sdks = |entry: &Entry| matches!(&entry.detail, Detail::Source(source) if source.stand_in().is_some());
    every_entry(|entry| match (entry.is_ready(), entry.why_not_ready()) {
        (true, None) => (!is_own(entry) && !takes_sdks(entry)).then(|| "ready".to_owned()),
        (false, Some(why)) => why.is_empty().then(|| "no reason".to_owned()),
        (ready, why) => Some(format!("ready {ready}, why {why:?}")),
    });
    assert!(OURS.iter().all(|(kind, slug)| super::entry(*kind, slug).is_ready()));
}

#[test]
fn each_entry_is_found_by_its_slug_and_by_its_id_and_under_its_own_kind_only() {
    let catalog = Catalog::get();
    for entry in catalog.entries() {
        for name in [entry.slug.as_str(), entry.id()] {
            let found = catalog.find(entry.kind(), name).unwrap_or_else(|| panic!("`{name}` is not found"));
            assert_eq!((found.kind(), &found.slug), (entry.kind(), &entry.slug));
        }
    }
    assert!(catalog.find(Kind::Warehouse, "webhook").is_none());
    for name in ["", " webhook", "WEBHOOK", "webhook\0", "../webhook", "🪝"] {
        assert!(catalog.find(Kind::Destination, name).is_none(), "{name:?}");
    }
    assert!(catalog.sources().is_sorted_by_key(|entry| &entry.slug));
}

#[test]
fn our_own_take_what_the_control_store_takes() {
    let names = |kind, slug| -> Vec<(&str, SettingType, bool, bool)> {
        let settings = super::entry(kind, slug).settings.iter().flatten();
        settings.map(|it| (it.name.as_str(), it.setting_type, it.required, it.secret)).collect()
    };
    use SettingType::{Country, Number, Password, String};
    assert_eq!(
        names(Kind::Destination, "webhook"),
        [("url", String, true, false), ("country", Country, false, false), ("sharedSecret", String, false, true)]
    );
    assert_eq!(
        names(Kind::Warehouse, "postgres"),
        [
            ("hostname", String, true, false),
            ("port", Number, true, false),
            ("database", String, true, false),
            ("username", String, true, false),
            ("password", Password, true, true),
            ("country", Country, false, false),
        ]
    );
}

/// 30 ms in a release build is the goal; a debug build on a busy machine gets room.
#[test]
fn the_whole_is_read_in_little_time() {
    let _warm = Catalog::read_embedded().expect("the data is sound");
    let start = Instant::now();
    let catalog = Catalog::read_embedded().expect("the data is sound");
    let took = start.elapsed();
    println!("{} entries read in {took:?}", catalog.entries().len());
    assert!(took.as_millis() < 2_000, "{took:?}");
}
