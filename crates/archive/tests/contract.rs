//! What files there are, what they are called, what is in them.

use crate::cell::*;
use domicile_archive::{ArchiveSettings, object_of};
use domicile_log::Position;
use domicile_workspace::SourceId;
use domicile_world::Millis;
use expect_test::expect;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use std::sync::Arc;

fn frame(source: u32, received_at: i64, events: &[&str]) -> Step {
    let events = events.iter().map(|event| (*event != "duplicate").then(|| (*event).to_owned())).collect();
    Step::Frame { source, received_at, events }
}

const NOON: i64 = 1_800_014_400_000;

#[tokio::test]
async fn names_and_lines_are_as_the_contract_says() {
    let steps = [
        frame(1, NOON, &[r#"{"a":1}"#, "duplicate", r#"{"a":"ü\n"}"#]),
        frame(2, NOON, &["duplicate"]),
        frame(1, NOON - 86_400_000, &[r#"{"yesterday":true}"#]),
        Step::Mark,
        // The configuration does not know this source (any more).
        frame(9, NOON, &[r#"{"b":1}"#]),
        frame(1, NOON, &[r#"{"a":3}"#]),
        Step::Mark,
        Step::Mark,
    ];
    let objects = undisturbed(&steps, ArchiveSettings::default()).await;
    let shown: String = objects.iter().map(|(name, bytes)| format!("{name}\n{}", unpack(bytes))).collect();
    expect![[r#"
        segment-logs/source-9/1799971200000/5-5.gz
        {"b":1}
        segment-logs/source1/1799884800000/4-4.gz
        {"yesterday":true}
        segment-logs/source1/1799971200000/0-2.gz
        {"a":1}
        {"a":"ü\n"}
        segment-logs/source1/1799971200000/6-6.gz
        {"a":3}
    "#]]
    .assert_eq(&shown);
}

#[tokio::test]
async fn the_same_log_twice_gives_the_same_files_byte_for_byte() {
    for seed in 0..20 {
        let steps = sample(seed, 40);
        let first = undisturbed(&steps, SMALL).await;
        assert_complete(&first, &steps);
        assert_eq!(undisturbed(&steps, SMALL).await, first, "seed {seed}");
    }
}

#[tokio::test]
async fn a_bucket_and_a_folder_hold_the_same() {
    let steps = sample(3, 60);
    let (world, handles) = place(1);
    let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    run(&Log::of(&steps), &world, &handles, &bucket, SMALL).await.unwrap();
    assert_eq!(objects(bucket.as_ref()).await, undisturbed(&steps, SMALL).await);
}

#[tokio::test]
async fn a_file_past_many_members_unpacks_to_its_events() {
    let event = |n: u64| Some(format!(r#"{{"n":{n},"pad":"{}"}}"#, "ab".repeat(500)));
    let steps: Vec<Step> = (0..20)
        .map(|frame| Step::Frame {
            source: 1,
            received_at: NOON,
            events: (0..100).map(|n| event(frame * 100 + n)).collect(),
        })
        .chain([Step::Mark])
        .collect();
    let objects = undisturbed(&steps, ArchiveSettings::default()).await;
    assert_eq!(objects.keys().collect::<Vec<_>>(), ["segment-logs/source1/1799971200000/0-1999.gz"]);
    assert_complete(&objects, &steps);
}

#[tokio::test]
async fn levels_and_library_versions_move_no_border() {
    let steps = sample(5, 60);
    let names = |objects: std::collections::BTreeMap<String, Vec<u8>>| objects.into_keys().collect::<Vec<_>>();
    let expected = names(undisturbed(&steps, SMALL).await);
    for level in [0, 1, 9] {
        assert_eq!(names(undisturbed(&steps, ArchiveSettings { level, ..SMALL }).await), expected, "level {level}");
    }
}

#[tokio::test]
async fn the_object_of_an_event_is_found_by_source_day_and_position() {
    let steps =
        [frame(1, NOON, &["{}", "{}"]), frame(2, NOON, &["{}"]), Step::Mark, frame(1, NOON, &["{}"]), Step::Mark];
    let (world, handles) = place(1);
    let store = folder_of(&world);
    run(&Log::of(&steps), &world, &handles, &store, SMALL).await.unwrap();
    for (source, received_at, position, expected) in [
        ("source1", NOON, 0, Some("segment-logs/source1/1799971200000/0-1.gz")),
        ("source1", NOON + 1, 1, Some("segment-logs/source1/1799971200000/0-1.gz")),
        ("source1", NOON, 3, Some("segment-logs/source1/1799971200000/3-3.gz")),
        ("source2", NOON, 2, Some("segment-logs/source2/1799971200000/2-2.gz")),
        ("source1", NOON, 2, None),
        ("source1", NOON, 4, None),
        ("source1", NOON + 86_400_000, 0, None),
        ("nobody", NOON, 0, None),
    ] {
        let object = object_of(store.as_ref(), &SourceId::new(source), Millis(received_at), Position(position)).await;
        assert_eq!(object.unwrap().as_deref(), expected, "{source} {position}");
    }
}

#[tokio::test]
async fn progress_never_runs_ahead_of_the_store() {
    let steps = sample(11, 60);
    let mut log = Log::new();
    let (world, handles) = place(1);
    let store = folder_of(&world);
    let archive = open(&log, &world, &store, SMALL);
    let progress = archive.progress();
    let running = tokio::spawn(archive.run());
    for (n, step) in steps.iter().enumerate() {
        log.write(step);
        handles.clock.settle().await;
        let come_to = *progress.borrow();
        // What is told to be stored is stored: the archive's events are those before it, and perhaps more.
        let stored = events(&objects(store.as_ref()).await).values().map(Vec::len).sum::<usize>();
        let told = kept_before(&steps[..=n], come_to);
        assert!(stored >= told, "step {n}: {come_to} told, {stored} of {told} stored");
        if matches!(step, Step::Mark) {
            assert_eq!(come_to, log.events.end(), "at a mark everything is");
        }
    }
    log.close();
    running.await.unwrap().unwrap();
}

/// How many of the kept events are before a position.
fn kept_before(steps: &[Step], end: Position) -> usize {
    let decided = steps.iter().flat_map(|step| match step {
        Step::Frame { events, .. } => events.as_slice(),
        Step::Mark => &[],
    });
    decided.take(end.0 as usize).flatten().count()
}
