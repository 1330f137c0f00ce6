//! TLS must be valid for the name that was asked for, whatever address it has.

use crate::stage::{networks, plain_ask, region};
use async_trait::async_trait;
use bytes::Bytes;
use domicile_border::{Border, Limits, Outside, Stream};
use domicile_world::World;
use http::Request;
use http_body_util::Full;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Every name is 127.0.0.1.
pub struct Loopback;

#[async_trait]
impl Outside for Loopback {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(TcpStream::connect(address).await?))
    }
}

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    pub fn root(&self) -> CertificateDer<'static> {
        self.0.as_ref().der().clone()
    }

    /// What a server has that shows a certificate for `name`, valid in the years `from` to `until`.
    pub fn config(&self, name: &str, from: i32, until: i32) -> rustls::ServerConfig {
        self.config_of(CertificateParams::new([name.to_owned()]).expect("a name"), from, until)
    }

    fn config_of(&self, mut params: CertificateParams, from: i32, until: i32) -> rustls::ServerConfig {
        let key = KeyPair::generate().expect("a key");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a certificate and its key")
    }

    /// A TLS server on loopback with a certificate for `name`, valid in the years `from` to `until`.
    pub async fn partner(&self, name: &str, from: i32, until: i32) -> u16 {
        serve(self.config(name, from, until)).await
    }
}

/// A TLS server on loopback.
async fn serve(config: rustls::ServerConfig) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_counts_for_its_name_its_time_and_its_authority() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let border = Border::new(World::real(), &region("us-west"), &networks(&[("127.0.0.0/8", "local")]))
        .with_outside(Arc::new(Loopback))
        .with_roots(&[known.root()]);
    for (authority, certificate_for, (from, until), asked_for, expected) in [
        (&known, "partner.example", (2020, 2090), "partner.example", "200"),
        (&known, "partner.example", (2020, 2090), "PARTNER.example.", "200"),
        (&known, "partner.example", (2020, 2090), "other.example", "tls"),
        (&known, "*.partner.example", (2020, 2090), "a.partner.example", "200"),
        (&known, "*.partner.example", (2020, 2090), "a.b.partner.example", "tls"),
        (&known, "partner.example", (2020, 2021), "partner.example", "tls"),
        (&known, "partner.example", (2089, 2090), "partner.example", "tls"),
        (&unknown, "partner.example", (2020, 2090), "partner.example", "tls"),
        (&known, "127.0.0.1", (2020, 2090), "127.0.0.1", "200"),
        (&known, "partner.example", (2020, 2090), "127.0.0.1", "tls"),
    ] {
        let port = authority.partner(certificate_for, from, until).await;
        let permit = border.permit(plain_ask(&format!("https://{asked_for}:{port}/"), "US")).await.expect("a permit");
        let request = Request::post("/").body(Full::new(Bytes::new())).expect("a request");
        let got = match border.send(permit, request, &Limits::WEBHOOK).await {
            Ok(answer) => answer.status.as_u16().to_string(),
            Err(error) => error.as_str().to_owned(),
        };
        assert_eq!(got, expected, "{certificate_for} {from}-{until} asked for {asked_for}");
    }
}

/// What the border comes to at `https://HOST:PORT/`.
async fn sent(border: &Border, host: &str, port: u16) -> String {
    let permit = border.permit(plain_ask(&format!("https://{host}:{port}/"), "US")).await.expect("a permit");
    let request = Request::post("/").body(Full::new(Bytes::new())).expect("a request");
    match border.send(permit, request, &Limits::WEBHOOK).await {
        Ok(answer) => answer.status.as_u16().to_string(),
        Err(error) => error.as_str().to_owned(),
    }
}

fn to_loopback(authority: &Authority) -> Border {
    Border::new(World::real(), &region("us-west"), &networks(&[("127.0.0.0/8", "local")]))
        .with_outside(Arc::new(Loopback))
        .with_roots(&[authority.root()])
}

#[tokio::test]
async fn a_common_name_alone_and_a_certificate_that_vouches_for_itself_count_for_nothing() {
    let authority = Authority::new();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "partner.example");
    let port = serve(authority.config_of(params, 2020, 2090)).await;
    assert_eq!(sent(&to_loopback(&authority), "partner.example", port).await, "tls");

    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["partner.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
        .expect("a certificate and its key");
    assert_eq!(sent(&to_loopback(&authority), "partner.example", serve(config).await).await, "tls");
}

#[tokio::test]
async fn the_first_message_names_the_permits_host_and_offers_nothing_old() {
    for (host, sni) in [
        ("partner.example", Some("partner.example")),
        ("PARTNER.example.", Some("partner.example")),
        ("127.0.0.1", None),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = async {
            let (stream, _) = listener.accept().await.expect("somebody");
            let acceptor = tokio_rustls::LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
            let start = acceptor.await.expect("a first message");
            let hello = start.client_hello();
            assert_eq!(hello.server_name(), sni, "{host}");
            assert_eq!(hello.alpn().expect("protocols").collect::<Vec<_>>(), [b"http/1.1"]);
            for suite in hello.cipher_suites() {
                let name = format!("{suite:?}");
                let is_fine = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_") || name.contains("SCSV");
                assert!(is_fine && !name.contains("NULL") && !name.contains("_CBC_"), "{name}");
            }
        };
        let border = to_loopback(&Authority::new());
        let (_, got) = tokio::join!(server, sent(&border, host, port));
        assert_eq!(got, "tls");
    }
}

#[tokio::test]
async fn a_server_that_answers_in_an_old_version_or_with_a_weak_suite_is_left() {
    for (version, suite) in [
        ([3, 0], [0, 0x2f]),
        ([3, 1], [0xc0, 0x13]),
        ([3, 2], [0xc0, 0x13]),
        ([3, 3], [0, 0x2f]),
        ([3, 3], [0, 1]),
        ([3, 3], [0, 0]),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody");
            let mut hello = [0; 4096];
            let _ = stream.read(&mut hello).await;
            // Handshake record: ServerHello with 32 random bytes, no session, the suite, no compression.
            let body = [&version[..], &[7; 32], &[0], &suite, &[0]].concat();
            let record = [&[22, 3, 3, 0, body.len() as u8 + 4, 2, 0, 0, body.len() as u8][..], &body].concat();
            let _ = stream.write_all(&record).await;
            let _ = stream.read(&mut hello).await;
        });
        assert_eq!(
            sent(&to_loopback(&Authority::new()), "partner.example", port).await,
            "tls",
            "{version:?} {suite:?}"
        );
    }
}

#[tokio::test]
async fn nothing_ties_two_connections_together_and_no_client_certificate_is_shown() {
    let authority = Authority::new();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.root()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()
        .expect("a verifier");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["partner.example".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority.0).expect("a certificate");
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
        .expect("a certificate and its key");
    config.max_early_data_size = 16_384;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let border = to_loopback(&authority);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for _ in 0..3 {
        let server = async {
            let (stream, _) = listener.accept().await.expect("somebody");
            let mut tls = acceptor.accept(stream).await.expect("TLS");
            assert_eq!(tls.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
            assert!(tls.get_ref().1.peer_certificates().is_none());
            let mut request = [0; 4096];
            let _ = tls.read(&mut request).await;
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        };
        let ((), got) = tokio::join!(server, sent(&border, "partner.example", port));
        assert_eq!(got, "200");
    }
}
