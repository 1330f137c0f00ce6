//! The page of transfers: two people in two browsers.

use crate::bed::{Bed, Page};
use domicile_control::{Grant, Grants, Role, TransferState};
use http::{Request, StatusCode, header};

/// The built-in `eu-west`: it allows the EEA.
const EU: usize = 1;

fn form(more: &str) -> String {
    let now = domicile_world::World::real().clock.now();
    let day = domicile_event::Stamp::of(now.plus(30 * 86_400_000).0);
    format!("to=us&basis=scc&expires={}&reason=support+desk&{more}", &day.as_str()[..10])
}

impl Bed {
    /// Signs in as somebody new with these permissions; gives the cookie.
    async fn person_in(&self, email: &str, grants: &Grants) -> String {
        self.person(email, grants, false);
        self.cookie_of(email).await
    }

    fn states(&self) -> Vec<TransferState> {
        let page = domicile_control::Page::first(100);
        let listed = self.cell.control.view(|view| view.transfers(Some(&self.demo.id), &page)).expect("reads");
        listed.rows.iter().map(|transfer| transfer.state).collect()
    }

    fn newest(&self) -> String {
        let page = domicile_control::Page::last(1);
        let listed = self.cell.control.view(|view| view.transfers(Some(&self.demo.id), &page)).expect("reads");
        listed.rows[0].id.to_string()
    }
}

fn is_done(page: &Page) -> bool {
    page.status == StatusCode::SEE_OTHER && page.headers[header::LOCATION] == "/transfers"
}

#[tokio::test]
async fn one_requests_the_other_approves_and_the_page_tells_who() {
    let bed = Bed::of_region(EU);
    let anna = bed.person_in("anna@acme.example", &Grants::owner()).await;
    let bob = bed.person_in("bob@acme.example", &Grants::owner()).await;
    let sent = bed.post("/transfers", Some(&anna), &form("allow=event,+userId&hash=userId&truncateIp=yes")).await;
    assert!(is_done(&sent), "{} {}", sent.status, sent.text);
    let approve = format!("/transfers/{}/approve", bed.newest());
    let refused = bed.post(&approve, Some(&anna), "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("who requested a transfer does not approve it"), "{}", refused.text);
    assert!(is_done(&bed.post(&approve, Some(&bob), "").await));
    let page = bed.get("/transfers", Some(&anna)).await;
    for part in [
        "granted",
        "30 days left",
        "anna@acme.example, ",
        "bob@acme.example, ",
        "only event, userId; hashed: userId; no whole IP address",
        "support desk",
        ">End<",
    ] {
        assert!(page.text.contains(part), "{part} in {}", page.text);
    }
    assert!(!page.text.contains("<script"), "the page needs none");
    let end = format!("/transfers/{}/end", bed.newest());
    assert!(is_done(&bed.post(&end, Some(&anna), "").await));
    assert_eq!(bed.states(), [TransferState::Ended]);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_on_the_page_and_nothing_is_requested() {
    let bed = Bed::of_region(EU);
    let anna = bed.person_in("anna@acme.example", &Grants::owner()).await;
    for (form, said) in [
        (form("").replace("to=us", "to=ie"), "everything may go there already"),
        (form("").replace("to=us", "to=xx"), "to is no country"),
        (form("").replace("scc", "trust"), "basis is not a legal basis"),
        (form("vendor=nobody"), "vendor is no"),
        (form("deny=type"), "fields.deny.0"),
        (form("allow=<b>..x"), "fields.allow.0"),
    ] {
        let page = bed.post("/transfers", Some(&anna), &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(page.text.contains(said) && !page.text.contains("<b>"), "{said} in {}", page.text);
    }
    assert!(bed.states().is_empty());
}

#[tokio::test]
async fn only_owners_decide_and_only_from_this_page() {
    let bed = Bed::of_region(EU);
    let anna = bed.person_in("anna@acme.example", &Grants::owner()).await;
    let reader = bed.person_in("carl@acme.example", &Grants(vec![Grant::whole(Role::SourceReadOnly)])).await;
    let other = bed.person_in("dora@acme.example", &Grants(vec![Grant::whole(Role::WarehouseAdmin)])).await;
    bed.post("/transfers", Some(&anna), &form("")).await;
    let read = bed.get("/transfers", Some(&reader)).await;
    assert!(read.text.contains("requested") && !read.text.contains("<form method=\"post\" action=\"/transfers"));
    assert!(!bed.get("/transfers", Some(&other)).await.text.contains("anna@acme.example"));
    let path = format!("/transfers/{}", bed.newest());
    for (cookie, path) in
        [(&reader, "/transfers".to_owned()), (&reader, path.clone() + "/end"), (&other, path.clone() + "/approve")]
    {
        assert_eq!(bed.post(&path, Some(cookie), &form("")).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let nobody = bed.post(&(path.clone() + "/end"), None, "").await;
    assert_eq!(nobody.headers[header::LOCATION], "/sign-in");
    let foreign = Request::post(path + "/end").header(header::COOKIE, &anna).header("sec-fetch-site", "cross-site");
    let foreign = bed.send(foreign.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(bed.states(), [TransferState::Requested]);
    // Who came in with a token of the operator's making is no second person.
    let token = bed.sign_in().await;
    let refused = bed.post(&format!("/transfers/{}/approve", bed.newest()), Some(&token), "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}
