//! Which things of a document are which of the workspace, and whether they are the same already.

use super::present::{Here, Present};
use super::read::{Document, Item};
use super::shape::{Absent, Identity, Kind, is_nothing};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Which things of the document are which of the workspace.
pub(crate) struct Matched {
    /// By the place in the document: the place among what is there.
    pub(crate) here: HashMap<usize, usize>,
    /// The places among what is there that the document has.
    pub(crate) listed: HashSet<usize>,
    /// By id: the place in the document.
    pub(crate) by_id: HashMap<String, usize>,
}

impl Matched {
    pub(crate) fn of(document: &Document, present: &Present) -> Self {
        let mut by_name: HashMap<(Kind, Option<&str>, &str, usize), usize> = HashMap::new();
        for (place, here) in present.things.iter().enumerate() {
            by_name.insert((here.kind, here.parent.as_deref(), &here.name, here.ordinal), place);
        }
        let mut matched = Self { here: HashMap::new(), listed: HashSet::new(), by_id: HashMap::new() };
        for (place, item) in document.items.iter().enumerate() {
            let parent = match item.parent {
                None => None,
                // What a new thing holds is new too.
                Some(parent) => match matched.here.get(&parent) {
                    Some(here) => Some(present.things[*here].id.as_str()),
                    None => continue,
                },
            };
            if let Some(here) = by_name.get(&(item.kind, parent, item.name.as_str(), item.ordinal)) {
                matched.here.insert(place, *here);
                matched.listed.insert(*here);
                matched.by_id.insert(present.things[*here].id.clone(), place);
            }
        }
        matched
    }
}

/// Whether nothing has to be written. It may say no where the store would find nothing to change.
pub(crate) fn is_as_wanted(item: &Item, here: &Here, prune: bool) -> bool {
    let same = item.kind.fields().iter().all(|field| {
        let is = match here.fields.get(field.name) {
            Some(is) => with_secrets(is, item.fields.get(field.name), field.name, &here.secrets),
            None => Value::Null,
        };
        match (item.fields.get(field.name), field.absent) {
            (None, Absent::Stays) => true,
            // A source has a key in any case.
            (Some(wanted), Absent::Stays) if field.name == "writeKeys" => {
                is_same_set(wanted, &is, !prune || is_nothing(wanted))
            }
            (Some(wanted), Absent::Stays) => is_same_set(wanted, &is, false),
            (None, _) => is_nothing(&is),
            (Some(wanted), _) => *wanted == is,
        }
    });
    let name = match item.kind.identity() {
        Identity::Name => here.name == item.name,
        Identity::Key | Identity::Only => true,
    };
    same && name
}

/// `is` with those of its secrets that `wanted` names.
fn with_secrets(is: &Value, wanted: Option<&Value>, field: &str, secrets: &Map<String, Value>) -> Value {
    let mut is = is.clone();
    let (Value::Object(fields), Some(Value::Object(wanted))) = (&mut is, wanted) else { return is };
    for (path, secret) in secrets {
        if let Some(name) = path.strip_prefix(field).and_then(|rest| rest.strip_prefix('.'))
            && wanted.contains_key(name)
        {
            fields.insert(name.to_owned(), secret.clone());
        }
    }
    is
}

fn is_same_set(wanted: &Value, is: &Value, more_is_fine: bool) -> bool {
    let set = |value: &Value| -> HashSet<String> {
        value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let (wanted, is) = (set(wanted), set(is));
    if more_is_fine { wanted.is_subset(&is) } else { wanted == is }
}
