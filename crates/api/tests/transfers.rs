//! Transfers by API: who requests, who approves, what is told.

use crate::bed::Bed;
use crate::things::Things;
use domicile_control::{Actor, Change, ControlError, Grant, Grants, NewToken, NewUser, Role};
use http::StatusCode;
use serde_json::{Value, json};

fn request() -> Option<Value> {
    Some(json!({
        "to": "US", "basis": "scc", "expires": Things::day(90), "reason": "support desk",
        "fields": { "allow": ["event", "userId"], "hash": ["userId"], "truncateIp": true },
    }))
}

impl Bed {
    /// An owner of the demo's workspace, and a token that they made.
    fn owner(&self, email: &str) -> (Actor, String) {
        let make = |change: &mut Change<'_>| {
            let account = change.workspace(&self.demo.id)?.account;
            let new = NewUser { email: email.to_owned(), name: "N".to_owned(), password: None, must_change: false };
            let user = change.create_user(&account, &new)?;
            change.add_member(&self.demo.id, &user.id, &Grants::owner(), &Grants::owner())?;
            Ok::<_, ControlError>(user)
        };
        let user = self.cell.control.change(&Actor::Operator, make).expect("makes a person");
        let by = Actor::User { id: user.id, name: user.email };
        let token =
            |change: &mut Change<'_>| change.create_token(&self.demo.id, &NewToken::new("own"), &Grants::owner());
        let token = self.cell.control.change(&by, token).expect("makes a token").token;
        (by, token)
    }

    async fn requested(&self, token: &str) -> String {
        let made = self.ask_as(token, "POST", "/transfers", request()).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["data"]["transfer"]["id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn one_owner_requests_another_approves_and_either_ends_it() {
    let bed = Bed::new();
    let ((_, anna), (_, bob)) = (bed.owner("anna@acme.example"), bed.owner("bob@acme.example"));
    let id = bed.requested(&anna).await;
    let path = format!("/transfers/{id}");
    let second = bed.ask_as(&anna, "POST", "/tokens", Some(json!({ "name": "second" }))).await.body;
    let second = second["data"]["token"]["token"].as_str().expect("a token");
    for own in [&anna, second] {
        let refused = bed.ask_as(own, "POST", &format!("{path}/approve"), None).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let said = refused.body["errors"][0]["message"].as_str().expect("text");
        assert!(said.starts_with("who requested a transfer does not approve it; another owner"), "{said}");
    }
    let granted = bed.ask_as(&bob, "POST", &format!("{path}/approve"), None).await;
    assert_eq!(granted.status, StatusCode::OK, "{}", granted.body);
    let transfer = &granted.body["data"]["transfer"];
    for (field, value) in [
        ("state", json!("granted")),
        ("origin", json!("workspace")),
        ("to", json!("US")),
        ("vendor", Value::Null),
        ("daysLeft", json!(90)),
        ("fields", json!({ "allow": ["event", "userId"], "hash": ["userId"], "truncateIp": true })),
        ("closedBy", Value::Null),
    ] {
        assert_eq!(transfer[field], value, "{field}");
    }
    assert_eq!(transfer["requestedBy"]["name"], "anna@acme.example");
    assert_eq!(transfer["approvedBy"]["name"], "bob@acme.example");
    assert_eq!(bed.cell.control.current().load().transfers_of(&bed.demo.id).count(), 1);
    let ended = bed.ask_as(&anna, "POST", &format!("{path}/end"), None).await;
    let told = &ended.body["data"]["transfer"];
    assert_eq!((&told["state"], &told["daysLeft"]), (&json!("ended"), &Value::Null), "{}", ended.body);
    let again = bed.ask_as(&bob, "POST", &format!("{path}/end"), None).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let trail = bed.get("/audit-events?resourceType=transfer").await.body["data"]["events"].clone();
    let kinds: Vec<_> = trail.as_array().expect("a list").iter().map(|entry| entry["type"].clone()).collect();
    assert_eq!(kinds, ["Transfer Ended", "Transfer Granted", "Transfer Requested"]);
}

#[tokio::test]
async fn the_operator_sees_and_approves_what_a_workspace_requests_and_requests_nothing() {
    let bed = Bed::new();
    let operator = bed.operator();
    let id = bed.requested(&bed.demo.token).await;
    let path = format!("/transfers/{id}");
    let (_, anna) = bed.owner("anna@acme.example");
    for token in [&bed.demo.token, &anna] {
        let refused = bed.ask_as(token, "POST", &format!("{path}/approve"), None).await;
        assert_eq!(
            refused.status,
            StatusCode::FORBIDDEN,
            "a token that no person made may be Anna's: {}",
            refused.body
        );
    }
    let listed = bed.ask_as(&operator, "GET", "/transfers", None).await.body["data"]["transfers"].clone();
    assert_eq!((&listed[0]["origin"], &listed[1]["id"]), (&json!("topology"), &json!(id)));
    assert_eq!(listed[1]["workspaceId"], bed.demo.id.as_str());
    let granted = bed.ask_as(&operator, "POST", &format!("{path}/approve"), None).await;
    assert_eq!(granted.body["data"]["transfer"]["approvedBy"]["by"], "operator", "{}", granted.body);
    let refused = bed.ask_as(&operator, "POST", "/transfers", request()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let ended = bed.ask_as(&operator, "POST", &format!("{path}/end"), None).await;
    assert_eq!(ended.status, StatusCode::OK);
    let nothing = bed.ask_as(&operator, "POST", "/transfers/nothing/end", None).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_regions_transfers_are_read_only_and_everybodys() {
    let bed = Bed::new();
    let (stranger, _) = bed.stranger();
    bed.requested(&bed.demo.token).await;
    let listed = bed.ask_as(&stranger, "GET", "/transfers", None).await.body["data"]["transfers"].clone();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "and nothing of another workspace: {listed}");
    let own = &listed[0];
    let told = (&own["origin"], &own["state"], &own["to"], &own["approvedBy"]["name"]);
    assert_eq!(told, (&json!("topology"), &json!("granted"), &json!("FO"), &json!("dpo@example.com")));
    assert_eq!(own["fields"], json!({ "hash": ["userId"] }));
    let path = format!("/transfers/{}", own["id"].as_str().expect("an id"));
    assert_eq!(bed.get(&path).await.body["data"]["transfer"], *own);
    for what in ["approve", "end"] {
        assert_eq!(bed.ask("POST", &format!("{path}/{what}"), None).await.status, StatusCode::NOT_FOUND);
    }
    let readers = [(Role::SourceReadOnly, StatusCode::OK), (Role::WarehouseAdmin, StatusCode::FORBIDDEN)];
    for (role, expected) in readers {
        let token = bed.token(&Grants(vec![Grant::whole(role)]));
        assert_eq!(bed.ask_as(&token, "GET", "/transfers", None).await.status, expected, "{role:?}");
        let asked = bed.ask_as(&token, "POST", "/transfers", request()).await;
        assert_eq!(asked.status, StatusCode::FORBIDDEN, "{role:?}");
    }
}

#[tokio::test]
async fn what_is_no_transfer_is_refused_by_its_field() {
    let bed = Bed::new();
    for (name, value, field) in [
        ("to", json!("us"), "to"),
        ("to", json!("USA"), "to"),
        ("to", json!("XX"), "to"),
        ("to", json!("CH"), "to"),
        ("vendor", json!("nobody"), "vendor"),
        ("basis", json!("trust me"), "basis"),
        ("expires", json!("tomorrow"), "expires"),
        ("expires", json!("2027-02-30"), "expires"),
        ("expires", json!(Things::day(0)), "expires"),
        ("expires", json!("2099-01-01"), "expires"),
        ("reason", json!(""), "reason"),
        ("fields", json!({}), "fields"),
        ("fields", json!({ "allow": [] }), "fields.allow"),
        ("fields", json!({ "allow": ["a..b"] }), "fields.allow.0"),
        ("fields", json!({ "deny": ["type"] }), "fields.deny.0"),
        ("fields", json!({ "drop": ["type"] }), "fields.drop"),
        ("fields", json!({ "truncateIp": "yes" }), "fields.truncateIp"),
        ("approvedBy", json!("dpo@example.com"), "approvedBy"),
        ("state", json!("granted"), "state"),
    ] {
        let mut body = request().expect("a body");
        body[name] = value.clone();
        let refused = bed.ask("POST", "/transfers", Some(body)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name} {value}: {}", refused.body);
        assert_eq!(refused.body["errors"][0]["field"], field, "{name} {value}");
    }
    assert_eq!(bed.get("/transfers").await.body["data"]["transfers"].as_array().map(Vec::len), Some(1));
}
