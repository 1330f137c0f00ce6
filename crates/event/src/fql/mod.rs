//! FQL, Segment's filter query language: a condition on one event.
//!
//! ```text
//! expr    = term { ("and" | "or") term }                        "and" binds tighter
//! term    = "!" term | "(" expr ")" | operand [ op operand ]
//! op      = "=" | "!=" | ">" | ">=" | "<" | "<=" | "in"
//! operand = path | string | number | "true" | "false" | "null" | list | function "(" operand { "," operand } ")"
//! list    = "[" operand { "," operand } "]"
//! path    = step { "." step }     a–z A–Z 0–9 _ - stand as they are, any other character with a backslash before it
//! string  = '…' | "…"             without escapes
//! ```
//!
//! - Evaluated over the event's bytes. Nothing is built from them: fields are found in one pass that stops early.
//! - No expression and no event makes it panic or recurse deeper than [`DEPTH_MAX`]. The time is the event's length, at
//!   worst times the number of places where the expression names a field.
//! - A missing field is null, and null makes no error: a condition on it is false, its negation true.
//! - The word `all` alone takes every event; a field of that name, or of a keyword's, is written `\all`.

mod error;
mod eval;
mod glob;
mod lex;
mod number;
mod parse;
mod path;
mod syntax;
#[cfg(test)]
mod tests;
mod value;
mod view;

pub use error::FqlError;
pub(crate) use value::canonical;

use path::Paths;
use std::fmt;
use syntax::{Spelled, Term};
use view::View;

/// Bytes of an expression's text.
pub const LENGTH_MAX: usize = 16 * 1024;
/// Open parentheses, calls, lists and `!` within one another; steps of a path.
pub const DEPTH_MAX: usize = 64;
/// Items of one list.
pub const LIST_MAX: usize = 1_000;

/// A condition that has been read. Its `Display` is canonical: one text for one tree, which reads back as that tree.
#[derive(Clone, PartialEq)]
pub struct Expression {
    term: Term,
    paths: Paths,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first thing that is wrong, with its column.
    pub fn parse(text: &str) -> Result<Self, FqlError> {
        let (term, paths) = parse::parse(text)?;
        Ok(Self { term, paths })
    }

    /// Takes every event.
    pub fn all() -> Self {
        Self { term: Term::All, paths: Paths::new() }
    }

    /// Whether the condition holds for the event, a JSON object as [`crate::Facts::write`] made it. For bytes that are no
    /// such object it holds if it holds for the fields in front of the fault; see [`Self::decide`].
    pub fn eval(&self, event: &[u8]) -> bool {
        eval::truth(&self.term, &mut View::new(event, &self.paths))
    }

    /// The same; `None` if the bytes are no JSON object as far as they had to be read, so that the caller can fail closed.
    pub fn decide(&self, event: &[u8]) -> Option<bool> {
        let mut view = View::new(event, &self.paths);
        let holds = eval::truth(&self.term, &mut view);
        if view.broken() { None } else { Some(holds) }
    }
}

impl std::str::FromStr for Expression {
    type Err = FqlError;

    fn from_str(text: &str) -> Result<Self, FqlError> {
        Self::parse(text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Spelled(&self.term, &self.paths).fmt(out)
    }
}

/// Without its text, which may hold what a customer compares with: an address, an id.
impl fmt::Debug for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Expression").field("paths", &(self.paths.len() - 1)).finish_non_exhaustive()
    }
}
