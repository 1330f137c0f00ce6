//! What a change would let out: a table of changes, over events that were accepted before.

use crate::bed::{Bed, TOPOLOGY, track};
use domicile_control::{Grant, Grants, Held, Role};
use domicile_world::Millis;
use http::StatusCode;
use serde_json::{Value, json};

fn of_user(message_id: &str, event: &str, user: Value) -> Value {
    let mut event = track(message_id, event);
    event["userId"] = user;
    event
}

/// A webhook of the demo's website; gives its id.
async fn webhook(bed: &Bed, name: &str, country: &str, enabled: bool) -> String {
    let body = json!({
        "sourceId": bed.source_id("web"), "metadataId": "webhook", "name": name, "enabled": enabled,
        "settings": { "url": "http://127.0.0.1:40009/x?token=t0k", "country": country },
    });
    let made = bed.ask("POST", "/destinations", Some(body)).await;
    made.body.pointer("/data/destination/id").and_then(Value::as_str).expect("an id").to_owned()
}

/// `home`, `abroad` (refused), `off`, and `isles` (by a transfer, with less of each event); 5 events of 3 people.
struct Stage {
    bed: Bed,
    abroad: String,
    off: String,
    home: String,
}

impl Stage {
    async fn new() -> Self {
        let bed = Bed::new();
        let home = webhook(&bed, "home", "CH", true).await;
        let abroad = webhook(&bed, "abroad", "US", true).await;
        let off = webhook(&bed, "off", "CH", false).await;
        webhook(&bed, "isles", "FO", true).await;
        let filter = json!({
            "sourceId": bed.source_id("web"), "if": "event = \"Secret\"", "actions": [{ "type": "DROP" }],
            "title": "No secrets", "enabled": true,
        });
        let made = bed.ask("POST", &format!("/destination/{abroad}/filters"), Some(filter)).await;
        assert_eq!(made.status, StatusCode::OK, "{}", made.body);
        bed.accept("web", &[of_user("m1", "A", json!("ann")), of_user("m2", "Secret", json!("ben"))]).await;
        let mut unknown = of_user("m3", "A", Value::Null);
        unknown["anonymousId"] = json!("anon");
        bed.accept("web", &[unknown, of_user("m4", "B", json!("ann")), of_user("m5", "B", json!("ben"))]).await;
        // Of another source, and of the day before.
        bed.accept("server", &[of_user("m6", "A", json!("carl"))]).await;
        let now = bed.cell.world.clock.now();
        let web = domicile_workspace::SourceId::new(bed.source_id("web"));
        bed.accept_at(&web, &[of_user("m7", "A", json!("dora"))], Millis(now.0 - 25 * 3_600_000)).await;
        bed.decided().await;
        Self { bed, abroad, off, home }
    }

    async fn check(&self, body: Value) -> Value {
        let answer = self.bed.ask("POST", "/policy-checks", Some(body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let text = answer.body.to_string();
        for secret in ["ann", "ben", "anon", "t0k", "Secret"] {
            assert!(!text.contains(&format!("\"{secret}\"")) && !text.contains("token="), "{secret}: {text}");
        }
        answer.body["data"]["policyCheck"].clone()
    }
}

/// What changes: `abroad begins 4/3: country_refused -> US allow US`.
fn told(check: &Value) -> Vec<String> {
    let outlook = |outlook: &Value| match outlook["state"].as_str() {
        Some("goes") => {
            format!("{} {}", outlook["country"].as_str().expect("one"), outlook["rule"].as_str().expect("one"))
        }
        Some("refused") => outlook["code"].as_str().expect("a code").to_owned(),
        other => other.expect("a state").to_owned(),
    };
    let flows = check["flows"].as_array().expect("a list").iter().filter(|flow| flow["effect"] != "same");
    flows
        .map(|flow| {
            let name = flow["destinationName"].as_str().expect("a name");
            let effect = flow["effect"].as_str().expect("a word");
            let (before, after) = (outlook(&flow["before"]), outlook(&flow["after"]));
            format!("{name} {effect} {}/{}: {before} -> {after}", flow["events"], flow["people"])
        })
        .collect()
}

#[tokio::test]
async fn each_change_of_a_topology_says_what_would_newly_go_where() {
    let stage = Stage::new().await;
    let fo = "FO transfer to FO for any vendor (adequacy, until 2098-06-30; hash userId)";
    let line =
        "{ to: FO, basis: adequacy, approved_by: dpo@example.com, expires: 2098-06-30, fields: { hash: [userId] } }";
    let us = "- { to: US, basis: scc, approved_by: d, expires: 2098-01-01, fields: { allow: [event] } }";
    let changed = |what: &str, into: &str| {
        assert!(TOPOLOGY.contains(what), "{what}");
        TOPOLOGY.replacen(what, into, 1)
    };
    for (name, topology, more, expected) in [
        ("nothing", TOPOLOGY.to_owned(), false, vec![]),
        ("allow grows", changed("allow: [CH]", "allow: [CH, US]"), true, vec![
            "abroad begins 4/3: country_refused -> US allow US".to_owned(),
        ]),
        ("a transfer is added", changed("transfers:\n", &format!("transfers:\n        {us}\n")), true, vec![
            "abroad begins 4/3: country_refused -> US transfer to US for any vendor (scc, until 2098-01-01; allow event)"
                .to_owned(),
        ]),
        ("a transfer for a vendor alone", changed("to: FO,", "to: FO, vendor: amplitude,"), false, vec![
            format!("isles stops 5/3: {fo} -> country_refused"),
        ]),
        ("a transfer is taken away", changed(&format!("      transfers:\n        - {line}\n"), ""), false, vec![
            format!("isles stops 5/3: {fo} -> country_refused"),
        ]),
        ("less of each event", changed("hash: [userId]", "hash: [userId], truncate_ip: true"), false, vec![
            format!("isles less 5/3: {fo} -> {}", fo.replace(")", "; truncate_ip)")),
        ]),
        ("all of each event", changed(", fields: { hash: [userId] }", ""), true, vec![
            format!("isles more 5/3: {fo} -> {}", fo.replace("; hash userId", "")),
        ]),
        ("other parts of each event", changed("hash: [userId]", "hash: [anonymousId]"), true, vec![
            format!("isles more 5/3: {fo} -> {}", fo.replace("userId", "anonymousId")),
        ]),
        ("a network is elsewhere", changed("127.0.0.0/8: local", "127.0.0.0/8: US"), false, vec![
            "home stops 5/3: CH allow CH -> country_contradicted".to_owned(),
            format!("isles stops 5/3: {fo} -> country_contradicted"),
        ]),
        ("another region's policy", changed("border: { allow: [IS] }", "border: { allow: [any] }"), false, vec![]),
    ] {
        let check = stage.check(json!({ "topology": topology })).await;
        assert_eq!(told(&check), expected, "{name}");
        assert_eq!(check["letsMoreOut"], more, "{name}");
        assert_eq!((&check["isWhole"], check["flows"].as_array().map(Vec::len)), (&json!(true), Some(4)), "{name}");
    }
}

#[tokio::test]
async fn each_change_of_a_destination_says_what_would_newly_go_where_and_changes_nothing() {
    let stage = Stage::new().await;
    let version = stage.bed.cell.control.current().load().version;
    let fo = "FO transfer to FO for any vendor (adequacy, until 2098-06-30; hash userId)";
    for (id, change, more, expected) in [
        (
            &stage.abroad,
            json!({ "settings": { "country": "CH" } }),
            true,
            vec!["abroad begins 4/3: country_refused -> CH allow CH".to_owned()],
        ),
        (&stage.abroad, json!({ "settings": { "country": "BR" } }), false, vec![]),
        (
            &stage.home,
            json!({ "settings": { "country": "US" } }),
            false,
            vec!["home stops 5/3: CH allow CH -> country_refused".to_owned()],
        ),
        (
            &stage.home,
            json!({ "settings": { "country": "FO" } }),
            true,
            vec![format!("home moves 5/3: CH allow CH -> {fo}")],
        ),
        (
            &stage.home,
            json!({ "settings": { "url": "https://partner.example/x" } }),
            true,
            vec!["home moves 5/3: CH allow CH -> CH allow CH".to_owned()],
        ),
        (&stage.home, json!({ "settings": { "url": "http://127.0.0.1:40009/y" } }), false, vec![]),
        (
            &stage.home,
            json!({ "settings": { "country": null } }),
            false,
            vec!["home stops 5/3: CH allow CH -> country_undeclared".to_owned()],
        ),
        (&stage.home, json!({ "enabled": false }), false, vec!["home stops 5/3: CH allow CH -> off".to_owned()]),
        (&stage.off, json!({ "enabled": true }), true, vec!["off begins 5/3: off -> CH allow CH".to_owned()]),
        (&stage.off, json!({ "settings": { "country": "US" } }), false, vec![]),
        (&stage.off, json!({ "enabled": true, "settings": { "country": "US" } }), false, vec![]),
    ] {
        let mut body = change.clone();
        body["destinationId"] = json!(id);
        let check = stage.check(body).await;
        assert_eq!(told(&check), expected, "{change}");
        assert_eq!(check["letsMoreOut"], more, "{change}");
    }
    let both = json!({
        "destinationId": stage.off, "enabled": true, "settings": { "country": "US" },
        "topology": TOPOLOGY.replacen("allow: [CH]", "allow: [CH, US]", 1),
    });
    let check = stage.check(both).await;
    let expected = ["abroad begins 4/3: country_refused -> US allow US", "off begins 5/3: off -> US allow US"];
    assert_eq!(told(&check), expected, "both at once");
    assert_eq!(stage.bed.cell.control.current().load().version, version);
    assert_eq!(told(&stage.check(json!({})).await), Vec::<String>::new(), "the running border is as it was");
}

#[tokio::test]
async fn what_is_no_topology_and_no_change_is_told_by_its_place() {
    let stage = Stage::new().await;
    let bed = &stage.bed;
    let amplitude = json!({
        "sourceId": bed.source_id("web"), "metadataId": "actions-amplitude", "enabled": false, "settings": {},
    });
    let amplitude = bed.ask("POST", "/destinations", Some(amplitude)).await.body["data"]["destination"]["id"].clone();
    let colour = TOPOLOGY.replacen("name: Switzerland", "colour: red", 1);
    let expired = TOPOLOGY.replacen("2098-06-30", "2020-06-30", 1);
    let only_iceland =
        "regions:\n  is-east:\n    country: IS\n    locations: [r]\n    ingest:\n      r: { country: IS }\n";
    for (body, field, said) in [
        (json!({ "topology": "" }), "topology", "has 0 characters"),
        (json!({ "topology": "- a" }), "topology", "topology.yml:1:"),
        (json!({ "topology": colour }), "topology", "topology.yml:4:5 unknown field `colour`"),
        (json!({ "topology": expired }), "topology", "the transfer expired on 2020-06-30"),
        (
            json!({ "topology": only_iceland }),
            "topology",
            "has no region `ch-north`, which this cell is; it has is-east",
        ),
        (json!({ "topology": { "regions": {} } }), "topology", "topology is not a text"),
        (json!({ "enabled": true }), "destinationId", "destinationId is missing"),
        (json!({ "destinationId": amplitude }), "destinationId", "which sends nothing yet"),
        (
            json!({ "destinationId": stage.home, "settings": { "country": "Ireland" } }),
            "settings.country",
            "is no country",
        ),
        (json!({ "destinationId": stage.home, "settings": { "url": "ftp://x" } }), "settings.url", "is not an http"),
        (json!({ "destinationId": stage.home, "name": "Other" }), "name", "is not a field of this request"),
    ] {
        let refused = bed.ask("POST", "/policy-checks", Some(body.clone())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", refused.body);
        let error = &refused.body["errors"][0];
        let message = error["message"].as_str().expect("text");
        assert!(error["field"] == field && message.contains(said), "{body}: {error}");
    }
    let placed = bed.ask("POST", "/policy-checks", Some(json!({ "topology": colour }))).await.body;
    let data = &placed["errors"][0]["data"];
    assert_eq!((&data["line"], &data["column"]), (&json!(4), &json!(5)));
    let unknown = bed.ask("POST", "/policy-checks", Some(json!({ "destinationId": "nobody" }))).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_checks_what_it_may_see_and_the_operator_checks_all() {
    let stage = Stage::new().await;
    let bed = &stage.bed;
    let (stranger, _) = bed.stranger();
    let server = Held::One { id: bed.source_id("server") };
    let of_server = bed.token(&Grants(vec![Grant { role: Role::SourceReadOnly, held: vec![server] }]));
    let reader = bed.token(&Grants(vec![Grant::whole(Role::SourceReadOnly)]));
    let nobody = bed.token(&Grants(vec![Grant::whole(Role::WarehouseAdmin)]));
    for (token, flows) in [(&stranger, 0), (&of_server, 0), (&reader, 4), (&bed.operator(), 4)] {
        let answer = bed.ask_as(token, "POST", "/policy-checks", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.body["data"]["policyCheck"]["flows"].as_array().map(Vec::len), Some(flows));
    }
    assert_eq!(bed.ask_as(&nobody, "POST", "/policy-checks", None).await.status, StatusCode::FORBIDDEN);
    let change = Some(json!({ "destinationId": stage.off, "enabled": true }));
    for (token, expected) in [
        (&stranger, StatusCode::NOT_FOUND),
        (&of_server, StatusCode::NOT_FOUND),
        (&reader, StatusCode::OK),
        (&bed.operator(), StatusCode::OK),
    ] {
        assert_eq!(bed.ask_as(token, "POST", "/policy-checks", change.clone()).await.status, expected);
    }
}

#[tokio::test]
async fn a_workspaces_own_transfer_counts_before_and_after() {
    let stage = Stage::new().await;
    let bed = &stage.bed;
    let body = json!({ "to": "US", "basis": "scc", "expires": crate::things::Things::day(9), "reason": "desk" });
    let made = bed.ask("POST", "/transfers", Some(body)).await.body["data"]["transfer"]["id"].clone();
    let path = format!("/transfers/{}/approve", made.as_str().expect("an id"));
    bed.ask_as(&bed.operator(), "POST", &path, None).await;
    bed.cell.border.put_grants(bed.cell.control.current().load().grants());
    let check = stage.check(json!({ "topology": TOPOLOGY })).await;
    assert_eq!(told(&check), Vec::<String>::new());
    let abroad = check["flows"].as_array().expect("a list").iter().find(|flow| flow["destinationName"] == "abroad");
    let rule = abroad.expect("is there")["before"]["rule"].as_str().expect("a rule").to_owned();
    assert!(rule.starts_with("workspace's transfer to US for any vendor (scc, until "), "{rule}");
}

#[tokio::test]
async fn a_day_of_many_frames_is_counted_from_its_first_event_on() {
    let stage = Stage::new().await;
    for batch in 0..4 {
        let events: Vec<Value> =
            (0..2_500).map(|n| of_user(&format!("b{batch}-{n}"), "A", json!(format!("user-{}", n % 700)))).collect();
        stage.bed.accept("web", &events).await;
    }
    stage.bed.decided().await;
    let check = stage.check(json!({ "destinationId": stage.off, "enabled": true })).await;
    assert_eq!(told(&check), ["off begins 10005/703: off -> CH allow CH"]);
    assert_eq!(check["isWhole"], true);
}
