//! Looking ahead says what a permit would say, asks nobody, and changes nothing.

use crate::stage::{Names, ask, country, networks, region};
use domicile_border::Border;
use domicile_region::{BorderPolicy, CountrySet, Transfer};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use std::collections::BTreeMap;

const NETWORKS: &[(&str, &str)] = &[("127.0.0.0/8", "local"), ("10.20.0.0/16", "IE"), ("10.30.0.0/16", "US")];

fn transfer() -> Transfer {
    Transfer {
        to: country("US"),
        vendor: None,
        basis: "scc".to_owned(),
        approved_by: "dpo@example.com".to_owned(),
        expires: "9999-12-31".to_owned(),
        fields: None,
    }
}

/// `US transfer to US …`, or the refusal's code and sentence.
fn foreseen(border: &Border, url: &str, declared: &str) -> String {
    match border.foresee(&ask(url, declared)) {
        Ok(yes) => format!("{} {}", yes.country, yes.rule),
        Err(no) => format!("{}: {}", no.code.as_str(), no.what),
    }
}

#[tokio::test]
async fn what_is_foreseen_of_an_address_is_what_a_permit_says() {
    for region_id in ["eu-west", "us-west"] {
        for granted in [false, true] {
            let border = Border::new(World::real(), &region(region_id), &networks(NETWORKS));
            let grants = BTreeMap::from([(WorkspaceId::new("workspace-1"), vec![transfer()])]);
            border.put_grants(if granted { grants } else { BTreeMap::new() });
            for url in [
                "http://9.9.9.9/",
                "https://9.9.9.9:9/",
                "http://127.0.0.1:81/",
                "http://localhost:81/",
                "http://10.20.0.1/",
                "http://10.30.0.1/",
                "http://10.40.0.1/",
                "http://[::1]/",
                "http://0177.0.0.1/",
                "http://a@9.9.9.9/",
                "ftp://9.9.9.9/",
                "",
            ] {
                for declared in ["", "IE", "US", "BR"] {
                    let said = match border.permit(ask(url, declared)).await {
                        Ok(permit) => format!("{} {}", permit.granted().country(), permit.granted().rule()),
                        Err(no) => format!("{}: {}", no.code.as_str(), no.what),
                    };
                    assert_eq!(foreseen(&border, url, declared), said, "{region_id} {url} {declared:?} {granted}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_name_is_where_it_is_said_to_be_and_nobody_is_asked() {
    let names = Names::new(&[("partner.example", &["10.30.0.1"])]);
    let border = Border::new(World::real(), &region("eu-west"), &networks(NETWORKS)).with_outside(names.clone());
    assert_eq!(foreseen(&border, "https://partner.example/x", "IE"), "IE allow IE");
    assert_eq!(foreseen(&border, "https://partner.example/x", "US").split(':').next(), Some("country_refused"));
    assert_eq!(foreseen(&border, "https://partner.example/x", "").split(':').next(), Some("country_undeclared"));
    assert!(names.asked.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_supposed_border_judges_otherwise_and_leaves_the_real_one_as_it_is() {
    let border = Border::new(World::real(), &region("eu-west"), &networks(NETWORKS));
    let policy = BorderPolicy { allow: CountrySet::These([country("IE")].into()), transfers: vec![transfer()] };
    let supposed = border.supposing(policy, &networks(&[("10.40.0.0/16", "US")]));
    let until = "US transfer to US for any vendor (scc, until 9999-12-31)";
    for (url, declared, real, otherwise) in [
        ("http://9.9.9.9/", "US", "country_refused", until),
        ("http://9.9.9.9/", "DE", "DE allow DE", "country_refused"),
        ("http://10.40.0.1/", "", "address_refused", until),
        ("http://127.0.0.1:81/", "IE", "IE allow IE", "address_refused"),
    ] {
        for (border, expected) in [(&border, real), (&supposed, otherwise)] {
            let said = foreseen(border, url, declared);
            assert!(said.starts_with(expected), "{url} {declared}: {said} and not {expected}");
        }
    }
    supposed.put_policy(BorderPolicy { allow: CountrySet::Any, transfers: Vec::new() });
    assert!(foreseen(&border, "http://9.9.9.9/", "US").starts_with("country_refused"));
    border.put_grants(BTreeMap::from([(WorkspaceId::new("workspace-1"), vec![transfer()])]));
    let later = border.supposing(region("eu-west").border, &networks(NETWORKS));
    assert!(foreseen(&later, "http://9.9.9.9/", "US").starts_with("US workspace's transfer"), "it keeps the grants");
}
