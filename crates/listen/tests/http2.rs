//! HTTP/2 without TLS, by prior knowledge.

use crate::server::*;
use domicile_listen::Settings;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

async fn connect(server: &Server) -> (http2::SendRequest<Full<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn post(sender: &mut http2::SendRequest<Full<Bytes>>, path: &str, body: Vec<u8>) -> (u16, String) {
    let request = http::Request::post(format!("http://x{path}")).body(Full::from(body)).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn http2_is_spoken_with_those_who_begin_with_it() {
    let server = serve(Settings::default()).await;
    let (mut sender, _connection) = connect(&server).await;
    for bytes in [0, 1, 1_000_000] {
        assert_eq!(post(&mut sender, "/length", vec![b'x'; bytes]).await, (200, bytes.to_string()));
    }
    assert_eq!(post(&mut sender, "/peer", Vec::new()).await, (200, "127.0.0.1 false".to_owned()));
}

#[tokio::test]
async fn an_http2_connection_drains_and_idles_like_any_other() {
    let server = serve(Settings::default()).await;
    let (mut sender, connection) = connect(&server).await;
    let late = tokio::spawn(async move { post(&mut sender, "/held", Vec::new()).await });
    server.held.arrival().await;
    server.stop.send(()).unwrap();
    server.clock.settle().await;
    server.held.let_go.add_permits(1);
    assert_eq!(late.await.unwrap(), (200, "late".to_owned()));
    connection.await.unwrap().unwrap();
    server.done.await.unwrap();

    let server = serve(Settings::default()).await;
    let (mut sender, connection) = connect(&server).await;
    post(&mut sender, "/", Vec::new()).await;
    server.wait(80).await;
    connection.await.unwrap().unwrap();
}
