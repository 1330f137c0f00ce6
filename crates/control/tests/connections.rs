//! Labels, and warehouses with what they are connected to: the rules that take more than one row.

use crate::bed::{BY, Bed, each, new_source};
use domicile_control::{
    ControlError, Grant, Held, Label, LabelValue, NewWarehouse, Page, Role, SyncSelection, Warehouse,
};
use domicile_workspace::SourceId;
use serde_json::{Value, json};

fn label(key: &str, value: &str) -> LabelValue {
    LabelValue { key: key.to_owned(), value: value.to_owned() }
}

fn source(bed: &Bed, slug: &str) -> SourceId {
    bed.store.create_source(&BY, &bed.workspace.id, &new_source(slug)).expect("makes a source").id.clone()
}

fn new_warehouse(connect_sources: bool) -> NewWarehouse {
    let settings = json!({"hostname": "db.example", "port": 5432, "database": "d", "username": "u",
                          "password": "geheim", "country": "CH"});
    let Value::Object(settings) = settings else { unreachable!("an object") };
    NewWarehouse { metadata_id: "postgres".to_owned(), name: None, enabled: true, settings, connect_sources }
}

fn warehouse(bed: &Bed, connect_sources: bool) -> String {
    let new = new_warehouse(connect_sources);
    let made = bed.store.change(&BY, |change| change.create_warehouse(&bed.workspace.id, &new));
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
            change.connect_all_warehouses(workspace, &made)?;
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
    let filter = domicile_control::AuditFilter { resource_id: Some(id.clone()), ..Default::default() };
    let trail = bed.store.view(|view| view.audit(&bed.workspace.id, &filter, &Page::last(10))).expect("reads");
    let entry = trail.rows.last().expect("an entry");
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
