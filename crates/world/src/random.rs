//! Randomness, as it is handed in.

use rand::TryRngCore;

/// A source of random bytes. The real one is the operating system's, fit for keys; a test's is a seed.
pub trait Random: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);

    /// A number from 0 up to but not including `below` (which must be at least 1). The bias is below 2^-32 for the small
    /// ranges (jitter, sampling) that it is meant for.
    fn below(&self, below: u64) -> u64 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        (u128::from_le_bytes(bytes) % u128::from(below.max(1))) as u64
    }
}

/// The operating system's randomness.
pub struct RealRandom;

impl Random for RealRandom {
    fn fill(&self, out: &mut [u8]) {
        // No key and no identifier may be made without randomness: a system that has none can't run Domicile.
        rand::rngs::OsRng.try_fill_bytes(out).expect("the operating system gives randomness");
    }
}
