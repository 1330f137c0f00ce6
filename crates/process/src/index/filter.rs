//! Filters: which keys a run surely does not hold, in memory.
//!
//! A run has one filter for each [`SHARD_BLOCKS`] of its blocks, about a million keys, so that building one never needs
//! more than some 30 MiB however large the run. A filter says "perhaps" for each of its keys, and for 0.4 % of all others.
//!
//! ```text
//! filter on disk = seed u64 | segment length u32 | mask u32 | segment count length u32 | length u32 | fingerprints
//! ```

use super::block::BLOCK_ENTRIES;
use super::entry::{high_bits, low_bits};
use domicile_log::EventKey;
use xorf::{BinaryFuse8, Descriptor, Filter};

/// Blocks that share a filter.
pub(crate) const SHARD_BLOCKS: usize = (1 << 20) / BLOCK_ENTRIES;
/// The most keys in a filter.
pub(crate) const SHARD_KEYS: usize = SHARD_BLOCKS * BLOCK_ENTRIES;
const HEADER_BYTES: usize = 24;

/// Builds the filter of one shard from the low bits of its keys and writes it behind `out`. Empties `bits`.
pub(crate) fn build(bits: &mut Vec<u64>, out: &mut Vec<u8>) {
    // Two keys may share their low bits, and the filter can't be built from equal ones.
    bits.sort_unstable();
    bits.dedup();
    let filter = BinaryFuse8::try_from(bits.as_slice()).ok();
    bits.clear();
    // Building fails once in an age. A filter without fingerprints says "perhaps" to everything.
    let (descriptor, fingerprints) = match &filter {
        Some(filter) => (Some(&filter.descriptor), &*filter.fingerprints),
        None => (None, &[][..]),
    };
    out.extend_from_slice(&descriptor.map_or(0, |d| d.seed).to_le_bytes());
    out.extend_from_slice(&descriptor.map_or(0, |d| d.segment_length).to_le_bytes());
    out.extend_from_slice(&descriptor.map_or(0, |d| d.segment_length_mask).to_le_bytes());
    out.extend_from_slice(&descriptor.map_or(0, |d| d.segment_count_length).to_le_bytes());
    out.extend_from_slice(&(fingerprints.len() as u32).to_le_bytes());
    out.extend_from_slice(fingerprints);
}

/// The filters of one run.
pub(crate) struct Filters {
    shards: Vec<Shard>,
    /// For each value of a key's first 16 bits, shifted: the first shard that may hold such a key.
    starts: Vec<u16>,
}

struct Shard {
    first: EventKey,
    filter: Option<BinaryFuse8>,
}

const STARTS_SHIFT: u32 = 4;

impl Filters {
    /// Reads the filters as [`build`] wrote them; `firsts` are the first keys of the shards. Says what is wrong, if anything.
    pub(crate) fn read(mut bytes: &[u8], firsts: Vec<EventKey>) -> Result<Self, &'static str> {
        let mut shards = Vec::with_capacity(firsts.len());
        for first in firsts {
            let (filter, rest) = read_one(bytes)?;
            bytes = rest;
            shards.push(Shard { first, filter });
        }
        if !bytes.is_empty() {
            return Err("there are more filters than shards");
        }
        let starts = (0..=u16::MAX >> STARTS_SHIFT)
            .map(|slot| {
                let smallest = slot << STARTS_SHIFT;
                let later = shards.iter().skip(1).take_while(|shard| high_bits(&shard.first) < smallest).count();
                u16::try_from(later).map_err(|_| "there are too many shards")
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shards, starts })
    }

    /// Whether the run may hold `key`.
    #[inline]
    pub(crate) fn may_hold(&self, key: &EventKey) -> bool {
        let mut shard = usize::from(self.starts[usize::from(high_bits(key) >> STARTS_SHIFT)]);
        while self.shards.get(shard + 1).is_some_and(|next| next.first <= *key) {
            shard += 1;
        }
        match self.shards.get(shard) {
            Some(Shard { filter: Some(filter), .. }) => filter.contains(&low_bits(key)),
            Some(Shard { filter: None, .. }) => true,
            None => false,
        }
    }
}

fn read_one(bytes: &[u8]) -> Result<(Option<BinaryFuse8>, &[u8]), &'static str> {
    const CUT: &str = "a filter is cut off";
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(CUT)?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let seed = u64::from(word(0)) | u64::from(word(4)) << 32;
    let (segment_length, segment_length_mask, segment_count_length) = (word(8), word(12), word(16));
    let (fingerprints, rest) = rest.split_at_checked(word(20) as usize).ok_or(CUT)?;
    if fingerprints.is_empty() {
        return Ok((None, rest));
    }
    // What the look-up relies on to stay inside the fingerprints.
    let needed = u64::from(segment_count_length) + 2 * u64::from(segment_length);
    let fits = segment_length.is_power_of_two()
        && segment_length_mask == segment_length - 1
        && segment_count_length.is_multiple_of(segment_length)
        && needed <= fingerprints.len() as u64;
    if !fits {
        return Err("a filter's measures do not fit");
    }
    let descriptor = Descriptor { seed, segment_length, segment_length_mask, segment_count_length };
    Ok((Some(BinaryFuse8 { descriptor, fingerprints: fingerprints.into() }), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> EventKey {
        let hash = xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes()).to_le_bytes();
        EventKey(hash[..10].try_into().unwrap())
    }

    /// Filters over the keys 0..count in shards of `shard` keys.
    fn filters(count: u64, shard: usize) -> (Vec<u8>, Vec<EventKey>) {
        let mut keys: Vec<_> = (0..count).map(key).collect();
        keys.sort_unstable();
        let mut bytes = Vec::new();
        let mut firsts = Vec::new();
        for keys in keys.chunks(shard) {
            firsts.push(keys[0]);
            build(&mut keys.iter().map(low_bits).collect(), &mut bytes);
        }
        (bytes, firsts)
    }

    #[test]
    fn no_key_is_denied_and_few_strangers_are_let_in() {
        for (count, shard) in [(1, 9), (2, 1), (3, 2), (10, 3), (1_000, 1_000), (1_000, 7), (20_000, 999)] {
            let (bytes, firsts) = filters(count, shard);
            let filters = Filters::read(&bytes, firsts).unwrap();
            assert!((0..count).all(|n| filters.may_hold(&key(n))), "{count} keys in shards of {shard}");
            let strangers = (count..count + 10_000).filter(|n| filters.may_hold(&key(*n))).count();
            assert!(strangers < 100, "{strangers} of 10,000 strangers, {count} keys in shards of {shard}");
        }
    }

    #[test]
    fn keys_that_share_their_low_bits_are_held() {
        let twins = [EventKey([1; 10]), EventKey([2, 2, 1, 1, 1, 1, 1, 1, 1, 1])];
        let mut bytes = Vec::new();
        build(&mut twins.iter().map(low_bits).collect(), &mut bytes);
        let filters = Filters::read(&bytes, vec![twins[0]]).unwrap();
        assert!(twins.iter().all(|twin| filters.may_hold(twin)));
    }

    #[test]
    fn damaged_measures_are_refused_or_harmless() {
        let (bytes, firsts) = filters(100, 50);
        for cut in 0..bytes.len() {
            assert!(Filters::read(&bytes[..cut], firsts.clone()).is_err(), "cut at {cut}");
        }
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(filters) = Filters::read(&bytes, firsts.clone()) {
                (0..1_000).for_each(|n| _ = filters.may_hold(&key(n)));
            }
        }
    }
}
