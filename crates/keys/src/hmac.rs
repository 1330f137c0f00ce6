//! Signatures over what is sent to partners.

use aws_lc_rs::hmac;

/// HMAC-SHA1 of `body` under `secret`, as 40 lower-case hexadecimal digits: what Segment's webhook sends as `X-Signature`.
pub fn hmac_sha1_hex(secret: &[u8], body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    data_encoding::HEXLOWER.encode(hmac::sign(&key, body).as_ref())
}
