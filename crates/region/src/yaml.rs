//! A YAML text as a tree in which every node knows its place.
//!
//! Built from the parser's events and not by deserializing, because a file with five mistakes shall be told all five, each
//! with its line. Scalars stay texts: `NO` is Norway and never `false`, `2027-06-30` never a number. Whoever takes numbers
//! too asks whether a text stands there [`plain`](Node::plain).
//!
//! - Aliases are refused, so the tree is never larger than the text. Tags and further documents are refused too.
//! - Depth is at most twice [`DEPTH_MAX`].

use crate::fault::{Place, Read, Report, Reported, shown};
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, options};
use std::collections::HashMap;

/// Nested collections, of either notation. No file of ours needs more than 6.
const DEPTH_MAX: usize = 32;

#[derive(Debug)]
pub struct Node {
    pub at: Place,
    /// A scalar without quotes.
    pub plain: bool,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    /// An empty value, `~` or `null`.
    Nothing,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; no key is there twice.
    Map(Vec<(Key, Node)>),
    /// Something that was refused; the fault is on the report.
    Refused(Reported),
}

/// The name of a field and where it stands.
#[derive(Debug)]
pub struct Key {
    pub at: Place,
    pub text: String,
}

impl Value {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "empty",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Refused(_) => "not readable",
        }
    }
}

/// Reads the one document of `text`. An empty one is [`Value::Nothing`].
///
/// # Errors
/// What is no YAML at all; the rest is on the report, and the tree holds what could be read.
pub fn parse(text: &str, report: &mut Report) -> Read<Node> {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut open: Vec<Open> = Vec::new();
    let mut root = Node { at: Place { line: 1, column: 1 }, plain: true, value: Value::Nothing };
    let mut documents = 0;
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            report.add(
                place(error.marker()),
                format!("this is not YAML: {}", shown(&error.kind().to_string())),
                "nothing from here on can be understood",
                "check indentation, brackets and quotes here and on the lines before",
            )
        })?;
        let at = place(&span.start);
        if let Event::Scalar(_, _, _, Some(_))
        | Event::SequenceStart(_, _, Some(_))
        | Event::MappingStart(_, _, Some(_)) = event
        {
            report.add(
                at,
                "a tag (`!name`) is not taken here",
                "what a value is follows from where it stands, and never from a tag",
                "remove the tag",
            );
        }
        let node = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(report.add(
                        at,
                        "a second document begins here",
                        "the file is one document, so that no part of it is overlooked",
                        "remove the line `---`, or move what follows it to a file of its own",
                    ));
                }
                continue;
            }
            Event::SequenceStart(..) => {
                open.push(Open::List { at, items: Vec::new() });
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map { at, pairs: Vec::new(), lines: HashMap::new(), key: NextKey::Awaited });
                continue;
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) if is_nothing(&text) => {
                Node { at, plain: true, value: Value::Nothing }
            }
            Event::Scalar(text, style, ..) => {
                Node { at, plain: style == ScalarStyle::Plain, value: Value::Text(text.into_owned()) }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                Node { at, plain: false, value: Value::Refused(refuse_alias(at, report)) }
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List { at, items }) => Node { at, plain: false, value: Value::List(items) },
                Some(Open::Map { at, pairs, .. }) => Node { at, plain: false, value: Value::Map(pairs) },
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.take(node, report),
            None => root = node,
        }
    }
    Ok(root)
}

/// A collection whose end has not come yet.
enum Open {
    List { at: Place, items: Vec<Node> },
    Map { at: Place, pairs: Vec<(Key, Node)>, lines: HashMap<String, usize>, key: NextKey },
}

/// What a mapping's next node is.
enum NextKey {
    /// A key.
    Awaited,
    /// The value of this key.
    Is(Key),
    /// The value of a key that was refused: it goes with it.
    Refused,
}

impl Open {
    fn take(&mut self, node: Node, report: &mut Report) {
        match self {
            Self::List { items, .. } => items.push(node),
            Self::Map { pairs, lines, key, .. } => {
                *key = match std::mem::replace(key, NextKey::Awaited) {
                    NextKey::Awaited => take_key(node, lines, report),
                    NextKey::Is(key) => {
                        pairs.push((key, node));
                        NextKey::Awaited
                    }
                    NextKey::Refused => NextKey::Awaited,
                };
            }
        }
    }
}

fn take_key(node: Node, lines: &mut HashMap<String, usize>, report: &mut Report) -> NextKey {
    let at = node.at;
    let Value::Text(text) = node.value else {
        if !matches!(node.value, Value::Refused(_)) {
            report.add(at, "a key that is not a text", "every field has a name", "give the field a plain name");
        }
        return NextKey::Refused;
    };
    if let Some(line) = lines.get(&text) {
        report.add(
            at,
            format!("`{}` is here a second time (first in line {line})", shown(&text)),
            "of two values for one name, one would be ignored",
            "remove one of the two",
        );
        return NextKey::Refused;
    }
    lines.insert(text.clone(), at.line);
    NextKey::Is(Key { at, text })
}

fn refuse_alias(at: Place, report: &mut Report) -> Reported {
    report.add(
        at,
        "an alias (`*name`) is not taken here",
        "each thing is said where it holds, so that a change in one place can't open another",
        "write the value out",
    )
}

fn is_nothing(plain: &str) -> bool {
    matches!(plain, "" | "~" | "null" | "Null" | "NULL")
}

fn place(mark: &Marker) -> Place {
    Place { line: mark.line(), column: mark.col() + 1 }
}
