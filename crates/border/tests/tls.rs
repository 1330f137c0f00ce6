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
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
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
    async fn partner(&self, name: &str, from: i32, until: i32) -> u16 {
        let config = self.config(name, from, until);
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
