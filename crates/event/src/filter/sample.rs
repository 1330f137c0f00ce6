//! Which events a sample takes: decided by a value of the event, so that it is decided the same every time.
//!
//! The value's JSON is hashed with MD5, as Segment does it: a sample by `userId` that comes over from there keeps its
//! users. The hash spreads, nothing more; it protects nothing.

use crate::field;
use crate::fql::canonical;
use md5::{Digest, Md5};

/// A share of the events.
#[derive(Clone, PartialEq)]
pub struct Sample {
    /// 0 takes none, 1 takes all.
    share: f64,
    path: Vec<String>,
}

impl Sample {
    /// `path`: the value that decides; events with the same value are taken together or not at all, those without the
    /// value count as having null. Without a path the `messageId` decides: a replay takes the same events.
    pub(super) fn new(share: f64, path: Option<Vec<String>>) -> Self {
        Self { share, path: path.unwrap_or_else(|| vec!["messageId".to_owned()]) }
    }

    pub(super) fn takes(&self, event: &[u8]) -> bool {
        if self.share >= 1.0 {
            return true;
        }
        let steps: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let mut json = Vec::new();
        canonical(&mut json, field(event, &steps).unwrap_or(b"null"));
        place(&json) < self.share
    }
}

/// Where the value lies between 0 and 1: the first eight bytes of its hash, as a fraction.
fn place(json: &[u8]) -> f64 {
    let hash: [u8; 16] = Md5::digest(json).into();
    let front = hash.first_chunk::<8>().map_or(0, |front| u64::from_be_bytes(*front));
    front as f64 / 2f64.powi(64)
}
