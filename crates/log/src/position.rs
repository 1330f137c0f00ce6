//! Positions and spans of them.

use std::fmt;

/// Counts the events of a cell's accepted log, from 0. The event log uses the same numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    pub fn plus(self, events: u64) -> Self {
        Self(self.0 + events)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// Consecutive positions, half-open: `first..end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    pub first: Position,
    pub end: Position,
}

impl Span {
    pub fn new(first: Position, events: u64) -> Self {
        Self { first, end: first.plus(events) }
    }

    pub fn events(self) -> u64 {
        self.end.0 - self.first.0
    }

    pub fn contains(self, position: Position) -> bool {
        self.first <= position && position < self.end
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}
