//! The certificate and key files that an operator gives to `up`, for a server at 127.0.0.1. Nobody has signed them.

use rustls::pki_types::CertificateDer;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Both, in a folder of their own. Dropped, the folder is removed.
pub struct Files {
    pub folder: PathBuf,
    pub certificate: String,
    pub key: String,
}

impl Files {
    pub fn fresh(name: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("domicile-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let file = |name| folder.join(name).display().to_string();
        Ok(Self { certificate: file("cert.pem"), key: file("key.pem"), folder })
    }

    /// Makes both anew, one after the other, and returns the certificate.
    pub fn make(&self) -> io::Result<CertificateDer<'static>> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        fs::write(&self.certificate, made.cert.pem())?;
        fs::write(&self.key, made.signing_key.serialize_pem())?;
        Ok(made.cert.der().clone())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What stays behind is small and harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
