//! An event as an expression sees it: only the fields that it names, found in one pass that stops as early as it can.
//!
//! The pass stands still until a field is asked for that it has not come by yet, goes on to that field, and stops again.
//! So `type = 'track' and …` on another call costs the few bytes up to `type`.
//!
//! - The event is JSON already: what is passed over is not checked again. Bytes that are no JSON never panic; where the
//!   pass cannot go on, the fields not found are missing and [`View::broken`] says so.
//! - Of a key that is there twice the first counts, as for [`crate::field`]. A finished event has none.
//! - A path leads through objects only: an element of a list has no path.

use super::path::{Node, Paths, ROOT};
use crate::text::decode;

/// Fields whose places need no memory of their own.
const INLINE: usize = 16;
const UNKNOWN: u32 = 0;
const MISSING: u32 = u32::MAX;

pub(super) struct View<'e, 'p> {
    event: &'e [u8],
    paths: &'p Paths,
    /// Where each field's value starts. None starts at 0: there the event does.
    inline: [u32; INLINE],
    more: Vec<u32>,
    /// The object in which the pass stands still.
    inside: Node,
    /// Of its fields, how many are still looked for.
    left: usize,
    at: usize,
    next: Next,
}

/// What the pass finds where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A member, a comma or the end of the object.
    Member,
    /// A value that has to be passed first.
    Value,
    /// The event's end: what was not found is not there.
    End,
    /// Bytes that are no JSON.
    Broken,
}

impl<'e, 'p> View<'e, 'p> {
    pub fn new(event: &'e [u8], paths: &'p Paths) -> Self {
        let more = paths.len().saturating_sub(INLINE);
        let more = if more == 0 { Vec::new() } else { vec![UNKNOWN; more] };
        let left = paths.children(ROOT).len();
        let mut view =
            Self { event, paths, inline: [UNKNOWN; INLINE], more, inside: ROOT, left, at: 0, next: Next::Member };
        view.space();
        match view.peek() {
            Some(b'{') if event.len() < MISSING as usize => view.at += 1,
            _ => view.next = Next::Broken,
        }
        view
    }

    /// Whether the pass came to bytes that are no JSON. Behind where it stopped anything may be.
    pub fn broken(&self) -> bool {
        self.next == Next::Broken
    }

    /// The bytes from the field's value on; `None` if the event does not have it.
    #[inline]
    pub fn find(&mut self, field: Node) -> Option<&'e [u8]> {
        loop {
            match self.start(field) {
                UNKNOWN => {}
                MISSING => return None,
                start => return self.event.get(start as usize..),
            }
            if matches!(self.next, Next::End | Next::Broken) || self.is_cut_off(field) {
                return None;
            }
            self.next = self.step().unwrap_or(Next::Broken);
        }
    }

    /// Whether a step of the way to the field is missing.
    fn is_cut_off(&self, field: Node) -> bool {
        let mut at = self.paths.parent(field);
        while at != ROOT {
            if self.start(at) == MISSING {
                return true;
            }
            at = self.paths.parent(at);
        }
        false
    }

    #[inline]
    fn start(&self, field: Node) -> u32 {
        let index = field.0 as usize;
        match self.inline.get(index) {
            Some(start) => *start,
            None => self.more.get(index - INLINE).copied().unwrap_or(MISSING),
        }
    }

    fn set(&mut self, field: Node, start: u32) {
        let index = field.0 as usize;
        match self.inline.get_mut(index) {
            Some(place) => *place = start,
            None => {
                if let Some(place) = self.more.get_mut(index - INLINE) {
                    *place = start;
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.event.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes on by one value or one member; `None` if that is not there.
    #[inline]
    fn step(&mut self) -> Option<Next> {
        if self.next == Next::Value {
            self.at = value_end(self.event, self.at)?;
        }
        if self.left == 0 {
            // Nothing more is looked for in this object.
            self.at = nested_end(self.event, self.at, 1)? - 1;
        }
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
        }
        match self.peek()? {
            b'"' => self.member(),
            b'}' => Some(self.leave()),
            _ => None,
        }
    }

    /// Passes a key. A field's place is kept; if fields of its own are looked for, the pass goes into it.
    #[inline]
    fn member(&mut self) -> Option<Next> {
        let start = self.at + 1;
        let (end, escaped) = string_end(self.event, start)?;
        self.at = end;
        self.space();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.space();
        let key = self.event.get(start..end - 1)?;
        let field = match escaped {
            false => self.paths.child(self.inside, key),
            true => self.paths.child(self.inside, decode(key, true).as_bytes()),
        };
        let Some(field) = field.filter(|field| self.start(*field) == UNKNOWN) else { return Some(Next::Value) };
        self.set(field, self.at as u32);
        self.left -= 1;
        if self.paths.children(field).is_empty() {
            return Some(Next::Value);
        }
        if self.peek()? != b'{' {
            self.miss(field);
            return Some(Next::Value);
        }
        self.at += 1;
        self.inside = field;
        self.left = self.paths.children(field).len();
        Some(Next::Member)
    }

    /// Passes the end of the object.
    fn leave(&mut self) -> Next {
        self.at += 1;
        self.miss(self.inside);
        if self.inside == ROOT {
            return Next::End;
        }
        self.inside = self.paths.parent(self.inside);
        let siblings = self.paths.children(self.inside);
        self.left = siblings.iter().filter(|field| self.start(**field) == UNKNOWN).count();
        Next::Member
    }

    /// What was not found in `object` is not there.
    fn miss(&mut self, object: Node) {
        let paths = self.paths;
        for field in paths.children(object) {
            if self.start(*field) == UNKNOWN {
                self.set(*field, MISSING);
            }
        }
    }
}

/// Where the value ends that starts at `at`.
#[inline]
pub(super) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' => string_end(bytes, at + 1).map(|(end, _)| end),
        b'{' | b'[' => nested_end(bytes, at + 1, 1),
        _ => {
            let length = bytes[at..].iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b':' | ..=b' '));
            let end = at + length.unwrap_or(bytes.len() - at);
            (end > at).then_some(end)
        }
    }
}

/// Where the string ends whose content starts at `at`, behind its closing quote; whether there is an escape in it.
#[inline]
pub(super) fn string_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let stops = stops(u64::from_le_bytes(*chunk));
            if stops != 0 {
                at += stops.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match *bytes.get(at)? {
            b'"' => return Some((at + 1, escaped)),
            b'\\' => {
                escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// Where the list or object ends that is `depth` levels up.
fn nested_end(bytes: &[u8], mut at: usize, mut depth: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at + 1)?.0;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The top bit of each byte that is a quote or a backslash. Bytes behind the first may be marked wrongly.
#[inline(always)]
fn stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & TOPS
}
