//! A workspace file: YAML text, read into the document that the cell takes, with the place of each of its values.
//!
//! ```text
//! YAML ──► tree with places ──► JSON document ──► the cell: POST /configuration/plan
//!                  └──────────────── line:column ◄── faults by path (`sources.web.ingestionRegion`)
//! ```
//!
//! - What the file may say is the cell's to judge: here is only what is YAML, and what a reference stands for.
//! - A plain `true`, `false` or JSON number is one; everything else is a text. `NO` is Norway, `010` is `010`.
//! - Values that come from references are noted by path: only those may hold a secret, and only secrets and code may be
//!   references.

use super::reference::{self, Dangling, Sources};
use super::secret;
use domicile_region::yaml::{self, Node, Value as Yaml};
use domicile_region::{Fault, Faults, Place, Report};
use serde_json::{Map, Value};
use std::path::Path;

/// Tens of thousands of sources fit in.
pub const FILE_BYTES_MAX: usize = 16 << 20;

const TOP: Place = Place { line: 1, column: 1 };

/// A fault that the cell found: the path of what is wrong, and what is.
#[derive(Clone, Debug)]
pub struct Told {
    /// `sources.web.ingestionRegion`; empty for the document as a whole.
    pub field: String,
    pub what: String,
    pub why: String,
    pub mend: String,
    /// Whether the name is wrong, and not what stands there.
    pub name: bool,
}

/// A file that could be read.
pub struct WorkspaceFile {
    name: String,
    root: Node,
    pub document: Map<String, Value>,
    /// The paths of the values that come from the environment or from files.
    pub referenced: Vec<Vec<String>>,
}

impl WorkspaceFile {
    /// Reads a file's text. `name` is for messages.
    ///
    /// # Errors
    /// Everything that is no YAML, and every reference that stands for nothing.
    pub fn read(name: &str, text: &str, from: &Sources<'_>) -> Result<Self, Faults> {
        let mut report = Report::default();
        let file = Self::read_into(name, text, from, &mut report);
        report.close(name, file)
    }

    fn read_into(name: &str, text: &str, from: &Sources<'_>, report: &mut Report) -> domicile_region::Read<Self> {
        if text.len() > FILE_BYTES_MAX {
            return Err(report.add(
                TOP,
                format!("the file has {} bytes", text.len()),
                "a workspace file has at most 16 MiB, so that a wrong file is not read to its end",
                "check that this is the right file",
            ));
        }
        // An editor's byte order mark is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = yaml::parse(text, report)?;
        let mut reading = Reading { root: &root, from, report, path: Vec::new(), referenced: Vec::new() };
        let document = match &root.value {
            Yaml::Map(_) => match reading.value(&root) {
                Value::Object(document) => document,
                _ => Map::new(),
            },
            Yaml::Refused(reported) => return Err(*reported),
            Yaml::Nothing => {
                return Err(report.add(
                    root.at,
                    "the file is empty",
                    "a file says which workspace it is for, and what is in it",
                    "begin with `workspace:`; `domicile export` writes a file to begin with",
                ));
            }
            other => {
                return Err(report.add(
                    root.at,
                    format!("the file is {}", other.kind()),
                    "a mapping is needed here",
                    "begin with `workspace:`; `domicile export` writes a file to begin with",
                ));
            }
        };
        let referenced = reading.referenced;
        Ok(Self { name: name.to_owned(), root, document, referenced })
    }

    /// The cell's faults with the places of this file, in its order.
    pub fn placed(&self, told: &[Told]) -> Faults {
        let mut faults: Vec<Fault> = told
            .iter()
            .map(|Told { field, what, why, mend, name }| {
                let Place { line, column } = place(&self.root, field, *name);
                let at = if field.is_empty() { String::new() } else { format!("{field}: ") };
                Fault { line, column, what: format!("{at}{what}"), why: why.clone(), mend: mend.clone() }
            })
            .collect();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        Faults { file: self.name.clone(), faults }
    }
}

/// Where `path` stands: a text's own place, else the place of its name. What is not there is where its parent is named.
/// `name`: the place of the name is wanted in any case.
fn place(root: &Node, path: &str, name: bool) -> Place {
    find(root, path, root.at, name)
}

/// `path` below a node whose name stands at `named`.
fn find(node: &Node, path: &str, named: Place, name: bool) -> Place {
    if path.is_empty() {
        return if matches!(node.value, Yaml::Text(_)) && !name { node.at } else { named };
    }
    match &node.value {
        Yaml::Map(pairs) => {
            // A name may hold a dot itself: the longest name that fits is meant.
            let fits = pairs.iter().filter_map(|(key, node)| {
                let rest = path.strip_prefix(key.text.as_str())?;
                let rest = if rest.is_empty() { rest } else { rest.strip_prefix('.')? };
                Some((key, node, rest))
            });
            let longest = fits.max_by_key(|(key, ..)| key.text.len());
            longest.map_or(named, |(key, node, rest)| find(node, rest, key.at, name))
        }
        Yaml::List(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = index.parse().ok().and_then(|index: usize| items.get(index));
            item.map_or(named, |node| find(node, rest, node.at, name))
        }
        _ => named,
    }
}

struct Reading<'a> {
    root: &'a Node,
    from: &'a Sources<'a>,
    report: &'a mut Report,
    path: Vec<String>,
    referenced: Vec<Vec<String>>,
}

impl Reading<'_> {
    fn value(&mut self, node: &Node) -> Value {
        match &node.value {
            // A refused value is on the report: what stands for it is not used.
            Yaml::Nothing | Yaml::Refused(_) => Value::Null,
            Yaml::Text(text) if node.plain && is_literal(text) => serde_json::from_str(text).unwrap_or_default(),
            Yaml::Text(text) => Value::String(self.text(node.at, text)),
            Yaml::List(items) => {
                let values = items.iter().enumerate().map(|(n, item)| self.within(n.to_string(), item));
                Value::Array(values.collect())
            }
            Yaml::Map(pairs) => {
                let values = pairs.iter().map(|(key, node)| {
                    let value = self.within(key.text.clone(), node);
                    (key.text.clone(), value)
                });
                Value::Object(values.collect())
            }
        }
    }

    fn within(&mut self, name: String, node: &Node) -> Value {
        self.path.push(name);
        let value = self.value(node);
        self.path.pop();
        value
    }

    fn text(&mut self, at: Place, text: &str) -> String {
        match reference::resolve(text, secret::shown(self.root, &self.path), self.from) {
            Ok(None) => text.to_owned(),
            Ok(Some(resolved)) => {
                if reference::refers(text) {
                    self.referenced.push(self.path.clone());
                }
                resolved
            }
            Err(Dangling { what, why, mend }) => {
                self.report.add(at, what, why, mend);
                String::new()
            }
        }
    }
}

/// `true`, `false`, and numbers that a JSON number can hold without loss.
fn is_literal(plain: &str) -> bool {
    match serde_json::from_str::<Value>(plain) {
        Ok(Value::Bool(_)) => true,
        Ok(Value::Number(number)) => number.is_i64() || number.is_u64() || plain.contains(['.', 'e', 'E']),
        _ => false,
    }
}

/// The folder that a file's references begin at.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<WorkspaceFile, Faults> {
        let environment = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
        WorkspaceFile::read("w.yml", text, &Sources { environment: &environment, folder: Path::new(".") })
    }

    #[test]
    fn a_plain_literal_is_one_and_all_else_is_a_text() {
        let text = "a: true\nb: 'true'\nc: 12\nd: 1.5\ne: NO\nf: 010\ng: ~\nh: 2027-06-30\ni: .5\nj: 0x1f\n\
                    k: 123456789012345678901234567890\nl: [1, x]\nm: yes\nn: -3\no: '$${env:KEY}'\np: True\n\
                    transformations: { T: { hashPropertiesConfiguration: { key: '${env:KEY}' } } }\n";
        let file = read(text).expect("reads");
        assert_eq!(
            Value::Object(file.document),
            json!({"a": true, "b": "true", "c": 12, "d": 1.5, "e": "NO", "f": "010", "g": null, "h": "2027-06-30",
                "i": ".5", "j": "0x1f", "k": "123456789012345678901234567890", "l": [1, "x"], "m": "yes", "n": -3,
                "o": "${env:KEY}", "p": "True",
                "transformations": {"T": {"hashPropertiesConfiguration": {"key": "s3cret"}}}})
        );
        assert_eq!(file.referenced, [["transformations", "T", "hashPropertiesConfiguration", "key"]]);
    }

    #[test]
    fn a_path_of_the_cell_has_its_place_in_the_file() {
        let text = "workspace:\n  region: eu-west\nsources:\n  web:\n    type: website\n    labels: [a, b]\n  \
                    \"my.site\":\n    destinations:\n      Hook. One:\n        settings:\n          url: x\n";
        let file = read(text).expect("reads");
        for (field, expected) in [
            ("", (1, 1)),
            ("workspace.region", (2, 11)),
            ("workspace.slug", (1, 1)),
            ("sources.web", (4, 3)),
            ("sources.web.name", (4, 3)),
            ("sources.web.type", (5, 11)),
            ("sources.web.labels.1", (6, 17)),
            ("sources.web.labels", (6, 5)),
            ("sources.my.site", (7, 3)),
            ("sources.my.site.destinations.Hook. One.settings.url", (11, 16)),
            ("sources.my.site.destinations.Hook. One.settings.none.deeper", (10, 9)),
            ("nothing.like.it", (1, 1)),
        ] {
            let at = place(&file.root, field, false);
            assert_eq!((at.line, at.column), expected, "{field}");
        }
        let at = place(&file.root, "sources.web.type", true);
        assert_eq!((at.line, at.column), (5, 5));
    }

    #[test]
    fn what_is_no_workspace_file_is_refused_with_its_place() {
        let deep = format!("a: {}{}", "[".repeat(1_000), "]".repeat(1_000));
        let huge = format!("a: {}", "x".repeat(FILE_BYTES_MAX));
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
        for (text, expected) in [
            ("", "w.yml:1:1  the file is empty"),
            ("- a\n", "w.yml:1:1  the file is a list"),
            ("text", "w.yml:1:1  the file is a text"),
            ("a: 1\na: 2\n", "w.yml:2:1  `a` is here a second time (first in line 1)"),
            ("a: *b\n", "w.yml:1:4  an alias (`*name`) is not taken here"),
            (bomb, "w.yml:2:8  an alias (`*name`) is not taken here"),
            ("a: !!binary aGk=\n", "w.yml:1:13  a tag (`!name`) is not taken here"),
            ("a: 1\n---\nb: 2\n", "w.yml:2:1  a second document begins here"),
            ("a:\n\tb: 1\n", "w.yml:2:2  this is not YAML"),
            ("a: [1, 2\n", "w.yml:1:4  this is not YAML"),
            ("? [a]\n: b\n", "w.yml:1:3  a key that is not a text"),
            ("functions:\n  F: { code: '${file:none.js}' }\n", "w.yml:2:14  `./none.js` can't be read"),
            ("functions:\n  F: { code: '${file:../x}' }\n", "w.yml:2:14  `../x` is outside of this file's folder"),
            ("a:\n  b: 'x ${env:KEY}'\n", "w.yml:2:6  `${env:` stands in a field that plans and exports show"),
            ("a: '${file:/etc/passwd}'\n", "w.yml:1:4  `${file:` stands in a field that plans and exports show"),
            (&deep, "w.yml:1:"),
            (&huge, "w.yml:1:1  the file has 16777219 bytes"),
        ] {
            let Err(faults) = read(text) else { panic!("{expected} was taken") };
            let said = faults.to_string();
            assert!(said.starts_with(expected), "{expected}\n{said}");
            assert!(said.contains("\n  mend: ") && said.len() < 20_000, "{said}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_file() {
        assert_eq!(Value::Object(read("\u{feff}a: 1\n").expect("reads").document), json!({"a": 1}));
    }
}
