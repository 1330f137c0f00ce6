//! The program is killed: nothing that was not confirmed is skipped, and the counts stay exact.

use crate::bed::{Bed, webhook};
use crate::partner::Reply;
use domicile_testkit::{Crash, Dice};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Goal: at whatever moment a crash comes, every event is delivered at least once or has its letter, each try of an event
/// carries the same key, a user's events are first taken in order, and the counts add up to what was sent.
/// Method: a flaky partner, 300 events of 25 users, six crashes of each kind at moments that a seed chooses.
#[tokio::test]
async fn a_crash_at_any_moment_loses_nothing_and_counts_nothing_twice() {
    for (seed, crash) in (1..=9).zip(Crash::ALL.into_iter().cycle()) {
        let mut dice = Dice::new(seed);
        let mut bed = Bed::new(seed, vec![webhook("d1", 1, "IE")]).await;
        let mut answers = Dice::new(seed + 100);
        bed.partner.answers(move |r| match answers.below(10) {
            _ if r.n % 50 == 49 => Reply::Says(400, "never"),
            0 => Reply::Status(503),
            1 => Reply::Drop,
            _ => Reply::Status(200),
        });
        for _ in 0..6 {
            bed.send_many(50, 25);
            bed.pass(Duration::from_millis(dice.below(3_000))).await;
            bed.crash(crash).await;
            bed.start().await;
        }
        bed.pass(Duration::from_secs(1800)).await;

        let taken: BTreeSet<u64> = bed.partner.taken().into_iter().collect();
        let dead: BTreeSet<u64> =
            bed.letters("d1").iter().map(|letter| letter["event"]["n"].as_u64().expect("n")).collect();
        let all: BTreeSet<u64> = taken.union(&dead).copied().collect();
        assert_eq!(all, (0..300).collect(), "seed {seed}: every event was taken or has its letter");
        assert_eq!(dead, (0..300).filter(|n| n % 50 == 49).collect(), "seed {seed}");
        assert_eq!(bed.counts("d1"), "294 6 0 | 0", "seed {seed}");

        let mut first_taken: HashMap<String, u64> = HashMap::new();
        let mut seen = BTreeSet::new();
        for received in bed.partner.received() {
            let key = received.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
            assert_eq!(key, Some(format!("m{}", received.n).as_str()));
            if received.answered == Some(200) && seen.insert(received.n) {
                let last = first_taken.insert(received.user.clone(), received.n);
                assert!(last.is_none_or(|last| last < received.n), "seed {seed}: {} out of order", received.user);
            }
        }
    }
}

#[tokio::test]
async fn a_restart_in_order_sends_nothing_again() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    for _ in 0..5 {
        bed.send_many(40, 7);
        bed.pass(Duration::from_millis(30)).await;
        bed.stop().await;
        bed.start().await;
    }
    bed.pass(Duration::from_secs(5)).await;
    assert_eq!(bed.partner.received().len(), 200);
    assert_eq!(bed.counts("d1"), "200 0 0 | 0");
}
