//! Which country a host is in, and whether the region lets something go there.

use crate::stage::{Names, ask, networks, region, shown};
use domicile_border::Border;
use domicile_region::{BorderPolicy, CountrySet, Transfer};
use domicile_testkit::HandClock;
use domicile_world::World;
use std::sync::Arc;
use std::time::Duration;

const NETWORKS: &[(&str, &str)] = &[("127.0.0.0/8", "local"), ("10.20.0.0/16", "IE"), ("10.30.0.0/16", "US")];

#[tokio::test]
async fn the_country_comes_from_networks_or_is_declared_and_the_policy_decides() {
    for (region_id, url, declared, expected) in [
        ("eu-west", "http://9.9.9.9/", "IE", "9.9.9.9:80 IE allow IE"),
        ("eu-west", "http://9.9.9.9/", "NO", "9.9.9.9:80 NO allow NO"),
        ("eu-west", "http://9.9.9.9/", "US", "country_refused: the region's policy allows no such country"),
        ("eu-west", "http://9.9.9.9/", "GB", "country_refused: the region's policy allows no such country"),
        ("eu-west", "http://9.9.9.9/", "", "country_undeclared: nobody says in which country it is"),
        ("us-west", "http://9.9.9.9/", "", "country_undeclared: nobody says in which country it is"),
        ("us-west", "http://9.9.9.9/", "US", "9.9.9.9:80 US allow US"),
        ("us-west", "http://9.9.9.9/", "IE", "9.9.9.9:80 IE allow IE"),
        ("eu-west", "http://127.0.0.1:81/", "DE", "127.0.0.1:81 DE allow DE"),
        ("eu-west", "http://127.0.0.1:81/", "US", "country_refused: the region's policy allows no such country"),
        ("eu-west", "http://127.0.0.1:81/", "", "country_undeclared: nobody says in which country it is"),
        ("eu-west", "http://10.20.0.1/", "", "10.20.0.1:80 IE allow IE"),
        ("eu-west", "http://10.20.0.1/", "IE", "10.20.0.1:80 IE allow IE"),
        ("eu-west", "http://10.30.0.1/", "", "country_refused: the region's policy allows no such country"),
        (
            "eu-west",
            "http://10.30.0.1/",
            "IE",
            "country_contradicted: IE is declared, and `networks` says that 10.30.0.0/16 is in US",
        ),
        ("eu-west", "http://10.21.0.1/", "IE", "address_refused: private"),
    ] {
        let border = Border::new(World::real(), &region(region_id), &networks(NETWORKS));
        let answer = border.permit(ask(url, declared)).await;
        assert_eq!(shown(&answer), expected, "{region_id} {url} declared {declared:?}");
    }
}

#[tokio::test]
async fn a_name_whose_addresses_are_in_two_countries_is_refused() {
    let names = Names::new(&[("partner.example", &["10.20.0.1 10.30.0.1"])]);
    let border = Border::new(World::real(), &region("us-west"), &networks(NETWORKS)).with_outside(names);
    let answer = border.permit(ask("http://partner.example/", "")).await;
    assert_eq!(shown(&answer), "country_contradicted: its addresses are in more than one country");
}

#[tokio::test]
async fn a_transfer_ends_with_its_last_day_and_a_new_policy_holds_at_once() {
    let clock = HandClock::new();
    let world = World { clock: Arc::new(clock.clone()), ..World::real() };
    let border = Border::new(world, &region("eu-west"), &[]);
    let transfer = |expires: &str| Transfer {
        to: crate::stage::country("US"),
        vendor: None,
        basis: "dpf".to_owned(),
        approved_by: "dpo@example.com".to_owned(),
        expires: expires.to_owned(),
        fields: None,
    };
    let policy = |expires: &str| BorderPolicy {
        allow: CountrySet::These([crate::stage::country("IE")].into()),
        transfers: vec![transfer(expires)],
    };
    let judged = async || shown(&border.permit(ask("http://9.9.9.9/", "US")).await);

    assert_eq!(judged().await, "country_refused: the region's policy allows no such country");
    // The clock stands at 2027-01-15T08:00:00Z.
    border.put_policy(policy("2027-01-15"));
    assert_eq!(judged().await, "9.9.9.9:80 US transfer to US for any vendor (dpf, until 2027-01-15)");
    clock.advance(Duration::from_secs(16 * 3600)).await;
    assert_eq!(judged().await, "transfer_expired: the transfer to this country has expired");
    border.put_policy(policy("2027-02-15"));
    assert_eq!(judged().await, "9.9.9.9:80 US transfer to US for any vendor (dpf, until 2027-02-15)");
}
