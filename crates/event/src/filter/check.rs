//! A filter as the API takes it, and what may be wrong with it.

use super::{Action, Filter, cut::Cut, sample::Sample};
use crate::fql::Expression;
use crate::path;
use std::collections::BTreeMap;

/// An action as it was sent.
#[derive(Clone, Copy, Default)]
pub struct Draft<'a> {
    /// `DROP`, `SAMPLE`, `DROP_PROPERTIES`, `ALLOW_PROPERTIES`, or the name that an older API had for it.
    pub kind: &'a str,
    pub percent: Option<f64>,
    pub path: Option<&'a str>,
    /// From the dotted path of an object (`""` is the event) to names in it. In both a backslash makes the next character
    /// plain; in a name a dot is plain anyway.
    pub fields: Option<&'a BTreeMap<String, Vec<String>>>,
}

/// One thing that is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what}; mend: {mend}")]
pub struct FilterError {
    /// As the API spells it: `if`, `actions.0.percent`.
    pub field: String,
    /// For `if`: in characters, from 1.
    pub column: Option<usize>,
    pub what: String,
    pub mend: String,
}

/// Actions of one filter.
pub const ACTIONS_MAX: usize = 16;
/// Objects that one action names, and names in each.
pub const FIELDS_MAX: usize = 100;

impl Filter {
    /// Checks what was sent.
    ///
    /// # Errors
    /// All that is wrong, in the order of the fields.
    pub fn check(condition: &str, actions: &[Draft<'_>]) -> Result<Self, Vec<FilterError>> {
        let mut check = Check { errors: Vec::new() };
        let condition = Expression::parse(condition).map_err(|error| {
            check.errors.push(FilterError {
                field: "if".to_owned(),
                column: Some(error.column),
                what: error.what,
                mend: error.mend,
            });
        });
        if actions.is_empty() {
            check.wrong("actions", "there is no action", "give one: DROP, SAMPLE, DROP_PROPERTIES or ALLOW_PROPERTIES");
        }
        if actions.len() > ACTIONS_MAX {
            check.wrong("actions", format!("more than {ACTIONS_MAX} actions"), "put the fields of several into one");
        }
        let actions: Vec<Action> = actions
            .iter()
            .take(ACTIONS_MAX)
            .enumerate()
            .filter_map(|(place, draft)| check.action(&format!("actions.{place}"), draft))
            .collect();
        match condition {
            Ok(condition) if check.errors.is_empty() => Ok(Self { condition, actions }),
            _ => Err(check.errors),
        }
    }
}

struct Check {
    errors: Vec<FilterError>,
}

impl Check {
    fn wrong(&mut self, field: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) {
        self.errors.push(FilterError { field: field.into(), column: None, what: what.into(), mend: mend.into() });
    }

    /// An action, or `None` if something was wrong.
    fn action(&mut self, at: &str, draft: &Draft<'_>) -> Option<Action> {
        let before = self.errors.len();
        let action = match draft.kind {
            "DROP" | "drop" | "drop_event" => Action::Drop,
            "SAMPLE" | "sample" | "sample_event" => Action::Sample(Sample::new(
                self.percent(at, draft.percent),
                draft.path.map(|path| self.steps(&format!("{at}.path"), path)),
            )),
            "DROP_PROPERTIES" | "drop_properties" | "blocklist_fields" => {
                Action::Cut(self.cuts(at, draft.fields, false))
            }
            "ALLOW_PROPERTIES" | "allow_properties" | "whitelist_fields" => {
                Action::Cut(self.cuts(at, draft.fields, true))
            }
            _ => {
                self.wrong(
                    format!("{at}.type"),
                    "there is no such action",
                    "write DROP, SAMPLE, DROP_PROPERTIES or ALLOW_PROPERTIES",
                );
                return None;
            }
        };
        let samples = matches!(action, Action::Sample(_));
        let strange = [
            ("percent", draft.percent.is_some() && !samples),
            ("path", draft.path.is_some() && !samples),
            ("fields", draft.fields.is_some() && !matches!(action, Action::Cut(_))),
        ];
        for (field, _) in strange.into_iter().filter(|(_, given)| *given) {
            self.wrong(format!("{at}.{field}"), format!("{} has no `{field}`", draft.kind), "leave it out");
        }
        (self.errors.len() == before).then_some(action)
    }

    fn percent(&mut self, at: &str, percent: Option<f64>) -> f64 {
        let field = format!("{at}.percent");
        match percent {
            Some(share) if (0.0..=1.0).contains(&share) => return share,
            Some(_) => self.wrong(field, "it is not between 0 and 1", "write a quarter as 0.25"),
            None => self.wrong(field, "SAMPLE needs it", "give the share of events to keep, between 0 and 1"),
        }
        0.0
    }

    fn cuts(&mut self, at: &str, fields: Option<&BTreeMap<String, Vec<String>>>, allow: bool) -> Vec<Cut> {
        let field = format!("{at}.fields");
        let Some(fields) = fields.filter(|fields| !fields.is_empty()) else {
            self.wrong(field, "no field is named", r#"write {"properties": ["plan"]}"#);
            return Vec::new();
        };
        if fields.len() > FIELDS_MAX {
            self.wrong(field, format!("more than {FIELDS_MAX} objects are named"), "split them over several filters");
            return Vec::new();
        }
        let cut = |(parent, names): (&String, &Vec<String>)| {
            let here = format!("{field}.{parent}");
            let way = if parent.is_empty() { Vec::new() } else { self.steps(&here, parent) };
            // Nothing allowed is a clear wish: an object left empty. Nothing dropped is none.
            if names.is_empty() && !allow {
                self.wrong(&here, "no name is given", "name what is dropped, or leave the object out");
            }
            if names.len() > FIELDS_MAX {
                self.wrong(&here, format!("more than {FIELDS_MAX} names"), "split them over several filters");
            }
            Cut::new(way, names.iter().map(|name| self.name(&here, name)).collect(), allow)
        };
        fields.iter().map(cut).collect()
    }

    fn steps(&mut self, field: &str, path: &str) -> Vec<String> {
        path::steps(path).unwrap_or_else(|fault| {
            self.wrong(field, fault.what, fault.mend);
            Vec::new()
        })
    }

    fn name(&mut self, field: &str, name: &str) -> String {
        let mut plain = String::with_capacity(name.len());
        if let Err(fault) = path::unescape(name, |character, _| plain.push(character)) {
            self.wrong(field, fault.what, fault.mend);
        } else if plain.is_empty() {
            self.wrong(field, "a name is empty", "write the name of a field");
        }
        plain
    }
}
