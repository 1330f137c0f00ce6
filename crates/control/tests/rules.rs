//! Rules that hold whoever asks, also in SQL.

use crate::bed::{BY, Bed, new_source, open, path, shell};
use domicile_control::{ControlError, DemoSecrets, StoreError};
use domicile_workspace::{ConfigVersion, SourceId, WorkspaceId};

#[test]
fn a_store_of_another_region_is_refused_and_says_how_to_mend_it() {
    let bed = Bed::new();
    let Err(error) = open(&bed.dir, "us-west") else { panic!("opened") };
    assert!(matches!(&error, StoreError::OtherRegion { .. }));
    let text = error.to_string();
    for part in ["control.db", "`ch-north`", "`us-west`", "mend:"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(open(&bed.dir, "ch-north").is_ok(), "it is still the first region's");
}

#[test]
fn no_statement_moves_a_workspace_or_a_store_to_another_region() {
    let bed = Bed::new();
    let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
    let db = shell(&bed.dir);
    db.execute(
        "INSERT INTO workspaces (id, slug, name, region, created_at, updated_at)
                VALUES ('other', 'other', 'x', 'ch-north', 0, 0)",
        [],
    )
    .expect("a second workspace");
    for statement in [
        "UPDATE workspaces SET region = 'us-west'",
        "UPDATE workspaces SET region = 'us-west' WHERE slug = 'acme'",
        "UPDATE OR REPLACE workspaces SET region = 'us-west'",
        "INSERT INTO workspaces (id, slug, name, region, created_at, updated_at) VALUES ('x', 'x', 'x', 'us-west', 0, 0)",
        "INSERT OR REPLACE INTO workspaces SELECT number, id, slug, name, 'us-west', 0, 0 FROM workspaces",
        "UPDATE meta SET region = 'us-west'",
        "DELETE FROM meta",
        "INSERT OR REPLACE INTO meta (one, region, config_version) VALUES (1, 'us-west', 9)",
        "UPDATE meta SET config_version = 0",
        "UPDATE sources SET workspace = (SELECT number FROM workspaces WHERE slug = 'other')",
        "DELETE FROM sources",
    ] {
        assert!(db.execute(statement, []).is_err(), "{statement}");
    }
    let bed = bed.reopen();
    let snapshot = bed.store.current().load();
    assert!(snapshot.workspaces.iter().all(|workspace| workspace.region.as_str() == "ch-north"));
    assert_eq!(snapshot.source(&source.id).expect("is there").workspace, bed.workspace.id);
}

#[test]
fn the_audit_trail_tells_who_did_what_and_only_grows() {
    let bed = Bed::new();
    let by = domicile_control::Actor::Token { id: "t1".to_owned(), name: "ci".to_owned() };
    let source = bed.store.create_source(&by, &bed.workspace.id, &new_source("web")).expect("makes a source");
    bed.store.note_view(&by, &bed.workspace.id, "event", "m1").expect("notes a view");
    bed.store.delete_source(&by, &bed.workspace.id, &source.id).expect("deletes it");

    let trail = bed.store.audit(&bed.workspace.id, 0, 100).expect("reads");
    let told: Vec<_> = trail.iter().map(|e| (e.kind.as_str(), e.actor.as_str(), e.config_version)).collect();
    assert_eq!(
        told,
        [
            ("Workspace Created", "operator", 1),
            ("Source Created", "token:t1", 2),
            ("Payload Viewed", "token:t1", 2),
            ("Source Deleted", "token:t1", 3),
        ]
    );
    assert_eq!(trail[3].before.as_ref().expect("what it was")["slug"], "web");
    let page = bed.store.audit(&bed.workspace.id, trail[1].number, 1).expect("reads a page");
    assert_eq!(page, trail[2..3]);

    let db = shell(&bed.dir);
    for statement in [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit WHERE number = 1",
        "INSERT OR REPLACE INTO audit SELECT number, 0, 'x', 'x', workspace, 'x', 'x', 'x', 'x', NULL, NULL, 0 FROM audit",
    ] {
        assert!(db.execute(statement, []).is_err(), "{statement}");
    }
    assert_eq!(bed.store.audit(&bed.workspace.id, 0, 100).expect("reads"), trail);
}

#[test]
fn a_token_opens_its_own_workspace_until_it_is_revoked() {
    let bed = Bed::new();
    let new = bed.store.create_token(&BY, &bed.workspace.id, "ci").expect("makes a token");
    let scope = bed.store.token_of(&new.token).expect("reads").expect("is known");
    assert_eq!((scope.workspace.clone(), scope.name.as_str(), &scope.id), (bed.workspace.id.clone(), "ci", &new.id));
    let long = "x".repeat(10_000);
    for nobody in ["", "x", &new.token[1..], &new.token.to_lowercase(), &format!("{} ", new.token), long.as_str()] {
        assert_eq!(bed.store.token_of(nobody).expect("reads"), None);
    }
    let in_the_file = std::fs::read(path(&bed.dir)).expect("reads the file");
    assert!(!contains(&in_the_file, new.token.as_bytes()));

    let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes another");
    let wrong = bed.store.revoke_token(&BY, &other.id, &new.id);
    assert!(matches!(wrong, Err(ControlError::NotFound(_))), "another workspace's token is not there");
    bed.store.revoke_token(&BY, &bed.workspace.id, &new.id).expect("revokes it");
    assert_eq!(bed.store.token_of(&new.token).expect("reads"), None);
    assert_eq!(bed.store.token_with_id(&new.id).expect("reads"), None);
}

#[test]
fn the_demo_is_made_once_and_keeps_its_token() {
    let bed = Bed::new();
    let first = bed.store.seed_demo(&DemoSecrets::default()).expect("seeds");
    assert_eq!(first.slug, "acme-ch");
    let slugs: Vec<_> = first.sources.iter().map(|source| source.slug.as_str()).collect();
    assert_eq!(slugs, ["web", "server"]);
    assert!(first.sources.iter().all(|source| source.write_key.starts_with("chn_") && source.write_key.len() == 36));
    let snapshot = bed.store.current().load();
    let web = snapshot.source(&first.sources[0].id).expect("is in the snapshot");
    assert_eq!(web.ingestion_region.as_str(), "zurich", "the region's first point");
    let version = snapshot.version;

    let kept = DemoSecrets { token: Some(first.token.clone()), password: Some(first.owner.password.clone()) };
    let bed = bed.reopen();
    let again = bed.store.seed_demo(&kept).expect("seeds again");
    assert_eq!(bed.store.current().load().version, version, "nothing changed");
    assert_eq!((&again.token, &again.owner.password, &again.id), (&first.token, &first.owner.password, &first.id));

    let lost = bed.store.seed_demo(&DemoSecrets::default()).expect("seeds without the file");
    assert_ne!(lost.token, first.token);
    assert_eq!(bed.store.token_of(&first.token).expect("reads"), None, "the lost token is ended");
    assert!(bed.store.token_of(&lost.token).expect("reads").is_some());
    let stolen = DemoSecrets { token: Some("domt_chn_guess".to_owned()), password: None };
    assert_ne!(bed.store.seed_demo(&stolen).expect("seeds").token, "domt_chn_guess");
}

#[test]
fn two_programs_that_start_on_one_new_file_agree() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    domicile_keys::Keyring::open(&domicile_world::World::real(), &dir.path().join("cell/keys")).expect("keys");
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&dir, "ch-north").map(|_| ()))).collect();
        for start in starts {
            start.join().expect("no panic").expect("opens");
        }
    });
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    for content in [&b"this is not a database, but it is long enough to be taken for one by nobody"[..], &[0; 4096]] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(dir.path().join("cell")).expect("makes the folder");
        std::fs::write(path(&dir), content).expect("writes");
        let look = domicile_control::Store::look(&domicile_world::World::real(), &path(&dir));
        assert!(look.is_err(), "a first look sees it too");
        let Err(error) = open(&dir, "ch-north") else { panic!("opened") };
        assert!(error.to_string().contains("mend:"), "{error}");
        assert_eq!(std::fs::read(path(&dir)).expect("reads"), content);
    }
}

#[test]
fn a_store_that_was_cut_off_is_damage_and_not_empty() {
    let bed = Bed::new();
    for n in 0..50 {
        bed.store.create_source(&BY, &bed.workspace.id, &new_source(&format!("s{n}"))).expect("makes a source");
    }
    let Bed { dir, store, .. } = bed;
    drop(store);
    let whole = std::fs::read(path(&dir)).expect("reads");
    domicile_control::Store::look(&domicile_world::World::real(), &path(&dir))
        .expect("a good one passes the first look");
    for keep in [whole.len() / 2, 4096 * 3, 4096 + 100] {
        for side in ["control.db-wal", "control.db-shm"] {
            let _ = std::fs::remove_file(dir.path().join("cell").join(side));
        }
        std::fs::write(path(&dir), &whole[..keep]).expect("writes");
        let Err(error) = open(&dir, "ch-north") else { panic!("opened with {keep} of {} bytes", whole.len()) };
        assert!(error.to_string().contains("control.db"), "{error}");
    }
}

#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    for file in ["control.db", "control.db-wal"] {
        let mode = std::fs::metadata(bed.dir.path().join("cell").join(file)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn nothing_of_another_workspace_is_found() {
    let bed = Bed::new();
    let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
    let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes another");
    let version = bed.store.current().load().version;
    let key = &source.write_keys[0].key;
    let nobody = WorkspaceId::new("nobody");
    for workspace in [&other.id, &nobody] {
        for refused in [
            bed.store.update_source(&BY, workspace, &source.id, &Default::default()).map(|_| ()),
            bed.store.delete_source(&BY, workspace, &source.id),
            bed.store.add_write_key(&BY, workspace, &source.id).map(|_| ()),
            bed.store.enable_write_key(&BY, workspace, &source.id, key, false).map(|_| ()),
            bed.store.delete_write_key(&BY, workspace, &source.id, key),
            bed.store.delete_source(&BY, workspace, &SourceId::new("' OR 1=1 --")),
        ] {
            assert!(matches!(refused, Err(ControlError::NotFound(_))), "{refused:?}");
        }
        assert!(bed.store.source_names(workspace).expect("reads").is_empty());
    }
    assert_eq!(bed.store.current().load().version, version);
    assert_ne!(version, ConfigVersion(0));
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}
