//! From a remote point's spool to the region: each request once, in order, through full disks and restarts.

use crate::cell::*;
use domicile_ingest::{Uplink, UplinkError};
use domicile_log::{AcceptedLog, Position};
use domicile_region::PointName;
use std::time::Duration;

fn uplink(cell: &Cell, spool: &AcceptedLog) -> Result<Uplink, UplinkError> {
    Uplink::new(cell.world.clone(), PointName::new("singapore"), spool, cell.log.clone(), cell.current.clone())
}

/// Sends `n` requests of two events to singapore, which spools them.
async fn spool(cell: &Cell, log: &AcceptedLog, n: usize) {
    let address = cell.listen("singapore", log.clone(), domicile_listen::Settings::default()).await;
    for i in 0..n {
        let body = batch_of(2).replace("m1", &format!("m{i}"));
        let got = send(address, "POST /v1/batch", &[("Authorization", &basic(SERVER))], body.as_bytes()).await;
        assert_eq!(got.outcome(), "200");
    }
}

#[tokio::test]
async fn a_spooled_request_comes_to_the_region_once_and_in_order() {
    let cell = Cell::start().await;
    let log = open_log(&cell.world, "/spool");
    spool(&cell, &log, 20).await;
    assert!(cell.kept().is_empty(), "200 is given for the spool's disk alone");
    log.close();
    uplink(&cell, &log).unwrap().run().await.unwrap();
    assert_eq!(cell.kept(), kept(&log));
    assert_eq!(cell.log.origin_end(&PointName::new("singapore")), Position(40));

    // A second way over the same spool has nothing to do.
    uplink(&cell, &log).unwrap().run().await.unwrap();
    assert_eq!(cell.log.end(), Position(40));
}

#[tokio::test]
async fn what_arrives_while_it_runs_is_forwarded() {
    let cell = Cell::start().await;
    let log = open_log(&cell.world, "/spool");
    let way = tokio::spawn(uplink(&cell, &log).unwrap().run());
    spool(&cell, &log, 5).await;
    log.close();
    way.await.unwrap().unwrap();
    assert_eq!(cell.kept().len(), 5);
    assert!(cell.kept()[0].starts_with("2 singapore batch "), "the point that took it stays named");
}

#[tokio::test]
async fn a_full_disk_of_the_region_is_waited_out() {
    let cell = Cell::start().await;
    let log = open_log(&cell.world, "/spool");
    spool(&cell, &log, 3).await;
    log.close();
    cell.hands.clock.settle().await;
    cell.hands.disk.full_in(1);
    let way = tokio::spawn(uplink(&cell, &log).unwrap().run());
    cell.hands.clock.advance(Duration::from_secs(60)).await;
    assert!(cell.kept().is_empty() && !way.is_finished());
    cell.hands.disk.heal();
    cell.hands.clock.advance(Duration::from_secs(10)).await;
    way.await.unwrap().unwrap();
    assert_eq!(cell.kept(), kept(&log));
}

#[tokio::test]
async fn a_region_that_closes_leaves_the_rest_in_the_spool() {
    let cell = Cell::start().await;
    let log = open_log(&cell.world, "/spool");
    spool(&cell, &log, 3).await;
    cell.log.close();
    uplink(&cell, &log).unwrap().run().await.unwrap();
    assert_eq!(kept(&log).len(), 3);
}

#[tokio::test]
async fn a_spool_that_begins_anew_is_an_error_and_not_a_loss() {
    let cell = Cell::start().await;
    let log = open_log(&cell.world, "/spool");
    spool(&cell, &log, 2).await;
    log.close();
    uplink(&cell, &log).unwrap().run().await.unwrap();
    let other = open_log(&cell.world, "/spool-lost");
    let error = uplink(&cell, &other).err().expect("it can't go on");
    assert!(matches!(error, UplinkError::SpoolReset { .. }));
    assert!(error.to_string().contains("mend:"), "{error}");
}

#[tokio::test]
async fn a_source_that_is_gone_holds_nobody_up() {
    let cell = Cell::start().await;
    let log = open_log(&cell.world, "/spool");
    spool(&cell, &log, 1).await;
    let address = cell.listen("singapore", log.clone(), domicile_listen::Settings::default()).await;
    let got = send(address, "POST /v1/batch", &[("Authorization", &basic(WEB))], batch_of(1).as_bytes()).await;
    assert_eq!(got.outcome(), "200");
    cell.current.put(snapshot(2, sources().into_iter().filter(|source| source.number.0 != 2).collect()));
    log.close();
    uplink(&cell, &log).unwrap().run().await.unwrap();
    assert_eq!(cell.kept().len(), 1);
    assert!(cell.kept()[0].starts_with("1 singapore"));
}
