//! What the border refuses waits, however long, and is sent when it may.

use crate::bed::{Bed, webhook};
use domicile_region::{BorderPolicy, CountrySet};
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
async fn settings_that_are_corrected_send_what_waited() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "")]).await;
    bed.send_many(20, 5);
    bed.pass(HOUR).await;
    assert_eq!(bed.counts("d1"), "0 0 0 | 20");
    bed.configure(|destinations| *destinations = vec![webhook("d1", 1, "IE")]).await;
    bed.pass(SECOND).await;
    assert_eq!((bed.counts("d1"), bed.of("d1").refused), ("20 0 0 | 0".into(), None));
}
