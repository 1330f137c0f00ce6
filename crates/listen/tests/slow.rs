//! Who is slow is cut, and only who is slow.

use crate::server::*;
use domicile_listen::Settings;
use std::time::{Duration, Instant};

#[tokio::test]
async fn headers_that_come_too_slowly_are_cut() {
    let server = serve(Settings { header_wait: SHORT, ..patient() }).await;
    for begin in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut client = server.connect().await;
        client.send(begin.as_bytes()).await;
        assert_eq!(client.rest().await, "", "{begin:?}");
    }
    // Also on a connection that was good before, and a byte now and then does not help.
    let mut client = server.connect().await;
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.answer().await;
    let began = Instant::now();
    let drip = async {
        while tokio::io::AsyncWriteExt::write_all(&mut client.tcp, b"G").await.is_ok() {
            tokio::time::sleep(SHORT / 4).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), drip).await.expect("it is cut");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_stops_is_cut_and_answered() {
    let server = serve(Settings { body_grace: SHORT, ..patient() }).await;
    let answer = server.ask(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc").await;
    assert_eq!(parts(&answer), ("408", "\"the request's body came too slowly\""));
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_however_steadily_it_comes() {
    let server = serve(Settings { body_grace: SHORT, body_wait: SHORT * 4, body_bytes_per_second_min: 1, ..patient() }).await;
    let mut client = server.connect().await;
    client.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    let drip = async {
        while tokio::io::AsyncWriteExt::write_all(&mut client.tcp, &[b'x'; 100]).await.is_ok() {
            if tokio::time::timeout(SHORT / 4, client.tcp.readable()).await.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), drip).await.expect("it is cut");
    assert_eq!(parts(&client.answer().await).0, "408");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = serve(Settings { idle_wait: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.answer().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_not_idle() {
    let server = serve(Settings { idle_wait: SHORT, header_wait: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(parts(&client.answer().await), ("200", "late"));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut() {
    let server = serve(Settings { write_wait: SHORT, ..patient() }).await;
    let mut client = server.connect().await;
    client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::time::sleep(SHORT * 5).await;
    let got = client.rest().await.len();
    assert!(got < 64 << 20, "all of it arrived");
}
