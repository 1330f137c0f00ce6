//! Who is slow is cut, and only who is slow. All waits are the defaults.

use crate::server::*;
use domicile_listen::Settings;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn headers_that_come_too_slowly_are_cut() {
    for begin in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let server = serve(Settings::default()).await;
        let mut client = server.connect().await;
        client.send(begin.as_bytes()).await;
        server.wait(5).await;
        assert!(client.is_quiet(), "{begin:?} is cut too early");
        server.wait(15).await;
        assert_eq!(client.rest().await, "", "{begin:?}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_help_on_a_connection_that_was_good_before() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.answer().await;
    for byte in b"GET / HTTP/1.1\r\n" {
        if tokio::io::AsyncWriteExt::write_all(&mut client.tcp, &[*byte]).await.is_err() {
            return;
        }
        server.wait(2).await;
    }
    assert!(!client.is_quiet(), "it is still open after 32 s");
}

#[tokio::test]
async fn a_body_that_stops_is_cut_and_answered() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc").await;
    server.wait(9).await;
    assert!(client.is_quiet(), "it is cut too early");
    server.wait(2).await;
    assert_eq!(parts(&client.answer().await), ("408", "the request's body came too slowly"));
}

#[tokio::test]
async fn a_body_that_comes_steadily_is_taken() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 80000\r\n\r\n").await;
    for _ in 0..40 {
        client.send(&[b'x'; 2_000]).await;
        server.wait(1).await;
    }
    assert_eq!(parts(&client.answer().await), ("200", "80000"));
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_however_steadily_it_comes() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n").await;
    for _ in 0..62 {
        client.send(&[b'x'; 2_000]).await;
        server.wait(1).await;
    }
    assert_eq!(parts(&client.answer().await).0, "408");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_one_that_asks_in_time_is_not() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        client.answer().await;
        server.wait(60).await;
    }
    server.wait(20).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_not_idle() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.held.arrival().await;
    server.wait(1_000).await;
    server.held.let_go.add_permits(1);
    assert_eq!(parts(&client.answer().await), ("200", "late"));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.wait(21).await;
    let got = client.rest().await.len();
    assert!(0 < got && got < LARGE_BYTES, "{got} bytes arrived");
}
