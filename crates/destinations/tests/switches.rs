//! Destinations that come, go, are switched off and on, and change.

use crate::bed::{Bed, webhook};
use crate::partner::Reply;
use domicile_workspace::DestinationKind;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_new_destination_begins_where_the_log_ends() {
    let mut bed = Bed::new(1, Vec::new()).await;
    bed.send(&["ann", "bob"]);
    bed.pass(SECOND).await;
    bed.configure(|destinations| destinations.push(webhook("d1", 1, "IE"))).await;
    bed.send(&["eve"]);
    bed.pass(SECOND).await;
    assert_eq!((bed.partner.taken(), bed.of("d1").from.0), (vec![2], 2));
}

#[tokio::test]
async fn a_destination_that_was_switched_off_passes_over_what_came_and_counts_it() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.user == "stuck" { Reply::Status(503) } else { Reply::Status(200) });
    bed.send(&["ann", "stuck"]);
    bed.pass(SECOND).await;
    bed.configure(|destinations| destinations[0].enabled = false).await;
    assert!(bed.of("d1").off);
    bed.send(&["bob", "eve"]);
    bed.pass(SECOND * 60).await;
    bed.configure(|destinations| destinations[0].enabled = true).await;
    bed.send(&["joe"]);
    bed.pass(SECOND * 2).await;
    assert_eq!(bed.partner.taken(), [0, 4]);
    assert_eq!(bed.counts("d1"), "2 0 3 | 0", "stuck, bob and eve were passed over");
    assert!(!bed.of("d1").off);
}

#[tokio::test]
async fn a_change_of_the_address_holds_for_the_events_that_wait_and_loses_none() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|r| if r.path == "/d1" { Reply::Status(503) } else { Reply::Status(200) });
    bed.send_many(50, 10);
    bed.pass(SECOND * 20).await;
    bed.configure(|destinations| {
        let DestinationKind::Webhook(settings) = &mut destinations[0].kind;
        settings.url = "http://partner.example/new".into();
    })
    .await;
    bed.pass(SECOND * 2).await;
    let mut taken = bed.partner.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..50).collect::<Vec<_>>());
    assert_eq!(bed.counts("d1"), "50 0 0 | 0");
}

#[tokio::test]
async fn a_new_name_alone_disturbs_nothing() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE")]).await;
    bed.partner.answers(|_| Reply::Hang);
    bed.send(&["ann"]);
    bed.pass(SECOND).await;
    bed.configure(|destinations| destinations[0].name = "another".into()).await;
    bed.pass(SECOND).await;
    assert_eq!(bed.partner.received().len(), 1);
}

#[tokio::test]
async fn a_deleted_destination_gets_nothing_more_and_is_forgotten() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE"), webhook("d2", 1, "IE")]).await;
    bed.send(&["ann"]);
    bed.pass(SECOND).await;
    bed.configure(|destinations| drop(destinations.remove(0))).await;
    bed.send(&["bob"]);
    bed.pass(SECOND).await;
    let ids: Vec<String> = bed.figures().all().iter().map(|figures| figures.id.to_string()).collect();
    assert_eq!(ids, ["d2"]);
    assert_eq!(bed.partner.received().iter().filter(|r| r.path == "/d1").count(), 1);
}

#[tokio::test]
async fn a_damaged_cursor_stops_its_destination_with_a_message_and_no_other() {
    let mut bed = Bed::new(1, vec![webhook("d1", 1, "IE"), webhook("d2", 1, "IE")]).await;
    bed.send(&["ann"]);
    bed.pass(SECOND * 2).await;
    bed.stop().await;
    let (path, disk) = (Bed::index_path("destination-d1.cursor"), bed.handles.restart().disk);
    let good = disk.read(&path).expect("reads");
    domicile_world::write_whole(&*disk, &path, &good[..good.len() / 2]).expect("writes");
    bed.start().await;
    bed.send(&["bob"]);
    bed.pass(SECOND).await;
    let error = bed.of("d1").last_error.expect("an error");
    assert!(error.contains("destination-d1.cursor: damaged") && error.contains("mend:"), "{error}");
    assert_eq!(bed.counts("d2"), "2 0 0 | 0");

    // Mended, it goes on by itself where it was.
    domicile_world::write_whole(&*disk, &path, &good).expect("writes");
    bed.pass(SECOND * 31).await;
    assert_eq!(bed.counts("d1"), "2 0 0 | 0");
}
