//! Requests that arrive whole.

use crate::server::*;
use domicile_listen::{Listener, Settings};

#[tokio::test]
async fn an_axum_router_is_served_and_connections_are_kept() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(parts(&client.answer().await), ("200", "hello"));
    }
}

#[tokio::test]
async fn bodies_come_with_a_length_or_in_chunks_and_100_continue_is_answered() {
    let server = serve(Settings::default()).await;
    let mut client = server.connect().await;
    client.send(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(parts(&client.answer().await), ("200", "5"));
    client
        .send(
            b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(parts(&client.answer().await), ("200", "7"));
    client.send(b"POST /length HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert!(client.answer().await.starts_with("HTTP/1.1 100 "));
    client.send(b"ab").await;
    assert_eq!(parts(&client.answer().await), ("200", "2"));
}

#[tokio::test]
async fn the_peer_is_the_connections_address() {
    let server = serve(Settings::default()).await;
    let answer = server.ask(b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(parts(&answer), ("200", "127.0.0.1 false"));
}

#[tokio::test]
async fn malformed_requests_are_answered_and_the_connection_closed() {
    let server = serve(Settings::default()).await;
    for request in ["NONSENSE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\0\x01\0"] {
        let answer = server.ask(request.as_bytes()).await;
        assert!(answer.is_empty() || parts(&answer).0 == "400", "{request:?}: {answer}");
    }
    // Two lengths that differ are a way to smuggle a second request past a proxy.
    let answer = server.ask(b"POST /length HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab").await;
    assert_eq!(parts(&answer).0, "400");
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let server = serve(Settings { header_bytes_max: 16 * 1024, ..Settings::default() }).await;
    let mut long = b"GET / HTTP/1.1\r\nX: ".to_vec();
    long.resize(40 * 1024, b'a');
    let mut many = b"GET / HTTP/1.1\r\n".to_vec();
    for n in 0..2_000 {
        many.extend(format!("x{n}: 1\r\n").bytes());
    }
    many.extend(b"\r\n");
    for flood in [long, many] {
        let mut client = server.connect().await;
        // The server may close before it has read everything.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.tcp, &flood).await;
        let answer = client.rest().await;
        assert!(answer.is_empty() || parts(&answer).0 == "431", "{answer}");
    }
    assert_eq!(parts(&server.ask(b"GET / HTTP/1.0\r\n\r\n").await), ("200", "hello"));
}

#[tokio::test]
async fn an_answer_given_before_a_large_body_was_read_still_arrives() {
    let server = serve(Settings::default()).await;
    let mut request = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n".to_vec();
    request.resize(request.len() + 8_000_000, b'x');
    // The client sends all of it before it reads, as SDKs do: a reset would take the answer away.
    let mut client = server.connect().await;
    client.send(&request).await;
    assert_eq!(parts(&client.rest().await), ("400", "no"));
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_says_how_to_mend_it() {
    let server = serve(Settings::default()).await;
    let error = Listener::bind(server.address).await.err().expect("taken");
    let text = error.to_string();
    assert!(text.contains(&server.address.to_string()) && text.contains("mend: another program has port"), "{text}");
}

#[tokio::test]
async fn at_the_connection_limit_further_ones_wait_and_are_then_served() {
    let server = serve(Settings { connections_max: 2, ..Settings::default() }).await;
    let mut first = server.connect().await;
    first.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    first.answer().await;
    let mut second = server.connect().await;
    second.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    second.answer().await;
    let mut third = server.connect().await;
    third.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.clock.settle().await;
    assert!(third.is_quiet(), "it is served above the limit");
    drop(first);
    assert_eq!(parts(&third.answer().await), ("200", "hello"));
}
