//! From what somebody typed to what is meant.

use domicile_catalog::{Catalog, Kind};
use proptest::prelude::*;

fn found(name: &str) -> Vec<String> {
    Catalog::get().search(name).iter().map(|entry| format!("{} {}", entry.kind(), entry.slug)).collect()
}

#[test]
fn a_slug_or_an_id_means_that_entry_of_every_kind_and_no_other() {
    assert_eq!(found("webhook"), ["destination webhook"]);
    assert_eq!(found("amazon-s3"), ["source amazon-s3", "warehouse amazon-s3"]);
    assert_eq!(found("5f7dd6d21ad74f3842b1fc47"), ["destination actions-amplitude"]);
    assert_eq!(found(" webhook\n"), ["destination webhook"]);
}

#[test]
fn a_part_of_a_name_or_of_a_previous_one_means_all_that_have_it() {
    assert_eq!(found("Intercom Web"), ["destination actions-intercom-web"]);
    assert_eq!(found("delivr.AI"), ["destination actions-cdpresolution"], "a previous name");
    assert!(found("braze").len() > 1);
    assert!(found("BRAZ").len() > 3);
}

#[test]
fn nothing_is_found_for_blanks_for_the_endless_and_for_what_is_not_there() {
    for name in ["", " ", "\t\n", "no such thing", "\u{0}", "%", "*", "' OR 1=1 --", &"a".repeat(1 << 20)] {
        assert!(found(name).is_empty(), "{:.20}", name);
    }
}

#[test]
fn a_misspelling_is_near_what_was_meant() {
    let near = |name: &str| Catalog::get().near(name, None);
    assert_eq!(near("webhok").first(), Some(&"webhook"));
    assert_eq!(near("Mixpannel").first(), Some(&"mixpanel"));
    assert_eq!(near("postgress").first(), Some(&"postgres"));
    assert_eq!(Catalog::get().near("webhok", Some(Kind::Warehouse)), [""; 0]);
    assert!(near("qqqqqqqqqqqqqqqqqq").is_empty());
    assert!(near("").is_empty());
    assert!(near(&"webhook".repeat(10_000)).is_empty());
}

proptest! {
    #[test]
    fn any_name_gets_an_answer(name in "\\PC{0,60}") {
        let catalog = Catalog::get();
        for entry in catalog.search(&name) {
            prop_assert!(catalog.find(entry.kind(), entry.id()).is_some());
        }
        prop_assert!(catalog.near(&name, None).len() <= 3);
    }
}
