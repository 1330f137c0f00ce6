//! A drill on a running cell: what it tries, what it says, and that it leaves nothing behind.

use crate::bed::{Answer, Bed, track};
use axum::body::Body;
use http::{StatusCode, header};
use serde_json::{Value, json};

async fn drill(bed: &Bed, operator: &str) -> Answer {
    let mut request = bed.request("POST", "/operator/drills").body(Body::empty()).expect("a request");
    let token = format!("Bearer {operator}");
    request.headers_mut().insert(header::AUTHORIZATION, token.parse().expect("a header"));
    bed.send(request).await
}

#[tokio::test]
async fn a_drill_tries_all_forms_nothing_crosses_and_nothing_is_left_behind() {
    let bed = Bed::new();
    let operator = bed.operator();
    let version = bed.cell.control.current().load().version;
    let drill = drill(&bed, &operator).await.body["data"]["drill"].take();
    let classes = drill["attacks"].as_array().expect("classes");
    assert!(classes.iter().all(|class| class["crossed"] == json!([])), "{classes:#?}");
    let sum = |name: &str| classes.iter().filter_map(|class| class[name].as_u64()).sum::<u64>();
    let refused = classes.iter().filter_map(|class| class["refused"].as_object());
    let refused: u64 = refused.flat_map(|codes| codes.values().filter_map(Value::as_u64)).sum();
    assert!(sum("tried") > 340 && sum("notTried") > 100, "{} {}", sum("tried"), sum("notTried"));
    assert_eq!(sum("tried"), refused + sum("listed") + sum("pinned"));
    assert!(sum("listed") > 0, "the bed's networks list 127.0.0.0/8");
    assert_eq!(
        (&drill["region"], &drill["country"], &drill["allow"]),
        (&json!("ch-north"), &json!("CH"), &json!(["CH"]))
    );
    let prefixes: Vec<_> =
        drill["regions"].as_array().expect("regions").iter().map(|region| &region["keyPrefix"]).collect();
    assert_eq!(prefixes, [&json!("chn"), &json!("ise")]);
    assert_eq!(bed.cell.control.current().load().version, version);
    // The cell's own opening may be written only now.
    let mut entries = bed.cell.ledger.backwards().map(|entry| entry.expect("reads").1.what.kind());
    assert!(entries.all(|kind| kind == "opened"), "the ledger was told of the drill");
}

#[tokio::test]
async fn every_way_out_that_is_on_is_told_with_what_the_border_says_of_it() {
    let bed = Bed::new();
    for (name, country, enabled) in
        [("home", "CH", true), ("abroad", "US", true), ("off", "CH", false), ("isles", "FO", true)]
    {
        let body = json!({
            "sourceId": bed.source_id("web"), "metadataId": "webhook", "name": name, "enabled": enabled,
            "settings": { "url": "http://127.0.0.1:40009/x?token=t0k", "country": country },
        });
        assert_eq!(bed.ask("POST", "/destinations", Some(body)).await.status, StatusCode::OK);
    }
    let warehouse = json!({
        "metadataId": "postgres", "name": "rows", "enabled": true,
        "settings": { "hostname": "10.9.9.9", "username": "u", "password": "s3cret", "database": "d", "country": "CH" },
    });
    let made = bed.ask("POST", "/warehouses", Some(warehouse)).await;
    assert!(made.status.is_success(), "{}", made.body);
    bed.accept("web", &[track("m1", "E"), track("m2", "E")]).await;
    bed.decided().await;
    let drill = drill(&bed, &bed.operator()).await.body["data"]["drill"].take();
    let way = |way: &Value| {
        let part = |at: &str| way.pointer(at).and_then(Value::as_str).unwrap_or("-").to_owned();
        format!(
            "{} {} {} {} {}",
            part("/kind"),
            part("/name"),
            part("/outlook/state"),
            part("/outlook/country"),
            part("/outlook/code")
        )
    };
    let ways: Vec<_> = drill["ways"].as_array().expect("ways").iter().map(way).collect();
    let expected = [
        "destination home goes CH -",
        "destination abroad refused US country_refused",
        "destination isles goes FO -",
        "warehouse rows refused - address_refused",
    ];
    assert_eq!(ways, expected);
    assert_eq!(drill["balance"], json!({ "holds": true, "accepted": 2, "difference": 0 }));
    for secret in ["t0k", "s3cret", "m1"] {
        assert!(!drill.to_string().contains(secret), "{secret}");
    }
}
