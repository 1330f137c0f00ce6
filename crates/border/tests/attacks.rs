//! The table of attacks: each is refused with its reason and nobody is asked or called; and each is an attack.
//!
//! Goal: nothing of the 72 classes opens a connection that no permit was given for. Method: every row is tried on a border that
//! would allow the country, with a trap in its way. The same rows are given to a naive client, which has to reach the trap in
//! all of them that name a place, so that a border without its checks would fail here. What can't reach it is counted by reason.

use crate::naive::{self, Host};
use crate::stage::{Names, ask, country, gated, networks, plain_ask, region, shown};
use crate::tls::{Authority, Loopback};
use bytes::Bytes;
use domicile_border::attacks::{Answer, Attack, CLASSES, Kind, NETWORKS, OWN, all};
use domicile_border::{Ask, Border, Limits, Outside, Place, Purpose};
use domicile_world::World;
use http::{HeaderValue, Request};
use http_body_util::Full;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const LIMITS: Limits = Limits { connect: Duration::from_secs(2), whole: Duration::from_secs(1), answer_bytes: 1000 };
/// Public addresses that stand for a partner's own.
const HONEST: [&str; 3] = ["9.9.9.9", "8.8.8.8", "2a00:1450::1"];

fn border(names: &Arc<Names>) -> Border {
    let own = OWN.map(|own| own.parse().expect("an address"));
    Border::new(World::real(), &region("us-west"), &networks(&NETWORKS))
        .with_outside(names.clone())
        .with_own(own.into())
}

/// A border to loopback, which is a local network.
fn local() -> Border {
    Border::new(World::real(), &region("us-west"), &networks(&[("127.0.0.0/8", "local")]))
}

/// Compares all rows of a kind with what they come to.
fn compare(rows: &[(Attack, String)]) {
    let differs = |(attack, got): &&(Attack, String)| {
        let more = got.strip_prefix(attack.expected.as_str());
        !more.is_some_and(|more| more.is_empty() || more.starts_with(':'))
    };
    let wrong: Vec<String> = rows
        .iter()
        .filter(differs)
        .map(|(attack, got)| format!("{attack}\n   expected {}\n   got      {got}", attack.expected))
        .collect();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn every_class_has_rows_and_there_are_more_than_three_hundred_attacks() {
    let all = all();
    let classes: BTreeSet<u8> = all.iter().map(|attack| attack.class).collect();
    assert_eq!(classes, (1..=CLASSES).collect());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for attack in &all {
        let kind = match &attack.kind {
            Kind::Url(_) => "URLs",
            Kind::Database(_) => "databases",
            Kind::Names(_) => "names",
            Kind::Answer(_) => "answers",
            Kind::Header { .. } => "headers",
            Kind::Certificate { .. } => "certificates",
            Kind::Environment(_) => "environment",
            Kind::Elsewhere(_) => "elsewhere",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    println!("{kinds:?}");
    assert!(kinds["URLs"] > 290 && all.len() - kinds["elsewhere"] > 500, "a table was not read: {kinds:?}");
    let told: BTreeSet<String> = all.iter().map(Attack::to_string).collect();
    assert_eq!(told.len(), all.len(), "each row is there once");
    // Where a class is shown elsewhere, that is there.
    let files = all.iter().filter_map(|attack| match attack.kind {
        Kind::Elsewhere(instead) => Some(instead),
        _ => None,
    });
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for word in files.flat_map(|text| text.split([' ', ',', ':', ';'])).filter(|word| word.contains('/')) {
        let (here, top) = (root.join(word), root.join("../..").join(word));
        assert!(here.exists() || top.exists(), "{word}");
    }
}

#[tokio::test]
async fn every_form_of_a_url_is_refused_with_its_reason_and_nobody_is_asked_or_called() {
    let names = Names::new(&[("trap.example", &["9.9.9.9"]), ("localhost", &["9.9.9.9"])]);
    let border = border(&names);
    let (cell, _gated) = gated(&border);
    for border in [border, cell] {
        let mut got = Vec::new();
        for attack in all() {
            let answer = match &attack.kind {
                Kind::Url(url) => border.permit(ask(url, "US")).await,
                Kind::Database(url) => {
                    let (place, purpose) = (Place::Declared(Some(country("IE"))), Purpose::Warehouse);
                    border.permit(Ask { place, purpose, ..ask(url, "") }).await
                }
                _ => continue,
            };
            got.push((attack, shown(&answer)));
        }
        compare(&got);
    }
    assert!(names.asked.lock().expect("lock").is_empty(), "a refused form was looked up");
    assert!(names.knocked.lock().expect("lock").is_empty(), "a refused form was called");
}

#[tokio::test]
async fn a_naive_client_reaches_a_place_by_all_forms_of_a_url_that_name_one() {
    let (mut reached, mut nowhere) = (0, Vec::new());
    for attack in all() {
        let places = match &attack.kind {
            Kind::Url(url) => naive::read(url).into_iter().collect(),
            Kind::Database(url) => naive::read_database(url),
            _ => continue,
        };
        let names = Names::new(&[]);
        for (host, port) in places {
            let address = match host {
                Host::Address(address) => address,
                Host::Name(_) => Ipv4Addr::new(9, 9, 9, 9).into(),
            };
            let _ = names.connect(SocketAddr::new(address, port)).await;
        }
        if names.knocked.lock().expect("lock").is_empty() {
            nowhere.push(attack.to_string());
        } else {
            reached += 1;
        }
    }
    println!("{reached} forms reach a place");
    // A file, a text, a socket of the machine, and URLs without a host.
    let expected = [
        "class 43, URL file:///etc/passwd",
        "class 43, URL data:text/plain,x",
        "class 43, URL unix:///run/docker.sock",
        "class 43, URL FILE:///etc/passwd",
        "class 58, URL https://",
        "class 58, URL https://.",
        "class 58, URL https://:80/",
        "class 58, URL https://[/",
        "class 58, URL https://[]/",
        "class 58, URL ",
        "class 67, database postgres:///db?host=/run/postgresql",
        "class 67, database postgres:///db",
        "class 67, database postgres://%2Frun%2Fpostgresql/db",
    ];
    assert_eq!(nowhere, expected);
}

#[tokio::test]
async fn the_same_addresses_behind_a_name_are_refused_too() {
    for attack in all().into_iter().filter(|attack| attack.expected.starts_with("address_refused")) {
        let Kind::Url(url) = &attack.kind else { continue };
        let Some((Host::Address(address), _)) = naive::read(url) else { continue };
        let names = Names::new(&[("partner.example", &[&address.to_string()])]);
        let answer = border(&names).permit(ask("http://partner.example/", "US")).await;
        assert_eq!(shown(&answer), attack.expected, "{attack}");
    }
}

fn is_honest(address: &IpAddr) -> bool {
    HONEST.contains(&address.to_string().as_str())
}

#[tokio::test]
async fn every_answer_to_a_look_up_is_judged_and_only_what_was_judged_is_called() {
    let mut got = Vec::new();
    for (attack, through_gate) in all().into_iter().flat_map(|attack| [(attack.clone(), false), (attack, true)]) {
        let Kind::Names(answers) = &attack.kind else { continue };
        let names = Names::of("partner.example", answers);
        let mut border = border(&names);
        let (cell, _gated) = gated(&border);
        if through_gate {
            border = cell;
        }
        let permit_now = async || border.permit(ask("http://partner.example/", "IE")).await;
        let first = permit_now().await;
        let result = match first {
            Err(_) => shown(&first),
            Ok(permit) => {
                assert!(border.open(permit, &Limits::WEBHOOK).await.is_err(), "nobody is at home there");
                match attack.expected.as_str() {
                    "pinned" => "pinned".to_owned(),
                    _ => format!("later {}", shown(&permit_now().await)),
                }
            }
        };
        // All that was called had been judged.
        let knocked = names.knocked.lock().expect("lock");
        let astray: Vec<_> = knocked.iter().filter(|address| !is_honest(&address.ip())).collect();
        assert!(astray.is_empty(), "{attack}: {astray:?}");
        got.push((attack, result));
    }
    compare(&got);
}

#[tokio::test]
async fn a_naive_client_calls_what_a_name_says() {
    let mut nowhere = Vec::new();
    for attack in all() {
        let Kind::Names(answers) = &attack.kind else { continue };
        let names = Names::of("partner.example", answers);
        // A connection now and one later, each with a look-up, to all that is answered.
        for _ in 0..2 {
            for address in names.resolve("partner.example").await.unwrap_or_default() {
                let _ = names.connect(SocketAddr::new(address, 80)).await;
            }
        }
        let called = names.knocked.lock().expect("lock");
        let astray = called.iter().any(|address| !is_honest(&address.ip()));
        if !astray {
            nowhere.push(attack.to_string());
        }
    }
    // Names without an address, which are nobody's.
    let nothing = ["class 31, a name's answers [[]]", "class 33, a name's answers [[9.9.9.9], []]"];
    assert_eq!(nowhere, [&nothing[..], &["class 39, a name's answers [[], [9.9.9.9]]"]].concat());
}

/// A host that nobody should call, and how many did.
async fn trap() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (address, came)
}

/// A partner that gives this answer to everybody, and keeps what it was sent.
async fn partner(answer: &Answer, trap: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (bytes, forever) = answer.filled(&trap.to_string(), &address.to_string());
    let piece = forever.repeat((16 * 1024usize).checked_div(forever.len()).unwrap_or(0));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (bytes, piece) = (bytes.clone(), piece.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&bytes).await;
                while !piece.is_empty() && stream.write_all(&piece).await.is_ok() {}
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_opens_anything_and_none_is_read_without_end() {
    let mut tries = JoinSet::new();
    let border = local();
    let (cell, _gated) = gated(&border);
    for (attack, border) in all().into_iter().flat_map(|attack| [(attack.clone(), &border), (attack, &cell)]) {
        let Kind::Answer(answer) = attack.kind.clone() else { continue };
        let border = border.clone();
        tries.spawn(async move {
            let (trap, came) = trap().await;
            let url = format!("http://{}/", partner(&answer, trap).await);
            let permit = border.permit(plain_ask(&url, "US")).await.expect("a permit");
            let request = Request::post(&url).body(Full::new(Bytes::from_static(b"{}"))).expect("a request");
            let got = match border.send(permit, request, &LIMITS).await {
                Ok(answer) => {
                    assert!(answer.body.len() <= LIMITS.answer_bytes, "{attack}");
                    answer.status.as_u16().to_string()
                }
                Err(error) => error.as_str().to_owned(),
            };
            assert_eq!(came.load(Ordering::SeqCst), 0, "{attack}: the trap was called");
            (attack, got)
        });
    }
    compare(&tries.join_all().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_naive_client_goes_where_answers_send_it() {
    let mut tries = JoinSet::new();
    for attack in all() {
        let Kind::Answer(answer) = attack.kind.clone() else { continue };
        tries.spawn(async move {
            let (trap, came) = trap().await;
            naive::follows(partner(&answer, trap).await).await;
            (attack.to_string(), answer.names_the_trap(), came.load(Ordering::SeqCst) > 0)
        });
    }
    let tried = tries.join_all().await;
    let missed: Vec<_> = tried.iter().filter(|(_, named, reached)| *named && !*reached).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    // The others name no place: files, challenges without one, and answers that only never end.
    let (named, all) = (tried.iter().filter(|(_, named, _)| *named).count(), tried.len());
    println!("{named} of {all} answers send a client to the trap");
    assert!(named > 100 && all - named < 30, "{named} of {all}");
}

#[tokio::test]
async fn no_header_that_frames_or_routes_goes_out_and_a_naive_client_sends_them_all() {
    let (trap, came) = trap().await;
    let border = local();
    let (cell, _gated) = gated(&border);
    let url = format!("http://{trap}/");
    let mut got = Vec::new();
    for (attack, border) in all().into_iter().flat_map(|attack| [(attack.clone(), &border), (attack, &cell)]) {
        let Kind::Header { name, value } = attack.kind else { continue };
        let permit = border.permit(plain_ask(&url, "US")).await.expect("a permit");
        let mut request = Request::post(&url).body(Full::new(Bytes::new())).expect("a request");
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        let sent = border.send(permit, request, &LIMITS).await;
        got.push((attack, sent.map_or_else(|error| error.as_str().to_owned(), |_| "sent".to_owned())));

        // Without the list the same request has the header on the wire.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = async {
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
            let _ = stream.write_all(format!("POST / HTTP/1.1\r\n{name}: {value}\r\n\r\n").as_bytes()).await;
        };
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("somebody");
            naive::hear(&mut stream).await
        };
        let ((), heard) = tokio::join!(client, server);
        assert!(String::from_utf8_lossy(&heard).contains(&format!("{name}: {value}")), "{name}");
    }
    compare(&got);
    assert!(came.load(Ordering::SeqCst) <= got.len(), "connections, and no request on any");
    // CR, LF and NUL are no part of a header at all.
    for value in ["a\r\nhost: trap.example", "a\nb", "a\rb", "a\0b"] {
        assert!(HeaderValue::from_str(value).is_err());
    }
}

#[tokio::test]
async fn no_wrong_certificate_is_believed_and_a_naive_client_believes_them_all() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let border = local().with_outside(Arc::new(Loopback)).with_roots(&[known.root()]);
    let (cell, _gated) = gated(&border);
    let mut got = Vec::new();
    for (attack, border) in all().into_iter().flat_map(|attack| [(attack.clone(), &border), (attack, &cell)]) {
        let Kind::Certificate { shown, asked, years: (from, until), known: is_known } = attack.kind else { continue };
        let authority = if is_known { &known } else { &unknown };
        let port = authority.partner(shown, from, until).await;
        let permit = border.permit(plain_ask(&format!("https://{asked}:{port}/"), "US")).await.expect("a permit");
        let request = Request::post("/").body(Full::new(Bytes::new())).expect("a request");
        let sent = border.send(permit, request, &LIMITS).await;
        got.push((attack, sent.map_or_else(|error| error.as_str().to_owned(), |_| "sent".to_owned())));
        assert!(naive::is_answered_under_tls(asked, port).await, "{shown}");
    }
    compare(&got);
}

/// Run by the test below in a process of its own, whose environment has the trap in it.
#[tokio::test]
async fn environment_child() {
    let Ok(partner) = std::env::var("BORDER_TEST_PARTNER") else { return };
    let border = local();
    let permit = border.permit(plain_ask(&partner, "US")).await.expect("a permit");
    let request = Request::post("/").body(Full::new(Bytes::new())).expect("a request");
    assert_eq!(border.send(permit, request, &LIMITS).await.expect("an answer").status, 200);
    // A client that heeds the environment goes to the trap, by each of them.
    let heeded = variables().into_iter().filter(|_| std::env::var("BORDER_TEST_NAIVE").is_ok());
    for place in heeded.filter_map(|name| std::env::var(name).ok()) {
        let Some((Host::Address(address), port)) = naive::read(&place) else { panic!("{place}") };
        naive::visit(SocketAddr::new(address, port)).await;
    }
}

fn variables() -> Vec<&'static str> {
    let name_of = |attack: Attack| if let Kind::Environment(name) = attack.kind { Some(name) } else { None };
    all().into_iter().filter_map(name_of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_in_the_environment_is_asked_for_nothing() {
    let variables = variables();
    let (partner, _) = trap().await;
    for (naive, expected) in [(None, 0), (Some("1"), variables.len())] {
        let (trap, came) = trap().await;
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", "attacks::environment_child", "--quiet"]);
        child.env("BORDER_TEST_PARTNER", format!("http://{partner}/"));
        child.envs(variables.iter().map(|name| (*name, format!("http://{trap}/"))));
        child.envs(naive.map(|naive| ("BORDER_TEST_NAIVE", naive)));
        let output = tokio::task::spawn_blocking(move || child.output()).await.expect("no panic").expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(came.load(Ordering::SeqCst), expected, "{naive:?}");
    }
}

#[tokio::test]
async fn the_trap_is_reached_under_an_honest_name() {
    let names = Names::new(&[("trap.example", &["9.9.9.9"])]);
    let border = border(&names);
    let permit = border.permit(ask("https://trap.example/", "US")).await.expect("a permit");
    assert!(border.open(permit, &Limits::WEBHOOK).await.is_err());
    assert_eq!(*names.knocked.lock().expect("lock"), ["9.9.9.9:443".parse().expect("an address")]);
}

#[tokio::test]
async fn a_refusal_names_what_was_judged_and_keeps_path_and_credentials_to_itself() {
    let border = Border::new(World::real(), &region("eu-west"), &networks(&[]));
    for url in ["https://user:hunter2@trap.example/hunter2?hunter2", "http://10.0.0.1/hunter2?token=hunter2"] {
        let refusal = border.permit(ask(url, "IE")).await.expect_err("refused");
        let all = format!("{refusal} {refusal:?} {} {:?}", refusal.mend(), ask(url, "IE"));
        assert!(!all.contains("hunter2"), "{all}");
    }
    let refusal = border.permit(ask("http://10.0.0.1/x", "IE")).await.expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "the border of eu-west refuses this webhook connection to 10.0.0.1 at 10.0.0.1 (address_refused): private"
    );
    assert_eq!(refusal.mend(), "if this network is yours, list it with its country under `networks` in topology.yml");
}
