//! Power that goes, disks that are full and disks that fail: what was said to be written is there, once, and in order.

use crate::bed::{self, FOLDER, KEYS, Map, configured, findings, open, report};
use domicile_ledger::verify::Question;
use domicile_ledger::{Book, BookError, Closing, Entry, Ledger, What};
use domicile_testkit::{Crash, Failure, Handles, Op};
use std::path::Path;
use std::time::Duration;

/// What a life enters: groups that begin, fill and pass tiles. Each entry is known by its number.
const GROUPS: [u64; 6] = [1, 3, 250, 1, 2, 300];

/// Enters everything that is not in the ledger yet, group by group, until the power goes; gives the numbers that were said
/// to be written, with their indexes.
async fn live(hands: &Handles) -> Vec<(u64, u64)> {
    let mut written = Vec::new();
    let Ok((ledger, writer)) = open(&hands.restart(), "eu-west") else { return written };
    let writer = tokio::spawn(writer.run());
    let mut next = ledger.signed().head.size;
    let total: u64 = GROUPS.iter().sum();
    for group in GROUPS.iter().cycle() {
        if next >= total {
            break;
        }
        let numbers = next..(next + group).min(total);
        let what = |n| if n == 0 { bed::opened(0, 0) } else { configured(n) };
        let pending = ledger.enter_all(numbers.clone().map(what));
        for (number, pending) in numbers.clone().zip(pending) {
            match hands.clock.drive(pending.written()).await {
                Ok(index) => written.push((number, index)),
                Err(Closing) => {
                    assert!(hands.clock.drive(writer).await.expect("no panic").is_err(), "the writer said so");
                    return written;
                }
            }
        }
        next = numbers.end;
    }
    ledger.close();
    let _ = hands.clock.drive(writer).await.expect("no panic");
    written
}

/// The numbers of the entries that are in the ledger, in its order.
fn numbers(ledger: &Ledger) -> Vec<u64> {
    let number = |index| match ledger.entry(index).expect("read").expect("there").what {
        What::Configured(configured) => configured.version,
        _ => 0,
    };
    (0..ledger.signed().head.size).map(number).collect()
}

fn holds(hands: &Handles, what: &str) {
    let report = report(&Map::of(hands, FOLDER), &Question::default());
    assert!(report.holds(), "{what}: {:?}", findings(&report));
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_written() {
    let changes = {
        let (_world, hands) = domicile_testkit::world(1);
        bed::run(live(&hands));
        hands.disk.changes()
    };
    assert!(changes > 100);
    for crash in Crash::ALL {
        for nth in 1..=changes {
            let (_world, hands) = domicile_testkit::world(nth);
            hands.disk.crash_in(nth, crash);
            let mut written = bed::run(live(&hands));
            // The next life, which may be short too.
            hands.disk.crash_in(1 + nth % 17, crash);
            written.extend(bed::run(live(&hands)));
            hands.disk.heal();
            written.extend(bed::run(live(&hands)));
            let what = format!("{crash:?} at change {nth}");
            let (ledger, _writer) = open(&hands.restart(), "eu-west").unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(written.iter().all(|(number, index)| number == index), "{what}: {written:?}");
            assert_eq!(numbers(&ledger), (0..GROUPS.iter().sum()).collect::<Vec<_>>(), "{what}");
            holds(&hands, &what);
        }
    }
}

#[test]
fn a_full_disk_at_any_write_is_waited_for_and_nothing_is_skipped_or_doubled() {
    let before = |hands: &Handles| {
        bed::run(bed::write(&hands.restart(), hands, "eu-west", &[vec![bed::opened(0, 0)]]));
        hands.disk.changes()
    };
    let changes = {
        let (_world, hands) = domicile_testkit::world(1);
        let first = before(&hands);
        bed::run(live(&hands));
        hands.disk.changes() - first
    };
    for nth in 1..=changes {
        let (_world, hands) = domicile_testkit::world(nth);
        before(&hands);
        hands.disk.full_in(nth);
        let written = bed::run(async {
            let hands_on = hands.clone();
            // Room comes back after a minute.
            tokio::spawn(async move {
                hands_on.restart().clock.sleep(Duration::from_secs(60)).await;
                hands_on.disk.heal();
            });
            live(&hands).await
        });
        let total = GROUPS.iter().sum::<u64>();
        assert_eq!(written, (1..total).map(|n| (n, n)).collect::<Vec<_>>(), "full at change {nth}");
        let (ledger, _writer) = open(&hands.restart(), "eu-west").expect("it opens");
        assert_eq!(numbers(&ledger), (0..total).collect::<Vec<_>>(), "full at change {nth}");
        holds(&hands, &format!("full at change {nth}"));
    }
}

#[test]
fn a_sync_that_fails_is_final_and_nothing_under_it_is_said_to_be_written() {
    for op in [Op::Sync, Op::SyncFolder] {
        for nth in 1..30 {
            let (_world, hands) = domicile_testkit::world(nth);
            bed::run(bed::write(&hands.restart(), &hands, "eu-west", &[vec![bed::opened(0, 0)]]));
            let (ledger, writer) = open(&hands.restart(), "eu-west").expect("it opens");
            hands.disk.fail_at(op, nth, Failure::Broken);
            let (results, later) = bed::run(async {
                let writer = tokio::spawn(writer.run());
                let mut results = Vec::new();
                for n in 1..4 {
                    let mut pending = ledger.enter_all([configured(2 * n), configured(2 * n + 1)]);
                    let second = pending.pop().expect("two");
                    results.push(hands.clock.drive(pending.pop().expect("one").written()).await);
                    results.push(hands.clock.drive(second.written()).await);
                }
                let later = ledger.enter(configured(100));
                ledger.close();
                let ended = hands.clock.drive(writer).await.expect("no panic");
                let later = hands.clock.drive(later.written()).await;
                // A head that can't be noted beside the keys is no failure of the ledger.
                assert_eq!(ended.is_err(), later.is_err(), "{op:?} {nth}");
                (results, later)
            });
            let good = results.iter().take_while(|result| result.is_ok()).count();
            assert!(results[good..].iter().all(Result::is_err), "nothing follows a failure: {results:?}");
            assert!(good == results.len() || later.is_err(), "{op:?} {nth}");
            // What was said to be written survives the power, too.
            hands.disk.heal();
            hands.disk.crash(Crash::Power);
            let (again, _writer) = open(&hands.restart(), "eu-west").unwrap_or_else(|e| panic!("{op:?} {nth}: {e}"));
            assert!(again.signed().head.size > good as u64, "{op:?} {nth}");
            assert_eq!(numbers(&again)[1..=good], (2..2 + good as u64).collect::<Vec<_>>(), "{op:?} {nth}");
            holds(&hands, &format!("{op:?} {nth}"));
        }
    }
}

#[test]
fn room_that_runs_out_while_a_checkpoint_is_named_is_not_tried_again() {
    let entry = |n| Entry { at: domicile_world::Millis(n), what: bed::opened(0, 0) }.to_bytes().expect("spelled");
    let noted = Path::new(KEYS).join("ledger.head");
    let mut ends = Vec::new();
    for nth in 1.. {
        let (world, hands) = domicile_testkit::world(1);
        let mut book = bed::begin(&world, bed::NAME, &bed::key(1)).expect("a new ledger");
        book.append(&[entry(1)]).expect("appended");
        hands.disk.fail_at(Op::SyncFolder, nth, Failure::Full);
        let appended = book.append(&[entry(2)]);
        ends.push(appended.as_ref().map_or_else(BookError::is_full, |()| false));
        if appended.as_ref().is_err_and(BookError::is_full) {
            book.append(&[entry(2)]).expect("the second try has room");
        }
        hands.disk.heal();
        hands.disk.crash(Crash::Power);
        let again = Book::open(hands.restart().disk, Path::new(FOLDER), &noted, bed::NAME, bed::key(1));
        let size = again.expect("it opens").head().size;
        let is_final = appended.as_ref().is_err_and(|error| !error.is_full());
        assert!(size == 2 || (size == 1 && is_final), "{nth}: {size}");
        if appended.is_ok() {
            break;
        }
    }
    // The folders of the tile and of the bundle, the checkpoint's name, and what is beside the keys.
    assert_eq!(ends, [true, true, false, false]);
}

#[test]
fn entries_of_many_tasks_stand_in_the_order_in_which_they_were_handed_in() {
    let (world, hands) = domicile_testkit::world(1);
    bed::run(async {
        let (ledger, writer) = open(&world, "eu-west").expect("it opens");
        let writer = tokio::spawn(writer.run());
        let mut all = Vec::new();
        for round in 0..50_u64 {
            for part in 0..7 {
                let pending =
                    ledger.enter_all([configured(14 * round + 2 * part), configured(14 * round + 2 * part + 1)]);
                all.extend(pending);
            }
            hands.clock.advance(Duration::from_millis(round * 7)).await;
        }
        ledger.close();
        for (n, pending) in all.into_iter().enumerate() {
            assert_eq!(hands.clock.drive(pending.written()).await, Ok(n as u64));
        }
        hands.clock.drive(writer).await.expect("no panic").expect("all was written");
        assert_eq!(ledger.enter(configured(1)).written().await, Err(Closing));
        let back: Vec<u64> = ledger.backwards().map(|entry| entry.expect("read").0).collect();
        assert_eq!(back, (0..700).rev().collect::<Vec<_>>());
        assert_eq!(ledger.entry(700).expect("read"), None);
        assert!(ledger.entry(u64::MAX).expect("read").is_none() && ledger.bundle(u64::MAX).is_err());
    });
}

#[test]
fn a_writer_that_is_dropped_leaves_nobody_waiting() {
    let (world, _hands) = domicile_testkit::world(1);
    let (ledger, writer) = open(&world, "eu-west").expect("it opens");
    let pending = ledger.enter(bed::opened(0, 0));
    drop(writer);
    bed::run(async {
        assert_eq!(pending.written().await, Err(Closing));
        assert_eq!(ledger.enter(configured(1)).written().await, Err(Closing));
    });
}

#[test]
fn an_entry_without_room_in_a_frame_is_refused_alone() {
    let (world, hands) = domicile_testkit::world(1);
    bed::run(async {
        let (ledger, writer) = open(&world, "eu-west").expect("it opens");
        let writer = tokio::spawn(writer.run());
        let large = bed::stored("acme", &"x".repeat(70_000), 1);
        let mut pending = ledger.enter_all([bed::opened(0, 0), large, configured(1)]).into_iter();
        let mut next = || pending.next().expect("three");
        assert_eq!(hands.clock.drive(next().written()).await, Ok(0));
        assert_eq!(hands.clock.drive(next().written()).await, Err(Closing));
        assert_eq!(hands.clock.drive(next().written()).await, Ok(1));
        ledger.close();
        hands.clock.drive(writer).await.expect("no panic").expect("all was written");
    });
}

#[test]
fn what_a_start_writes_leaves_no_file_that_its_checkpoint_does_not_name() {
    let (world, hands) = domicile_testkit::world(5);
    bed::run(async { bed::write(&world, &hands, "eu-west", &bed::story()).await });
    let (ledger, mut writer) = bed::open(&hands.restart(), "eu-west").expect("opens");
    let before = ledger.signed().head.size;
    ledger.enter(bed::configured(99));
    writer.write_now().expect("writes");
    let report = bed::report(&bed::Map::of(&hands, bed::FOLDER), &Default::default());
    assert_eq!(report.head.map(|head| head.size), Some(before + 1));
    assert_eq!((bed::findings(&report), report.unnamed), (Vec::<String>::new(), 0));
}
