//! Signatures over what is sent to partners, and what stands for a person where the person's id must not lie.

use aws_lc_rs::hmac;

/// HMAC-SHA1 of `body` under `secret`, as 40 lower-case hexadecimal digits: what Segment's webhook sends as `X-Signature`.
pub fn hmac_sha1_hex(secret: &[u8], body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    data_encoding::HEXLOWER.encode(hmac::sign(&key, body).as_ref())
}

/// Makes what stands for a user's id in lists of suppressed users: HMAC-SHA256 with a key that only this cell has.
///
/// Whoever has a list and not the cell's keys can't try out ids against it. The same id has another hash in each
/// workspace, so that two lists can't be compared.
#[derive(Clone)]
pub struct UserHasher(hmac::Key);

impl UserHasher {
    /// `salt`: the cell's own ([`Keyring::cell_salt`](crate::Keyring::cell_salt)); it never changes, nor do the hashes.
    pub fn new(salt: &[u8; 16]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, salt))
    }

    /// `workspace`: its number. `user_id`: as it is read from an event, letter for letter.
    pub fn hash(&self, workspace: u32, user_id: &str) -> [u8; 32] {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(b"suppressed user\0");
        signing.update(&workspace.to_le_bytes());
        signing.update(user_id.as_bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(signing.sign().as_ref());
        hash
    }
}

/// Makes what a partner abroad gets in place of an identifier: HMAC-SHA256 with a key that only this cell has.
///
/// Whoever gets the hashes can't try out identifiers against them. The same identifier has one hash in a workspace, whatever
/// field it stands in, and another in each other workspace.
#[derive(Clone)]
pub struct IdentifierHasher(hmac::Key);

impl IdentifierHasher {
    /// `salt`: the cell's own ([`Keyring::cell_salt`](crate::Keyring::cell_salt)); it never changes, nor do the hashes.
    pub fn new(salt: &[u8; 16]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, salt))
    }

    /// 64 lower-case hexadecimal digits. `workspace`: its id.
    pub fn hash(&self, workspace: &str, identifier: &str) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(b"identifier\0");
        signing.update(&(workspace.len() as u64).to_le_bytes());
        signing.update(workspace.as_bytes());
        signing.update(identifier.as_bytes());
        data_encoding::HEXLOWER.encode(signing.sign().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_one_hash_in_a_workspace_of_a_cell_and_no_other_has_it() {
        let hasher = UserHasher::new(&[7; 16]);
        assert_eq!(hasher.hash(1, "u1"), UserHasher::new(&[7; 16]).hash(1, "u1"));
        let others = [hasher.hash(1, "u2"), hasher.hash(1, "U1"), hasher.hash(2, "u1"), hasher.hash(1, "")];
        assert!(!others.contains(&hasher.hash(1, "u1")));
        assert_ne!(UserHasher::new(&[8; 16]).hash(1, "u1"), hasher.hash(1, "u1"));
    }

    #[test]
    fn an_identifier_has_one_hash_in_a_workspace_of_a_cell_and_no_other_has_it() {
        let hasher = IdentifierHasher::new(&[7; 16]);
        let hash = hasher.hash("w1", "ann");
        assert_eq!((hash.len(), &hash), (64, &IdentifierHasher::new(&[7; 16]).hash("w1", "ann")));
        let others =
            [hasher.hash("w1", "Ann"), hasher.hash("w2", "ann"), hasher.hash("w1a", "nn"), hasher.hash("w1", "")];
        assert!(!others.contains(&hash));
        assert_ne!(IdentifierHasher::new(&[8; 16]).hash("w1", "ann"), hash);
        let suppressed = UserHasher::new(&[7; 16]).hash(1, "ann");
        assert_ne!(data_encoding::HEXLOWER.encode(&suppressed), hash);
    }
}
