//! R13: what was sent again is known again, and nothing else is.
//!
//! Goal: inside the window no duplicate passes and no first event is dropped: whatever was restarted, however often the
//! clock jumped, whatever became of the index.

use domicile_event::Call;
use domicile_ledger::Outcome;
use domicile_log::EventFrame;
use domicile_reliability::{Cell, CellSettings, INDEX, archived, born, for_each_seed, in_one_thread, send, wait};
use domicile_testkit::{Crash, Dice, SampleEvent, SampleEvents};
use std::collections::HashSet;
use std::path::Path;

const DAY_MS: i64 = 86_400_000;

fn settings(seed: u64) -> CellSettings {
    CellSettings::small(&mut Dice::new(seed))
}

#[test]
fn a_batch_sent_fifty_times_across_crashes_is_archived_once() {
    for times in [1, 2, 7, 50] {
        for_each_seed(5, |seed| {
            let (mut dice, handles) = (Dice::new(seed), born(seed));
            let events = SampleEvents::new("again", seed).batch(20);
            let mut sent = 0;
            while sent < times {
                in_one_thread(handles.clock.drive(async {
                    let cell = Cell::begin(handles.restart(), &settings(seed)).expect("a healthy disk opens");
                    for _ in 0..1 + dice.below(5) {
                        send(&cell.world, &cell.accepted, 1, &events).await.expect("a healthy disk takes it");
                        sent += 1;
                        wait(&cell.world, dice.below(200)).await;
                    }
                }));
                handles.disk.crash(*dice.pick(&Crash::ALL));
            }
            in_one_thread(handles.clock.drive(async {
                Cell::begin(handles.restart(), &settings(seed)).expect("opens").close().await.expect("closes");
            }));
            let mut ids: Vec<_> = archived(&handles).into_iter().map(|archived| archived.message_id).collect();
            ids.sort();
            assert_eq!(ids, events.iter().map(|event| event.message_id.clone()).collect::<Vec<_>>(), "{times} times");
        });
    }
}

/// The first and the later events are so many seconds apart; whether the later ones are kept.
fn kept_again(apart_s: u64, jump_ms: i64, restart: bool, lose_index: bool) -> bool {
    let handles = born(1);
    let events = SampleEvents::new("edge", 1).batch(3);
    let mut cell_settings = settings(1);
    cell_settings.index.window_minutes = 60;
    let run = |after_s: u64| {
        in_one_thread(handles.clock.drive(async {
            let cell = Cell::begin(handles.restart(), &cell_settings).expect("opens");
            for seconds in [0, after_s] {
                if seconds > 0 || after_s == 0 {
                    handles.clock.jump_wall(if after_s == 0 { 0 } else { jump_ms });
                    wait(&cell.world, seconds).await;
                }
                send(&cell.world, &cell.accepted, 1, &events).await.expect("takes it");
            }
            cell.close().await.expect("closes");
        }));
    };
    if restart {
        run(0);
        if lose_index {
            let disk = handles.restart().disk;
            for entry in disk.list(Path::new(INDEX)).expect("lists") {
                disk.remove(&Path::new(INDEX).join(entry.name)).expect("removes");
            }
        }
        // What passes while the program is down counts by the wall clock.
        handles.clock.jump_wall(apart_s as i64 * 1_000);
        run(0);
    } else {
        run(apart_s);
    }
    match archived(&handles).len() {
        3 => false,
        6 => true,
        n => panic!("{n} lines"),
    }
}

#[test]
fn the_window_ends_when_it_should_and_no_jump_of_the_clock_moves_its_end() {
    for (apart_s, kept) in [(0, false), (60, false), (3_600, false), (3_700, true), (90_000, true)] {
        assert_eq!(kept_again(apart_s, 0, false, false), kept, "{apart_s} s apart");
        for jump in [-365 * DAY_MS, 365 * DAY_MS, -1_000] {
            assert_eq!(
                kept_again(apart_s, jump, false, false),
                kept,
                "{apart_s} s apart, the wall clock jumps {jump} ms"
            );
        }
        for lose_index in [false, true] {
            assert_eq!(kept_again(apart_s, 0, true, lose_index), kept, "{apart_s} s apart, a restart, {lose_index}");
        }
    }
}

/// Method: `DOMICILE_IDS=N` events with messageIds of their own go through both logs and the index.
#[test]
fn no_event_with_an_id_of_its_own_is_dropped() {
    let ids = std::env::var("DOMICILE_IDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000_u64);
    let handles = born(1);
    let mut cell_settings = settings(1);
    cell_settings.log.segment_bytes_max = 16 << 20;
    cell_settings.index.generation_keys = 20_000;
    let sent = in_one_thread(handles.clock.drive(async {
        let cell = Cell::begin(handles.restart(), &cell_settings).expect("opens");
        let (mut sent, mut distinct) = (0, HashSet::new());
        while sent < ids {
            let batch: Vec<_> = (sent..ids.min(sent + 500)).map(small_event).collect();
            distinct.extend(batch.iter().map(|event| event.message_id.clone()));
            send(&cell.world, &cell.accepted, 1, &batch).await.expect("takes it");
            sent += batch.len() as u64;
        }
        let events = cell.events.clone();
        cell.close().await.expect("closes");
        let (mut kept, mut reader) = (0, events.reader("test", events.start()).expect("reads"));
        while let Some(frame) = reader.next().expect("reads") {
            let EventFrame::Decided(frame) = frame else { continue };
            for (position, decision) in frame.decisions() {
                assert_eq!(decision.outcome, Outcome::Kept, "{position}");
                kept += 1;
            }
        }
        assert_eq!((kept, distinct.len() as u64), (ids, ids));
        sent
    }));
    println!("{sent} ids, none dropped");
}

/// Ids that differ in one digit, as counters do.
fn small_event(n: u64) -> SampleEvent {
    let message_id = format!("id-{n}");
    let json = format!(r#"{{"type":"track","event":"x","userId":"u","messageId":"{message_id}"}}"#);
    SampleEvent { message_id, user_id: "u".into(), call: Call::Track, json }
}
