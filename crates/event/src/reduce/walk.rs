//! One pass over an event that notes what is cut out and what is put in its place.

use super::{Allowed, Rules};
use crate::cursor::{Cursor, Fault, Unwatched};
use crate::text::{decode, json_string, text};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

pub(super) fn apply(rules: &Rules, event: &[u8], hash: &dyn Fn(&str) -> String) -> Option<Vec<u8>> {
    // What is no text could be read as another text by the one who gets it.
    std::str::from_utf8(event).ok()?;
    let mut cursor = Cursor::new(event);
    cursor.space(&mut Unwatched);
    let start = cursor.at();
    if cursor.peek() != b'{' {
        return None;
    }
    // The grammar, once: the walk below meets no fault.
    cursor.value(&mut Unwatched, 0).and_then(|()| cursor.end(&mut Unwatched)).ok()?;
    let mut walk = Walk { rules, event, hash, at: start, steps: Vec::new(), frames: Vec::new(), edits: Vec::new() };
    walk.run().ok()?;
    let mut out = Vec::with_capacity(event.len());
    let mut from = 0;
    for (range, put) in walk.edits {
        out.extend_from_slice(event.get(from..range.start)?);
        out.extend_from_slice(&put);
        from = range.end;
    }
    out.extend_from_slice(event.get(from..)?);
    Some(out)
}

struct Walk<'w> {
    rules: &'w Rules,
    event: &'w [u8],
    hash: &'w dyn Fn(&str) -> String,
    at: usize,
    /// The keys on the way to the value at hand, parted at their dots. Lists take no step.
    steps: Vec<String>,
    frames: Vec<Frame>,
    /// In the order of the event, and apart from each other.
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

/// An object or list that is let out, at least in part.
struct Frame {
    object: bool,
    /// How many steps lead to it.
    steps: usize,
    /// Where it is among the allowed fields; `None`: all below is allowed.
    allowed: Option<usize>,
    kept_end: Option<usize>,
    /// Where the members begin that go, up to `end`.
    run: Option<usize>,
    end: usize,
}

enum Fate {
    Drop,
    Keep,
    Replace(Vec<u8>),
    Descend(Option<usize>),
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        self.open(self.rules.allow.as_ref().map(|_| 0));
        while !self.frames.is_empty() {
            self.space();
            match self.peek() {
                b',' => self.at += 1,
                b'}' | b']' => self.close(),
                _ => {
                    let Some(&Frame { object, allowed, steps, .. }) = self.frames.last() else { break };
                    let start = self.at;
                    self.steps.truncate(steps);
                    let node = if object { self.key(allowed)? } else { Place::Item(allowed) };
                    self.value(start, node)?;
                }
            }
        }
        Ok(())
    }

    /// Decides on the value at the cursor, whose member or item begins at `start`.
    fn value(&mut self, start: usize, place: Place) -> Result<(), Fault> {
        let value = self.at;
        let nested = matches!(self.peek(), b'{' | b'[');
        let fate = match self.fate(value, nested, place)? {
            Fate::Descend(allowed) => {
                self.keep(start);
                self.open(allowed);
                return Ok(());
            }
            fate => fate,
        };
        let end = self.end_of(value)?;
        if let Fate::Drop = fate {
            if let Some(frame) = self.frames.last_mut() {
                frame.run.get_or_insert(start);
                frame.end = end;
            }
        } else {
            self.keep(start);
            if let Fate::Replace(put) = fate {
                self.edits.push((value..end, put));
            }
            self.kept(end);
        }
        self.at = end;
        Ok(())
    }

    fn fate(&self, value: usize, nested: bool, place: Place) -> Result<Fate, Fault> {
        let named = !matches!(place, Place::Item(_));
        let from = self.frames.last().map_or(0, |frame| frame.steps);
        if named && self.is_named(&self.rules.deny, from) {
            return Ok(Fate::Drop);
        }
        let allowed = match place {
            Place::Nowhere => return Ok(Fate::Drop),
            Place::Member(node) | Place::Item(node) => node,
        };
        if allowed.is_some_and(|node| !self.lets_out(node, nested)) {
            return Ok(Fate::Drop);
        }
        let raw = || Ok::<&[u8], Fault>(self.event.get(value..self.end_of(value)?).unwrap_or_default());
        if named && self.is_named(&self.rules.hash, from) {
            let raw = raw()?;
            return Ok(if raw == b"null" { Fate::Keep } else { Fate::Replace(self.hashed(raw)) });
        }
        if named && self.rules.draft.truncate_ip && self.is_ip(from) {
            return Ok(match raw()? {
                b"null" => Fate::Keep,
                raw => truncated(raw).map_or(Fate::Drop, Fate::Replace),
            });
        }
        let below = allowed.filter(|node| !self.tree().is_some_and(|tree| tree.0[*node].all));
        Ok(if nested { Fate::Descend(below) } else { Fate::Keep })
    }

    fn tree(&self) -> Option<&Allowed> {
        self.rules.allow.as_ref()
    }

    /// Whether anything of a value at this node goes out.
    fn lets_out(&self, node: usize, nested: bool) -> bool {
        let Some(node) = self.tree().and_then(|tree| tree.0.get(node)) else { return false };
        node.all || if nested { !node.children.is_empty() } else { node.plain }
    }

    /// Passes the key at the cursor and its colon.
    fn key(&mut self, allowed: Option<usize>) -> Result<Place, Fault> {
        let mut cursor = Cursor::new(self.event.get(self.at..).unwrap_or_default());
        let content = cursor.string(&mut Unwatched)?;
        let raw = cursor.raw(content.start..content.end);
        self.at += cursor.at();
        self.space();
        // The colon.
        self.at += 1;
        self.space();
        let key = decode(raw, content.escaped);
        self.steps.extend(key.split('.').map(str::to_owned));
        let Some(node) = allowed else { return Ok(Place::Member(None)) };
        let child = self.tree().and_then(|tree| tree.0.get(node)?.children.get(&*key));
        Ok(child.map_or(Place::Nowhere, |child| Place::Member(Some(*child))))
    }

    /// Whether the way down to any of the steps behind `from` ends in one of `paths`.
    fn is_named(&self, paths: &[Vec<String>], from: usize) -> bool {
        (from + 1..=self.steps.len()).any(|end| paths.iter().any(|path| self.steps[..end].ends_with(path)))
    }

    fn is_ip(&self, from: usize) -> bool {
        (from + 1..=self.steps.len())
            .any(|end| matches!(&self.steps[..end], [.., c, ip] if c == "context" && ip == "ip"))
    }

    /// The hash of a text, or of a number or anything else as it is spelled.
    fn hashed(&self, raw: &[u8]) -> Vec<u8> {
        let text = text(raw).unwrap_or_else(|| String::from_utf8_lossy(raw));
        let mut put = Vec::new();
        json_string(&mut put, &(self.hash)(&text));
        put
    }

    fn open(&mut self, allowed: Option<usize>) {
        let object = self.peek() == b'{';
        self.at += 1;
        let (steps, end) = (self.steps.len(), self.at);
        self.frames.push(Frame { object, steps, allowed, kept_end: None, run: None, end });
    }

    fn close(&mut self) {
        self.at += 1;
        let Some(frame) = self.frames.pop() else { return };
        // Behind the last that stays there is no comma to keep.
        self.edits.extend(frame.run.map(|from| (frame.kept_end.unwrap_or(from)..frame.end, Vec::new())));
        self.kept(self.at);
    }

    /// What begins at `start` stays: the members before it that go, go with their commas.
    fn keep(&mut self, start: usize) {
        let run = self.frames.last_mut().and_then(|frame| frame.run.take());
        self.edits.extend(run.map(|from| (from..start, Vec::new())));
    }

    fn kept(&mut self, end: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.kept_end = Some(end);
        }
    }

    fn end_of(&self, value: usize) -> Result<usize, Fault> {
        let mut cursor = Cursor::new(self.event.get(value..).unwrap_or_default());
        cursor.value(&mut Unwatched, 0)?;
        Ok(value + cursor.at())
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn peek(&self) -> u8 {
        self.event.get(self.at).copied().unwrap_or(0)
    }
}

/// Where a value is among the allowed fields; `None` inside: all is allowed.
#[derive(Clone, Copy)]
enum Place {
    Member(Option<usize>),
    Item(Option<usize>),
    Nowhere,
}

/// An address as a network: /24 of IPv4, /48 of IPv6. `None` if it can't be read as one.
fn truncated(raw: &[u8]) -> Option<Vec<u8>> {
    let address: IpAddr = text(raw)?.parse().ok()?;
    let network: IpAddr = match address.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80).into(),
    };
    let mut put = Vec::new();
    json_string(&mut put, &network.to_string());
    Some(put)
}
