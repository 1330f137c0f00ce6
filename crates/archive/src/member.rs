//! Gzip, a member at a time, with one compressor for all files.
//!
//! A file of gzip members one behind the other is a gzip file (RFC 1952, section 2.2). So an open file needs no compressor of its
//! own (256 KiB each), only its last bytes as they came. The header has no time and no name: the same bytes in give the
//! same bytes out.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Magic, deflate, no flags, no time, no extra flags, system unknown.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Makes gzip members.
pub(crate) struct Packer {
    deflate: Compress,
}

impl Packer {
    pub fn new(level: u32) -> Self {
        Self { deflate: Compress::new(Compression::new(level.min(9)), false) }
    }

    /// Appends `plain` to `out` as one member.
    pub fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&HEADER);
        self.deflate.reset();
        let mut rest = plain;
        loop {
            // Room for the worst case of what is left: deflate grows what it can't shrink by less than a thousandth.
            out.reserve(rest.len() / 2 + 1024);
            let before = self.deflate.total_in();
            // Errors are for a broken state, which a reset can't leave: what is certain is that it ends or goes on.
            let status = self.deflate.compress_vec(rest, out, FlushCompress::Finish);
            let taken = usize::try_from(self.deflate.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken.min(rest.len())..];
            if matches!(status, Ok(Status::StreamEnd)) {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(plain);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use std::io::Read;

    fn unpack(packed: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        MultiGzDecoder::new(packed).read_to_end(&mut plain).expect("sound gzip");
        plain
    }

    /// Bytes that nothing can compress.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn members_one_behind_the_other_are_one_file() {
        for level in [0, 1, 2, 6, 9, 99] {
            let mut packer = Packer::new(level);
            let (mut packed, mut plain) = (Vec::new(), Vec::new());
            for part in [b"{\"a\":1}\n".repeat(1000), Vec::new(), noise(300_000), b"x".to_vec()] {
                packer.pack(&part, &mut packed);
                plain.extend_from_slice(&part);
            }
            assert_eq!(unpack(&packed), plain, "level {level}");
        }
    }

    #[test]
    fn the_same_bytes_in_give_the_same_bytes_out_whatever_came_before() {
        let pack = |packer: &mut Packer, plain: &[u8]| {
            let mut out = Vec::new();
            packer.pack(plain, &mut out);
            out
        };
        let plain = b"{\"messageId\":\"m1\"}\n".repeat(500);
        let fresh = pack(&mut Packer::new(2), &plain);
        let mut used = Packer::new(2);
        pack(&mut used, &noise(100_000));
        assert_eq!(pack(&mut used, &plain), fresh);
    }
}
