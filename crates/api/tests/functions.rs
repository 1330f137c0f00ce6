//! Functions, their versions, and where they are put in: kept and checked.

use crate::asks::fields;
use crate::bed::Bed;
use http::StatusCode;
use serde_json::{Value, json};

const CODE: &str = "async function onTrack(event, settings) { return event }";

fn setting(name: &str, kind: &str, required: bool, sensitive: bool) -> Value {
    json!({ "name": name, "label": name, "description": "", "type": kind, "required": required, "sensitive": sensitive })
}

fn function(kind: &str) -> Value {
    let settings = [setting("apiKey", "STRING", true, true), setting("tags", "ARRAY", false, false)];
    json!({ "displayName": "Enrich", "resourceType": kind, "code": CODE, "settings": settings })
}

async fn versions(bed: &Bed, function: &str) -> Vec<Value> {
    bed.get(&format!("{function}/versions")).await.body["data"]["versions"].as_array().cloned().expect("a list")
}

async fn destination(bed: &Bed) -> String {
    let settings = json!({ "url": "http://127.0.0.1:9/x", "country": "CH" });
    let body = json!({ "sourceId": bed.source_id("web"), "metadataId": "webhook", "settings": settings });
    bed.make("/destinations", "destination", body).await.0["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_function_is_made_listed_changed_and_deleted() {
    let bed = Bed::new();
    let (made, one) = bed.make("/functions", "function", function("INSERT_DESTINATION")).await;
    assert_eq!((&made["deployedAt"], &made["isLatestVersion"]), (&Value::Null, &json!(false)));
    assert!(made["createdBy"].as_str().is_some_and(|by| by.starts_with("token:")), "{made}");
    assert_eq!(bed.get(&one).await.body["data"]["function"], made);
    bed.make("/functions", "function", function("SOURCE")).await;
    for (query, count) in [("", 2), ("?resourceType=SOURCE", 1), ("?resourceType=DESTINATION", 0)] {
        let listed = bed.get(&format!("/functions{query}")).await.body["data"]["functions"].clone();
        assert_eq!(listed.as_array().map(Vec::len), Some(count), "{query}");
        assert!(listed[0].get("code").is_none() && listed[0].get("settings").is_none(), "{listed}");
    }
    let change = json!({ "displayName": "Enrich more", "description": "Adds the plan" });
    let changed = bed.ask("PATCH", &one, Some(change)).await.body["data"]["function"].clone();
    assert_eq!((&changed["displayName"], &changed["code"]), (&json!("Enrich more"), &json!(CODE)));
    assert_eq!(versions(&bed, &one).await.len(), 1, "other words make no version");
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::OK);
    assert_eq!(bed.get(&one).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get(&format!("{one}/versions")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn each_change_of_the_code_is_a_version_that_can_be_deployed_and_restored() {
    let bed = Bed::new();
    let (_, one) = bed.make("/functions", "function", function("DESTINATION")).await;
    let deploy = format!("{one}/deploy");
    assert_eq!(
        bed.ask("POST", &deploy, None).await.body["data"],
        json!({ "functionDeployment": { "status": "SUCCESS" } })
    );
    bed.ask("PATCH", &one, Some(json!({ "code": "// two" }))).await;
    bed.ask("PATCH", &one, Some(json!({ "code": "// two" }))).await;
    let state = async || {
        let function = bed.get(&one).await.body["data"]["function"].clone();
        (function["isLatestVersion"].clone(), function["deployedAt"].is_string(), function["code"].clone())
    };
    assert_eq!(state().await, (json!(false), true, json!("// two")));
    let kept = versions(&bed, &one).await;
    let told: Vec<(&Value, &Value)> = kept.iter().map(|version| (&version["code"], &version["isDeployed"])).collect();
    assert_eq!(told, [(&json!(CODE), &json!(true)), (&json!("// two"), &json!(false))]);
    let first = kept[0]["id"].as_str().expect("an id");
    assert_eq!(bed.get(&format!("{one}/versions/{first}")).await.body["data"]["version"], kept[0]);

    let restored = bed.ask("POST", &format!("{one}/versions"), Some(json!({ "versionId": first }))).await;
    let restored = restored.body["data"]["version"].clone();
    assert_eq!((&restored["code"], &restored["isDeployed"]), (&json!(CODE), &json!(false)));
    assert_ne!(restored["id"], kept[0]["id"], "a copy");
    assert_eq!(state().await, (json!(false), true, json!(CODE)));
    bed.ask("POST", &deploy, None).await;
    assert_eq!(state().await.0, json!(true));
    assert_eq!(versions(&bed, &one).await.len(), 3);

    let answer = bed.ask("POST", &format!("{one}/versions"), Some(json!({ "versionId": "none" }))).await;
    assert_eq!(fields(&answer), ["versionId"]);
    let (_, other) = bed.make("/functions", "function", function("DESTINATION")).await;
    assert_eq!(bed.get(&format!("{other}/versions/{first}")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_function_that_can_not_be_is_refused_and_what_it_is_for_never_changes() {
    let bed = Bed::new();
    let twice = [setting("a", "STRING", true, true), setting("a", "ARRAY", true, true)];
    for (change, field) in [
        (json!({ "code": "" }), "code"),
        (json!({ "code": "x".repeat(100 * 1024 + 1) }), "code"),
        (json!({ "code": "é".repeat(60 * 1024) }), "code"),
        (json!({ "resourceType": "WAREHOUSE" }), "resourceType"),
        (json!({ "displayName": "a\nb" }), "displayName"),
        (json!({ "settings": twice }), "settings.1.name"),
        (json!({ "settings": [setting("a-b", "STRING", true, true)] }), "settings.0.name"),
        (json!({ "settings": [setting("a", "NUMBER", true, true)] }), "settings.0.type"),
        (json!({ "logoUrl": "javascript:alert(1)" }), "logoUrl"),
        (json!({ "deployedAt": "2026-11-24T10:00:00Z" }), "deployedAt"),
    ] {
        let mut body = function("SOURCE");
        body.as_object_mut().expect("an object").extend(change.as_object().cloned().expect("an object"));
        assert_eq!(fields(&bed.ask("POST", "/functions", Some(body)).await), [field]);
    }
    let (_, one) = bed.make("/functions", "function", function("SOURCE")).await;
    for (change, field) in
        [(json!({ "resourceType": "DESTINATION" }), "resourceType"), (json!({ "createdBy": "x" }), "createdBy")]
    {
        assert_eq!(fields(&bed.ask("PATCH", &one, Some(change)).await), [field]);
    }
    let tag = bed.tag(&one).await;
    bed.ask("PATCH", &one, Some(json!({ "code": "// two" }))).await;
    assert_eq!(
        bed.ask_if(&tag, "PATCH", &one, Some(json!({ "code": "// three" }))).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    assert_eq!(bed.ask_if(&tag, "DELETE", &one, None).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(versions(&bed, &one).await.len(), 2, "a change that was refused made no version");
}

#[tokio::test]
async fn a_function_is_put_in_with_values_and_gives_no_sensitive_one_back() {
    let bed = Bed::new();
    let (made, one) = bed.make("/functions", "function", function("INSERT_DESTINATION")).await;
    let (function_id, integration) = (made["id"].clone(), destination(&bed).await);
    let new = |settings: Value| json!({ "functionId": function_id, "integrationId": integration, "name": "Before the webhook", "settings": settings });
    for (settings, field) in [
        (json!({}), "settings.apiKey"),
        (json!({ "apiKey": 5 }), "settings.apiKey"),
        (json!({ "apiKey": "s", "tags": "a" }), "settings.tags"),
        (json!({ "apiKey": "s", "colour": "red" }), "settings.colour"),
    ] {
        assert_eq!(fields(&bed.ask("POST", "/insert-function-instances", Some(new(settings))).await), [field]);
    }
    let good = new(json!({ "apiKey": "s3cret", "tags": ["a"] }));
    let (instance, at) = bed.make("/insert-function-instances", "insertFunctionInstance", good.clone()).await;
    assert_eq!(
        (&instance["settings"], &instance["encryptedSettings"]),
        (&json!({ "tags": ["a"] }), &json!({ "apiKey": "********" }))
    );
    assert_eq!((&instance["classId"], &instance["integrationId"]), (&function_id, &json!(integration)));
    assert_eq!(instance["enabled"], json!(false));
    assert_eq!(
        bed.ask("POST", "/insert-function-instances", Some(good)).await.status,
        StatusCode::CONFLICT,
        "one at each"
    );
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::CONFLICT, "it is put in");

    let change = json!({ "enabled": true, "settings": { "tags": ["b"] } });
    let changed = bed.ask("PATCH", &at, Some(change)).await.body["data"]["insertFunctionInstance"].clone();
    assert_eq!(
        (&changed["settings"], &changed["encryptedSettings"]),
        (&json!({ "tags": ["b"] }), &instance["encryptedSettings"])
    );
    for (query, count) in [
        ("".to_owned(), 1),
        (format!("?functionId={}", function_id.as_str().expect("an id")), 1),
        ("?functionId=x".to_owned(), 0),
    ] {
        let listed = bed.get(&format!("/insert-function-instances{query}")).await.body["data"]["instances"].clone();
        assert_eq!(listed.as_array().map(Vec::len), Some(count), "{query}");
    }

    // A setting that becomes sensitive takes its value along.
    let settings = [setting("apiKey", "STRING", true, true), setting("tags", "ARRAY", false, true)];
    bed.ask("PATCH", &one, Some(json!({ "settings": settings }))).await;
    let sealed = bed.get(&at).await.body["data"]["insertFunctionInstance"].clone();
    assert_eq!((&sealed["settings"], &sealed["encryptedSettings"]["tags"]), (&json!({}), &json!("********")));
    // One that no longer is loses it: what was sealed is not opened.
    let settings = [setting("apiKey", "STRING", true, false), setting("tags", "ARRAY", false, true)];
    assert_eq!(bed.ask("PATCH", &one, Some(json!({ "settings": settings }))).await.status, StatusCode::OK);
    let opened = bed.get(&at).await.body["data"]["insertFunctionInstance"].clone();
    assert_eq!((&opened["settings"], &opened["encryptedSettings"]), (&json!({}), &json!({ "tags": "********" })));
    let anew = bed.ask("PATCH", &at, Some(json!({ "settings": {} }))).await;
    assert_eq!(fields(&anew), ["settings.apiKey"], "it has to be given anew");
    let trail = bed.get("/audit-events").await.body.to_string();
    assert!(trail.contains("Function Instance") && !trail.contains("s3cret"), "{trail}");

    bed.ask("DELETE", &format!("/destinations/{integration}"), None).await;
    assert_eq!(bed.get(&at).await.status, StatusCode::NOT_FOUND, "it goes with what it was put in at");
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_insert_functions_of_the_workspace_are_put_in_at_what_it_has() {
    let bed = Bed::new();
    let (stranger, foreign) = bed.stranger();
    let id = async |kind: &str| {
        bed.make("/functions", "function", function(kind)).await.0["id"].as_str().expect("an id").to_owned()
    };
    let (of_source, of_destination, plain) =
        (id("INSERT_SOURCE").await, id("INSERT_DESTINATION").await, id("DESTINATION").await);
    let integration = destination(&bed).await;
    let web = bed.source_id("web");
    for (function, integration, expected) in [
        (&plain, integration.as_str(), Err("functionId")),
        (&"none".to_owned(), &integration, Err("functionId")),
        (&of_destination, &web, Err("integrationId")),
        (&of_source, &integration, Err("integrationId")),
        (&of_source, foreign.as_str(), Err("integrationId")),
        (&of_source, &web, Ok(())),
    ] {
        let body =
            json!({ "functionId": function, "integrationId": integration, "name": "x", "settings": { "apiKey": "s" } });
        let answer = bed.ask("POST", "/insert-function-instances", Some(body)).await;
        match expected {
            Err(field) => assert_eq!(fields(&answer), [field]),
            Ok(()) => assert_eq!(answer.status, StatusCode::OK, "{}", answer.body),
        }
    }
    let listed = bed.get("/insert-function-instances").await.body["data"]["instances"].clone();
    let at = format!("/insert-function-instances/{}", listed[0]["id"].as_str().expect("an id"));
    for (method, path, body) in [
        ("GET", at.clone(), None),
        ("PATCH", at.clone(), Some(json!({ "settings": {} }))),
        ("DELETE", at.clone(), None),
        ("GET", format!("/functions/{plain}"), None),
        ("PATCH", format!("/functions/{plain}"), Some(json!({ "code": "// mine" }))),
        ("POST", format!("/functions/{plain}/deploy"), None),
        ("GET", format!("/functions/{plain}/versions"), None),
        ("DELETE", format!("/functions/{plain}"), None),
    ] {
        assert_eq!(bed.ask_as(&stranger, method, &path, body).await.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
}
