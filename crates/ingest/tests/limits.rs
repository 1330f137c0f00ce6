//! Rate limits, a full disk, the budget for bodies; and whose address it is.

use crate::cell::*;
use domicile_ingest::Settings;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn post(cell: &Cell, key: &str, events: usize) -> Got {
    cell.post("/v1/batch", &[("Authorization", &basic(key))], &batch_of(events)).await
}

#[tokio::test]
async fn a_source_above_its_rate_is_told_how_long_to_wait() {
    let cell = Cell::start().await;
    assert_eq!(post(&cell, LIMITED, 15).await.outcome(), "200");
    let got = post(&cell, LIMITED, 15).await;
    assert_eq!(got.outcome(), "429 rate_limited");
    assert_eq!((got.header("retry-after"), got.header("x-ratelimit-reset")), ("1", "1"));
    assert_eq!(got.header("access-control-expose-headers"), "Retry-After, X-RateLimit-Reset, X-Domicile-Receipt");
    assert_eq!(post(&cell, LIMITED, 5).await.outcome(), "200");
    assert_eq!(post(&cell, WEB, 100).await.outcome(), "200", "another source is not held back");
    cell.hands.clock.advance(Duration::from_secs(1)).await;
    assert_eq!(post(&cell, LIMITED, 10).await.outcome(), "200");
    assert_eq!(post(&cell, LIMITED, 1).await.outcome(), "429 rate_limited");
    cell.hands.clock.advance(Duration::from_secs(2)).await;
    // More than the burst: it passes a full bucket, and is paid off afterwards.
    assert_eq!(post(&cell, LIMITED, 100).await.outcome(), "200");
    let got = post(&cell, LIMITED, 1).await;
    assert_eq!((got.status, got.header("retry-after")), (429, "9"));
    assert_eq!(cell.log.end().0, 15 + 5 + 100 + 10 + 100);
}

#[tokio::test]
async fn all_points_of_a_region_share_a_sources_rate() {
    let cell = Cell::start().await;
    let dublin = cell.listen("dublin", cell.log.clone(), domicile_listen::Settings::default()).await;
    assert_eq!(post(&cell, LIMITED, 20).await.outcome(), "200");
    let got = send(dublin, "POST /v1/batch", &[("Authorization", &basic(LIMITED))], batch_of(1).as_bytes()).await;
    assert_eq!(got.outcome(), "429 rate_limited");
}

#[tokio::test]
async fn a_full_disk_is_503_with_retry_after_and_nothing_kept_until_there_is_room() {
    let cell = Cell::start().await;
    assert_eq!(post(&cell, WEB, 1).await.outcome(), "200");
    cell.hands.disk.full_in(1);
    let got = post(&cell, WEB, 2).await;
    assert_eq!((got.outcome().as_str(), got.header("retry-after")), ("503 cannot_store", "5"));
    assert_eq!(cell.get("/readyz").await.status, 200, "it may have room again");
    cell.hands.disk.heal();
    assert_eq!(post(&cell, WEB, 3).await.outcome(), "200");
    assert_eq!(cell.log.end().0, 4);
}

#[tokio::test]
async fn bodies_beyond_the_budget_wait_and_are_then_refused_before_they_are_read() {
    let cell = Cell::with(Settings { bodies_bytes_max: 1_000, ..Settings::default() }).await;
    // Takes the budget, and never sends its body: 100 says that the server wants it.
    let mut holder = TcpStream::connect(cell.address).await.unwrap();
    let key = basic(WEB);
    let head = format!(
        "POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n"
    );
    holder.write_all(head.as_bytes()).await.unwrap();
    holder.read_exact(&mut [0; 25]).await.unwrap();
    let second = post(&cell, WEB, 5);
    let time_goes_on = async {
        while cell.hands.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        cell.hands.clock.advance(Duration::from_secs(2)).await;
    };
    let (refused, ()) = tokio::join!(second, time_goes_on);
    assert_eq!((refused.outcome().as_str(), refused.header("retry-after")), ("503 cannot_store", "5"));
    drop(holder);
    assert_eq!(post(&cell, WEB, 5).await.outcome(), "200", "the room comes back");
    assert_eq!(cell.log.end().0, 5);
}

#[tokio::test]
async fn those_who_announce_much_and_send_nothing_keep_nobody_out() {
    let cell = Cell::with(Settings { bodies_bytes_max: 64 * 1024, ..Settings::default() }).await;
    let key = basic(WEB);
    let mut holders = Vec::new();
    for encoding in ["identity", "gzip", "gzip"] {
        let head = format!(
            "POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Encoding: {encoding}\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n"
        );
        let mut holder = TcpStream::connect(cell.address).await.unwrap();
        holder.write_all(head.as_bytes()).await.unwrap();
        holder.read_exact(&mut [0; 25]).await.unwrap();
        holders.push(holder);
    }
    assert_eq!(post(&cell, WEB, 100).await.outcome(), "200");
}

#[tokio::test]
async fn the_clients_address_is_the_connections_unless_a_trusted_proxy_names_another() {
    let key = basic(WEB);
    let plain = Cell::start().await;
    let trusting = Cell::with(Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        ..Settings::default()
    })
    .await;
    for (headers, untrusted, trusted) in [
        (vec![], "127.0.0.1", "127.0.0.1"),
        (vec![("X-Forwarded-For", "203.0.113.9")], "127.0.0.1", "203.0.113.9"),
        (vec![("X-Forwarded-For", "8.8.8.8, 203.0.113.9, 10.1.1.1")], "127.0.0.1", "203.0.113.9"),
        (vec![("Forwarded", r#"for="[2001:db8::1]:4711";proto=https"#)], "127.0.0.1", "2001:db8::1"),
    ] {
        let headers = [vec![("Authorization", key.as_str())], headers].concat();
        for (cell, client) in [(&plain, untrusted), (&trusting, trusted)] {
            assert_eq!(cell.post("/v1/batch", &headers, &batch_of(1)).await.outcome(), "200");
            assert_eq!(cell.last_client(), client, "{headers:?}");
        }
    }
    // The same by PROXY protocol.
    let settings = domicile_listen::Settings {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..domicile_listen::Settings::default()
    };
    let address = plain.listen("oregon", plain.log.clone(), settings).await;
    let mut request = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\x9c\x40\0\x50".to_vec();
    let body = batch_of(1);
    request.extend(
        format!("POST /v1/batch HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {key}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .bytes(),
    );
    assert_eq!(raw(address, &request).await.outcome(), "200");
    assert_eq!(plain.last_client(), "203.0.113.7");
}

#[tokio::test]
async fn a_failed_log_refuses_and_is_no_longer_ready() {
    let cell = Cell::start().await;
    assert_eq!(post(&cell, WEB, 1).await.outcome(), "200");
    cell.hands.disk.fail_from(domicile_testkit::Op::Sync, 1, domicile_testkit::Failure::Broken);
    assert_eq!(post(&cell, WEB, 1).await.outcome(), "503 cannot_store");
    cell.hands.disk.heal();
    assert_eq!(post(&cell, WEB, 1).await.outcome(), "503 cannot_store", "a failed sync is final");
    assert_eq!(cell.get("/readyz").await.status, 503);
}
