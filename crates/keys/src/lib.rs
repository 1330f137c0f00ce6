//! Keys: what seals the logs at rest, and what seals a secret in the control store. The only crate that sees key bytes.
//!
//! ```text
//! region key   32 random bytes in `keys/region.key`; wraps the data keys and seals secrets
//! data key     32 random bytes per workspace and generation in `keys/data-W-G.key`, wrapped; destroying it erases
//! ledger key   an Ed25519 seed in `keys/ledger.key`, wrapped; signs the region's ledger
//! frame key    derived from a data key and the salt of one opening of a log; seals that opening's frames
//! ```
//!
//! - AES-256-GCM everywhere. A frame key is used by one opening of one log only, which counts its nonces from 0: no nonce
//!   is used twice, also not after a crash.
//! - A key file that is damaged or gone is an error that names it. Only an empty folder is given new keys.
//! - No `Debug`, error or log shows a byte of a key.

mod data_key;
mod hmac;
mod keyring;
mod signing;

pub use data_key::{FrameKey, KeyId, SALT_BYTES, Salt, TAG_BYTES};
pub use hmac::{IdentifierHasher, UserHasher, hmac_sha1_hex};
pub use keyring::{KeyError, Keyring, UnkeptKey};
pub use signing::SigningKey;
