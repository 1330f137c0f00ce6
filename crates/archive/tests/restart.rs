//! Stops and starts: the files are those of an archive that was never disturbed.

use crate::cell::*;
use domicile_archive::{ArchiveError, ArchiveSettings};
use domicile_log::{LogSettings, Position, Retention};
use domicile_testkit::{Crash, Dice};
use futures::FutureExt;
use object_store::path::Path as Object;
use object_store::{ObjectStore, ObjectStoreExt};
use std::path::Path;

#[tokio::test]
async fn a_stop_between_any_two_frames_changes_no_file() {
    let steps = sample(21, 30);
    let expected = undisturbed(&steps, SMALL).await;
    for stop in 0..=steps.len() {
        let mut log = Log::new();
        let (world, handles) = place(1);
        let store = folder_of(&world);
        let first = tokio::spawn(open(&log, &world, &store, SMALL).run());
        steps[..stop].iter().for_each(|step| log.write(step));
        handles.clock.settle().await;
        first.abort();
        let second = open(&log, &world, &store, SMALL);
        steps[stop..].iter().for_each(|step| log.write(step));
        log.close();
        handles.clock.drive(second.run()).await.unwrap();
        assert_eq!(objects(store.as_ref()).await, expected, "stopped before step {stop}");
    }
}

#[tokio::test]
async fn a_crash_at_any_change_of_the_disk_changes_no_file() {
    let steps = sample(22, 25);
    let expected = undisturbed(&steps, SMALL).await;
    let log = Log::of(&steps);
    for crash in Crash::ALL {
        let mut crashes = 0;
        for nth in 1.. {
            let (world, handles) = place(nth);
            let store = folder_of(&world);
            handles.disk.crash_in(nth, crash);
            let disk = world.disk.clone();
            // A dead disk fails everything, and a failing store is tried for ever: look from outside.
            let dead = async {
                while disk.exists(Path::new("/cell")) {
                    tokio::task::yield_now().await;
                }
            };
            let archive = open(&log, &world, &store, SMALL);
            let done = handles
                .clock
                .drive(async {
                    futures::select_biased! {
                        ended = archive.run().fuse() => { ended.unwrap(); true }
                        () = dead.fuse() => false,
                    }
                })
                .await;
            // Else a crash in the very last change is taken for an undisturbed run.
            let done = done && world.disk.exists(Path::new("/cell"));
            let world = handles.restart();
            let store = folder_of(&world);
            if !done {
                crashes += 1;
                run(&log, &world, &handles, &store, SMALL).await.unwrap();
            }
            handles.disk.heal();
            assert_eq!(objects(store.as_ref()).await, expected, "{crash:?} at change {nth}");
            // What the second run found there lasts as well as what it put there.
            handles.disk.crash(Crash::Power);
            let store = folder_of(&handles.restart());
            assert_eq!(objects(store.as_ref()).await, expected, "{crash:?} at change {nth}, then a power loss");
            if done {
                break;
            }
        }
        assert!(crashes > 50, "{crashes}");
    }
}

#[tokio::test]
async fn without_its_cursor_the_archive_holds_each_event_once() {
    for seed in 0..30 {
        let steps = sample(seed, 40);
        let log = Log::of(&steps);
        let (world, handles) = place(seed);
        let store = folder_of(&world);
        // A run that is stopped somewhere, seen as a set of files: any of them may be there or not.
        let mut dice = Dice::new(seed);
        for (name, bytes) in undisturbed(&steps, SMALL).await {
            if dice.coin() {
                store.put(&Object::from(name), bytes.into()).await.unwrap();
            }
        }
        run(&log, &world, &handles, &store, SMALL).await.unwrap();
        assert_complete(&objects(store.as_ref()).await, &steps);
    }
}

#[tokio::test]
async fn without_its_cursor_and_the_oldest_segments_no_event_is_lost_or_twice() {
    let mut shortened = 0;
    for seed in 0..30 {
        let steps = sample(seed, 60);
        // Tiny segments that go as soon as the archive lets go of them.
        let retention = Retention { age_ms: i64::MAX, bytes_max: 0 };
        let mut log = Log::with(LogSettings { segment_bytes_max: 500, retention });
        let (world, handles) = place(seed);
        let store = folder_of(&world);
        let stop = Dice::new(seed).index(steps.len());
        let first = tokio::spawn(open(&log, &world, &store, SMALL).run());
        for step in &steps[..stop] {
            log.write(step);
            handles.clock.settle().await;
        }
        shortened += u32::from(log.events.start() > Position(0));
        assert!(!first.is_finished(), "{:?}", first.await);
        first.abort();
        let _ = world.disk.remove(Path::new(CURSOR));
        let second = open(&log, &world, &store, SMALL);
        steps[stop..].iter().for_each(|step| log.write(step));
        log.close();
        handles.clock.drive(second.run()).await.unwrap();
        assert_complete(&objects(store.as_ref()).await, &steps);
    }
    assert!(shortened > 10, "{shortened}");
}

#[tokio::test]
async fn other_borders_from_a_restart_on_lose_and_double_nothing() {
    for seed in 0..30 {
        let steps = sample(seed, 60);
        let mut log = Log::new();
        let (world, handles) = place(seed);
        let store = folder_of(&world);
        let mut dice = Dice::new(seed);
        let mut running = None;
        for step in &steps {
            if running.is_none() || dice.percent(10) {
                running.take().inspect(tokio::task::JoinHandle::abort);
                let settings = ArchiveSettings {
                    file_bytes_max: 200 + dice.below(400),
                    open_bytes_max: 500 + dice.below(500),
                    level: 1,
                };
                running = Some(tokio::spawn(open(&log, &world, &store, settings).run()));
            }
            log.write(step);
            handles.clock.settle().await;
        }
        log.close();
        running.unwrap().await.unwrap().unwrap();
        assert_complete(&objects(store.as_ref()).await, &steps);
    }
}

/// A finished archive, with its cursor set back to the start of the log.
async fn set_back(
    steps: &[Step],
) -> (Log, domicile_world::World, domicile_testkit::Handles, std::sync::Arc<dyn ObjectStore>) {
    let (world, handles) = place(1);
    let store = folder_of(&world);
    let log = Log::of(steps);
    run(&log, &world, &handles, &store, SMALL).await.unwrap();
    let cursor = r#"{"position":0,"file_bytes_max":400,"open_bytes_max":900}"#;
    let cursor = format!("{cursor}\ncrc32c {:08x}\n", crc32c::crc32c(cursor.as_bytes()));
    domicile_world::write_whole(world.disk.as_ref(), Path::new(CURSOR), cursor.as_bytes()).unwrap();
    (log, world, handles, store)
}

#[tokio::test]
async fn a_file_that_was_changed_stops_the_archive_and_is_left_alone() {
    let steps = sample(31, 20);
    let (log, world, handles, store) = set_back(&steps).await;
    let (name, bytes) = objects(store.as_ref()).await.pop_first().unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    let object = Object::from(name.clone());
    store.put(&object, changed.clone().into()).await.unwrap();

    let error = run(&log, &world, &handles, &store, SMALL).await.unwrap_err();
    assert!(matches!(&error, ArchiveError::Changed { object } if *object == name), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "archive: {name} is there with other events than the event log has for it
  a file of the archive is never replaced: somebody or something changed it after it was written
  mend: keep a copy as evidence, move the file away, start again; the archive writes it anew"
        )
    );
    assert_eq!(objects(store.as_ref()).await[&name], changed);

    store.delete(&object).await.unwrap();
    run(&log, &world, &handles, &store, SMALL).await.unwrap();
    assert_eq!(objects(store.as_ref()).await[&name], bytes, "mended as the message says");
}

#[tokio::test]
async fn a_file_that_another_version_has_packed_is_taken_as_it_is() {
    let steps = sample(32, 20);
    let (log, world, handles, store) = set_back(&steps).await;
    run(&log, &world, &handles, &store, ArchiveSettings { level: 9, ..SMALL }).await.unwrap();
    assert_eq!(objects(store.as_ref()).await, undisturbed(&steps, SMALL).await);
}

#[tokio::test]
async fn a_cursor_that_lies_beyond_the_log_starts_over_without_harm() {
    let steps = sample(33, 30);
    let (log, world, handles, store) = set_back(&steps).await;
    let cursor = r#"{"position":99999,"file_bytes_max":400,"open_bytes_max":900}"#;
    let cursor = format!("{cursor}\ncrc32c {:08x}\n", crc32c::crc32c(cursor.as_bytes()));
    domicile_world::write_whole(world.disk.as_ref(), Path::new(CURSOR), cursor.as_bytes()).unwrap();
    run(&log, &world, &handles, &store, SMALL).await.unwrap();
    assert_eq!(objects(store.as_ref()).await, undisturbed(&steps, SMALL).await);
}
