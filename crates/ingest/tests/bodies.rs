//! Sizes, encodings, and bodies that are not what they say.

use crate::cell::*;
use domicile_event::{BATCH_BYTES_MAX, EVENT_BYTES_MAX};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use std::io::Write;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A batch of one event, of exactly `bytes` bytes.
fn batch_of_bytes(bytes: usize) -> String {
    let (head, tail) = (r#"{"batch":[{"type":"track","event":"E","userId":"u"}],"x":""#, r#""}"#);
    format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()))
}

fn event_of_bytes(bytes: usize) -> String {
    let (head, tail) = (r#"{"event":"E","userId":"u","x":""#, r#""}"#);
    format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()))
}

async fn post(cell: &Cell, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    let key = basic(WEB);
    let headers = [&[("Authorization", key.as_str())], headers].concat();
    cell.send(&format!("POST {path}"), &headers, body).await
}

#[tokio::test]
async fn the_limits_are_512000_bytes_and_32_kib_plain_or_packed() {
    let cell = Cell::start().await;
    let gz = &[("Content-Encoding", "gzip")];
    for (path, bytes, outcome) in [
        ("/v1/batch", 504_536, "200"),
        ("/v1/batch", BATCH_BYTES_MAX, "200"),
        ("/v1/batch", BATCH_BYTES_MAX + 1, "400 batch_too_large"),
        ("/v1/b", 4 << 20, "400 batch_too_large"),
    ] {
        let body = batch_of_bytes(bytes);
        assert_eq!(post(&cell, path, &[], body.as_bytes()).await.outcome(), outcome, "{path} {bytes}");
        assert_eq!(post(&cell, path, gz, &gzip(body.as_bytes())).await.outcome(), outcome, "{path} {bytes} gzip");
    }
    for (bytes, outcome) in [(EVENT_BYTES_MAX, "200"), (EVENT_BYTES_MAX + 1, "400 event_too_large")] {
        let body = event_of_bytes(bytes);
        assert_eq!(post(&cell, "/v1/t", &[], body.as_bytes()).await.outcome(), outcome, "{bytes}");
        assert_eq!(post(&cell, "/v1/t", gz, &gzip(body.as_bytes())).await.outcome(), outcome, "{bytes} gzip");
    }
}

#[tokio::test]
async fn an_item_that_is_too_large_does_not_refuse_its_batch() {
    let cell = Cell::start().await;
    let body = format!(r#"{{"batch":[{TRACK},{},7,null,{{}}]}}"#, event_of_bytes(EVENT_BYTES_MAX + 1));
    assert_eq!(post(&cell, "/v1/batch", &[], body.as_bytes()).await.outcome(), "200");
    assert_eq!(cell.log.end().0, 5, "process counts what is wrong with them");
}

#[tokio::test]
async fn encodings_are_gzip_or_none() {
    let cell = Cell::start().await;
    let plain = batch_of(3).into_bytes();
    let packed = gzip(&plain);
    let two_members = [gzip(&plain[..20]), gzip(b""), gzip(&plain[20..])].concat();
    let trailing = [packed.as_slice(), b"garbage"].concat();
    let mut flipped = packed.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&plain).unwrap();
    let zlib = zlib.finish().unwrap();
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(&plain).unwrap();
    let deflate = deflate.finish().unwrap();
    let bad = "400 invalid_encoding";
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let table: &[(Headers<'_>, &[u8], &str)] = &[
        (&[], &plain, "200"),
        (&[("Content-Encoding", "identity")], &plain, "200"),
        (&[("Content-Encoding", "")], &plain, "200"),
        (&[("Content-Encoding", "gzip")], &packed, "200"),
        (&[("Content-Encoding", " GZip ")], &packed, "200"),
        (&[("Content-Encoding", "x-gzip")], &packed, "200"),
        (&[("Content-Encoding", "gzip")], &two_members, "200"),
        (&[("Content-Encoding", "gzip")], &trailing, bad),
        (&[("Content-Encoding", "gzip")], &flipped, bad),
        (&[("Content-Encoding", "gzip")], &packed[..packed.len() - 1], bad),
        (&[("Content-Encoding", "gzip")], &packed[..packed.len() / 2], bad),
        (&[("Content-Encoding", "gzip")], &packed[..5], bad),
        (&[("Content-Encoding", "gzip")], b"", bad),
        (&[("Content-Encoding", "gzip")], &plain, bad),
        (&[("Content-Encoding", "gzip")], &zlib, bad),
        (&[("Content-Encoding", "deflate")], &zlib, bad),
        (&[("Content-Encoding", "deflate")], &deflate, bad),
        (&[("Content-Encoding", "br")], &plain, bad),
        (&[("Content-Encoding", "gzip, gzip")], &packed, bad),
        (&[("Content-Encoding", "gzip"), ("Content-Encoding", "identity")], &packed, bad),
        (&[], &packed, "400 invalid_json"),
    ];
    for (n, (headers, body, outcome)) in table.iter().enumerate() {
        assert_eq!(post(&cell, "/v1/batch", headers, body).await.outcome(), *outcome, "row {n}: {headers:?}");
    }
}

#[tokio::test]
async fn what_is_no_batch_of_json_is_refused() {
    let cell = Cell::start().await;
    let deep = format!(r#"{{"batch":[{}{}]}}"#, "[".repeat(1_000), "]".repeat(1_000));
    let table: &[(&[u8], &str)] = &[
        (b"", "400 invalid_json"),
        (b" ", "400 invalid_json"),
        (b"{", "400 invalid_json"),
        (b"[]", "400 invalid_json"),
        (b"null", "400 invalid_json"),
        (b"{}", "400 invalid_json"),
        (br#"{"batch":{}}"#, "400 invalid_json"),
        (br#"{"batch":[}"#, "400 invalid_json"),
        (br#"{"batch":[1,]}"#, "400 invalid_json"),
        (br#"{"batch":[]}x"#, "400 invalid_json"),
        (b"{\"batch\":[\"\xff\"]}", "400 invalid_json"),
        (b"\xef\xbb\xbf{\"batch\":[]}", "400 invalid_json"),
        (deep.as_bytes(), "400 invalid_json"),
        // Nothing in it is nothing wrong.
        (br#"{"batch":[]}"#, "200"),
        (br#" {"batch" : [ ] } "#, "200"),
        (br#"{"batch":[{"event":"\ud800\u0000"}]}"#, "200"),
    ];
    for (body, outcome) in table {
        let got = post(&cell, "/v1/batch", &[], body).await;
        assert_eq!(got.outcome(), *outcome, "{:?}", String::from_utf8_lossy(body));
    }
    assert_eq!(cell.log.end().0, 1, "only the last one had an event");
    let bom = post(&cell, "/v1/batch", &[], b"\xef\xbb\xbf{}").await;
    assert!(bom.json()["message"].as_str().unwrap().contains("byte order mark"));
}

#[tokio::test]
async fn a_single_event_that_breaks_a_rule_is_refused_with_the_reason() {
    let cell = Cell::start().await;
    for (path, body, reason) in [
        ("/v1/track", r#"{"userId":"u"}"#, "event_not_defined"),
        ("/v1/track", r#"{"event":7,"userId":"u"}"#, "event_not_string"),
        ("/v1/track", r#"{"event":"E"}"#, "no_user_anon_id"),
        ("/v1/track", r#"{"event":"E","userId":"u","properties":7}"#, "properties_not_object"),
        ("/v1/identify", r#"{"userId":"u","traits":"x"}"#, "traits_not_object"),
        ("/v1/group", r#"{"userId":"u"}"#, "id_required"),
        ("/v1/identify", r#"{"userId":{}}"#, "id_not_string"),
    ] {
        let got = post(&cell, path, &[], body.as_bytes()).await;
        assert_eq!(got.outcome(), "400 invalid_event", "{path} {body}");
        assert_eq!(got.json()["reason"], reason, "{path} {body}");
    }
    assert_eq!(post(&cell, "/v1/track", &[], b"[]").await.outcome(), "400 invalid_json");
    assert!(cell.kept().is_empty());
}

#[tokio::test]
async fn chunked_gzip_is_taken() {
    let cell = Cell::start().await;
    let mut request = format!(
        "POST /v1/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        basic(WEB)
    )
    .into_bytes();
    for chunk in gzip(batch_of(50).as_bytes()).chunks(7) {
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\nTrailer: x\r\n\r\n");
    assert_eq!(raw(cell.address, &request).await.outcome(), "200");
    assert_eq!(cell.log.end().0, 50);
}

#[tokio::test]
async fn one_hundred_continue_is_answered() {
    let cell = Cell::start().await;
    let body = batch_of(1);
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        basic(WEB),
        body.len()
    );
    let mut tcp = TcpStream::connect(cell.address).await.unwrap();
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 25];
    tcp.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    tcp.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(Got::read(&mut tcp).await.outcome(), "200");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_kept() {
    let cell = Cell::start().await;
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        let request = format!("POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n{head}\r\n\r\n", basic(WEB));
        let mut tcp = TcpStream::connect(cell.address).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        tcp.write_all(b"10\r\n{\"batch\":[{},{}]}").await.unwrap();
        tcp.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = tcp.read_to_string(&mut answer).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    assert!(cell.kept().is_empty());
}

#[tokio::test]
async fn a_body_that_never_comes_is_cut() {
    let cell = Cell::start().await;
    let settings = domicile_listen::Settings {
        body_grace: std::time::Duration::from_millis(50),
        ..domicile_listen::Settings::default()
    };
    let address = cell.listen("oregon", cell.log.clone(), settings).await;
    let request = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 1000\r\n\r\n{{",
        basic(WEB)
    );
    assert_eq!(raw(address, request.as_bytes()).await.outcome(), "408 too_slow");
}

#[tokio::test]
async fn a_gzip_bomb_stops_at_the_limit() {
    let cell = Cell::start().await;
    // 10 GB of zeros: a member of 1 MB of them, ten thousand times. Only the first is ever inflated.
    let member = gzip(&vec![b'0'; 1 << 20]);
    let bomb = member.repeat(10_000);
    assert!(bomb.len() < 20 << 20);
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        basic(WEB),
        bomb.len()
    );
    let mut tcp = TcpStream::connect(cell.address).await.unwrap();
    tcp.write_all(head.as_bytes()).await.unwrap();
    let began = std::time::Instant::now();
    // It reads nothing before it has sent everything.
    tcp.write_all(&bomb).await.unwrap();
    let mut answer = vec![0; 12];
    tcp.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    assert!(cell.kept().is_empty());
}

#[tokio::test]
async fn members_without_content_do_not_keep_the_inflater_busy_for_ever() {
    let cell = Cell::start().await;
    let body = gzip(b"").repeat(60_000);
    let got = post(&cell, "/v1/batch", &[("Content-Encoding", "gzip")], &body).await;
    assert_eq!(got.outcome(), "400 batch_too_large");
}
