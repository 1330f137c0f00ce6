//! Labels of the workspace and of sources.

use crate::bed::Bed;
use domicile_control::{Grant, Grants, Held, LabelValue, Role};
use http::StatusCode;
use serde_json::{Value, json};

fn label(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value })
}

#[tokio::test]
async fn a_label_is_made_carried_kept_while_in_use_and_deleted() {
    let bed = Bed::new();
    let new = json!({ "label": { "key": "team", "value": "growth", "description": "Growth" } });
    let made = bed.ask("POST", "/labels", Some(new.clone())).await;
    assert_eq!((made.status, &made.body["data"]), (StatusCode::CREATED, &new));
    assert_eq!(bed.ask("POST", "/labels", Some(new)).await.status, StatusCode::CONFLICT);
    let all = bed.get("/labels").await.body["data"]["labels"].clone();
    assert_eq!(all[0], label("environment", "dev"));
    assert_eq!(all[2]["value"], "growth");

    let path = format!("/sources/{}/labels", bed.source_id("web"));
    let both = json!({ "labels": [label("environment", "prod"), label("team", "growth")] });
    let carried = bed.ask("POST", &path, Some(both.clone())).await;
    assert_eq!((carried.status, &carried.body["data"]), (StatusCode::OK, &both));
    assert_eq!(bed.get(&path).await.body["data"], both);
    let source = bed.get(&format!("/sources/{}", bed.source_id("web"))).await;
    assert_eq!(source.body["data"]["source"]["labels"], both["labels"]);

    let in_use = bed.ask("DELETE", "/labels/team/growth", None).await;
    assert_eq!(in_use.status, StatusCode::CONFLICT);
    assert!(in_use.body["errors"][0]["message"].as_str().expect("a text").contains("a source carries it"));
    let replaced = bed.ask("PUT", &path, Some(json!({ "labels": [label("environment", "dev")] }))).await;
    assert_eq!(replaced.body["data"]["labels"], json!([label("environment", "dev")]));
    assert_eq!(bed.ask("DELETE", "/labels/team/growth", None).await.status, StatusCode::OK);
    assert_eq!(bed.ask("DELETE", "/labels/team/growth", None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.ask("DELETE", "/labels/environment/dev", None).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn labels_that_can_not_be_are_refused_and_change_nothing() {
    let bed = Bed::new();
    let path = format!("/sources/{}/labels", bed.source_id("web"));
    let long = "x".repeat(101);
    for (method, path, body, field) in [
        ("POST", "/labels", json!({}), "label"),
        ("POST", "/labels", json!({ "label": label("1team", "a") }), "label.key"),
        ("POST", "/labels", json!({ "label": label("team", "a b") }), "label.value"),
        ("POST", "/labels", json!({ "label": label("team", "gröwth") }), "label.value"),
        ("POST", "/labels", json!({ "label": label("team", &long) }), "label.value"),
        ("POST", "/labels", json!({ "label": { "key": "a", "value": "b", "id": 1 } }), "label.id"),
        ("POST", &path, json!({ "labels": [label("team", "nobody-made-it")] }), "labels"),
        ("PUT", &path, json!({ "labels": [label("environment", "dev"), label("environment", "prod")] }), "labels"),
        ("PUT", &path, json!({ "labels": "all" }), "labels"),
    ] {
        let refused = bed.ask(method, path, Some(body.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refused.body["errors"][0]["field"], field, "{body}");
    }
    assert_eq!(bed.get(&path).await.body["data"]["labels"], json!([]));
    assert_eq!(bed.get("/labels").await.body["data"]["labels"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_source_carries_one_value_of_a_key_and_a_workspace_has_five_keys_of_its_own() {
    let bed = Bed::new();
    for n in 1..=5 {
        let new = json!({ "label": label(&format!("key-{n}"), "a") });
        assert_eq!(bed.ask("POST", "/labels", Some(new)).await.status, StatusCode::CREATED);
    }
    let sixth = bed.ask("POST", "/labels", Some(json!({ "label": label("key-6", "a") }))).await;
    assert_eq!(sixth.status, StatusCode::CONFLICT);
    let more = bed.ask("POST", "/labels", Some(json!({ "label": label("key-1", "b") }))).await;
    assert_eq!(more.status, StatusCode::CREATED, "values of a key are not counted as keys");
    let path = format!("/sources/{}/labels", bed.source_id("web"));
    assert_eq!(bed.ask("POST", &path, Some(json!({ "labels": [label("key-1", "a")] }))).await.status, StatusCode::OK);
    let second = bed.ask("POST", &path, Some(json!({ "labels": [label("key-1", "b")] }))).await;
    assert_eq!(second.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_sources_etag_moves_with_its_labels_and_not_with_their_order() {
    let bed = Bed::new();
    for key in ["a", "a-c"] {
        bed.ask("POST", "/labels", Some(json!({ "label": label(key, "b") }))).await;
    }
    let source = format!("/sources/{}", bed.source_id("web"));
    let put = async |labels: [Value; 2]| {
        bed.ask("PUT", &format!("{source}/labels"), Some(json!({ "labels": labels }))).await.body["data"].clone()
    };
    let count = async || bed.get("/audit-events").await.body["data"]["events"].as_array().map_or(0, Vec::len);
    let before = bed.tag(&source).await;
    let first = put([label("a-c", "b"), label("a", "b")]).await;
    let (tag, entries) = (bed.tag(&source).await, count().await);
    assert_ne!(tag, before);
    let stale = bed.ask_if(&before, "PATCH", &source, Some(json!({ "name": "Late" }))).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put([label("a", "b"), label("a-c", "b")]).await, first);
    assert_eq!((bed.tag(&source).await, count().await), (tag, entries), "the order says nothing");
}

#[tokio::test]
async fn only_owners_change_labels_because_roles_are_held_for_them() {
    let bed = Bed::new();
    let path = format!("/sources/{}/labels", bed.source_id("web"));
    let admin = bed.token(&Grants(vec![Grant::whole(Role::SourceAdmin)]));
    let by_label = |value: &str| {
        let labels = vec![LabelValue { key: "environment".to_owned(), value: value.to_owned() }];
        bed.token(&Grants(vec![Grant { role: Role::SourceReadOnly, held: vec![Held::Labels { labels }] }]))
    };
    let (dev, prod) = (by_label("dev"), by_label("prod"));
    let wanted = Some(json!({ "labels": [label("environment", "dev")] }));
    assert_eq!(bed.ask_as(&admin, "PUT", &path, wanted.clone()).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        bed.ask_as(&admin, "POST", "/labels", Some(json!({ "label": label("a", "b") }))).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(bed.ask_as(&dev, "GET", &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.ask("PUT", &path, wanted).await.status, StatusCode::OK);
    assert_eq!(bed.ask_as(&dev, "GET", &path, None).await.status, StatusCode::OK, "the label opens the source");
    assert_eq!(bed.ask_as(&prod, "GET", &path, None).await.status, StatusCode::NOT_FOUND);
    let (stranger, _) = bed.stranger();
    assert_eq!(bed.ask_as(&stranger, "GET", &path, None).await.status, StatusCode::NOT_FOUND);
    let foreign = bed.ask_as(&stranger, "PUT", &path, Some(json!({ "labels": [] }))).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}
