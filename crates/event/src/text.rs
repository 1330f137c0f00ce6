//! JSON strings: decoded, and written.

use std::borrow::Cow;

/// The text of a raw JSON string, quotes included; `None` if it is no string. Lone surrogates become U+FFFD.
pub fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    let content = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Some(decode(content, content.contains(&b'\\')))
}

/// The text between a string's quotes, which the grammar has been through. What it would not have let pass becomes U+FFFD.
pub(crate) fn decode(content: &[u8], escaped: bool) -> Cow<'_, str> {
    // Checking is several times faster than mending, and there is hardly ever anything to mend.
    let content = std::str::from_utf8(content).map_or_else(|_| String::from_utf8_lossy(content), Cow::Borrowed);
    if !escaped {
        return content;
    }
    let mut text = String::with_capacity(content.len());
    let mut rest = &*content;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (character, length) = unescape(&rest.as_bytes()[at..]);
        text.push(character);
        // A damaged escape may end inside of a character: step over that one whole.
        let mut end = (at + length).min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        rest = &rest[end..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the escape that `bytes` begins with, and the escape's length.
fn unescape(bytes: &[u8]) -> (char, usize) {
    let simple = match bytes.get(1) {
        Some(b'u') => return unescape_unit(bytes),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        _ => char::REPLACEMENT_CHARACTER,
    };
    (simple, 2)
}

/// The same for `\uXXXX`, and for two of them that make a pair.
fn unescape_unit(bytes: &[u8]) -> (char, usize) {
    let Some(unit) = hex4(bytes, 2) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if is_high(unit)
        && bytes.get(6..8) == Some(br"\u")
        && let Some(low) = hex4(bytes, 8).filter(|low| is_low(*low))
    {
        let point = 0x1_0000 + ((u32::from(unit) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
        return (char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// The number that the four hexadecimal digits at `at` spell.
pub(crate) fn hex4(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..)?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

pub(crate) fn is_high(unit: u16) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

pub(crate) fn is_low(unit: u16) -> bool {
    (0xDC00..0xE000).contains(&unit)
}

/// Appends `text` as a JSON string, quotes included. Only what JSON says must be escaped is.
pub fn json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            plain @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', plain]),
            control => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(br"\u00");
                out.extend_from_slice(&[HEX[usize::from(control >> 4)], HEX[usize::from(control & 15)]]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_escape_has_its_character() {
        let tests = [
            (r#""""#, ""),
            (r#""plain""#, "plain"),
            (r#""grüße ☃ 💥""#, "grüße ☃ 💥"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\u0041\u00e4\u2603\u0000""#, "Aä☃\0"),
            (r#""\ud83d\udca5""#, "💥"),
            (r#""\uD83D\uDCA5""#, "💥"),
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\udc00""#, "\u{fffd}"),
            (r#""\ud800x""#, "\u{fffd}x"),
            (r#""\ud800\n""#, "\u{fffd}\n"),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
            (r#""\ud800\ud83d\udca5""#, "\u{fffd}💥"),
            (r#""\u0041\udca5""#, "A\u{fffd}"),
            (r#""\udca5\ud83d""#, "\u{fffd}\u{fffd}"),
        ];
        for (raw, expected) in tests {
            assert_eq!(text(raw.as_bytes()).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_no_string_has_no_text() {
        for raw in ["", "\"", "null", "12", "{}", "\"open", "open\""] {
            assert_eq!(text(raw.as_bytes()), None, "{raw}");
        }
    }

    #[test]
    fn a_plain_string_is_borrowed() {
        assert!(matches!(text(br#""plain""#), Some(Cow::Borrowed("plain"))));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(original in any::<String>()) {
            let mut raw = Vec::new();
            json_string(&mut raw, &original);
            prop_assert_eq!(serde_json::from_slice::<String>(&raw).unwrap(), original.clone());
            prop_assert_eq!(text(&raw).unwrap(), original);
        }

        #[test]
        fn damaged_escapes_do_not_panic(bytes in proptest::collection::vec(prop_oneof![
            Just(b'\\'), Just(b'u'), Just(b'd'), Just(b'8'), Just(b'"'), any::<u8>()
        ], 0..40)) {
            decode(&bytes, true);
            text(&bytes);
        }
    }
}
