//! The border as a process of its own: both sides have to say yes, and what is gone comes back.
//!
//! That it refuses what the border refuses is shown in `attacks`, `databases` and `tls`, where each row goes both ways.

use crate::stage::{ask, country, eu_border, gated, plain_ask, region, shown};
use bytes::Bytes;
use domicile_border::{Border, Form, Gate, Limits, Line, Payload, Refusal, Register, Released, Unmade};
use domicile_event::reduce::{Draft, Reduction};
use domicile_keys::IdentifierHasher;
use domicile_region::{BorderPolicy, CountrySet, Transfer};
use domicile_testkit::{Dice, Manner, Partner};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use http::Request;
use http_body_util::Full;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

struct Plain;

impl Form for Plain {
    async fn request(&self, events: &[Released]) -> Result<Request<Full<Bytes>>, Unmade> {
        Ok(Request::post("/").body(Full::new(events[0].body.clone())).expect("a request"))
    }
}

const EVENT: &str = r#"{"messageId":"m1","userId":"ann","email":"x"}"#;

async fn deliver(line: &mut Line) -> String {
    let payload = Payload::new("m1".into(), Bytes::from_static(EVENT.as_bytes()));
    match line.deliver(&[payload], &Plain, &Limits::WEBHOOK).await {
        Ok(answer) => answer.status.as_u16().to_string(),
        Err(error) => error.as_str().to_owned(),
    }
}

fn transfer(to: &str, vendor: Option<&str>, fields: Option<Draft>) -> Transfer {
    Transfer {
        to: country(to),
        vendor: vendor.map(str::to_owned),
        basis: "dpf".to_owned(),
        approved_by: "dpo@example.com".to_owned(),
        expires: "2100-01-01".to_owned(),
        fields: fields.map(|draft| Reduction::check(&draft).expect("sound")),
    }
}

fn eea(transfers: Vec<Transfer>) -> BorderPolicy {
    BorderPolicy { transfers, ..region("eu-west").border }
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new("workspace-1")
}

#[tokio::test]
async fn a_cell_names_transfers_of_the_region_and_widens_nothing() {
    let gate = eu_border(World::real());
    gate.put_policy(eea(vec![transfer("US", None, None), transfer("BR", None, None)]));
    let (cell, _gated) = gated(&gate);
    let any = |transfers| BorderPolicy { allow: CountrySet::Any, transfers };
    let no_rule = "country_refused: the region's policy allows no such country";
    let not_here = "border_unreachable: the border process grants it under a rule that is not in force in the cell";
    for (policy, to, expected) in [
        (eea(Vec::new()), "IE", "9.9.9.9:443 IE allow IE"),
        (eea(Vec::new()), "US", no_rule),
        (
            eea(vec![transfer("US", None, None)]),
            "US",
            "9.9.9.9:443 US transfer to US for any vendor (dpf, until 2100-01-01)",
        ),
        (eea(vec![transfer("US", None, None)]), "BR", no_rule),
        // A cell that was told more than the region's policy says.
        (any(Vec::new()), "US", no_rule),
        (eea(vec![transfer("CA", None, None)]), "CA", no_rule),
        // A cell that knows less.
        (BorderPolicy { allow: CountrySet::These([country("DE")].into()), transfers: Vec::new() }, "IE", not_here),
    ] {
        cell.put_policy(policy);
        assert_eq!(shown(&cell.permit(ask("https://9.9.9.9/", to)).await), expected, "{to}");
    }
    cell.put_policy(eea(Vec::new()));
    cell.put_grants(BTreeMap::from([(workspace(), vec![transfer("US", None, None)])]));
    let granted = cell.permit(ask("https://9.9.9.9/", "US")).await;
    assert!(shown(&granted).contains("workspace's transfer to US"), "{}", shown(&granted));
    // Those of one workspace are for no other, and for its own things alone.
    assert!(shown(&cell.permit(plain_ask("https://9.9.9.9/", "US")).await).starts_with("country_refused"));
    cell.put_grants(BTreeMap::new());
    assert_eq!(shown(&cell.permit(ask("https://9.9.9.9/", "US")).await), no_rule);
}

#[tokio::test]
async fn an_event_is_reduced_under_the_rule_of_the_moment() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let (cell, _gated) = gated(&eu_border(World::real()));
    let cell = cell.with_identifiers(IdentifierHasher::new(&[1; 16]));
    let grant = |fields| cell.put_grants(BTreeMap::from([(workspace(), vec![transfer("US", None, fields)])]));
    grant(None);
    let permit = cell.permit(ask(&partner.url("/"), "US")).await.expect("a permit");
    let mut line = cell.open(permit, &Limits::WEBHOOK).await.expect("a line");
    assert_eq!(deliver(&mut line).await, "200");
    grant(Some(Draft {
        deny: Some(vec!["email".to_owned()]),
        hash: Some(vec!["userId".to_owned()]),
        truncate_ip: true,
        ..Draft::default()
    }));
    assert_eq!(deliver(&mut line).await, "200");
    cell.put_grants(BTreeMap::new());
    assert_eq!(deliver(&mut line).await, "country_refused");
    let hash = IdentifierHasher::new(&[1; 16]).hash("workspace-1", "ann");
    let sent: Vec<_> = partner.received().iter().map(|r| String::from_utf8_lossy(&r.body).into_owned()).collect();
    assert_eq!(sent, [EVENT.to_owned(), format!(r#"{{"messageId":"m1","userId":"{hash}"}}"#)]);
}

/// Keeps the codes of what was refused.
#[derive(Default)]
struct Codes(Mutex<Vec<&'static str>>);

impl Register for Codes {
    fn refused(&self, refusal: &Refusal) {
        self.0.lock().expect("lock").push(refusal.code.as_str());
    }
}

#[tokio::test]
async fn without_the_border_process_nothing_goes_out_and_with_it_lines_go_on() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let gate = eu_border(World::real());
    let codes = Arc::new(Codes::default());
    let (cell, mut gated) = gated(&gate);
    let cell = cell.with_register(codes.clone());
    let permit = cell.permit(ask(&partner.url("/"), "IE")).await.expect("a permit");
    let mut line = cell.open(permit, &Limits::WEBHOOK).await.expect("a line");
    assert_eq!(deliver(&mut line).await, "200");
    assert_eq!(deliver(&mut line).await, "200");

    let unused = cell.permit(ask(&partner.url("/"), "IE")).await.expect("a permit");
    gated.kill().await;
    assert_eq!(deliver(&mut line).await, "border_unreachable");
    let refusal = cell.permit(ask(&partner.url("/"), "IE")).await.expect_err("refused");
    assert_eq!(
        (refusal.code.as_str(), refusal.may_pass(), refusal.is_failed_try()),
        ("border_unreachable", true, false)
    );
    assert!(refusal.mend().contains("domicile border"), "{}", refusal.mend());
    assert!(cell.open(unused, &Limits::WEBHOOK).await.is_err_and(|error| error.as_str() == "border_unreachable"));
    // What is refused is written down in the cell, whoever refused it.
    gated.start(&gate);
    let mut again = deliver(&mut line).await;
    while again == "border_unreachable" {
        tokio::task::yield_now().await;
        again = deliver(&mut line).await;
    }
    assert_eq!(again, "200");
    assert!(cell.permit(ask("http://10.0.0.1/", "IE")).await.is_err());
    let codes = codes.0.lock().expect("lock");
    assert_eq!((codes[0], codes[codes.len() - 1]), ("border_unreachable", "address_refused"));
    assert_eq!(partner.received().len(), 3);
}

/// Speaks the protocol by hand.
struct ByHand(UnixStream);

impl ByHand {
    async fn new(socket: &Path) -> Self {
        Self(UnixStream::connect(socket).await.expect("a connection"))
    }

    async fn say(&mut self, frame: &str) -> String {
        let length = u32::try_from(frame.len()).expect("short").to_be_bytes();
        self.0.write_all(&[&length, frame.as_bytes()].concat()).await.expect("is sent");
        self.hear().await
    }

    /// The next frame; empty at the end.
    async fn hear(&mut self) -> String {
        let Ok(length) = self.0.read_u32().await else { return String::new() };
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.expect("a frame");
        String::from_utf8(frame).expect("text")
    }
}

impl ByHand {
    /// Waits until the gate ends it.
    async fn ends(&mut self) {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), self.0.read_to_end(&mut rest)).await;
        let _ = end.expect("the gate ends the connection");
    }
}

const KEEP: &str = r#"{"keep":{"region":"eu-west","own":["127.0.0.9:7100"]}}"#;
const NOTHING: &str = r#"{"transfers":[],"grants":{}}"#;

fn asks(session: &str, url: &str, to: &str) -> String {
    format!(
        r#"{{"ask":{{"session":{session},"workspace":"w","purpose":"webhook","url":"{url}","country":"{to}","vendor":null}}}}"#
    )
}

#[tokio::test]
async fn nothing_is_granted_before_a_session_or_after_it_and_its_connections_end_with_it() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let (_, gated) = gated(&eu_border(World::real()));
    let socket = gated.socket();
    let mut kept = ByHand::new(&socket).await;
    let session = kept.say(KEEP).await;
    let session = session.trim_start_matches(r#"{"kept":"#).trim_end_matches('}').to_owned();
    let url = partner.url("/");
    for number in ["0", &session] {
        let said = ByHand::new(&socket).await.say(&asks(number, &url, "IE")).await;
        assert!(said.contains("border_unreachable"), "{said}");
    }
    assert!(kept.say(NOTHING).await.contains("kept"));
    let mut open = ByHand::new(&socket).await;
    assert!(open.say(&asks(&session, &url, "IE")).await.contains("granted"));
    assert!(open.say(r#"{"connect_ms":5000}"#).await.contains("connected"));
    open.0.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.expect("is sent");
    let mut answer = [0; 12];
    open.0.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    // What is the cell's own is known by the session.
    let own = ByHand::new(&socket).await.say(&asks(&session, "http://127.0.0.9:7100/", "IE")).await;
    assert!(own.contains("own_address"), "{own}");

    drop(kept);
    open.ends().await;
    let said = ByHand::new(&socket).await.say(&asks(&session, &url, "IE")).await;
    assert!(said.contains("border_unreachable"), "{said}");
}

#[tokio::test]
async fn a_connection_whose_rule_has_ended_carries_nothing_more_whatever_the_cell_does() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let (_, gated) = gated(&eu_border(World::real()));
    let grants = r#"{"transfers":[],"grants":{"w":[{"to":"US","vendor":null,"basis":"dpf","approved_by":"a","expires":"2100-01-01","fields":null}]}}"#;
    let mut kept = ByHand::new(&gated.socket()).await;
    let session = kept.say(KEEP).await.trim_start_matches(r#"{"kept":"#).trim_end_matches('}').to_owned();
    kept.say(grants).await;
    let mut open = ByHand::new(&gated.socket()).await;
    assert!(open.say(&asks(&session, &partner.url("/"), "US")).await.contains("granted"));
    assert!(open.say(r#"{"connect_ms":5000}"#).await.contains("connected"));
    let post = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    open.0.write_all(post).await.expect("is sent");
    partner.wait_for(1).await;
    kept.say(NOTHING).await;
    open.0.write_all(post).await.expect("is sent");
    open.ends().await;
    assert_eq!(partner.received().len(), 1);
}

/// Everything that `bytes` get as an answer, until the gate ends the connection or waits for more.
async fn answered(gate: &Gate, bytes: &[u8]) -> String {
    let (mut ours, theirs) = tokio::io::duplex(1 << 20);
    ours.write_all(bytes).await.expect("there is room");
    ours.shutdown().await.expect("ends");
    gate.serve(theirs).await;
    let mut answer = Vec::new();
    ours.read_to_end(&mut answer).await.expect("the end");
    String::from_utf8_lossy(&answer).into_owned()
}

fn framed(frames: &[&[u8]]) -> Vec<u8> {
    let framed = |frame: &&[u8]| [&u32::try_from(frame.len()).expect("short").to_be_bytes()[..], frame].concat();
    frames.iter().flat_map(framed).collect()
}

#[tokio::test]
async fn hostile_frames_end_their_connection_and_nothing_else() {
    let gate = Gate::new(eu_border(World::real()));
    let deep = "[".repeat(60_000);
    let wrong = |from: &str, to: &str| asks("1", "https://9.9.9.9/", "IE").replace(from, to);
    let keep = KEEP.as_bytes();
    for (bytes, expected) in [
        (vec![], ""),
        (vec![0, 0, 0], ""),
        (vec![0xff; 4], ""),
        (vec![0xff; 100_000], ""),
        (vec![0; 4], ""),
        (framed(&[b"{}"]), ""),
        (framed(&[b"\xff\xfe"]), ""),
        (framed(&[deep.as_bytes()]), ""),
        (framed(&[&vec![b' '; 64 * 1024 + 1]]), ""),
        ([&[0, 0, 255, 255], &b"{\"ask\":"[..]].concat(), ""),
        (framed(&[wrong("\"ask\"", "\"asks\"").as_bytes()]), ""),
        (framed(&[wrong("webhook", "everything").as_bytes()]), ""),
        (framed(&[wrong("\"IE\"", "\"XX\"").as_bytes()]), ""),
        (framed(&[wrong("\"IE\",\"vendor\":null", "null,\"vendor\":\"acme\"").as_bytes()]), ""),
        (framed(&[wrong("\"url\"", "\"more\":1,\"url\"").as_bytes()]), ""),
        (framed(&[wrong(":1,", ":-1,").as_bytes()]), ""),
        (framed(&[wrong("", "").as_bytes()]), "border_unreachable"),
        (framed(&[KEEP.replace("eu-west", "us-west").as_bytes()]), "unfit"),
        (framed(&[KEEP.replace("127.0.0.9:7100", "here").as_bytes()]), ""),
        (framed(&[keep, b"{}"]), "kept"),
        (framed(&[keep, NOTHING.replace("{}", "{\"w\":[{}]}").as_bytes()]), "kept"),
        (framed(&[keep, keep]), "kept"),
        ([framed(&[keep]), vec![0xff; 1000]].concat(), "kept"),
    ] {
        let answer = answered(&gate, &bytes).await;
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let is_expected = if expected.is_empty() { answer.is_empty() } else { answer.contains(expected) };
        assert!(is_expected, "{shown}: {answer}");
    }
    // Good frames with bytes changed, cut and doubled.
    let good = framed(&[keep, NOTHING.as_bytes(), asks("1", "https://9.9.9.9/", "IE").as_bytes()]);
    let mut dice = Dice::new(5);
    for _ in 0..2_000 {
        let mut bytes = good.clone();
        for _ in 0..=dice.below(3) {
            let at = dice.index(bytes.len());
            match dice.below(3) {
                0 => bytes[at] = dice.next_u64() as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes.extend_from_within(at..),
            }
        }
        let answer = answered(&gate, &bytes).await;
        assert!(!answer.contains("granted"), "{answer}");
    }
    assert!(answered(&gate, &framed(&[keep, NOTHING.as_bytes()])).await.matches("kept").count() == 2);
}

#[tokio::test]
async fn the_border_of_another_region_keeps_no_session() {
    let (_, gated) = gated(&eu_border(World::real()));
    let stranger = Border::new(World::real(), &region("us-west"), &[]).through_gate(&gated.socket());
    let asked = async {
        let refusal = stranger.permit(ask("https://9.9.9.9/", "US")).await;
        assert!(shown(&refusal).starts_with("border_unreachable"), "{}", shown(&refusal));
    };
    tokio::select! {
        () = stranger.keep_gate() => {}
        () = asked => {}
    }
}

#[tokio::test]
async fn sessions_are_few_and_a_place_is_free_again_after_each() {
    let (_, gated) = gated(&eu_border(World::real()));
    for _ in 0..3 {
        let mut kept = Vec::new();
        loop {
            let mut one = ByHand::new(&gated.socket()).await;
            let said = one.say(KEEP).await;
            kept.push(one);
            if said.contains("unfit") {
                break;
            }
        }
        assert!((2..=17).contains(&kept.len()), "{}", kept.len());
        let last = kept.pop();
        drop(kept);
        // The end of a connection is seen after a while.
        let mut one = ByHand::new(&gated.socket()).await;
        while one.say(KEEP).await.contains("unfit") {
            one = ByHand::new(&gated.socket()).await;
        }
        drop(last);
    }
}
