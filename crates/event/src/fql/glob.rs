//! The patterns of `match`: a whole text against a glob, case counting.
//!
//! | in a pattern | stands for |
//! | --- | --- |
//! | `*` | any run of characters, an empty one and `/` too |
//! | `?` | one character |
//! | `[abc]` `[a-z]` `[^a]` | one character of a set; in a set too, `\x` is the character itself |
//! | `\x` | the character itself |
//!
//! A pattern is cut at its stars. Each piece is looked for once, behind the piece before: the leftmost place is as good as
//! any, so nothing is ever tried twice, and the time is the text's length times at most [`WINDOW_MAX`].

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    first: Piece,
    /// Behind the first star: the pieces between stars, and the one behind the last star.
    rest: Option<(Vec<Piece>, Piece)>,
}

/// What stands between two stars.
#[derive(Clone, Debug)]
enum Piece {
    Plain(String),
    Mixed(Vec<Element>),
}

#[derive(Clone, Debug)]
enum Element {
    Any,
    One(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// Characters of a piece that has to be searched for and holds `?` or a set.
const WINDOW_MAX: usize = 64;

impl Glob {
    /// `None` if the pattern is malformed: a set without an end or with nothing in it, a last backslash, or more than
    /// [`WINDOW_MAX`] characters between two stars of which one is `?` or a set. Such a pattern matches nothing.
    pub fn parse(pattern: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut piece = Vec::new();
        let mut chars = pattern.chars();
        while let Some(character) = chars.next() {
            piece.push(match character {
                '*' => {
                    pieces.push(std::mem::take(&mut piece));
                    continue;
                }
                '?' => Element::Any,
                '[' => set(&mut chars)?,
                '\\' => Element::One(chars.next()?),
                _ => Element::One(character),
            });
        }
        let last = Piece::of(piece);
        let mut pieces = pieces.into_iter();
        let Some(first) = pieces.next() else { return Some(Self { first: last, rest: None }) };
        let middle: Vec<Piece> = pieces.filter(|piece| !piece.is_empty()).map(Piece::of).collect();
        if middle.iter().any(|piece| matches!(piece, Piece::Mixed(elements) if elements.len() > WINDOW_MAX)) {
            return None;
        }
        Some(Self { first: Piece::of(first), rest: Some((middle, last)) })
    }

    /// Whether the whole text is what the pattern says.
    pub fn matches(&self, text: &str) -> bool {
        let Some(mut text) = self.first.behind(text) else { return false };
        let Some((middle, last)) = &self.rest else { return text.is_empty() };
        for piece in middle {
            match piece.find(text) {
                Some(behind) => text = behind,
                None => return false,
            }
        }
        last.ends(text)
    }
}

impl Piece {
    fn of(elements: Vec<Element>) -> Self {
        let plain = elements.iter().map(|element| if let Element::One(one) = element { Some(*one) } else { None });
        plain.collect::<Option<String>>().map_or_else(|| Self::Mixed(elements), Self::Plain)
    }

    /// What is left of the text behind this piece at its beginning.
    fn behind<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Plain(plain) => text.strip_prefix(&**plain),
            Self::Mixed(elements) => {
                let mut chars = text.chars();
                elements.iter().all(|element| chars.next().is_some_and(|one| element.is(one))).then_some(chars.as_str())
            }
        }
    }

    /// What is left of the text behind the first place where this piece stands.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Plain(plain) => text.find(&**plain).map(|at| &text[at + plain.len()..]),
            Self::Mixed(_) => text.char_indices().find_map(|(at, _)| self.behind(&text[at..])),
        }
    }

    /// Whether the text ends with this piece.
    fn ends(&self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => text.ends_with(&**plain),
            Self::Mixed(elements) => {
                let mut chars = text.chars();
                elements.iter().rev().all(|element| chars.next_back().is_some_and(|one| element.is(one)))
            }
        }
    }
}

impl Element {
    fn is(&self, character: char) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => *one == character,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated
            }
        }
    }
}

/// A set, behind its opening bracket, with its closing one.
fn set(chars: &mut std::str::Chars<'_>) -> Option<Element> {
    let negated = chars.as_str().starts_with('^');
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.as_str().starts_with(']') {
            chars.next();
            return Some(Element::Set { negated, ranges });
        }
        let low = set_character(chars)?;
        let high = if chars.as_str().starts_with('-') {
            chars.next();
            set_character(chars)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn set_character(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        character => Some(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_texts() {
        let tests = [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "A", false),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "a/b/c", true),
            ("**", "x", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("*b*", "abc", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("*aab", "aaab", true),
            ("*a*a", "a", false),
            ("?", "", false),
            ("?", "ü", true),
            ("??", "ü", false),
            ("a?c", "abc", true),
            ("*?", "", false),
            ("*?b*", "b", false),
            ("*?b*", "bb", true),
            ("[abc]x", "bx", true),
            ("[abc]x", "dx", false),
            ("[a-cx]", "x", true),
            ("[^a-c]", "b", false),
            ("[^a-c]", "d", true),
            ("[^a]", "", false),
            ("[ä-ü]", "ö", true),
            ("[z-a]", "m", false),
            (r"[\]]", "]", true),
            (r"[\-a]", "-", true),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"a\?", "a?", true),
            (r"\a", "a", true),
            ("*[0-9].[0-9]*", "version 1.2 beta", true),
            ("*[0-9].[0-9]*", "version 1-2", false),
            ("[!a]", "!", true),
        ];
        for (pattern, text, expected) in tests {
            assert_eq!(Glob::parse(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn malformed_patterns_are_known() {
        for pattern in ["[", "[a", "[]", "[]a]", "[^", "[^]", "[a-", "[a-]", "[-a]", "\\", "a\\", r"[\"] {
            assert!(Glob::parse(pattern).is_none(), "{pattern}");
        }
        let long = format!("*{}?*", "a".repeat(WINDOW_MAX));
        assert!(Glob::parse(&long).is_none());
        assert!(Glob::parse(&long[1..long.len() - 1]).is_some());
    }

    #[test]
    fn many_stars_cost_no_more_than_the_text() {
        let text = "a".repeat(32 * 1024);
        for pattern in ["a*".repeat(4000) + "b", "*a?".repeat(2000) + "b", format!("*{}b*", "a?".repeat(31))] {
            assert!(!Glob::parse(&pattern).unwrap().matches(&text));
        }
    }

    /// The plain definition, which takes exponential time.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            ['?', rest @ ..] => !text.is_empty() && slow(rest, &text[1..]),
            [one, rest @ ..] => text.first() == Some(one) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matches_what_the_definition_matches(pattern in "[ab?*]{0,7}", text in "[abc]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Glob::parse(&pattern).unwrap().matches(&text), slow(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn no_pattern_panics(pattern in r"[\PC\\*?\[\]^-]{0,20}", text in any::<String>()) {
            if let Some(glob) = Glob::parse(&pattern) {
                glob.matches(&text);
            }
        }
    }
}
