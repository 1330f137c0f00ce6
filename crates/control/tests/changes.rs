//! Changes: whole or not at all, once, one after the other, and seen by every program on the store.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{Actor, ControlError, Once, SourceChange};
use domicile_workspace::SourceId;

fn renamed(name: &str) -> SourceChange {
    SourceChange { name: Some(name.to_owned()), ..SourceChange::default() }
}

#[test]
fn many_steps_are_one_change_and_one_that_fails_takes_all_with_it() {
    each(|bed| {
        let id = &bed.workspace.id;
        let before = bed.version();
        let made = bed.store.change(&BY, |change| {
            let source = change.create_source(id, &new_source("web"))?;
            change.add_write_key(id, &source.id)?;
            change.update_source(id, &source.id, None, &renamed("Website"))
        });
        let made = made.expect("makes them");
        assert_eq!((bed.version(), made.version), (before + 1, before + 1));
        assert_eq!(bed.store.current().load().source(&made.id).expect("is there").write_keys.len(), 2);

        let trail = bed.store.audit(id, 0, 99).expect("reads").len();
        let failed: Result<(), ControlError> = bed.store.change(&BY, |change| {
            change.create_source(id, &new_source("app"))?;
            change.delete_source(id, &made.id, None)?;
            change.create_source(id, &new_source("Not a slug")).map(drop)
        });
        assert!(matches!(failed, Err(ControlError::Invalid { .. })));
        assert_eq!(bed.version(), before + 1);
        assert_eq!(bed.store.audit(id, 0, 99).expect("reads").len(), trail);
        assert!(bed.reopen().store.current().load().source(&made.id).is_some());
    });
}

#[test]
fn a_panic_in_a_change_leaves_nothing_and_the_store_goes_on() {
    each(|bed| {
        let before = bed.version();
        let store = bed.store.clone();
        let workspace = bed.workspace.id.clone();
        let fell = std::thread::spawn(move || {
            store.change(&BY, |change| -> Result<(), ControlError> {
                change.create_source(&workspace, &new_source("web"))?;
                panic!("as a fault of the program would");
            })
        });
        assert!(fell.join().is_err());
        bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("the slug is free");
        assert_eq!(bed.version(), before + 1);
    });
}

#[test]
fn a_request_that_comes_again_gets_its_first_answer_and_is_not_made_again() {
    each(|bed| {
        let workspace = bed.workspace.id.clone();
        let ask = |bed: &Bed, by: &Actor, key: &str, request: u8| {
            let once = Once { key: key.to_owned(), request: [request; 32] };
            bed.store.change(by, |change| {
                change.once(&once, |change| {
                    let token = change.create_token(
                        &workspace,
                        &domicile_control::NewToken::new("ci"),
                        &domicile_control::Grants::owner(),
                    )?;
                    Ok::<_, ControlError>((201, token.token.into_bytes()))
                })
            })
        };
        let first = ask(&bed, &BY, "k1", 1).expect("is made");
        assert!(!first.replayed && first.status == 201);
        let version = bed.version();
        let bed = bed.reopen();
        let again = ask(&bed, &BY, "k1", 1).expect("is answered");
        assert!(again.replayed && again.status == 201 && again.body == first.body);
        assert_eq!(bed.version(), version, "nothing changed");

        assert!(matches!(ask(&bed, &BY, "k1", 2), Err(ControlError::KeyReused)));
        let other = Actor::User { id: "u1".to_owned(), name: "a@b.example".to_owned() };
        let theirs = ask(&bed, &other, "k1", 2).expect("a key is its actor's own");
        assert!(!theirs.replayed && theirs.body != first.body);

        // A day later the key is free, and the record of the day before is swept.
        let aged = "UPDATE idempotency SET at = at - 86400000 WHERE actor = 'operator'";
        bed.home.shell(aged).expect("as if a day had passed");
        assert!(!ask(&bed, &BY, "k2", 9).expect("is made").replayed);
        let left = bed.home.shell("SELECT key FROM idempotency ORDER BY key").expect("reads");
        assert_eq!(left, ["k1", "k2"], "only the other actor's k1 is left");
        assert!(!ask(&bed, &BY, "k1", 2).expect("is made").replayed);
    });
}

#[test]
fn the_same_request_from_many_hands_at_once_is_made_once() {
    each(|bed| {
        let beside = bed.home.open().expect("opens once more");
        let made: Vec<_> = std::thread::scope(|scope| {
            let asks: Vec<_> = (0..6)
                .map(|n| {
                    let (store, id) = (if n % 2 == 0 { &bed.store } else { &beside }, &bed.workspace.id);
                    scope.spawn(move || {
                        let once = Once { key: "k".to_owned(), request: [7; 32] };
                        store.change(&BY, |change| {
                            change.once(&once, |change| {
                                let source = change.create_source(id, &new_source("web"))?;
                                Ok::<_, ControlError>((201, source.id.to_string().into_bytes()))
                            })
                        })
                    })
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().expect("no panic").expect("is answered")).collect()
        });
        assert_eq!(made.iter().filter(|answer| !answer.replayed).count(), 1);
        assert!(made.iter().all(|answer| answer.body == made[0].body));
    });
}

#[test]
fn who_names_the_version_that_he_read_does_not_overwrite_a_later_one() {
    each(|bed| {
        let id = &bed.workspace.id;
        let source = bed.store.change(&BY, |change| change.create_source(id, &new_source("web"))).expect("makes one");
        let read = source.version;
        let update = |version, name: &str| {
            bed.store.change(&BY, |change| change.update_source(id, &source.id, version, &renamed(name)))
        };
        let first = update(Some(read), "first").expect("is the version that was read");
        assert!(first.version > read);
        match update(Some(read), "second") {
            Err(ControlError::Stale { version, .. }) => assert_eq!(version, first.version),
            other => panic!("{other:?}"),
        }
        let delete = bed.store.change(&BY, |change| change.delete_source(id, &source.id, Some(read)));
        assert!(matches!(delete, Err(ControlError::Stale { .. })));
        let same = update(Some(first.version), "first").expect("changes nothing");
        assert_eq!(same.version, first.version, "what changed nothing keeps its version");
        let keyed = bed.store.change(&BY, |change| change.add_write_key(id, &source.id)).expect("adds a key");
        assert!(keyed.version > first.version, "a source's keys are part of it");
        bed.store
            .change(&BY, |change| change.delete_source(id, &source.id, Some(keyed.version)))
            .expect("is the version that was read");
    });
}

#[test]
fn two_programs_on_one_store_change_it_one_after_the_other_and_see_each_other() {
    each(|bed| {
        let beside = bed.home.open().expect("opens once more");
        let id = &bed.workspace.id;
        let source = bed.store.create_source(&BY, id, &new_source("web")).expect("makes one").id.clone();
        assert!(beside.follow().expect("looks"));
        let start = bed.version();
        let work = |store: &domicile_control::Store, source: &SourceId| {
            for _ in 0..10 {
                store.add_write_key(&BY, id, source).expect("adds a key");
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| work(&bed.store, &source));
            scope.spawn(|| work(&beside, &source));
        });
        let mut versions = beside.current().versions();
        versions.mark_unchanged();
        for store in [&bed.store, &beside] {
            store.follow().expect("looks");
            let snapshot = store.current().load();
            assert_eq!(snapshot.version.0, start + 20);
            let found = snapshot.source(&source).expect("is there");
            assert_eq!(found.write_keys.len(), 21);
            assert!(found.write_keys.iter().all(|key| snapshot.source_of_key(&key.key).is_some()));
        }
        assert!(!beside.follow().expect("looks"), "there is nothing new");

        bed.store.delete_source(&BY, id, &source).expect("deletes it");
        assert!(beside.current().load().source(&source).is_some());
        assert!(beside.follow().expect("looks"));
        let snapshot = beside.current().load();
        assert!(snapshot.source(&source).is_none());
        assert_eq!(snapshot.version.0, bed.version());
        assert!(versions.has_changed().expect("is open"), "who waits for versions is told");
    });
}

#[test]
fn a_look_sees_one_state_while_the_store_changes() {
    each(|bed| {
        let id = &bed.workspace.id;
        bed.store
            .view(|view| {
                let before = view.version()?;
                bed.store.create_source(&BY, id, &new_source("web")).expect("a change goes beside a look");
                assert_eq!(view.version()?, before);
                assert!(view.source_names(id)?.is_empty());
                Ok::<_, ControlError>(())
            })
            .expect("reads");
        assert_eq!(bed.store.source_names(id).expect("reads").len(), 1);
    });
}

#[test]
fn a_lost_connection_takes_its_change_with_it_and_the_next_one_is_made() {
    each(|bed| {
        if bed.home.is_sqlite() {
            return;
        }
        let id = &bed.workspace.id;
        let kill = "SELECT pg_terminate_backend(pid) FROM (SELECT DISTINCT pid FROM pg_locks
                    WHERE relation = 'meta'::regclass AND pid <> pg_backend_pid()) AS holding";
        let before = bed.version();
        let lost: Result<(), ControlError> = bed.store.change(&BY, |change| {
            change.create_source(id, &new_source("web"))?;
            assert_eq!(bed.home.shell(kill).expect("kills it").len(), 1);
            change.create_source(id, &new_source("app")).map(drop)
        });
        match lost {
            Err(ControlError::Store(error)) => assert!(error.passes(), "{error}"),
            other => panic!("{other:?}"),
        }
        // Killed after its last statement: the commit is what fails.
        let lost: Result<(), ControlError> = bed.store.change(&BY, |change| {
            change.create_source(id, &new_source("web"))?;
            assert_eq!(bed.home.shell(kill).expect("kills it").len(), 1);
            Ok(())
        });
        assert!(matches!(&lost, Err(ControlError::Store(error)) if error.passes()), "{lost:?}");
        assert_eq!(bed.version(), before);
        bed.store.create_source(&BY, id, &new_source("web")).expect("a new connection is made");
        assert_eq!(bed.version(), before + 1);

        let lost: Result<_, ControlError> = bed.store.view(|view| {
            view.version()?;
            assert_eq!(bed.home.shell(kill).expect("kills it").len(), 1);
            view.source_names(id)
        });
        assert!(matches!(&lost, Err(ControlError::Store(error)) if error.passes()), "{lost:?}");
        assert_eq!(bed.store.source_names(id).expect("reads").len(), 1);
    });
}

#[test]
fn a_change_waits_for_the_one_that_is_under_way() {
    each(|bed| {
        let (beside, id) = (bed.home.open().expect("opens once more"), &bed.workspace.id);
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let beside = &beside;
            let waits = scope.spawn(move || {
                told.recv().expect("the first has begun");
                beside.create_source(&BY, id, &new_source("app")).expect("waits, then makes it").number
            });
            let made = bed.store.change(&BY, |change| {
                tell.send(()).expect("is heard");
                change.create_source(id, &new_source("web"))
            });
            assert_eq!(made.expect("makes the first").number, 1);
            assert_eq!(waits.join().expect("no panic").0, 2);
        });
    });
}
