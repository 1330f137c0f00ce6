//! Randomness that a seed replays. Good for tests only: whoever knows the seed knows the keys.

use crate::Dice;
use domicile_world::Random;
use std::sync::{Arc, Mutex, PoisonError};

/// A [`Random`] whose bytes follow from a seed and the order of the calls. Clones share the stream.
#[derive(Clone)]
pub struct SeedRandom(Arc<Mutex<Dice>>);

impl SeedRandom {
    pub fn new(seed: u64) -> Self {
        // Not the disk's stream: else what fails and which keys are made would hang together.
        Self(Arc::new(Mutex::new(Dice::new(seed ^ 0x0072_616E_646F_6D00))))
    }
}

impl Random for SeedRandom {
    fn fill(&self, out: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in out.chunks_mut(8) {
            let bytes = dice.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
