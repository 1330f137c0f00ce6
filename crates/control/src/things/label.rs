//! Labels: `key:value` words that sources carry and that roles are held for.
//!
//! - A label is what it is for good: there is no renaming, because roles are held for it by name.
//! - A source carries at most one value of each key, and only labels that the workspace has.
//! - One that a source carries or a role is held for can't be deleted.

use crate::audit::Resourced;
use crate::change::Change;
use crate::db::values;
use crate::page::Page;
use crate::role::{Grant, Held, LabelValue};
use crate::source::SourceRecord;
use crate::thing::{Kept, Thing};
use crate::view::View;
use crate::{ControlError, Resource};
use domicile_workspace::{SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// What every workspace has; they can't be deleted.
pub(crate) const BUILT_IN_LABELS: [(&str, &str); 2] = [("environment", "dev"), ("environment", "prod")];
/// Keys beside `environment`.
const LABEL_KEYS_MAX: usize = 5;
/// Labels that a workspace makes.
const LABELS_MAX: u64 = 500;
/// Characters of a key, and of a value.
const WORD_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 1_000;
/// From a source to `key:value`: the word itself, so that a role is checked by one look-up.
pub(crate) const LINK: &str = "label";

/// A label that a workspace made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Label {
    pub key: String,
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Label {
    fn word(&self) -> LabelValue {
        LabelValue { key: self.key.clone(), value: self.value.clone() }
    }
}

impl Thing for Label {
    const KIND: &'static str = "label";
    const AUDIT: &'static str = "Label";
    const RESOURCE: Resource = Resource::Label;

    fn name(&self) -> &str {
        &self.value
    }

    fn check(&self) -> Result<(), ControlError> {
        checked_word("label.key", &self.key)?;
        checked_word("label.value", &self.value)?;
        let long = self.description.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION_CHARS_MAX);
        if long {
            let mend = format!("give at most {DESCRIPTION_CHARS_MAX} characters");
            return Err(ControlError::invalid("label.description", "is too long", mend));
        }
        Ok(())
    }
}

fn checked_word(field: &str, word: &str) -> Result<(), ControlError> {
    let begins = word.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let rest = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if begins && rest && word.len() <= WORD_CHARS_MAX {
        return Ok(());
    }
    let mend = format!("give 1 to {WORD_CHARS_MAX} letters, digits and hyphens, beginning with a letter");
    Err(ControlError::invalid(field, "is no word of a label", mend))
}

fn linked_as(label: &LabelValue) -> String {
    format!("{}:{}", label.key, label.value)
}

fn read_link(text: &str) -> Option<LabelValue> {
    let (key, value) = text.split_once(':')?;
    Some(LabelValue { key: key.to_owned(), value: value.to_owned() })
}

/// The labels of sources, by the sources' ids; sources without any are not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceLabels(pub HashMap<String, Vec<LabelValue>>);

impl SourceLabels {
    /// Those of one source, in order.
    pub fn of(&self, source: &str) -> &[LabelValue] {
        self.0.get(source).map_or(&[], Vec::as_slice)
    }
}

fn by_source(found: Vec<(String, String)>) -> SourceLabels {
    let mut labels: HashMap<String, Vec<LabelValue>> = HashMap::new();
    for (source, text) in found {
        labels.entry(source).or_default().extend(read_link(&text));
    }
    // Not the database's order, as in `labels_of`.
    labels.values_mut().for_each(|labels| labels.sort());
    SourceLabels(labels)
}

impl View<'_> {
    /// All labels of a workspace: those that every workspace has, then its own, oldest first.
    pub fn labels(&self, workspace: &WorkspaceId) -> Result<Vec<Label>, ControlError> {
        let built_in = BUILT_IN_LABELS.into_iter().map(|(key, value)| Label {
            key: key.to_owned(),
            value: value.to_owned(),
            description: None,
        });
        let own = self.own_labels(workspace)?;
        Ok(built_in.chain(own.into_iter().map(|kept| kept.value)).collect())
    }

    fn own_labels(&self, workspace: &WorkspaceId) -> Result<Vec<Kept<Label>>, ControlError> {
        // There are at most as many as a page has.
        Ok(self.things::<Label>(workspace, None, &Page::first(Page::COUNT_MAX))?.rows)
    }

    /// The labels that a source carries, in order. One look-up: roles are checked by it. Of what is no source, none.
    pub fn labels_of(&self, workspace: &WorkspaceId, id: &str) -> Result<Vec<LabelValue>, ControlError> {
        let found = self.all(
            "read the labels of a source",
            "SELECT l.b FROM links l JOIN workspaces w ON w.number = l.workspace
             WHERE w.id = ?1 AND l.kind = ?2 AND l.a = ?3 AND l.undone = 0",
            values![workspace.as_str(), LINK, id],
            |row| row.get::<String>(0),
        )?;
        let mut labels: Vec<LabelValue> = found.iter().filter_map(|text| read_link(text)).collect();
        // Not the database's order: that is each engine's own, and not the words'.
        labels.sort();
        Ok(labels)
    }

    /// The labels of all sources: for lists, where a look-up for each would be many.
    pub fn labels_of_sources(&self, workspace: &WorkspaceId) -> Result<SourceLabels, ControlError> {
        let found = self.all(
            "read the labels of sources",
            "SELECT a, b FROM links WHERE workspace = ?1 AND kind = ?2 AND undone = 0 ORDER BY a, b",
            values![self.workspace_number(workspace)?, LINK],
            |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
        )?;
        Ok(by_source(found))
    }

    /// As [`Self::labels_of_sources`], of those that lie between the first and the last of a page's.
    pub fn labels_on_page(&self, workspace: &WorkspaceId, page: &[SourceRecord]) -> Result<SourceLabels, ControlError> {
        let numbers = || page.iter().map(|source| source.number);
        let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else { return Ok(SourceLabels::default()) };
        let found = self.all(
            "read the labels of a page's sources",
            "SELECT l.a, l.b FROM sources s JOIN links l ON l.workspace = s.workspace AND l.a = s.id
             WHERE s.workspace = ?1 AND l.kind = ?2 AND l.undone = 0 AND s.number >= ?3 AND s.number <= ?4
             ORDER BY l.a, l.b",
            values![self.workspace_number(workspace)?, LINK, first, last],
            |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?)),
        )?;
        Ok(by_source(found))
    }

    /// What keeps a label from being deleted, for people; `None` when nothing does.
    fn use_of(&self, workspace: &WorkspaceId, label: &LabelValue) -> Result<Option<&'static str>, ControlError> {
        let number = self.workspace_number(workspace)?;
        let carried = self.count(
            "count what carries a label",
            "SELECT count(*) FROM links WHERE workspace = ?1 AND kind = ?2 AND b = ?3 AND undone = 0",
            values![number, LINK, linked_as(label)],
        )?;
        if carried > 0 {
            return Ok(Some("a source carries it"));
        }
        let names = |held: &Held| matches!(held, Held::Labels { labels } if labels.contains(label));
        let held: Vec<String> = self.all(
            "read what roles are held for",
            "SELECT resources FROM permissions WHERE workspace = ?1",
            values![number],
            |row| row.get(0),
        )?;
        let held = held.iter().filter_map(|text| serde_json::from_str::<Vec<Held>>(text).ok());
        if held.flatten().any(|held| names(&held)) {
            return Ok(Some("a role is held for it"));
        }
        let invited: Vec<String> = self.all(
            "read what is offered to the invited",
            "SELECT permissions FROM invites WHERE workspace = ?1",
            values![number],
            |row| row.get(0),
        )?;
        let invited = invited.iter().filter_map(|text| serde_json::from_str::<Vec<Grant>>(text).ok());
        let offered = invited.flatten().any(|grant| grant.held.iter().any(names));
        Ok(offered.then_some("an invitation offers a role for it"))
    }
}

impl Change<'_> {
    /// Makes a label.
    ///
    /// # Errors
    /// `Invalid` for words that can't be; `Conflict` when there is such a label, or when there are too many.
    pub fn create_label(&mut self, workspace: &WorkspaceId, label: Label) -> Result<Kept<Label>, ControlError> {
        let have = self.labels(workspace)?;
        if have.iter().any(|other| other.word() == label.word()) {
            return Err(ControlError::Conflict {
                what: format!("there is a label `{}` already", linked_as(&label.word())),
                mend: "use it, or choose another value".to_owned(),
            });
        }
        let mut keys: Vec<&str> = have.iter().map(|other| other.key.as_str()).collect();
        keys.push(&label.key);
        keys.sort_unstable();
        keys.dedup();
        // `environment` is one of them.
        if keys.len() > LABEL_KEYS_MAX + 1 || have.len() as u64 >= LABELS_MAX {
            return Err(ControlError::Conflict {
                what: format!("a workspace has at most {LABEL_KEYS_MAX} keys of its own, and {LABELS_MAX} labels"),
                mend: "use a key that there is, or delete labels that nothing carries".to_owned(),
            });
        }
        self.create_thing(workspace, None, label)
    }

    /// Deletes a label that nothing uses.
    pub fn delete_label(&mut self, workspace: &WorkspaceId, label: &LabelValue) -> Result<(), ControlError> {
        let refuse = |what: &str, mend: &str| {
            Err(ControlError::Conflict {
                what: format!("the label `{}` {what}", linked_as(label)),
                mend: mend.to_owned(),
            })
        };
        if BUILT_IN_LABELS.contains(&(label.key.as_str(), label.value.as_str())) {
            return refuse("belongs to every workspace", "leave it; it costs nothing");
        }
        let own = self.own_labels(workspace)?;
        let Some(kept) = own.iter().find(|kept| kept.value.word() == *label) else {
            return Err(ControlError::NotFound(Resource::Label));
        };
        if let Some(used) = self.use_of(workspace, label)? {
            return refuse(&format!("is in use: {used}"), "take it from what uses it, then delete it");
        }
        self.delete_thing::<Label>(workspace, &kept.id, None)
    }

    /// Gives a source labels beside those that it carries.
    pub fn add_labels(
        &mut self,
        workspace: &WorkspaceId,
        source: &SourceId,
        labels: &[LabelValue],
    ) -> Result<Vec<LabelValue>, ControlError> {
        let mut wanted = self.labels_of(workspace, source.as_str())?;
        wanted.extend(labels.iter().cloned());
        self.set_labels(workspace, source, &wanted)
    }

    /// Gives a source these labels and no others.
    ///
    /// # Errors
    /// `Invalid` for a label that the workspace has not, and for two values of one key.
    pub fn set_labels(
        &mut self,
        workspace: &WorkspaceId,
        source: &SourceId,
        labels: &[LabelValue],
    ) -> Result<Vec<LabelValue>, ControlError> {
        let source = self.source(workspace, source)?;
        let id = source.id.as_str();
        let mut wanted = labels.to_vec();
        wanted.sort();
        wanted.dedup();
        if let Some(two) = wanted.windows(2).find(|two| two[0].key == two[1].key) {
            let what = format!("would give the source two values of the key `{}`", two[0].key);
            return Err(ControlError::invalid("labels", what, "give one; PUT replaces what the source carries"));
        }
        let known = self.labels(workspace)?;
        if let Some(unknown) = wanted.iter().find(|label| known.iter().all(|known| known.word() != **label)) {
            let what = format!("has `{}`, which is no label of the workspace", linked_as(unknown));
            return Err(ControlError::invalid("labels", what, "make it with POST /labels first"));
        }
        let before = self.labels_of(workspace, id)?;
        for label in before.iter().filter(|label| !wanted.contains(label)) {
            self.unlink(workspace, LINK, (id, &linked_as(label)))?;
        }
        for label in wanted.iter().filter(|label| !before.contains(label)) {
            self.link(workspace, LINK, (id, &linked_as(label)), None)?;
        }
        if wanted != before {
            let workspace = Some(self.workspace_number(workspace)?);
            let of = Resourced { workspace, resource: Resource::Source, id, name: &source.name };
            let (before, after) = (json!({ "labels": before }), json!({ "labels": wanted }));
            self.note("Source Modified", &of, Some(before), Some(after))?;
            // What shows the source shows its labels: its version says that they changed.
            self.touch_source(source.number)?;
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_labels_are_letters_digits_and_hyphens_after_a_letter() {
        for good in ["a", "Team-1", "prod", "Z9-"] {
            checked_word("label.key", good).expect(good);
        }
        let long = "x".repeat(101);
        for bad in ["", "1a", "-a", "a b", "a:b", "a_b", "é", "a\n", long.as_str()] {
            assert!(checked_word("label.key", bad).is_err(), "{bad:?}");
        }
    }
}
