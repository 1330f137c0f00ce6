//! What one caller can ask of a store, and that the others don't wait for it.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{
    Change, ControlError, Grants, LabelValue, NewDestination, NewSource, NewToken, NewWarehouse, Page, PlanKind,
    Resource, Rule, RuleKind, SourceChange, SourceRecord, Store, Thing, TrackingPlan,
};
use domicile_workspace::{SourceId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// So long that only something that waits for ever takes it.
const FOR_EVER: Duration = Duration::from_secs(10);

fn plan(name: &str) -> TrackingPlan {
    TrackingPlan { name: name.to_owned(), description: None, kind: PlanKind::Live, revision: 0 }
}

fn rule(n: usize, json_schema: Value) -> Rule {
    Rule { kind: RuleKind::Track, key: Some(format!("Event {n}")), json_schema, version: 1 }
}

/// Does something on a thread of its own; `None` when it has not ended in time.
fn in_time<T: Send + 'static>(store: &Store, work: impl FnOnce(&Store) -> T + Send + 'static) -> Option<T> {
    let (done, answer) = channel();
    let store = store.clone();
    // Not joined: it may wait for its caller.
    std::thread::spawn(move || drop(done.send(work(&store))));
    answer.recv_timeout(FOR_EVER).ok()
}

#[test]
fn the_worst_patterns_of_a_mebibyte_cost_no_more_than_their_length() {
    let classes = format!("(?i){}", "[a-\\x{10FFFF}]".repeat(65));
    let repeated = format!("(?i){}", "(\\w{9}){9}".repeat(90));
    let nested = format!("{}a{}", "(?i:".repeat(32), ")".repeat(32));
    let names: Vec<String> = (0..90).map(|n| format!("(?<n{n}>\\pL)")).collect();
    each(|bed| {
        let workspace = &bed.workspace.id;
        let plan = bed.store.change(&BY, |c| c.create_tracking_plan(workspace, plan("Web"))).expect("makes a plan");
        for pattern in [&classes, &repeated, &nested, &names.concat(), &".".to_owned()] {
            let length = json!({ "p00000": { "pattern": pattern } }).to_string().len();
            let copies = 1_000_000 / length;
            let patterns: Map<String, Value> =
                (0..copies).map(|n| (format!("p{n}"), json!({ "pattern": pattern }))).collect();
            let rules = vec![rule(0, json!({ "properties": patterns }))];
            let begin = Instant::now();
            bed.store.change(&BY, |change| change.replace_rules(workspace, &plan.id, None, rules)).expect("fits");
            assert!(begin.elapsed() < FOR_EVER / 2, "{:?}", begin.elapsed());
        }
    });
}

#[test]
fn a_tokens_use_is_noted_without_waiting_for_a_change() {
    each(|bed| {
        let token = bed
            .store
            .change(&BY, |change| change.create_token(&bed.workspace.id, &NewToken::new("ci"), &Grants::owner()))
            .expect("makes a token")
            .token;
        let used = |bed: &Bed| {
            let tokens = bed.store.view(|view| view.tokens(&bed.workspace.id, &Page::first(9))).expect("reads");
            tokens.rows[0].last_used_at
        };
        // Another program on the same store waits no more than another thread.
        let other = bed.home.open().expect("opens once more");
        for store in [&bed.store, &other] {
            bed.store
                .change::<_, ControlError>(&BY, |_| {
                    let token = token.clone();
                    let scope = in_time(store, move |store| store.scope_of_token(&token).expect("reads"));
                    assert!(scope.expect("waited for the change").is_some());
                    Ok(())
                })
                .expect("changes nothing");
        }
        assert_eq!(used(&bed), None, "nobody was there to note it");
        bed.store.scope_of_token(&token).expect("reads").expect("holds");
        assert!(used(&bed).is_some());
    });
}

#[test]
fn a_view_that_takes_long_holds_up_no_other() {
    each(|bed| {
        let id = &bed.workspace.id;
        let read = {
            let id = id.clone();
            move |store: &Store| store.view(|view| view.sources(&id, &Page::first(1))).expect("reads").total
        };
        bed.store
            .view::<_, ControlError>(|view| {
                view.version()?;
                assert_eq!(in_time(&bed.store, read.clone()), Some(0));
                // And a change beside it, which the others see.
                bed.store.create_source(&BY, id, &new_source("web"))?;
                assert_eq!(in_time(&bed.store, read.clone()), Some(1));
                assert_eq!(view.sources(id, &Page::first(1))?.total, 0, "one view sees one state");
                Ok(())
            })
            .expect("reads");
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| (0..20).for_each(|_| assert_eq!(read(&bed.store), 1)));
            }
        });
    });
}

#[test]
fn a_deleted_write_key_comes_back_to_its_own_source_only() {
    each(|bed| {
        let id = &bed.workspace.id;
        let web = bed.store.create_source(&BY, id, &new_source("web")).expect("makes one");
        let app = bed.store.create_source(&BY, id, &new_source("app")).expect("makes another");
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes a workspace");
        let theirs = bed.store.create_source(&BY, &other.id, &new_source("web")).expect("makes theirs");
        let key = web.write_keys[0].key.clone();
        bed.store.add_write_key(&BY, id, &web.id).expect("adds one");
        bed.store.delete_write_key(&BY, id, &web.id, &key).expect("deletes the first");
        let keep = |workspace: &WorkspaceId, source: &SourceId| -> Result<SourceRecord, ControlError> {
            bed.store.change(&BY, |change| change.keep_write_key(workspace, source, &key))
        };
        for (workspace, source) in [(id, &app.id), (&other.id, &theirs.id)] {
            let told = keep(workspace, source);
            assert!(matches!(told, Err(ControlError::Conflict { .. })), "{told:?}");
        }
        assert!(bed.store.current().load().source_of_key(&key).is_none());
        let listed = bed.store.view(|view| view.sources(id, &Page::first(9))).expect("reads");
        assert!(listed.rows.iter().all(|row| row.write_keys.len() == 1), "a deleted key is in no list");
        assert!(bed.home.shell("DELETE FROM write_keys").is_err());
        let again = keep(id, &web.id).expect("is its own");
        assert_eq!(again.write_keys[1].key, key, "it stands last");
        assert_eq!(again.write_keys.len(), 2);
        let bed = bed.reopen();
        let snapshot = bed.store.current().load();
        assert_eq!(snapshot.source_of_key(&key).map(|(source, _)| source.id.clone()), Some(web.id.clone()));
    });
}

/// A thing with one text of any length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Long {
    text: String,
}

impl Thing for Long {
    const KIND: &'static str = "long";
    const AUDIT: &'static str = "Long";
    const RESOURCE: Resource = Resource::Function;

    fn name(&self) -> &str {
        "long"
    }

    fn check(&self) -> Result<(), ControlError> {
        Ok(())
    }
}

#[test]
fn a_long_text_stands_on_the_trail_as_its_hash() {
    each(|bed| {
        let id = &bed.workspace.id;
        for text in ["a".repeat(1_000), "a".repeat(1_001)] {
            bed.store.change(&BY, |change| change.create_thing(id, None, Long { text })).expect("makes one");
        }
        let trail = bed.store.audit(id, 0, 99).expect("reads");
        let told: Vec<_> =
            trail.iter().filter(|entry| entry.kind == "Long Created").map(|entry| &entry.after).collect();
        assert_eq!(*told[0], Some(json!({ "text": "a".repeat(1_000) })));
        let hash = "bb0381c13e0817201355e7d700b7623f0e985287add78712a11407c9f754efc8";
        assert_eq!(*told[1], Some(json!({ "text": { "sha256": hash, "bytes": 1_001 } })));
    });
}

#[test]
fn a_page_ends_at_four_mebibytes_and_the_next_goes_on() {
    each(|bed| {
        let id = &bed.workspace.id;
        bed.store
            .change(&BY, |change| {
                for n in 0..7 {
                    change.create_thing(id, None, Long { text: n.to_string().repeat(1_000_000) })?;
                }
                Ok::<_, ControlError>(())
            })
            .expect("makes them");
        let told = |page: Page| {
            let listed = bed.store.view(|view| view.things::<Long>(id, None, &page)).expect("reads");
            let first: String = listed.rows.iter().filter_map(|row| row.value.text.chars().next()).collect();
            assert_eq!(listed.total, 7);
            (first, listed.has_before, listed.has_after, listed.first, listed.last)
        };
        let (rows, before, after, _, last) = told(Page::first(1_000));
        assert_eq!((rows.as_str(), before, after), ("0123", false, true));
        let (rows, before, after, first, _) = told(Page::after(last.expect("has rows"), 1_000));
        assert_eq!((rows.as_str(), before, after), ("456", true, false));
        let (rows, before, after, ..) = told(Page::before(first.expect("has rows"), 3));
        assert_eq!((rows.as_str(), before, after), ("123", true, true));
        let (rows, before, after, first, _) = told(Page::last(1_000));
        assert_eq!((rows.as_str(), before, after), ("3456", true, false));
        let (rows, before, after, ..) = told(Page::before(first.expect("has rows"), 1_000));
        assert_eq!((rows.as_str(), before, after), ("012", false, true));
        let all = bed.store.view(|view| view.all_things::<Long>(id, None)).expect("reads");
        assert_eq!(all.len(), 7);
    });
}

#[test]
fn a_workspace_has_so_many_plans_and_a_plan_so_long_rules() {
    each(|bed| {
        let id = &bed.workspace.id;
        let made = bed.store.change(&BY, |change| {
            let first = change.create_tracking_plan(id, plan("0"))?;
            for n in 1..1_000 {
                change.create_tracking_plan(id, plan(&n.to_string()))?;
            }
            Ok::<_, ControlError>(first.id)
        });
        let plan_id = made.expect("makes a thousand");
        let more = bed.store.change(&BY, |change| change.create_tracking_plan(id, plan("more")));
        assert!(matches!(more, Err(ControlError::Conflict { .. })));
        let long = |n| rule(n, json!({ "description": "x".repeat(900_000) }));
        let replace = |rules: Vec<Rule>| {
            bed.store.change(&BY, |change: &mut Change<'_>| change.replace_rules(id, &plan_id, None, rules))
        };
        replace((0..4).map(long).collect()).expect("fits");
        let Err(ControlError::Invalid { field, .. }) = replace((0..5).map(long).collect()) else { panic!("taken") };
        assert_eq!(field, "rules");
        let one_more = long(4);
        let added = bed.store.change(&BY, |change| {
            let (rule, json_schema) = (one_more.rule_key(), Some(one_more.json_schema.clone()));
            change.update_rules(
                id,
                &plan_id,
                None,
                vec![domicile_control::RuleChange { rule, new_key: None, json_schema }],
            )
        });
        assert!(matches!(added, Err(ControlError::Invalid { .. })), "{added:?}");
        assert_eq!(bed.store.view(|view| view.rules_of(id, &plan_id)).expect("reads").len(), 4);
    });
}

#[test]
fn of_many_sources_that_are_connected_at_once_the_trail_has_the_number_and_the_first() {
    each(|bed| {
        let id = &bed.workspace.id;
        let connected = bed.store.change(&BY, |change| {
            for n in 0..25 {
                change.create_source(id, &new_source(&format!("s{n}")))?;
            }
            let settings = json!({"hostname": "db.example", "port": 5432, "database": "d", "username": "u",
                                  "password": "p", "country": "CH"});
            let settings = settings.as_object().cloned().unwrap_or_default();
            let new = NewWarehouse { catalog: "postgres".to_owned(), name: None, enabled: true, settings };
            let made = change.create_warehouse(id, &new)?;
            change.connect_all_sources(id, &made, &Grants::owner())?;
            change.sources_of_warehouse(id, &made.id)
        });
        let connected = connected.expect("makes a warehouse");
        assert_eq!(connected.len(), 25);
        let trail = bed.store.audit(id, 0, 99).expect("reads");
        let after = trail.last().and_then(|entry| entry.after.clone()).unwrap_or_default();
        assert_eq!(after, json!({ "connected": 25, "connectedSources": connected[..20] }));
    });
}

#[test]
fn a_store_full_of_long_views_still_follows() {
    each(|bed| {
        let beside = bed.home.open().expect("opens once more");
        let (begun, all_begun) = channel();
        let (end, ended) = channel::<()>();
        let ended = std::sync::Mutex::new(ended);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (begun, ended, store) = (begun.clone(), &ended, &bed.store);
                scope.spawn(move || {
                    store.view::<_, ControlError>(|_| {
                        begun.send(()).expect("is heard");
                        drop(ended.lock().map(|ended| ended.recv()));
                        Ok(())
                    })
                });
            }
            for _ in 0..4 {
                all_begun.recv().expect("begins");
            }
            beside.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
            let followed = in_time(&bed.store, Store::follow);
            let refused = in_time(&bed.store, |store| store.view(|view| view.version()));
            drop(end);
            assert!(matches!(followed, Some(Ok(true))), "{followed:?}");
            assert!(matches!(&refused, Some(Err(ControlError::Store(e))) if e.passes()), "{refused:?}");
        });
    });
}

#[test]
fn the_labels_of_all_sources_are_those_of_each() {
    each(|bed| {
        let id = &bed.workspace.id;
        let label = |value: &str| LabelValue { key: "environment".to_owned(), value: value.to_owned() };
        for (slug, labels) in [("a", vec![label("prod")]), ("b", vec![]), ("c", vec![label("dev")])] {
            let source = bed.store.create_source(&BY, id, &new_source(slug)).expect("makes one");
            bed.store.change(&BY, |change| change.set_labels(id, &source.id, &labels)).expect("labels it");
        }
        bed.store
            .view::<_, ControlError>(|view| {
                let all = view.labels_of_sources(id)?;
                assert_eq!(all.0.len(), 2);
                let page = view.sources(id, &Page::first(2))?.rows;
                let (on_page, a) = (view.labels_on_page(id, &page)?, page[0].id.as_str());
                assert_eq!((on_page.0.len(), &on_page.0[a]), (1, &all.0[a]), "of a and b, not of c");
                assert!(view.labels_on_page(id, &[])?.0.is_empty());
                for source in view.sources(id, &Page::first(9))?.rows {
                    let one = view.labels_of(id, source.id.as_str())?;
                    assert_eq!(all.of(source.id.as_str()), one, "{}", source.slug);
                }
                Ok(())
            })
            .expect("reads");
    });
}

#[test]
fn settings_that_no_document_could_hold_are_refused() {
    each(|bed| {
        let id = &bed.workspace.id;
        let nested = |times: usize| -> Map<String, Value> {
            let deep = (1..times).fold(json!(1), |inner, _| json!([inner]));
            Map::from_iter([("deep".to_owned(), deep)])
        };
        // Of this kind the catalog lists no settings: any are taken.
        let new = NewSource { catalog: Some("amazon-s3".to_owned()), ..new_source("web") };
        let source = bed.store.create_source(&BY, id, &new).expect("makes one");
        let set = |settings| {
            let to = SourceChange { settings: Some(settings), ..SourceChange::default() };
            bed.store.update_source(&BY, id, &source.id, &to).map(drop)
        };
        set(nested(32)).expect("fits");
        let make = |settings| {
            let new = NewDestination {
                source: source.id.clone(),
                catalog: "amplitude".to_owned(),
                name: None,
                enabled: false,
                settings,
            };
            bed.store.create_destination(&BY, id, &new).map(drop)
        };
        for told in [set(nested(33)), set(nested(120)), make(nested(33))] {
            let Err(ControlError::Invalid { field, what, .. }) = told else { panic!("{told:?}") };
            assert_eq!((field.as_str(), what.as_str()), ("settings.deep", "is nested too deep"));
        }
        // What was taken goes out and is read again.
        let exported = bed.store.view(|view| view.export_configuration(id, false)).expect("exports");
        let text = Value::Object(exported.document).to_string();
        serde_json::from_str::<Value>(&text).expect("is read again");
    });
}
