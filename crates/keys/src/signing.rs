//! The key that signs a region's ledger: Ed25519.

use crate::KeyError;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::HEXLOWER;
use std::sync::Arc;

/// Signs the heads of a ledger. Cheap to clone; shows nothing but its public half.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Ed25519KeyPair>,
    public: [u8; 32],
}

impl SigningKey {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Crypto)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Crypto)?;
        Ok(Self { pair: Arc::new(pair), public })
    }

    /// The public half: 32 bytes, as RFC 8032 writes them.
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// 64 bytes, as RFC 8032 writes them.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", HEXLOWER.encode(&self.public))
    }
}
