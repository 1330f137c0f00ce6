//! Receipts: what shows somebody who sent a request that it is in the ledger, without asking anybody.
//!
//! ```text
//! request ──► its frame, a leaf ──path──► digest of an `accepted` entry ──proof──► root of a signed checkpoint
//! ```

use crate::entry::{Accepted, Digest, Entry, What};
use crate::tlog::{Head, VKey, path_of, root_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tlog_tiles::tlog::{Hash, check_record, record_hash};

/// A receipt is not larger: what is longer is not read.
pub const RECEIPT_BYTES_MAX: usize = 256 * 1024;
const PROOF_HEAD: &str = "c2sp.org/tlog-proof@v1\n";

/// One request's frame of the accepted log, as a leaf under an entry's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameLeaf {
    /// Its events' positions, half-open.
    pub span: [u64; 2],
    /// BLAKE3 of the frame's payload as it lies on disk, sealed.
    pub blake3: Digest,
}

impl FrameLeaf {
    pub(crate) fn hash(&self) -> Hash {
        let [first, end] = self.span;
        record_hash(format!("{first} {end} {}", self.blake3).as_bytes())
    }
}

/// The root over the frames of a workspace in a window.
pub fn digest_of(frames: &[FrameLeaf]) -> Digest {
    Digest(root_of(&frames.iter().map(FrameLeaf::hash).collect::<Vec<_>>()).0)
}

/// The proof that one request is in a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub frame: FrameLeaf,
    /// The frame's place among the entry's requests.
    pub place: u64,
    /// From the frame to the entry's digest: base64 of 32 bytes each.
    pub path: Vec<String>,
    /// The `accepted` entry, as the ledger spells it.
    pub entry: String,
    /// The way from the entry to the root, and the checkpoint (c2sp.org/tlog-proof).
    pub proof: String,
    /// The key that the checkpoint is signed with. Compare it with the one that the region's operator publishes.
    pub vkey: String,
}

/// Why a receipt shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("not a receipt: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not a receipt: {0}")]
    Form(&'static str),
    #[error("the receipt was signed with another key than the one given")]
    OtherKey,
    #[error("the checkpoint in it does not hold: {0}")]
    Head(#[from] crate::tlog::HeadError),
    #[error("the request is not among those of the entry")]
    Frame,
    #[error("the entry is not in the signed ledger")]
    Entry,
}

/// What a receipt shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The entry's index in the ledger.
    pub index: u64,
    pub at: crate::Time,
    pub accepted: Accepted,
    pub head_size: u64,
}

impl Receipt {
    /// `frames`: all of the entry's, of which `place` is the one. `way`: from the entry to the root of `checkpoint`.
    pub fn new(
        frames: &[FrameLeaf],
        place: usize,
        entry: &[u8],
        (index, way): (u64, &[Hash]),
        checkpoint: &[u8],
        vkey: &VKey,
    ) -> Option<Self> {
        let leaves: Vec<Hash> = frames.iter().map(FrameLeaf::hash).collect();
        let way: String = way.iter().map(|hash| format!("{hash}\n")).collect();
        Some(Self {
            frame: *frames.get(place)?,
            place: place as u64,
            path: path_of(&leaves, place).iter().map(Hash::to_string).collect(),
            entry: String::from_utf8(entry.to_vec()).ok()?,
            proof: format!("{PROOF_HEAD}index {index}\n{way}\n{}", std::str::from_utf8(checkpoint).ok()?),
            vkey: vkey.to_string(),
        })
    }

    pub fn read(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::Form("it is longer than 256 KiB"));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Checks everything. Without `key`, the receipt's own key is believed: that shows integrity, not origin.
    pub fn check(&self, key: Option<&VKey>) -> Result<Shown, ReceiptError> {
        let own = VKey::read(&self.vkey).ok_or(ReceiptError::Form("its `vkey` is not a key"))?;
        if key.is_some_and(|key| *key != own) {
            return Err(ReceiptError::OtherKey);
        }
        let rest = self.proof.strip_prefix(PROOF_HEAD).ok_or(ReceiptError::Form("its `proof` is of another form"))?;
        let (way, checkpoint) = rest.split_once("\n\n").ok_or(ReceiptError::Form("there is no checkpoint in it"))?;
        let mut lines = way.split('\n');
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index: u64 = index
            .and_then(|text| text.parse().ok().filter(|index: &u64| index.to_string() == text))
            .ok_or(ReceiptError::Form("its `proof` has no index"))?;
        let way = hashes(lines).ok_or(ReceiptError::Form("a hash of its `proof` is none"))?;
        let path =
            hashes(self.path.iter().map(String::as_str)).ok_or(ReceiptError::Form("a hash of its `path` is none"))?;
        let (head, _) = Head::read(checkpoint.as_bytes(), &own, &[])?;
        let entry = Entry::read(self.entry.as_bytes()).map_err(|_| ReceiptError::Form("its `entry` is none"))?;
        let What::Accepted(accepted) = entry.what else {
            return Err(ReceiptError::Form("its `entry` is not about what was accepted"));
        };
        let is_inside = |n: u64, of: u64| n < of;
        let leaf = record_hash(self.entry.as_bytes());
        if !is_inside(index, head.size) || check_record(&way, head.size, head.root, index, leaf).is_err() {
            return Err(ReceiptError::Entry);
        }
        let digest = Hash(accepted.digest.0);
        if !is_inside(self.place, accepted.requests)
            || check_record(&path, accepted.requests, digest, self.place, self.frame.hash()).is_err()
        {
            return Err(ReceiptError::Frame);
        }
        Ok(Shown { index, at: crate::Time(entry.at), accepted, head_size: head.size })
    }
}

/// A tree's paths are never longer than its 64 levels.
fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Hash>> {
    let hashes: Option<Vec<Hash>> = lines
        .take(65)
        .map(|line| STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).map(Hash))
        .collect();
    hashes.filter(|hashes| hashes.len() < 65)
}
