//! Regulations and suppression, and what they do to events.

use crate::bed::{Bed, track};
use domicile_control::{Grant, Grants, Role};
use http::StatusCode;
use serde_json::{Value, json};

fn regulation(kind: &str, users: &[&str]) -> Option<Value> {
    Some(json!({ "regulationType": kind, "subjectType": "USER_ID", "subjectIds": users }))
}

fn of_user(message_id: &str, user: &str) -> Value {
    let mut event = track(message_id, "Order Completed");
    event["userId"] = json!(user);
    event
}

async fn balance(bed: &Bed) -> (u64, u64) {
    let sheet = bed.get("/balance").await.body["data"]["balance"].clone();
    assert_eq!(sheet["holds"], true, "{sheet}");
    (sheet["total"]["kept"].as_u64().expect("a count"), sheet["total"]["blocked"].as_u64().expect("a count"))
}

#[tokio::test]
async fn events_of_a_suppressed_user_are_blocked_from_the_answer_on_and_the_sheet_adds_up() {
    let bed = Bed::new();
    bed.accept("web", &[of_user("m1", "anna")]).await;
    bed.decided().await;
    let made = bed.ask("POST", "/regulations", regulation("SUPPRESS_ONLY", &["anna", "anna", "béa", "77"])).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let events = [
        of_user("m2", "anna"),
        of_user("m3", "bob"),
        of_user("m4", "Anna"),
        of_user("m5", "béa"),
        of_user("m2", "anna"),
    ];
    bed.accept("web", &events).await;
    let mut numbered = of_user("m9", "");
    numbered["userId"] = json!(77);
    bed.accept("server", &[of_user("m6", "anna"), numbered]).await;
    bed.decided().await;
    assert_eq!(balance(&bed).await, (3, 4), "m1, m3 and m4; the second m2 is a duplicate of what was blocked");
    let life = bed.get("/events/m2").await.body["data"]["event"]["occurrences"].clone();
    assert_eq!(life[0]["decided"]["outcome"], "blocked");
    assert_eq!(life[0]["decided"]["reason"], "suppressed");
    assert_eq!(life[0]["event"], Value::Null);
    assert_eq!(life[1]["decided"]["outcome"], "duplicate");

    bed.ask("POST", "/regulations", regulation("UNSUPPRESS", &["anna", "nobody"])).await;
    bed.accept("web", &[of_user("m7", "anna"), of_user("m8", "béa")]).await;
    bed.decided().await;
    assert_eq!(balance(&bed).await, (4, 5));
}

#[tokio::test]
async fn the_workspaces_rule_beats_a_sources() {
    let bed = Bed::new();
    let path = format!("/regulations/sources/{}", bed.source_id("web"));
    let of_source = bed.ask("POST", &path, regulation("SUPPRESS_ONLY", &["anna"])).await;
    assert_eq!(of_source.status, StatusCode::OK, "{}", of_source.body);
    bed.accept("web", &[of_user("m1", "anna")]).await;
    bed.accept("server", &[of_user("m2", "anna")]).await;
    bed.decided().await;
    assert_eq!(balance(&bed).await, (1, 1));
    bed.ask("POST", "/regulations", regulation("SUPPRESS_ONLY", &["anna"])).await;
    let refused = bed.ask("POST", &path, regulation("UNSUPPRESS", &["bob", "anna"])).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let listed = bed.get(&path).await.body["data"]["regulations"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "what was refused left nothing: {listed}");
    bed.ask("POST", "/regulations", regulation("UNSUPPRESS", &["anna"])).await;
    bed.accept("web", &[of_user("m3", "anna")]).await;
    bed.accept("server", &[of_user("m4", "anna")]).await;
    bed.decided().await;
    assert_eq!(balance(&bed).await, (2, 2), "the source's own rule was not touched");
}

#[tokio::test]
async fn regulations_and_suppressions_are_listed_and_found() {
    let bed = Bed::new();
    let id =
        bed.ask("POST", "/regulations", regulation("SUPPRESS_ONLY", &["anna", "béa"])).await.body["data"]["regulateId"]
            .as_str()
            .expect("an id")
            .to_owned();
    let path = format!("/regulations/sources/{}", bed.source_id("web"));
    bed.ask("POST", &path, regulation("SUPPRESS_ONLY", &["carl"])).await;
    bed.ask("POST", "/regulations", regulation("UNSUPPRESS", &["béa"])).await;
    let one = bed.get(&format!("/regulations/{id}")).await.body["data"]["regulation"].clone();
    assert_eq!((&one["overallStatus"], &one["subjectCount"]), (&json!("FINISHED"), &json!(2)));
    let subjects = |answer: Value| -> Vec<Value> {
        let entries = answer["data"]["regulations"].as_array().cloned().expect("a list");
        entries.into_iter().map(|entry| entry["subjects"].clone()).collect()
    };
    assert_eq!(subjects(bed.get("/regulations").await.body), [json!(["anna", "béa"]), json!(["béa"])]);
    assert_eq!(subjects(bed.get("/regulations?regulationTypes[0]=UNSUPPRESS").await.body), [json!(["béa"])]);
    assert_eq!(subjects(bed.get("/regulations?status=RUNNING").await.body), Vec::<Value>::new());
    assert_eq!(subjects(bed.get(&path).await.body), [json!(["carl"])]);
    let first = bed.get("/suppressions?pagination.count=1").await.body["data"].clone();
    assert_eq!(first["suppressed"][0]["subjectIds"], json!(["anna"]));
    let next = first["pagination"]["next"].as_str().expect("a second page");
    let second = bed.get(&format!("/suppressions?pagination.cursor={next}")).await.body["data"].clone();
    assert_eq!(second["suppressed"][0]["subjectIds"], json!(["carl"]));
    assert_eq!(second["suppressed"][0]["sourceId"], json!(bed.source_id("web")));
    assert_eq!(second["suppressed"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_would_have_to_delete_and_what_is_no_user_is_refused() {
    let bed = Bed::new();
    let many: Vec<String> = (0..5_001).map(|n| n.to_string()).collect();
    for (kind, subject_type, ids, field) in [
        ("SUPPRESS_WITH_DELETE", "USER_ID", json!(["a"]), "regulationType"),
        ("SUPPRESS_WITH_DELETE_INTERNAL", "USER_ID", json!(["a"]), "regulationType"),
        ("DELETE_ONLY", "USER_ID", json!(["a"]), "regulationType"),
        ("DELETE_INTERNAL", "USER_ID", json!(["a"]), "regulationType"),
        ("DELETE_ARCHIVE_ONLY", "USER_ID", json!(["a"]), "regulationType"),
        ("FORGET", "USER_ID", json!(["a"]), "regulationType"),
        ("SUPPRESS_ONLY", "ANONYMOUS_ID", json!(["a"]), "subjectType"),
        ("SUPPRESS_ONLY", "EMAIL", json!(["a"]), "subjectType"),
        ("SUPPRESS_ONLY", "USER_ID", json!([]), "subjectIds"),
        ("SUPPRESS_ONLY", "USER_ID", json!([""]), "subjectIds.0"),
        ("SUPPRESS_ONLY", "USER_ID", json!([7]), "subjectIds.0"),
        ("SUPPRESS_ONLY", "USER_ID", json!(many), "subjectIds"),
    ] {
        let body = json!({ "regulationType": kind, "subjectType": subject_type, "subjectIds": ids });
        let refused = bed.ask("POST", "/regulations", Some(body)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{kind} {subject_type}");
        assert_eq!(refused.body["errors"][0]["field"], field, "{kind} {subject_type}");
    }
    assert_eq!(bed.get("/suppressions").await.body["data"]["suppressed"], json!([]));
    let unknown = bed.ask("POST", "/regulations/sources/nobody", regulation("SUPPRESS_ONLY", &["a"])).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get("/regulations/nobody").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn five_thousand_users_are_suppressed_in_one_call_and_no_trail_names_them() {
    let bed = Bed::new();
    let users: Vec<String> = (0..5_000).map(|n| format!("user-{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let made = bed.ask("POST", "/regulations", regulation("SUPPRESS_ONLY", &users)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    bed.accept("web", &[of_user("m1", "user-4999"), of_user("m2", "user-5000")]).await;
    bed.decided().await;
    assert_eq!(balance(&bed).await, (1, 1));
    let trail = bed.get("/audit-events?resourceType=regulation").await.body["data"]["events"].clone();
    assert_eq!(trail[0]["after"]["count"], 5_000);
    assert!(!trail.to_string().contains("user-4"));
}

#[tokio::test]
async fn whoever_cares_for_privacy_suppresses_and_sees_nothing_else_and_nobody_else_does() {
    let bed = Bed::new();
    let privacy = bed.token(&Grants(vec![Grant::whole(Role::PrivacyAdmin)]));
    let source = bed.token(&Grants(vec![Grant::whole(Role::SourceAdmin)]));
    let (stranger, _) = bed.stranger();
    let path = format!("/regulations/sources/{}", bed.source_id("web"));
    let made = bed.ask_as(&privacy, "POST", &path, regulation("SUPPRESS_ONLY", &["anna"])).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let id = made.body["data"]["regulateId"].as_str().expect("an id").to_owned();
    for (token, method, path, expected) in [
        (&privacy, "GET", "/suppressions".to_owned(), StatusCode::OK),
        (&privacy, "GET", format!("/regulations/{id}"), StatusCode::OK),
        (&privacy, "GET", "/sources".to_owned(), StatusCode::FORBIDDEN),
        (&privacy, "GET", "/audit-events".to_owned(), StatusCode::FORBIDDEN),
        (&privacy, "GET", "/warehouses".to_owned(), StatusCode::FORBIDDEN),
        (&source, "GET", "/suppressions".to_owned(), StatusCode::FORBIDDEN),
        (&source, "GET", format!("/regulations/{id}"), StatusCode::FORBIDDEN),
        (&source, "GET", "/audit-events".to_owned(), StatusCode::FORBIDDEN),
        (&stranger, "GET", format!("/regulations/{id}"), StatusCode::NOT_FOUND),
        (&stranger, "GET", path.clone(), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(bed.ask_as(token, method, &path, None).await.status, expected, "{method} {path}");
    }
    let foreign = bed.ask_as(&stranger, "POST", &path, regulation("UNSUPPRESS", &["anna"])).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.ask_as(&stranger, "GET", "/suppressions", None).await.body["data"]["suppressed"], json!([]));
    let refused = bed.ask_as(&source, "POST", "/regulations", regulation("SUPPRESS_ONLY", &["u1"])).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}
