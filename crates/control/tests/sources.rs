//! Sources and write keys, and the snapshot that they make.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{ControlError, NewSource, SourceChange};
use domicile_region::PointName;
use domicile_workspace::{RateLimit, Source, SourceKind};

fn told(source: &Source) -> String {
    let keys: Vec<_> = source.write_keys.iter().map(|key| key.enabled).collect();
    format!(
        "{} {} {} {} {} {} {:?} {keys:?}",
        source.number.0,
        source.slug,
        source.name,
        source.kind.as_str(),
        source.enabled,
        source.ingestion_region,
        source.rate_limit.map(|limit| (limit.per_second, limit.burst)),
    )
}

#[test]
fn a_snapshot_is_what_was_written_also_after_a_restart() {
    each(|bed| {
        let web = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
        let all = NewSource {
            name: Some("Ünïcode <b>".to_owned()),
            kind: SourceKind::Server,
            enabled: false,
            ingestion_region: Some(PointName::new("geneva")),
            strict: true,
            rate_limit: Some(RateLimit { per_second: 10, burst: 20 }),
            ..new_source("all")
        };
        bed.store.create_source(&BY, &bed.workspace.id, &all).expect("makes the other");
        bed.store.add_write_key(&BY, &bed.workspace.id, &web.id).expect("adds a key");
        let first_key = &web.write_keys[0].key;
        bed.store.enable_write_key(&BY, &bed.workspace.id, &web.id, first_key, false).expect("switches one off");

        let shown = |bed: &Bed| {
            let snapshot = bed.store.current().load();
            let mut sources: Vec<_> = snapshot.sources.values().map(|source| told(source)).collect();
            sources.sort();
            (snapshot.version, sources)
        };
        let before = shown(&bed);
        assert_eq!(
            before.1,
            [
                "1 web web website true zurich None [false, true]",
                "2 all Ünïcode <b> server false geneva Some((10, 20)) [true]",
            ]
        );
        let snapshot = bed.store.current().load();
        assert!(!snapshot.source_of_key(first_key).expect("is known").1);
        let second_key = &snapshot.source(&web.id).expect("is there").write_keys[1].key;
        assert!(snapshot.source_of_key(second_key).expect("is known").1);
        assert_eq!(shown(&bed.reopen()), before);
    });
}

#[test]
fn each_change_counts_once_and_one_that_changes_nothing_does_not() {
    each(|bed| {
        let mut versions = bed.store.current().versions();
        let version = |bed: &Bed| bed.store.current().load().version.0;
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
        let start = version(&bed);
        assert!(versions.has_changed().expect("is open"));
        versions.mark_unchanged();
        let same = SourceChange { enabled: Some(true), name: Some(" web ".to_owned()), ..SourceChange::default() };
        bed.store.update_source(&BY, &bed.workspace.id, &source.id, &same).expect("changes nothing");
        assert_eq!(version(&bed), start);
        assert!(!versions.has_changed().expect("is open"));
        let off = SourceChange { enabled: Some(false), ..SourceChange::default() };
        bed.store.update_source(&BY, &bed.workspace.id, &source.id, &off).expect("switches it off");
        assert_eq!(version(&bed), start + 1);
        assert_eq!(
            bed.store.audit(&bed.workspace.id, 0, 9).expect("reads").pop().expect("one").kind,
            "Source Disabled"
        );
    });
}

#[test]
fn what_can_not_be_is_refused_by_field_and_leaves_nothing() {
    each(|bed| {
        bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
        let version = bed.store.current().load().version;
        let point = |name: &str| Some(PointName::new(name));
        let rate = |per_second, burst| Some(RateLimit { per_second, burst });
        let named = |name: &str| Some(name.to_owned());
        let cases = [
            ("slug", NewSource { slug: "Web Site".to_owned(), ..new_source("x") }),
            ("name", NewSource { name: named(""), ..new_source("x") }),
            ("name", NewSource { name: named("a\u{202E}b"), ..new_source("x") }),
            ("ingestionRegion", NewSource { ingestion_region: point("dublin"), ..new_source("x") }),
            ("ingestionRegion", NewSource { ingestion_region: point(""), ..new_source("x") }),
            ("rateLimit", NewSource { rate_limit: rate(0, 1), ..new_source("x") }),
            ("rateLimit", NewSource { rate_limit: rate(1, u32::MAX), ..new_source("x") }),
        ];
        for (field, new) in cases {
            match bed.store.create_source(&BY, &bed.workspace.id, &new) {
                Err(ControlError::Invalid { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        let taken = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web"));
        assert!(matches!(taken, Err(ControlError::Conflict { .. })));
        assert_eq!(bed.store.current().load().version, version);
        assert_eq!(bed.store.audit(&bed.workspace.id, 0, 99).expect("reads").len(), 2);
    });
}

#[test]
fn a_deleted_source_leaves_its_number_and_keys_to_nobody() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
        bed.store.delete_source(&BY, &bed.workspace.id, &source.id).expect("deletes it");
        assert!(bed.store.current().load().source_of_key(&source.write_keys[0].key).is_none());
        let next = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("the slug is free again");
        assert!(next.number > source.number);
        let names = bed.store.source_names(&bed.workspace.id).expect("reads");
        let told: Vec<_> = names.iter().map(|name| (name.number, name.deleted)).collect();
        assert_eq!(told, [(source.number, true), (next.number, false)]);
        let again = bed.store.delete_source(&BY, &bed.workspace.id, &source.id);
        assert!(matches!(again, Err(ControlError::NotFound(_))));
    });
}

#[test]
fn write_keys_rotate_without_a_moment_without_one() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
        let old = source.write_keys[0].key.clone();
        let last = bed.store.delete_write_key(&BY, &bed.workspace.id, &source.id, &old);
        assert!(matches!(last, Err(ControlError::Conflict { .. })));
        let both = bed.store.add_write_key(&BY, &bed.workspace.id, &source.id).expect("adds one");
        assert_eq!(both.write_keys[0].key, old, "the new key stands last");
        bed.store.delete_write_key(&BY, &bed.workspace.id, &source.id, &old).expect("deletes the old one");
        let snapshot = bed.store.current().load();
        assert!(snapshot.source_of_key(&old).is_none());
        assert!(snapshot.source_of_key(&both.write_keys[1].key).is_some());
        let unknown = bed.store.delete_write_key(&BY, &bed.workspace.id, &source.id, &old);
        assert!(matches!(unknown, Err(ControlError::NotFound(_))));
        for entry in bed.store.audit(&bed.workspace.id, 0, 99).expect("reads") {
            assert!(!format!("{entry:?}").contains(&old), "the trail holds a whole key");
        }
    });
}

#[test]
fn changes_of_different_things_at_the_same_time_all_hold() {
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes one");
        let start = bed.store.current().load().version.0;
        let (store, workspace, id) = (&bed.store, &bed.workspace.id, &source.id);
        std::thread::scope(|scope| {
            for n in 0..8_u32 {
                scope.spawn(move || {
                    let change = match n % 4 {
                        0 => SourceChange { name: Some(format!("name {n}")), ..SourceChange::default() },
                        1 => SourceChange { strict: Some(true), ..SourceChange::default() },
                        2 => {
                            SourceChange { ingestion_region: Some(PointName::new("geneva")), ..SourceChange::default() }
                        }
                        _ => SourceChange {
                            rate_limit: Some(Some(RateLimit { per_second: 5, burst: 5 })),
                            ..SourceChange::default()
                        },
                    };
                    store.update_source(&BY, workspace, id, &change).expect("changes it");
                    store.add_write_key(&BY, workspace, id).expect("adds a key");
                });
            }
        });
        let snapshot = bed.store.current().load();
        let source = snapshot.source(id).expect("is there");
        assert!(source.strict && source.name.starts_with("name "));
        assert_eq!((source.ingestion_region.as_str(), source.rate_limit.is_some()), ("geneva", true));
        assert_eq!(source.write_keys.len(), 9);
        // Two names were set one after the other; of the other three things, the second change found it done.
        assert_eq!(snapshot.version.0, start + 8 + 5);
    });
}

#[test]
fn an_ingest_point_that_the_topology_has_lost_gives_way_to_the_first() {
    each(|bed| {
        let new = NewSource { ingestion_region: Some(PointName::new("geneva")), ..new_source("web") };
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new).expect("makes one");
        bed.home.shell("UPDATE sources SET ingestion_region = 'basel'").expect("as if basel had been a point");
        let bed = bed.reopen();
        assert_eq!(
            bed.store.current().load().source(&source.id).expect("is there").ingestion_region.as_str(),
            "zurich"
        );
    });
}
