//! The signed head of a ledger: how many entries there are, and the root over them.

use super::hashes::consistency;
use super::{Tiles, TilesError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domicile_keys::SigningKey;
use signed_note::{Note, Signature, StandardVerifier, VerifierList};
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

    /// When the witness with this key signed a checkpoint; `None` when it did not. Its signature is a time, and Ed25519
    /// over that time and the checkpoint's text.
    pub(crate) fn cosigned_at(&self, text: &[u8], signature: &[u8]) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk::<8>().filter(|_| self.signs == Signs::Cosignatures)?;
        let time = u64::from_be_bytes(*time);
        let message = [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat();
        let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, self.public);
        public.verify(&message, signature).ok().map(|()| time)
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
    /// How many entries it saw.
    pub size: u64,
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
    #[error("it has a signature by a key that nobody named")]
    Stranger,
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

    pub(crate) fn text(&self, name: &str) -> Result<Vec<u8>, HeadError> {
        Checkpoint::new(name, self.size, self.root, "")
            .map(|checkpoint| checkpoint.to_bytes())
            .map_err(|_| HeadError::Malformed)
    }

    /// Reads a checkpoint that `vkey` has signed and, it may be, some of `witnesses`. It has one spelling, and every
    /// signature on it has to hold: one that can't be checked could be changed unseen.
    pub fn read(note: &[u8], vkey: &VKey, witnesses: &[VKey]) -> Result<(Self, Vec<Witnessed>), HeadError> {
        let (head, others) = Self::read_signed(note, vkey)?;
        let text = head.text(&vkey.name)?;
        let time = |signature: &Signature| {
            let is_its = |key: &&VKey| key.name == signature.name() && key.id() == signature.id();
            let key = witnesses.iter().find(is_its).ok_or(HeadError::Stranger)?;
            let time = key.cosigned_at(&text, signature.signature()).ok_or(HeadError::Witness)?;
            Ok(Witnessed { name: key.name.clone(), time, size: head.size })
        };
        let witnessed = others.iter().map(time).collect::<Result<_, HeadError>>()?;
        Ok((head, witnessed))
    }

    /// Reads a checkpoint that `vkey` has signed; gives the signatures of others unchecked.
    pub(crate) fn read_signed(note: &[u8], vkey: &VKey) -> Result<(Self, Vec<Signature>), HeadError> {
        let parsed = Note::from_bytes(note).map_err(|_| HeadError::Malformed)?;
        if parsed.to_bytes() != note {
            return Err(HeadError::Malformed);
        }
        let checkpoint = Checkpoint::from_bytes(parsed.text()).map_err(|_| HeadError::Malformed)?;
        let head = Self { size: checkpoint.size(), root: *checkpoint.hash() };
        if checkpoint.origin() != vkey.name {
            return Err(HeadError::Origin);
        }
        if head.text(&vkey.name)? != parsed.text() {
            return Err(HeadError::Malformed);
        }
        let verifier = StandardVerifier::new(&vkey.to_string()).map_err(|_| HeadError::Signature)?;
        let (own, others) =
            parsed.verify(&VerifierList::new(vec![Box::new(verifier)])).map_err(|_| HeadError::Signature)?;
        // The library passes over a line that is there twice.
        let lines: usize = own.iter().chain(&others).map(|signature| signature.to_bytes().len()).sum();
        if parsed.text().len() + 1 + lines != note.len() {
            return Err(HeadError::Malformed);
        }
        Ok((head, others))
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
