//! The folder as a store: what it said yes to is there after a power loss, whole.

use domicile_archive::FolderStore;
use domicile_testkit::{Crash, Failure, Op};
use domicile_world::World;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::*;

fn store(world: &World) -> FolderStore {
    FolderStore::new(world, "/archive")
}

async fn names(store: &FolderStore, prefix: &str) -> Vec<String> {
    let prefix = (!prefix.is_empty()).then(|| Path::from(prefix));
    store.list(prefix.as_ref()).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

async fn create(store: &FolderStore, name: &str, content: &'static str) -> Result<PutResult> {
    store.put_opts(&Path::from(name), content.into(), PutMode::Create.into()).await
}

#[tokio::test]
async fn after_a_crash_at_any_change_an_object_is_whole_or_absent_and_a_promised_one_is_whole() {
    for crash in Crash::ALL {
        for nth in 1..40 {
            let (world, handles) = domicile_testkit::world(nth);
            let before = store(&world);
            handles.disk.crash_in(nth, crash);
            let objects = ["a/1/x.gz", "a/1/y.gz", "a/2/x.gz"];
            let mut promised = Vec::new();
            for name in objects {
                if create(&before, name, "the whole of it").await.is_ok() {
                    promised.push(name);
                }
            }
            if !handles.disk.crashed() {
                handles.disk.crash(Crash::Power);
            }
            let after = store(&handles.restart());
            let there = names(&after, "").await;
            assert!(
                promised.iter().all(|name| there.iter().any(|t| t == name)),
                "{crash:?} {nth}: {promised:?} {there:?}"
            );
            for name in &there {
                let content = after.get(&Path::from(name.as_str())).await.unwrap().bytes().await.unwrap();
                assert_eq!(content, "the whole of it", "{crash:?} {nth}: {name}");
            }
            for name in objects {
                match create(&after, name, "the whole of it").await {
                    Ok(_) => assert!(!there.iter().any(|t| t == name)),
                    Err(Error::AlreadyExists { .. }) => assert!(there.iter().any(|t| t == name)),
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(names(&after, "").await, objects);
            let left = handles.disk.files().len();
            assert_eq!(left, objects.len(), "{crash:?} {nth}: what the crash left is taken away");
        }
    }
}

#[tokio::test]
async fn a_folder_that_was_made_but_not_synced_is_synced_by_the_next_try() {
    let (world, handles) = domicile_testkit::world(1);
    let before = store(&world);
    handles.disk.fail_at(Op::SyncFolder, 2, Failure::Broken);
    create(&before, "a/b/x.gz", "x").await.unwrap_err();
    create(&before, "a/b/x.gz", "x").await.unwrap();
    handles.disk.crash(Crash::Power);
    assert_eq!(names(&store(&handles.restart()), "").await, ["a/b/x.gz"]);
}

#[tokio::test]
async fn create_never_replaces_and_overwrite_does() {
    let (world, _) = domicile_testkit::world(1);
    let store = store(&world);
    let object = Path::from("a/x.gz");
    create(&store, "a/x.gz", "first").await.unwrap();
    assert!(matches!(create(&store, "a/x.gz", "second").await, Err(Error::AlreadyExists { .. })));
    assert_eq!(store.get(&object).await.unwrap().bytes().await.unwrap(), "first");
    store.put(&object, "third".into()).await.unwrap();
    assert_eq!(store.get(&object).await.unwrap().bytes().await.unwrap(), "third");
}

#[tokio::test]
async fn lists_show_objects_below_a_prefix_and_no_dotted_name() {
    let (world, _) = domicile_testkit::world(1);
    let store = store(&world);
    assert_eq!(names(&store, "").await, Vec::<String>::new(), "before the first put");
    for name in ["logs/s1/0/0-1.gz", "logs/s1/0/2-3.gz", "logs/s10/0/0-1.gz", "top.gz"] {
        create(&store, name, "x").await.unwrap();
    }
    world.disk.open_append(std::path::Path::new("/archive/logs/s1/0/.4-5.gz.new")).unwrap();
    assert_eq!(names(&store, "").await, ["logs/s1/0/0-1.gz", "logs/s1/0/2-3.gz", "logs/s10/0/0-1.gz", "top.gz"]);
    assert_eq!(names(&store, "logs/s1").await, ["logs/s1/0/0-1.gz", "logs/s1/0/2-3.gz"]);
    assert_eq!(names(&store, "logs/s1/0/0-1.gz").await, Vec::<String>::new(), "an object has nothing below it");
    assert_eq!(names(&store, "nothing/here").await, Vec::<String>::new());
    let level = store.list_with_delimiter(Some(&Path::from("logs"))).await.unwrap();
    assert_eq!(level.common_prefixes, [Path::from("logs/s1"), Path::from("logs/s10")]);
    assert!(level.objects.is_empty());
}

#[tokio::test]
async fn a_name_that_begins_with_a_dot_is_refused() {
    let (world, _) = domicile_testkit::world(1);
    for name in [".x", "a/.x/y", ".a/x"] {
        let error = create(&store(&world), name, "x").await.unwrap_err();
        assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    }
}

#[tokio::test]
async fn ranges_heads_copies_and_deletes_are_as_for_any_store() {
    let (world, _) = domicile_testkit::world(1);
    let store = store(&world);
    let object = Path::from("a/x.gz");
    create(&store, "a/x.gz", "0123456789").await.unwrap();
    assert_eq!(store.get_range(&object, 2..5).await.unwrap(), "234");
    assert_eq!(store.get_range(&object, 8..99).await.unwrap(), "89");
    store.get_range(&object, 10..11).await.unwrap_err();
    let tail = GetOptions { range: Some(GetRange::Suffix(3)), ..GetOptions::default() };
    assert_eq!(store.get_opts(&object, tail).await.unwrap().bytes().await.unwrap(), "789");
    assert_eq!(store.head(&object).await.unwrap().size, 10);

    let copy = Path::from("b/y.gz");
    store.copy(&object, &copy).await.unwrap();
    assert!(matches!(store.copy_if_not_exists(&object, &copy).await, Err(Error::AlreadyExists { .. })));
    store.delete(&object).await.unwrap();
    assert_eq!(names(&store, "").await, ["b/y.gz"]);
    assert!(matches!(store.get(&object).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.delete(&object).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn the_real_disk_keeps_objects_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::new(&World::real(), folder.path().join("archive"));
    create(&store, "logs/s1/0/0-1.gz", "x").await.unwrap();
    assert_eq!(names(&store, "").await, ["logs/s1/0/0-1.gz"]);
    for (path, mode) in [("archive", 0o700), ("archive/logs/s1/0", 0o700), ("archive/logs/s1/0/0-1.gz", 0o600)] {
        let found = std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}
