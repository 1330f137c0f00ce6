//! The signed head of a ledger: how many entries there are, and the root over them.

use super::hashes::consistency;
use super::{Tiles, TilesError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domicile_keys::SigningKey;
use signed_note::{Note, Signature, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::checkpoint::Checkpoint;
use tlog_tiles::tlog::Hash;

/// What a key signs, by its byte (c2sp.org/signed-note, c2sp.org/tlog-cosignature).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// The checkpoints of its own ledger.
    Checkpoints = 1,
    /// That it saw a checkpoint of somebody's ledger, and when.
    Cosignatures = 4,
}

/// An Ed25519 public key: `NAME+ID+KEY`, as signed-note spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VKey {
    pub name: String,
    pub signs: Signs,
    pub public: [u8; 32],
}

impl VKey {
    /// The public half of a ledger's key.
    pub fn of(name: &str, key: &SigningKey) -> Self {
        Self { name: name.to_owned(), signs: Signs::Checkpoints, public: key.public() }
    }

    /// The key's id among keys of one name.
    pub fn id(&self) -> u32 {
        signed_note::key_id(&self.name, &self.key())
    }

    fn key(&self) -> [u8; 33] {
        let mut key = [self.signs as u8; 33];
        key[1..].copy_from_slice(&self.public);
        key
    }

    /// Reads exactly what `Display` writes.
    pub fn read(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (_, key) = rest.split_once('+')?;
        let key = STANDARD.decode(key).ok()?;
        let (kind, public) = key.split_first()?;
        let signs = [Signs::Checkpoints, Signs::Cosignatures].into_iter().find(|signs| *signs as u8 == *kind)?;
        let vkey = Self { name: name.to_owned(), signs, public: public.try_into().ok()? };
        (signed_note::is_key_name_valid(name) && vkey.to_string() == text).then_some(vkey)
    }
}

impl std::fmt::Display for VKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(self.key()))
    }
}

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
}

/// A witness that had signed a checkpoint too: it saw this head, and none that contradicts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    pub name: String,
    /// When, in seconds since 1970, by its own clock.
    pub time: u64,
}

/// What is wrong with a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    #[error("not a signed checkpoint")]
    Malformed,
    #[error("it is of another ledger")]
    Origin,
    #[error("the key did not sign it")]
    Signature,
    #[error("a witness's signature does not hold")]
    Witness,
}

impl Head {
    /// The checkpoint of this head, signed by the ledger's own key.
    pub fn sign(&self, name: &str, key: &SigningKey) -> Result<Vec<u8>, HeadError> {
        let text = self.text(name)?;
        let vkey = VKey::of(name, key);
        let signature =
            Signature::new(name.to_owned(), vkey.id(), key.sign(&text)).map_err(|_| HeadError::Malformed)?;
        let note = Note::new(&text, &[signature]).map_err(|_| HeadError::Malformed)?;
        Ok(note.to_bytes())
    }

    fn text(&self, name: &str) -> Result<Vec<u8>, HeadError> {
        Checkpoint::new(name, self.size, self.root, "")
            .map(|checkpoint| checkpoint.to_bytes())
            .map_err(|_| HeadError::Malformed)
    }

    /// Reads a checkpoint that `vkey` has signed. It has one spelling; the signatures of `witnesses` have to hold where
    /// they are there, those of others are passed over.
    pub fn read(note: &[u8], vkey: &VKey, witnesses: &[VKey]) -> Result<(Self, Vec<Witnessed>), HeadError> {
        let parsed = Note::from_bytes(note).map_err(|_| HeadError::Malformed)?;
        if parsed.to_bytes() != note {
            return Err(HeadError::Malformed);
        }
        let checkpoint = Checkpoint::from_bytes(parsed.text()).map_err(|_| HeadError::Malformed)?;
        let head = Self { size: checkpoint.size(), root: *checkpoint.hash() };
        if checkpoint.origin() != vkey.name {
            return Err(HeadError::Origin);
        }
        if checkpoint.to_bytes() != parsed.text() {
            return Err(HeadError::Malformed);
        }
        let verifier = StandardVerifier::new(&vkey.to_string()).map_err(|_| HeadError::Signature)?;
        let mut known: Vec<Box<dyn Verifier>> = vec![Box::new(verifier)];
        let cosigners = witnesses.iter().filter(|key| key.signs == Signs::Cosignatures);
        known.extend(cosigners.map(|key| Box::new(Cosigner(key.clone())) as _));
        let (verified, _) = parsed.verify(&VerifierList::new(known)).map_err(|error| match error {
            signed_note::NoteError::InvalidSignature { name, .. } if name != vkey.name => HeadError::Witness,
            _ => HeadError::Signature,
        })?;
        if !verified.iter().any(|signature| signature.name() == vkey.name && signature.id() == vkey.id()) {
            return Err(HeadError::Signature);
        }
        let witnessed = verified.iter().filter(|signature| signature.name() != vkey.name).filter_map(|signature| {
            let (time, _) = signature.signature().split_first_chunk::<8>()?;
            Some(Witnessed { name: signature.name().to_owned(), time: u64::from_be_bytes(*time) })
        });
        Ok((head, witnessed.collect()))
    }

    /// Whether the tree of this head begins with that of an older one.
    pub fn extends(&self, old: &Self, tiles: &impl Tiles) -> Result<bool, TilesError> {
        if old.size > self.size {
            return Ok(false);
        }
        if old.size == 0 || old.size == self.size {
            return Ok(old.size == 0 || old.root == self.root);
        }
        let proof = consistency(self.size, old.size, tiles)?;
        Ok(tlog_tiles::tlog::check_tree(&proof, self.size, self.root, old.size, old.root).is_ok())
    }
}

/// A witness's key: its signature is a time and Ed25519 over that time and the checkpoint.
struct Cosigner(VKey);

impl Verifier for Cosigner {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn key_id(&self) -> u32 {
        self.0.id()
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let mut message = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time)).into_bytes();
        message.extend_from_slice(text);
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, self.0.public)
            .verify(&message, signature)
            .is_ok()
    }
}
