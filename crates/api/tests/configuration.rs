//! Sources, destinations, workspaces and regions.

use crate::bed::Bed;
use http::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn a_source_lives_from_post_to_delete() {
    let bed = Bed::new();
    let made = bed
        .ask("POST", "/sources", Some(json!({"slug": "app", "enabled": true, "metadataId": "mobile", "settings": {}})))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let source = &made.body["data"]["source"];
    let shown = ["slug", "name", "enabled", "ingestionRegion", "strict", "rateLimit", "labels", "settings"];
    let shown: Vec<_> = shown.iter().map(|field| &source[*field]).collect();
    assert_eq!(json!(shown), json!(["app", "app", true, "zurich", false, null, [], {}]));
    assert_eq!(source["metadata"]["slug"], "mobile");
    assert_eq!(source["workspaceId"], json!(bed.demo.id.as_str()));
    let key = source["writeKeys"][0].as_str().expect("a write key").to_owned();
    let path = format!("/sources/{}", source["id"].as_str().expect("an id"));

    let change = json!({"name": "Our app", "enabled": false, "ingestionRegion": "geneva", "strict": true,
                        "rateLimit": {"perSecond": 5, "burst": 10}});
    let changed = bed.ask("PATCH", &path, Some(change)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let got = bed.get(&path).await;
    assert_eq!(got.body["data"]["source"], changed.body["data"]["source"]);
    assert_eq!(got.body["data"]["trackingPlanId"], Value::Null);
    assert_eq!(got.body["data"]["source"]["rateLimit"], json!({"perSecond": 5, "burst": 10}));
    let unlimited = bed.ask("PATCH", &path, Some(json!({"rateLimit": null}))).await;
    assert_eq!(unlimited.body["data"]["source"]["rateLimit"], Value::Null);
    assert_eq!(unlimited.body["data"]["source"]["ingestionRegion"], "geneva", "what is not named stays");

    let two = bed.ask("POST", &format!("{path}/writekey"), None).await;
    assert_eq!(two.body["data"]["source"]["writeKeys"].as_array().map(Vec::len), Some(2));
    let off = bed.ask("PATCH", &format!("{path}/writekey/{key}"), Some(json!({"enabled": false}))).await;
    assert_eq!(off.body["data"]["source"]["disabledWriteKeys"], json!([key]));
    let deleted = bed.ask("DELETE", &format!("{path}/writekey/{key}"), None).await;
    assert_eq!(deleted.body, json!({"data": {"status": "SUCCESS"}}));
    assert_eq!(bed.ask("DELETE", &format!("{path}/writekey/{key}"), None).await.status, StatusCode::NOT_FOUND);

    assert_eq!(bed.ask("DELETE", &path, None).await.body, json!({"data": {"status": "SUCCESS"}}));
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(bed.ask(method, &path, None).await.status, StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn what_a_source_can_not_be_is_told_by_field() {
    let bed = Bed::new();
    let path = format!("/sources/{}", bed.source_id("web"));
    let good = json!({"slug": "x", "enabled": true, "metadataId": "website"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let cases = [
        ("POST", "/sources", with("slug", json!(null)), "slug"),
        ("POST", "/sources", with("slug", json!("NOT A SLUG")), "slug"),
        ("POST", "/sources", with("enabled", json!("true")), "enabled"),
        ("POST", "/sources", with("metadataId", json!("amazon-s3")), "metadataId"),
        ("POST", "/sources", with("ingestionRegion", json!("dublin")), "ingestionRegion"),
        ("POST", "/sources", with("ingestionRegion", json!("reykjavik")), "ingestionRegion"),
        ("POST", "/sources", with("settings", json!({"a": 1})), "settings.a"),
        ("POST", "/sources", with("settings", json!([])), "settings"),
        ("POST", "/sources", with("workspaceId", json!("other")), "workspaceId"),
        ("POST", "/sources", with("id", json!("mine")), "id"),
        ("POST", "/sources", with("writeKeys", json!(["k"])), "writeKeys"),
        ("POST", "/sources", with("rateLimit", json!({"perSecond": -1, "burst": 1})), "rateLimit.perSecond"),
        ("POST", "/sources", with("rateLimit", json!({"perSecond": 1, "burst": 1, "x": 1})), "rateLimit.x"),
        ("POST", "/sources", with("rateLimit", json!(5)), "rateLimit"),
        ("PATCH", &path, json!({"region": "is-east"}), "region"),
        ("PATCH", &path, json!({"kind": "server"}), "kind"),
        ("PATCH", &path, json!({"name": "a\u{202e}b"}), "name"),
    ];
    for (method, path, body, field) in cases {
        let answer = bed.ask(method, path, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.body["errors"][0]["type"], "input-validation", "{body}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{body}");
    }
    let all = bed.ask("POST", "/sources", Some(json!({"enabled": 1, "region": "x"}))).await;
    let fields: Vec<_> = all.body["errors"].as_array().expect("a list").iter().map(|e| e["field"].clone()).collect();
    assert_eq!(fields, ["slug", "metadataId", "enabled", "region"], "all faults at once");
    let taken = bed.ask("POST", "/sources", Some(with("slug", json!("web")))).await;
    assert_eq!((taken.status, &taken.body["errors"][0]["type"]), (StatusCode::CONFLICT, &json!("conflict")));
}

#[tokio::test]
async fn pages_are_walked_in_both_spellings_of_the_query() {
    let bed = Bed::new();
    for n in 0..5 {
        let body = json!({"slug": format!("s{n}"), "enabled": true, "metadataId": "server"});
        assert_eq!(bed.ask("POST", "/sources", Some(body)).await.status, StatusCode::CREATED);
    }
    let (mut slugs, mut cursor) = (Vec::new(), String::new());
    for (n, count) in ["pagination.count=3", "pagination[count]=3", "pagination%5Bcount%5D=3"].iter().enumerate() {
        let page = bed.get(&format!("/sources?{count}{cursor}")).await.body["data"].take();
        slugs.extend(
            page["sources"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|s| s["slug"].as_str().unwrap_or_default().to_owned()),
        );
        assert_eq!(page["pagination"]["totalEntries"], 7);
        assert_eq!(page["pagination"]["previous"].is_null(), n == 0);
        match page["pagination"]["next"].as_str() {
            Some(next) => cursor = format!("&pagination.cursor={next}"),
            None => assert_eq!(n, 2),
        }
    }
    assert_eq!(slugs, ["web", "server", "s0", "s1", "s2", "s3", "s4"]);
    for bad in [
        "pagination.count=0",
        "pagination.count=1001",
        "pagination.count=x",
        "pagination.count=1&pagination.count=2",
        "pagination.cursor=%00",
        "pagination.cursor=AAAA",
        "other=1",
    ] {
        assert_eq!(bed.get(&format!("/sources?{bad}")).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
}

#[tokio::test]
async fn a_destination_lives_from_post_to_delete_and_never_shows_its_secret() {
    let bed = Bed::new();
    let web = bed.source_id("web");
    let settings = json!({"url": "https://a.example/hook", "country": "CH", "sharedSecret": "correct-horse"});
    let new = json!({"sourceId": web, "metadataId": "webhook", "name": "Hook", "settings": settings});
    let made = bed.ask("POST", "/destinations", Some(new)).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let destination = &made.body["data"]["destination"];
    assert_eq!(destination["settings"], json!({"url": "https://a.example/hook", "country": "CH"}));
    assert_eq!(destination["secrets"], json!(["sharedSecret"]));
    assert_eq!(destination["metadata"]["slug"], "webhook");
    let path = format!("/destinations/{}", destination["id"].as_str().expect("an id"));

    let change = json!({"enabled": false, "settings": {"url": "https://b.example/hook"}});
    let changed = bed.ask("PATCH", &path, Some(change)).await;
    assert_eq!(changed.body["data"]["destination"]["settings"]["url"], "https://b.example/hook");
    assert_eq!(changed.body["data"]["destination"]["settings"]["country"], "CH", "what is not named stays");
    assert_eq!(changed.body["data"]["destination"]["secrets"], json!(["sharedSecret"]));
    let unnamed = bed.ask("PATCH", &path, Some(json!({"name": null}))).await;
    assert_eq!(unnamed.status, StatusCode::OK, "{}", unnamed.body);
    assert_eq!(unnamed.body["data"]["destination"]["name"], destination["metadata"]["name"], "the catalog's name");
    for list in ["/destinations".to_owned(), format!("/sources/{web}/connected-destinations")] {
        let answer = bed.get(&list).await;
        assert_eq!(answer.body["data"]["destinations"].as_array().map(Vec::len), Some(1), "{list}");
        assert!(!answer.body.to_string().contains("correct-horse"));
    }
    for (body, field) in [
        (json!({"settings": {"url": "ftp://x"}}), "settings.url"),
        (json!({"settings": {"country": "Switzerland"}}), "settings.country"),
        (json!({"settings": {"token": "x"}}), "settings.token"),
        (json!({"sourceId": "x"}), "sourceId"),
    ] {
        let answer = bed.ask("PATCH", &path, Some(body)).await;
        assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["field"]), (422, &json!(field)));
    }
    let nowhere = json!({"sourceId": "nobody", "metadataId": "webhook", "settings": {"url": "https://a.example"}});
    assert_eq!(bed.ask("POST", "/destinations", Some(nowhere)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(bed.ask("DELETE", &path, None).await.status, StatusCode::OK);
    assert_eq!(bed.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_workspace_changes_its_name_and_never_its_region() {
    let bed = Bed::new();
    let path = format!("/workspaces/{}", bed.demo.id);
    let own = bed.get("/workspaces").await;
    assert_eq!(own.body["data"]["workspaces"][0]["region"], "ch-north");
    let renamed = bed.ask("PATCH", &path, Some(json!({"name": "New name"}))).await;
    assert_eq!(renamed.body["data"]["workspace"]["name"], "New name");
    for body in [json!({"region": "is-east"}), json!({"name": "x", "region": "ch-north"}), json!({"region": null})] {
        let answer = bed.ask("PATCH", &path, Some(body)).await;
        assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["field"]), (422, &json!("region")));
        assert!(answer.body["errors"][0]["message"].as_str().is_some_and(|text| text.contains("never changes")));
    }
    let after = bed.get(&path).await;
    assert_eq!(after.body["data"]["workspace"], renamed.body["data"]["workspace"]);
}

#[tokio::test]
async fn regions_are_those_of_the_topology_in_its_order() {
    let bed = Bed::new();
    let answer = bed.get("/regions").await;
    let regions = answer.body["data"]["regions"].as_array().expect("a list");
    let told: Vec<_> =
        regions.iter().map(|r| json!([r["id"], r["country"], r["isThisCell"], r["api"], r["isDefault"]])).collect();
    assert_eq!(
        told,
        [json!(["ch-north", "CH", true, "http://127.0.0.1:7100", true]), json!(["is-east", "IS", false, null, false]),]
    );
    assert_eq!(
        regions[0]["ingestPoints"][0],
        json!({"name": "zurich", "country": "CH", "url": "http://127.0.0.1:7101", "remote": false, "preselected": true})
    );
}

#[tokio::test]
async fn what_is_not_offered_in_the_region_can_not_be_made_there_and_the_answer_says_why() {
    let bed = Bed::new();
    let source = |kind: &str| json!({ "slug": kind, "metadataId": kind });
    for (kind, status, told) in [
        ("javascript", 201, ""),
        ("node-js", 201, ""),
        ("activecampaign", 422, "is offered to regions in US only, and ch-north is in CH"),
        ("beamer", 422, "taken in outside the region"),
        ("no-such", 422, "is no source of the catalog"),
    ] {
        let answer = bed.ask("POST", "/sources", Some(source(kind))).await;
        let message = answer.body["errors"][0]["message"].as_str().unwrap_or_default().replace('`', "");
        assert_eq!((answer.status.as_u16(), message.contains(told)), (status, true), "{kind}: {}", answer.body);
    }
    let web = bed.source_id("web");
    let destination = |kind: &str, enabled: bool| json!({ "sourceId": web, "metadataId": kind, "enabled": enabled, "settings": { "apiKey": "k" } });
    for (kind, enabled, status, told) in [
        ("actions-amplitude", false, 200, ""),
        ("actions-amplitude", true, 422, "needs a transfer"),
        ("actions-mixpanel", true, 422, ""),
        ("june", false, 422, "is offered to regions in US only"),
    ] {
        let answer = bed.ask("POST", "/destinations", Some(destination(kind, enabled))).await;
        let message = answer.body["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status.as_u16(), status, "{kind} {enabled}: {}", answer.body);
        let transfer = told.is_empty() || message.contains(told) || message.contains("add a transfer");
        assert!(transfer, "{kind}: {message}");
    }
}

#[tokio::test]
async fn a_workspaces_first_token_outlives_the_token_that_made_the_workspace() {
    let bed = Bed::new();
    let end = domicile_event::Stamp::of(bed.cell.world.clock.now().0 + 3_600_000);
    let new = json!({ "name": "maker", "expiresAt": end.as_str() });
    let maker = bed.ask("POST", "/tokens", Some(new)).await.body["data"]["token"].clone();
    let bearer = maker["token"].as_str().expect("a token");
    let made = bed.ask_as(bearer, "POST", "/workspaces", Some(json!({ "name": "A", "slug": "a" }))).await;
    let first = made.body["data"]["token"]["token"].as_str().expect("its first token").to_owned();
    let listed = bed.ask_as(&first, "GET", "/tokens", None).await;
    assert_eq!(listed.body["data"]["tokens"][0]["expiresAt"], Value::Null, "not the maker's end");
    let path = format!("/tokens/{}", maker["id"].as_str().expect("an id"));
    assert_eq!(bed.ask("DELETE", &path, None).await.status, StatusCode::OK);
    assert_eq!(bed.ask_as(bearer, "GET", "/", None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bed.ask_as(&first, "GET", "/", None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_workspace_is_made_in_this_cells_region_only_and_its_first_token_opens_it() {
    let bed = Bed::new();
    for (body, status, told) in [
        (json!({ "name": "A", "slug": "a" }), 201, ""),
        (json!({ "name": "B", "slug": "b", "region": "ch-north" }), 201, ""),
        (json!({ "name": "C", "slug": "a" }), 409, "has a workspace with the slug"),
        (
            json!({ "name": "D", "slug": "d", "region": "is-east" }),
            422,
            "nothing about a workspace lives outside its region",
        ),
        (json!({ "name": "E", "slug": "e", "region": "mars" }), 422, "none of the topology's: ch-north, is-east"),
        (json!({ "name": "F", "slug": "f", "region": "CH-NORTH" }), 422, "none of the topology's"),
        (json!({ "name": "G", "slug": "g", "plan": "gold" }), 422, "plan"),
        (json!({ "name": "H", "slug": "\u{ff48}" }), 422, "slug"),
    ] {
        let answer = bed.ask("POST", "/workspaces", Some(body.clone())).await;
        let message = answer.body["errors"][0]["message"].as_str().unwrap_or_default();
        assert_eq!((answer.status.as_u16(), message.contains(told)), (status, true), "{body}: {}", answer.body);
        let Some(token) = answer.body["data"]["token"]["token"].as_str() else { continue };
        let own = bed.ask_as(token, "GET", "/", None).await.body["data"]["workspace"].clone();
        assert_eq!((&own["slug"], &own["region"]), (&body["slug"], &json!("ch-north")));
        let sources = bed.ask_as(token, "GET", "/sources", None).await;
        assert_eq!(sources.body["data"]["pagination"]["totalEntries"], 0, "nothing of the demo's is seen");
    }
    let path = format!("/workspaces/{}", bed.demo.id);
    for body in
        [json!({ "region": "is-east" }), json!({ "region": "ch-north" }), json!({ "name": "x", "region": null })]
    {
        let answer = bed.ask("PATCH", &path, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.body["errors"][0]["field"], "region", "{body}");
    }
    assert_eq!(bed.get("/").await.body["data"]["workspace"]["name"], "Acme, Switzerland");
}
