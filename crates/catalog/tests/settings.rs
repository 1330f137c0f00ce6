//! The check of a customer's settings: unknown ones, wrong types, hostile and huge values.

use crate::entry;
use domicile_catalog::{Catalog, Kind, SETTINGS_BYTES_MAX};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn check(slug: &str, given: Value) -> String {
    match entry(Kind::Destination, slug).check_settings(&map(given)) {
        Ok(()) => "taken".to_owned(),
        Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn known_settings_of_the_right_types_are_taken() {
    let cases = [
        ("webhook", json!({})),
        ("webhook", json!({ "url": "https://a.example", "country": "IE", "sharedSecret": "s" })),
        ("actions-amplitude", json!({ "apiKey": "k", "secretKey": "s", "endpoint": "europe" })),
        ("actions-amplitude", json!({ "apiKey": "k", "country": "DE" })),
        ("slack", json!({ "anything": [1, { "at": "all" }], "country": "US" })),
    ];
    for (slug, given) in cases {
        assert_eq!(check(slug, given.clone()), "taken", "{slug} {given}");
    }
}

#[test]
fn what_is_wrong_is_named_with_a_mend_and_without_the_value() {
    let cases = [
        (
            json!({ "uri": "sesame" }),
            "settings.uri is no setting of `webhook`; its settings are: url, country, sharedSecret",
        ),
        (json!({ "url": 7 }), "settings.url is not a string; give a JSON string"),
        (json!({ "url": null }), "settings.url is not a string; give a JSON string"),
        (json!({ "sharedSecret": ["sesame"] }), "settings.sharedSecret is not a string; give a JSON string"),
        (
            json!({ "country": "EU" }),
            "settings.country is not a country; give an ISO 3166-1 alpha-2 code, for example IE",
        ),
        (
            json!({ "country": "ie", "URL": "sesame" }),
            "settings.country is not a country; give an ISO 3166-1 alpha-2 code, for example IE\n\
             settings.URL is no setting of `webhook`; its settings are: url, country, sharedSecret",
        ),
    ];
    for (given, wanted) in cases {
        assert_eq!(check("webhook", given), wanted);
    }
}

#[test]
fn an_entry_whose_settings_are_not_known_still_wants_a_country_to_be_one() {
    assert!(check("slack", json!({ "country": "Ireland" })).starts_with("settings.country is not a country"));
}

#[test]
fn settings_stop_at_the_limit_whether_they_are_listed_or_not() {
    // {"k":"…"}
    let fits = "x".repeat(SETTINGS_BYTES_MAX - 8);
    assert_eq!(check("slack", json!({ "k": fits })), "taken");
    let wanted = "settings have 65537 bytes as JSON; give at most 65536";
    assert_eq!(check("slack", json!({ "k": format!("{fits}x") })), wanted);
    let wanted = "settings have 70010 bytes as JSON; give at most 65536";
    assert_eq!(check("webhook", json!({ "url": "x".repeat(70_000) })), wanted);
}

#[test]
fn a_thousand_unknown_settings_get_twenty_faults() {
    let many = (0..1_000).map(|n| (format!("s{n}"), json!(n))).collect::<Map<_, _>>();
    let faults = entry(Kind::Destination, "webhook").check_settings(&many).expect_err("none of them is known");
    assert_eq!(faults.len(), 20);
}

#[test]
fn required_settings_without_a_default_are_missed() {
    let missed = |kind, slug, given| -> Vec<&str> {
        entry(kind, slug).missing_settings(&map(given)).iter().map(|setting| setting.name.as_str()).collect()
    };
    assert_eq!(missed(Kind::Destination, "webhook", json!({})), ["url"]);
    assert_eq!(missed(Kind::Destination, "webhook", json!({ "url": null })), ["url"]);
    assert!(missed(Kind::Destination, "webhook", json!({ "url": "u" })).is_empty());
    let all = ["hostname", "database", "username", "password"];
    assert_eq!(missed(Kind::Warehouse, "postgres", json!({})), all, "the port has a default");
    assert!(missed(Kind::Destination, "slack", json!({})).is_empty());
}

proptest! {
    #[test]
    fn no_settings_whatever_make_the_check_stumble_or_repeat_a_value(
        name in "\\PC{0,20}", value in "sesame\\PC{0,40}", place in 0..Catalog::get().entries().len(),
    ) {
        let entry = &Catalog::get().entries()[place];
        let given = [(name, json!(value))].into_iter().collect();
        if let Err(faults) = entry.check_settings(&given) {
            prop_assert!(faults.iter().all(|fault| !fault.what.contains("sesame") && !fault.mend.contains("sesame")));
        }
    }
}
