//! The audit trail by the API.

use crate::bed::Bed;
use http::StatusCode;
use serde_json::{Value, json};

async fn rename(bed: &Bed, name: &str) {
    let path = format!("/sources/{}", bed.source_id("web"));
    assert_eq!(bed.ask("PATCH", &path, Some(json!({ "name": name }))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_change_is_on_the_trail_with_who_what_before_and_after_newest_first() {
    let bed = Bed::new();
    for name in ["One", "Two", "Three"] {
        rename(&bed, name).await;
    }
    let events = bed.get("/audit-events").await.body["data"]["events"].clone();
    let newest = &events[0];
    assert_eq!((&newest["type"], &newest["resourceType"]), (&json!("Source Modified"), &json!("source")));
    assert_eq!(newest["resourceId"], json!(bed.source_id("web")));
    assert!(newest["before"].to_string().contains("Two") && newest["after"].to_string().contains("Three"), "{newest}");
    assert!(newest["actor"].as_str().is_some_and(|actor| actor.starts_with("token:")), "{newest}");
    let ids: Vec<u64> =
        events.as_array().expect("a list").iter().filter_map(|e| e["id"].as_str()?.parse().ok()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
}

#[tokio::test]
async fn pages_lead_to_older_entries_and_back_and_new_ones_move_nothing() {
    let bed = Bed::new();
    for n in 0..5 {
        rename(&bed, &format!("Name {n}")).await;
    }
    let first = bed.get("/audit-events?pagination.count=2").await.body["data"].clone();
    let ids = |data: &Value| -> Vec<u64> {
        let events = data["events"].as_array().cloned().expect("a list");
        events.iter().filter_map(|event| event["id"].as_str()?.parse().ok()).collect()
    };
    assert_eq!(first["pagination"]["previous"], Value::Null);
    rename(&bed, "Meanwhile").await;
    let next = first["pagination"]["next"].as_str().expect("older ones");
    let second =
        bed.get(&format!("/audit-events?pagination.count=2&pagination.cursor={next}")).await.body["data"].clone();
    assert_eq!(ids(&second), [ids(&first)[1] - 1, ids(&first)[1] - 2]);
    let previous = second["pagination"]["previous"].as_str().expect("newer ones");
    let back =
        bed.get(&format!("/audit-events?pagination.count=2&pagination.cursor={previous}")).await.body["data"].clone();
    assert_eq!(ids(&back), ids(&first));
    assert!(back["pagination"]["previous"].is_string(), "there is a newer one by now");
}

#[tokio::test]
async fn the_trail_is_asked_by_resource_and_time_and_only_for_what_there_is() {
    let bed = Bed::new();
    rename(&bed, "One").await;
    let count = async |query: &str| {
        bed.get(&format!("/audit-events?{query}")).await.body["data"]["events"].as_array().map_or(99, Vec::len)
    };
    let web = bed.source_id("web");
    assert!(count(&format!("resourceId={web}&resourceType=source")).await >= 2, "made and renamed");
    assert_eq!(count(&format!("resourceId={web}&resourceType=warehouse")).await, 0);
    assert_eq!(count("endTime=2001-01-01T00:00:00Z").await, 0);
    assert_eq!(count("startTime=2101-01-01T00:00:00Z").await, 0);
    assert!(count("startTime=2001-01-01T00:00:00Z&endTime=2101-01-01T00:00:00Z").await >= 2);
    for bad in ["startTime=soon", "resourceType=", "actor=me", "pagination.cursor=x"] {
        let refused = bed.get(&format!("/audit-events?{bad}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}
