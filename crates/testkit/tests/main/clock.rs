//! The hand-turned clock: nothing passes by itself, everybody runs at their moment.

use domicile_testkit::HandClock;
use domicile_world::{Clock, Millis};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn sleepers_wake_in_order_and_at_their_moment() {
    let clock = HandClock::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    for (name, seconds) in [("c", 3), ("a", 1), ("b", 2)] {
        let (clock, log) = (clock.clone(), Arc::clone(&log));
        tokio::spawn(async move {
            clock.sleep(SECOND * seconds).await;
            log.lock().unwrap().push((name, clock.monotonic().as_secs()));
            clock.sleep(SECOND * 10).await;
            log.lock().unwrap().push((name, clock.monotonic().as_secs()));
        });
    }
    clock.advance(SECOND * 2).await;
    assert_eq!(*log.lock().unwrap(), [("a", 1), ("b", 2)]);
    clock.advance(SECOND * 20).await;
    assert_eq!(log.lock().unwrap()[2..], [("c", 3), ("a", 11), ("b", 12), ("c", 13)]);
    assert_eq!(clock.monotonic(), SECOND * 22);
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_moves_no_one_who_waits() {
    let clock = HandClock::new();
    let mut sleep = clock.sleep(SECOND);
    clock.jump_wall(-86_400_000);
    assert_eq!(clock.now(), HandClock::START.plus(-86_400_000));
    assert!(futures::poll!(&mut sleep).is_pending());
    clock.advance(SECOND).await;
    assert_eq!(clock.now(), HandClock::START.plus(-86_399_000));
    assert!(futures::poll!(&mut sleep).is_ready());
}

#[tokio::test]
async fn driving_takes_a_program_through_a_week_in_no_time() {
    let clock = HandClock::new();
    let turns = clock
        .drive(async {
            let mut turns = 0;
            while clock.monotonic() < SECOND * 7 * 86_400 {
                clock.sleep(SECOND * 3_600).await;
                turns += 1;
            }
            turns
        })
        .await;
    assert_eq!(turns, 7 * 24);
    assert_eq!(clock.now(), Millis(HandClock::START.0 + 7 * 86_400_000));
}

#[tokio::test]
#[should_panic(expected = "the program is stuck")]
async fn driving_a_program_that_waits_for_nothing_fails() {
    HandClock::new().drive(std::future::pending::<()>()).await;
}

#[tokio::test]
async fn a_dropped_wait_is_forgotten() {
    let clock = HandClock::new();
    let mut sleep = clock.sleep(SECOND);
    assert!(futures::poll!(&mut sleep).is_pending());
    assert_eq!(clock.sleepers(), 1);
    drop(sleep);
    assert_eq!(clock.sleepers(), 0);
}
