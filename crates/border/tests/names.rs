//! Names are resolved once, by the border, and every address of the answer is judged.

use crate::stage::{Names, ask, networks, region, shown};
use async_trait::async_trait;
use domicile_border::{Border, Limits, Outside, Stream};
use domicile_testkit::HandClock;
use domicile_world::World;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

fn border(names: &Arc<Names>) -> Border {
    Border::new(World::real(), &region("us-west"), &networks(&[("127.0.0.0/8", "local")])).with_outside(names.clone())
}

#[tokio::test]
async fn one_bad_address_in_an_answer_refuses_all_of_it() {
    let many: Vec<String> = (1..=65).map(|n| format!("9.9.9.{n}")).collect();
    let many = many.join(" ");
    for (answer, expected) in [
        ("9.9.9.9 8.8.8.8", "9.9.9.9:80 8.8.8.8:80 US allow US"),
        ("9.9.9.9 9.9.9.9", "9.9.9.9:80 US allow US"),
        ("9.9.9.9 10.0.0.1", "address_refused: private"),
        ("9.9.9.9 2a00:1450::1", "9.9.9.9:80 [2a00:1450::1]:80 US allow US"),
        ("9.9.9.9 ::1", "address_refused: loopback"),
        ("9.9.9.9 ::ffff:9.9.9.9", "address_refused: IPv4-mapped"),
        ("", "name_unresolved: the name has no address"),
        (many.as_str(), "too_many_addresses: the name has more than 64 addresses"),
    ] {
        let names = Names::new(&[("partner.example", &[answer])]);
        let got = border(&names).permit(ask("http://partner.example/", "US")).await;
        assert_eq!(shown(&got), expected, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_that_changes_after_the_permit_changes_nothing() {
    let names = Names::new(&[("partner.example", &["9.9.9.9", "127.0.0.1"])]);
    let border = border(&names);
    let permit = border.permit(ask("http://partner.example/", "US")).await.expect("a permit");
    assert!(border.open(permit, &Limits::WEBHOOK).await.is_err(), "nobody is at home there");
    assert_eq!(*names.asked.lock().expect("lock"), ["partner.example"]);
    assert_eq!(*names.knocked.lock().expect("lock"), ["9.9.9.9:80".parse().expect("an address")]);
}

#[tokio::test]
async fn every_judged_address_is_tried_in_turn_and_no_other() {
    let names = Names::new(&[("partner.example", &["9.9.9.9 8.8.8.8"])]);
    let border = border(&names);
    let permit = border.permit(ask("http://partner.example:8080/", "US")).await.expect("a permit");
    let error = border.open(permit, &Limits::WEBHOOK).await.err().expect("nobody is at home");
    assert_eq!(error.as_str(), "unreachable");
    let knocked: Vec<String> = names.knocked.lock().expect("lock").iter().map(ToString::to_string).collect();
    assert_eq!(knocked, ["9.9.9.9:8080", "8.8.8.8:8080"]);
}

#[tokio::test]
async fn localhost_is_loopback_whatever_a_resolver_says() {
    let names = Names::new(&[("localhost", &["9.9.9.9"]), ("a.localhost", &["9.9.9.9"])]);
    let closed = Border::new(World::real(), &region("us-west"), &[]).with_outside(names.clone());
    let open =
        Border::new(World::real(), &region("us-west"), &networks(&[("127.0.0.0/8", "local"), ("::1/128", "local")]))
            .with_outside(names.clone());
    for url in ["http://localhost/", "http://LOCALHOST./", "http://a.localhost/"] {
        assert_eq!(shown(&closed.permit(ask(url, "US")).await), "address_refused: loopback", "{url}");
        assert_eq!(shown(&open.permit(ask(url, "US")).await), "127.0.0.1:80 [::1]:80 US allow US", "{url}");
    }
    assert!(names.asked.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_the_one_refusal_that_may_pass_by_itself() {
    let names = Names::new(&[("inside.example", &["10.0.0.1"])]);
    let border = border(&names);
    let unknown = border.permit(ask("http://nobody.example/", "US")).await.expect_err("refused");
    assert_eq!((unknown.code.as_str(), unknown.may_pass()), ("name_unresolved", true));
    let inside = border.permit(ask("http://inside.example/", "US")).await.expect_err("refused");
    assert_eq!((inside.code.as_str(), inside.may_pass()), ("address_refused", false));
}

#[tokio::test]
async fn a_resolver_that_never_answers_is_given_up() {
    struct Silent;
    #[async_trait]
    impl Outside for Silent {
        async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            std::future::pending().await
        }
        async fn connect(&self, _address: SocketAddr) -> io::Result<Box<dyn Stream>> {
            std::future::pending().await
        }
    }
    let clock = HandClock::new();
    let world = World { clock: Arc::new(clock.clone()), ..World::real() };
    let border = Border::new(world, &region("us-west"), &[]).with_outside(Arc::new(Silent));
    let answer = clock.drive(border.permit(ask("http://partner.example/", "US"))).await;
    assert_eq!(shown(&answer), "name_unresolved: the name's addresses did not come within 5 s");

    let permit = border.permit(ask("http://9.9.9.9/", "US")).await.expect("a permit");
    let error = clock.drive(border.open(permit, &Limits::WEBHOOK)).await.err().expect("no connection");
    assert_eq!(error.to_string(), "time-out while connecting");
}
