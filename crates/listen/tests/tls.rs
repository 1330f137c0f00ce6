//! Certificates, and what happens when their files change.

use crate::server::*;
use domicile_listen::{Settings, Tls, TlsError};
use domicile_world::World;
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Writes a new self-signed certificate for `localhost` and returns it.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn tls(folder: &Path) -> Result<Tls, TlsError> {
    Tls::read(&World::real(), folder.join("cert.pem"), folder.join("key.pem"))
}

async fn ask(server: &Server, trusted: &CertificateDer<'static>, alpn: &[u8]) -> std::io::Result<(Vec<u8>, String)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let tcp = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    let chosen = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    let mut answer = String::new();
    if alpn == b"http/1.1" {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        stream.read_to_string(&mut answer).await?;
    }
    Ok((chosen, answer))
}

#[tokio::test]
async fn tls_offers_both_versions_of_http() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = certify(folder.path());
    let server = serve(Settings { tls: Some(tls(folder.path()).unwrap()), ..Settings::default() }).await;
    let (chosen, answer) = ask(&server, &certificate, b"http/1.1").await.unwrap();
    assert_eq!((chosen.as_slice(), parts(&answer)), (&b"http/1.1"[..], ("200", "hello")));
    let (chosen, _) = ask(&server, &certificate, b"h2").await.unwrap();
    assert_eq!(chosen, b"h2");
}

#[tokio::test]
async fn a_plain_request_to_a_tls_port_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let server = serve(Settings { tls: Some(tls(folder.path()).unwrap()), ..Settings::default() }).await;
    let answer = server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let server = serve(Settings { tls: Some(tls(folder.path()).unwrap()), ..Settings::default() }).await;
    let mut client = server.connect().await;
    client.send(b"\x16\x03\x01").await;
    server.wait(11).await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn changed_files_are_used_and_bad_ones_keep_the_old_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let tls = tls(folder.path()).unwrap();
    let server = serve(Settings { tls: Some(tls.clone()), ..Settings::default() }).await;
    ask(&server, &first, b"http/1.1").await.unwrap();
    assert!(!tls.look().unwrap(), "nothing changed");

    std::fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    assert!(matches!(tls.look(), Err(TlsError::Certificate { .. })));
    ask(&server, &first, b"http/1.1").await.unwrap();

    std::fs::remove_file(folder.path().join("cert.pem")).unwrap();
    assert!(matches!(tls.look(), Err(TlsError::File { .. })));
    ask(&server, &first, b"http/1.1").await.unwrap();

    let second = certify(folder.path());
    assert!(tls.look().unwrap());
    ask(&server, &second, b"http/1.1").await.unwrap();
    ask(&server, &first, b"http/1.1").await.expect_err("the old certificate is gone");

    // The new certificate is there and its key is not yet.
    let old_key = std::fs::read(folder.path().join("key.pem")).unwrap();
    let third = certify(folder.path());
    let new_key = std::fs::read(folder.path().join("key.pem")).unwrap();
    std::fs::write(folder.path().join("key.pem"), old_key).unwrap();
    assert!(matches!(tls.look(), Err(TlsError::Pair { .. })));
    ask(&server, &second, b"http/1.1").await.unwrap();
    std::fs::write(folder.path().join("key.pem"), new_key).unwrap();
    assert!(tls.look().unwrap());
    ask(&server, &third, b"http/1.1").await.unwrap();
}

#[test]
fn files_that_cannot_be_used_at_start_are_errors_that_name_them_and_show_no_key() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let key = std::fs::read_to_string(folder.path().join("key.pem")).unwrap();
    std::fs::write(folder.path().join("key.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    for content in ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        std::fs::write(folder.path().join("key.pem"), content).unwrap();
        let error = tls(folder.path()).err().expect("unusable").to_string();
        assert!(error.contains("key.pem") && error.contains("mend:"), "{error}");
        assert!(!error.contains(key.lines().nth(1).unwrap()));
    }
}
