//! Rules that hold whoever asks, also in SQL.

use crate::bed::{BY, Bed, each, new_source, region};
use crate::engine::Home;
use crate::single::OneStep as _;
use domicile_control::{ControlError, DemoSecrets, NewAccount, NewWorkspace, StoreError};
use domicile_workspace::{ConfigVersion, SourceId, WorkspaceId};

#[test]
fn a_store_of_another_region_is_refused_and_says_how_to_mend_it() {
    // On PostgreSQL `a-b` and `a_b` would have one schema: the row in it says whose it is.
    each(|bed| {
        let own = bed.home.region.id.to_string();
        let other = own.replace('-', "_");
        let Err(error) = bed.open_as(&other) else { panic!("opened") };
        assert!(matches!(&error, StoreError::OtherRegion { .. }), "{error}");
        let text = error.to_string();
        for part in [if bed.home.is_sqlite() { "control.db" } else { "postgres://" }, &own, &other, "mend:"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(bed.home.open().is_ok(), "it is still the first region's");
    });
}

#[test]
fn no_statement_moves_a_workspace_or_a_store_to_another_region() {
    const BOTH: &[&str] = &[
        "UPDATE workspaces SET region = 'us-west'",
        "UPDATE workspaces SET region = 'us-west' WHERE slug = 'acme'",
        "UPDATE workspaces SET account = (SELECT max(number) FROM accounts) WHERE slug = 'acme'",
        "UPDATE workspaces SET id = 'mine' WHERE slug = 'acme'",
        "INSERT INTO workspaces (id, account, slug, name, region, plan, created_at, updated_at, version)
         VALUES ('x', 1, 'x', 'x', 'us-west', 'free', 0, 0, 0)",
        "DELETE FROM workspaces",
        "UPDATE meta SET region = 'us-west'",
        "DELETE FROM meta",
        "INSERT INTO meta (one, region, config_version) VALUES (1, 'us-west', 9)",
        "UPDATE meta SET config_version = 0",
        "UPDATE sources SET workspace = (SELECT number FROM workspaces WHERE slug = 'other')",
        "UPDATE write_keys SET source = 2",
        "DELETE FROM write_keys",
        "DELETE FROM sources",
        "UPDATE workspaces SET slug = 'other' WHERE slug = 'acme'",
        "UPDATE sources SET slug = 'app' WHERE slug = 'web'",
    ];
    const SQLITE: &[&str] = &[
        "UPDATE OR REPLACE workspaces SET region = 'us-west'",
        "INSERT OR REPLACE INTO workspaces
         SELECT number, id, account, slug, name, 'us-west', plan, 0, 0, 0 FROM workspaces",
        "INSERT OR REPLACE INTO workspaces
         SELECT number, 'mine', account, slug, name, region, plan, 0, 0, 0 FROM workspaces",
        "INSERT OR REPLACE INTO meta (one, region, config_version) VALUES (1, 'us-west', 9)",
        // A shell has `recursive_triggers` off: what REPLACE takes away asks no delete guard.
        "UPDATE OR REPLACE workspaces SET slug = 'other' WHERE slug = 'acme'",
        "UPDATE OR REPLACE workspaces SET number = 2 WHERE number = 1",
        "UPDATE OR REPLACE sources SET slug = 'app' WHERE slug = 'web'",
        "UPDATE OR REPLACE sources SET deleted_at = NULL",
        "UPDATE OR REPLACE sources SET number = number + 1",
        "UPDATE OR REPLACE audit SET number = number + 1",
        "INSERT OR REPLACE INTO write_keys (key, source, enabled, created_at) SELECT key, 2, 1, 0 FROM write_keys",
        "INSERT OR REPLACE INTO accounts (number, id, name, plan, created_at, updated_at, version)
         SELECT number, id, 'mine', plan, 0, 0, 0 FROM accounts",
    ];
    const POSTGRES: &[&str] = &[
        "INSERT INTO workspaces SELECT * FROM workspaces ON CONFLICT (number) DO UPDATE SET region = 'us-west'",
        "INSERT INTO meta VALUES (1, 'us-west', 9) ON CONFLICT (one) DO UPDATE SET region = 'us-west'",
        "TRUNCATE meta",
        "TRUNCATE workspaces CASCADE",
        "TRUNCATE audit",
        "TRUNCATE write_keys",
        // As a replica would apply another server's changes.
        "SET session_replication_role = replica; DELETE FROM write_keys",
        "SET session_replication_role = replica; UPDATE workspaces SET region = 'us-west'",
        "SET session_replication_role = replica; TRUNCATE audit",
    ];
    each(|bed| {
        let source = bed.store.create_source(&BY, &bed.workspace.id, &new_source("web")).expect("makes a source");
        bed.store.create_workspace(&BY, "other", "Other").expect("a second workspace");
        let gone = bed.store.create_source(&BY, &bed.workspace.id, &new_source("app")).expect("makes one");
        bed.store.delete_source(&BY, &bed.workspace.id, &gone.id).expect("deletes it");
        bed.store.create_source(&BY, &bed.workspace.id, &new_source("app")).expect("makes another");
        for statement in BOTH.iter().chain(if bed.home.is_sqlite() { SQLITE } else { POSTGRES }) {
            let told = bed.home.shell(statement);
            assert!(told.as_ref().is_err_and(|why| !why.contains("syntax")), "{statement}: {told:?}");
        }
        let bed = bed.reopen();
        let snapshot = bed.store.current().load();
        assert!(snapshot.workspaces.values().all(|workspace| workspace.region == bed.home.region.id));
        assert_eq!(snapshot.source(&source.id).expect("is there").workspace, bed.workspace.id);
    });
}

#[test]
fn the_audit_trail_tells_who_did_what_and_only_grows() {
    each(|bed| {
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

        for statement in [
            "UPDATE audit SET actor = 'nobody'",
            "DELETE FROM audit WHERE number = 1",
            "INSERT INTO audit SELECT number, 0, 'x', 'x', workspace, 'x', 'x', 'x', 'x', NULL, NULL, 0 FROM audit",
        ] {
            assert!(bed.home.shell(statement).is_err(), "{statement}");
        }
        if bed.home.is_sqlite() {
            let replace = "INSERT OR REPLACE INTO audit
                       SELECT number, 0, 'x', 'x', workspace, 'x', 'x', 'x', 'x', NULL, NULL, 0 FROM audit";
            assert!(bed.home.shell(replace).is_err());
        }
        assert_eq!(bed.store.audit(&bed.workspace.id, 0, 100).expect("reads"), trail);
    });
}

#[test]
fn a_token_opens_its_own_workspace_until_it_is_revoked() {
    each(|bed| {
        let new = bed.store.create_token(&BY, &bed.workspace.id, "ci").expect("makes a token");
        let scope = bed.store.scope_of_token(&new.token).expect("reads").expect("is known");
        assert_eq!((scope.workspace.clone(), scope.actor.name(), &scope.id), (bed.workspace.id.clone(), "ci", &new.id));
        let long = "x".repeat(10_000);
        for nobody in ["", "x", &new.token[1..], &new.token.to_lowercase(), &format!("{} ", new.token), long.as_str()] {
            assert_eq!(bed.store.scope_of_token(nobody).expect("reads"), None);
        }

        let other = bed.store.create_workspace(&BY, "other", "Other").expect("makes another");
        let wrong = bed.store.revoke_token(&BY, &other.id, &new.id);
        assert!(matches!(wrong, Err(ControlError::NotFound(_))), "another workspace's token is not there");
        bed.store.revoke_token(&BY, &bed.workspace.id, &new.id).expect("revokes it");
        assert_eq!(bed.store.scope_of_token(&new.token).expect("reads"), None);
        assert_eq!(bed.store.token_with_id(&new.id).expect("reads"), None);
    });
}

#[test]
fn the_demo_is_made_once_and_keeps_its_token() {
    each(|bed| {
        let first = bed.store.seed_demo(&DemoSecrets::default()).expect("seeds");
        assert_eq!(first.slug, "acme-ch");
        let slugs: Vec<_> = first.sources.iter().map(|source| source.slug.as_str()).collect();
        assert_eq!(slugs, ["web", "server"]);
        assert!(
            first.sources.iter().all(|source| source.write_key.starts_with("chn_") && source.write_key.len() == 36)
        );
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
        assert_eq!(bed.store.scope_of_token(&first.token).expect("reads"), None, "the lost token is ended");
        assert!(bed.store.scope_of_token(&lost.token).expect("reads").is_some());
        let stolen = DemoSecrets { token: Some("domt_chn_guess".to_owned()), password: None };
        assert_ne!(bed.store.seed_demo(&stolen).expect("seeds").token, "domt_chn_guess");
    });
}

#[test]
fn two_programs_that_start_on_one_new_store_agree() {
    for home in Home::each(&region("ch-north")) {
        domicile_keys::Keyring::open(&domicile_world::World::real(), &home.dir.path().join("cell/keys")).expect("keys");
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| home.open().map(|_| ()))).collect();
            for start in starts {
                start.join().expect("no panic").expect("opens");
            }
        });
    }
}

#[test]
fn a_store_that_a_newer_or_another_program_wrote_is_refused_and_left_as_it_is() {
    each(|bed| {
        let zeros = if bed.home.is_sqlite() { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
        let newer = format!("INSERT INTO migrations (number, sha256, applied_at) VALUES (99, {zeros}, 0)");
        bed.home.shell(&newer).expect("as a newer program would");
        assert!(matches!(bed.home.open(), Err(StoreError::Newer { found: 99, .. })));
        bed.home.shell("DELETE FROM migrations WHERE number = 99").expect("takes it back");
        bed.home.shell(&format!("UPDATE migrations SET sha256 = {zeros}")).expect("as an edited step would");
        assert!(matches!(bed.home.open(), Err(StoreError::OtherMigration { number: 1, .. })));
        let left = bed.home.shell("SELECT config_version FROM meta").expect("reads");
        assert_eq!(left, [bed.version().to_string()]);
        if !bed.home.is_sqlite() {
            bed.home.shell("DROP TABLE migrations").expect("what is left is of some other program");
            assert!(matches!(bed.home.open(), Err(StoreError::NotOurs { .. })));
        }
    });
}

#[test]
fn a_region_that_needs_a_plan_takes_only_accounts_that_are_entitled_to_it() {
    let business = domicile_region::Region { plan: Some("business".to_owned()), ..region("ch-north") };
    for home in Home::each(&business) {
        let store = home.open().expect("opens");
        let create = |account: &str, plan: Option<&str>| {
            let plan = plan.map(str::to_owned);
            let new = NewWorkspace { slug: "acme".to_owned(), name: "Acme".to_owned(), plan };
            store.change(&BY, |change| change.create_workspace(account, &new))
        };
        let account = |plan: &str| {
            let new = NewAccount { name: "Acme".to_owned(), plan: plan.to_owned() };
            store.change(&BY, |change| change.create_account(&new)).expect("makes an account").id
        };
        let field = |refused: Result<_, ControlError>| match refused {
            Err(ControlError::Invalid { field, .. }) => field,
            Err(other) => panic!("{other}"),
            Ok::<domicile_control::WorkspaceRecord, _>(made) => panic!("{made:?}"),
        };
        let (free, paying) = (account("free"), account("business"));
        assert_eq!(field(create(&free, None)), "plan");
        assert_eq!(field(create(&free, Some("business"))), "plan", "more than the account's");
        assert_eq!(field(create(&paying, None)), "region", "a plan alone is no entitlement");
        assert!(matches!(create("nobody", None), Err(ControlError::NotFound(_))));
        for _ in 0..2 {
            let granted: Result<(), ControlError> =
                store.change(&BY, |change| change.grant_entitlement(&paying, "business", "contract 7"));
            granted.expect("grants it, and changes nothing the second time");
        }
        let made = create(&paying, None).expect("makes it");
        assert_eq!((made.account, made.plan.as_str()), (paying, "business"));
        store.seed_demo(&DemoSecrets::default()).expect("the demo is entitled");
    }
}

#[test]
fn a_workspace_on_a_greater_plan_may_be_where_a_lesser_one_is_needed() {
    let team = domicile_region::Region { plan: Some("team".to_owned()), ..region("ch-north") };
    for home in Home::each(&team) {
        let store = home.open().expect("opens");
        let new = NewAccount { name: "Acme".to_owned(), plan: "business".to_owned() };
        let account = store.change::<_, ControlError>(&BY, |change| change.create_account(&new)).expect("made").id;
        let grant = |change: &mut domicile_control::Change<'_>| change.grant_entitlement(&account, "team", "contract");
        store.change::<_, ControlError>(&BY, grant).expect("grants it");
        for (plan, is_taken) in [("free", false), ("team", true), ("business", true)] {
            let new = NewWorkspace { slug: plan.to_owned(), name: "W".to_owned(), plan: Some(plan.to_owned()) };
            let made = store.change(&BY, |change| change.create_workspace(&account, &new));
            assert_eq!(made.is_ok(), is_taken, "{made:?}");
        }
    }
}

#[test]
fn a_workspace_is_on_a_plan_that_there_is_and_on_at_most_the_accounts() {
    each(|bed| {
        for (of, wanted, is_on) in [
            ("free", None, Some("free")),
            ("free", Some("team"), None),
            ("free", Some("business"), None),
            ("team", Some("free"), Some("free")),
            ("team", Some("business"), None),
            ("business", Some("team"), Some("team")),
            ("business", Some("gold"), None),
        ] {
            let new = NewAccount { name: "A".into(), plan: of.into() };
            let id =
                bed.store.change::<_, ControlError>(&BY, |change| change.create_account(&new)).expect("an account").id;
            let slug = format!("{of}-{}", wanted.unwrap_or("none"));
            let new = NewWorkspace { slug, name: "W".into(), plan: wanted.map(str::to_owned) };
            let made = match bed.store.change(&BY, |change| change.create_workspace(&id, &new)) {
                Ok(made) => Some(made.plan),
                Err(ControlError::Invalid { field, .. }) if field == "plan" => None,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(made.as_deref(), is_on, "{of} {wanted:?}");
        }
        let account = bed
            .store
            .view(|view| view.workspace(&bed.workspace.id))
            .map_err(|e: ControlError| e.to_string())
            .expect("reads")
            .account;
        let unknown = [
            bed.store
                .change(&BY, |change| change.create_account(&NewAccount { name: "A".into(), plan: "gold".into() }))
                .map(drop),
            bed.store.change(&BY, |change| change.set_plan(&account, "Free")).map(drop),
            bed.store.change(&BY, |change| change.grant_entitlement(&account, "", "")),
        ];
        for refused in unknown {
            let Err(ControlError::Invalid { field, mend, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!((field.as_str(), mend.as_str()), ("plan", "choose one of: free, team, business"));
        }
    });
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_as_it_is() {
    for content in [&b"this is not a database, but it is long enough to be taken for one by nobody"[..], &[0; 4096]] {
        let home = Home::sqlite(region("ch-north"));
        std::fs::create_dir_all(home.dir.path().join("cell")).expect("makes the folder");
        std::fs::write(home.path(), content).expect("writes");
        let look = domicile_control::Store::look(&domicile_world::World::real(), &home.path());
        assert!(look.is_err(), "a first look sees it too");
        let Err(error) = home.open() else { panic!("opened") };
        assert!(error.to_string().contains("mend:"), "{error}");
        assert_eq!(std::fs::read(home.path()).expect("reads"), content);
    }
}

#[test]
fn a_store_that_was_cut_off_is_damage_and_not_empty() {
    let bed = Bed::sqlite();
    for n in 0..50 {
        bed.store.create_source(&BY, &bed.workspace.id, &new_source(&format!("s{n}"))).expect("makes a source");
    }
    let Bed { home, store, .. } = bed;
    drop(store);
    let whole = std::fs::read(home.path()).expect("reads");
    domicile_control::Store::look(&domicile_world::World::real(), &home.path())
        .expect("a good one passes the first look");
    for keep in [whole.len() / 2, 4096 * 3, 4096 + 100] {
        for side in ["control.db-wal", "control.db-shm"] {
            let _ = std::fs::remove_file(home.dir.path().join("cell").join(side));
        }
        std::fs::write(home.path(), &whole[..keep]).expect("writes");
        let Err(error) = home.open() else { panic!("opened with {keep} of {} bytes", whole.len()) };
        assert!(error.to_string().contains("control.db"), "{error}");
    }
}

#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::sqlite();
    for file in ["control.db", "control.db-wal"] {
        let mode =
            std::fs::metadata(bed.home.dir.path().join("cell").join(file)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn nothing_of_another_workspace_is_found() {
    each(|bed| {
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
    });
}
