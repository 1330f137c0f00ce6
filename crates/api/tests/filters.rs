//! Destination filters: kept, checked, tried, and put before what a destination sends.

use crate::asks::fields;
use crate::bed::{Bed, track};
use domicile_testkit::{Manner, Partner};
use http::StatusCode;
use serde_json::{Value, json};

async fn destination(bed: &Bed, url: &str) -> String {
    let body = json!({
        "sourceId": bed.source_id("web"), "metadataId": "webhook", "settings": { "url": url, "country": "CH" },
    });
    let made = bed.ask("POST", "/destinations", Some(body)).await;
    made.body["data"]["destination"]["id"].as_str().unwrap_or_else(|| panic!("{}", made.body)).to_owned()
}

fn filter(bed: &Bed, condition: &str) -> Value {
    json!({
        "sourceId": bed.source_id("web"), "title": "No drafts", "enabled": true, "if": condition,
        "actions": [{ "type": "DROP" }],
    })
}

#[tokio::test]
async fn a_filter_is_made_listed_changed_and_deleted() {
    let bed = Bed::new();
    let path = format!("/destination/{}/filters", destination(&bed, "http://127.0.0.1:9/x").await);
    let made = bed.ask("POST", &path, Some(filter(&bed, "event = 'Draft'"))).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let made = made.body["data"]["filter"].clone();
    assert_eq!(made["actions"], json!([{ "type": "DROP" }]));
    assert!(made["createdAt"].is_string() && made["sourceId"] == bed.source_id("web").as_str(), "{made}");
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(bed.get(&one).await.body["data"]["filter"], made);
    assert_eq!(bed.get(&path).await.body["data"]["filters"], json!([made]));

    let sampled = json!([{ "type": "SAMPLE", "percent": 0.25, "path": "userId" }]);
    let change = json!({ "title": "Fewer", "description": "A quarter", "actions": sampled, "enabled": false });
    let changed = bed.ask("PATCH", &one, Some(change)).await.body["data"]["filter"].clone();
    assert_eq!(
        (&changed["if"], &changed["actions"], &changed["description"]),
        (&made["if"], &sampled, &json!("A quarter"))
    );
    let without = bed.ask("PATCH", &one, Some(json!({ "description": null }))).await.body["data"]["filter"].clone();
    assert!(without.get("description").is_none() && without["title"] == "Fewer", "{without}");

    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::OK);
    assert_eq!(bed.get(&one).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get(&path).await.body["data"]["filters"], json!([]));
}

#[tokio::test]
async fn what_could_not_be_put_before_events_is_refused_with_its_place() {
    let bed = Bed::new();
    let path = format!("/destination/{}/filters", destination(&bed, "http://127.0.0.1:9/x").await);
    for (change, field) in [
        (json!({ "if": "event = " }), "if"),
        (json!({ "if": "nothing(event)" }), "if"),
        (json!({ "if": 5 }), "if"),
        (json!({ "sourceId": bed.source_id("server") }), "sourceId"),
        (json!({ "actions": [] }), "actions"),
        (json!({ "actions": [{ "type": "drop_event" }] }), "actions.0.type"),
        (json!({ "actions": [{ "type": "DROP" }, { "type": "SAMPLE", "percent": 2 }] }), "actions.1.percent"),
        (json!({ "actions": [{ "type": "SAMPLE" }] }), "actions.0.percent"),
        (json!({ "actions": [{ "type": "DROP_PROPERTIES", "fields": {} }] }), "actions.0.fields"),
        (
            json!({ "actions": [{ "type": "DROP_PROPERTIES", "fields": { "properties": [] } }] }),
            "actions.0.fields.properties",
        ),
        (json!({ "actions": [{ "type": "DROP_PROPERTIES", "fields": { "properties": "email" } }] }), "actions"),
        (json!({ "title": "" }), "title"),
        (json!({ "title": "x".repeat(65) }), "title"),
        (json!({ "title": "a\u{202e}b" }), "title"),
        (json!({ "workspaceId": "w" }), "workspaceId"),
    ] {
        let mut body = filter(&bed, "all");
        body.as_object_mut().expect("an object").extend(change.as_object().cloned().expect("an object"));
        assert_eq!(fields(&bed.ask("POST", &path, Some(body)).await), [field], "{change}");
    }
    let answer = bed.ask("POST", &path, Some(filter(&bed, "event == 'a'"))).await;
    let message = answer.body["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("column 7"), "{message}");
    assert_eq!(bed.get(&path).await.body["data"]["filters"], json!([]), "nothing half made");
}

#[tokio::test]
async fn a_destination_has_ten_filters_and_not_one_more() {
    let bed = Bed::new();
    let path = format!("/destination/{}/filters", destination(&bed, "http://127.0.0.1:9/x").await);
    for n in 0..10 {
        let made = bed.ask("POST", &path, Some(filter(&bed, &format!("event = 'e{n}'")))).await;
        assert_eq!(made.status, StatusCode::OK);
    }
    let refused = bed.ask("POST", &path, Some(filter(&bed, "all"))).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    let page = bed.get(&format!("{path}?pagination.count=4")).await.body["data"].clone();
    assert_eq!((page["filters"].as_array().map(Vec::len), &page["pagination"]["totalEntries"]), (Some(4), &json!(10)));
}

#[tokio::test]
async fn a_filter_of_another_destination_or_workspace_is_not_there() {
    let bed = Bed::new();
    let first = destination(&bed, "http://127.0.0.1:9/x").await;
    let second = destination(&bed, "http://127.0.0.1:9/y").await;
    let made = bed.ask("POST", &format!("/destination/{first}/filters"), Some(filter(&bed, "all"))).await;
    let id = made.body["data"]["filter"]["id"].as_str().expect("an id").to_owned();
    let (stranger, _) = bed.stranger();
    for (method, body) in [("GET", None), ("PATCH", Some(json!({ "enabled": false }))), ("DELETE", None)] {
        let path = format!("/destination/{second}/filters/{id}");
        assert_eq!(bed.ask(method, &path, body.clone()).await.status, StatusCode::NOT_FOUND, "{method}");
        let path = format!("/destination/{first}/filters/{id}");
        assert_eq!(bed.ask_as(&stranger, method, &path, body).await.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(bed.get(&format!("/destination/{first}/filters/{id}")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_filter_that_was_changed_meanwhile_is_not_changed_again() {
    let bed = Bed::new();
    let path = format!("/destination/{}/filters", destination(&bed, "http://127.0.0.1:9/x").await);
    let made = bed.ask("POST", &path, Some(filter(&bed, "all"))).await;
    let one = format!("{path}/{}", made.body["data"]["filter"]["id"].as_str().expect("an id"));
    let tag = bed.tag(&one).await;
    let change = |title: &str| Some(json!({ "title": title }));
    assert_eq!(bed.ask_if(&tag, "PATCH", &one, change("One")).await.status, StatusCode::OK);
    assert_eq!(bed.ask_if(&tag, "PATCH", &one, change("Two")).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(bed.ask_if(&tag, "DELETE", &one, None).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(bed.get(&one).await.body["data"]["filter"]["title"], "One");
}

#[tokio::test]
async fn a_preview_evaluates_and_keeps_nothing() {
    let bed = Bed::new();
    let payload =
        json!({ "type": "track", "event": "Order", "userId": "u", "properties": { "plan": "a", "email": "x@y" } });
    let shown =
        |actions: Value| json!({ "filter": { "if": "event = 'Order'", "actions": actions }, "payload": payload });
    let cut = |properties: Value| {
        let mut event = payload.clone();
        event["properties"] = properties;
        event
    };
    for (actions, result) in [
        (json!([{ "type": "DROP" }]), json!(null)),
        (json!([{ "type": "SAMPLE", "percent": 0 }]), json!(null)),
        (json!([{ "type": "SAMPLE", "percent": 1 }]), payload.clone()),
        (json!([{ "type": "DROP_PROPERTIES", "fields": { "properties": ["email"] } }]), cut(json!({ "plan": "a" }))),
        (
            json!([{ "type": "ALLOW_PROPERTIES", "fields": { "properties": ["email"] } }]),
            cut(json!({ "email": "x@y" })),
        ),
    ] {
        let answer = bed.ask("POST", "/destination/filters/preview", Some(shown(actions.clone()))).await;
        assert_eq!(answer.body["data"], json!({ "inputPayload": payload, "result": result }), "{actions}");
    }
    let mut other = shown(json!([{ "type": "DROP" }]));
    other["filter"]["if"] = json!("event = 'Other'");
    let answer = bed.ask("POST", "/destination/filters/preview", Some(other.clone())).await;
    assert_eq!(answer.body["data"]["result"], payload, "not its event");
    other["filter"]["if"] = json!("event = ");
    assert_eq!(fields(&bed.ask("POST", "/destination/filters/preview", Some(other)).await), ["filter.if"]);
}

/// The balance sheet, and the destination's line of it as soon as it is there.
async fn sheet(bed: &Bed, id: &str) -> (Value, Value) {
    loop {
        let balance = bed.get("/balance").await.body["data"]["balance"].take();
        let consumers = balance["total"]["consumers"].as_array().cloned().unwrap_or_default();
        if let Some(of_destination) = consumers.into_iter().find(|consumer| consumer["name"] == id) {
            return (balance, of_destination);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_an_enabled_filter_drops_never_arrives_and_the_sheet_still_adds_up() {
    let partner = Partner::start(Manner::Takes).await.expect("listens");
    let bed = Bed::new();
    let id = destination(&bed, &partner.url("/hook")).await;
    let path = format!("/destination/{id}/filters");
    let made = bed.ask("POST", &path, Some(filter(&bed, "event = 'Draft'"))).await;
    let one = format!("{path}/{}", made.body["data"]["filter"]["id"].as_str().expect("an id"));
    bed.settled(&id, 0).await;
    bed.accept("web", &[track("m1", "Draft"), track("m2", "Order"), track("m3", "Draft")]).await;
    bed.settled(&id, 3).await;
    let sent: Vec<Value> = partner.received().iter().map(|r| serde_json::from_slice(&r.body).expect("JSON")).collect();
    assert_eq!(sent.iter().map(|event| &event["messageId"]).collect::<Vec<_>>(), ["m2"]);
    let (balance, hook) = sheet(&bed, &id).await;
    let of_hook = ["before", "off", "filtered", "delivered", "waiting", "dead"].map(|name| hook[name].as_u64());
    assert_eq!((of_hook, &balance["holds"]), ([0, 0, 2, 1, 0, 0].map(Some), &json!(true)));
    let life = bed.get("/events/m1").await.body["data"]["event"]["occurrences"][0]["sent"][0].clone();
    assert_eq!((&life["state"], &life["attempts"]), (&json!("filtered"), &json!([])));

    // One that is switched off, and then deleted, leaves everything through.
    bed.ask("PATCH", &one, Some(json!({ "enabled": false }))).await;
    bed.accept("web", &[track("m4", "Draft")]).await;
    bed.settled(&id, 4).await;
    bed.ask("DELETE", &one, None).await;
    bed.accept("web", &[track("m5", "Draft")]).await;
    bed.settled(&id, 5).await;
    assert_eq!(partner.received().len(), 3);
}
