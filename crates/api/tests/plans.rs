//! Tracking plans and their rules, and transformations: kept and checked.

use crate::asks::fields;
use crate::bed::Bed;
use domicile_control::{Actor, Change, Grant, Grants, Held, NewToken, Role};
use http::StatusCode;
use serde_json::{Value, json};

async fn plan(bed: &Bed) -> String {
    bed.make("/tracking-plans", "trackingPlan", json!({ "name": "Web", "type": "LIVE" })).await.1
}

fn rule(key: &str, version: u64) -> Value {
    let schema = json!({
        "type": "object", "required": ["properties"],
        "properties": { "properties": { "type": "object", "properties": { "plan": { "type": ["string", "null"] } } } },
    });
    json!({ "type": "TRACK", "key": key, "version": version, "jsonSchema": schema })
}

/// `TYPE key version` of each rule.
async fn rules(bed: &Bed, plan: &str) -> Vec<String> {
    let answer = bed.get(&format!("{plan}/rules")).await;
    let rules = answer.body["data"]["rules"].as_array().cloned().expect("a list");
    let told = |rule: &Value| {
        format!("{} {} {}", rule["type"].as_str().unwrap_or("?"), rule["key"].as_str().unwrap_or("-"), rule["version"])
    };
    rules.iter().map(told).collect()
}

async fn put(bed: &Bed, plan: &str, rules: Value) -> StatusCode {
    bed.ask("PUT", &format!("{plan}/rules"), Some(json!({ "rules": rules }))).await.status
}

#[tokio::test]
async fn a_plan_is_made_listed_changed_and_deleted_with_its_rules() {
    let bed = Bed::new();
    let new = json!({ "name": "Web", "description": "What the site sends", "type": "LIVE" });
    let (made, one) = bed.make("/tracking-plans", "trackingPlan", new).await;
    assert!(made["id"].as_str().is_some_and(|id| id.starts_with("tp_")), "{made}");
    assert_eq!(bed.get(&one).await.body["data"]["trackingPlan"], made);
    bed.make("/tracking-plans", "trackingPlan", json!({ "name": "Rules", "type": "RULE_LIBRARY" })).await;
    for (query, count) in [("", 2), ("?type=LIVE", 1), ("?type=TEMPLATE", 0)] {
        let listed = bed.get(&format!("/tracking-plans{query}")).await.body["data"].clone();
        assert_eq!(listed["trackingPlans"].as_array().map(Vec::len), Some(count), "{query}");
        assert_eq!(listed["pagination"]["totalEntries"], count, "{query}");
    }
    let changed = bed.ask("PATCH", &one, Some(json!({ "name": "Site" }))).await;
    assert_eq!(changed.body["data"], json!({ "status": "SUCCESS" }));
    let after = bed.get(&one).await.body["data"]["trackingPlan"].clone();
    assert_eq!((&after["name"], &after["description"]), (&json!("Site"), &made["description"]));
    assert_eq!(put(&bed, &one, json!([rule("Order", 1)])).await, StatusCode::OK);
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::OK);
    for path in [one.clone(), format!("{one}/rules"), format!("{one}/sources")] {
        assert_eq!(bed.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn rules_are_replaced_changed_and_deleted_by_type_key_and_version() {
    let bed = Bed::new();
    let plan = plan(&bed).await;
    let identify = json!({ "type": "IDENTIFY", "version": 1, "jsonSchema": {} });
    assert_eq!(put(&bed, &plan, json!([rule("Order", 1), identify, rule("Order", 2)])).await, StatusCode::OK);
    assert_eq!(rules(&bed, &plan).await, ["TRACK Order 1", "IDENTIFY - 1", "TRACK Order 2"]);

    // The same once more changes nothing, and makes no new version.
    let tag = bed.tag(&plan).await;
    put(&bed, &plan, json!([rule("Order", 1), identify, rule("Order", 2)])).await;
    assert_eq!(bed.tag(&plan).await, tag);

    put(&bed, &plan, json!([rule("Cart", 1), rule("Order", 1)])).await;
    assert_eq!(rules(&bed, &plan).await, ["TRACK Order 1", "TRACK Cart 1"]);
    assert_ne!(bed.tag(&plan).await, tag, "a change of rules is a change of the plan");

    let mut renamed = rule("Cart", 1);
    renamed["newKey"] = json!("Basket");
    renamed["jsonSchema"] = json!({ "type": "object" });
    let gone = json!({ "type": "TRACK", "key": "Order", "version": 1, "jsonSchema": null });
    let changes = json!({ "rules": [renamed, gone, rule("New", 1)] });
    let answer = bed.ask("PATCH", &format!("{plan}/rules"), Some(changes)).await;
    assert_eq!(answer.body["data"], json!({ "status": "SUCCESS" }));
    assert_eq!(rules(&bed, &plan).await, ["TRACK Basket 1", "TRACK New 1"]);

    for path in [
        format!("{plan}/rules?rules[0][type]=TRACK&rules[0][key]=Basket&rules[0][version]=1"),
        format!("{plan}/rules?rules.0.type=TRACK&rules.0.key=New&rules.0.version=1"),
    ] {
        assert_eq!(bed.ask("DELETE", &path, None).await.status, StatusCode::OK);
    }
    assert_eq!(rules(&bed, &plan).await, Vec::<String>::new());
}

#[tokio::test]
async fn rules_that_can_not_be_are_refused_with_their_place_and_none_is_kept() {
    let bed = Bed::new();
    let plan = plan(&bed).await;
    let with = |schema: Value| json!({ "type": "TRACK", "key": "A", "version": 1, "jsonSchema": schema });
    for (rules, field) in [
        (json!([rule("A", 1), with(json!({ "type": "text" }))]), "rules.1.jsonSchema.type"),
        (
            json!([with(json!({ "properties": { "a": { "pattern": "a(?!b)" } } }))]),
            "rules.0.jsonSchema.properties.a.pattern",
        ),
        (json!([with(json!({ "$ref": "https://example.com/schema" }))]), "rules.0.jsonSchema.$ref"),
        (json!([with(json!(null))]), "rules.0.jsonSchema"),
        (json!([with(json!("object"))]), "rules.0.jsonSchema"),
        (json!([rule("A", 1), rule("B", 1), rule("A", 1)]), "rules.2"),
        (json!([{ "type": "TRACK", "version": 1, "jsonSchema": {} }]), "rules.0.key"),
        (json!([{ "type": "CLICK", "key": "A", "version": 1, "jsonSchema": {} }]), "rules.0.type"),
        (json!([{ "type": "TRACK", "key": "A", "version": -1, "jsonSchema": {} }]), "rules.0.version"),
        (json!([{ "type": "TRACK", "key": "A", "jsonSchema": {} }]), "rules.0.version"),
        (json!((0..2_001).map(|n| rule(&format!("E{n}"), 1)).collect::<Vec<_>>()), "rules"),
    ] {
        let answer = bed.ask("PUT", &format!("{plan}/rules"), Some(json!({ "rules": rules }))).await;
        assert_eq!(fields(&answer), [field]);
    }
    let gone = json!({ "type": "TRACK", "key": "None", "version": 1, "jsonSchema": null });
    let answer = bed.ask("PATCH", &format!("{plan}/rules"), Some(json!({ "rules": [rule("A", 1), gone] }))).await;
    assert_eq!(fields(&answer), ["rules.1"]);
    for (query, field) in
        [("", "rules"), ("?rules[0][type]=TRACK", "rules.0.version"), ("?rules=TRACK", "rules.0.type")]
    {
        let answer = bed.ask("DELETE", &format!("{plan}/rules{query}"), None).await;
        assert_eq!(fields(&answer)[0], field, "{query}");
    }
    assert_eq!(rules(&bed, &plan).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_change_of_rules_that_others_changed_meanwhile_is_refused_whole() {
    let bed = Bed::new();
    let plan = plan(&bed).await;
    let tag = bed.tag(&plan).await;
    put(&bed, &plan, json!([rule("Order", 1)])).await;
    let path = format!("{plan}/rules");
    let stale = bed.ask_if(&tag, "PUT", &path, Some(json!({ "rules": [] }))).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let stale = bed.ask_if(&tag, "PATCH", &path, Some(json!({ "rules": [rule("Cart", 1)] }))).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    let stale = bed
        .ask_if(&tag, "DELETE", &format!("{path}?rules[0][type]=TRACK&rules[0][key]=Order&rules[0][version]=1"), None)
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(bed.ask_if(&tag, "DELETE", &plan, None).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(rules(&bed, &plan).await, ["TRACK Order 1"]);
}

#[tokio::test]
async fn a_source_has_one_plan_and_goes_on_without_it() {
    let bed = Bed::new();
    let (first, second) = (plan(&bed).await, plan(&bed).await);
    let (web, source) = (bed.source_id("web"), format!("/sources/{}", bed.source_id("web")));
    let add =
        async |plan: &str| bed.ask("POST", &format!("{plan}/sources"), Some(json!({ "sourceId": web }))).await.status;
    assert_eq!((add(&first).await, add(&first).await), (StatusCode::OK, StatusCode::OK), "twice is once");
    assert_eq!(add(&second).await, StatusCode::CONFLICT);
    let id = first.rsplit('/').next().expect("an id").to_owned();
    assert_eq!(bed.get(&source).await.body["data"]["trackingPlanId"], json!(id));
    let listed = bed.get(&format!("{first}/sources")).await.body["data"].clone();
    assert_eq!((&listed["sources"][0]["id"], &listed["pagination"]["totalEntries"]), (&json!(web), &json!(1)));
    let remove = async |plan: &str| bed.ask("DELETE", &format!("{plan}/sources?sourceId={web}"), None).await.status;
    assert_eq!(remove(&second).await, StatusCode::NOT_FOUND);
    assert_eq!(remove(&first).await, StatusCode::OK);
    assert_eq!(add(&second).await, StatusCode::OK);
    assert_eq!(bed.ask("DELETE", &second, None).await.status, StatusCode::OK);
    assert_eq!(bed.get(&source).await.body["data"]["trackingPlanId"], Value::Null);

    add(&first).await;
    bed.ask("DELETE", &source, None).await;
    assert_eq!(bed.get(&format!("{first}/sources")).await.body["data"]["sources"], json!([]));
}

#[tokio::test]
async fn a_plan_of_another_workspace_is_not_there_and_takes_no_foreign_source() {
    let bed = Bed::new();
    let plan = plan(&bed).await;
    let (stranger, foreign) = bed.stranger();
    let source = Some(json!({ "sourceId": bed.source_id("web") }));
    for (method, path, body) in [
        ("GET", plan.clone(), None),
        ("PATCH", plan.clone(), Some(json!({ "name": "x" }))),
        ("DELETE", plan.clone(), None),
        ("GET", format!("{plan}/rules"), None),
        ("PUT", format!("{plan}/rules"), Some(json!({ "rules": [] }))),
        ("PATCH", format!("{plan}/rules"), Some(json!({ "rules": [] }))),
        ("DELETE", format!("{plan}/rules?rules[0][type]=TRACK&rules[0][key]=A&rules[0][version]=1"), None),
        ("GET", format!("{plan}/sources"), None),
        ("POST", format!("{plan}/sources"), source),
        ("DELETE", format!("{plan}/sources?sourceId={foreign}"), None),
    ] {
        let answer = bed.ask_as(&stranger, method, &path, body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    let taken = bed.ask("POST", &format!("{plan}/sources"), Some(json!({ "sourceId": foreign.as_str() }))).await;
    assert_eq!(taken.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn schema_settings_are_laid_over_each_other_and_forward_only_to_the_workspaces_own_sources() {
    let bed = Bed::new();
    let path = format!("/sources/{}/settings", bed.source_id("web"));
    let settings = async |answer: crate::bed::Answer| answer.body["data"]["settings"].clone();
    assert_eq!(settings(bed.get(&path).await).await, json!({}));
    let change =
        json!({ "track": { "allowUnplannedEvents": false }, "forwardingViolationsTo": bed.source_id("server") });
    assert_eq!(settings(bed.ask("PATCH", &path, Some(change.clone())).await).await, change);
    let more = json!({ "track": { "commonEventOnViolations": "BLOCK" }, "group": { "allowUnplannedTraits": false } });
    let expected = json!({
        "track": { "allowUnplannedEvents": false, "commonEventOnViolations": "BLOCK" },
        "group": { "allowUnplannedTraits": false },
    });
    assert_eq!(settings(bed.ask("PATCH", &path, Some(more)).await).await, expected);
    let (_, foreign) = bed.stranger();
    for (bad, field) in [
        (json!({ "forwardingViolationsTo": foreign.as_str() }), "forwardingViolationsTo"),
        (json!({ "forwardingBlockedEventsTo": bed.source_id("web") }), "forwardingBlockedEventsTo"),
        (json!({ "forwardingBlockedEventsTo": "" }), "forwardingBlockedEventsTo"),
        (json!({ "track": { "commonEventOnViolations": "OMIT_TRAITS" } }), "track.commonEventOnViolations"),
        (json!({ "page": {} }), "page"),
    ] {
        assert_eq!(fields(&bed.ask("PATCH", &path, Some(bad)).await), [field]);
    }
    assert_eq!(settings(bed.get(&path).await).await, expected);
}

fn transformation(bed: &Bed, condition: &str) -> Value {
    json!({ "name": "Rename", "sourceId": bed.source_id("web"), "enabled": true, "if": condition, "newEventName": "Order" })
}

#[tokio::test]
async fn a_transformation_is_made_listed_changed_and_deleted() {
    let bed = Bed::new();
    let mut new = transformation(&bed, "event = 'order'");
    new["propertyRenames"] = json!([{ "oldName": "properties.a", "newName": "properties.b" }]);
    new["hashPropertiesConfiguration"] = json!({ "algorithm": "SHA256", "key": "k3y", "paths": ["properties.email"] });
    let (made, one) = bed.make("/transformations", "transformation", new).await;
    assert_eq!(made["secrets"], json!(["hashPropertiesConfiguration.key"]));
    assert!(!made.to_string().contains("k3y"), "{made}");
    assert_eq!(bed.get(&one).await.body["data"]["transformation"], made);
    assert_eq!(bed.get("/transformations").await.body["data"]["transformations"], json!([made]));

    // Who changes the paths does not know the key, and keeps it.
    let hash = json!({ "algorithm": "sha512", "encoding": "HEX", "paths": ["properties.phone"] });
    let change =
        json!({ "hashPropertiesConfiguration": hash, "newEventName": null, "sourceId": bed.source_id("server") });
    let changed = bed.ask("PATCH", &one, Some(change)).await.body["data"]["transformation"].clone();
    assert_eq!((&changed["hashPropertiesConfiguration"], &changed["secrets"]), (&hash, &made["secrets"]));
    assert!(
        changed.get("newEventName").is_none() && changed["sourceId"] == bed.source_id("server").as_str(),
        "{changed}"
    );
    let mut without = hash.clone();
    without["key"] = json!(null);
    let changed = bed.ask("PATCH", &one, Some(json!({ "hashPropertiesConfiguration": without }))).await;
    assert_eq!(changed.body["data"]["transformation"]["secrets"], json!([]));

    let trail = bed.get(&format!("/audit-events?resourceId={}", made["id"].as_str().expect("an id"))).await;
    assert!(!trail.body.to_string().contains("k3y"));
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::OK);
    assert_eq!(bed.get(&one).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_transformation_that_can_not_be_is_refused() {
    let bed = Bed::new();
    let value = json!({ "propertyPaths": ["properties.a"], "propertyValue": "1" });
    let defined = json!({ "fql": "lowercase(properties.a)", "propertyName": "b" });
    let (_, foreign) = bed.stranger();
    for (change, field) in [
        (json!({ "if": "event = " }), "if"),
        (json!({ "destinationMetadataId": "nowhere" }), "destinationMetadataId"),
        (json!({ "propertyValueTransformations": vec![value.clone(); 11] }), "propertyValueTransformations"),
        (json!({ "fqlDefinedProperties": [defined, defined] }), "fqlDefinedProperties"),
        (json!({ "fqlDefinedProperties": [defined], "propertyValueTransformations": [value] }), "fqlDefinedProperties"),
        (json!({ "fqlDefinedProperties": [{ "fql": "(", "propertyName": "b" }] }), "fqlDefinedProperties.0.fql"),
        (json!({ "propertyRenames": [{ "oldName": "a", "newName": "a" }] }), "propertyRenames.0.oldName"),
        (
            json!({ "hashPropertiesConfiguration": { "algorithm": "rot13", "paths": ["a"] } }),
            "hashPropertiesConfiguration.algorithm",
        ),
        (
            json!({ "hashPropertiesConfiguration": { "algorithm": "md5", "paths": [] } }),
            "hashPropertiesConfiguration.paths",
        ),
        (
            json!({ "hashPropertiesConfiguration": { "algorithm": "md5", "paths": ["a"], "encoding": "hex" } }),
            "hashPropertiesConfiguration.encoding",
        ),
        (json!({ "region": "is-east" }), "region"),
    ] {
        let mut body = transformation(&bed, "all");
        body.as_object_mut().expect("an object").extend(change.as_object().cloned().expect("an object"));
        assert_eq!(fields(&bed.ask("POST", "/transformations", Some(body)).await), [field], "{change}");
    }
    let mut body = transformation(&bed, "all");
    body["sourceId"] = json!(foreign.as_str());
    assert_eq!(bed.ask("POST", "/transformations", Some(body)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.get("/transformations").await.body["data"]["transformations"], json!([]));
}

#[tokio::test]
async fn one_source_condition_and_destination_has_one_transformation() {
    let bed = Bed::new();
    let (_, one) =
        bed.make("/transformations", "transformation", transformation(&bed, "event = 'a' and type = 'track'")).await;
    // The same condition, spelled otherwise.
    let again = transformation(&bed, "(event='a')   and type=\"track\"");
    assert_eq!(bed.ask("POST", "/transformations", Some(again.clone())).await.status, StatusCode::CONFLICT);
    let mut of_webhook = again.clone();
    of_webhook["destinationMetadataId"] = json!("webhook");
    let (_, other) = bed.make("/transformations", "transformation", of_webhook).await;
    let change = Some(json!({ "destinationMetadataId": null }));
    assert_eq!(bed.ask("PATCH", &other, change).await.status, StatusCode::CONFLICT);
    let tag = bed.tag(&one).await;
    assert_eq!(bed.ask_if(&tag, "PATCH", &one, Some(json!({ "enabled": false }))).await.status, StatusCode::OK);
    assert_eq!(
        bed.ask_if(&tag, "PATCH", &one, Some(json!({ "enabled": true }))).await.status,
        StatusCode::PRECONDITION_FAILED
    );
    let (stranger, _) = bed.stranger();
    assert_eq!(bed.ask_as(&stranger, "GET", &one, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.ask_as(&stranger, "DELETE", &one, None).await.status, StatusCode::NOT_FOUND);
    bed.ask("DELETE", &format!("/sources/{}", bed.source_id("web")), None).await;
    assert_eq!(
        bed.get("/transformations").await.body["data"]["transformations"],
        json!([]),
        "they go with their source"
    );
}

/// A token of the demo workspace with these roles.
fn token(bed: &Bed, grants: Vec<Grant>) -> String {
    let new = NewToken { grants: Grants(grants), ..NewToken::new("limited") };
    let make = |change: &mut Change<'_>| change.create_token(&bed.demo.id, &new, &Grants::owner());
    bed.cell.control.change(&Actor::Operator, make).expect("makes a token").token
}

fn held_for(role: Role, id: &str) -> Grant {
    Grant { role, held: vec![Held::One { id: id.to_owned() }] }
}

#[tokio::test]
async fn a_role_for_one_source_reaches_its_transformations_and_plan_and_no_others() {
    let bed = Bed::new();
    let (web, server) = (bed.source_id("web"), bed.source_id("server"));
    let (_, of_web) = bed.make("/transformations", "transformation", transformation(&bed, "all")).await;
    let mut other = transformation(&bed, "all");
    other["sourceId"] = json!(server);
    let (_, of_server) = bed.make("/transformations", "transformation", other.clone()).await;
    let plan = plan(&bed).await;
    bed.ask("POST", &format!("{plan}/sources"), Some(json!({ "sourceId": server }))).await;
    bed.ask("POST", &format!("{plan}/sources"), Some(json!({ "sourceId": web }))).await;

    let reader = token(&bed, vec![held_for(Role::SourceReadOnly, &web), Grant::whole(Role::TrackingPlanReadOnly)]);
    let admin = token(&bed, vec![held_for(Role::SourceAdmin, &web), Grant::whole(Role::TrackingPlanAdmin)]);
    let of_plans = token(&bed, vec![Grant::whole(Role::TrackingPlanAdmin)]);
    let disable = || Some(json!({ "enabled": false }));
    let add = |source: &str| Some(json!({ "sourceId": source }));
    for (who, method, path, body, status) in [
        (&reader, "GET", of_web.clone(), None, 200),
        (&reader, "GET", of_server.clone(), None, 404),
        (&reader, "PATCH", of_web.clone(), disable(), 403),
        (&reader, "DELETE", of_web.clone(), None, 403),
        (&reader, "POST", "/transformations".to_owned(), Some(transformation(&bed, "type = 'page'")), 403),
        (&reader, "POST", format!("{plan}/sources"), add(&web), 403),
        (&admin, "PATCH", of_web.clone(), disable(), 200),
        (&admin, "PATCH", of_web.clone(), add(&server), 404),
        (&admin, "PATCH", of_server.clone(), disable(), 404),
        (&admin, "POST", "/transformations".to_owned(), Some(other), 404),
        (&admin, "DELETE", format!("{plan}/sources?sourceId={server}"), None, 404),
        (&admin, "DELETE", format!("{plan}/sources?sourceId={web}"), None, 200),
        (&admin, "POST", format!("{plan}/sources"), add(&web), 200),
        (&admin, "GET", "/functions".to_owned(), None, 403),
        (&of_plans, "POST", format!("{plan}/sources"), add(&web), 403),
        (&of_plans, "PATCH", plan.clone(), Some(json!({ "name": "Mine" })), 200),
        (&of_plans, "GET", of_web.clone(), None, 403),
    ] {
        let answer = bed.ask_as(who, method, &path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.body);
    }
    for (path, name) in [("/transformations".to_owned(), "transformations"), (format!("{plan}/sources"), "sources")] {
        let seen = bed.ask_as(&reader, "GET", &path, None).await.body["data"].clone();
        assert_eq!(seen[name].as_array().map(Vec::len), Some(1), "{path}: {seen}");
        assert_eq!(seen["pagination"]["totalEntries"], 1, "what is not seen is not counted");
    }
}
