//! The program's life ends at every point of the disk, and every kind of failure strikes at every point.
//!
//! Method: the same events are accepted in a simulated world whose disk crashes (or fails) at its nth change, for each n
//! until a run gets through. After the restart everything that was acknowledged must be decided exactly as in a world
//! where nothing ever happened.

use crate::cell::{Cell, Sent, item, run, tiny};
use crate::index::{Log, START, key};
use domicile_log::Position;
use domicile_process::{IndexSettings, UpkeepIn};
use domicile_testkit::{Crash, Failure, Op};
use std::path::Path;

/// Batches with duplicates inside, near and far.
fn batches() -> Vec<Vec<String>> {
    (0..12_u64).map(|n| [n, n / 2, n + 1, 0, n].iter().map(|id| item(&format!("m{id}"))).collect()).collect()
}

/// Lines without the marks, which depend on when the program was ended.
fn decisions(cell: &Cell) -> Vec<String> {
    cell.event_log().into_iter().filter(|line| line != "mark").collect()
}

async fn undisturbed() -> Vec<String> {
    let cell = Cell::start(1, tiny()).await;
    for batch in batches() {
        cell.accept("web", &batch, Sent::default()).await.expect("accepted");
    }
    cell.handles.clock.settle().await;
    decisions(&cell)
}

#[test]
fn after_a_crash_at_any_change_of_the_disk_everything_acknowledged_is_decided_the_same() {
    run(async {
        let expected = undisturbed().await;
        for crash in [Crash::Power, Crash::Torn] {
            for nth in 1.. {
                let mut cell = Cell::start(nth, tiny()).await;
                cell.handles.disk.crash_in(nth, crash);
                let mut acknowledged = 0;
                for batch in batches() {
                    match cell.accept("web", &batch, Sent::default()).await {
                        Ok(_) => acknowledged += batch.len(),
                        Err(_) => break,
                    }
                    cell.handles.clock.settle().await;
                }
                let through = acknowledged == expected.len()
                    && cell.handles.restart().disk.exists(Path::new("/cell"))
                    && !cell.handles.disk.crashed();
                cell.crash(Crash::Power).await;
                cell.open().await.unwrap_or_else(|error| panic!("{crash:?} at change {nth}: {error}"));
                cell.handles.clock.settle().await;
                let decided = decisions(&cell);
                assert!(
                    decided.len() >= acknowledged,
                    "{crash:?} at change {nth}: {acknowledged} were acknowledged, {decided:?}"
                );
                assert_eq!(decided, expected[..decided.len()], "{crash:?} at change {nth}");
                if through {
                    break;
                }
            }
        }
    });
}

#[test]
fn a_full_disk_stops_the_decision_until_there_is_room_and_loses_nothing() {
    run(async {
        let expected = undisturbed().await;
        for nth in (1..150).step_by(3) {
            let mut cell = Cell::start(nth, tiny()).await;
            cell.handles.disk.full_in(nth);
            for batch in batches() {
                // A client sends again what was answered with 503.
                while cell.accept("web", &batch, Sent::default()).await.is_err() {
                    cell.handles.clock.advance(std::time::Duration::from_secs(1)).await;
                    cell.handles.disk.heal();
                }
                cell.handles.clock.settle().await;
            }
            cell.handles.disk.heal();
            cell.handles.clock.advance(std::time::Duration::from_secs(5)).await;
            assert_eq!(decisions(&cell), expected, "full at change {nth}");
            cell.close().await.expect("closes");
            cell.open().await.expect("opens");
            cell.handles.clock.settle().await;
            assert_eq!(decisions(&cell), expected, "full at change {nth}, after a restart");
        }
    });
}

#[test]
fn after_a_failed_sync_process_stops_and_a_new_start_decides_the_same() {
    run(async {
        let expected = undisturbed().await;
        for nth in 1..60 {
            let mut cell = Cell::start(nth, tiny()).await;
            cell.handles.disk.fail_at(Op::Sync, nth, Failure::Broken);
            let mut acknowledged = 0;
            for batch in batches() {
                match cell.accept("web", &batch, Sent::default()).await {
                    Ok(_) => acknowledged += batch.len(),
                    Err(_) => break,
                }
                cell.handles.clock.settle().await;
            }
            cell.crash(Crash::Power).await;
            cell.handles.disk.heal();
            cell.open().await.unwrap_or_else(|error| panic!("sync {nth}: {error}"));
            cell.handles.clock.settle().await;
            let decided = decisions(&cell);
            assert!(decided.len() >= acknowledged, "sync {nth}");
            assert_eq!(decided, expected[..decided.len()], "sync {nth}");
        }
    });
}

fn settings() -> IndexSettings {
    IndexSettings { generation_keys: 5, runs_max: 3, upkeep: UpkeepIn::Steps(1), ..IndexSettings::default() }
}

fn sixty_keys() -> Log {
    Log { entries: (0..60).map(|n| (key(n), START, Position(n))).collect(), end: 60 }
}

#[test]
fn after_a_crash_at_any_change_the_index_answers_right() {
    let log = sixty_keys();
    for crash in Crash::ALL {
        for nth in 1..300 {
            let (world, handles) = domicile_testkit::world(nth);
            handles.disk.crash_in(nth, crash);
            if let Ok(mut index) =
                domicile_process::Index::open(world.disk, Path::new("/index"), settings(), Position(60))
            {
                log.fill(&mut index);
            }
            handles.disk.heal();
            handles.disk.crash(crash);
            let mut index = log.open(handles.restart().disk, Path::new("/index"), settings());
            let mut found = Vec::new();
            index.find_all(&(0..100).map(key).collect::<Vec<_>>(), START, &mut found).expect("no damage");
            let expected: Vec<_> = (0..100).map(|n| (n < 60).then_some(Position(n))).collect();
            assert_eq!(found, expected, "{crash:?} at change {nth}");
        }
    }
}

#[test]
fn while_its_disk_fails_the_index_answers_right_and_later_catches_up() {
    let log = sixty_keys();
    for failure in [Failure::Full, Failure::Broken] {
        for op in [Op::Create, Op::Append, Op::Sync, Op::Rename, Op::SyncFolder, Op::Remove] {
            for nth in 1..40 {
                let (world, handles) = domicile_testkit::world(nth);
                let mut index = Log::default().open(world.disk, Path::new("/index"), settings());
                handles.disk.fail_at(op, nth, failure);
                log.fill(&mut index);
                let mut found = Vec::new();
                index.find_all(&(0..100).map(key).collect::<Vec<_>>(), START, &mut found).expect("no damage");
                let expected: Vec<_> = (0..100).map(|n| (n < 60).then_some(Position(n))).collect();
                assert_eq!(found, expected, "{failure:?} of {op:?} {nth}");
                for _ in 0..100 {
                    index.committed(Position(60), START).expect("is looked after");
                }
                assert_eq!(index.covered(), Position(60), "{failure:?} of {op:?} {nth}");
            }
        }
    }
}
