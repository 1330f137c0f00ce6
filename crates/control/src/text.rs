//! Names and slugs that people choose.

use crate::ControlError;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 255;
/// Characters of a text of several lines.
const LINES_CHARS_MAX: usize = 1_000;
/// Bytes of a slug.
const SLUG_BYTES_MAX: usize = 100;

/// A name for people: any script, on one line, with nothing that hides or turns text.
pub(crate) fn name(field: &str, text: &str) -> Result<String, ControlError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        let mend = format!("give 1 to {NAME_CHARS_MAX} characters");
        return Err(ControlError::invalid(field, "is empty or too long", mend));
    }
    if let Some(bad) = name.chars().find(|c| is_hidden(*c)) {
        let what = format!("holds U+{:04X}, which is not seen or changes how the rest is seen", u32::from(bad));
        return Err(ControlError::invalid(field, what, "leave it out"));
    }
    Ok(name.to_owned())
}

/// A text that may have several lines, or none, and nothing that hides.
pub(crate) fn lines(field: &str, text: &str) -> Result<String, ControlError> {
    let text = text.trim();
    if text.chars().count() > LINES_CHARS_MAX {
        return Err(ControlError::invalid(field, "is too long", "give at most 1,000 characters"));
    }
    text.lines().filter(|line| !line.trim().is_empty()).try_for_each(|line| name(field, line).map(drop))?;
    Ok(text.to_owned())
}

/// A name for programs: lower-case letters, digits, `-` and `_`.
pub(crate) fn slug(field: &str, text: &str) -> Result<String, ControlError> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !begins || text.len() > SLUG_BYTES_MAX || !text.bytes().all(inner) {
        let mend = format!("give 1 to {SLUG_BYTES_MAX} of a-z, 0-9, `-`, `_`, beginning with a letter or digit");
        return Err(ControlError::invalid(field, "is not a slug", mend));
    }
    Ok(text.to_owned())
}

/// Control characters, line and paragraph separators, direction overrides, and characters of no width (but the joiners
/// U+200C and U+200D, which Persian and emoji need).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_of_any_script_but_hides_nothing() {
        for good in ["Web", "  Web  ", "株式会社", "Acme \u{1F469}\u{200D}\u{1F4BB}", "<b>bold</b>", "a' OR 1=1 --"]
        {
            assert_eq!(name("name", good).expect(good), good.trim());
        }
        let long = "x".repeat(256);
        for bad in ["", "   ", "a\nb", "a\0b", "a\u{202E}b", "a\u{200B}b", "a\u{2066}b", "\u{E0041}x", long.as_str()] {
            assert!(name("name", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_slug_is_plain() {
        for good in ["web", "web-2", "0", "a_b"] {
            assert_eq!(slug("slug", good).expect(good), good);
        }
        let long = "x".repeat(101);
        for bad in ["", "-a", "_a", "Web", "a b", "a/b", "..", "wéb", "a\n", "ａ", long.as_str()] {
            assert!(slug("slug", bad).is_err(), "{bad:?}");
        }
    }
}
