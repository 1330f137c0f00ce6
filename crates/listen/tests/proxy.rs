//! PROXY headers in front of a request.

use crate::server::*;
use domicile_listen::Settings;

const ASK: &[u8] = b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 7, 10, 0, 0, 1, 0x9c, 0x40, 0, 80]);
    header
}

fn trusting() -> Settings {
    Settings { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Settings::default() }
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client() {
    let server = serve(trusting()).await;
    for header in [v2(), b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 80\r\n".to_vec()] {
        let answer = server.ask(&[&header, ASK].concat()).await;
        assert_eq!(parts(&answer), ("200", "203.0.113.7 true"));
    }
    let answer = server.ask(&[b"PROXY UNKNOWN\r\n", ASK].concat()).await;
    assert_eq!(parts(&answer), ("200", "127.0.0.1 false"));
    assert_eq!(parts(&server.ask(ASK).await), ("200", "127.0.0.1 false"), "the header may be missing");
}

#[tokio::test]
async fn a_header_in_pieces_is_read() {
    let server = serve(trusting()).await;
    let mut client = server.connect().await;
    client.tcp.set_nodelay(true).unwrap();
    for piece in v2().chunks(5) {
        client.send(piece).await;
        server.clock.settle().await;
    }
    client.send(ASK).await;
    assert_eq!(parts(&client.rest().await), ("200", "203.0.113.7 true"));
}

#[tokio::test]
async fn anybody_elses_header_is_a_malformed_request() {
    let server = serve(Settings::default()).await;
    for header in [v2(), b"PROXY TCP4 203.0.113.7 10.0.0.1 40000 80\r\n".to_vec()] {
        let answer = server.ask(&[&header, ASK].concat()).await;
        assert_eq!(parts(&answer).0, "400", "{answer}");
    }
}

#[tokio::test]
async fn a_malformed_header_of_a_trusted_proxy_closes_the_connection() {
    let server = serve(trusting()).await;
    let mut bad = v2();
    bad[12] = 0x31;
    assert_eq!(server.ask(&[&bad, ASK].concat()).await, "");
}
