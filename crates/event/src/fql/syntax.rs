//! The tree of an expression, and its canonical text.

use super::glob::Glob;
use super::number::Number;
use super::path::{Node, Paths};
use std::fmt::{self, Display, Formatter};

/// What is true or false. A chain of `and` holds no `and` directly, one of `or` no `or`; both have two terms or more.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// The word `all`, which is a whole expression.
    All,
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Box<Term>),
    Compare {
        left: Operand,
        op: Op,
        right: Operand,
    },
    /// True if the operand is literally `true`.
    Bare(Operand),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Null,
    Bool(bool),
    Number(Number<'static>),
    Text(Box<str>),
    Path(Node),
    List(Vec<Operand>),
    Call(Function, Vec<Operand>),
    /// `match` with a pattern that stands in the expression.
    Match(Box<Operand>, Pattern),
}

/// A pattern and what has been made of it; `None` matches nothing.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub text: Box<str>,
    pub glob: Option<Glob>,
}

impl Pattern {
    pub fn new(text: Box<str>) -> Self {
        Self { glob: Glob::parse(&text), text }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    In,
}

impl Op {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::More => ">",
            Self::MoreOrEqual => ">=",
            Self::In => "in",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Contains,
    Length,
    Lowercase,
    Uppercase,
    Snakecase,
    Kebabcase,
    Titlecase,
    Typeof,
    Match,
    Bool,
    String,
    Number,
}

impl Function {
    pub const ALL: [Self; 12] = [
        Self::Contains,
        Self::Length,
        Self::Lowercase,
        Self::Uppercase,
        Self::Snakecase,
        Self::Kebabcase,
        Self::Titlecase,
        Self::Typeof,
        Self::Match,
        Self::Bool,
        Self::String,
        Self::Number,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::Length => "length",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
            Self::Snakecase => "snakecase",
            Self::Kebabcase => "kebabcase",
            Self::Titlecase => "titlecase",
            Self::Typeof => "typeof",
            Self::Match => "match",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Number => "number",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.as_str() == name)
    }

    /// What it is given, as its call shows it.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Contains => "contains(text, part)",
            Self::Length => "length(value)",
            Self::Lowercase => "lowercase(text)",
            Self::Uppercase => "uppercase(text)",
            Self::Snakecase => "snakecase(text)",
            Self::Kebabcase => "kebabcase(text)",
            Self::Titlecase => "titlecase(text)",
            Self::Typeof => "typeof(value)",
            Self::Match => "match(text, pattern)",
            Self::Bool => "bool(value)",
            Self::String => "string(value)",
            Self::Number => "number(value)",
        }
    }

    pub fn arity(self) -> usize {
        if matches!(self, Self::Contains | Self::Match) { 2 } else { 1 }
    }
}

/// A term or an operand with the tree that its paths stand in.
pub(super) struct Spelled<'a, T>(pub &'a T, pub &'a Paths);

impl Display for Spelled<'_, Term> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(term, paths) = self;
        match term {
            Term::All => out.write_str("all"),
            Term::And(terms) => joined(out, terms, " and ", |out, term| grouped(out, term, paths, Term::is_or)),
            Term::Or(terms) => joined(out, terms, " or ", |out, term| Spelled(term, paths).fmt(out)),
            Term::Not(term) => {
                out.write_str("!")?;
                grouped(out, term, paths, |term| term.is_or() || matches!(term, Term::And(_)))
            }
            Term::Compare { left, op, right } => {
                write!(out, "{} {} {}", Spelled(left, paths), op.as_str(), Spelled(right, paths))
            }
            Term::Bare(operand) => Spelled(operand, paths).fmt(out),
        }
    }
}

impl Display for Spelled<'_, Operand> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self(operand, paths) = self;
        let operand_list = |out: &mut Formatter<'_>, list: &[Operand]| {
            joined(out, list, ", ", |out, item| Spelled(item, paths).fmt(out))
        };
        match operand {
            Operand::Null => out.write_str("null"),
            Operand::Bool(value) => write!(out, "{value}"),
            Operand::Number(number) => {
                let mut text = Vec::new();
                number.write_plain(&mut text);
                out.write_str(&String::from_utf8_lossy(&text))
            }
            Operand::Text(text) => quoted(out, text),
            Operand::Path(node) => paths.write(*node, out),
            Operand::List(list) => {
                out.write_str("[")?;
                operand_list(out, list)?;
                out.write_str("]")
            }
            Operand::Call(function, arguments) => {
                write!(out, "{}(", function.as_str())?;
                operand_list(out, arguments)?;
                out.write_str(")")
            }
            Operand::Match(text, pattern) => {
                write!(out, "match({}, ", Spelled(&**text, paths))?;
                quoted(out, &pattern.text)?;
                out.write_str(")")
            }
        }
    }
}

impl Term {
    fn is_or(&self) -> bool {
        matches!(self, Self::Or(_))
    }
}

fn joined<T>(
    out: &mut Formatter<'_>,
    items: &[T],
    between: &str,
    each: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(at, item)| {
        if at > 0 {
            out.write_str(between)?;
        }
        each(out, item)
    })
}

fn grouped(out: &mut Formatter<'_>, term: &Term, paths: &Paths, when: impl Fn(&Term) -> bool) -> fmt::Result {
    let term_text = Spelled(term, paths);
    if when(term) { write!(out, "({term_text})") } else { term_text.fmt(out) }
}

/// A text in the quotes that it does not hold. It cannot hold both kinds: no expression can spell that.
fn quoted(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') { '"' } else { '\'' };
    write!(out, "{quote}{text}{quote}")
}
