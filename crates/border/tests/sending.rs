//! Requests through the border to a partner that answers well, slowly, badly or not at all.

use crate::stage::{eu_border, plain_ask};
use bytes::Bytes;
use domicile_border::{Answer, BodyEnd, Border, Limits, SendError};
use domicile_testkit::{Manner, Partner};
use domicile_world::World;
use http::Request;
use http_body_util::Full;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Short, so that the tests of time-outs take as long.
const LIMITS: Limits = Limits { connect: Duration::from_secs(2), whole: Duration::from_secs(1), answer_bytes: 1000 };

fn post(url: &str) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(b"{\"a\":1}")))
        .expect("a request")
}

async fn send(border: &Border, url: &str, request: Request<Full<Bytes>>) -> Result<Answer, SendError> {
    let permit = border.permit(plain_ask(url, "IE")).await.expect("a permit");
    border.send(permit, request, &LIMITS).await
}

#[tokio::test]
async fn what_a_listed_network_allows_arrives_with_the_permits_host() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    let url = partner.url("/hook?a=%20b");
    let answer = send(&border, &url, post(&url)).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), &answer.body[..], answer.body_end), (200, &b"{}"[..], BodyEnd::Whole));
    // Path and query alone do as well; a query without a path gets one.
    send(&border, &url, post("/other?c")).await.expect("an answer");
    send(&border, &url, post(&format!("http://{}?d", partner.address()))).await.expect("an answer");

    let received = partner.received();
    let paths: Vec<&str> = received.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/hook?a=%20b", "/other?c", "/?d"]);
    let host = partner.address().to_string();
    for request in &received {
        let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "content-type", "host"]);
        assert_eq!((request.header("host"), &request.body[..]), (Some(host.as_str()), &b"{\"a\":1}"[..]));
    }
}

#[tokio::test]
async fn a_request_to_another_host_than_the_permits_does_not_go_out() {
    let partner = Partner::start(Manner::Takes).await.expect("a partner");
    let border = eu_border(World::real());
    let url = partner.url("/");
    let mut elsewhere = post("http://evil.example/");
    elsewhere.headers_mut().clear();
    assert_eq!(send(&border, &url, elsewhere).await.expect_err("not sent").as_str(), "request");
    assert!(partner.received().is_empty());
}

#[tokio::test]
async fn a_long_answer_is_cut_at_the_limit_and_its_connection_is_not_used_again() {
    let partner = Partner::start(Manner::Huge { bytes: 10_000_000_000 }).await.expect("a partner");
    let border = eu_border(World::real());
    let url = partner.url("/");
    let permit = border.permit(plain_ask(&url, "IE")).await.expect("a permit");
    let mut line = border.open(permit, &LIMITS).await.expect("a line");
    for _ in 0..2 {
        let answer = line.send(post(&url), &LIMITS).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.body.len(), answer.body_end), (200, 1000, BodyEnd::Limit));
    }
    assert_eq!(partner.received().len(), 2);
}

#[tokio::test]
async fn a_partner_that_hangs_or_drops_is_an_error_and_the_next_request_gets_through() {
    let partner = Partner::start(Manner::Hangs).await.expect("a partner");
    let border = eu_border(World::real());
    let url = partner.url("/");
    let permit = border.permit(plain_ask(&url, "IE")).await.expect("a permit");
    let mut line = border.open(permit, &LIMITS).await.expect("a line");
    let error = line.send(post(&url), &LIMITS).await.expect_err("no answer");
    assert_eq!(error.to_string(), "time-out while waiting for the answer");
    partner.turn(Manner::Drops);
    let error = line.send(post(&url), &LIMITS).await.expect_err("no answer");
    assert_eq!(error.as_str(), "broken");
    partner.turn(Manner::Takes);
    assert_eq!(line.send(post(&url), &LIMITS).await.expect("an answer").status.as_u16(), 200);
}

/// Answers every connection with these bytes and then closes it or holds it open.
async fn raw_partner(answer: &'static [u8], then_hold: bool) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
                if then_hold {
                    let _ = stream.read(&mut request).await;
                }
            });
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn cut_slow_and_odd_answers_end_as_the_table_says() {
    for (answer, hold, expected) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"[..], false, "200 ok Whole"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut", false, "200 cut Broken"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nslow", true, "200 slow TimeOut"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", false, "200 to the end Whole"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", false, "200  Broken"),
        (
            b"HTTP/1.1 103 Early Hints\r\nlink: <http://evil/>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            false,
            "204  Whole",
        ),
        (b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic\r\ncontent-length: 0\r\n\r\n", false, "401  Whole"),
        (b"HTTP/1.1 200 OK\r\nconte", false, "broken"),
        (b"HTTP/1.1 200 OK\r\nconte", true, "timed_out"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", false, "broken"),
        (b"", false, "broken"),
    ] {
        let url = raw_partner(answer, hold).await;
        let got = match send(&eu_border(World::real()), &url, post(&url)).await {
            Ok(answer) => {
                format!("{} {} {:?}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body), answer.body_end)
            }
            Err(error) => error.as_str().to_owned(),
        };
        assert_eq!(got, expected, "{}", String::from_utf8_lossy(answer));
    }
}
