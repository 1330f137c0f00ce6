//! Tokens to a tree, by descent: as deep as the expression, which is limited.

use super::lex::{Kind, Token, short, tokens};
use super::number::Number;
use super::path::Paths;
use super::syntax::{Function, Op, Operand, Pattern, Term};
use super::{DEPTH_MAX, FqlError, LENGTH_MAX, LIST_MAX};

/// The tree and the paths in it.
pub(super) fn parse(text: &str) -> Result<(Term, Paths), FqlError> {
    if text.len() > LENGTH_MAX {
        let what = format!("the expression has {} bytes, {LENGTH_MAX} at most are allowed", text.len());
        return Err(FqlError::new(1, what, "split it over several filters"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, paths: Paths::new(), depth: 0 };
    if let [Token { kind, .. }, Token { kind: Kind::End, .. }] = &*parser.tokens
        && kind.word() == Some("all")
    {
        return Ok((Term::All, parser.paths));
    }
    if let [end] = &*parser.tokens {
        return Err(FqlError::new(end.column, "the expression is empty", "write `all` to take every event"));
    }
    let term = parser.either()?;
    if parser.peek() != &Kind::End {
        return Err(parser.behind_a_term());
    }
    Ok((term, parser.paths))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    paths: Paths,
    /// Open parentheses, calls, lists and `!`.
    depth: usize,
}

impl Parser {
    /// The last token is never passed.
    fn peek(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    fn column(&self) -> usize {
        self.tokens[self.at].column
    }

    fn pass(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn takes(&mut self, kind: &Kind) -> bool {
        let taken = self.peek() == kind;
        if taken {
            self.pass();
        }
        taken
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let taken = self.peek().word() == Some(word);
        if taken {
            self.pass();
        }
        taken
    }

    fn error(&self, what: impl Into<String>, mend: impl Into<String>) -> FqlError {
        FqlError::new(self.column(), what, mend)
    }

    /// Passes an opening token, and with `inside` what it opens.
    fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, FqlError>) -> Result<T, FqlError> {
        if self.depth == DEPTH_MAX {
            let what = format!("nested deeper than {DEPTH_MAX} levels");
            return Err(self.error(what, "write it flatter: a chain of `and` or `or` needs no parentheses"));
        }
        self.depth += 1;
        self.pass();
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn either(&mut self) -> Result<Term, FqlError> {
        let mut terms = Vec::new();
        loop {
            match self.both()? {
                Term::Or(inner) => terms.extend(inner),
                term => terms.push(term),
            }
            if !self.takes_word("or") {
                return Ok(chain(terms, Term::Or));
            }
        }
    }

    fn both(&mut self) -> Result<Term, FqlError> {
        let mut terms = Vec::new();
        loop {
            match self.term()? {
                Term::And(inner) => terms.extend(inner),
                term => terms.push(term),
            }
            if !self.takes_word("and") {
                return Ok(chain(terms, Term::And));
            }
        }
    }

    fn term(&mut self) -> Result<Term, FqlError> {
        match self.peek() {
            Kind::Not => self.deeper(|parser| Ok(Term::Not(Box::new(parser.term()?)))),
            Kind::Open => {
                let column = self.column();
                self.deeper(|parser| {
                    let term = parser.either()?;
                    if parser.peek() == &Kind::End {
                        return Err(FqlError::new(column, "`(` is never closed", "put `)` where the group ends"));
                    }
                    if !parser.takes(&Kind::Close) {
                        return Err(parser.behind_a_term());
                    }
                    Ok(term)
                })
            }
            _ => {
                let left = self.operand()?;
                let Some(op) = self.op() else { return Ok(Term::Bare(left)) };
                let right = self.operand()?;
                Ok(Term::Compare { left, op, right })
            }
        }
    }

    fn op(&mut self) -> Option<Op> {
        let op = match self.peek() {
            Kind::Op(op) => *op,
            kind if kind.word() == Some("in") => Op::In,
            _ => return None,
        };
        self.pass();
        Some(op)
    }

    fn operand(&mut self) -> Result<Operand, FqlError> {
        if self.peek() == &Kind::OpenList {
            let column = self.column();
            return self.deeper(|parser| parser.list(column)).map(Operand::List);
        }
        let token = &self.tokens[self.at];
        let operand = match &token.kind {
            Kind::Text(text) => Operand::Text(text.as_str().into()),
            Kind::Number(spelling) => Number::parse(spelling.as_bytes())
                .map(|number| Operand::Number(number.into_owned()))
                .ok_or_else(|| self.error("this is no number", "write digits, with one dot at most"))?,
            Kind::Word { steps, .. } => match token.kind.word() {
                Some("null") => Operand::Null,
                Some("true") => Operand::Bool(true),
                Some("false") => Operand::Bool(false),
                Some(word @ ("and" | "or" | "in")) => return Err(self.misplaced(word)),
                Some(word) if self.tokens[self.at + 1].kind == Kind::Open => {
                    let function = Function::named(word).ok_or_else(|| self.unknown_function(word))?;
                    return self.call(function);
                }
                _ => Operand::Path(self.paths.insert(steps)),
            },
            kind => {
                let what = format!("a value is missing: {} stands in its place", kind.name());
                return Err(self.error(
                    what,
                    "write a path, a text in quotes, a number, `true`, `false`, `null`, a list or a function",
                ));
            }
        };
        self.pass();
        Ok(operand)
    }

    /// A list's items, behind its bracket, with the closing one.
    fn list(&mut self, column: usize) -> Result<Vec<Operand>, FqlError> {
        if self.peek() == &Kind::CloseList {
            return Err(FqlError::new(column, "the list is empty", "put one value into it at least"));
        }
        let mut items = Vec::new();
        loop {
            if items.len() == LIST_MAX {
                return Err(
                    self.error(format!("a list has {LIST_MAX} items at most"), "split it: `… in [ … ] or … in [ … ]`")
                );
            }
            items.push(self.operand()?);
            if self.takes(&Kind::CloseList) {
                return Ok(items);
            }
            if self.peek() == &Kind::End {
                return Err(FqlError::new(column, "`[` is never closed", "put `]` behind the last item"));
            }
            if !self.takes(&Kind::Comma) {
                let what = format!("expected `,` or `]`, found {}", self.peek().name());
                return Err(self.error(what, "put a comma between two items"));
            }
        }
    }

    /// A call, at the function's name.
    fn call(&mut self, function: Function) -> Result<Operand, FqlError> {
        let column = self.column();
        self.pass();
        let mut arguments = self.deeper(|parser| parser.arguments(column))?;
        if arguments.len() != function.arity() {
            let what = format!(
                "`{}` takes {} argument{}, not {}",
                function.as_str(),
                function.arity(),
                if function.arity() == 1 { "" } else { "s" },
                arguments.len()
            );
            return Err(FqlError::new(column, what, format!("write `{}`", function.usage())));
        }
        if function == Function::Match
            && let Some(Operand::Text(_)) = arguments.last()
            && let (Some(Operand::Text(pattern)), Some(text)) = (arguments.pop(), arguments.pop())
        {
            return Ok(Operand::Match(Box::new(text), Pattern::new(pattern)));
        }
        Ok(Operand::Call(function, arguments))
    }

    /// A call's arguments, behind its parenthesis, with the closing one. `column`: the function's.
    fn arguments(&mut self, column: usize) -> Result<Vec<Operand>, FqlError> {
        let mut arguments = Vec::new();
        if self.takes(&Kind::Close) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.operand()?);
            if self.takes(&Kind::Close) {
                return Ok(arguments);
            }
            if self.peek() == &Kind::End {
                return Err(FqlError::new(column, "the call is never closed", "put `)` behind its last argument"));
            }
            if !self.takes(&Kind::Comma) {
                let what = format!("expected `,` or `)`, found {}", self.peek().name());
                return Err(
                    self.error(what, "an argument is one value: compare what the function gives, outside of it")
                );
            }
        }
    }

    /// What is wrong with a token that follows a whole term.
    #[cold]
    fn behind_a_term(&self) -> FqlError {
        let before = self.at.checked_sub(1).map(|at| &self.tokens[at].kind);
        let found = self.peek().name();
        let what = format!("expected `and` or `or`, found {found}");
        let mend = match (before, self.peek()) {
            (_, Kind::Close) => "take it out, or open a group with `(` before it".to_owned(),
            (Some(Kind::Close), Kind::Op(_)) => "a group is true or false already: compare inside of it".to_owned(),
            (_, Kind::Op(_)) => "a comparison has two sides: join two comparisons with `and`".to_owned(),
            (Some(before), _) if before.word().is_some_and(|word| word.eq_ignore_ascii_case("not")) => {
                "write `!` for `not`".to_owned()
            }
            (_, kind) => match kind.word() {
                Some(word @ ("AND" | "OR" | "And" | "Or")) => format!("write `{}`", word.to_ascii_lowercase()),
                Some(word) if word.eq_ignore_ascii_case("not") => "write `!( … in … )`".to_owned(),
                _ => "join terms with `and` or `or`; put a text in quotes, and a backslash before a space in a path"
                    .to_owned(),
            },
        };
        self.error(what, mend)
    }

    #[cold]
    fn misplaced(&self, word: &str) -> FqlError {
        self.error(
            format!("a value is missing: `{word}` stands in its place"),
            format!("put a value before and behind `{word}`; if a field of this name is meant, write `\\{word}`"),
        )
    }

    #[cold]
    fn unknown_function(&self, word: &str) -> FqlError {
        let near = Function::ALL.into_iter().find(|function| function.as_str().eq_ignore_ascii_case(word));
        let mend = near.map_or_else(
            || format!("there are {}", Function::ALL.map(Function::as_str).join(", ")),
            |function| format!("write `{}`", function.as_str()),
        );
        self.error(format!("there is no function `{}`", short(word)), mend)
    }
}

fn chain(mut terms: Vec<Term>, make: impl Fn(Vec<Term>) -> Term) -> Term {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            make(terms)
        }
    }
}
