//! The reference names every kind and every field.

use crate::bed::{key, story};
use domicile_ledger::{Signs, VKey, What, WitnessNamed};

const PAGE: &str = include_str!("../../../docs/reference/ledger.md");

#[test]
fn every_kind_of_entry_and_its_fields_are_in_the_reference_in_their_order() {
    let key = VKey { name: "w".into(), signs: Signs::Cosignatures, public: key(1).public() }.to_string();
    let witness = What::WitnessNamed(WitnessNamed { key, url: String::new(), country: String::new() });
    for what in story().into_iter().flatten().chain([witness]) {
        let kind = what.kind();
        let row = PAGE.lines().find(|line| {
            line.strip_prefix("| ")
                .and_then(|line| line.split(" | ").next())
                .is_some_and(|first| first.split(", ").any(|name| name == format!("`{kind}`")))
        });
        let fields = row.and_then(|row| row.split(" | ").nth(1)).unwrap_or_else(|| panic!("{kind} is not there"));
        let json = serde_json::to_value(&what).expect("JSON");
        let mut rest = fields;
        for field in json.as_object().expect("an object").keys().filter(|field| *field != "kind") {
            let at = rest.find(&format!("`{field}`")).unwrap_or_else(|| panic!("{kind}: {field} in {fields}"));
            rest = &rest[at + 1..];
        }
    }
}
