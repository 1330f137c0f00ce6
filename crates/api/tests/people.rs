//! People, groups, invitations and tokens by the API, and what nobody gets by it.

use crate::bed::{Answer, Bed};
use domicile_control::{Grant, Grants, Role};
use http::StatusCode;
use serde_json::{Value, json};

impl Bed {
    async fn made(&self, path: &str, body: Value, at: &str) -> String {
        let answer = self.ask("POST", path, Some(body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
        answer.body["data"].pointer(at).and_then(Value::as_str).expect("a text").to_owned()
    }

    async fn owner_id(&self) -> String {
        let users = self.get("/users").await;
        users.body.pointer("/data/users/0/id").and_then(Value::as_str).expect("the owner").to_owned()
    }

    pub fn operator(&self) -> String {
        self.cell.control.operator_token(None).expect("a token")
    }
}

fn whole(bed: &Bed, role: &str) -> Value {
    json!({ "roleId": role, "resources": [{ "id": bed.demo.id.as_str(), "type": "WORKSPACE" }] })
}

fn refused(answer: &Answer, status: StatusCode) -> &str {
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.body["errors"][0]["message"].as_str().expect("a message")
}

#[tokio::test]
async fn users_have_segments_shape_and_the_last_owner_stays() {
    let bed = Bed::new();
    let id = bed.owner_id().await;
    let user = bed.get(&format!("/users/{id}")).await.body["data"]["user"].clone();
    let owner = whole(&bed, "workspace-owner");
    assert_eq!(user["email"], bed.demo.owner.email);
    assert_eq!(user["permissions"][0]["roleName"], "Workspace Owner");
    assert_eq!(user["permissions"][0]["resources"], owner["resources"]);
    let lower = json!({ "permissions": [whole(&bed, "source-admin")] });
    let path = format!("/users/{id}/permissions");
    for answer in [
        bed.ask("PUT", &path, Some(lower.clone())).await,
        bed.ask("PUT", &path, Some(json!({ "permissions": [] }))).await,
        bed.ask("DELETE", &format!("/users?userIds[0]={id}"), None).await,
    ] {
        assert!(refused(&answer, StatusCode::CONFLICT).contains("own the workspace"));
    }
    let added = bed.ask("POST", &path, Some(lower)).await;
    let roles: Vec<_> =
        added.body["data"]["permissions"].as_array().expect("a list").iter().map(|p| &p["roleId"]).collect();
    assert!(roles.contains(&&json!("workspace-owner")) && roles.contains(&&json!("source-admin")), "{roles:?}");
    assert_eq!(bed.get("/users/nobody").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn roles_of_things_that_are_not_there_or_do_not_fit_are_refused_by_field() {
    let bed = Bed::new();
    let path = format!("/users/{}/permissions", bed.owner_id().await);
    let (web, workspace) = (bed.source_id("web"), bed.demo.id.as_str().to_owned());
    let (_, foreign) = bed.stranger();
    for (role, resources, field) in [
        ("root", json!([]), "permissions.0.roleId"),
        ("source-admin", json!([]), "permissions.0.resources"),
        ("source-admin", json!([{ "id": "x", "type": "WORKSPACE" }]), "permissions.0.resources.0.id"),
        ("source-admin", json!([{ "id": web, "type": "WAREHOUSE" }]), "permissions.0.resources.0.type"),
        ("source-admin", json!([{ "id": web, "type": "GALAXY" }]), "permissions.0.resources.0.type"),
        ("source-admin", json!([{ "id": foreign.as_str(), "type": "SOURCE" }]), "permissions.0.resources"),
        ("warehouse-admin", json!([{ "id": web, "type": "WAREHOUSE" }]), "permissions.0.resources"),
        ("workspace-owner", json!([{ "id": web, "type": "SOURCE" }]), "permissions.0.resources.0.type"),
        (
            "source-admin",
            json!([{ "id": workspace, "type": "WORKSPACE", "labels": [{ "key": "team", "value": "none" }] }]),
            "permissions.0.resources",
        ),
        (
            "source-admin",
            json!([{ "id": workspace, "type": "WORKSPACE", "role": 1 }]),
            "permissions.0.resources.0.role",
        ),
    ] {
        let body = json!({ "permissions": [{ "roleId": role, "resources": resources }] });
        let answer = bed.ask("POST", &path, Some(body.clone())).await;
        refused(&answer, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.body["errors"][0]["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_has_no_more_than_its_maker() {
    let bed = Bed::new();
    let new = json!({ "name": "reader", "permissions": [whole(&bed, "source-read-only")], "expiresAt": null });
    let made = bed.ask("POST", "/tokens", Some(new)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let token = made.body["data"]["token"]["token"].as_str().expect("a token").to_owned();
    let id = made.body["data"]["token"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(bed.ask_as(&token, "GET", "/sources", None).await.status, StatusCode::OK);
    let listed = bed.get("/tokens").await;
    assert!(!listed.body.to_string().contains(&token));
    let shown = listed.body["data"]["tokens"].as_array().expect("a list").iter().find(|one| one["id"] == id.as_str());
    assert_eq!(shown.expect("listed")["permissions"][0]["roleId"], "source-read-only");
    // Who is no owner gives nothing to anybody.
    let owner = json!({ "name": "more" });
    for (method, path, body) in [
        ("POST", "/tokens".to_owned(), owner.clone()),
        ("POST", "/invites".to_owned(), json!({ "invites": [{ "email": "a@example.com" }] })),
        ("POST", format!("/users/{}/permissions", bed.owner_id().await), json!({ "permissions": [] })),
    ] {
        refused(&bed.ask_as(&token, method, &path, Some(body)).await, StatusCode::FORBIDDEN);
    }
    for (field, body) in [
        ("role", json!({ "name": "x", "role": "workspace-owner" })),
        ("workspaceId", json!({ "name": "x", "workspaceId": "y" })),
        ("expiresAt", json!({ "name": "x", "expiresAt": "2001-01-01T00:00:00Z" })),
        ("expiresAt", json!({ "name": "x", "expiresAt": "2999-01-01T00:00:00Z" })),
        ("description", json!({ "name": "x", "description": "a\u{202E}b" })),
    ] {
        let answer = bed.ask("POST", "/tokens", Some(body)).await;
        refused(&answer, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.body["errors"][0]["field"], field);
    }
    assert_eq!(bed.ask("DELETE", &format!("/tokens/{id}"), None).await.status, StatusCode::OK);
    assert_eq!(bed.ask_as(&token, "GET", "/sources", None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_makes_none_that_outlives_it() {
    let bed = Bed::new();
    let make = async |token: &str, expires_at: Value| {
        let new = json!({ "name": "t", "expiresAt": expires_at });
        let made = bed.ask_as(token, "POST", "/tokens", Some(new)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["data"]["token"].clone()
    };
    let end = json!(domicile_event::Stamp::of(bed.cell.world.clock.now().0 + 3_600_000).as_str());
    let first = make(&bed.demo.token, end.clone()).await;
    assert_eq!(first["expiresAt"], end);
    let bearer = first["token"].as_str().expect("a token");
    let second = make(bearer, Value::Null).await;
    assert_eq!(second["expiresAt"], end, "what it got is told");
    let below = second["token"].as_str().expect("a token");
    assert_eq!(bed.ask_as(below, "GET", "/sources", None).await.status, StatusCode::OK);
    let third = make(below, Value::Null).await;
    let path = |token: &Value| format!("/tokens/{}", token["id"].as_str().expect("an id"));
    assert_eq!(bed.ask("DELETE", &(path(&second) + "?keepMade=true"), None).await.status, StatusCode::OK);
    assert_eq!(bed.ask_as(below, "GET", "/sources", None).await.status, StatusCode::UNAUTHORIZED);
    let below = third["token"].as_str().expect("a token");
    assert_eq!(bed.ask_as(below, "GET", "/sources", None).await.status, StatusCode::OK, "what was replaced made it");
    let fourth = make(below, Value::Null).await;
    assert_eq!(bed.ask("DELETE", &path(&third), None).await.status, StatusCode::OK);
    let below = fourth["token"].as_str().expect("a token");
    assert_eq!(bed.ask_as(below, "GET", "/sources", None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn groups_invitations_and_their_odd_paths_work_together() {
    let bed = Bed::new();
    let group = bed.made("/groups", json!({ "name": "Growth" }), "/userGroup/id").await;
    let emails = json!({ "emails": ["carl@example.com"] });
    let early = bed.ask("POST", &format!("/groups/{group}/users"), Some(emails.clone())).await;
    assert!(refused(&early, StatusCode::UNPROCESSABLE_ENTITY).contains("nobody in the workspace"));
    let invites =
        json!({ "invites": [{ "email": "Carl@example.com", "permissions": [{ "roleId": "source-read-only" }] }] });
    let invited = bed.ask("POST", "/invites", Some(invites.clone())).await;
    assert_eq!((invited.status, &invited.body["data"]["emails"]), (StatusCode::CREATED, &json!(["carl@example.com"])));
    let url = invited.body["data"]["invites"][0]["url"].as_str().expect("a link").to_owned();
    assert!(url.contains("/invite/"), "{url}");
    assert_eq!(bed.get("/invites").await.body["data"]["invites"], json!(["carl@example.com"]));
    let added = bed.ask("POST", &format!("/groups/{group}/users"), Some(emails.clone())).await;
    assert_eq!(added.body["data"]["userGroup"]["memberCount"], 1);
    let waiting = bed.get(&format!("/groups/{group}/invites")).await;
    assert_eq!(waiting.body["data"]["emails"], json!(["carl@example.com"]));

    let control = &bed.cell.control;
    let hash = control.hash_password("correct horse", "carl@example.com", "Carl").expect("good");
    let token = url.rsplit('/').next().expect("a token").to_owned();
    let carl = control.accept_invite(&token, "Carl", hash).expect("he comes");
    assert_eq!(bed.get("/invites").await.body["data"]["invites"], json!([]));
    let members = bed.get(&format!("/groups/{group}/users")).await;
    assert_eq!(members.body["data"]["users"][0]["email"], "carl@example.com");
    let groups = bed.get(&format!("/users/{}/groups", carl.id)).await;
    assert_eq!(groups.body["data"]["groups"], json!([{ "id": group, "name": "Growth" }]));

    let again = bed.ask("POST", "/invites", Some(invites)).await;
    refused(&again, StatusCode::CONFLICT);
    let replaced = bed.ask("PUT", &format!("/group/{group}/users"), Some(json!({ "emails": [] }))).await;
    assert_eq!(replaced.body["data"]["userGroup"]["memberCount"], 0);
    bed.ask("PUT", &format!("/group/{group}/users"), Some(emails)).await;
    let removed = bed.ask("DELETE", &format!("/group/{group}/users?emails[0]=carl@example.com"), None).await;
    assert_eq!(removed.status, StatusCode::OK);
    assert_eq!(bed.get(&format!("/groups/{group}")).await.body["data"]["userGroup"]["memberCount"], 0);
    assert_eq!(bed.ask("DELETE", &format!("/groups/{group}"), None).await.status, StatusCode::OK);
    assert_eq!(bed.get(&format!("/groups/{group}")).await.status, StatusCode::NOT_FOUND);
    let gone = bed.ask("DELETE", &format!("/users?userIds={}", carl.id), None).await;
    assert_eq!(gone.status, StatusCode::OK);
    assert_eq!(bed.get(&format!("/users/{}", carl.id)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn one_bad_invitation_among_good_ones_invites_nobody() {
    let bed = Bed::new();
    let body = json!({ "invites": [{ "email": "a@example.com" }, { "email": "not an address" }] });
    refused(&bed.ask("POST", "/invites", Some(body)).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bed.get("/invites").await.body["data"]["invites"], json!([]));
}

#[tokio::test]
async fn the_operators_token_and_a_workspaces_open_nothing_of_each_other() {
    let bed = Bed::new();
    let operator = bed.operator();
    let accounts = bed.ask_as(&operator, "GET", "/operator/accounts", None).await;
    assert_eq!(accounts.status, StatusCode::OK);
    for path in ["/", "/sources", "/users", "/audit-events", "/tokens"] {
        refused(&bed.ask_as(&operator, "GET", path, None).await, StatusCode::FORBIDDEN);
    }
    refused(&bed.get("/operator/accounts").await, StatusCode::FORBIDDEN);
    let other = Bed::new();
    assert_eq!(other.ask_as(&operator, "GET", "/operator/accounts", None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_operator_makes_an_account_grants_a_plan_and_makes_its_first_person_and_workspace() {
    let bed = Bed::new();
    let operator = bed.operator();
    let ask = async |method: &str, path: &str, body: Value| {
        let body = Some(body).filter(|body| !body.is_null());
        bed.ask_as(&operator, method, &format!("/operator{path}"), body).await
    };
    let made = ask("POST", "/accounts", json!({ "name": "Beta" })).await;
    assert_eq!((made.status, &made.body["data"]["account"]["plan"]), (StatusCode::CREATED, &json!("free")));
    let at = format!("/accounts/{}", made.body["data"]["account"]["id"].as_str().expect("an id"));
    let granted = ask("POST", &format!("{at}/entitlements"), json!({ "plan": "business", "note": "contract" })).await;
    assert_eq!(granted.body["data"]["account"]["entitlements"][0]["plan"], "business");
    let changed = ask("PATCH", &at, json!({ "plan": "business", "idleMinutes": 15 })).await;
    assert_eq!(changed.body["data"]["account"]["idleMinutes"], 15);
    let changed = ask("PATCH", &at, json!({ "idleMinutes": null })).await;
    assert_eq!(changed.body["data"]["account"]["idleMinutes"], Value::Null);
    let user = ask("POST", &format!("{at}/users"), json!({ "email": "anna@beta.example" })).await;
    let password = user.body["data"]["user"]["password"].as_str().expect("a password").to_owned();
    let new = json!({ "name": "Beta", "slug": "beta", "ownerEmail": "anna@beta.example" });
    let workspace = ask("POST", &format!("{at}/workspaces"), new).await;
    assert_eq!(workspace.body["data"]["workspace"]["region"], bed.cell.region.id.as_str(), "{}", workspace.body);
    let anna = bed.cell.control.user_with_password("anna@beta.example", &password).expect("looks").expect("is she");
    assert!(anna.must_change);
    let reset = ask("POST", &format!("{at}/users/{}/password", anna.id), Value::Null).await;
    let newer = reset.body["data"]["user"]["password"].as_str().expect("a password").to_owned();
    let is_she =
        |password: &str| bed.cell.control.user_with_password("anna@beta.example", password).expect("looks").is_some();
    assert!(is_she(&newer) && !is_she(&password));
    let foreign = ask("POST", &format!("{at}/users/{}/password", bed.owner_id().await), Value::Null).await;
    refused(&foreign, StatusCode::NOT_FOUND);
    let people = ask("GET", &format!("{at}/users"), Value::Null).await;
    assert_eq!(people.body["data"]["users"][0]["email"], "anna@beta.example");
    // Nobody is put into a workspace of another account.
    let foreign = json!({ "email": "eve@beta.example", "workspaceId": bed.demo.id.as_str() });
    refused(&ask("POST", &format!("{at}/users"), foreign).await, StatusCode::NOT_FOUND);
    let provider = json!({
        "name": "Work", "issuer": "https://id.example.com", "clientId": "c", "clientSecret": "very-secret",
        "domains": ["beta.example"], "country": "IE",
    });
    let made = ask("POST", &format!("{at}/identity-providers"), provider.clone()).await;
    assert!(made.status.is_success() && !made.body.to_string().contains("very-secret"), "{}", made.body);
    let listed = ask("GET", &format!("{at}/identity-providers"), Value::Null).await;
    assert_eq!(listed.body["data"]["identityProviders"].as_array().map(Vec::len), Some(1));
    assert!(!listed.body.to_string().contains("very-secret"));
    for (field, value) in [
        ("issuer", json!("http://id.example.com")),
        ("issuer", json!("http://169.254.169.254/latest")),
        ("country", json!("XX")),
        ("clientId", json!("")),
        ("domains", json!([])),
    ] {
        let mut bad = provider.clone();
        bad[field] = value;
        let answer = ask("POST", &format!("{at}/identity-providers"), bad).await;
        refused(&answer, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(ask("DELETE", &format!("{at}/entitlements/business"), Value::Null).await.status, StatusCode::OK);
    refused(&ask("DELETE", &format!("{at}/entitlements/business"), Value::Null).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_workspace_that_is_made_by_the_api_belongs_to_the_owners_of_the_one_it_was_made_from() {
    let bed = Bed::new();
    let made = bed
        .ask(
            "POST",
            "/workspaces",
            Some(json!({ "name": "Next", "slug": "next", "region": bed.cell.region.id.as_str() })),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let owner = bed.owner_id().await;
    let workspaces = bed.cell.control.view(|view| view.workspaces_of_user(&owner)).expect("reads");
    assert_eq!(workspaces.len(), 2);
}

#[tokio::test]
async fn a_token_that_asks_too_much_waits_and_is_told_how_long() {
    let bed = Bed::new();
    let reader = bed.token(&Grants(vec![Grant::whole(Role::WorkspaceOwner)]));
    let body = json!({ "name": "G" });
    let mut refused = None;
    for _ in 0..200 {
        let answer = bed.ask_as(&reader, "POST", "/groups", Some(body.clone())).await;
        if answer.status != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("60 a minute are enough");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    let error = &refused.body["errors"][0];
    assert_eq!((&error["type"], &error["data"]["remainingPoints"]), (&json!("RequestError"), &json!(0)));
    assert!(error["data"]["msBeforeNext"].as_u64().is_some_and(|ms| ms <= 1_000), "{error}");
    assert_eq!(bed.ask_as(&reader, "GET", "/groups", None).await.status, StatusCode::OK, "another operation");
    assert_eq!(bed.get("/groups").await.status, StatusCode::OK, "another token");
}

#[tokio::test]
async fn what_the_operator_does_to_accounts_is_on_the_trail_of_the_cell_and_no_workspaces() {
    let bed = Bed::new();
    let operator = bed.operator();
    let accounts = bed.ask_as(&operator, "GET", "/operator/accounts", None).await;
    let account = accounts.body["data"]["accounts"][0]["id"].as_str().expect("an account").to_owned();
    let grant = json!({ "plan": "team", "note": "by contract" });
    let path = format!("/operator/accounts/{account}/entitlements");
    assert_eq!(bed.ask_as(&operator, "POST", &path, Some(grant)).await.status, StatusCode::OK);
    let trail = bed.ask_as(&operator, "GET", "/operator/audit-events", None).await;
    let newest = &trail.body["data"]["events"][0];
    assert_eq!((&newest["type"], &newest["after"]["plan"]), (&json!("Entitlement Granted"), &json!("team")));
    let own = bed.get("/audit-events").await.body.to_string();
    assert!(!own.contains("Entitlement Granted"), "{own}");
}
