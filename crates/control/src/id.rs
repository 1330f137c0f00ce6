//! New identifiers, keys and tokens, from the randomness that is handed in.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use domicile_world::Random;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` letters and digits, each of the 62 as likely as any other.
pub(crate) fn base62(random: &dyn Random, length: usize) -> String {
    let mut out = String::with_capacity(length);
    let mut bytes = [0; 32];
    while out.len() < length {
        random.fill(&mut bytes);
        for byte in bytes {
            // 248 = 4 · 62: the bytes above would favour the first letters.
            if byte < 248 && out.len() < length {
                out.push(char::from(BASE62[usize::from(byte % 62)]));
            }
        }
    }
    out
}

/// The form of workspace, source and token ids: 131 bits.
pub(crate) fn new_id(random: &dyn Random) -> String {
    base62(random, 22)
}

/// The form of destination ids: 24 hexadecimal digits.
pub(crate) fn new_hex_id(random: &dyn Random) -> String {
    let mut bytes = [0; 12];
    random.fill(&mut bytes);
    HEXLOWER.encode(&bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_world::RealRandom;
    use std::collections::HashSet;

    #[test]
    fn ids_have_their_length_and_alphabet_and_do_not_repeat() {
        let ids: HashSet<String> = (0..1000).map(|_| new_id(&RealRandom)).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 22 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
        let hex = new_hex_id(&RealRandom);
        assert!(hex.len() == 24 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
