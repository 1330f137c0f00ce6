//! Filters on their way into the configuration's snapshot, on each engine.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{ControlError, Filter, FilterAction, NewDestination, Resource};
use domicile_workspace::{Destination, DestinationId};
use serde_json::json;
use std::sync::Arc;

fn filter(condition: &str, enabled: bool) -> Filter {
    let drop = FilterAction { kind: "DROP".to_owned(), fields: None, percent: None, path: None };
    let (title, condition) = ("No drafts".to_owned(), condition.to_owned());
    Filter { title, description: None, condition, actions: vec![drop], enabled }
}

fn destination(bed: &Bed) -> Arc<Destination> {
    let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
    let settings = json!({ "url": "https://a.example/x" }).as_object().cloned().unwrap_or_default();
    let new = NewDestination {
        source: source.id.clone(),
        catalog: "webhook".to_owned(),
        name: None,
        enabled: true,
        settings,
    };
    bed.store.create_destination(&BY, &bed.workspace.id, &new).expect("makes a destination")
}

/// The conditions of a destination's filters, as the snapshot has them.
fn in_force(bed: &Bed, id: &DestinationId) -> Vec<String> {
    let snapshot = bed.store.current().load();
    snapshot.destination(id).expect("a destination").filters.iter().map(|f| f.condition().to_string()).collect()
}

#[test]
fn filters_that_are_switched_on_are_in_the_snapshot_as_soon_as_they_are_made() {
    each(|bed| {
        let (workspace, destination) = (&bed.workspace.id, destination(&bed));
        let create = |f: Filter| bed.store.change(&BY, |change| change.create_filter(workspace, &destination.id, f));
        let first = create(filter("event = 'Draft'", true)).expect("makes a filter");
        create(filter("event = 'Other'", false)).expect("makes a filter");
        create(filter("type = 'page'", true)).expect("makes a filter");
        assert_eq!(
            in_force(&bed, &destination.id),
            ["event = \"Draft\"", "type = \"page\""].map(|c| c.replace('"', "'"))
        );

        let switch = |enabled| {
            bed.store.change(&BY, |change| {
                change.update_thing(workspace, &first.id, None, |f: &mut Filter| {
                    f.enabled = enabled;
                    Ok(())
                })
            })
        };
        switch(false).expect("changes");
        assert_eq!(in_force(&bed, &destination.id).len(), 1);
        let before = bed.store.current().load().destination(&destination.id).expect("there").name.clone();
        switch(true).expect("changes");
        let bed = bed.reopen();
        assert_eq!(in_force(&bed, &destination.id).len(), 2, "a restart reads them too");
        assert_eq!(bed.store.current().load().destination(&destination.id).expect("there").name, before);

        let delete = |change: &mut domicile_control::Change<'_>| {
            change.delete_thing::<Filter>(&bed.workspace.id, &first.id, None)
        };
        bed.store.change(&BY, delete).expect("deletes");
        assert_eq!(in_force(&bed, &destination.id).len(), 1);
        bed.store.delete_destination(&BY, &bed.workspace.id, &destination.id).expect("deletes");
        let left = bed.store.view(|view| view.all_things::<Filter>(&bed.workspace.id, None));
        assert_eq!(left.expect("reads").len(), 0, "they go with their destination");
    });
}

#[test]
fn a_filter_that_can_not_be_read_any_more_leaves_nothing_through() {
    let bed = Bed::sqlite();
    let (workspace, destination) = (&bed.workspace.id, destination(&bed));
    let create = |f: Filter| bed.store.change(&BY, |change| change.create_filter(workspace, &destination.id, f));
    create(filter("event = 'Draft'", true)).expect("makes a filter");
    let shell = rusqlite::Connection::open(bed.home.path()).expect("opens the file");
    for broken in [r#"{"title":"t","if":"event = ","actions":[{"type":"DROP"}],"enabled":true}"#, "{}", "no JSON"] {
        shell.execute("UPDATE things SET body = ?1 WHERE kind = 'filter'", [broken]).expect("breaks it");
        let again = bed.home.open().expect("opens");
        let snapshot = again.current().load();
        let filters = &snapshot.destination(&destination.id).expect("a destination").filters;
        let outcome = domicile_event::filter::apply(filters.iter(), br#"{"type":"track","event":"Order"}"#);
        assert!(matches!(outcome, domicile_event::filter::Outcome::Dropped { .. }), "{broken}");
    }
}

#[test]
fn a_filter_belongs_to_one_destination_of_one_workspace() {
    each(|bed| {
        let (workspace, destination) = (&bed.workspace.id, destination(&bed));
        let made =
            bed.store.change(&BY, |change| change.create_filter(workspace, &destination.id, filter("all", true)));
        let made = made.expect("makes a filter");
        let stranger = bed.store.create_workspace(&BY, "stranger", "Stranger").expect("makes a workspace");
        let nobody = DestinationId::new("0123456789abcdef01234567");
        let is_missing = |workspace, destination: &DestinationId| {
            let found = bed.store.view(|view| view.filter(workspace, destination, &made.id));
            matches!(found, Err(ControlError::NotFound(Resource::Filter | Resource::Destination)))
        };
        assert!(is_missing(&stranger.id, &destination.id) && is_missing(workspace, &nobody));
        assert!(!is_missing(workspace, &destination.id));
        let refused =
            bed.store.change(&BY, |change| change.create_filter(&stranger.id, &destination.id, filter("all", true)));
        assert!(matches!(refused, Err(ControlError::NotFound(Resource::Destination))));
    });
}
