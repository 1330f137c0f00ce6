//! Shutdown: what is in flight is finished, what is idle is closed, what hangs is cut.

use crate::server::*;
use domicile_listen::Settings;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_request_in_flight_is_answered_and_idle_connections_are_closed() {
    let server = serve(Settings::default()).await;
    let mut idle = server.connect().await;
    idle.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.answer().await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.held.arrival().await;
    server.stop.send(()).unwrap();
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(!server.done.is_finished());
    server.held.let_go.add_permits(1);
    assert_eq!(parts(&busy.rest().await), ("200", "late"));
    server.done.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn what_hangs_is_cut_in_bounded_time() {
    let server = serve(Settings::default()).await;
    let mut hanging = server.connect().await;
    hanging.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await;
    server.held.arrival().await;
    server.stop.send(()).unwrap();
    server.clock.advance(Settings::default().drain_wait).await;
    server.done.await.unwrap();
    assert_eq!(hanging.rest().await, "");
}
