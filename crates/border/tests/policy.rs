//! Which country a host is in, and whether the region lets something go there.

use crate::stage::{Names, ask, country, networks, region, shown};
use domicile_border::Border;
use domicile_region::{BorderPolicy, CountrySet, Transfer};
use domicile_testkit::HandClock;
use domicile_world::World;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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

fn policy(expires: &str) -> BorderPolicy {
    let transfer = Transfer {
        to: country("US"),
        vendor: None,
        basis: "dpf".to_owned(),
        approved_by: "dpo@example.com".to_owned(),
        expires: expires.to_owned(),
        fields: None,
    };
    BorderPolicy { allow: CountrySet::These([country("IE")].into()), transfers: vec![transfer] }
}

#[tokio::test]
async fn a_transfer_ends_with_its_last_day_and_a_new_policy_holds_at_once() {
    let clock = HandClock::new();
    let world = World { clock: Arc::new(clock.clone()), ..World::real() };
    let border = Border::new(world, &region("eu-west"), &[]);
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

/// Keeps the gauges by name.
#[derive(Default)]
struct Gauges(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Gauges {
    fn value(&self, name: &str) -> f64 {
        f64::from_bits(self.0.lock().expect("lock")[name].load(Ordering::SeqCst))
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.0.lock().expect("lock");
        Gauge::from_arc(Arc::clone(gauges.entry(key.name().to_owned()).or_default()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn gauges_say_when_transfers_end_and_that_they_have() {
    let gauges = Gauges::default();
    let _guard = metrics::set_default_local_recorder(&gauges);
    let clock = HandClock::new();
    let world = World { clock: Arc::new(clock.clone()), ..World::real() };
    let border = Border::new(world, &region("eu-west"), &[]);
    let watched = border.clone();
    let watch = tokio::spawn(async move { watched.watch_transfers().await });
    let seen = |expected: (f64, f64)| {
        let of = |name: &str| gauges.value(&format!("domicile_border_transfer{name}"));
        assert_eq!((of("s_expired"), of("_days_left")), expected);
    };
    clock.settle().await;
    seen((0.0, f64::INFINITY));
    // The clock stands at 2027-01-15T08:00:00Z.
    border.put_policy(policy("2027-01-17"));
    clock.settle().await;
    seen((0.0, 2.0));
    clock.advance(Duration::from_secs(48 * 3600)).await;
    seen((0.0, 0.0));
    clock.advance(Duration::from_secs(24 * 3600)).await;
    seen((1.0, f64::INFINITY));
    border.put_policy(policy("2027-02-17"));
    clock.settle().await;
    seen((0.0, 30.0));
    watch.abort();
}
