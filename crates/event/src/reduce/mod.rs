//! What a transfer lets out of an event: less of it, identifiers as hashes, addresses cut short.
//!
//! | part | lets out |
//! | --- | --- |
//! | `allow` | only these fields and all below them, and what makes it an event: `type`, `messageId`, `timestamp` |
//! | `deny` | all but these fields, wherever in the event they stand |
//! | `hash` | these fields as a keyed hash of their value, wherever they stand, whether `allow` names them or not |
//! | `truncate_ip` | `context.ip` without its last octet (IPv4) or its last 80 bits (IPv6), whether `allow` names it or not |
//!
//! - `allow` is counted from the top of the event. The others hold at any depth: `traits.email` is also the one of
//!   `context.traits`. Both go through lists, and each time a key is there counts, however it is escaped.
//! - For `deny` and `hash` a dot inside of a key parts it as one in a path does: `{"traits.email": …}` is `traits.email`.
//! - `deny` wins over all, `allow` over `hash`: what is not let out is not let out as a hash.
//! - Nothing is ever added, and what is let out stays byte for byte. A body that is no JSON object gives nothing.

mod check;
mod compare;
mod walk;

pub use check::{FaultAt, PATHS_MAX, ReduceFault};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A transfer's fields as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Dotted paths; a backslash makes the next character plain.
    pub allow: Option<Vec<String>>,
    pub deny: Option<Vec<String>>,
    pub hash: Option<Vec<String>>,
    pub truncate_ip: bool,
}

/// A transfer's fields that have been checked. Cheap to clone; equal when they were written alike.
#[derive(Clone)]
pub struct Reduction(Arc<Rules>);

struct Rules {
    draft: Draft,
    /// The fields that are let out, as a tree from the top of the event; `None`: all.
    allow: Option<Allowed>,
    /// Steps, parted at dots.
    deny: Vec<Vec<String>>,
    hash: Vec<Vec<String>>,
}

/// The nodes of the allowed fields; the first is the event.
#[derive(Default)]
struct Allowed(Vec<Node>);

#[derive(Default)]
struct Node {
    children: BTreeMap<String, usize>,
    /// Whether all below is let out.
    all: bool,
    /// Let out by every transfer, and for that only as a plain value.
    plain: bool,
}

/// What an event is not one without.
const ALWAYS: [&str; 3] = ["type", "messageId", "timestamp"];

impl Reduction {
    /// As it was written.
    pub fn draft(&self) -> &Draft {
        &self.0.draft
    }

    /// The event as the transfer lets it out; `None` if it is no JSON object.
    ///
    /// `hash` gives what stands for an identifier's text.
    pub fn apply(&self, event: &[u8], hash: &dyn Fn(&str) -> String) -> Option<Vec<u8>> {
        walk::apply(&self.0, event, hash)
    }

    /// A top-level text field that goes out beside the event, such as `messageId` in a header: as it is, or its hash.
    pub fn text(&self, name: &str, text: &str, hash: &dyn Fn(&str) -> String) -> String {
        if self.0.hash.iter().any(|steps| matches!(steps.as_slice(), [step] if step == name)) {
            hash(text)
        } else {
            text.to_owned()
        }
    }
}

impl Allowed {
    fn of<'a>(paths: impl Iterator<Item = &'a [String]>) -> Self {
        let mut tree = Self(vec![Node::default()]);
        for steps in paths {
            let node = tree.insert(steps);
            tree.0[node].all = true;
        }
        for name in ALWAYS {
            let node = tree.insert(&[name.to_owned()]);
            tree.0[node].plain = true;
        }
        tree
    }

    fn insert(&mut self, steps: &[String]) -> usize {
        steps.iter().fold(0, |at, step| {
            let fresh = self.0.len();
            let node = *self.0[at].children.entry(step.clone()).or_insert(fresh);
            if node == fresh {
                self.0.push(Node::default());
            }
            node
        })
    }
}

impl PartialEq for Reduction {
    fn eq(&self, other: &Self) -> bool {
        self.0.draft == other.0.draft
    }
}

impl Eq for Reduction {}

impl fmt::Debug for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.draft.fmt(f)
    }
}

/// `allow event, properties.plan; deny traits.email; hash userId; truncate_ip`: one text for one way of writing it.
impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Draft { allow, deny, hash, truncate_ip } = self.draft();
        let mut between = "";
        for (name, paths) in [("allow", allow), ("deny", deny), ("hash", hash)] {
            let Some(paths) = paths else { continue };
            write!(f, "{between}{name} {}", paths.join(", "))?;
            between = "; ";
        }
        if *truncate_ip { write!(f, "{between}truncate_ip") } else { Ok(()) }
    }
}
