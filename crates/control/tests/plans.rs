//! Tracking plans of full size, on each engine.

use crate::bed::{BY, each};
use crate::single::OneStep as _;
use domicile_control::{Change, ControlError, PlanKind, Rule, RuleKind, TrackingPlan};
use serde_json::json;

fn rules(count: usize) -> Vec<Rule> {
    let rule = |n| Rule {
        kind: RuleKind::Track,
        key: Some(format!("Event {n}")),
        json_schema: json!({ "type": "object", "properties": { "properties": { "type": "object" } } }),
        version: 1,
    };
    (0..count).map(rule).collect()
}

#[test]
fn two_thousand_rules_are_one_change_and_the_same_again_is_none() {
    each(|bed| {
        let workspace = &bed.workspace.id;
        let plan = TrackingPlan { name: "Web".to_owned(), description: None, kind: PlanKind::Live, revision: 0 };
        let plan = bed.store.change(&BY, |change| change.create_tracking_plan(workspace, plan)).expect("makes a plan");
        let replace = |rules: Vec<Rule>| {
            let replace = |change: &mut Change<'_>| change.replace_rules(workspace, &plan.id, None, rules);
            bed.store.change::<_, ControlError>(&BY, replace)
        };
        replace(rules(2_000)).expect("fits");
        let version = bed.version();
        replace(rules(2_000)).expect("fits");
        assert_eq!(bed.version(), version, "nothing was written");
        let mut changed = rules(2_000);
        changed[7].json_schema = json!({});
        changed.reverse();
        replace(changed).expect("fits");
        let trail = bed.store.audit(workspace, 1_900, 1_000).expect("reads");
        assert_eq!(
            trail.iter().filter(|entry| entry.config_version == version + 1).count(),
            2,
            "the rule and the plan"
        );
        assert!(matches!(replace(rules(2_001)), Err(ControlError::Invalid { .. })));
        let mut broken = rules(3);
        broken[2].json_schema = json!({ "type": "text" });
        let Err(ControlError::Invalid { field, .. }) = replace(broken) else { panic!("taken") };
        assert_eq!(field, "rules.2.jsonSchema.type");
        let kept = bed.store.view(|view| view.rules_of(workspace, &plan.id)).expect("reads");
        assert_eq!(kept.len(), 2_000, "a change that was refused did nothing");
        bed.store.change(&BY, |change| change.delete_tracking_plan(workspace, &plan.id, None)).expect("deletes");
    });
}
