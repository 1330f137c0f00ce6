//! Certificate and key files, read again when they change.

use arc_swap::ArcSwap;
use domicile_world::World;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The certificate that a listener shows, from PEM files. Cheap to clone; clones show the same.
///
/// TLS 1.2 and 1.3; HTTP/2 and HTTP/1.1 are offered by ALPN.
#[derive(Clone)]
pub struct Tls {
    files: Arc<Files>,
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
}

struct Files {
    world: World,
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
}

/// What is wrong with the files. Holds no key bytes.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file}: cannot be read: {error}\n  mend: name a file that this user may read")]
    File { file: PathBuf, error: std::io::Error },
    #[error(
        "{file}: no certificate in it\n  mend: it has to be PEM, with the server's certificate first, then its chain"
    )]
    Certificate { file: PathBuf },
    #[error(
        "{file}: no private key in it\n  mend: it has to be PEM, with one PKCS#8, SEC 1 or PKCS#1 key, not encrypted"
    )]
    Key { file: PathBuf },
    #[error(
        "{key} does not go with {certificate}: {error}\n  mend: put the key there for which the certificate was made"
    )]
    Pair { certificate: PathBuf, key: PathBuf, error: rustls::Error },
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When either cannot be used; at start that is final.
    pub fn read(world: &World, certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let files = Arc::new(Files { world: world.clone(), certificate, key, provider: Arc::clone(&provider) });
        let content = files.content()?;
        let certified = files.certified(&content)?;
        let shown = Arc::new(Shown(ArcSwap::from_pointee(Pair { content, certified })));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has cipher suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, shown, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Looks at the files once and shows the new certificate when they have changed. `Ok(true)`: it changed.
    ///
    /// # Errors
    /// The new files cannot be used; the old certificate stays.
    pub fn look(&self) -> Result<bool, TlsError> {
        let content = self.files.content()?;
        if content == self.shown.0.load().content {
            return Ok(false);
        }
        let certified = self.files.certified(&content)?;
        self.shown.0.store(Arc::new(Pair { content, certified }));
        Ok(true)
    }

    /// Looks at the files every second, for ever. A fault is logged once for as long as it is the same.
    pub(crate) async fn follow(&self) {
        let mut fault = None;
        loop {
            self.files.world.clock.sleep(LOOK_EVERY).await;
            match self.look() {
                Ok(changed) => {
                    if changed {
                        info!(certificate = %self.files.certificate.display(), "new certificate in use");
                    }
                    fault = None;
                }
                Err(error) => {
                    // Certificate and key are written one after the other: between them the pair does not match.
                    let text = error.to_string();
                    if fault.as_ref() != Some(&text) {
                        warn!(%error, "certificate files cannot be used, the old certificate stays");
                        fault = Some(text);
                    }
                }
            }
        }
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

struct Pair {
    content: Content,
    certified: Arc<CertifiedKey>,
}

impl Files {
    fn content(&self) -> Result<Content, TlsError> {
        let read =
            |file: &PathBuf| self.world.disk.read(file).map_err(|error| TlsError::File { file: file.clone(), error });
        Ok(Content { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn certified(&self, content: &Content) -> Result<Arc<CertifiedKey>, TlsError> {
        let no_certificate = || TlsError::Certificate { file: self.certificate.clone() };
        let chain = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| no_certificate())?;
        if chain.is_empty() {
            return Err(no_certificate());
        }
        let key = PrivateKeyDer::from_pem_slice(&content.key).map_err(|_| TlsError::Key { file: self.key.clone() })?;
        CertifiedKey::from_der(chain, key, &self.provider).map(Arc::new).map_err(|error| TlsError::Pair {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            error,
        })
    }
}

struct Shown(ArcSwap<Pair>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(certificate)")
    }
}
