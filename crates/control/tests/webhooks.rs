//! Destinations and their secrets.

use crate::bed::{BY, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{Change, ControlError, DestinationChange, NewDestination};
use domicile_workspace::{Destination, DestinationId, DestinationKind, SourceId, WebhookSettings};
use serde_json::{Value, json};

fn new(source: &SourceId, settings: Value) -> NewDestination {
    NewDestination {
        source: source.clone(),
        catalog: "webhook".to_owned(),
        name: None,
        enabled: true,
        settings: settings.as_object().cloned().expect("an object"),
    }
}

fn settings(destination: &Destination) -> &WebhookSettings {
    let DestinationKind::Webhook(settings) = &destination.kind;
    settings
}

#[test]
fn a_secret_reaches_the_snapshot_and_lies_sealed_in_the_file() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
        let given = json!({"url": "https://a.example/hook", "country": "CH", "sharedSecret": "correct-horse"});
        let made = bed.store.create_destination(&BY, &bed.workspace.id, &new(&source.id, given)).expect("makes one");
        assert_eq!(settings(&made).shared_secret.as_deref(), Some("correct-horse"));
        assert_eq!(made.id.as_str().len(), 24);

        let bed = bed.reopen();
        let snapshot = bed.store.current().load();
        assert_eq!(settings(snapshot.destination(&made.id).expect("is there")), settings(&made));
        for entry in bed.store.audit(&bed.workspace.id, 0, 99).expect("reads") {
            assert!(!format!("{entry:?}").contains("correct-horse"));
        }
    });
}

#[test]
fn a_destination_that_is_given_no_name_has_the_catalogs() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
        let given = json!({"url": "https://a.example/hook"});
        let made = bed.store.create_destination(&BY, &bed.workspace.id, &new(&source.id, given)).expect("makes one");
        let name = |name: Option<&str>| {
            let to = DestinationChange { name: Some(name.map(str::to_owned)), ..Default::default() };
            let change = |change: &mut Change<'_>| change.update_destination(&bed.workspace.id, &made.id, None, &to);
            bed.store.change::<_, ControlError>(&BY, change).expect("renames it").name
        };
        let first = bed.store.view(|view| view.destination(&bed.workspace.id, &made.id)).expect("reads").name;
        assert_eq!(name(Some("Mine")), "Mine");
        assert_eq!(name(None), first);
    });
}

#[test]
fn changing_one_setting_leaves_the_secret_and_null_takes_it_away() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
        let given = json!({"url": "https://a.example/hook", "sharedSecret": "s"});
        let made = bed.store.create_destination(&BY, &bed.workspace.id, &new(&source.id, given)).expect("makes one");
        let change =
            |settings: Value| DestinationChange { settings: settings.as_object().cloned(), ..Default::default() };
        let update = |to: &DestinationChange| bed.store.update_destination(&BY, &bed.workspace.id, &made.id, to);

        let moved = update(&change(json!({"url": "https://b.example/hook", "country": "CH"}))).expect("changes it");
        assert_eq!(
            (settings(&moved).url.as_str(), settings(&moved).shared_secret.as_deref()),
            ("https://b.example/hook", Some("s"))
        );
        let open = update(&change(json!({"sharedSecret": null}))).expect("changes it");
        assert_eq!(settings(&open).shared_secret, None);
        for bad in
            [json!({"url": null}), json!({"url": "ftp://x"}), json!({"region": "us-west"}), json!({"country": "xx"})]
        {
            assert!(matches!(update(&change(bad)), Err(ControlError::Invalid { .. })));
        }
        let off = update(&DestinationChange { enabled: Some(false), ..Default::default() }).expect("switches it off");
        assert!(!off.enabled && settings(&off).url == "https://b.example/hook");
    });
}

#[test]
fn a_destination_goes_with_its_source_and_is_found_only_in_its_workspace() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes another");
        let given = json!({"url": "https://a.example/hook", "sharedSecret": "s"});
        let theirs = bed.store.create_destination(&BY, &other.id, &new(&source.id, given.clone()));
        assert!(matches!(theirs, Err(ControlError::NotFound(_))), "no destination of a foreign source");
        let made = bed.store.create_destination(&BY, &bed.workspace.id, &new(&source.id, given)).expect("makes one");
        assert!(matches!(bed.store.delete_destination(&BY, &other.id, &made.id), Err(ControlError::NotFound(_))));

        bed.store.delete_source(&BY, &bed.workspace.id, &source.id).expect("deletes the source");
        assert!(bed.store.current().load().destinations.is_empty());
        let gone = bed.store.delete_destination(&BY, &bed.workspace.id, &made.id);
        assert!(matches!(gone, Err(ControlError::NotFound(_))));
        let sealed = bed.home.shell("SELECT count(*) FROM destinations WHERE sealed IS NOT NULL").expect("counts");
        assert_eq!(sealed, ["0"], "a deleted destination's secrets are destroyed");
        let unknown = bed.store.delete_destination(&BY, &bed.workspace.id, &DestinationId::new("x"));
        assert!(matches!(unknown, Err(ControlError::NotFound(_))));
    });
}

#[test]
fn a_kind_that_is_not_in_the_catalog_or_has_no_connector_yet_is_not_switched_on() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
        for (kind, enabled, refused) in
            [("no-such", false, Some("metadataId")), ("amplitude", true, Some("enabled")), ("amplitude", false, None)]
        {
            let other =
                NewDestination { catalog: kind.to_owned(), enabled, ..new(&source.id, json!({"apiKey": "s3cret"})) };
            let made = bed.store.change(&BY, |change| change.create_destination(&bed.workspace.id, &other));
            match (made, refused) {
                (Err(ControlError::Invalid { field, .. }), Some(refused)) => assert_eq!(field, refused, "{kind}"),
                (Ok(made), None) => assert!(!made.enabled && made.secrets == ["apiKey"], "{made:?}"),
                (other, _) => panic!("{kind}: {other:?}"),
            }
        }
        assert!(bed.store.current().load().destinations.is_empty(), "the pipeline has nothing to send there");
    });
}
