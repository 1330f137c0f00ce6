//! Data keys of workspaces, and the frame keys derived from them.

use crate::KeyError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use std::fmt;

/// Bytes that a seal adds.
pub const TAG_BYTES: usize = 16;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;

/// Random bytes chosen each time a log is opened for writing; they stand in its segments' headers.
pub type Salt = [u8; SALT_BYTES];

/// Which data key: a workspace's number and the key's generation, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    pub workspace: u32,
    pub generation: u32,
}

/// A workspace's data key. It seals nothing itself.
pub(crate) struct DataKey {
    pub(crate) prk: hkdf::Prk,
}

impl DataKey {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self { prk: hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, bytes) }
    }

    pub(crate) fn frame_key(&self, salt: &Salt) -> Result<FrameKey, KeyError> {
        let info: [&[u8]; 2] = [b"domicile frame 1", salt];
        let okm = self.prk.expand(&info, &AES_256_GCM).map_err(|_| KeyError::Crypto)?;
        Ok(FrameKey(LessSafeKey::new(UnboundKey::from(okm))))
    }
}

/// Seals the frames of one opening of one log.
pub struct FrameKey(LessSafeKey);

impl FrameKey {
    /// Encrypts `bytes` where they lie and gives the tag. `count` must never be given twice to one key; `header` is
    /// bound to the seal but not encrypted.
    pub fn seal(&self, count: u64, header: &[u8], bytes: &mut [u8]) -> Result<[u8; TAG_BYTES], KeyError> {
        let tag =
            self.0.seal_in_place_separate_tag(nonce(count), Aad::from(header), bytes).map_err(|_| KeyError::Crypto)?;
        tag.as_ref().try_into().map_err(|_| KeyError::Crypto)
    }

    /// Decrypts `sealed` (with its tag at the end) where it lies; gives the length without the tag.
    ///
    /// # Errors
    /// `Crypto` when the bytes, the header or the count are not those that were sealed.
    pub fn open(&self, count: u64, header: &[u8], sealed: &mut [u8]) -> Result<usize, KeyError> {
        let opened = self.0.open_in_place(nonce(count), Aad::from(header), sealed).map_err(|_| KeyError::Crypto)?;
        Ok(opened.len())
    }
}

impl fmt::Debug for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameKey")
    }
}

fn nonce(count: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&count.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
