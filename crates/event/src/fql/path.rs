//! The fields that an expression names, as one tree: what is looked for in an event, all at once.

use std::fmt;

/// A field in the tree. The root is the event itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(pub u32);

pub(super) const ROOT: Node = Node(0);

/// Fields by their steps. Equal expressions have equal trees: nodes are numbered as they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paths {
    nodes: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Box<str>,
    parent: Node,
    /// Sorted by name.
    children: Vec<Node>,
}

/// Up to this many names are compared one by one.
const FEW: usize = 8;

impl Paths {
    pub fn new() -> Self {
        Self { nodes: vec![Entry { name: "".into(), parent: ROOT, children: Vec::new() }] }
    }

    /// The node of the path with these steps, made if it is new.
    pub fn insert(&mut self, steps: &[String]) -> Node {
        let mut at = ROOT;
        for name in steps {
            let children = self.children(at);
            at = match children.binary_search_by(|child| (*self.entry(*child).name).cmp(name)) {
                Ok(place) => children[place],
                Err(place) => {
                    let node = Node(self.nodes.len() as u32);
                    self.nodes.push(Entry { name: name.as_str().into(), parent: at, children: Vec::new() });
                    self.nodes[at.0 as usize].children.insert(place, node);
                    node
                }
            };
        }
        at
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    fn entry(&self, node: Node) -> &Entry {
        &self.nodes[node.0 as usize]
    }

    pub fn parent(&self, node: Node) -> Node {
        self.entry(node).parent
    }

    pub fn children(&self, node: Node) -> &[Node] {
        &self.entry(node).children
    }

    /// The child of `node` with this name, given as it stands in the event.
    #[inline]
    pub fn child(&self, node: Node, name: &[u8]) -> Option<Node> {
        let children = self.children(node);
        if children.len() <= FEW {
            return children.iter().copied().find(|child| self.entry(*child).name.as_bytes() == name);
        }
        let place = children.binary_search_by(|child| self.entry(*child).name.as_bytes().cmp(name)).ok()?;
        children.get(place).copied()
    }

    /// The path's text, with what the grammar needs escaped.
    pub fn write(&self, node: Node, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = Vec::new();
        let mut at = node;
        while at != ROOT {
            steps.push(&*self.entry(at).name);
            at = self.parent(at);
        }
        steps.reverse();
        out.write_str(&spelled(&steps))
    }
}

/// Characters that stand in a path as they are.
pub(super) fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Words that are no path unless they are escaped.
pub(super) const WORDS: [&str; 7] = ["all", "and", "false", "in", "null", "or", "true"];

fn spelled(steps: &[&str]) -> String {
    let mut text = String::new();
    for (at, step) in steps.iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        for character in step.chars() {
            if !is_plain(character) {
                text.push('\\');
            }
            text.push(character);
        }
    }
    if WORDS.contains(&&*text) || looks_like_number(&text) {
        text.insert(0, '\\');
    }
    text
}

/// Whether an unescaped word is a number, or meant as one: `12`, `-1.5`, `1e3`.
pub(super) fn looks_like_number(word: &str) -> bool {
    super::number::Number::parse(word.as_bytes()).is_some()
}
