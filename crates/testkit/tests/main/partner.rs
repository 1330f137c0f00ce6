//! The recording partner, asked over a plain socket.

use domicile_testkit::{Manner, Partner};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Posts `body` and gives the whole answer as text; empty when the connection was closed without one.
async fn post(partner: &Partner, body: &str) -> String {
    let mut stream = TcpStream::connect(partner.address()).await.unwrap();
    let request = format!(
        "POST /hook?x=1 HTTP/1.1\r\nhost: partner\r\nconnection: close\r\nx-Odd: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn it_records_what_it_is_sent_in_order() {
    let partner = Partner::start(Manner::Takes).await.unwrap();
    assert!(post(&partner, "one").await.starts_with("HTTP/1.1 200 "));
    post(&partner, "two").await;
    let received = partner.wait_for(2).await;
    assert_eq!(received.iter().map(|r| &r.body[..]).collect::<Vec<_>>(), [b"one", b"two"]);
    let first = &received[0];
    assert_eq!((first.method.as_str(), first.path.as_str(), first.answered), ("POST", "/hook?x=1", Some(200)));
    assert_eq!(first.header("x-odd"), Some("a"));
}

#[tokio::test]
async fn it_answers_as_it_is_told() {
    let partner = Partner::start(Manner::Busy { retry_after_s: 7 }).await.unwrap();
    let answer = post(&partner, "").await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 7\r\n"), "{answer}");
    for (manner, status) in [
        (Manner::Answers(500), "500"),
        (Manner::Redirects { to: "http://elsewhere.test/".into() }, "302"),
        (Manner::Slow(Duration::from_millis(1)), "200"),
        (Manner::Flaky { percent: 100, seed: 1 }, "503"),
    ] {
        partner.turn(manner);
        assert_eq!(&post(&partner, "").await[9..12], status);
    }
    partner.turn(Manner::Huge { bytes: 200_000 });
    assert_eq!(post(&partner, "").await.matches('x').count(), 200_000);
    partner.turn(Manner::Drops);
    assert_eq!(post(&partner, "").await, "");
    assert_eq!(partner.received().last().unwrap().answered, None);
}

#[tokio::test]
async fn one_that_hangs_has_the_request_and_never_answers() {
    let partner = Partner::start(Manner::Hangs).await.unwrap();
    let answer = post(&partner, "lost?");
    tokio::select! {
        answer = answer => panic!("it answered {answer}"),
        received = partner.wait_for(1) => assert_eq!(&received[0].body[..], b"lost?"),
    }
}
