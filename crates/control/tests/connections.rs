//! Labels, and warehouses with what they are connected to: the rules that take more than one row.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{
    AuditFilter, Change, ControlError, Grant, Grants, Held, Label, LabelValue, NewWarehouse, Page, PlanKind, Role,
    SyncSelection, TrackingPlan, Warehouse, WarehouseChange,
};
use domicile_workspace::SourceId;
use serde_json::{Value, json};

fn label(key: &str, value: &str) -> LabelValue {
    LabelValue { key: key.to_owned(), value: value.to_owned() }
}

fn source(bed: &Bed, slug: &str) -> SourceId {
    bed.store.create_source(&BY, &bed.workspace.id, &new_source(slug)).expect("makes a source").id.clone()
}

fn new_warehouse() -> NewWarehouse {
    let settings = json!({"hostname": "db.example", "port": 5432, "database": "d", "username": "u",
                          "password": "geheim", "country": "CH"});
    let Value::Object(settings) = settings else { unreachable!("an object") };
    NewWarehouse { catalog: "postgres".to_owned(), name: None, enabled: true, settings }
}

fn warehouse(bed: &Bed, connect_sources: bool) -> String {
    let made = bed.store.change(&BY, |change| {
        let made = change.create_warehouse(&bed.workspace.id, &new_warehouse())?;
        if connect_sources {
            change.connect_all_sources(&bed.workspace.id, &made, &Grants::owner())?;
        }
        Ok(made)
    });
    made.map(|made| made.id).unwrap_or_else(|error: ControlError| panic!("{error}"))
}

fn sources_of(bed: &Bed, warehouse: &str) -> Vec<String> {
    bed.store.view(|view| view.sources_of_warehouse(&bed.workspace.id, warehouse)).expect("reads")
}

#[test]
fn labels_are_one_look_up_and_can_not_go_while_something_uses_them() {
    each(|bed| {
        let (web, workspace) = (source(&bed, "web"), &bed.workspace.id);
        let new = Label { key: "team".to_owned(), value: "growth".to_owned(), description: None };
        bed.store.change(&BY, |change| change.create_label(workspace, new)).map(drop).expect("makes a label");
        let team = label("team", "growth");
        let wanted = [team.clone(), label("environment", "dev")];
        bed.store.change(&BY, |change| change.add_labels(workspace, &web, &wanted)).map(drop).expect("labels");
        let of = |id: &str| bed.store.view(|view| view.labels_of(workspace, id)).expect("reads");
        assert_eq!(of(web.as_str()), [label("environment", "dev"), team.clone()]);
        assert_eq!(of("nobody"), []);
        let delete = || bed.store.change(&BY, |change| change.delete_label(workspace, &team));
        assert!(matches!(delete(), Err(ControlError::Conflict { .. })), "a source carries it");
        bed.store.delete_source(&BY, workspace, &web).expect("deletes");
        assert_eq!(of(web.as_str()), [], "a deleted source carries nothing");
        delete().expect("nothing uses it");
        assert!(matches!(delete(), Err(ControlError::NotFound(_))));
    });
}

#[test]
fn a_warehouse_begins_with_all_sources_or_none_and_a_source_with_all_warehouses() {
    each(|bed| {
        let (web, workspace) = (source(&bed, "web"), &bed.workspace.id);
        let (all, none) = (warehouse(&bed, true), warehouse(&bed, false));
        assert_eq!((sources_of(&bed, &all), sources_of(&bed, &none)), (vec![web.to_string()], vec![]));
        let new = new_source("server");
        let server = bed.store.change(&BY, |change| {
            let made = change.create_source(workspace, &new)?;
            change.connect_all_warehouses(workspace, &made, &Grants::owner())?;
            Ok::<_, ControlError>(made.id)
        });
        let server = server.expect("makes a source");
        assert_eq!(sources_of(&bed, &none), [server.to_string()]);
        bed.store.change(&BY, |change| change.disconnect_warehouse(workspace, &all, &web)).expect("disconnects");
        let again = bed.store.change(&BY, |change| change.disconnect_warehouse(workspace, &all, &web));
        assert!(matches!(again, Err(ControlError::NotFound(_))));
        bed.store.change(&BY, |change| change.connect_warehouse(workspace, &all, &web)).expect("connects again");
        assert_eq!(sources_of(&bed, &all).len(), 2);
        bed.store.delete_source(&BY, workspace, &web).expect("deletes");
        assert_eq!(sources_of(&bed, &all), [server.to_string()]);
        let of_server = || bed.store.view(|view| view.warehouses_of_source(workspace, &server)).expect("reads");
        assert_eq!(of_server(), [all.clone(), none.clone()]);
        bed.store.change(&BY, |change| change.delete_thing::<Warehouse>(workspace, &all, None)).expect("deletes");
        assert_eq!(of_server(), [none]);
    });
}

#[test]
fn what_is_synced_of_a_source_is_kept_and_forgotten_with_the_connection() {
    each(|bed| {
        let (web, workspace) = (source(&bed, "web"), &bed.workspace.id);
        let id = warehouse(&bed, true);
        let mut selection = SyncSelection::default();
        selection.switch(Some("users"), Some("email"), false);
        let select = || bed.store.change(&BY, |change| change.select_syncs(workspace, &id, web.as_str(), &selection));
        assert!(select().expect("selects"));
        let before = bed.version();
        assert!(!select().expect("selects the same"));
        assert_eq!(bed.version(), before);
        let bed_selected = || bed.store.view(|view| view.selected_syncs(workspace, &id, web.as_str()));
        assert_eq!(bed_selected().expect("reads"), selection);
        bed.store.change(&BY, |change| change.disconnect_warehouse(workspace, &id, &web)).expect("disconnects");
        assert!(matches!(bed_selected(), Err(ControlError::NotFound(_))));
        bed.store.change(&BY, |change| change.connect_warehouse(workspace, &id, &web)).expect("connects");
        assert_eq!(bed_selected().expect("reads"), SyncSelection::default());
    });
}

#[test]
fn the_trail_and_the_body_hold_no_password() {
    let bed = Bed::sqlite();
    let id = warehouse(&bed, true);
    let kept = bed.store.view(|view| view.thing::<Warehouse>(&bed.workspace.id, &id)).map_err(|e| e.to_string());
    assert_eq!(kept.map(|kept| kept.value.secrets["password"].clone()), Ok(json!("geheim")));
    let filter = AuditFilter { resource_id: Some(id.clone()), ..Default::default() };
    let trail = bed.store.view(|view| view.audit(&bed.workspace.id, &filter, &Page::last(10))).expect("reads");
    let entry = trail.rows.first().expect("an entry");
    assert_eq!(entry.kind, "Storage Destination Created");
    let after = entry.after.clone().unwrap_or_default();
    assert_eq!(after["secrets"], json!(["password"]));
    assert!(!after.to_string().contains("geheim"));
}

#[test]
fn a_label_that_a_role_is_held_for_stays() {
    each(|bed| {
        let workspace = &bed.workspace.id;
        let new = Label { key: "team".to_owned(), value: "growth".to_owned(), description: None };
        bed.store.change(&BY, |change| change.create_label(workspace, new)).map(drop).expect("makes a label");
        let labels = vec![label("team", "growth")];
        let grants =
            domicile_control::Grants(vec![Grant { role: Role::SourceAdmin, held: vec![Held::Labels { labels }] }]);
        let mut token = domicile_control::NewToken::new("ci");
        token.grants = grants;
        bed.store
            .change(&BY, |change| change.create_token(workspace, &token, &domicile_control::Grants::owner()))
            .map(drop)
            .expect("makes a token");
        let refused = bed.store.change(&BY, |change| change.delete_label(workspace, &label("team", "growth")));
        let Err(ControlError::Conflict { what, .. }) = refused else { panic!("it is in use") };
        assert!(what.contains("a role is held for it"), "{what}");
    });
}

#[test]
fn what_is_connected_on_making_is_what_both_roles_reach_and_is_on_the_trail_once() {
    each(|bed| {
        let workspace = &bed.workspace.id;
        let (web, server) = (source(&bed, "web"), source(&bed, "server"));
        let one = |role, id: &str| Grants(vec![Grant { role, held: vec![Held::One { id: id.to_owned() }] }]);
        let make = |grants: &Grants| {
            let make = |change: &mut Change<'_>| {
                let made = change.create_warehouse(workspace, &new_warehouse())?;
                change.connect_all_sources(workspace, &made, grants)?;
                Ok::<_, ControlError>(made.id)
            };
            bed.store.change(&BY, make).expect("makes a warehouse")
        };
        let trail = |id: &str| {
            let filter = AuditFilter { resource_id: Some(id.to_owned()), ..AuditFilter::default() };
            let rows = bed.store.view(|view| view.audit(workspace, &filter, &Page::first(99))).expect("reads").rows;
            rows.into_iter().skip(1).map(|entry| entry.after.unwrap_or_default()).collect::<Vec<_>>()
        };
        let all = make(&Grants::owner());
        assert_eq!(sources_of(&bed, &all), [web.to_string(), server.to_string()]);
        assert_eq!(trail(&all), [json!({ "connected": 2, "connectedSources": [web.as_str(), server.as_str()] })]);
        let some = make(&one(Role::SourceAdmin, web.as_str()));
        assert_eq!(sources_of(&bed, &some), [web.to_string()]);
        assert_eq!(trail(&some), [json!({ "connected": 1, "connectedSources": [web.as_str()] })]);
        let none = make(&one(Role::SourceReadOnly, web.as_str()));
        assert_eq!(sources_of(&bed, &none), [""; 0], "who may only read a source connects nothing to it");
        assert_eq!(trail(&none), [json!(null); 0]);

        let make = |slug: &str, grants: &Grants| {
            let make = |change: &mut Change<'_>| {
                let made = change.create_source(workspace, &new_source(slug))?;
                change.connect_all_warehouses(workspace, &made, grants)?;
                Ok::<_, ControlError>(made.id)
            };
            let id = bed.store.change(&BY, make).expect("makes a source");
            let of = bed.store.view(|view| view.warehouses_of_source(workspace, &id)).expect("reads");
            (of, trail(id.as_str()))
        };
        let connected = |ids: &[&String]| vec![json!({ "connectedWarehouses": ids })];
        assert_eq!(make("a", &one(Role::WarehouseAdmin, &some)), (vec![some.clone()], connected(&[&some])));
        assert_eq!(make("b", &Grants(vec![Grant::whole(Role::SourceAdmin)])), (vec![], vec![]));
        let (of, told) = make("c", &Grants(vec![Grant::whole(Role::WarehouseAdmin)]));
        assert_eq!((of.len(), told), (3, connected(&[&all, &some, &none])));
    });
}

#[test]
fn a_password_is_kept_for_the_server_and_the_user_that_it_was_given_for() {
    each(|bed| {
        let id = warehouse(&bed, false);
        let change = |settings: Value| {
            let to = WarehouseChange { settings: settings.as_object().cloned(), ..WarehouseChange::default() };
            match bed.store.change(&BY, |change| change.update_warehouse(&bed.workspace.id, &id, None, &to)) {
                Ok(kept) => Ok(kept.value.secrets["password"].clone()),
                Err(ControlError::Invalid { field, .. }) => Err(field),
                Err(error) => panic!("{error}"),
            }
        };
        for moved in [json!({"hostname": "evil.example"}), json!({"port": 5433}), json!({"username": "v"})] {
            assert_eq!(change(moved.clone()), Err("settings.password".to_owned()), "{moved}");
        }
        let same = json!({"hostname": "db.example", "port": 5432, "username": "u", "database": "e", "country": "DE"});
        assert_eq!(change(same), Ok(json!("geheim")));
        assert_eq!(change(json!({"hostname": "new.example", "password": "neu"})), Ok(json!("neu")));
        assert_eq!(change(json!({"hostname": "db.example", "password": null})), Err("settings.password".to_owned()));
    });
}

#[test]
fn a_source_has_a_new_version_when_what_it_shows_of_its_labels_or_plan_changes() {
    each(|bed| {
        let (web, workspace) = (source(&bed, "web"), &bed.workspace.id);
        // `a:b` stands before `a-c:b` by the word, and after it as the database compares the two.
        for key in ["a", "a-c"] {
            let new = Label { key: key.to_owned(), value: "b".to_owned(), description: None };
            bed.store.change(&BY, |change| change.create_label(workspace, new)).map(drop).expect("makes a label");
        }
        let plan = TrackingPlan { name: "Web".to_owned(), description: None, kind: PlanKind::Live, revision: 0 };
        let plan =
            bed.store.change(&BY, |change| change.create_tracking_plan(workspace, plan)).expect("makes a plan").id;
        let version = || bed.store.view(|view| view.source(workspace, &web)).expect("reads").version;
        let (ab, acb) = (label("a", "b"), label("a-c", "b"));
        let set = |labels: &[LabelValue]| {
            bed.store.change(&BY, |change| change.set_labels(workspace, &web, labels)).map(drop).expect("labels");
        };
        let link = |is_on: bool| {
            let change = |change: &mut Change<'_>| match is_on {
                true => change.connect_tracking_plan(workspace, &plan, &web),
                false => change.disconnect_tracking_plan(workspace, &plan, &web),
            };
            bed.store.change::<_, ControlError>(&BY, change).expect("links");
        };
        let delete_plan = || {
            bed.store.change(&BY, |change| change.delete_tracking_plan(workspace, &plan, None)).expect("deletes");
        };
        let steps: [(&str, &dyn Fn(), bool); 9] = [
            ("labels", &|| set(&[acb.clone(), ab.clone()]), true),
            ("the same labels", &|| set(&[acb.clone(), ab.clone()]), false),
            ("in another order", &|| set(&[ab.clone(), acb.clone()]), false),
            ("other labels", &|| set(std::slice::from_ref(&ab)), true),
            ("a plan", &|| link(true), true),
            ("the same plan", &|| link(true), false),
            ("no plan", &|| link(false), true),
            ("a plan again", &|| link(true), true),
            ("the plan goes", &delete_plan, true),
        ];
        for (name, step, moves) in steps {
            let (before, whole) = (version(), bed.version());
            step();
            assert_eq!(version() > before, moves, "{name}");
            assert_eq!(bed.version() > whole, moves, "{name}");
        }
    });
}
