//! The grammar of JSON (RFC 8259), once, for all that reads it here.
//!
//! A cursor goes over the bytes a single time and stops at the first that cannot stand where it does. Who wants more than
//! that walks an object member by member, or hands in a [`Watch`] that is told what the cursor passes.
//!
//! - Strict: no comment, no NaN, no raw control character, no leading zero, no comma too many. A number may be of any
//!   length and size, and an escape may be half of a surrogate pair, because real clients send both.
//! - Never recursive: what is open is a bit each, at most `DEPTH_MAX` of them.
//! - Does not look at UTF-8: that is checked before, over the whole body at once.

use crate::DEPTH_MAX;
use crate::text::{decode, hex4, is_high, is_low};
use std::borrow::Cow;
use std::ops::Range;

/// Where and why the bytes are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    TooDeep { offset: usize },
    Malformed { offset: usize, what: &'static str },
}

/// What stands between a string's quotes.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    pub start: usize,
    pub end: usize,
    pub escaped: bool,
}

/// Told what a cursor passes. All offsets are the cursor's.
pub(crate) trait Watch {
    /// An object opens.
    fn open(&mut self) {}
    /// A key of the innermost open object; `content` is what stands between its quotes.
    fn key(&mut self, _key: Text, _content: &[u8]) {}
    /// The innermost open object closes.
    fn close(&mut self) {}
    /// Space between two tokens.
    fn space(&mut self, _run: Range<usize>, _bytes: &[u8]) {}
    /// An escape of six bytes that is half of a surrogate pair.
    fn lone_surrogate(&mut self, _offset: usize) {}
}

/// Nobody watches.
pub(crate) struct Unwatched;

impl Watch for Unwatched {}

pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte; 0, which stands nowhere in JSON, behind the last.
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.peek_at(self.at)
    }

    #[inline(always)]
    fn peek_at(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    pub fn raw(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Whether `key` is `name`, however it is escaped.
    #[inline]
    pub fn is(&self, key: Text, name: &str) -> bool {
        match key.escaped {
            false => self.raw(key.start..key.end) == name.as_bytes(),
            true => self.decode(key) == name,
        }
    }

    pub fn decode(&self, text: Text) -> Cow<'a, str> {
        decode(self.raw(text.start..text.end), text.escaped)
    }

    #[inline(always)]
    pub fn space<W: Watch>(&mut self, watch: &mut W) {
        if self.peek() <= b' ' {
            self.pass_space(watch);
        }
    }

    fn pass_space<W: Watch>(&mut self, watch: &mut W) {
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        if start < self.at {
            watch.space(start..self.at, &self.bytes[start..self.at]);
        }
    }

    /// Passes the space behind the last value. An error if anything else is there.
    pub fn end<W: Watch>(&mut self, watch: &mut W) -> Result<(), Fault> {
        self.space(watch);
        if self.at < self.bytes.len() { Err(self.fault("something follows the value")) } else { Ok(()) }
    }

    /// Passes the value at the cursor, which is inside of `depth` lists and objects.
    #[inline]
    pub fn value<W: Watch>(&mut self, watch: &mut W, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            b'"' => self.string(watch).map(drop),
            b'{' | b'[' => self.nested(watch, depth),
            _ => self.scalar(),
        }
    }

    /// Walks the object at the cursor, which is inside of `depth` lists and objects. `each` is called with the cursor at
    /// a member's value, and has to pass it; its error ends the walk.
    #[inline]
    pub fn object<W: Watch, E: From<Fault>>(
        &mut self,
        watch: &mut W,
        depth: usize,
        mut each: impl FnMut(&mut Self, &mut W, Text) -> Result<(), E>,
    ) -> Result<(), E> {
        self.enter(b'{', depth)?;
        watch.open();
        self.space(watch);
        if self.peek() != b'}' {
            loop {
                let key = self.key(watch)?;
                each(self, watch, key)?;
                self.space(watch);
                match self.peek() {
                    b',' => self.at += 1,
                    b'}' => break,
                    _ => return Err(self.fault("expected `,` or `}`").into()),
                }
                self.space(watch);
            }
        }
        watch.close();
        self.at += 1;
        Ok(())
    }

    /// Walks the list at the cursor likewise; `each` is called at each item.
    pub fn list<W: Watch>(
        &mut self,
        watch: &mut W,
        depth: usize,
        mut each: impl FnMut(&mut Self, &mut W) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.enter(b'[', depth)?;
        self.space(watch);
        if self.peek() != b']' {
            loop {
                each(self, watch)?;
                self.space(watch);
                match self.peek() {
                    b',' => self.at += 1,
                    b']' => break,
                    _ => return Err(self.fault("expected `,` or `]`")),
                }
                self.space(watch);
            }
        }
        self.at += 1;
        Ok(())
    }

    fn enter(&mut self, opening: u8, depth: usize) -> Result<(), Fault> {
        if self.peek() != opening {
            return Err(self.fault("expected a list or an object"));
        }
        if depth >= DEPTH_MAX {
            return Err(Fault::TooDeep { offset: self.at });
        }
        self.at += 1;
        Ok(())
    }

    /// Passes the list or object at the cursor with all that is in it.
    fn nested<W: Watch>(&mut self, watch: &mut W, outside: usize) -> Result<(), Fault> {
        let mut open = Open::default();
        let mut in_object;
        'value: loop {
            match self.peek() {
                b'{' => {
                    self.enter(b'{', outside + open.depth)?;
                    watch.open();
                    open.push(true);
                    in_object = true;
                    self.space(watch);
                    if self.peek() != b'}' {
                        self.key(watch)?;
                        continue 'value;
                    }
                }
                b'[' => {
                    self.enter(b'[', outside + open.depth)?;
                    open.push(false);
                    in_object = false;
                    self.space(watch);
                    if self.peek() != b']' {
                        continue 'value;
                    }
                }
                b'"' => {
                    self.string(watch)?;
                    in_object = open.in_object();
                }
                _ => {
                    self.scalar()?;
                    in_object = open.in_object();
                }
            }
            // Behind a value, or at the end of what is empty.
            loop {
                self.space(watch);
                match (self.peek(), in_object) {
                    (b',', true) => {
                        self.at += 1;
                        self.space(watch);
                        self.key(watch)?;
                        continue 'value;
                    }
                    (b',', false) => {
                        self.at += 1;
                        self.space(watch);
                        continue 'value;
                    }
                    (b'}', true) => watch.close(),
                    (b']', false) => {}
                    (_, true) => return Err(self.fault("expected `,` or `}`")),
                    (_, false) => return Err(self.fault("expected `,` or `]`")),
                }
                self.at += 1;
                open.pop();
                if open.depth == 0 {
                    return Ok(());
                }
                in_object = open.in_object();
            }
        }
    }

    /// Passes a key and its colon, up to the value.
    #[inline]
    fn key<W: Watch>(&mut self, watch: &mut W) -> Result<Text, Fault> {
        if self.peek() != b'"' {
            return Err(self.fault("expected a key"));
        }
        let key = self.string(watch)?;
        watch.key(key, self.raw(key.start..key.end));
        self.space(watch);
        if self.peek() != b':' {
            return Err(self.fault("expected `:`"));
        }
        self.at += 1;
        self.space(watch);
        Ok(key)
    }

    /// Passes the string whose opening quote is at the cursor.
    #[inline]
    pub fn string<W: Watch>(&mut self, watch: &mut W) -> Result<Text, Fault> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            while let Some(chunk) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
                let stops = stops(u64::from_le_bytes(*chunk));
                if stops != 0 {
                    at += stops.trailing_zeros() as usize / 8;
                    break;
                }
                at += 8;
            }
            match self.peek_at(at) {
                b'"' => {
                    self.at = at + 1;
                    return Ok(Text { start, end: at, escaped });
                }
                b'\\' => {
                    escaped = true;
                    at = self.escape(watch, at)?;
                }
                0 if at >= self.bytes.len() => {
                    return Err(Fault::Malformed { offset: at, what: "a string has no end" });
                }
                ..0x20 => return Err(Fault::Malformed { offset: at, what: "a raw control character in a string" }),
                _ => at += 1,
            }
        }
    }

    /// Passes the escape whose backslash is at `at`: a pair of surrogates as one.
    fn escape<W: Watch>(&self, watch: &mut W, at: usize) -> Result<usize, Fault> {
        const WHAT: &str = "an escape that JSON does not have";
        match self.peek_at(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 2),
            b'u' => {
                let unit = hex4(self.bytes, at + 2).ok_or(Fault::Malformed { offset: at, what: WHAT })?;
                if is_high(unit)
                    && self.bytes.get(at + 6..at + 8) == Some(br"\u")
                    && hex4(self.bytes, at + 8).is_some_and(is_low)
                {
                    return Ok(at + 12);
                }
                if is_high(unit) || is_low(unit) {
                    watch.lone_surrogate(at);
                }
                Ok(at + 6)
            }
            _ => Err(Fault::Malformed { offset: at, what: WHAT }),
        }
    }

    /// Passes a number, `true`, `false` or `null`.
    #[inline]
    fn scalar(&mut self) -> Result<(), Fault> {
        let word: &[u8] = match self.peek() {
            b'-' | b'0'..=b'9' => return self.number(),
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return Err(self.fault("expected a value")),
        };
        if self.raw(self.at..self.at + word.len()) != word {
            return Err(self.fault("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.peek() == b'-' {
            self.at += 1;
        }
        // A zero stands alone: the digit of `01` is refused as what follows the value.
        if self.peek() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Passes one digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if start == self.at { Err(self.fault("expected a digit")) } else { Ok(()) }
    }

    #[cold]
    fn fault(&self, what: &'static str) -> Fault {
        let what = if self.at >= self.bytes.len() { "the end comes too early" } else { what };
        Fault::Malformed { offset: self.at, what }
    }
}

/// The top bit of each byte that ends a run of plain characters: `"`, `\` or a control character. Bytes behind the first
/// such one may be marked wrongly, so only the lowest mark counts.
#[inline(always)]
fn stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    // A byte minus a larger one borrows, which sets its top bit; bytes whose own top bit is set are left out.
    let quotes = quote.wrapping_sub(ONES) & !quote;
    let backslashes = backslash.wrapping_sub(ONES) & !backslash;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & TOPS
}

/// What is open, innermost last: a bit each, set for an object.
#[derive(Default)]
struct Open {
    depth: usize,
    objects: [u64; DEPTH_MAX / 64],
}

impl Open {
    fn push(&mut self, object: bool) {
        let word = &mut self.objects[self.depth / 64 % (DEPTH_MAX / 64)];
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        let index = self.depth.wrapping_sub(1);
        self.objects[index / 64 % (DEPTH_MAX / 64)] >> (index % 64) & 1 == 1
    }
}
