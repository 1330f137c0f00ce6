//! Events go out as far as the newest permit lets them, and by no other door.

use crate::stage::{ask, country, eu_border};
use bytes::Bytes;
use domicile_border::{
    Ask, Border, Form, Limits, Line, Payload, Place, Purpose, Refusal, Register, Released, Rule, SendError, Unmade,
};
use domicile_event::reduce::{Draft, Reduction};
use domicile_keys::IdentifierHasher;
use domicile_region::{BorderPolicy, CountrySet, Transfer};
use domicile_testkit::{Manner, Partner};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use http::Request;
use http_body_util::Full;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

struct Plain;

impl Form for Plain {
    async fn request(&self, events: &[Released]) -> Result<Request<Full<Bytes>>, Unmade> {
        let [event, more @ ..] = events else { return Err(Unmade("nothing")) };
        let body = more.iter().fold(event.body.to_vec(), |body, event| [&body, &event.body[..]].concat());
        let request = Request::post("/").header("x-id", &event.message_id);
        Ok(request.body(Full::new(body.into())).expect("a request"))
    }
}

fn transfer(fields: Option<Draft>) -> Transfer {
    Transfer {
        to: country("US"),
        vendor: None,
        basis: "dpf".to_owned(),
        approved_by: "dpo@example.com".to_owned(),
        expires: "2100-01-01".to_owned(),
        fields: fields.map(|draft| Reduction::check(&draft).expect("sound")),
    }
}

fn denies(path: &str) -> Draft {
    Draft { deny: Some(vec![path.to_owned()]), ..Draft::default() }
}

fn policy(transfers: Vec<Transfer>) -> BorderPolicy {
    BorderPolicy { allow: CountrySet::These([country("IE")].into()), transfers }
}

async fn deliver(line: &mut Line, body: &'static str) -> String {
    let payload = Payload::new("m1".into(), Bytes::from_static(body.as_bytes()));
    match line.deliver(&[payload], &Plain, &Limits::WEBHOOK).await {
        Ok(answer) => {
            let [released] = line.released() else { panic!("what went out") };
            assert_eq!(line.body_bytes(), released.body.len() as u64);
            format!("{} {} bytes", answer.status.as_u16(), released.body.len())
        }
        Err(error) => error.to_string(),
    }
}

const EVENT: &str = r#"{"messageId":"m1", "a":1.0,"b":{"email":"x"},"userId":"ann"}"#;

#[tokio::test]
async fn an_open_line_sends_what_the_rule_of_the_moment_lets_out() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real()).with_identifiers(IdentifierHasher::new(&[1; 16]));
    border.put_policy(policy(vec![transfer(None)]));
    let permit = border.permit(ask(&partner.url("/"), "US")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    assert_eq!(deliver(&mut line, EVENT).await, "200 60 bytes");
    border.put_policy(policy(vec![transfer(Some(denies("b.email")))]));
    assert_eq!(deliver(&mut line, EVENT).await, "200 49 bytes");
    // The workspace's own transfer lets out more, but the region's comes first.
    border.put_grants(BTreeMap::from([(WorkspaceId::new("workspace-1"), vec![transfer(None)])]));
    assert_eq!(deliver(&mut line, EVENT).await, "200 49 bytes");
    border.put_policy(policy(Vec::new()));
    assert_eq!(deliver(&mut line, EVENT).await, "200 60 bytes");
    assert!(matches!(&**line.granted(), granted if matches!(granted.rule(), Rule::WorkspaceTransfer(_))));
    let hashes = Draft { hash: Some(vec!["userId".to_owned(), "messageId".to_owned()]), ..Draft::default() };
    border.put_grants(BTreeMap::from([(WorkspaceId::new("workspace-1"), vec![transfer(Some(hashes))])]));
    assert_eq!(deliver(&mut line, EVENT).await, "200 183 bytes");
    border.put_grants(BTreeMap::new());
    assert!(deliver(&mut line, EVENT).await.contains("country_refused"));

    let less = r#"{"messageId":"m1", "a":1.0,"b":{},"userId":"ann"}"#;
    let hash = |text: &str| IdentifierHasher::new(&[1; 16]).hash("workspace-1", text);
    let hashed = EVENT.replace("m1", &hash("m1")).replace("ann", &hash("ann"));
    let sent: Vec<String> =
        partner.received().iter().map(|received| String::from_utf8_lossy(&received.body).into_owned()).collect();
    assert_eq!(sent, [EVENT, less, less, EVENT, &hashed]);
    assert_eq!(partner.received()[4].header("x-id"), Some(hash("m1").as_str()));
}

/// Takes its time, in which the policy changes.
struct Slow<'b>(&'b Border, Mutex<Vec<BorderPolicy>>);

impl Form for Slow<'_> {
    async fn request(&self, events: &[Released]) -> Result<Request<Full<Bytes>>, Unmade> {
        tokio::task::yield_now().await;
        if let Some(policy) = self.1.lock().expect("lock").pop() {
            self.0.put_policy(policy);
        }
        Plain.request(events).await
    }
}

#[tokio::test]
async fn several_events_go_in_one_request_each_as_far_as_the_rule_lets_it() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    border.put_policy(policy(vec![transfer(Some(denies("email")))]));
    let permit = border.permit(ask(&partner.url("/"), "US")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    let payload = |id: &'static str, body: &'static str| Payload::new(id.into(), Bytes::from_static(body.as_bytes()));
    let payloads = [payload("m1", r#"{"email":1,"n":1}"#), payload("m2", r#"{"n":2}"#)];
    line.deliver(&payloads, &Plain, &Limits::WEBHOOK).await.expect("an answer");
    let released: Vec<&str> = line.released().iter().map(|released| released.message_id.as_str()).collect();
    assert_eq!((released, line.body_bytes()), (vec!["m1", "m2"], 14));
    assert_eq!(partner.received()[0].body, br#"{"n":1}{"n":2}"#.as_slice());

    let one_is_none = [payload("m1", "{}"), payload("m2", "[]")];
    let error = line.deliver(&one_is_none, &Plain, &Limits::WEBHOOK).await.expect_err("not sent");
    assert_eq!((error.as_str(), line.released().len(), line.body_bytes()), ("request", 0, 0));
    let error = line.deliver(&[], &Plain, &Limits::WEBHOOK).await.expect_err("not sent");
    assert!(matches!(error, SendError::Unmade("nothing")), "{error}");
    assert_eq!(partner.received().len(), 1);
}

#[tokio::test]
async fn a_request_that_took_its_time_is_made_anew_under_the_policy_of_the_moment() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    border.put_policy(policy(vec![transfer(None)]));
    let permit = border.permit(ask(&partner.url("/"), "US")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    let payload = [Payload::new("m1".into(), Bytes::from_static(EVENT.as_bytes()))];
    let stricter = Slow(&border, Mutex::new(vec![policy(vec![transfer(Some(denies("b.email")))])]));
    line.deliver(&payload, &stricter, &Limits::WEBHOOK).await.expect("an answer");
    assert_eq!((line.body_bytes(), partner.received()[0].body.len()), (49, 49));
    let closed = Slow(&border, Mutex::new(vec![policy(Vec::new())]));
    let error = line.deliver(&payload, &closed, &Limits::WEBHOOK).await.expect_err("not sent");
    assert_eq!((error.as_str(), partner.received().len()), ("country_refused", 1));
}

#[tokio::test]
async fn without_the_cells_key_identifiers_are_hashed_still() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    let hashes = Draft { hash: Some(vec!["userId".to_owned()]), ..Draft::default() };
    border.put_policy(policy(vec![transfer(Some(hashes))]));
    let permit = border.permit(ask(&partner.url("/"), "US")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    assert_eq!(deliver(&mut line, EVENT).await, "200 121 bytes");
    let body = String::from_utf8_lossy(&partner.received()[0].body).into_owned();
    assert!(!body.contains("ann") && body.len() > EVENT.len() + 50, "{body}");
}

#[tokio::test]
async fn a_body_that_is_no_object_goes_nowhere_under_a_transfer_of_fields() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    border.put_policy(policy(vec![transfer(Some(denies("email")))]));
    let permit = border.permit(ask(&partner.url("/"), "US")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    for body in ["", "[]", "\"email\"", "{\"a\":1", "{\"a\":1}{\"email\":2}", "[{\"email\":1}]"] {
        assert!(deliver(&mut line, body).await.contains("it is no JSON object"), "{body}");
    }
    assert!(partner.received().is_empty());
}

#[tokio::test]
async fn a_permit_for_events_sends_nothing_but_events() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    let open = async || {
        let permit = border.permit(ask(&partner.url("/"), "IE")).await.expect("a permit");
        border.open(permit, &Limits::WEBHOOK).await.expect("a line")
    };
    let request = || Request::post("/").body(Full::new(Bytes::from_static(EVENT.as_bytes()))).expect("a request");
    let sent = open().await.send(request(), &Limits::WEBHOOK).await;
    assert_eq!(sent.expect_err("not sent").as_str(), "request");
    let streamed = open().await.stream(request(), &Limits::WEBHOOK, |_| true).await;
    assert_eq!(streamed.expect_err("not sent").as_str(), "request");
    let permit = border.permit(ask(&partner.url("/"), "IE")).await.expect("a permit");
    assert_eq!(border.send(permit, request(), &Limits::WEBHOOK).await.expect_err("not sent").as_str(), "request");
    assert!(partner.received().is_empty());
}

#[tokio::test]
async fn a_transfer_of_fields_opens_no_database_and_no_sign_in() {
    let border = eu_border(World::real());
    border.put_policy(policy(vec![transfer(Some(denies("email")))]));
    for (purpose, url, expected) in [
        (Purpose::Webhook, "http://9.9.9.9/", "a permit"),
        (Purpose::SignIn, "http://9.9.9.9/", "country_refused"),
        (Purpose::Warehouse, "postgres://9.9.9.9/", "country_refused"),
        (Purpose::ControlStore, "postgres://9.9.9.9/", "country_refused"),
    ] {
        let answer = border.permit(Ask { purpose, ..ask(url, "US") }).await;
        let got = answer.map_or_else(|refusal| refusal.code.as_str(), |_| "a permit");
        assert_eq!(got, expected, "{purpose:?}");
    }
}

#[tokio::test]
async fn a_partners_country_is_the_catalogs_and_a_transfer_may_name_it() {
    let border = eu_border(World::real());
    border.put_policy(policy(vec![Transfer { vendor: Some("acme".to_owned()), ..transfer(None) }]));
    let partner = |vendor: &str, code: &str| Place::Partner { vendor: vendor.into(), country: country(code) };
    for (place, url, expected) in [
        (partner("acme", "US"), "https://9.9.9.9/", "transfer to US for acme (dpf, until 2100-01-01)"),
        (partner("acme", "IE"), "https://9.9.9.9/", "allow IE"),
        (partner("acme-labs", "US"), "https://9.9.9.9/", "country_refused"),
        (partner("acme", "BR"), "https://9.9.9.9/", "country_refused"),
        (Place::Declared(Some(country("US"))), "https://9.9.9.9/", "country_refused"),
        (Place::Declared(None), "https://9.9.9.9/", "country_undeclared"),
        (partner("acme", "US"), "https://10.0.0.1/", "address_refused"),
    ] {
        let answer = border.permit(Ask { place: place.clone(), ..ask(url, "") }).await;
        let got = answer
            .map_or_else(|refusal| refusal.code.as_str().to_owned(), |permit| permit.granted().rule().to_string());
        assert_eq!(got, expected, "{place:?} {url}");
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Register for Kept {
    fn refused(&self, refusal: &Refusal) {
        let mut kept = self.0.lock().expect("lock");
        kept.push(format!("{} {}", refusal.purpose.as_str(), refusal.code.as_str()));
    }
}

#[tokio::test]
async fn each_refusal_is_written_down_once_but_those_of_commands() {
    let kept = Arc::new(Kept::default());
    let border: Border = eu_border(World::real()).with_register(kept.clone());
    for purpose in [Purpose::Webhook, Purpose::Command, Purpose::SignIn] {
        assert!(border.permit(Ask { purpose, ..ask("http://10.0.0.1/", "IE") }).await.is_err());
        assert!(border.permit(Ask { purpose, ..ask("http://9.9.9.9/", "US") }).await.is_err());
        assert!(border.permit(Ask { purpose, ..ask("http://9.9.9.9/", "IE") }).await.is_ok());
    }
    let expected =
        ["webhook address_refused", "webhook country_refused", "sign_in address_refused", "sign_in country_refused"];
    assert_eq!(*kept.0.lock().expect("lock"), expected);
}
