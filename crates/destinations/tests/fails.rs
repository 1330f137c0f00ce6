//! Partners that are down, slow, hostile or picky: what waits, what is dead, and who else feels it.

use crate::bed::{Bed, webhook};
use crate::partner::Reply;
use domicile_destinations::Settings;
use domicile_testkit::{Failure, Op};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_partner_that_is_down_costs_no_event_and_bounded_memory() {
    let settings = Settings { window_events_max: 50, ..Settings::default() };
    let mut bed = Bed::with(1, vec![webhook("d1", 1, "IE")], settings).await;
    bed.partner.open(false);
    bed.send_many(500, 30);
    bed.pass(HOUR).await;
    assert!(bed.of("d1").in_memory <= 60, "{:?}", bed.of("d1"));
    assert_eq!(bed.of("d1").last_error.as_deref(), Some("unreachable"));
    assert_eq!(bed.partner.taken().len(), 0);
    bed.partner.open(true);
    bed.pass(SECOND * 600).await;
    let mut taken = bed.partner.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..500).collect::<Vec<_>>());
    assert_eq!(bed.counts("d1"), "500 0 0 | 0");
    assert_eq!(bed.of("d1").last_error, None);
}

#[tokio::test]
async fn what_a_partner_will_never_take_is_dead_at_once_with_its_answer_and_the_rest_goes_on() {
    for (status, dead) in [(400, true), (401, true), (404, true), (302, true), (501, true), (410, true), (429, false)] {
        let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
        bed.partner.answers(move |r| if r.n == 1 { Reply::Says(status, "no, thanks") } else { Reply::Status(200) });
        bed.send(&["ann", "ann", "ann", "bob"]);
        bed.pass(Duration::from_millis(100)).await;
        if !dead {
            assert_eq!((bed.partner.taken(), bed.letters("d1").len()), (vec![0, 3], 0), "{status}: ann's next waits");
            continue;
        }
        assert_eq!(bed.counts("d1"), "3 1 0 | 0", "{status}");
        let letters = bed.letters("d1");
        let [letter] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!(letter["messageId"], "m1");
        assert_eq!((&letter["position"], &letter["attempts"]), (&1.into(), &1.into()));
        assert_eq!((&letter["status"], &letter["answer"]), (&status.into(), &"no, thanks".into()));
        assert_eq!(letter["reason"], format!("status_{status}"));
        assert_eq!(letter["event"]["userId"], "ann");
        assert_eq!(bed.partner.received().iter().filter(|r| r.n == 1).count(), 1);
    }
}

#[tokio::test]
async fn an_event_that_never_gets_through_is_dead_after_four_hours_and_holds_up_only_its_user() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.n == 0 { Reply::Says(500, "oops") } else { Reply::Status(200) });
    bed.send(&["ann", "ann", "bob", "eve"]);
    bed.send_many(100, 30);
    bed.pass(HOUR * 4 - SECOND * 1).await;
    assert_eq!(bed.partner.taken().len(), 102, "all but ann's two");
    assert_eq!(bed.letters("d1").len(), 0, "not before the four hours");
    let tries = bed.partner.received().iter().filter(|r| r.n == 0).count();
    assert!((48..200).contains(&tries), "{tries} tries");
    // The next try after the four hours is the last one.
    bed.pass(SECOND * 301).await;
    let letters = bed.letters("d1");
    assert_eq!(letters.len(), 1);
    assert_eq!((&letters[0]["reason"], &letters[0]["messageId"]), (&"status_500".into(), &"m0".into()));
    assert_eq!(bed.counts("d1"), "103 1 0 | 0");
    assert!(bed.partner.taken().contains(&1));
}

#[tokio::test]
async fn nothing_is_dead_before_ten_tries_however_long_they_take() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    // An hour between tries: after four hours there have been five.
    bed.partner.answers(|_| Reply::Later("999999"));
    bed.send(&["ann"]);
    bed.pass(HOUR * 8 + SECOND * 60).await;
    assert_eq!((bed.partner.received().len(), bed.letters("d1").len()), (9, 0));
    bed.pass(HOUR).await;
    assert_eq!((bed.partner.received().len(), bed.letters("d1").len()), (10, 1));
    assert_eq!(bed.letters("d1")[0]["attempts"], 10);
}

#[tokio::test]
async fn a_wait_that_the_partner_asks_for_is_kept() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.time == 1 { Reply::Later("90") } else { Reply::Status(200) });
    bed.send(&["ann"]);
    bed.pass(SECOND * 89).await;
    assert_eq!(bed.partner.received().len(), 1);
    bed.pass(SECOND * 2).await;
    assert_eq!(bed.partner.taken(), [0]);
}

#[tokio::test]
async fn one_partner_that_hangs_costs_another_nothing() {
    let mut bed = Bed::new(1, vec![webhook("slow", 1, "IE"), webhook("fast", 1, "IE")]).await;
    bed.partner.answers(|r| if r.path == "/slow" { Reply::Hang } else { Reply::Status(200) });
    bed.send_many(200, 100);
    bed.pass(SECOND).await;
    assert_eq!(bed.counts("fast"), "200 0 0 | 0");
    assert_eq!(bed.of("slow").totals.delivered, 0);
    bed.pass(SECOND * 30).await;
    assert_eq!(bed.of("slow").last_error.as_deref(), Some("timed_out"));
}

#[tokio::test]
async fn a_full_disk_keeps_the_dying_alive_until_their_letters_are_written() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.n == 0 { Reply::Status(400) } else { Reply::Status(200) });
    bed.send(&["ann", "ann", "bob"]);
    bed.handles.disk.fail_from(Op::Append, 1, Failure::Full);
    bed.pass(SECOND * 10).await;
    assert_eq!(bed.partner.taken(), [2], "ann's second waits for her first");
    assert_eq!(bed.of("d1").totals.dead, 0);
    assert!(bed.of("d1").last_error.is_some_and(|error| error.contains("dead-letters")));
    bed.handles.disk.heal();
    bed.pass(SECOND * 3).await;
    assert_eq!(bed.counts("d1"), "2 1 0 | 0");
    assert_eq!(bed.letters("d1").len(), 1);
}

#[tokio::test]
async fn a_shutdown_sends_what_it_can_and_waits_five_seconds_at_most() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.send_many(100, 10);
    assert!(bed.stop().await < SECOND);
    assert_eq!(bed.partner.taken().len(), 100);

    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|_| Reply::Hang);
    bed.send_many(100, 10);
    bed.pass(SECOND).await;
    assert_eq!(bed.stop().await, SECOND * 5);

    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|_| Reply::Status(503));
    bed.send_many(100, 10);
    bed.pass(SECOND * 60).await;
    assert!(bed.stop().await < SECOND, "nobody waits for a partner that is down");
}
