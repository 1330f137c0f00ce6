//! Blocks: the 4 KiB pieces of a run that are read, checked and searched one at a time.
//!
//! ```text
//! block = crc32c u32 | number u32 | count u16 | entries, sorted by key | zeros        (little endian, 4,096 bytes)
//! ```
//!
//! - The checksum is over everything behind it, the number included: a block in another one's place is damage.
//! - Only the last block of a run is not full.

use super::entry::{ENTRY_BYTES, Entry, KEY_BYTES};
use domicile_log::EventKey;

pub(crate) const BLOCK_BYTES: usize = 4096;
const HEADER_BYTES: usize = 10;
pub(crate) const BLOCK_ENTRIES: usize = (BLOCK_BYTES - HEADER_BYTES) / ENTRY_BYTES;

/// Writes a block of at most [`BLOCK_ENTRIES`] entries behind `out`.
pub(crate) fn write(out: &mut Vec<u8>, number: u32, entries: &[Entry]) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.0);
    }
    out.resize(start + BLOCK_BYTES, 0);
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// A checked block.
pub(crate) struct Block<'a> {
    entries: &'a [u8],
}

impl<'a> Block<'a> {
    /// Checks a block's bytes, or says what is wrong.
    pub(crate) fn check(bytes: &'a [u8], number: u32) -> Result<Self, &'static str> {
        if bytes.len() != BLOCK_BYTES {
            return Err("the block is cut off");
        }
        if crc32c::crc32c(&bytes[4..]).to_le_bytes() != bytes[..4] {
            return Err("the block's checksum does not hold");
        }
        if bytes[4..8] != number.to_le_bytes() {
            return Err("the block belongs elsewhere");
        }
        let count = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        if count == 0 || count > BLOCK_ENTRIES {
            return Err("the block's count is impossible");
        }
        Ok(Self { entries: &bytes[HEADER_BYTES..HEADER_BYTES + count * ENTRY_BYTES] })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() / ENTRY_BYTES
    }

    pub(crate) fn entry(&self, n: usize) -> Entry {
        let mut entry = [0; ENTRY_BYTES];
        entry.copy_from_slice(&self.entries[n * ENTRY_BYTES..][..ENTRY_BYTES]);
        Entry(entry)
    }

    /// The entry with `key`.
    pub(crate) fn find(&self, key: &EventKey) -> Option<Entry> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match self.entries[middle * ENTRY_BYTES..][..KEY_BYTES].cmp(&key.0) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.entry(middle)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Kept, Minute};
    use super::*;
    use domicile_log::Position;

    fn entries(count: u64) -> Vec<Entry> {
        let key = |n: u64| EventKey([0, 0, 0, 0, 0, 0, 0, 0, (n >> 8) as u8, n as u8]);
        (0..count).map(|n| Entry::new(key(n * 2), Kept::new(Minute::from_u32(7), Position(n)))).collect()
    }

    #[test]
    fn every_entry_of_a_block_is_found_and_nothing_else() {
        let entries = entries(BLOCK_ENTRIES as u64);
        let mut bytes = Vec::new();
        write(&mut bytes, 3, &entries);
        assert_eq!(bytes.len(), BLOCK_BYTES);
        let block = Block::check(&bytes, 3).unwrap();
        for entry in &entries {
            assert!(block.find(&entry.key()).is_some_and(|found| found == *entry));
            let mut absent = entry.key();
            absent.0[9] += 1;
            assert!(block.find(&absent).is_none());
        }
    }

    #[test]
    fn every_flipped_bit_cut_and_swap_of_a_block_is_seen() {
        let mut bytes = Vec::new();
        write(&mut bytes, 3, &entries(5));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Block::check(&bytes, 3).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(Block::check(&bytes[..BLOCK_BYTES - 1], 3).is_err());
        assert!(Block::check(&[], 3).is_err());
        assert!(Block::check(&[0; BLOCK_BYTES], 0).is_err());
        assert_eq!(Block::check(&bytes, 4).err(), Some("the block belongs elsewhere"));
    }
}
