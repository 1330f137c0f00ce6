//! What the border refuses waits, however long, and is sent when it may.

use crate::bed::{Bed, webhook};
use domicile_event::reduce::{Draft, Reduction};
use domicile_keys::{IdentifierHasher, hmac_sha1_hex};
use domicile_region::{BorderPolicy, Country, CountrySet, Transfer};
use domicile_workspace::{DestinationKind, WorkspaceId};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn eu_west_sends_nothing_to_the_us_and_the_events_wait_for_another_policy() {
    let mut bed = Bed::new(1, vec![webhook("us", 1, "US"), webhook("ie", 1, "IE"), webhook("nowhere", 1, "")]).await;
    bed.send_many(100, 10);
    bed.pass(HOUR * 48).await;
    assert_eq!(bed.of("us").refused, Some("country_refused"));
    assert_eq!(bed.of("nowhere").refused, Some("country_undeclared"));
    assert_eq!(bed.of("ie").refused, None);
    for (id, counts) in [("us", "0 0 0 | 100"), ("nowhere", "0 0 0 | 100"), ("ie", "100 0 0 | 0")] {
        assert_eq!(bed.counts(id), counts, "{id}");
    }
    assert!(bed.letters("us").is_empty());
    assert!(bed.partner.received().iter().all(|received| received.path == "/ie"));

    bed.border().put_policy(BorderPolicy { allow: CountrySet::Any, transfers: Vec::new() });
    bed.pass(SECOND * 40).await;
    assert_eq!((bed.counts("us"), bed.of("us").refused), ("100 0 0 | 0".into(), None));
    assert_eq!(bed.counts("nowhere"), "0 0 0 | 100");
}

#[tokio::test]
async fn a_policy_that_becomes_stricter_stops_what_is_under_way() {
    let mut bed = Bed::new(1, vec![webhook("ie", 1, "IE")]).await;
    bed.send_many(20, 5);
    bed.pass(SECOND).await;
    assert_eq!(bed.counts("ie"), "20 0 0 | 0");
    bed.border().put_policy(BorderPolicy { allow: CountrySet::These([].into()), transfers: Vec::new() });
    bed.send_many(20, 5);
    bed.pass(HOUR).await;
    assert_eq!((bed.counts("ie"), bed.of("ie").refused), ("20 0 0 | 20".into(), Some("country_refused")));
    assert_eq!(bed.partner.received().len(), 20);
}

#[tokio::test]
async fn while_the_border_process_is_gone_events_wait_and_none_dies_of_it() {
    let mut bed = Bed::new(1, vec![webhook("ie", 1, "IE")]).await;
    bed.stop().await;
    bed.border_is_gone = true;
    bed.start().await;
    bed.send_many(20, 5);
    bed.pass(HOUR * 12).await;
    assert_eq!((bed.counts("ie"), bed.of("ie").refused), ("0 0 0 | 20".into(), Some("border_unreachable")));
    assert!(bed.letters("ie").is_empty());
    bed.stop().await;
    bed.border_is_gone = false;
    bed.start().await;
    bed.pass(SECOND).await;
    assert_eq!((bed.counts("ie"), bed.of("ie").refused), ("20 0 0 | 0".into(), None));
}

#[tokio::test]
async fn settings_that_are_corrected_send_what_waited() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "")]).await;
    bed.send_many(20, 5);
    bed.pass(HOUR).await;
    assert_eq!(bed.counts("d1"), "0 0 0 | 20");
    bed.configure(|destinations| *destinations = vec![webhook("d1", 1, "IE")]).await;
    bed.pass(SECOND).await;
    assert_eq!((bed.counts("d1"), bed.of("d1").refused), ("20 0 0 | 0".into(), None));
}

fn transfer(expires: &str, fields: Option<Draft>) -> Transfer {
    Transfer {
        to: Country::new("US").expect("a country"),
        vendor: None,
        basis: "dpf".to_owned(),
        approved_by: "dpo@example.com".to_owned(),
        expires: expires.to_owned(),
        fields: fields.map(|draft| Reduction::check(&draft).expect("sound")),
    }
}

fn grants(workspace: &str, transfers: &[Transfer]) -> BTreeMap<WorkspaceId, Vec<Transfer>> {
    BTreeMap::from([(WorkspaceId::new(workspace), transfers.to_vec())])
}

#[tokio::test]
async fn an_expired_transfer_stops_the_flow_the_events_wait_and_a_new_grant_lets_them_flow() {
    let mut bed = Bed::new(1, vec![webhook("us", 1, "US"), webhook("ie", 1, "IE")]).await;
    // The clock stands at 2027-01-15T08:00:00Z.
    bed.border().put_grants(grants("w", &[transfer("2027-01-15", None)]));
    bed.send_many(20, 5);
    bed.pass(SECOND * 40).await;
    assert_eq!(bed.counts("us"), "20 0 0 | 0");

    bed.pass(HOUR * 16).await;
    bed.send_many(50, 5);
    bed.pass(HOUR * 24 * 10).await;
    assert_eq!((bed.counts("us"), bed.of("us").refused), ("20 0 0 | 50".into(), Some("transfer_expired")));
    assert_eq!(bed.counts("ie"), "70 0 0 | 0", "nobody else waits");
    assert!(bed.letters("us").is_empty());

    bed.border().put_grants(grants("another", &[transfer("2027-12-31", None)]));
    bed.pass(HOUR).await;
    assert_eq!((bed.counts("us"), bed.of("us").refused), ("20 0 0 | 50".into(), Some("country_refused")));

    bed.border().put_grants(grants("w", &[transfer("2027-12-31", None)]));
    bed.pass(SECOND * 40).await;
    assert_eq!((bed.counts("us"), bed.of("us").refused), ("70 0 0 | 0".into(), None));
    let rule =
        bed.figures().attempts_of("m69").into_iter().find_map(|tried| tried.rule.filter(|rule| rule.contains("US")));
    assert_eq!(rule.as_deref(), Some("workspace's transfer to US for any vendor (dpf, until 2027-12-31)"));
}

#[tokio::test]
async fn what_is_sent_follows_the_newest_transfer_and_the_signature_is_over_what_is_sent() {
    let mut us = webhook("us", 1, "US");
    let DestinationKind::Webhook(settings) = &mut us.kind;
    settings.shared_secret = Some("secret".to_owned());
    let mut bed = Bed::new(1, vec![us]).await;
    let list = |paths: &[&str]| Some(paths.iter().map(|path| (*path).to_owned()).collect());
    let denies = Draft { deny: list(&["n"]), ..Draft::default() };
    let hashes = Draft { allow: list(&["event"]), hash: list(&["userId", "messageId"]), ..Draft::default() };
    for (fields, expected) in [
        (None, r#"{"messageId":"m0","n":0,"userId":"ann","type":"track","event":"E"}"#.to_owned()),
        (Some(denies), r#"{"messageId":"m1","userId":"ann","type":"track","event":"E"}"#.to_owned()),
        (Some(hashes), {
            let hash = |text: &str| IdentifierHasher::new(&Bed::SALT).hash("w", text);
            format!(r#"{{"messageId":"{}","userId":"{}","type":"track","event":"E"}}"#, hash("m2"), hash("ann"))
        }),
    ] {
        bed.border().put_grants(grants("w", &[transfer("2027-12-31", fields)]));
        bed.send(&["ann"]);
        bed.pass(SECOND * 40).await;
        let received = bed.partner.received().pop().expect("it came");
        let header = |name: &str| received.headers[name].to_str().expect("text").to_owned();
        assert_eq!(received.body, expected);
        assert_eq!(header("x-signature"), hmac_sha1_hex(b"secret", expected.as_bytes()));
        let id = serde_json::from_str::<serde_json::Value>(&expected).expect("JSON")["messageId"].clone();
        assert_eq!(Some(header("idempotency-key").as_str()), id.as_str());
    }
    assert_eq!(bed.counts("us"), "3 0 0 | 0");
}
