//! Requests that are refused, each with the marker where it may end up in an answer, a log line or a metric.
//!
//! Each is sent on a connection of its own; what comes back is read to its end.

use data_encoding::BASE64;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);

/// A request as its bytes.
pub struct Hostile {
    pub name: &'static str,
    bytes: Vec<u8>,
    /// What the answer begins with, where that is certain.
    pub status: Option<u16>,
}

impl Hostile {
    /// Sends it, and nothing more; all that comes back.
    pub fn send(&self, to: SocketAddrV4) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&to.into(), TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        // A server that refuses early may have closed before the last byte.
        let _ = stream.write_all(&self.bytes);
        if self.status.is_none() {
            // It may wait for more, which does not come.
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() && error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(answer),
        }
    }

    /// Whether it was answered as it has to be.
    pub fn check(&self, answer: &[u8]) -> Result<(), String> {
        let Some(status) = self.status else { return Ok(()) };
        match answer.starts_with(format!("HTTP/1.1 {status}").as_bytes()) {
            true => Ok(()),
            false => {
                let told = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
                Err(format!("{}: not {status} but {told:?}", self.name))
            }
        }
    }
}

/// What an ingest point refuses, or passes over. `key` is good there.
pub fn at_a_point(key: &str, marker: &str) -> Vec<Hostile> {
    let event = format!(r#"{{"userId":"u-{marker}","event":"{marker}","properties":{{"a":"{marker}"}}}}"#);
    let post = |path: &str, key: &str, more: &str, body: &str| request("POST", path, &basic(key), more, body);
    let ours =
        |name, path: &str, more: &str, body: &str, status| Hostile { name, bytes: post(path, key, more, body), status };
    let large = format!(r#"{{"userId":"u","event":"e","properties":{{"a":"{}"}}}}"#, marker.repeat(2_000));
    let batch = format!(r#"{{"batch":["{}"]}}"#, marker.repeat(20_000));
    let deep = format!("{}\"{marker}\"{}", "[".repeat(600), "]".repeat(600));
    let mut all = vec![
        ours("no JSON", "/v1/track", "", &format!("{{\"userId\":\"{marker}\",,}}"), Some(400)),
        ours("cut off", "/v1/track", "", &event[..event.len() - 3], Some(400)),
        ours("no JSON in a batch", "/v1/batch", "", &format!("{{\"batch\":[{event},{marker}]}}"), Some(400)),
        ours("nested too deep", "/v1/batch", "", &format!("{{\"batch\":{deep}}}"), Some(400)),
        ours("too large an event", "/v1/track", "", &large, Some(400)),
        ours("too large a batch", "/v1/batch", "", &batch, Some(400)),
        ours("an event without a name", "/v1/track", "", &format!(r#"{{"userId":"{marker}"}}"#), Some(400)),
        ours(
            "an id that is an object",
            "/v1/track",
            "",
            &format!(r#"{{"userId":{{"a":"{marker}"}},"event":"e"}}"#),
            Some(400),
        ),
        ours(
            "traits that are text",
            "/v1/identify",
            "",
            &format!(r#"{{"userId":"u","traits":"{marker}"}}"#),
            Some(400),
        ),
        ours("an unknown encoding", "/v1/track", &format!("Content-Encoding: {marker}\r\n"), &event, Some(400)),
        ours("no gzip", "/v1/track", "Content-Encoding: gzip\r\n", &event, Some(400)),
        ours("an unknown path", &format!("/v1/{marker}"), "", &event, Some(404)),
        ours("an unknown path with a query", &format!("/v2/x?user={marker}"), "", &event, Some(404)),
        ours("telemetry", "/v1/m", "", &format!(r#"{{"series":[{{"metric":"{marker}"}}]}}"#), Some(200)),
        ours("headers without end", "/v1/track", &format!("X-Long: {}\r\n", marker.repeat(4_000)), &event, None),
        ours("a header that is none", "/v1/track", &format!("{marker}\r\n"), &event, Some(400)),
        ours("a length that is none", "/v1/track", &format!("Content-Length: {marker}\r\n"), &event, Some(400)),
        ours(
            "forwarded for a marker",
            "/v1/track",
            &format!("X-Forwarded-For: {marker}\r\nForwarded: for={marker}\r\n"),
            "{",
            Some(400),
        ),
        Hostile { name: "an unknown key", bytes: post("/v1/track", marker, "", &event), status: Some(400) },
        Hostile {
            name: "a key that is long",
            bytes: post("/v1/track", &format!("euw_{}", marker.repeat(40)), "", &event),
            status: Some(400),
        },
        Hostile { name: "no key", bytes: request("POST", "/v1/track", "", "", &event), status: Some(400) },
        Hostile {
            name: "a key that is no base64",
            bytes: request("POST", "/v1/track", &format!("Authorization: Basic {marker}!\r\n"), "", &event),
            status: Some(400),
        },
        Hostile {
            name: "an unknown key in the body",
            bytes: request("POST", "/v1/batch", "", "", &format!(r#"{{"writeKey":"{marker}","batch":[{event}]}}"#)),
            status: Some(400),
        },
        Hostile {
            name: "another method",
            bytes: request(&marker.to_uppercase(), "/v1/track", &basic(key), "", &event),
            status: Some(405),
        },
        Hostile {
            name: "settings of no source",
            bytes: request("GET", &format!("/v1/projects/{marker}/settings"), "", "", ""),
            status: Some(404),
        },
        Hostile {
            name: "a script of no source",
            bytes: request("GET", &format!("/analytics.js/v1/{marker}/analytics.min.js"), "", "", ""),
            status: None,
        },
        Hostile {
            name: "a pixel that holds nothing",
            bytes: request("GET", &format!("/v1/pixel/track?data={marker}&writeKey={marker}"), "", "", ""),
            status: Some(200),
        },
        Hostile {
            name: "a preflight",
            bytes: request("OPTIONS", "/v1/track", &format!("Cookie: id={marker}\r\n"), "", ""),
            status: Some(204),
        },
        Hostile { name: "no HTTP", bytes: format!("{marker} {marker}\r\n\r\n").into_bytes(), status: None },
        Hostile {
            name: "a proxy that nobody trusts",
            bytes: format!("PROXY TCP4 {marker} 10.0.0.1 1 2\r\n").into_bytes(),
            status: None,
        },
    ];
    let mut broken = post("/v1/track", key, "", &event);
    broken.truncate(broken.len() - 20);
    all.push(Hostile { name: "a body that breaks off", bytes: broken, status: None });
    let chunks = format!(
        "POST /v1/track HTTP/1.1\r\nHost: lab\r\n{}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"use\r\n{marker}\r\n",
        basic(key)
    );
    all.push(Hostile { name: "chunks that are none", bytes: chunks.into_bytes(), status: None });
    all
}

/// What the cell's own port refuses.
pub fn at_the_cell(token: &str, marker: &str) -> Vec<Hostile> {
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let ours = |name, method: &str, path: &str, body: &str, status| Hostile {
        name,
        bytes: request(method, path, &bearer(token), "", body),
        status,
    };
    vec![
        Hostile {
            name: "a token that is none",
            bytes: request("GET", "/api/sources", &bearer(marker), "", ""),
            status: Some(401),
        },
        ours("a source of that id", "GET", &format!("/api/sources/{marker}"), "", Some(404)),
        ours("an unknown operation", "GET", &format!("/api/{marker}"), "", Some(404)),
        ours("an unknown query", "GET", &format!("/api/balance?unknown={marker}"), "", None),
        ours("a since that is no time", "GET", &format!("/api/balance?since={marker}"), "", None),
        ours("a body that is no JSON", "POST", "/api/sources", &format!("{{{marker}"), Some(400)),
        ours("a body of another shape", "POST", "/api/sources", &format!(r#"{{"slug":["{marker}"]}}"#), None),
        ours("a page of no console", "GET", &format!("/sources/{marker}"), "", None),
        ours("settings of no source", "GET", &format!("/v1/projects/{marker}/settings"), "", Some(404)),
        Hostile {
            name: "a sign-in of nobody",
            bytes: request(
                "POST",
                "/sign-in",
                "Content-Type: application/x-www-form-urlencoded\r\n",
                "",
                &format!("email={marker}%40example.com&password={marker}"),
            ),
            status: None,
        },
    ]
}

/// Events of a source of the other region: with its key in the header, in the body, in the query, once and in a batch.
pub fn misrouted(key: &str, marker: &str) -> Vec<Hostile> {
    let event = format!(r#"{{"userId":"u-{marker}","event":"{marker}","traits":{{"email":"{marker}@example.com"}}}}"#);
    let with_key = event.replacen('{', &format!(r#"{{"writeKey":"{key}","#), 1);
    let batch = format!(r#"{{"batch":[{event},{event}]}}"#);
    let agent = format!("User-Agent: {marker}\r\nCookie: id={marker}\r\n");
    let data = BASE64.encode(with_key.as_bytes()).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let post = |name, path: &str, head: &str, body: &str| Hostile {
        name,
        bytes: request("POST", path, head, &agent, body),
        status: Some(400),
    };
    vec![
        post("one, key in the header", "/v1/track", &basic(key), &event),
        post("a batch, key in the header", "/v1/batch", &basic(key), &batch),
        post("one, key in the body", "/v1/identify", "", &with_key),
        post(
            "a batch, key in the body",
            "/v1/batch",
            "",
            &batch.replacen('{', &format!(r#"{{"writeKey":"{key}","#), 1),
        ),
        post("no JSON, key in the header", "/v1/track", &basic(key), &event[..40]),
        Hostile {
            name: "a pixel",
            bytes: request("GET", &format!("/v1/pixel/track?data={data}"), "", &agent, ""),
            status: Some(200),
        },
        Hostile {
            name: "settings",
            bytes: request("GET", &format!("/v1/projects/{key}/settings?user={marker}"), "", &agent, ""),
            status: None,
        },
    ]
}

fn basic(key: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{key}:").as_bytes()))
}

fn request(method: &str, path: &str, head: &str, more: &str, body: &str) -> Vec<u8> {
    let length = match more.contains("Content-Length") {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    format!("{method} {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n{head}{more}{length}\r\n{body}").into_bytes()
}
