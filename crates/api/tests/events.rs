//! Live events and the life of an event.

use crate::bed::{Bed, track};
use crate::single::OneStep as _;
use axum::body::Body;
use bytes::Bytes;
use domicile_api::LiveEvents;
use domicile_control::{Grant, Grants, Held, LabelValue, Role};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// The events of a stream, until there are `count` of them: name and data.
async fn read(body: &mut Body, count: usize) -> Vec<(String, Value)> {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        let frame = body.frame().await.expect("the stream goes on").expect("no error");
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap_or_else(|_| Bytes::new())).expect("UTF-8"));
    }
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        (field("event: "), serde_json::from_str(&field("data: ")).expect("JSON"))
    };
    text.split_terminator("\n\n").map(event).collect()
}

async fn live(bed: &Bed, query: &str, last: Option<u64>) -> Body {
    let mut request = bed.request("GET", &format!("/events/live{query}"));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    let response = bed.raw(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    response.into_body()
}

#[tokio::test]
async fn decided_events_arrive_as_they_come_with_what_became_of_them() {
    let bed = Bed::new();
    let mut all = live(&bed, "", None).await;
    let mut server = live(&bed, "?source=server", None).await;
    bed.accept("web", &[track("m1", "A \"quoted\" </script> event"), json!({"type": "nothing"}), track("m1", "again")])
        .await;
    bed.accept("server", &[track("m2", "B")]).await;

    let seen = read(&mut all, 4).await;
    let told: Vec<_> = seen
        .iter()
        .map(|(name, d)| json!([name, d["position"], d["sourceSlug"], d["outcome"], d["reason"], d["firstPosition"]]))
        .collect();
    assert_eq!(
        told,
        [
            json!(["decided", 0, "web", "kept", null, null]),
            json!(["decided", 1, "web", "invalid", "type_unknown", null]),
            json!(["decided", 2, "web", "duplicate", null, 0]),
            json!(["decided", 3, "server", "kept", null, null]),
        ]
    );
    assert_eq!(seen[0].1["event"]["event"], "A \"quoted\" </script> event");
    assert_eq!(seen[0].1["clientAddress"], "203.0.113.7");
    assert_eq!(seen[1].1["event"], Value::Null);
    assert_eq!(read(&mut server, 1).await[0].1["position"], 3);

    let again = read(&mut live(&bed, "", Some(1)).await, 2).await;
    assert_eq!(again[0].1["position"], 2, "goes on behind the last event that was seen");
    let from = read(&mut live(&bed, "?from=3", None).await, 1).await;
    assert_eq!(from[0].1["position"], 3);
    assert_eq!(bed.get("/events/live?from=x").await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn events_of_another_workspace_are_never_seen() {
    let mut bed = Bed::new();
    let (token, theirs) = bed.stranger();
    let mut own = live(&bed, "", None).await;
    bed.accept_of(&theirs, &[track("secret", "Theirs")]).await;
    bed.accept("web", &[track("m1", "Ours")]).await;
    assert_eq!(read(&mut own, 1).await[0].1["position"], 1);
    assert_eq!(bed.get("/events/secret").await.status, StatusCode::NOT_FOUND);
    bed.demo.token = token;
    assert_eq!(bed.get("/events/secret").await.status, StatusCode::OK);
    assert_eq!(bed.get("/events/m1").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_set_to_the_end_and_told_how_much_it_missed() {
    let bed = Bed::new();
    let mut slow = live(&bed, "", None).await;
    let batch: Vec<_> = (0..2_000).map(|n| track(&format!("m{n}"), "x")).collect();
    for _ in 0..11 {
        bed.accept("web", &batch).await;
    }
    bed.decided().await;
    let seen = read(&mut slow, 1).await;
    assert_eq!(seen[0], ("missed".to_owned(), json!({"missed": 22_000})));
    bed.accept("web", &[track("after", "x")]).await;
    assert_eq!(read(&mut slow, 1).await[0].1["position"], 22_000);
}

#[tokio::test]
async fn a_new_source_is_seen_by_views_that_were_open_before() {
    let bed = Bed::new();
    let mut all = live(&bed, "", None).await;
    let made = bed.ask("POST", "/sources", Some(json!({"slug": "new", "enabled": true, "metadataId": "server"}))).await;
    let id = domicile_workspace::SourceId::new(made.body["data"]["source"]["id"].as_str().expect("an id"));
    bed.accept_of(&id, &[track("m1", "x")]).await;
    assert_eq!(read(&mut all, 1).await[0].1["sourceSlug"], "new");
}

#[tokio::test]
async fn an_open_view_sees_what_its_token_may_see_at_that_moment() {
    let mut bed = Bed::new();
    let environment = |value: &str| LabelValue { key: "environment".to_owned(), value: value.to_owned() };
    let held = Held::Labels { labels: vec![environment("prod")] };
    let reader = bed.token(&Grants(vec![Grant { role: Role::SourceReadOnly, held: vec![held] }]));
    let owner = std::mem::replace(&mut bed.demo.token, reader);
    let mut view = live(&bed, "", None).await;
    let label = async |slug: &str, value: &str| {
        let path = format!("/sources/{}/labels", bed.source_id(slug));
        let wanted = json!({ "labels": [environment(value)] });
        assert_eq!(bed.ask_as(&owner, "PUT", &path, Some(wanted)).await.status, StatusCode::OK);
    };
    let mut position = 0;
    label("server", "prod").await;
    for (value, is_seen) in [("prod", true), ("dev", false), ("prod", true)] {
        label("web", value).await;
        for (slug, is_seen) in [("web", is_seen), ("server", true)] {
            bed.accept(slug, &[track(&format!("m{position}"), "x")]).await;
            if is_seen {
                assert_eq!(read(&mut view, 1).await[0].1["position"], position, "{value}");
            }
            position += 1;
        }
    }
    // It ends with its token, without waiting for the next look at the clock.
    let id = bed.cell.control.scope_of_token(&bed.demo.token).expect("looks").expect("holds").id;
    let ended = bed.ask_as(&owner, "DELETE", &format!("/tokens/{id}"), None).await;
    assert_eq!(ended.status, StatusCode::OK);
    bed.accept("server", &[track("last", "x")]).await;
    assert!(view.frame().await.is_none());
}

#[tokio::test]
async fn a_view_opens_with_what_its_token_may_see_when_it_opens() {
    let bed = Bed::new();
    let control = &bed.cell.control;
    let scope = |token: &str| control.scope_of_token(token).expect("looks").expect("holds");
    let token = bed.token(&Grants::owner());
    let before = scope(&token);
    // Between the request's scope and the view, somebody ends the token.
    let ended = bed.ask("DELETE", &format!("/tokens/{}", before.id), None).await;
    assert_eq!(ended.status, StatusCode::OK);
    let refused = LiveEvents::open(&bed.cell, before, None, None).err().expect("nothing is opened");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(LiveEvents::open(&bed.cell, scope(&bed.demo.token), None, None).is_ok());
}

#[tokio::test]
async fn the_places_of_live_views_are_bounded_and_come_back() {
    let bed = Bed::new();
    let mut views = Vec::new();
    for _ in 0..8 {
        views.push(live(&bed, "", None).await);
    }
    // One token has its share, and no more of all.
    let refused = bed.get("/events/live").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let said = |body: &Value, what: &str| {
        let message = body["errors"][0]["message"].as_str().expect("text");
        assert!(message.contains(what), "{message}");
    };
    said(&refused.body, "this token or person has 8 live views open");
    for token in (0..7).map(|_| bed.token(&domicile_control::Grants::owner())) {
        for _ in 0..8 {
            let mut request = bed.request("GET", "/events/live").body(Body::empty()).expect("a request");
            request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
            let response = bed.raw(request).await;
            assert_eq!(response.status(), StatusCode::OK);
            views.push(response.into_body());
        }
    }
    let last = bed.token(&domicile_control::Grants::owner());
    let refused = bed.ask_as(&last, "GET", "/events/live", None).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    said(&refused.body, "all places for live views are taken");
    drop(views.remove(0));
    drop(live(&bed, "", None).await);
}

#[tokio::test]
async fn the_life_of_an_event_tells_every_place_where_it_was_accepted() {
    let mut bed = Bed::new();
    bed.accept("web", &[track("m1", "First"), track("other", "x")]).await;
    bed.accept("web", &[track("m1", "Again")]).await;
    bed.accept("server", &[track("m1", "Another source")]).await;
    bed.decided().await;
    let answer = bed.get("/events/m1").await;
    assert_eq!(answer.status, StatusCode::OK);
    let event = &answer.body["data"]["event"];
    let occurrences = event["occurrences"].as_array().expect("a list");
    let told: Vec<_> = occurrences
        .iter()
        .map(|o| {
            json!([
                o["position"],
                o["sourceSlug"],
                o["decided"]["outcome"],
                o["decided"]["firstPosition"],
                o["stored"]["state"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!([0, "web", "kept", null, "waiting"]),
            json!([2, "web", "duplicate", 0, null]),
            json!([3, "server", "kept", null, "waiting"]),
        ]
    );
    assert_eq!(occurrences[0]["event"]["event"], "First");
    let accepted = &occurrences[0]["accepted"];
    assert_eq!((&accepted["point"], &accepted["clientAddress"]), (&json!("zurich"), &json!("203.0.113.7")));
    assert_eq!(answer.body["data"]["searched"], json!({"from": 0, "until": 4}));

    bed.close().await;
    let stored = &bed.get("/events/m1").await.body["data"]["event"]["occurrences"][0]["stored"].take();
    assert_eq!(stored["state"], "delivered");
    let object = stored["object"].as_str().expect("an object");
    assert!(bed.dir.path().join("archive").join(object).exists(), "{object}");
}

#[tokio::test]
async fn an_id_that_nobody_sent_is_404_however_odd_it_is() {
    let bed = Bed::new();
    bed.accept("web", &[track("odd / ? # % \" <id>", "x")]).await;
    bed.decided().await;
    for id in ["m2", "odd", "%22", "..%2F..%2Fetc", "%00", &"x".repeat(3_000)] {
        assert_eq!(bed.get(&format!("/events/{id}")).await.status, StatusCode::NOT_FOUND, "{id}");
    }
    let odd = "/events/odd%20%2F%20%3F%20%23%20%25%20%22%20%3Cid%3E";
    assert_eq!(bed.get(odd).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_looks_at_payload_is_on_the_audit_trail_even_for_what_is_not_there() {
    let bed = Bed::new();
    bed.get("/events/m1").await;
    drop(live(&bed, "?source=web", None).await);
    let request = Request::get("/api/events/m2").body(Body::empty()).expect("a request");
    assert_eq!(bed.send(request).await.status, StatusCode::UNAUTHORIZED);
    let trail = bed.cell.control.audit(&bed.demo.id, 0, 1_000).expect("reads");
    let views: Vec<_> = trail
        .iter()
        .filter(|entry| entry.kind == "Payload Viewed")
        .map(|entry| (entry.actor_name.as_str(), entry.resource_kind.as_str(), entry.resource_id.as_str()))
        .collect();
    assert_eq!(views, [("demo", "event", "m1"), ("demo", "events", "web")]);
}
