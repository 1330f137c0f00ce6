//! The balance sheet over real logs, a real archive and a real destination.

use crate::bed::{Bed, position, track};
use domicile_testkit::{Manner, Partner};
use http::StatusCode;
use serde_json::{Value, json};

/// The sums in one line: accepted = the outcomes; each consumer.
fn told(answer: &Value) -> String {
    let balance = &answer["data"]["balance"];
    let total = &balance["total"];
    let consumers = total["consumers"].as_array().expect("a list").iter().map(|c| {
        format!(
            "{} {}",
            if c["name"] == "archive" { "archive" } else { "hook" },
            ["before", "off", "delivered", "waiting", "dead"].map(|f| c[f].to_string()).join("+")
        )
    });
    let outcomes = ["duplicate", "invalid", "blocked", "filtered", "kept"].map(|f| total[f].to_string()).join("+");
    format!("{} = {outcomes}; {}; {}", total["accepted"], consumers.collect::<Vec<_>>().join(", "), balance["holds"])
}

async fn send_seven(bed: &Bed) {
    bed.accept("web", &[track("m1", "x"), track("m2", "x"), track("m1", "x"), json!({"type": "?"})]).await;
    bed.accept("server", &[track("m1", "x"), track("m2", "x")]).await;
    bed.accept("web", &[track("m1", "x")]).await;
    bed.decided().await;
}

#[tokio::test]
async fn every_accepted_event_is_accounted_for() {
    let bed = Bed::new();
    assert_eq!(told(&bed.get("/balance").await.body), "0 = 0+0+0+0+0; ; true");
    send_seven(&bed).await;
    assert_eq!(told(&bed.get("/balance").await.body), "7 = 2+1+0+0+4; archive 0+0+0+4+0; true");
    assert_eq!(told(&bed.get("/balance?source=web").await.body), "5 = 2+1+0+0+2; archive 0+0+0+2+0; true");
    let by_id = format!("/balance?source={}", bed.source_id("server"));
    assert_eq!(told(&bed.get(&by_id).await.body), "2 = 0+0+0+0+2; archive 0+0+0+2+0; true");
    assert_eq!(told(&bed.get("/balance?since=2999-01-01").await.body), "0 = 0+0+0+0+0; ; true");
    let balance = &bed.get("/balance").await.body["data"]["balance"].take();
    assert_eq!((&balance["until"], &balance["undecided"]), (&json!(7), &json!(0)));
    assert!(balance["rows"][0]["hour"].as_str().is_some_and(|hour| hour.ends_with(":00:00.000Z")));
}

#[tokio::test]
async fn the_sheet_goes_on_after_a_restart_and_is_the_same_without_its_checkpoint() {
    let bed = Bed::new();
    send_seven(&bed).await;
    let bed = bed.restart(None).await;
    let archived = "7 = 2+1+0+0+4; archive 0+0+4+0+0; true";
    assert_eq!(told(&bed.get("/balance").await.body), archived);
    bed.accept("web", &[track("m3", "x"), track("m1", "x")]).await;
    bed.decided().await;
    let more = "9 = 3+1+0+0+5; archive 0+0+4+1+0; true";
    assert_eq!(told(&bed.get("/balance").await.body), more);

    let bed = bed.restart(Some("index/balance.json")).await;
    assert_eq!(told(&bed.get("/balance").await.body), "9 = 3+1+0+0+5; archive 0+0+5+0+0; true");
    std::fs::write(bed.dir.path().join("index/balance.json"), "{}").expect("writes");
    let bed = bed.restart(None).await;
    assert_eq!(told(&bed.get("/balance").await.body), "9 = 3+1+0+0+5; archive 0+0+5+0+0; true");
}

/// The sheet, once it has both consumers.
async fn with_two(bed: &Bed) -> Value {
    loop {
        let answer = bed.get("/balance").await.body;
        if answer["data"]["balance"]["total"]["consumers"].as_array().map(Vec::len) == Some(2) {
            return answer;
        }
        // Not faster than the token may ask.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_destination_is_owed_what_came_after_it_was_made() {
    let bed = Bed::new();
    send_seven(&bed).await;
    let partner = Partner::start(Manner::Takes).await.expect("listens");
    let settings = json!({"url": partner.url("/hook"), "country": "CH"});
    let new = json!({"sourceId": bed.source_id("web"), "metadataId": "webhook", "settings": settings});
    assert_eq!(bed.ask("POST", "/destinations", Some(new)).await.status, StatusCode::OK);
    assert_eq!(told(&with_two(&bed).await), "7 = 2+1+0+0+4; archive 0+0+0+4+0, hook 2+0+0+0+0; true");

    bed.accept("web", &[track("m3", "x"), track("m4", "x")]).await;
    bed.decided().await;
    partner.wait_for(2).await;
    let settled = || bed.cell.figures.all().iter().all(|figures| figures.position >= position(9));
    while !settled() {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(&bed.get("/balance").await.body), "9 = 2+1+0+0+6; archive 0+0+0+6+0, hook 2+0+2+0+0; true");

    let total = bed.get("/balance").await.body["data"]["balance"]["total"]["consumers"][1].take();
    assert_eq!(total["filtered"], 0);
    let life = bed.get("/events/m3").await.body;
    let sent = &life["data"]["event"]["occurrences"][0]["sent"][0];
    assert_eq!((&sent["state"], &sent["attempts"][0]["status"]), (&json!("delivered"), &json!(200)));
    assert_eq!((&sent["attempts"][0]["host"], &sent["attempts"][0]["country"]), (&json!("127.0.0.1"), &json!("CH")));
    let before = bed.get("/events/m2").await.body;
    assert_eq!(before["data"]["event"]["occurrences"][0]["sent"][0]["state"], "before");

    let bed = bed.restart(Some("index/balance.json")).await;
    assert_eq!(told(&with_two(&bed).await), "9 = 2+1+0+0+6; archive 0+0+6+0+0, hook 2+0+2+0+0; true");
}

#[tokio::test]
async fn what_can_not_be_asked_is_a_4xx() {
    let bed = Bed::new();
    for (query, status) in [
        ("?source=nobody", 404),
        ("?since=yesterday", 422),
        ("?since=", 422),
        ("?since=1&since=2", 422),
        ("?until=2027-01-01", 422),
    ] {
        assert_eq!(bed.get(&format!("/balance{query}")).await.status.as_u16(), status, "{query}");
    }
}
