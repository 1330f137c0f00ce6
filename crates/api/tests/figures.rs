//! Volume, delivery and usage: figures of what is counted, and refusals of what is not.

use crate::bed::{Bed, track};
use domicile_control::{Grant, Grants, Held, Role};
use domicile_event::Stamp;
use domicile_testkit::{Manner, Partner};
use http::StatusCode;
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment so many milliseconds from now, for a query.
fn moment(bed: &Bed, from_now_ms: i64) -> String {
    Stamp::of(bed.cell.world.clock.now().0 + from_now_ms).as_str().to_owned()
}

fn window(bed: &Bed, back_ms: i64) -> String {
    format!("startTime={}&endTime={}", moment(bed, -back_ms), moment(bed, 1))
}

fn sum(series: &Value) -> u64 {
    series.as_array().expect("a series").iter().filter_map(|point| point["count"].as_u64()).sum()
}

/// Two events and one that is none of `web`, one event of `server`.
async fn with_events() -> Bed {
    let bed = Bed::new();
    let broken = json!({ "type": "track", "messageId": "m3", "userId": "u1" });
    bed.accept("web", &[track("m1", "A"), track("m2", "B"), broken]).await;
    bed.accept("server", &[track("m1", "A")]).await;
    bed.decided().await;
    bed
}

#[tokio::test]
async fn volume_is_counted_by_hour_by_day_and_by_source() {
    let bed = with_events().await;
    let all = bed.get(&format!("/events/volume?granularity=HOUR&{}", window(&bed, 2 * HOUR_MS))).await;
    assert_eq!(all.status, StatusCode::OK, "{}", all.body);
    let data = &all.body["data"];
    assert_eq!((&data["path"], &data["query"]["granularity"]), (&json!("/events/volume"), &json!("HOUR")));
    assert_eq!(data["result"][0]["total"], 4);
    assert_eq!(sum(&data["result"][0]["series"]), 4);
    let by_source =
        bed.get(&format!("/events/volume?granularity=DAY&groupBy[0]=source&{}", window(&bed, DAY_MS))).await.body;
    let result = by_source["data"]["result"].as_array().cloned().expect("a list");
    let totals: Vec<_> = result.iter().map(|of| (of["source"]["slug"].clone(), of["total"].clone())).collect();
    assert!(totals.contains(&(json!("web"), json!(3))) && totals.contains(&(json!("server"), json!(1))), "{totals:?}");
    let one = format!("/events/volume?granularity=DAY&sourceId={}&{}", bed.source_id("server"), window(&bed, DAY_MS));
    assert_eq!(bed.get(&one).await.body["data"]["result"][0]["total"], 1);
}

#[tokio::test]
async fn what_is_not_counted_is_refused_with_what_can_be_asked() {
    let bed = with_events().await;
    let hours = window(&bed, HOUR_MS);
    let web = bed.source_id("web");
    let overview = format!("/delivery-overview/successfully-received?sourceId={web}");
    for (path, field) in [
        (format!("/events/volume?granularity=MINUTE&{hours}"), "granularity"),
        (format!("/events/volume?granularity=HOUR&groupBy=eventName&{hours}"), "groupBy"),
        (format!("/events/volume?granularity=HOUR&eventName=A&{hours}"), "eventName"),
        (format!("/events/volume?granularity=HOUR&eventType[0]=track&{hours}"), "eventType"),
        (format!("/events/volume?granularity=HOUR&{}", window(&bed, 31 * DAY_MS)), "startTime"),
        (
            format!("/events/volume?granularity=HOUR&startTime={}&endTime={}", moment(&bed, 0), moment(&bed, -DAY_MS)),
            "endTime",
        ),
        (format!("/events/volume?granularity=HOUR&startTime=soon&endTime={}", moment(&bed, 0)), "startTime"),
        (format!("{overview}&granularity=minute&{hours}"), "granularity"),
        (format!("{overview}&granularity=hour&groupBy=eventType&{hours}"), "groupBy"),
        (format!("{overview}&granularity=hour&filter[eventName][0]=A&{hours}"), "filter"),
        (format!("{overview}&granularity=hour&{}", window(&bed, 15 * DAY_MS)), "endTime"),
        (format!("{overview}&granularity=day&{}", window(&bed, 31 * DAY_MS)), "startTime"),
        ("/usage/api-calls/daily?period=2001-01-01".to_owned(), "period"),
        ("/usage/api-calls/daily?period=now".to_owned(), "period"),
        ("/usage/api-calls/daily".to_owned(), "period"),
    ] {
        let refused = bed.get(&path).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(refused.body["errors"][0]["field"], field, "{path}: {}", refused.body);
    }
    let unknown = bed.get(&format!("/events/volume?granularity=HOUR&sourceId=nobody&{hours}")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_stages_of_a_source_add_up_to_what_was_accepted() {
    let bed = with_events().await;
    let web = bed.source_id("web");
    let total = async |stage: &str| {
        let path = format!("/delivery-overview/{stage}?sourceId={web}&granularity=hour&{}", window(&bed, HOUR_MS));
        let answer = bed.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        let data = &answer.body["data"];
        assert_eq!(data["total"].as_u64(), Some(sum(&data["dataset"][0]["series"])));
        data["total"].as_u64().expect("a count")
    };
    assert_eq!(total("successfully-received").await, 2);
    assert_eq!(total("failed-on-ingest").await, 1);
    assert_eq!(total("filtered-at-source").await, 0);
}

#[tokio::test]
async fn deliveries_are_counted_for_a_destination_of_the_source() {
    let bed = with_events().await;
    let web = bed.source_id("web");
    let new = json!({ "sourceId": web, "metadataId": "webhook", "settings": { "url": "http://127.0.0.1:9/x", "country": "CH" } });
    let made = bed.ask("POST", "/destinations", Some(new)).await;
    let id = made.body["data"]["destination"]["id"].as_str().expect("an id").to_owned();
    for stage in ["successful-delivery", "failed-delivery", "filtered-at-destination"] {
        let path = |source: &str, destination: &str| {
            format!(
                "/delivery-overview/{stage}?sourceId={source}&destinationConfigId={destination}&granularity=DAY&{}",
                window(&bed, DAY_MS)
            )
        };
        assert_eq!(bed.get(&path(&web, &id)).await.body["data"]["total"], 0, "{stage}");
        let other = bed.get(&path(&bed.source_id("server"), &id)).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{stage}");
        assert_eq!(bed.get(&path(&web, "nobody")).await.status, StatusCode::NOT_FOUND, "{stage}");
    }
    let metrics = bed.get(&format!("/destinations/{id}/delivery-metrics?sourceId={web}&granularity=DAY")).await;
    assert_eq!(metrics.status, StatusCode::OK, "{}", metrics.body);
    let summary = &metrics.body["data"]["deliveryMetricsSummary"];
    assert_eq!(summary["metrics"][0], json!({ "metricName": "successes", "total": 0 }));
    let minute = bed.get(&format!("/destinations/{id}/delivery-metrics?granularity=MINUTE")).await;
    assert_eq!(minute.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_a_partner_took_and_what_a_filter_left_out_is_counted_at_the_destination() {
    let partner = Partner::start(Manner::Takes).await.expect("listens");
    let bed = Bed::new();
    let web = bed.source_id("web");
    let hook = json!({ "sourceId": web, "metadataId": "webhook", "settings": { "url": partner.url("/hook"), "country": "CH" } });
    let (made, _) = bed.make("/destinations", "destination", hook).await;
    let id = made["id"].as_str().expect("an id");
    let filter = json!({ "sourceId": web, "title": "Drafts", "if": "event = 'Draft'", "actions": [{ "type": "DROP" }], "enabled": true });
    bed.make(&format!("/destination/{id}/filters"), "filter", filter).await;
    bed.settled(id, 0).await;
    bed.accept("web", &[track("m1", "Order"), track("m2", "Draft"), track("m3", "Order")]).await;
    bed.settled(id, 3).await;
    let total = async |stage: &str| {
        let window = window(&bed, HOUR_MS);
        let path =
            format!("/delivery-overview/{stage}?sourceId={web}&destinationConfigId={id}&granularity=HOUR&{window}");
        bed.get(&path).await.body["data"]["total"].as_u64().expect("a count")
    };
    // The sheet gives a new destination its column within a second.
    while total("successful-delivery").await == 0 {
        tokio::task::yield_now().await;
    }
    let told =
        (total("successful-delivery").await, total("filtered-at-destination").await, total("failed-delivery").await);
    assert_eq!(told, (2, 1, 0));
    let metrics = bed.get(&format!("/destinations/{id}/delivery-metrics")).await.body["data"].clone();
    let totals = metrics["deliveryMetricsSummary"]["metrics"].as_array().cloned().expect("a list");
    assert_eq!(totals.iter().map(|metric| &metric["total"]).collect::<Vec<_>>(), [2, 0, 1, 0]);
}

#[tokio::test]
async fn usage_counts_accepted_events_by_day_and_no_users() {
    let bed = with_events().await;
    let today = moment(&bed, 0)[..10].to_owned();
    let daily = bed.get(&format!("/usage/api-calls/daily?period={today}")).await.body["data"].clone();
    let days = daily["dailyWorkspaceAPICallsUsage"].as_array().cloned().expect("a list");
    assert_eq!(days.last().expect("today")["timestamp"], format!("{today}T00:00:00.000Z"));
    let calls = days.iter().filter_map(|day| day["apiCalls"].as_str()?.parse::<u64>().ok());
    assert_eq!(calls.sum::<u64>(), 4);
    let by_source = bed.get(&format!("/usage/api-calls/sources/daily?period={today}")).await.body["data"].clone();
    assert_eq!(by_source["dailyPerSourceAPICallsUsage"].as_array().map(Vec::len), Some(2));
    for (path, name) in [("daily", "dailyWorkspaceMTUUsage"), ("sources/daily", "dailyPerSourceMTUUsage")] {
        let users = bed.get(&format!("/usage/mtu/{path}?period={today}")).await;
        assert_eq!((users.status, &users.body["data"][name]), (StatusCode::OK, &json!([])));
    }
}

#[tokio::test]
async fn whoever_sees_one_source_sees_its_figures_alone() {
    let bed = with_events().await;
    let server = bed.source_id("server");
    let held = vec![Held::One { id: server.clone() }];
    let token = bed.token(&Grants(vec![Grant { role: Role::SourceReadOnly, held }]));
    let hours = window(&bed, HOUR_MS);
    let volume = format!("/events/volume?granularity=HOUR&groupBy=source&{hours}");
    let result = bed.ask_as(&token, "GET", &volume, None).await.body["data"]["result"].clone();
    assert_eq!((&result[0]["source"]["slug"], &result[1]), (&json!("server"), &Value::Null));
    let received =
        |source: &str| format!("/delivery-overview/successfully-received?sourceId={source}&granularity=hour&{hours}");
    assert_eq!(bed.ask_as(&token, "GET", &received(&server), None).await.body["data"]["total"], 1);
    let other = bed.ask_as(&token, "GET", &received(&bed.source_id("web")), None).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    let whole = format!("/usage/api-calls/daily?period={}", &moment(&bed, 0)[..10]);
    assert_eq!(bed.ask_as(&token, "GET", &whole, None).await.status, StatusCode::FORBIDDEN);
    let (stranger, _) = bed.stranger();
    let foreign = bed.ask_as(&stranger, "GET", &received(&server), None).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let own = bed.ask_as(&stranger, "GET", &volume, None).await;
    assert_eq!(own.body["data"]["result"], json!([]));
}
