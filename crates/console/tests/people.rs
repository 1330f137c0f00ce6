//! People in the console: signing in with a password, choosing, changing, being invited, and what roles let them see.

use crate::bed::{Bed, Page};
use domicile_control::{
    Actor, Change, ControlError, Grant, Grants, NewIdentityProvider, NewUser, NewWorkspace, Role, UserRecord,
};
use domicile_listen::Peer;
use domicile_workspace::WorkspaceId;
use http::{StatusCode, header};

const BY: Actor = Actor::Operator;
const PASSWORD: &str = "correct horse battery";

impl Bed {
    fn change<T>(&self, make: impl FnOnce(&mut Change<'_>) -> Result<T, ControlError>) -> T {
        self.cell.control.change(&BY, make).expect("changes")
    }

    fn account(&self) -> String {
        self.change(|change| Ok(change.workspace(&self.demo.id)?.account))
    }

    pub fn person(&self, email: &str, grants: &Grants, must_change: bool) -> UserRecord {
        let hash = self.cell.control.hash_password(PASSWORD, email, "Somebody").expect("good");
        let new = NewUser { email: email.into(), name: "Somebody".into(), password: Some(hash), must_change };
        let account = self.account();
        self.change(|change| {
            let user = change.create_user(&account, &new)?;
            change.add_member(&self.demo.id, &user.id, grants, &Grants::owner())?;
            Ok(user)
        })
    }

    pub async fn cookie_of(&self, email: &str) -> String {
        let page = self.sign_in_as(email, PASSWORD, None).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        page.cookie().expect("a cookie")
    }
}

fn leads_to(page: &Page) -> &str {
    page.headers.get(header::LOCATION).map_or("", |to| to.to_str().expect("text"))
}

fn whole(role: Role) -> Grants {
    Grants(vec![Grant::whole(role)])
}

#[tokio::test]
async fn the_demos_owner_signs_in_with_the_printed_password() {
    let bed = Bed::new();
    let owner = &bed.demo.owner;
    let page = bed.sign_in_as(&owner.email, &owner.password, None).await;
    assert_eq!((page.status, leads_to(&page)), (StatusCode::SEE_OTHER, "/"));
    let set = page.headers[header::SET_COOKIE].to_str().expect("text");
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Max-Age=604800"), "{set}");
    let cookie = page.cookie().expect("a cookie");
    let overview = bed.get("/", Some(&cookie)).await;
    assert_eq!(overview.status, StatusCode::OK);
    assert!(overview.text.contains("Demo website") && overview.text.contains("/workspaces"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_person_are_answered_alike_and_slowed() {
    let bed = Bed::new();
    let owner = bed.demo.owner.email.clone();
    let mut texts = Vec::new();
    for email in [owner.as_str(), "nobody@example.com"] {
        for _ in 0..5 {
            let page = bed.sign_in_as(email, "wrong horse battery", None).await;
            assert_eq!((page.status, page.cookie()), (StatusCode::UNAUTHORIZED, None));
            texts.push(page.text);
        }
        let page = bed.sign_in_as(email, &bed.demo.owner.password, None).await;
        assert_eq!((page.status, page.cookie()), (StatusCode::TOO_MANY_REQUESTS, None), "also the right one waits");
        assert_eq!(page.headers[header::RETRY_AFTER], "1");
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "nothing tells who is there");
    assert!(!texts[0].contains("wrong horse battery") && !texts[0].contains(&owner));
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_tries_of_its_own() {
    let bed = Bed::new();
    let tries = async |peer: [u8; 4], forwarded: &str, count: usize| {
        let mut found = StatusCode::OK;
        for n in 0..count {
            let mut request = http::Request::post("/sign-in")
                .header("x-forwarded-for", forwarded)
                .body(axum::body::Body::from(format!("email=p{n}%40{forwarded}.example&password=wrong")))
                .expect("a request");
            let peer = std::net::IpAddr::from(peer);
            request.extensions_mut().insert(Peer { ip: peer, port: 1, proxied: false, tls: false });
            found = bed.send(request).await.status;
        }
        found
    };
    let (proxy, stranger) = ([127, 0, 0, 1], [203, 0, 113, 9]);
    assert_eq!(tries(proxy, "198.51.100.1", 21).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(tries(proxy, "198.51.100.2", 1).await, StatusCode::UNAUTHORIZED, "another client");
    assert_eq!(
        tries(proxy, "8.8.8.8, 198.51.100.1", 1).await,
        StatusCode::TOO_MANY_REQUESTS,
        "what it says is no way out"
    );
    // Who is no trusted proxy is the client, whatever it says.
    assert_eq!(tries(stranger, "198.51.100.3", 20).await, StatusCode::UNAUTHORIZED);
    assert_eq!(tries(stranger, "198.51.100.4", 1).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_session_that_was_there_before_is_never_gone_on_with() {
    let bed = Bed::new();
    bed.person("anna@example.com", &Grants::owner(), false);
    let planted = "domicile-us-west=plantedplantedplantedplantedplantedplanted0";
    let first = bed.sign_in_as("anna@example.com", PASSWORD, Some(planted)).await.cookie().expect("a cookie");
    assert_ne!(first, planted);
    assert_eq!(leads_to(&bed.get("/", Some(planted)).await), "/sign-in");
    let second = bed.sign_in_as("anna@example.com", PASSWORD, Some(&first)).await.cookie().expect("a cookie");
    assert_ne!(first, second);
    assert_eq!(leads_to(&bed.get("/", Some(&first)).await), "/sign-in", "the session before has ended");
    let by_token = bed.post("/sign-in", Some(&second), &format!("token={}", bed.demo.token)).await;
    assert_eq!(leads_to(&bed.get("/", Some(&second)).await), "/sign-in", "by the other way too");
    let third = bed.sign_in_as("anna@example.com", PASSWORD, by_token.cookie().as_deref()).await;
    assert_eq!(leads_to(&bed.get("/", by_token.cookie().as_deref()).await), "/sign-in");
    assert_eq!(bed.get("/", third.cookie().as_deref()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_this_browser_and_everywhere_ends_all() {
    let bed = Bed::new();
    bed.person("anna@example.com", &Grants::owner(), false);
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(bed.cookie_of("anna@example.com").await);
    }
    let token = bed.sign_in().await;
    bed.post("/sign-out", Some(&cookies[0]), "").await;
    let open = async |cookie: &str| bed.get("/", Some(cookie)).await.status == StatusCode::OK;
    assert!(!open(&cookies[0]).await && open(&cookies[1]).await && open(&cookies[2]).await);
    let page = bed.post("/sign-out-everywhere", Some(&cookies[1]), "").await;
    assert_eq!(leads_to(&page), "/sign-in");
    assert!(!open(&cookies[1]).await && !open(&cookies[2]).await && open(&token).await);
}

#[tokio::test]
async fn who_must_change_the_password_sees_nothing_before() {
    let bed = Bed::new();
    bed.person("anna@example.com", &Grants::owner(), true);
    let cookie = bed.cookie_of("anna@example.com").await;
    for path in ["/", "/workspaces"] {
        assert_eq!(leads_to(&bed.get(path, Some(&cookie)).await), "/password", "{path}");
    }
    assert_eq!(bed.get("/live", Some(&cookie)).await.status, StatusCode::NO_CONTENT);
    let form = |current: &str, new: &str, again: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("current", current).append_pair("new", new).append_pair("again", again).finish()
    };
    for (current, new, again, status) in [
        (PASSWORD, "another horse", "other horse", StatusCode::UNPROCESSABLE_ENTITY),
        (PASSWORD, PASSWORD, PASSWORD, StatusCode::UNPROCESSABLE_ENTITY),
        (PASSWORD, "tiny", "tiny", StatusCode::UNPROCESSABLE_ENTITY),
        (PASSWORD, "password123", "password123", StatusCode::UNPROCESSABLE_ENTITY),
        ("wrong horse", "another horse", "another horse", StatusCode::UNAUTHORIZED),
    ] {
        let page = bed.post("/password", Some(&cookie), &form(current, new, again)).await;
        assert_eq!(page.status, status, "{new}");
        assert!(page.text.contains("role=\"alert\"") && !page.text.contains(new), "{new}");
    }
    let other = bed.cookie_of("anna@example.com").await;
    let page = bed.post("/password", Some(&cookie), &form(PASSWORD, "another horse", "another horse")).await;
    assert_eq!((page.status, leads_to(&page)), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(bed.get("/", page.cookie().as_deref()).await.status, StatusCode::OK);
    for ended in [&cookie, &other] {
        assert_eq!(leads_to(&bed.get("/", Some(ended)).await), "/sign-in", "all sessions of before have ended");
    }
}

#[tokio::test]
async fn a_person_of_several_workspaces_chooses_one_and_only_one_of_their_own() {
    let bed = Bed::new();
    let anna = bed.person("anna@example.com", &Grants::owner(), false);
    let account = bed.account();
    let make = |slug: &str| {
        let new = NewWorkspace { slug: slug.into(), name: format!("Name of {slug}"), plan: None };
        bed.change(|change| change.create_workspace(&account, &new)).id
    };
    let (second, theirs) = (make("second"), make("theirs"));
    bed.change(|change| change.add_member(&second, &anna.id, &Grants::owner(), &Grants::owner()));
    let cookie = bed.cookie_of("anna@example.com").await;
    assert_eq!(leads_to(&bed.get("/", Some(&cookie)).await), "/workspaces");
    let list = bed.get("/workspaces", Some(&cookie)).await;
    assert!(list.text.contains("Name of second") && !list.text.contains("Name of theirs"));
    let choose = async |id: &WorkspaceId| bed.post("/workspaces", Some(&cookie), &format!("workspace={id}")).await;
    assert_eq!(leads_to(&choose(&theirs).await), "/workspaces", "not theirs");
    let chosen = choose(&second).await.cookie().expect("a cookie");
    assert!(bed.get("/", Some(&format!("{cookie}; {chosen}"))).await.text.contains("Name of second"));
    // A cookie made by hand opens nothing.
    let forged = format!("{cookie}; domicile-us-west-workspace={theirs}");
    assert_eq!(leads_to(&bed.get("/", Some(&forged)).await), "/workspaces");
}

#[tokio::test]
async fn a_member_without_roles_sees_no_source_and_no_event() {
    let mut bed = Bed::new();
    bed.decide(r#"{"type":"track","event":"Order Completed","messageId":"m1"}"#);
    bed.person("carl@example.com", &Grants::default(), false);
    bed.person("rita@example.com", &whole(Role::SourceReadOnly), false);
    let carl = bed.get("/", Some(&bed.cookie_of("carl@example.com").await)).await;
    assert_eq!(carl.status, StatusCode::OK);
    assert!(!carl.text.contains("Demo website") && !carl.text.contains("Order Completed"));
    let rita = bed.get("/", Some(&bed.cookie_of("rita@example.com").await)).await;
    assert!(rita.text.contains("Demo website") && rita.text.contains("Order Completed"));
    let key = &bed.demo.sources[0].write_key;
    assert!(!rita.text.contains(&key[..8]), "who only reads sees no write key");
}

#[tokio::test]
async fn who_is_taken_out_is_out_at_once() {
    let bed = Bed::new();
    let anna = bed.person("anna@example.com", &whole(Role::SourceAdmin), false);
    let cookie = bed.cookie_of("anna@example.com").await;
    assert_eq!(bed.get("/", Some(&cookie)).await.status, StatusCode::OK);
    bed.change(|change| change.remove_member(&bed.demo.id, &anna.id));
    assert_eq!(leads_to(&bed.get("/", Some(&cookie)).await), "/sign-in");
}

#[tokio::test]
async fn an_invitation_makes_a_member_once() {
    let bed = Bed::new();
    let invite = |email: &str| {
        let grants = whole(Role::SourceReadOnly);
        bed.change(|change| change.invite(&bed.demo.id, email, &grants, &Grants::owner())).token
    };
    let path = format!("/invite/{}", invite("eve@example.com"));
    assert!(bed.get(&path, None).await.text.contains("eve@example.com"));
    assert_eq!(bed.get("/invite/x", None).await.status, StatusCode::NOT_FOUND);
    let weak = bed.post(&path, None, "name=Eve&password=password123").await;
    assert_eq!((weak.status, weak.cookie()), (StatusCode::UNPROCESSABLE_ENTITY, None));
    // Nothing of the form but these two is looked at.
    let page =
        bed.post(&path, None, "name=Eve&password=correct+horse&role=workspace-owner&email=root@example.com").await;
    assert_eq!((page.status, leads_to(&page)), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(bed.get("/", page.cookie().as_deref()).await.status, StatusCode::OK);
    let eve = bed.change(|change| change.find_user_by_email("eve@example.com")).expect("is there");
    assert!(!bed.change(|change| change.grants_of_user(&bed.demo.id, &eve.id)).is_owner());
    assert_eq!(bed.post(&path, None, "name=Eve&password=correct+horse").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let bed = Bed::new();
    bed.person("anna@example.com", &Grants::owner(), false);
    let cookie = bed.cookie_of("anna@example.com").await;
    for path in ["/sign-in", "/sign-out", "/sign-out-everywhere", "/workspaces", "/password", "/invite/x"] {
        let request = http::Request::post(path)
            .header(header::COOKIE, &cookie)
            .header("sec-fetch-site", "cross-site")
            .body(axum::body::Body::from("email=anna%40example.com&password=correct+horse+battery"));
        let page = bed.send(request.expect("a request")).await;
        assert_eq!((page.status, page.cookie()), (StatusCode::FORBIDDEN, None), "{path}");
    }
    assert_eq!(bed.get("/", Some(&cookie)).await.status, StatusCode::OK, "still signed in");
}

#[tokio::test]
async fn providers_are_named_on_the_page_and_an_unreachable_one_is_said_so() {
    let bed = Bed::new();
    let account = bed.account();
    let provider = |name: &str, domain: &str| NewIdentityProvider {
        name: name.to_owned(),
        // Nothing listens there, and `up` lets nobody connect to itself.
        issuer: "http://127.0.0.1:9".to_owned(),
        client_id: "cell".to_owned(),
        secret: None,
        domains: vec![domain.to_owned()],
        country: None,
    };
    let made = bed.change(|change| change.create_identity_provider(&account, &provider("<b>Work</b>", "example.com")));
    let page = bed.get("/sign-in", None).await;
    assert!(page.text.contains(&format!("/sign-in/oidc/{}", made.id)) && !page.text.contains("<b>Work"));
    let begun = bed.get(&format!("/sign-in/oidc/{}", made.id), None).await;
    assert_eq!(begun.status, StatusCode::BAD_GATEWAY);
    assert!(begun.text.contains("be reached") && !begun.text.contains("127.0.0.1"));
    let answer = bed.get(&format!("/sign-in/oidc/{}/answer?code=c&state=s", made.id), None).await;
    assert_eq!((answer.status, answer.cookie().as_deref()), (StatusCode::BAD_REQUEST, Some("domicile-oidc-us-west=")));
    assert_eq!(bed.get("/sign-in/oidc/unknown", None).await.status, StatusCode::NOT_FOUND);
    // With two accounts, the page names neither's providers before it is told whose.
    let other = bed.change(|change| {
        let account = change.create_account(&domicile_control::NewAccount { name: "O".into(), plan: "free".into() })?;
        change.create_identity_provider(&account.id, &provider("Other", "other.example"))?;
        Ok(account.id)
    });
    assert_ne!(other, account);
    let page = bed.get("/sign-in", None).await;
    assert!(!page.text.contains(&made.id) && page.text.contains("name=\"workspace\""));
    assert!(bed.get(&format!("/sign-in?workspace={}", bed.demo.slug), None).await.text.contains(&made.id));
    bed.change(|change| change.enable_identity_provider(&made.id, false));
    assert_eq!(bed.get(&format!("/sign-in/oidc/{}", made.id), None).await.status, StatusCode::NOT_FOUND);
}
