//! Tracking plans: what events of which form are planned, and the sources that they are for.
//!
//! ```text
//! TrackingPlan ──► Rule, Rule …      by type, key and version, each once
//!      └── link ──► Source           a source has at most one plan
//! ```
//!
//! Kept and checked now; process holds events against them later.
//!
//! - A change of rules is a change of the plan: its version goes up, and the audit trail has the plan and each rule.
//! - Rules that a request does not change are not written again, however many it names.

use crate::audit::Resourced;
use crate::change::refuse_stale;
use crate::page::Page;
use crate::thing::{Kept, Thing};
use crate::things::json_schema;
use crate::{Change, ControlError, Resource, SourceRecord, View, id, text};
use domicile_workspace::{SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Plans of one workspace.
const PLANS_MAX: u64 = 1_000;
/// Rules of one plan, and bytes of all of them as JSON: they are read and answered together.
pub const RULES_MAX: usize = 2_000;
const RULES_BYTES_MAX: usize = 4 << 20;
/// The link from a plan to its sources.
pub(crate) const LINK: &str = "tracking-plan-source";

/// A tracking plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackingPlan {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(rename = "type")]
    pub kind: PlanKind,
    /// How often its rules were changed.
    #[serde(default)]
    pub revision: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlanKind {
    Engage,
    Live,
    PropertyLibrary,
    RuleLibrary,
    Template,
}

/// One planned event, trait set or form of all events; its parent is the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    #[serde(rename = "type")]
    pub kind: RuleKind,
    /// The event's name; of track rules only it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub json_schema: Value,
    pub version: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleKind {
    Common,
    Group,
    Identify,
    Page,
    Screen,
    Track,
}

/// What names a rule in its plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleKey {
    #[serde(rename = "type")]
    pub kind: RuleKind,
    #[serde(default)]
    pub key: Option<String>,
    pub version: u64,
}

/// A rule to be made, changed or deleted.
#[derive(Clone, Debug)]
pub struct RuleChange {
    pub rule: RuleKey,
    /// Its key from now on.
    pub new_key: Option<String>,
    /// `None`: delete it.
    pub json_schema: Option<Value>,
}

impl Rule {
    pub fn rule_key(&self) -> RuleKey {
        RuleKey { kind: self.kind, key: self.key.clone(), version: self.version }
    }
}

impl Thing for TrackingPlan {
    const KIND: &'static str = "tracking-plan";
    const AUDIT: &'static str = "Tracking Plan";
    const RESOURCE: Resource = Resource::TrackingPlan;

    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), ControlError> {
        text::name("name", &self.name).map(drop)
    }
}

impl Thing for Rule {
    const KIND: &'static str = "tracking-plan-rule";
    const AUDIT: &'static str = "Tracking Plan Rule";
    const RESOURCE: Resource = Resource::Rule;

    fn name(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    fn check(&self) -> Result<(), ControlError> {
        if self.kind == RuleKind::Track && self.key.as_deref().is_none_or(str::is_empty) {
            return Err(ControlError::invalid("key", "is missing", "give the name of the event that the rule is for"));
        }
        json_schema::check(&self.json_schema, "jsonSchema")
    }
}

impl Change<'_> {
    pub fn create_tracking_plan(
        &mut self,
        workspace: &WorkspaceId,
        plan: TrackingPlan,
    ) -> Result<Kept<TrackingPlan>, ControlError> {
        if self.count_things::<TrackingPlan>(workspace, None)? >= PLANS_MAX {
            return Err(ControlError::Conflict {
                what: format!("the workspace has {PLANS_MAX} tracking plans"),
                mend: "delete one that is no longer used".to_owned(),
            });
        }
        let id = format!("tp_{}", id::new_id(self.random()));
        self.create_thing_with_id(workspace, id, None, plan)
    }

    /// Deletes a plan and its rules; its sources go on without one.
    pub fn delete_tracking_plan(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        let sources = self.sources_of_plan(workspace, plan)?;
        // First, so that a stale change deletes no rule.
        self.delete_thing::<TrackingPlan>(workspace, plan, if_version)?;
        for source in sources {
            let number = self.source(workspace, &SourceId::new(source))?.number;
            self.touch_source(number)?;
        }
        self.delete_things_of::<Rule>(workspace, plan).map(drop)
    }

    /// Gives a plan these rules and no others.
    ///
    /// # Errors
    /// `Invalid` with the place (`rules.3.jsonSchema.type`) for a rule that can't be or stands there twice.
    pub fn replace_rules(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        if_version: Option<u64>,
        rules: Vec<Rule>,
    ) -> Result<(), ControlError> {
        self.refuse_stale_plan(workspace, plan, if_version)?;
        if rules.len() > RULES_MAX {
            return Err(too_many());
        }
        refuse_long(&rules)?;
        let mut wanted = HashMap::new();
        for (n, rule) in rules.iter().enumerate() {
            if wanted.insert(rule.rule_key(), (n, rule)).is_some() {
                within(n, rule.check())?;
                return twice(n);
            }
        }
        let before = self.rules_of(workspace, plan)?;
        let mut changed = false;
        for kept in &before {
            match wanted.remove(&kept.value.rule_key()) {
                Some((n, rule)) => changed |= within(n, self.put_rule(workspace, kept, rule.clone()))?,
                None => {
                    self.delete_thing::<Rule>(workspace, &kept.id, None)?;
                    changed = true;
                }
            }
        }
        // What is left is new, in the order of the request.
        let mut left: Vec<(usize, &Rule)> = wanted.into_values().collect();
        left.sort_unstable_by_key(|(n, _)| *n);
        for (n, rule) in left {
            within(n, self.create_thing(workspace, Some(plan), rule.clone()))?;
            changed = true;
        }
        self.note_rules(workspace, plan, if_version, changed)
    }

    /// Makes, changes and deletes single rules; what is not named stays.
    ///
    /// # Errors
    /// As [`Self::replace_rules`]; and for a rule to be deleted that the plan does not have.
    pub fn update_rules(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        if_version: Option<u64>,
        changes: Vec<RuleChange>,
    ) -> Result<(), ControlError> {
        self.refuse_stale_plan(workspace, plan, if_version)?;
        let before = self.rules_of(workspace, plan)?;
        let mut known: HashMap<RuleKey, Kept<Rule>> =
            before.into_iter().map(|kept| (kept.value.rule_key(), kept)).collect();
        let (mut changed, mut named) = (false, HashSet::new());
        for (n, RuleChange { rule: key, new_key, json_schema }) in changes.into_iter().enumerate() {
            if !named.insert(key.clone()) {
                return twice(n);
            }
            let kept = known.remove(&key);
            let Some(json_schema) = json_schema else {
                let kept = kept.ok_or_else(|| no_rule(n))?;
                self.delete_thing::<Rule>(workspace, &kept.id, None)?;
                changed = true;
                continue;
            };
            let RuleKey { kind, key, version } = key;
            let rule = Rule { kind, key: new_key.or(key), json_schema, version };
            if known.contains_key(&rule.rule_key()) {
                return twice(n);
            }
            let kept = match kept {
                Some(kept) => {
                    changed |= within(n, self.put_rule(workspace, &kept, rule.clone()))?;
                    Kept { value: rule, ..kept }
                }
                None => {
                    changed = true;
                    within(n, self.create_thing(workspace, Some(plan), rule))?
                }
            };
            known.insert(kept.value.rule_key(), kept);
        }
        if known.len() > RULES_MAX {
            return Err(too_many());
        }
        refuse_long(known.values().map(|kept| &kept.value))?;
        self.note_rules(workspace, plan, if_version, changed)
    }

    /// Deletes rules of a plan.
    ///
    /// # Errors
    /// `Invalid` for one that the plan does not have.
    pub fn delete_rules(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        if_version: Option<u64>,
        rules: Vec<RuleKey>,
    ) -> Result<(), ControlError> {
        let gone = |rule| RuleChange { rule, new_key: None, json_schema: None };
        self.update_rules(workspace, plan, if_version, rules.into_iter().map(gone).collect())
    }

    /// Puts a source under a plan. Doing it twice changes nothing.
    ///
    /// # Errors
    /// `Conflict` when the source has another plan.
    pub fn connect_tracking_plan(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        source: &SourceId,
    ) -> Result<(), ControlError> {
        let kept = self.thing::<TrackingPlan>(workspace, plan)?;
        let record = self.source(workspace, source)?;
        if let Some(other) = self.tracking_plan_of(&record)?.filter(|other| other != plan) {
            return Err(ControlError::Conflict {
                what: format!("the source has tracking plan `{other}`"),
                mend: "remove it from that one first".to_owned(),
            });
        }
        if self.link(workspace, LINK, (plan, source.as_str()), None)? {
            self.note_source(workspace, "Tracking Plan Source Added", &kept, &record)?;
        }
        Ok(())
    }

    /// Takes a source from a plan.
    ///
    /// # Errors
    /// `NotFound` when the source is not under the plan.
    pub fn disconnect_tracking_plan(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        source: &SourceId,
    ) -> Result<(), ControlError> {
        let kept = self.thing::<TrackingPlan>(workspace, plan)?;
        let record = self.source(workspace, source)?;
        if !self.unlink(workspace, LINK, (plan, source.as_str()))? {
            return Err(ControlError::NotFound(Resource::Source));
        }
        self.note_source(workspace, "Tracking Plan Source Removed", &kept, &record)
    }

    /// What shows the source shows its plan: its version goes up too.
    fn note_source(
        &mut self,
        workspace: &WorkspaceId,
        kind: &str,
        plan: &Kept<TrackingPlan>,
        source: &SourceRecord,
    ) -> Result<(), ControlError> {
        self.touch_source(source.number)?;
        let workspace = Some(self.workspace_number(workspace)?);
        let of = Resourced { workspace, resource: Resource::TrackingPlan, id: &plan.id, name: &plan.value.name };
        self.note(kind, &of, None, Some(json!({ "sourceId": source.id.as_str() })))
    }

    /// Writes a rule over a kept one of the same plan. Whether that changes anything.
    fn put_rule(&mut self, workspace: &WorkspaceId, kept: &Kept<Rule>, rule: Rule) -> Result<bool, ControlError> {
        let changes = kept.value != rule;
        if changes {
            self.update_thing(workspace, &kept.id, None, |value: &mut Rule| {
                *value = rule;
                Ok(())
            })?;
        }
        Ok(changes)
    }

    /// First of all: what was meant for another version is not looked at.
    fn refuse_stale_plan(
        &self,
        workspace: &WorkspaceId,
        plan: &str,
        if_version: Option<u64>,
    ) -> Result<(), ControlError> {
        refuse_stale(Resource::TrackingPlan, self.thing::<TrackingPlan>(workspace, plan)?.version, if_version)
    }

    /// The plan's own version goes up with its rules.
    fn note_rules(
        &mut self,
        workspace: &WorkspaceId,
        plan: &str,
        if_version: Option<u64>,
        changed: bool,
    ) -> Result<(), ControlError> {
        self.update_thing(workspace, plan, if_version, |plan: &mut TrackingPlan| {
            plan.revision += u64::from(changed);
            Ok(())
        })
        .map(drop)
    }
}

impl View<'_> {
    /// All rules of a plan, in the order in which they were made.
    pub fn rules_of(&self, workspace: &WorkspaceId, plan: &str) -> Result<Vec<Kept<Rule>>, ControlError> {
        self.thing::<TrackingPlan>(workspace, plan)?;
        self.all_things(workspace, Some(plan))
    }

    /// The id of the plan that a source is under.
    pub fn tracking_plan_of(&self, source: &SourceRecord) -> Result<Option<String>, ControlError> {
        let links = self.links_to(&source.workspace, LINK, source.id.as_str(), &Page::first(1))?;
        Ok(links.rows.into_iter().next().map(|link| link.a))
    }

    /// The ids of the sources that are under a plan.
    pub fn sources_of_plan(&self, workspace: &WorkspaceId, plan: &str) -> Result<Vec<String>, ControlError> {
        self.thing::<TrackingPlan>(workspace, plan)?;
        let (mut ids, mut page) = (Vec::new(), Page::first(Page::COUNT_MAX));
        loop {
            let links = self.links_from(workspace, LINK, plan, &page)?;
            ids.extend(links.rows.into_iter().map(|link| link.b));
            match links.last.filter(|_| links.has_after) {
                Some(last) => page = Page::after(last, Page::COUNT_MAX),
                None => return Ok(ids),
            }
        }
    }
}

fn too_many() -> ControlError {
    ControlError::invalid("rules", "are too many", format!("a plan has at most {RULES_MAX}; make another plan"))
}

fn refuse_long<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Result<(), ControlError> {
    let bytes = |rule: &Rule| rule.json_schema.to_string().len() + rule.key.as_ref().map_or(0, String::len);
    if rules.into_iter().map(bytes).sum::<usize>() <= RULES_BYTES_MAX {
        return Ok(());
    }
    Err(ControlError::invalid("rules", "are too long", "a plan has at most 4 MiB of rules; make another plan"))
}

fn no_rule(n: usize) -> ControlError {
    ControlError::invalid(
        format!("rules.{n}"),
        "is no rule of the plan",
        "give type, key and version of one that it has",
    )
}

fn twice<T>(n: usize) -> Result<T, ControlError> {
    let mend = "a plan has one rule of a type, key and version";
    Err(ControlError::invalid(format!("rules.{n}"), "is there twice", mend))
}

/// The fault of one rule, at its place in the request.
fn within<T>(n: usize, checked: Result<T, ControlError>) -> Result<T, ControlError> {
    checked.map_err(|error| match error {
        ControlError::Invalid { field, what, mend } => {
            ControlError::Invalid { field: format!("rules.{n}.{field}"), what, mend }
        }
        other => other,
    })
}
