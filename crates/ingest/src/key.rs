//! The write key of a request's `Authorization` header. Pure.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// Takes padding or not: hand-made clients leave it out.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The user name of `Authorization: Basic`, which is the write key. `None` when there is none: then the key is in the
/// body, as it is with a `Bearer` token.
///
/// The scheme may be in any case; the colon after the name may be missing; space around it is cut, and percent signs
/// are decoded. When header and body name different keys, the header's counts.
pub(crate) fn from_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, credentials) = value.split_once(|c: char| c.is_ascii_whitespace())?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = decode_base64(credentials.trim())?;
    let text = String::from_utf8(decoded).ok()?;
    let name = text.split(':').next().unwrap_or_default().trim();
    if name.is_empty() {
        return None;
    }
    Some(decode_percent(name))
}

/// Standard or URL-safe alphabet, padded or not.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}

/// Without a percent sign, or with what does not decode to text, the text itself.
pub(crate) fn decode_percent(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), |decoded| decoded.into_owned())
}

/// What a log may show of a key.
pub(crate) fn shown(key: &str) -> String {
    let mut shown: String = key.chars().take(6).collect();
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(authorization: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        from_header(&headers)
    }

    #[test]
    fn basic_names_the_key_however_it_is_written() {
        // `euw_Key1:` and its relatives.
        for (authorization, key) in [
            ("Basic ZXV3X0tleTE6", "euw_Key1"),
            ("basic ZXV3X0tleTE6", "euw_Key1"),
            ("BASIC   ZXV3X0tleTE6 ", "euw_Key1"),
            ("Basic ZXV3X0tleTE", "euw_Key1"),
            ("Basic ZXV3X0tleTE=", "euw_Key1"),
            ("Basic ZXV3X0tleTE6cGFzcw==", "euw_Key1"),
            ("Basic ZXV3X0tleTE6cGFzcw", "euw_Key1"),
            ("Basic IGV1d19LZXkxIDo=", "euw_Key1"),
            ("Basic ZXV3JTVGS2V5MTo=", "euw_Key1"),
            ("Basic Pz8-Og", "??>"),
            ("Basic Pz8+Og", "??>"),
        ] {
            assert_eq!(key_of(authorization).as_deref(), Some(key), "{authorization}");
        }
    }

    #[test]
    fn other_schemes_and_broken_ones_leave_it_to_the_body() {
        for authorization in ["Bearer abc", "Basic", "Basic ", "Basic !!!", "Basic Og==", "Basic /w==", "euw_Key1", ""]
        {
            assert_eq!(key_of(authorization), None, "{authorization}");
        }
        assert_eq!(from_header(&HeaderMap::new()), None);
    }

    #[test]
    fn a_log_shows_six_letters_of_a_key() {
        assert_eq!(shown("euw_0123456789"), "euw_01…");
        assert_eq!(shown("ä"), "ä…");
    }
}
