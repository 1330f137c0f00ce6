//! Suppressed users: what the snapshot tells the pipeline, what the lists tell people, and what lies in the database.

use crate::bed::{BY, Bed, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{ControlError, Page, RegulationType};
use domicile_keys::{Keyring, UserHasher};
use domicile_workspace::{Source, SourceId, UserHash};
use domicile_world::World;

use RegulationType::{SuppressOnly, Unsuppress};

fn regulate(
    bed: &Bed,
    source: Option<&SourceId>,
    kind: RegulationType,
    users: &[&str],
) -> Result<String, ControlError> {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    Ok(bed.store.change(&BY, |change| change.regulate(&bed.workspace.id, source, kind, users))?.id)
}

fn source(bed: &Bed, slug: &str) -> Source {
    let made = bed.store.create_source(&BY, &bed.workspace.id, &new_source(slug)).expect("makes a source");
    (*made).clone()
}

/// Whether the pipeline would block an event of the user.
fn is_suppressed(bed: &Bed, source: &Source, user: &str) -> bool {
    let keys = Keyring::open(&World::real(), &bed.home.dir.path().join("cell/keys")).expect("keys");
    let hasher = UserHasher::new(&keys.cell_salt());
    let hash = UserHash(hasher.hash(source.workspace_number.0, user));
    bed.store.current().load().suppressed.has(source.workspace_number, source.number, hash)
}

fn listed(bed: &Bed) -> Vec<String> {
    let page = bed.store.view(|view| view.suppressions(&bed.workspace.id, &Page::first(10))).expect("reads");
    page.rows.into_iter().map(|user| format!("{} {}", user.user_id, user.source.is_some())).collect()
}

#[test]
fn the_snapshot_has_who_is_suppressed_as_soon_as_the_change_is_made_and_after_a_restart() {
    each(|bed| {
        let (web, server) = (source(&bed, "web"), source(&bed, "server"));
        regulate(&bed, None, SuppressOnly, &["anna", "béa", "anna"]).expect("suppresses");
        regulate(&bed, Some(&web.id), SuppressOnly, &["carl"]).expect("suppresses");
        let check = |bed: &Bed| {
            assert!(is_suppressed(bed, &web, "anna") && is_suppressed(bed, &server, "béa"));
            assert!(is_suppressed(bed, &web, "carl") && !is_suppressed(bed, &server, "carl"));
            assert!(!is_suppressed(bed, &web, "Anna"));
            let mut listed = listed(bed);
            listed.sort();
            assert_eq!(listed, ["anna false", "béa false", "carl true"]);
        };
        check(&bed);
        let bed = bed.reopen();
        check(&bed);
        regulate(&bed, None, Unsuppress, &["anna", "nobody"]).expect("lets go");
        assert!(!is_suppressed(&bed, &web, "anna"));
        let bed = bed.reopen();
        assert!(!is_suppressed(&bed, &web, "anna") && is_suppressed(&bed, &web, "béa"));
        regulate(&bed, None, SuppressOnly, &["anna", "béa"]).expect("suppresses again");
        assert!(is_suppressed(&bed, &web, "anna"));
        assert_eq!(listed(&bed).len(), 3);
    });
}

#[test]
fn a_source_can_not_let_go_whom_the_workspace_suppresses_and_nothing_of_the_try_stays() {
    each(|bed| {
        let web = source(&bed, "web");
        regulate(&bed, None, SuppressOnly, &["anna"]).expect("suppresses");
        regulate(&bed, Some(&web.id), SuppressOnly, &["anna", "béa"]).expect("suppresses");
        let before = bed.version();
        let refused = regulate(&bed, Some(&web.id), Unsuppress, &["béa", "anna"]);
        assert!(matches!(refused, Err(ControlError::Conflict { .. })));
        assert_eq!(bed.version(), before);
        assert!(is_suppressed(&bed, &web, "béa"));
        regulate(&bed, None, Unsuppress, &["anna"]).expect("lets go");
        assert!(is_suppressed(&bed, &web, "anna"), "the source's own list");
        regulate(&bed, Some(&web.id), Unsuppress, &["anna"]).expect("lets go");
        assert!(!is_suppressed(&bed, &web, "anna"));
    });
}

#[test]
fn five_thousand_users_are_one_change_and_their_regulation_is_found_again() {
    each(|bed| {
        let web = source(&bed, "web");
        let users: Vec<String> = (0..5_000).map(|n| format!("user-{n}")).collect();
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let before = bed.version();
        let id = regulate(&bed, None, SuppressOnly, &users).expect("suppresses");
        assert_eq!(bed.version(), before + 1);
        assert!(is_suppressed(&bed, &web, "user-0") && is_suppressed(&bed, &web, "user-4999"));
        let kept = bed.store.view(|view| view.regulation(&bed.workspace.id, &id)).expect("found");
        assert_eq!((kept.value.count, kept.value.subjects.len()), (5_000, 5_000));
        regulate(&bed, None, Unsuppress, &users).expect("lets go");
        assert!(listed(&bed).is_empty());
        let page = |types: &[RegulationType]| {
            bed.store
                .view(|view| view.regulations(&bed.workspace.id, None, types, &Page::first(10)))
                .expect("reads")
                .total
        };
        assert_eq!((page(&[]), page(&[Unsuppress]), page(&[Unsuppress, SuppressOnly])), (2, 1, 2));
    });
}

#[test]
fn the_database_and_the_trail_hold_no_users_id() {
    let bed = Bed::sqlite();
    regulate(&bed, None, SuppressOnly, &["anna@example.com"]).expect("suppresses");
    regulate(&bed, None, Unsuppress, &["anna@example.com"]).expect("lets go");
    regulate(&bed, None, SuppressOnly, &["bea@example.com"]).expect("suppresses");
    for file in std::fs::read_dir(bed.home.dir.path().join("cell")).expect("a folder").flatten() {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!has(b"anna@") && !has(b"bea@"), "{}", file.path().display());
    }
}

#[test]
fn another_workspace_sees_and_suppresses_nothing_here() {
    each(|bed| {
        let web = source(&bed, "web");
        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes a workspace");
        let regulate = |source: Option<&SourceId>| {
            let users = vec!["anna".to_owned()];
            bed.store.change(&BY, |change| change.regulate(&other.id, source, SuppressOnly, users))
        };
        let id = regulate(None).map(|made| made.id).unwrap_or_else(|error| panic!("{error}"));
        assert!(!is_suppressed(&bed, &web, "anna") && listed(&bed).is_empty());
        assert!(matches!(regulate(Some(&web.id)), Err(ControlError::NotFound(_))));
        let found = bed.store.view(|view| view.regulation(&bed.workspace.id, &id));
        assert!(matches!(found, Err(ControlError::NotFound(_))));
    });
}
