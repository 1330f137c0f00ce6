//! Configuration as code by the API: who may, for which version, in which error shape.

use crate::bed::{Answer, Bed};
use axum::body::Body;
use domicile_control::{Grant, Grants, Held, Role};
use http::{StatusCode, header};
use serde_json::{Value, json};

fn document() -> Value {
    json!({
        "workspace": { "region": "ch-north" },
        "sources": { "shop": {
            "type": "website",
            "destinations": { "Hook": {
                "type": "webhook",
                "settings": { "url": "https://a.example/hook", "country": "CH", "sharedSecret": "correct-horse" },
            } },
        } },
    })
}

async fn ask(bed: &Bed, what: &str, document: &Value) -> Answer {
    bed.ask("POST", &format!("/configuration/{what}"), Some(json!({ "configuration": document }))).await
}

/// Applies the document for a version of the workspace.
async fn apply_for(bed: &Bed, version: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut request = bed.request("POST", "/configuration/apply").header(header::IF_MATCH, version);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let body = json!({ "configuration": document() }).to_string();
    let answer = bed.send(request.body(Body::from(body)).expect("a request")).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_plan_is_made_for_a_version_and_applies_to_that_one_only() {
    let bed = Bed::new();
    let planned = ask(&bed, "plan", &document()).await;
    assert_eq!(planned.status, StatusCode::OK, "{}", planned.body);
    let plan = &planned.body["data"]["plan"];
    assert_eq!(plan["steps"][0]["path"], "sources.shop");
    assert_eq!(plan["steps"][1]["residency"], json!(["data goes to a.example, which is declared to be in CH"]));
    assert_eq!(plan["notInFile"][0]["kind"], "source");
    let nothing_yet = bed.get("/configuration").await.body;
    assert_eq!(nothing_yet["data"]["version"], plan["version"]);
    assert_eq!(nothing_yet["data"]["configuration"]["sources"]["shop"], Value::Null);

    let version = format!("\"{}\"", plan["version"]);
    let (status, body) = apply_for(&bed, &version, &[]).await;
    assert_eq!((status, &body["data"]["plan"]["steps"]), (StatusCode::OK, &plan["steps"]));
    let (status, body) = apply_for(&bed, &version, &[]).await;
    assert_eq!((status, &body["errors"][0]["type"]), (StatusCode::PRECONDITION_FAILED, &json!("stale-version")));
    let (status, _) = apply_for(&bed, "seventeen", &[]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    // Without a version it applies to whatever is there: here, it is as it should be already.
    let again = ask(&bed, "apply", &document()).await;
    assert_eq!(again.body["data"]["plan"]["steps"], json!([]));
}

#[tokio::test]
async fn the_same_request_sent_again_is_answered_again_and_done_once() {
    let bed = Bed::new();
    let version = bed.get("/configuration").await.body["data"]["version"].to_string();
    let (version, key) = (format!("\"{version}\""), [("idempotency-key", "one")]);
    let first = apply_for(&bed, &version, &key).await;
    assert_eq!(first.0, StatusCode::OK);
    assert_eq!(apply_for(&bed, &version, &key).await, first);
}

#[tokio::test]
async fn what_is_exported_says_where_secrets_are_and_not_what_they_are() {
    let bed = Bed::new();
    ask(&bed, "apply", &document()).await;
    let exported = bed.get("/configuration").await.body;
    assert_eq!(
        exported["data"]["secrets"],
        json!([["sources", "shop", "destinations", "Hook", "settings", "sharedSecret"]])
    );
    assert!(!exported.to_string().contains("correct-horse") && !exported.to_string().contains("writeKeys"));
    let with_keys = bed.get("/configuration?writeKeys=true").await.body;
    assert!(with_keys["data"]["configuration"]["sources"]["shop"]["writeKeys"][0].is_string());
    let trail = bed.get("/audit-events").await.body.to_string();
    assert!(!trail.contains("correct-horse"));
}

#[tokio::test]
async fn faults_are_all_told_in_the_api_s_shape() {
    let bed = Bed::new();
    let mut bad = document();
    bad["sources"]["shop"]["enabld"] = json!(true);
    bad["sources"]["other"] = json!({});
    for what in ["plan", "apply"] {
        let refused = ask(&bed, what, &bad).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let fields: Vec<&Value> =
            refused.body["errors"].as_array().expect("errors").iter().map(|e| &e["field"]).collect();
        assert_eq!(fields, ["sources.shop.enabld", "sources.other.type"]);
        let first = &refused.body["errors"][0];
        assert_eq!(first["type"], "input-validation");
        assert_eq!(first["data"]["mend"], "write `enabled`, or remove it");
        assert_eq!(first["message"], "sources.shop.enabld is no field of source `shop`; write `enabled`, or remove it");
    }
    for (body, field) in [
        (json!({}), "configuration"),
        (json!({ "configuration": [] }), "configuration"),
        (json!({ "configuration": {} }), "workspace"),
        (json!({ "configuration": document(), "role": "owner" }), "role"),
        (json!({ "configuration": document(), "prune": "yes" }), "prune"),
        (json!({ "configuration": document(), "secretPaths": [7] }), "secretPaths.0"),
        (
            json!({ "configuration": document(), "secretPaths": [] }),
            "sources.shop.destinations.Hook.settings.sharedSecret",
        ),
    ] {
        let refused = bed.ask("POST", "/configuration/apply", Some(body)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field, "{}", refused.body);
    }
    let elsewhere = json!({ "workspace": { "region": "is-east" } });
    assert_eq!(ask(&bed, "apply", &elsewhere).await.status, StatusCode::CONFLICT);
    assert_eq!(bed.get("/configuration").await.body["data"]["configuration"]["sources"]["shop"], Value::Null);
}

#[tokio::test]
async fn a_key_of_another_workspace_is_a_conflict_that_does_not_say_whose_it_is() {
    let bed = Bed::new();
    let (_, source) = bed.stranger();
    let snapshot = bed.cell.control.current().load();
    let key = snapshot.source(&source).expect("is there").write_keys[0].key.clone();
    let mut taken = document();
    taken["sources"]["shop"]["writeKeys"] = json!([key]);
    let refused = ask(&bed, "apply", &taken).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["type"]), (StatusCode::CONFLICT, &json!("conflict")));
    let said = refused.body.to_string();
    assert!(!said.contains(&key) && !said.contains(source.as_str()), "{said}");
}

#[tokio::test]
async fn only_an_owner_may_and_a_document_may_be_large() {
    let bed = Bed::new();
    let admin = Grants(vec![Grant { role: Role::SourceAdmin, held: vec![Held::Workspace] }]);
    let token = bed.token(&admin);
    let (_, stranger) = bed.stranger();
    for (method, path) in [("GET", "/configuration"), ("POST", "/configuration/plan"), ("POST", "/configuration/apply")]
    {
        for (bearer, status) in [(token.as_str(), StatusCode::FORBIDDEN), ("none", StatusCode::UNAUTHORIZED)] {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("/api{path}"))
                .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
                .header(header::CONTENT_TYPE, "application/json");
            let body = if method == "GET" {
                Body::empty()
            } else {
                Body::from(json!({ "configuration": document() }).to_string())
            };
            let answer = bed.send(request.body(body).expect("a request")).await;
            assert_eq!(answer.status, status, "{method} {path}");
        }
    }
    assert!(!bed.get("/configuration").await.body.to_string().contains(stranger.as_str()));

    let mut large = document();
    for n in 0..4_000 {
        large["sources"][format!("s{n}")] = json!({ "type": "server", "name": "x".repeat(250) });
    }
    assert!(large.to_string().len() > 1 << 20);
    assert_eq!(ask(&bed, "plan", &large).await.status, StatusCode::OK);
    let request = bed.request("POST", "/configuration/plan").header(header::CONTENT_TYPE, "application/json");
    let huge = Body::from(vec![b' '; (20 << 20) + 1]);
    assert_eq!(bed.send(request.body(huge).expect("a request")).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}
