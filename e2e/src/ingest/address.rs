//! Who the client is: `context.ip` in the archive, by what the connection and its peer say.

use crate::archive::await_archived;
use crate::client::Sent;
use crate::http::Connection;
use crate::json::Json;
use crate::kept::{Expected, Kept};
use crate::tally::Tally;
use crate::up::{Demo, Home};
use std::net::IpAddr;

/// One event, and the address that it must have in the archive.
struct Case {
    promise: &'static str,
    point: &'static str,
    source: &'static str,
    /// Whom a PROXY header names as the client.
    proxied: Option<&'static str>,
    headers: &'static [(&'static str, &'static str)],
    /// What the event says itself.
    own: Option<&'static str>,
    kept: Option<&'static str>,
}

/// An event of a website at Singapore, whose events go to Oregon by its spool.
const fn far(promise: &'static str, headers: &'static [(&'static str, &'static str)], kept: &'static str) -> Case {
    Case { promise, point: "singapore", source: "web", proxied: None, headers, own: None, kept: Some(kept) }
}

const XFF: &str = "X-Forwarded-For";
const CLIENT: &str = "203.0.113.7";
const CLIENT_6: &str = "2001:db8:cafe::17";

const NOT_TRUSTED: &[Case] = &[
    far("the connection's address", &[], "127.0.0.1"),
    far("X-Forwarded-For of anybody is not believed", &[(XFF, CLIENT)], "127.0.0.1"),
    far("Forwarded of anybody is not believed", &[("Forwarded", "for=203.0.113.7")], "127.0.0.1"),
    Case { point: "oregon", ..far("the same at a point that is not remote", &[(XFF, CLIENT)], "127.0.0.1") },
    Case { own: Some(CLIENT), ..far("what the event says itself wins", &[], CLIENT) },
    Case { own: Some("0.0.0.0"), ..far("also when it blanks the address", &[], "0.0.0.0") },
    Case { source: "server", kept: None, ..far("a server's address is nobody's", &[(XFF, CLIENT)], "") },
];

const TRUSTED: &[Case] = &[
    far("X-Forwarded-For", &[(XFF, CLIENT)], CLIENT),
    far("X-Forwarded-For, IPv6", &[(XFF, CLIENT_6)], CLIENT_6),
    far("Forwarded, IPv6 with a port", &[("Forwarded", r#"for="[2001:db8:cafe::17]:4711";proto=https"#)], CLIENT_6),
    far("what a client put in front is not believed", &[(XFF, "198.51.100.1, 203.0.113.7, 127.0.0.9")], CLIENT),
    far(
        "headers that contradict each other are not believed",
        &[(XFF, "198.51.100.1"), ("Forwarded", "for=203.0.113.7")],
        "127.0.0.1",
    ),
    far("a proxy that names nobody", &[], "127.0.0.1"),
    Case { point: "oregon", ..far("the same at a point that is not remote", &[(XFF, CLIENT_6)], CLIENT_6) },
    Case { own: Some("192.0.2.9"), ..far("what the event says itself wins", &[(XFF, CLIENT)], "192.0.2.9") },
    Case { proxied: Some(CLIENT), ..far("PROXY v2", &[], CLIENT) },
    Case { proxied: Some(CLIENT_6), ..far("PROXY v2, IPv6", &[], CLIENT_6) },
    Case {
        proxied: Some(CLIENT),
        ..far("the header of a client behind PROXY v2 is not believed", &[(XFF, "198.51.100.1")], CLIENT)
    },
    Case { source: "server", kept: None, ..far("a server's address is nobody's", &[(XFF, CLIENT)], "") },
];

/// Without `--trusted-proxy`.
pub fn of_the_connection(tally: &mut Tally, home: &Home) -> Result<(), String> {
    send_and_compare(tally, home, "nobody trusted", NOT_TRUSTED, |tally, demo| {
        let refused = match send(demo, &Case { proxied: Some(CLIENT), ..far("", &[], "") }, "stranger") {
            Ok(200) => Err("it was taken".to_owned()),
            // An answer of 400, or a closed connection: it is no HTTP.
            _ => Ok(()),
        };
        tally.check("address, nobody trusted: PROXY v2 of anybody is a malformed request", refused);
    })
}

/// With `--trusted-proxy 127.0.0.0/8`, as if a proxy stood on this machine.
pub fn behind_a_proxy(tally: &mut Tally, home: &Home) -> Result<(), String> {
    send_and_compare(tally, home, "behind a proxy", TRUSTED, |_, _| {})
}

fn send_and_compare(
    tally: &mut Tally,
    home: &Home,
    which: &str,
    cases: &[Case],
    more: impl FnOnce(&mut Tally, &Demo),
) -> Result<(), String> {
    let up = home.start_ready()?;
    let demo = home.demo()?;
    let mut expected = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        match send(&demo, case, &id(n))? {
            200 => expected.push(as_sent(&demo, case, n)?),
            status => return Err(format!("{}: answered {status}", case.promise)),
        }
    }
    more(tally, &demo);
    let mut kept = Kept::of(&home.data);
    tally.check(
        format!("address, {which}: everything comes to the archive"),
        await_archived(home, up, || kept.read(&expected)),
    );
    for (n, case) in cases.iter().enumerate() {
        let ip = kept.event(&id(n)).and_then(|event| event.get("context")?.get("ip")?.text());
        let outcome = if ip == case.kept { Ok(()) } else { Err(format!("context.ip is {ip:?}, not {:?}", case.kept)) };
        tally.check(format!("address, {which}: {}", case.promise), outcome);
    }
    kept.check_nothing_else(tally, &expected);
    Ok(())
}

fn id(n: usize) -> String {
    format!("address-{n}")
}

fn event(case: &Case, id: &str) -> String {
    let own = case.own.map(|ip| format!(r#","context":{{"ip":"{ip}"}}"#)).unwrap_or_default();
    format!(r#"{{"messageId":"{id}","anonymousId":"somebody","event":"Seen"{own}}}"#)
}

/// The status.
fn send(demo: &Demo, case: &Case, id: &str) -> Result<u16, String> {
    let source = demo.source("us-west", case.source)?;
    let body = event(case, id);
    let body = format!(r#"{{"writeKey":"{}",{}"#, source.key, &body[1..]);
    let mut headers = case.headers.to_vec();
    headers.push(("Content-Type", "application/json"));
    let prelude = match case.proxied {
        Some(client) => proxy_v2(client.parse().map_err(|_| format!("{client} is no address"))?),
        None => Vec::new(),
    };
    let answer = Connection::to(demo.ingest("us-west", case.point)?)
        .and_then(|point| point.announced_by(&prelude).request("POST", "/v1/track", &headers, body.as_bytes()));
    answer.map(|answer| answer.status).map_err(|error| format!("{}: {error}", case.promise))
}

fn as_sent(demo: &Demo, case: &Case, n: usize) -> Result<Expected, String> {
    let event = Json::parse(&event(case, &id(n))).map_err(|error| error.to_string())?;
    Ok(Expected {
        name: case.promise.to_owned(),
        region: "us-west",
        source_id: demo.source("us-west", case.source)?.id.to_owned(),
        sent: vec![Sent { message_id: id(n), event }],
        ip: case.kept,
    })
}

/// The header that a proxy sends before a TCP connection of `client`.
fn proxy_v2(client: IpAddr) -> Vec<u8> {
    const PORTS: [u8; 4] = [0x9c, 0x40, 0x01, 0xbb];
    let (family, addresses) = match client {
        IpAddr::V4(client) => (0x11, [client.octets(), [10, 0, 0, 1]].concat()),
        IpAddr::V6(client) => (0x21, [client.octets(), [0xfd; 16]].concat()),
    };
    let length = (addresses.len() + PORTS.len()) as u16;
    [b"\r\n\r\n\0\r\nQUIT\n\x21", &[family][..], &length.to_be_bytes(), &addresses, &PORTS].concat()
}
