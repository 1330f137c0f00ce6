//! An expression's text cut into tokens.

use super::path::{is_plain, looks_like_number};
use super::syntax::Op;
use super::{DEPTH_MAX, FqlError};
use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    /// Of its first character.
    pub column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Not,
    Op(Op),
    Text(String),
    Number(String),
    /// A path or a word of the language; `escaped` if it has a backslash, which makes it a path.
    Word {
        steps: Vec<String>,
        escaped: bool,
    },
    End,
}

impl Kind {
    /// The word, if it may be one of the language.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word { steps, escaped: false } if steps.len() == 1 => steps.first().map(String::as_str),
            _ => None,
        }
    }

    /// What an error calls it.
    pub fn name(&self) -> String {
        match self {
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::OpenList => "`[`".to_owned(),
            Self::CloseList => "`]`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Not => "`!`".to_owned(),
            Self::Op(op) => format!("`{}`", op.as_str()),
            Self::Text(_) => "a string".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::Word { .. } => self.word().map_or_else(|| "a path".to_owned(), |word| format!("`{}`", short(word))),
            Self::End => "the end".to_owned(),
        }
    }
}

/// No more of a word than an error can show.
pub(super) fn short(word: &str) -> String {
    const SHOWN: usize = 40;
    let mut text: String = word.chars().take(SHOWN).collect();
    if text.len() < word.len() {
        text.push('…');
    }
    text
}

/// Cuts the text; the last token is `End`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FqlError> {
    let mut lexer = Lexer { chars: text.chars().peekable(), column: 1 };
    let mut tokens = Vec::new();
    loop {
        while lexer.chars.next_if(|next| matches!(next, ' ' | '\t' | '\n' | '\r')).is_some() {
            lexer.column += 1;
        }
        let column = lexer.column;
        let kind = lexer.token()?;
        let ended = kind == Kind::End;
        tokens.push(Token { kind, column });
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    column: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        self.column += 1;
        self.chars.next()
    }

    fn takes(&mut self, character: char) -> bool {
        let taken = self.chars.next_if_eq(&character).is_some();
        self.column += usize::from(taken);
        taken
    }

    fn token(&mut self) -> Result<Kind, FqlError> {
        let column = self.column;
        let Some(first) = self.chars.peek().copied() else { return Ok(Kind::End) };
        if is_plain(first) || first == '\\' {
            return self.word(column);
        }
        self.next();
        Ok(match first {
            '(' => Kind::Open,
            ')' => Kind::Close,
            '[' => Kind::OpenList,
            ']' => Kind::CloseList,
            ',' => Kind::Comma,
            '!' if self.takes('=') => Kind::Op(Op::Unequal),
            '!' => Kind::Not,
            '=' if self.chars.peek() == Some(&'=') => {
                return Err(FqlError::new(column, "`==` is no operator", "write `=`"));
            }
            '=' => Kind::Op(Op::Equal),
            '<' if self.chars.peek() == Some(&'>') => {
                return Err(FqlError::new(column, "`<>` is no operator", "write `!=`"));
            }
            '<' if self.takes('=') => Kind::Op(Op::LessOrEqual),
            '<' => Kind::Op(Op::Less),
            '>' if self.takes('=') => Kind::Op(Op::MoreOrEqual),
            '>' => Kind::Op(Op::More),
            '\'' | '"' => return self.text(column, first),
            '+' if self.chars.peek().is_some_and(char::is_ascii_digit) => return self.word(column),
            _ => return Err(stray(column, first)),
        })
    }

    /// A string, behind its opening quote.
    fn text(&mut self, column: usize, quote: char) -> Result<Kind, FqlError> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some(character) if character == quote => return Ok(Kind::Text(text)),
                Some(character) => text.push(character),
                None => {
                    let what = format!("the string has no end: {quote} is missing");
                    let mend = format!(
                        "close it with {quote}; strings have no escapes, so a text with {quote} in it stands in the other quotes"
                    );
                    return Err(FqlError::new(column, what, mend));
                }
            }
        }
    }

    /// A path, a word or a number.
    fn word(&mut self, column: usize) -> Result<Kind, FqlError> {
        let (mut steps, mut step, mut escaped) = (Vec::new(), String::new(), false);
        loop {
            match self.chars.peek().copied() {
                Some(character) if is_plain(character) => {
                    step.push(character);
                    self.next();
                }
                Some('\\') => {
                    let at = self.column;
                    self.next();
                    let character = self.next().ok_or_else(|| {
                        FqlError::new(at, "nothing follows the backslash", "put the escaped character behind it")
                    })?;
                    step.push(character);
                    escaped = true;
                }
                next => {
                    if step.is_empty() {
                        return Err(FqlError::new(
                            self.column,
                            "a path has an empty step",
                            "write a name behind the dot",
                        ));
                    }
                    if steps.len() == DEPTH_MAX {
                        let what = format!("a path has {DEPTH_MAX} steps at most");
                        return Err(FqlError::new(self.column, what, "name a field that is less deep"));
                    }
                    steps.push(std::mem::take(&mut step));
                    if next != Some('.') {
                        break;
                    }
                    self.next();
                }
            }
        }
        let word = steps.join(".");
        if escaped || !looks_like_number(&word) {
            return Ok(Kind::Word { steps, escaped });
        }
        if word.contains(['e', 'E']) {
            return Err(FqlError::new(
                column,
                format!("`{}` has an exponent", short(&word)),
                "write the number with digits alone; if a field is meant, put a backslash in front",
            ));
        }
        Ok(Kind::Number(word))
    }
}

fn stray(column: usize, character: char) -> FqlError {
    let mend = match character {
        '&' => "write `and`".to_owned(),
        '|' => "write `or`".to_owned(),
        '~' => "write `match(path, 'pattern')`".to_owned(),
        '.' => "a path begins with a name, a number with a digit".to_owned(),
        '+' => "FQL does no arithmetic; take it out".to_owned(),
        _ => format!("in a path write `\\{character}`; a text stands in quotes"),
    };
    FqlError::new(column, format!("`{}` means nothing here", character.escape_debug()), mend)
}
