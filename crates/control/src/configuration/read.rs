//! From a document as JSON to the things that it wants, or to all that is wrong with its form.

use super::fault::{ConfigurationFault, FaultKind, Faults};
use super::shape::{self, Absent, Field, Identity, Kind, Takes, is_nothing};
use domicile_region::{nearest, shown};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Things of one document: they are one transaction, and other changes wait for it.
const THINGS_MAX: usize = 100_000;

/// A document whose form is right.
pub(crate) struct Document {
    pub(crate) workspace: Map<String, Value>,
    /// A parent stands before its parts.
    pub(crate) items: Vec<Item>,
    /// The sections that it has, by the place of their parent: only these are its to prune.
    sections: HashSet<(Kind, Option<usize>)>,
}

/// A thing that the document wants.
pub(crate) struct Item {
    pub(crate) kind: Kind,
    /// The place of what it belongs to.
    pub(crate) parent: Option<usize>,
    /// As its section calls it.
    pub(crate) key: String,
    /// `sources.web.destinations.Hook`.
    pub(crate) path: String,
    /// What it is matched by: this, and which of its section's it is that have it.
    pub(crate) name: String,
    pub(crate) ordinal: usize,
    /// Defaults are filled in; what is nothing is left out. Secrets are among them: never in a message.
    pub(crate) fields: Map<String, Value>,
}

impl Document {
    pub(crate) fn read(document: &Map<String, Value>, first_point: &str, faults: &mut Faults) -> Self {
        let mut reading = Reading { first_point, faults, items: Vec::new(), sections: HashSet::new() };
        let known: Vec<&str> =
            std::iter::once("workspace").chain(Kind::TOP.iter().map(|kind| kind.section())).collect();
        reading.refuse_unknown(document, "", "the document", &known);
        let workspace = reading.workspace(document.get("workspace"));
        for kind in Kind::TOP {
            reading.section(kind, None, document, "");
        }
        let (items, sections) = (reading.items, reading.sections);
        let things = items.iter().filter(|item| item.kind.identity() != Identity::Only).count();
        if things > THINGS_MAX {
            faults.add(ConfigurationFault {
                field: String::new(),
                what: format!("the document has {things} things"),
                why: "all of a document is one change, and other changes of the cell wait for it".to_owned(),
                mend: format!("give at most {THINGS_MAX}, and the others in a second document"),
                kind: FaultKind::Wrong,
            });
        }
        Self { workspace, items, sections }
    }

    pub(crate) fn has_section(&self, kind: Kind, parent: Option<usize>) -> bool {
        self.sections.contains(&(kind, parent))
    }
}

struct Reading<'a> {
    first_point: &'a str,
    faults: &'a mut Faults,
    items: Vec<Item>,
    sections: HashSet<(Kind, Option<usize>)>,
}

const MISSPELT: &str = "a misspelt field would be ignored, and with it what it was to say";

impl Reading<'_> {
    fn workspace(&mut self, value: Option<&Value>) -> Map<String, Value> {
        match value {
            Some(Value::Object(given)) => {
                self.known_fields(given, "workspace", "the workspace", shape::WORKSPACE);
                self.fields(shape::WORKSPACE, given, "", "workspace")
            }
            Some(_) => {
                self.wrong("workspace", "an object is needed here", "write `workspace: { region: … }`");
                Map::new()
            }
            None => {
                self.faults.add(ConfigurationFault {
                    field: "workspace".to_owned(),
                    what: "is missing".to_owned(),
                    why: "a document says which region it is for, because a workspace never leaves its region"
                        .to_owned(),
                    mend: "add `workspace: { region: … }`".to_owned(),
                    kind: FaultKind::Wrong,
                });
                Map::new()
            }
        }
    }

    /// The things of a kind in `holder`, which is the document or a thing.
    fn section(&mut self, kind: Kind, parent: Option<usize>, holder: &Map<String, Value>, at: &str) {
        let path = join(at, kind.section());
        if kind.identity() == Identity::Only {
            // Left out is the same as empty: all as by default.
            let empty = Map::new();
            let given = match holder.get(kind.section()) {
                None | Some(Value::Null) => &empty,
                Some(Value::Object(given)) => given,
                Some(_) => return self.wrong(&path, "an object is needed here", "write it like `{ track: { … } }`"),
            };
            return self.item(kind, parent, "", given, path, &mut HashMap::new());
        }
        let things = match holder.get(kind.section()) {
            None => return,
            Some(Value::Null) => &Map::new(),
            Some(Value::Object(things)) => things,
            Some(_) => {
                let mend = format!("write each {} by its name: `{}: {{ … }}`", kind.word(), "name");
                return self.wrong(&path, "an object is needed here", &mend);
            }
        };
        self.sections.insert((kind, parent));
        let mut names = HashMap::new();
        for (key, value) in things {
            let path = join(&path, key);
            match value {
                Value::Object(given) => self.item(kind, parent, key, given, path, &mut names),
                Value::Null => self.item(kind, parent, key, &Map::new(), path, &mut names),
                _ => self.wrong(&path, "an object is needed here", "write its fields below its name"),
            }
        }
    }

    fn item(
        &mut self,
        kind: Kind,
        parent: Option<usize>,
        key: &str,
        given: &Map<String, Value>,
        path: String,
        names: &mut HashMap<String, usize>,
    ) {
        let of =
            if key.is_empty() { format!("the {}", kind.word()) } else { format!("{} `{}`", kind.word(), shown(key)) };
        let known = kind.fields().iter().map(|field| field.name);
        let known: Vec<&str> = known.chain(kind.parts().iter().map(|part| part.section())).collect();
        self.refuse_unknown(given, &path, &of, &known);
        let fields = self.fields(kind.fields(), given, key, &path);
        let name = match kind.identity() {
            // As it is kept.
            Identity::Name => fields.get("name").and_then(Value::as_str).unwrap_or(key).trim().to_owned(),
            Identity::Key | Identity::Only => key.to_owned(),
        };
        let count = names.entry(name.clone()).or_insert(0);
        let ordinal = *count;
        *count += 1;
        let place = self.items.len();
        self.items.push(Item { kind, parent, key: key.to_owned(), path: path.clone(), name, ordinal, fields });
        for part in kind.parts() {
            self.section(*part, Some(place), given, &path);
        }
    }

    fn known_fields(&mut self, given: &Map<String, Value>, path: &str, of: &str, fields: &[Field]) {
        let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
        self.refuse_unknown(given, path, of, &known);
    }

    fn refuse_unknown(&mut self, given: &Map<String, Value>, path: &str, of: &str, known: &[&str]) {
        for name in given.keys().filter(|name| !known.contains(&name.as_str())) {
            let mend = match nearest(name, known.iter().copied()) {
                Some(near) => format!("write `{near}`, or remove it"),
                None => format!("remove it; known here: {}", known.join(", ")),
            };
            self.faults.add(ConfigurationFault {
                field: join(path, name),
                what: format!("is no field of {of}"),
                why: MISSPELT.to_owned(),
                mend,
                kind: FaultKind::Unknown,
            });
        }
    }

    /// The known fields, checked, with their defaults.
    fn fields(&mut self, known: &[Field], given: &Map<String, Value>, key: &str, path: &str) -> Map<String, Value> {
        let mut fields = Map::new();
        for Field { name, takes, absent } in known {
            let value = given.get(*name).filter(|value| !value.is_null());
            // Of these an empty value says something.
            let counts = matches!(absent, Absent::Stays) || matches!(takes, Takes::Any);
            if let Some(value) = value.filter(|value| counts || !is_nothing(value)) {
                if self.check(takes, value, &join(path, name)) {
                    fields.insert((*name).to_owned(), value.clone());
                }
                continue;
            }
            let default = match absent {
                Absent::Needed(example) => {
                    self.faults.add(ConfigurationFault {
                        field: join(path, name),
                        what: "is missing".to_owned(),
                        why: "nothing can be assumed here".to_owned(),
                        mend: format!("add `{name}: {example}`"),
                        kind: FaultKind::Wrong,
                    });
                    continue;
                }
                Absent::Is(flag) => Value::Bool(*flag),
                Absent::Key => Value::String(key.to_owned()),
                Absent::FirstPoint => Value::String(self.first_point.to_owned()),
                Absent::Nothing | Absent::Stays => continue,
            };
            fields.insert((*name).to_owned(), default);
        }
        fields
    }

    /// Whether a value has its form; if not, the fault is noted. Values are in no message: they may be secrets.
    fn check(&mut self, takes: &Takes, value: &Value, path: &str) -> bool {
        let before = self.faults.count();
        match (takes, value) {
            (Takes::Text, Value::String(text)) if !text.contains('\0') => {}
            (Takes::Text, Value::String(_)) => self.wrong(path, "no text holds U+0000", "leave it out"),
            (Takes::Text, Value::Number(_) | Value::Bool(_)) => {
                self.wrong(path, "a text is needed here", "put the value in quotes");
            }
            (Takes::Text, _) => self.wrong(path, "a text is needed here", "write a text"),
            (Takes::Flag, Value::Bool(_)) | (Takes::Number, Value::Number(_)) | (Takes::Any, _) => {}
            (Takes::Flag, _) => {
                self.wrong(path, "only `true` or `false` fits here", "write one of them, without quotes")
            }
            (Takes::Number, _) => self.wrong(path, "a number is needed here", "write a number, without quotes"),
            (Takes::Count, value) if value.as_u64().is_some_and(|n| n > 0) => {}
            (Takes::Count, _) => self.wrong(path, "a whole number from 1 is needed here", "write one, without quotes"),
            (Takes::OneOf(words), Value::String(word)) if words.contains(&word.as_str()) => {}
            (Takes::OneOf(words), value) => {
                let near = value.as_str().and_then(|word| nearest(word, words.iter().copied()));
                let mend = near
                    .map_or_else(|| format!("choose one of: {}", words.join(", ")), |near| format!("write `{near}`"));
                self.wrong(path, "only certain words fit here", &mend);
            }
            (Takes::Map, Value::Object(_)) => {}
            (Takes::Map | Takes::Object(_), value) if !value.is_object() => {
                self.wrong(path, "an object is needed here", "write its fields below its name");
            }
            (Takes::Object(known), Value::Object(given)) => {
                self.known_fields(given, path, &format!("`{path}`"), known);
                self.fields(known, given, "", path);
            }
            (Takes::List(each), Value::Array(items)) => {
                for (n, item) in items.iter().enumerate() {
                    self.check(each, item, &join(path, &n.to_string()));
                }
            }
            (Takes::List(_), _) => self.wrong(path, "a list is needed here", "write it like `[a, b]`"),
            (Takes::Map | Takes::Object(_), _) => {}
        }
        self.faults.count() == before
    }

    fn wrong(&mut self, path: &str, why: &str, mend: &str) {
        self.faults.add(ConfigurationFault {
            field: path.to_owned(),
            what: "is not of the form that it has to be".to_owned(),
            why: why.to_owned(),
            mend: mend.to_owned(),
            kind: FaultKind::Wrong,
        });
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}
