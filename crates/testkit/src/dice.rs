//! Numbers that a seed decides.

/// SplitMix64: written out here so that a seed noted today replays after any update of a library.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 up to but not including `below`; 0 when `below` is 0.
    pub fn below(&mut self, below: u64) -> u64 {
        self.next_u64().checked_rem(below).unwrap_or(0)
    }

    /// As [`Self::below`], for sizes and indexes.
    pub fn index(&mut self, below: usize) -> usize {
        self.below(below as u64) as usize
    }

    /// Heads or tails.
    pub fn coin(&mut self) -> bool {
        self.next_u64() & 1 == 1
    }

    /// True `percent` times of 100.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// Dice for a part of the test, so that what one part rolls does not move the others.
    pub fn split(&mut self) -> Self {
        Self(self.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_written_down_today_rolls_the_same_next_year() {
        // The first outputs of the published reference implementation.
        let mut dice = Dice::new(1_234_567);
        assert_eq!(dice.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next_u64(), 3_203_168_211_198_807_973);
    }
}
