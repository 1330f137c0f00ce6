//! Filters: what they leave out never leaves the cell, is counted, and holds up nobody.

use crate::bed::{Bed, webhook};
use crate::partner::Reply;
use domicile_event::filter::{Draft, Filter};
use domicile_log::Position;
use domicile_testkit::Crash;
use domicile_workspace::{Destination, DestinationId, Filters};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn filter(condition: &str, draft: Draft<'_>) -> Filter {
    Filter::check(condition, &[draft]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn drop_if(condition: &str) -> Filter {
    filter(condition, Draft { kind: "DROP", ..Draft::default() })
}

fn with(filters: impl IntoIterator<Item = Filter>) -> Destination {
    Destination { filters: filters.into_iter().collect(), ..webhook("d1", 1, "IE") }
}

#[tokio::test]
async fn what_a_filter_drops_is_not_sent_and_counts_as_filtered() {
    let mut bed = Bed::new(1, vec![with([drop_if("userId = 'bob'"), drop_if("n >= 4")]), webhook("d2", 1, "IE")]).await;
    bed.send(&["ann", "bob", "eve", "bob", "ann", "joe"]);
    bed.pass(SECOND * 2).await;
    let of = |id: &str| {
        let received = bed.partner.received();
        let mut of: Vec<u64> = received.iter().filter(|r| r.path == format!("/{id}")).map(|r| r.n).collect();
        of.sort_unstable();
        of
    };
    assert_eq!((of("d1"), of("d2")), (vec![0, 2], vec![0, 1, 2, 3, 4, 5]));
    assert_eq!((bed.counts("d1"), bed.of("d1").totals.filtered), ("2 0 0 | 0".into(), 4));
    assert_eq!((bed.counts("d2"), bed.of("d2").totals.filtered), ("6 0 0 | 0".into(), 0));
    assert_eq!(bed.of("d1").position.0, 6, "the cursor is past what was left out");
    let left_out = |n| bed.figures().left_out(&DestinationId::new("d1"), Position(n));
    assert_eq!([0, 1, 2, 3, 4, 5].map(left_out), [false, true, false, true, true, true]);
}

#[tokio::test]
async fn what_a_filter_cuts_is_not_sent_and_users_keep_their_order() {
    let fields = BTreeMap::from([(String::new(), vec!["userId".to_owned(), "event".to_owned()])]);
    let cut = filter("all", Draft { kind: "DROP_PROPERTIES", fields: Some(&fields), ..Draft::default() });
    let mut bed = Bed::new(1, vec![with([cut])]).await;
    bed.partner.answers(|r| if r.n == 0 && r.time < 3 { Reply::Status(503) } else { Reply::Status(200) });
    bed.send(&["ann", "ann", "bob"]);
    bed.pass(SECOND * 20).await;
    let received = bed.partner.received();
    let taken = bed.partner.taken();
    assert_eq!(received[0].body, r#"{"messageId":"m0","n":0,"type":"track"}"#);
    let place = |n: u64| taken.iter().position(|taken| *taken == n).expect("taken");
    assert!(place(0) < place(1), "the second of one user waits for the first: {taken:?}");
    assert_eq!(bed.counts("d1"), "3 0 0 | 0");
}

#[tokio::test]
async fn a_filter_that_comes_holds_for_events_that_wait_for_another_try() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|_| Reply::Status(503));
    bed.send(&["ann", "bob"]);
    bed.pass(SECOND).await;
    bed.configure(|destinations| destinations[0].filters = [drop_if("userId = 'ann'")].into_iter().collect()).await;
    bed.partner.answers(|_| Reply::Status(200));
    let tries = bed.partner.received().iter().filter(|r| r.user == "ann").count();
    bed.pass(SECOND * 30).await;
    assert_eq!(bed.partner.received().iter().filter(|r| r.user == "ann").count(), tries, "no further try");
    assert_eq!((bed.partner.taken(), bed.of("d1").totals.filtered), (vec![1], 1));

    // Without it the next ones go out again; what was left out stays out.
    bed.configure(|destinations| destinations[0].filters = Filters::default()).await;
    bed.send(&["ann"]);
    bed.pass(SECOND).await;
    assert_eq!((bed.partner.taken(), bed.of("d1").totals.filtered), (vec![1, 2], 1));
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_leaves_nothing_through() {
    let mut bed = Bed::new(1, vec![with([Filter::closed()])]).await;
    bed.send_many(30, 3);
    bed.pass(SECOND * 5).await;
    assert!(bed.partner.received().is_empty());
    assert_eq!(bed.of("d1").totals.filtered, 30);
}

#[tokio::test]
async fn after_a_crash_what_was_left_out_is_counted_once() {
    for (seed, crash) in (0..18).zip(Crash::ALL.into_iter().cycle()) {
        let mut bed = Bed::new(seed, vec![with([drop_if("n < 25")])]).await;
        bed.send_many(50, 7);
        bed.pass(Duration::from_millis(seed * 150)).await;
        bed.crash(crash).await;
        bed.start().await;
        bed.pass(SECOND * 10).await;
        let totals = bed.of("d1").totals;
        assert_eq!((totals.filtered, totals.delivered), (25, 25), "seed {seed}");
        assert!(bed.partner.received().iter().all(|r| r.n >= 25));
    }
}
