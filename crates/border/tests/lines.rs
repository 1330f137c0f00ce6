//! A line keeps its connection, and is judged again by time, by policy and when the connection has ended.

use crate::stage::{country, eu_border, plain_ask, region};
use bytes::Bytes;
use domicile_border::{Limits, Line};
use domicile_region::{BorderPolicy, CountrySet};
use domicile_testkit::HandClock;
use domicile_world::World;
use http::Request;
use http_body_util::Full;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A partner that says 200 to every request, closes after `per_connection` of them, and counts connections.
async fn counting_partner(per_connection: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                for n in 1..=per_connection {
                    if !matches!(stream.read(&mut request).await, Ok(1..)) {
                        return;
                    }
                    let close = if n == per_connection { "connection: close\r\n" } else { "" };
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{close}\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (url, connections)
}

async fn post(line: &mut Line) -> String {
    let request = Request::post("/").body(Full::new(Bytes::from_static(b"{}"))).expect("a request");
    match line.send(request, &Limits::WEBHOOK).await {
        Ok(answer) => answer.status.as_u16().to_string(),
        Err(error) => error.as_str().to_owned(),
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_an_ended_one_is_made_anew() {
    for (per_connection, expected) in [(usize::MAX, 1), (1, 6), (2, 3)] {
        let (url, connections) = counting_partner(per_connection).await;
        let border = eu_border(World::real());
        let permit = border.permit(plain_ask(&url, "IE")).await.expect("a permit");
        let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
        for _ in 0..6 {
            assert_eq!(post(&mut line).await, "200");
        }
        assert_eq!(connections.load(Ordering::SeqCst), expected, "{per_connection} a connection");
    }
}

#[tokio::test]
async fn a_new_policy_stops_an_open_line_before_its_next_request() {
    let (url, connections) = counting_partner(usize::MAX).await;
    let border = eu_border(World::real());
    let permit = border.permit(plain_ask(&url, "IE")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    assert_eq!(post(&mut line).await, "200");
    border.put_policy(BorderPolicy { allow: CountrySet::These([country("DE")].into()), transfers: Vec::new() });
    assert_eq!(post(&mut line).await, "country_refused");
    assert_eq!(post(&mut line).await, "country_refused");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    border.put_policy(region("eu-west").border);
    assert_eq!(post(&mut line).await, "200");
}

#[tokio::test]
async fn a_line_is_judged_again_after_thirty_seconds_and_keeps_its_connection_if_it_may() {
    let (url, connections) = counting_partner(usize::MAX).await;
    let clock = HandClock::new();
    let world = World { clock: Arc::new(clock.clone()), ..World::real() };
    let border = eu_border(world);
    let permit = border.permit(plain_ask(&url, "IE")).await.expect("a permit");
    let mut line = border.open(permit, &Limits::WEBHOOK).await.expect("a line");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(31)).await;
        assert_eq!(post(&mut line).await, "200");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
