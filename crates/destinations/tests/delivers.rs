//! The good side: each event once, in its user's order, signed, and counted.

use crate::bed::{Bed, webhook};
use crate::partner::Reply;
use domicile_testkit::Dice;
use domicile_workspace::DestinationKind;
use std::collections::HashMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Of each user: every event got its 2xx before the next one was tried at all.
fn assert_order(bed: &Bed) {
    let mut open: HashMap<String, (u64, bool)> = HashMap::new();
    for received in bed.partner.received() {
        let settled = matches!(received.answered, Some(200..=299));
        let last = open.insert(received.user.clone(), (received.n, settled));
        match last {
            None => {}
            Some((n, true)) => assert!(received.n > n, "{}: {} after {n}", received.user, received.n),
            Some((n, false)) => assert_eq!(received.n, n, "{}: {n} was not settled", received.user),
        }
    }
}

#[tokio::test]
async fn every_event_of_its_source_arrives_once_and_in_its_users_order() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE"), webhook("d2", 2, "IE")]).await;
    bed.send_many(300, 40);
    bed.send_from(2, &["ann", "bob"]);
    bed.pass(SECOND * 5).await;
    let received = bed.partner.received();
    let of = |id: &str| received.iter().filter(|r| r.path == format!("/{id}")).map(|r| r.n).collect::<Vec<_>>();
    let (mut first, mut second) = (of("d1"), of("d2"));
    first.sort_unstable();
    second.sort_unstable();
    assert_eq!(first, (0..300).collect::<Vec<_>>());
    assert_eq!(second, [300, 301]);
    assert_order(&bed);
    assert_eq!((bed.counts("d1"), bed.counts("d2")), ("300 0 0 | 0".into(), "2 0 0 | 0".into()));
    assert!((8..=18).contains(&bed.partner.at_once_max()), "{}", bed.partner.at_once_max());
}

#[tokio::test]
async fn a_request_carries_the_event_byte_for_byte_its_key_and_its_signature() {
    let mut destination = webhook("d1", 1, "IE");
    let DestinationKind::Webhook(settings) = &mut destination.kind;
    settings.url = "http://partner.example/hook?token=t".into();
    settings.shared_secret = Some("secret".into());
    let mut bed = Bed::new(1, vec![destination]).await;
    bed.send(&["ann"]);
    bed.pass(SECOND).await;
    let received = bed.partner.received();
    let [request] = &received[..] else { panic!("{received:?}") };
    assert_eq!(request.body, r#"{"messageId":"m0","n":0,"userId":"ann","type":"track","event":"E"}"#);
    assert_eq!(request.path, "/hook?token=t");
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("none");
    assert_eq!(header("host"), "partner.example");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("user-agent"), concat!("Domicile/", env!("CARGO_PKG_VERSION")));
    assert_eq!(header("idempotency-key"), "m0");
    assert_eq!(header("x-signature"), domicile_keys::hmac_sha1_hex(b"secret", request.body.as_bytes()));
}

#[tokio::test]
async fn a_flaky_partner_gets_everything_in_order() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    let mut dice = Dice::new(7);
    bed.partner.answers(move |_| match dice.below(10) {
        0 => Reply::Later("3"),
        1 => Reply::Status(500),
        2 => Reply::Status(503),
        3 => Reply::Drop,
        _ => Reply::Status(200),
    });
    bed.send_many(200, 20);
    bed.pass(SECOND * 1800).await;
    let mut taken = bed.partner.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..200).collect::<Vec<_>>(), "each got one 2xx and no more");
    assert_order(&bed);
    assert_eq!(bed.counts("d1"), "200 0 0 | 0");
}

#[tokio::test]
async fn the_life_of_an_event_is_told_by_its_tries() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.time == 1 { Reply::Status(503) } else { Reply::Status(204) });
    bed.send(&["ann", "bob"]);
    bed.pass(SECOND * 3).await;
    let told: Vec<String> = bed
        .figures()
        .attempts_of("m1")
        .into_iter()
        .map(|a| {
            let where_to = format!("{} {} {} {}", a.host?, a.address?, a.country?, a.rule?);
            Some(format!("@{} {} {where_to} {} {}ms", a.position, a.attempt, a.status?, a.took_ms))
        })
        .map(|told| told.expect("all is known"))
        .collect();
    assert_eq!(
        told,
        ["@1 1 partner.example 9.9.9.9:80 IE allow IE 503 5ms", "@1 2 partner.example 9.9.9.9:80 IE allow IE 204 5ms"]
    );
    assert!(bed.figures().attempts_of("nobody").is_empty());
}

#[tokio::test]
async fn counts_stand_by_the_hour_of_receipt() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.user == "bad" { Reply::Status(400) } else { Reply::Status(200) });
    bed.send(&["ann", "bob", "bad"]);
    bed.pass(SECOND * 3600).await;
    bed.send(&["ann", "bad"]);
    bed.pass(SECOND).await;
    let hours: Vec<(i64, u64, u64)> =
        bed.of("d1").hours.iter().map(|h| (h.hour.0 - 1_800_000_000_000, h.counts.delivered, h.counts.dead)).collect();
    assert_eq!(hours, [(0, 2, 1), (3_600_000, 1, 1)]);
}

#[tokio::test]
async fn a_partner_that_is_fast_is_served_as_fast_as_events_come() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.send(&["ann"]);
    bed.pass(Duration::from_millis(6)).await;
    assert_eq!(bed.counts("d1"), "1 0 0 | 0", "no timer stands between the log and the partner");
}
