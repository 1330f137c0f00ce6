//! Warehouses: settings, secrets, connections, what is to be synced, and tries through the border.

use crate::bed::Bed;
use domicile_control::{Grant, Grants, Held, Role};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn settings(hostname: &str, port: u16) -> Value {
    json!({ "hostname": hostname, "port": port, "database": "d", "username": "u", "password": "geheim", "country": "CH" })
}

async fn create(bed: &Bed, hostname: &str, port: u16) -> String {
    let new = json!({ "metadataId": "postgres", "name": "Reports", "settings": settings(hostname, port) });
    let made = bed.ask("POST", "/warehouses", Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made.body["data"]["warehouse"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_warehouse_is_made_shown_without_its_password_changed_and_deleted() {
    let bed = Bed::new();
    let id = create(&bed, "db.example", 5432).await;
    let path = format!("/warehouses/{id}");
    let shown = bed.get(&path).await.body["data"]["warehouse"].clone();
    assert_eq!((&shown["settings"]["name"], &shown["secrets"]), (&json!("Reports"), &json!(["password"])));
    assert_eq!(shown["metadata"]["slug"], "postgres");
    assert!(!shown.to_string().contains("geheim"));
    assert_eq!(bed.get("/warehouses").await.body["data"]["warehouses"], json!([shown]));

    // What was read can be written back: the password stays, since it is not named.
    let change = json!({ "enabled": false, "settings": shown["settings"] });
    let same = bed.ask("PATCH", &path, Some(change)).await;
    assert_eq!((same.status, &same.body["data"]["warehouse"]["enabled"]), (StatusCode::OK, &json!(false)));
    assert_eq!(same.body["data"]["warehouse"]["secrets"], json!(["password"]));
    let unnamed = bed.ask("PATCH", &path, Some(json!({ "name": null }))).await;
    assert_eq!(unnamed.body["data"]["warehouse"]["settings"]["name"], "Postgres");
    let without = bed.ask("PATCH", &path, Some(json!({ "settings": { "password": null } }))).await;
    assert_eq!(
        (without.status, &without.body["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("settings.password"))
    );
    let trail = bed.get(&format!("/audit-events?resourceId={id}")).await.body["data"]["events"].clone();
    assert_eq!(trail[0]["type"], "Storage Destination Modified");
    assert!(!trail.to_string().contains("geheim"));

    assert_eq!(bed.ask("DELETE", &path, None).await.status, StatusCode::OK);
    for method in ["GET", "DELETE", "PATCH"] {
        let body = (method == "PATCH").then(|| json!({ "enabled": true }));
        assert_eq!(bed.ask(method, &path, body).await.status, StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn a_warehouse_that_can_not_be_is_refused_by_field() {
    let bed = Bed::new();
    let with = |field: &str, value: Value| {
        let mut settings = settings("db.example", 5432);
        settings[field] = value;
        json!({ "metadataId": "postgres", "settings": settings })
    };
    for (body, field) in [
        (json!({ "metadataId": "postgres" }), "settings"),
        (json!({ "metadataId": "no-such", "settings": {} }), "metadataId"),
        (json!({ "metadataId": "snowflake", "settings": {} }), "metadataId"),
        (json!({ "metadataId": "postgres", "settings": {} }), "settings.hostname"),
        (with("password", Value::Null), "settings.password"),
        (with("port", json!("5432")), "settings.port"),
        (with("country", json!("Switzerland")), "settings.country"),
        (with("schema", json!("x")), "settings.schema"),
        (with("name", json!("a\u{202E}b")), "name"),
    ] {
        let refused = bed.ask("POST", "/warehouses", Some(body.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refused.body["errors"][0]["field"], field, "{body}: {}", refused.body);
    }
    assert_eq!(bed.get("/warehouses").await.body["data"]["warehouses"], json!([]));
}

#[tokio::test]
async fn sources_and_warehouses_are_connected_by_default_and_let_go_of_each_other() {
    let bed = Bed::new();
    let id = create(&bed, "db.example", 5432).await;
    let sources = format!("/warehouses/{id}/connected-sources");
    let count = async |path: &str, name: &str| bed.get(path).await.body["data"][name].as_array().map_or(99, Vec::len);
    let all = count("/sources", "sources").await;
    assert_eq!(count(&sources, "sources").await, all);
    let new = json!({ "slug": "shop", "metadataId": "website", "enabled": true });
    let shop =
        bed.ask("POST", "/sources", Some(new)).await.body["data"]["source"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(count(&sources, "sources").await, all + 1);
    let new = json!({ "slug": "shop-2", "metadataId": "website", "enabled": true, "disconnectAllWarehouses": true });
    assert_eq!(bed.ask("POST", "/sources", Some(new)).await.status, StatusCode::CREATED);
    assert_eq!(count(&sources, "sources").await, all + 1);

    let one = format!("{sources}/{shop}");
    let warehouses = format!("/sources/{shop}/connected-warehouses");
    assert_eq!(count(&warehouses, "warehouses").await, 1);
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::OK);
    assert_eq!(bed.ask("DELETE", &one, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(count(&warehouses, "warehouses").await, 0);
    let connected = bed.ask("POST", &one, None).await;
    assert_eq!((connected.status, &connected.body["data"]["status"]), (StatusCode::CREATED, &json!("CONNECTED")));
    assert_eq!(bed.ask("POST", &one, None).await.status, StatusCode::CREATED, "twice is once");
    assert_eq!(count(&warehouses, "warehouses").await, 1);
    let page = bed.get(&format!("{sources}?pagination.count=1")).await.body["data"].clone();
    assert_eq!(page["sources"].as_array().map(Vec::len), Some(1));
    assert!(page["pagination"]["next"].is_string());
    assert_eq!(bed.ask("POST", &format!("{sources}/nobody"), None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_to_be_synced_is_kept_and_nothing_is_synced() {
    let bed = Bed::new();
    let id = create(&bed, "db.example", 5432).await;
    let web = bed.source_id("web");
    let path = format!("/warehouses/{id}/selective-sync");
    let overrides = json!({ "syncOverrides": [
        { "sourceId": web, "collection": "users", "property": "email", "enabled": false },
        { "sourceId": web, "collection": "pages", "enabled": false },
    ] });
    let updated = bed.ask("PATCH", &path, Some(overrides.clone())).await;
    assert_eq!(updated.body["data"]["status"], "UPDATED", "{}", updated.body);
    assert_eq!(bed.ask("PATCH", &path, Some(overrides)).await.body["data"]["status"], "UNCHANGED");
    let of_source = format!("/warehouses/{id}/connected-sources/{web}");
    let items = bed.get(&format!("{of_source}/selective-syncs")).await.body["data"]["items"].clone();
    assert_eq!(items[0]["collection"], "pages");
    assert_eq!((&items[0]["enabled"], &items[1]["enabled"]), (&json!(false), &json!(true)));
    assert_eq!(items[1]["properties"], json!({ "email": { "enabled": false } }));
    for (body, field) in [
        (json!({ "syncOverrides": [] }), "syncOverrides"),
        (json!({ "syncOverrides": [{ "sourceId": "nobody", "enabled": false }] }), "syncOverrides.0.sourceId"),
        (
            json!({ "syncOverrides": [{ "sourceId": web, "property": "x", "enabled": false }] }),
            "syncOverrides.0.collection",
        ),
        (json!({ "syncOverrides": [{ "sourceId": web }] }), "syncOverrides.0.enabled"),
    ] {
        let refused = bed.ask("PATCH", &path, Some(body.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(refused.body["errors"][0]["field"], field, "{body}");
    }

    let path = format!("/warehouses/{id}/advanced-sync-schedule");
    assert_eq!(bed.get(&path).await.body["data"], json!({ "enabled": false }));
    let wanted = json!({ "enabled": true, "schedule": {
        "times": [{ "hourOfDay": 6, "enabled": true }], "timezone": "Europe/Zurich" } });
    assert_eq!(bed.ask("PUT", &path, Some(wanted.clone())).await.body["data"], wanted);
    assert_eq!(bed.get(&path).await.body["data"], wanted);
    let wrong = json!({ "enabled": true });
    assert_eq!(bed.ask("PUT", &path, Some(wrong)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    for path in [format!("/warehouses/{id}/syncs"), format!("{of_source}/syncs")] {
        assert_eq!(bed.get(&path).await.body["data"]["reports"], json!([]));
    }
    assert_eq!(bed.get("/warehouses/nobody/syncs").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_warehouse_is_changed_in_the_version_that_was_read_and_by_nobody_else() {
    let bed = Bed::new();
    let id = create(&bed, "db.example", 5432).await;
    let path = format!("/warehouses/{id}");
    let tag = bed.tag(&path).await;
    let change = || Some(json!({ "enabled": false }));
    assert_eq!(bed.ask_if(&tag, "PATCH", &path, change()).await.status, StatusCode::OK);
    let stale = bed.ask_if(&tag, "PATCH", &path, Some(json!({ "enabled": true }))).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(bed.ask_if(&tag, "DELETE", &path, None).await.status, StatusCode::PRECONDITION_FAILED);

    let (stranger, _) = bed.stranger();
    let reader = bed.token(&Grants(vec![Grant::whole(Role::WarehouseReadOnly)]));
    let second = create(&bed, "db2.example", 5432).await;
    let held = vec![Held::One { id: second.clone() }];
    let other = bed.token(&Grants(vec![Grant { role: Role::WarehouseAdmin, held }]));
    let connect = format!("{path}/connected-sources/{}", bed.source_id("web"));
    for (token, method, path, expected) in [
        (&stranger, "GET", &path, StatusCode::NOT_FOUND),
        (&stranger, "PATCH", &path, StatusCode::NOT_FOUND),
        (&stranger, "DELETE", &path, StatusCode::NOT_FOUND),
        (&stranger, "POST", &connect, StatusCode::NOT_FOUND),
        (&reader, "GET", &path, StatusCode::OK),
        (&reader, "PATCH", &path, StatusCode::FORBIDDEN),
        (&reader, "POST", &connect, StatusCode::FORBIDDEN),
        (&other, "GET", &path, StatusCode::NOT_FOUND),
        (&other, "PATCH", &path, StatusCode::NOT_FOUND),
    ] {
        let body = if method == "PATCH" { change() } else { None };
        assert_eq!(bed.ask_as(token, method, path, body).await.status, expected, "{method} {path}");
    }
    let seen = bed.ask_as(&other, "GET", "/warehouses", None).await;
    let seen = seen.body["data"]["warehouses"].as_array().cloned().expect("a list");
    assert_eq!(seen.iter().map(|warehouse| &warehouse["id"]).collect::<Vec<_>>(), [&json!(second)]);
}

/// Tries these settings.
async fn validate(bed: &Bed, settings: Value) -> Value {
    let body = json!({ "metadataId": "postgres", "settings": settings });
    let answer = bed.ask("POST", "/warehouses/validation", Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(!answer.body.to_string().contains("geheim"));
    answer.body["data"].clone()
}

#[tokio::test]
async fn the_borders_no_is_told_as_such() {
    let bed = Bed::new();
    for (hostname, country, refused) in [
        ("127.0.0.1", json!("US"), "country_refused"),
        ("127.0.0.1", Value::Null, "country_undeclared"),
        ("10.1.2.3", json!("CH"), "address_refused"),
    ] {
        let mut settings = settings(hostname, 5432);
        settings["country"] = country;
        if settings["country"].is_null() {
            settings.as_object_mut().expect("an object").remove("country");
        }
        let told = validate(&bed, settings).await;
        assert_eq!((&told["status"], &told["refused"]), (&json!("FAILED"), &json!(refused)), "{told}");
        assert!(told["reason"].as_str().expect("a sentence").contains("the border of ch-north refuses"), "{told}");
    }
}

#[tokio::test]
async fn a_host_that_is_no_database_fails_with_a_reason() {
    let bed = Bed::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 8];
            let _ = stream.read_exact(&mut asked).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let told = validate(&bed, settings("127.0.0.1", port)).await;
    assert_eq!((&told["status"], &told["refused"]), (&json!("FAILED"), &Value::Null), "{told}");
    let id = create(&bed, "127.0.0.1", port).await;
    let state = bed.get(&format!("/warehouses/{id}/connection-state")).await.body["data"].clone();
    assert_eq!((&state["connectionState"], state["reason"].is_string()), (&json!("FAILED"), true));
    let other = json!({ "metadataId": "bigquery", "settings": {} });
    let refused = bed.ask("POST", "/warehouses/validation", Some(other)).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("metadataId"))
    );
    assert_eq!(bed.get("/warehouses/nobody/connection-state").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_password_does_not_follow_to_another_host_and_is_sent_to_none_in_clear() {
    let bed = Bed::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    let received = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("is asked");
        let mut received = vec![0; 8];
        stream.read_exact(&mut received).await.expect("asks for TLS");
        stream.write_all(b"N").await.expect("has none");
        let mut more = [0; 4_096];
        let begun = stream.read(&mut more).await.expect("begins");
        received.extend_from_slice(&more[..begun]);
        stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await.expect("asks for the password");
        stream.read_to_end(&mut received).await.map(|_| received).unwrap_or_default()
    });
    let id = create(&bed, "db.example", 5432).await;
    let path = format!("/warehouses/{id}");
    let moved = json!({ "settings": { "hostname": "127.0.0.1", "port": port } });
    let refused = bed.ask("PATCH", &path, Some(moved.clone())).await;
    assert_eq!(crate::asks::fields(&refused), ["settings.password"]);
    let mut given = moved;
    given["settings"]["password"] = json!("geheim");
    assert_eq!(bed.ask("PATCH", &path, Some(given)).await.status, StatusCode::OK);
    let state = bed.get(&format!("{path}/connection-state")).await.body["data"].clone();
    assert_eq!(state["connectionState"], "FAILED");
    assert!(state["reason"].as_str().is_some_and(|reason| reason.contains("scram-sha-256")), "{state}");
    let received = received.await.expect("ends");
    assert!(!received.is_empty() && !received.windows(6).any(|part| part == b"geheim"));

    let closed = validate(&bed, settings("127.0.0.1", 1)).await;
    assert_eq!(closed["reason"], "could not connect: no server answers at the host and port");
}

#[tokio::test]
async fn a_role_for_warehouses_alone_connects_and_selects_no_source_and_the_other_way_round() {
    let bed = Bed::new();
    let whole = |role| bed.token(&Grants(vec![Grant::whole(role)]));
    let (warehouses, sources) = (whole(Role::WarehouseAdmin), whole(Role::SourceAdmin));
    let new = json!({ "metadataId": "postgres", "settings": settings("db.example", 5432) });
    let made = bed.ask_as(&warehouses, "POST", "/warehouses", Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let path = format!("/warehouses/{}", made.body["data"]["warehouse"]["id"].as_str().expect("an id"));
    let connected = format!("{path}/connected-sources");
    assert_eq!(bed.get(&connected).await.body["data"]["sources"], json!([]));
    let new = json!({ "slug": "shop", "metadataId": "website" });
    let made = bed.ask_as(&sources, "POST", "/sources", Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(bed.get(&connected).await.body["data"]["sources"], json!([]));

    let web = bed.source_id("web");
    assert_eq!(bed.ask("POST", &format!("{connected}/{web}"), None).await.status, StatusCode::CREATED);
    let both = |role| bed.token(&Grants(vec![Grant::whole(Role::WarehouseAdmin), Grant::whole(role)]));
    let wanted = json!({ "syncOverrides": [{ "sourceId": web, "enabled": false }] });
    for (token, expected) in [
        (warehouses, StatusCode::NOT_FOUND),
        (both(Role::SourceReadOnly), StatusCode::FORBIDDEN),
        (both(Role::SourceAdmin), StatusCode::OK),
    ] {
        let answer = bed.ask_as(&token, "PATCH", &format!("{path}/selective-sync"), Some(wanted.clone())).await;
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
}

#[tokio::test]
async fn of_connected_sources_a_role_for_some_shows_these_and_write_keys_of_none_that_it_only_reads() {
    let bed = Bed::new();
    let (web, other) = (bed.source_id("web"), bed.demo.sources[1].id.to_string());
    let new = json!({ "metadataId": "postgres", "settings": settings("db.example", 5432) });
    let made = bed.ask("POST", "/warehouses", Some(new)).await;
    let warehouse = made.body["data"]["warehouse"]["id"].as_str().expect("an id").to_owned();
    let made = bed.ask("POST", "/tracking-plans", Some(json!({ "name": "Shop", "type": "LIVE" }))).await;
    let plan = made.body["data"]["trackingPlan"]["id"].as_str().expect("an id").to_owned();
    for id in [&web, &other] {
        let connect = format!("/warehouses/{warehouse}/connected-sources/{id}");
        let linked = bed.ask("POST", &connect, None).await.status;
        assert!(linked.is_success() || linked == StatusCode::CONFLICT, "{linked}");
        let planned =
            bed.ask("POST", &format!("/tracking-plans/{plan}/sources"), Some(json!({ "sourceId": id }))).await;
        assert!(planned.status.is_success(), "{}", planned.body);
    }
    let held = |role, id: &str| Grant { role, held: vec![Held::One { id: id.to_owned() }] };
    let rest = || [Grant::whole(Role::WarehouseAdmin), Grant::whole(Role::TrackingPlanReadOnly)].into_iter();
    let of = |own: Vec<Grant>| bed.token(&Grants(rest().chain(own).collect()));
    let admin = of(vec![held(Role::SourceAdmin, &web)]);
    let mixed = of(vec![held(Role::SourceAdmin, &web), held(Role::SourceReadOnly, &other)]);
    for list in [format!("/warehouses/{warehouse}/connected-sources"), format!("/tracking-plans/{plan}/sources")] {
        for (token, expected) in [
            (of(vec![]), vec![]),
            (admin.clone(), vec![(&web, true)]),
            (mixed.clone(), vec![(&web, true), (&other, false)]),
        ] {
            let answer = bed.ask_as(&token, "GET", &list, None).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            let sources = answer.body["data"]["sources"].as_array().expect("a list");
            let mut shown: Vec<_> = (sources.iter())
                .map(|source| (source["id"].as_str().expect("an id"), source["writeKeys"] != json!([])))
                .collect();
            let mut expected: Vec<_> = expected.into_iter().map(|(id, keys)| (id.as_str(), keys)).collect();
            shown.sort_unstable();
            expected.sort_unstable();
            assert_eq!(shown, expected, "{list}");
            assert_eq!(answer.body["data"]["pagination"]["totalEntries"], expected.len(), "{list}");
        }
    }
}

#[tokio::test]
async fn events_are_forwarded_only_to_a_source_that_the_caller_may_change() {
    let bed = Bed::new();
    let (web, other) = (bed.source_id("web"), bed.demo.sources[1].id.to_string());
    let held = |role, id: &str| Grant { role, held: vec![Held::One { id: id.to_owned() }] };
    let one = bed.token(&Grants(vec![held(Role::SourceAdmin, &web)]));
    let reads = bed.token(&Grants(vec![held(Role::SourceAdmin, &web), held(Role::SourceReadOnly, &other)]));
    let path = format!("/sources/{web}/settings");
    for field in ["forwardingViolationsTo", "forwardingBlockedEventsTo"] {
        let wanted = json!({ field: other });
        let ask = async |token: &str| bed.ask_as(token, "PATCH", &path, Some(wanted.clone())).await.status;
        assert_eq!(ask(&one).await, StatusCode::NOT_FOUND, "{field}");
        assert_eq!(ask(&reads).await, StatusCode::FORBIDDEN, "{field}");
        assert_eq!(bed.ask("PATCH", &path, Some(wanted.clone())).await.status, StatusCode::OK, "{field}");
        assert_eq!(ask(&one).await, StatusCode::OK, "what is there may be written back");
    }
}

/// Needs a server of PostgreSQL; without `DOMICILE_TEST_POSTGRES` there is nothing to try.
#[tokio::test]
async fn a_real_database_is_connected_to_and_a_wrong_one_says_why() {
    let Some(url) = std::env::var("DOMICILE_TEST_POSTGRES").ok().and_then(|url| url.parse::<http::Uri>().ok()) else {
        return;
    };
    let bed = Bed::new();
    let with = |database: &str| {
        let user =
            url.authority().and_then(|authority| Some(authority.as_str().split_once('@')?.0)).unwrap_or("postgres");
        let mut settings = settings(url.host().unwrap_or("127.0.0.1"), url.port_u16().unwrap_or(5432));
        settings["username"] = json!(user);
        settings["database"] = json!(database);
        settings
    };
    let told = validate(&bed, with(url.path().trim_start_matches('/'))).await;
    assert_eq!(told, json!({ "status": "CONNECTED", "reason": null, "refused": null }));
    let told = validate(&bed, with("no_such_database")).await;
    assert_eq!(told["status"], "FAILED");
    assert!(told["reason"].as_str().expect("a sentence").contains("3D000"), "{told}");
}
