//! Stores that fail: nothing is skipped, nothing is twice.

use crate::cell::*;
use async_trait::async_trait;
use domicile_archive::ArchiveError;
use domicile_log::Position;
use domicile_testkit::{Dice, Failure, Op};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as Object;
use object_store::*;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test]
async fn a_full_disk_holds_the_archive_up_until_there_is_room() {
    let steps = sample(41, 40);
    let expected = undisturbed(&steps, SMALL).await;
    let log = Log::of(&steps);
    let (world, handles) = place(1);
    let store = folder_of(&world);
    let archive = open(&log, &world, &store, SMALL);
    let progress = archive.progress();
    handles.disk.set_capacity(Some(600));
    let running = tokio::spawn(archive.run());
    handles.clock.advance(Duration::from_secs(600)).await;

    let come_to = *progress.borrow();
    let stored = objects(store.as_ref()).await;
    assert!(!stored.is_empty() && stored.len() < expected.len(), "some fit, not all");
    assert!(come_to < log.events.end());
    assert!(stored.iter().all(|(name, bytes)| expected[name] == *bytes), "what is there is whole");
    let left = handles.disk.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains(".new"));
    assert_eq!(left.count(), 0, "a failed put takes no room");
    assert!(handles.disk.count(Op::Append) < 200, "it waits between tries");

    handles.disk.set_capacity(None);
    handles.clock.advance(Duration::from_secs(31)).await;
    handles.clock.drive(running).await.unwrap().unwrap();
    assert_eq!(*progress.borrow(), log.events.end());
    assert_eq!(objects(store.as_ref()).await, expected);
}

#[tokio::test]
async fn a_disk_that_fails_any_way_and_heals_gives_the_same_files() {
    let steps = sample(42, 30);
    let expected = undisturbed(&steps, SMALL).await;
    let log = Log::of(&steps);
    for op in [Op::MakeFolder, Op::Create, Op::Append, Op::Sync, Op::Rename, Op::Remove, Op::SyncFolder, Op::Read] {
        for failure in [Failure::Broken, Failure::Full, Failure::ReadOnly] {
            let (world, handles) = place(1);
            let store = folder_of(&world);
            handles.disk.fail_from(op, 3, failure);
            let running = tokio::spawn(open(&log, &world, &store, SMALL).run());
            handles.clock.advance(Duration::from_secs(60)).await;
            handles.disk.heal();
            handles.clock.drive(running).await.unwrap().unwrap();
            assert_eq!(objects(store.as_ref()).await, expected, "{op:?} {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_cursor_that_can_not_be_written_does_not_hold_the_archive_up() {
    let steps = sample(43, 30);
    let log = Log::of(&steps);
    let (world, handles) = place(1);
    // The cursor's folder is not there; the store is elsewhere.
    world.disk.make_folder(Path::new("/elsewhere"), true).unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = domicile_archive::Archive::open(
        world.clone(),
        current(),
        &log.events,
        Arc::clone(&store),
        "/nowhere/archive.cursor".into(),
        SMALL,
    );
    handles.clock.drive(archive.unwrap().run()).await.unwrap();
    assert_complete(&objects(store.as_ref()).await, &steps);
}

/// A bucket whose answers get lost: before the work is done or after it.
#[derive(Debug)]
struct Flaky {
    bucket: InMemory,
    dice: Mutex<Dice>,
    percent: u64,
}

impl Flaky {
    fn maybe(&self) -> Result<()> {
        if self.dice.lock().unwrap().percent(self.percent) {
            return Err(Error::Generic { store: "bucket", source: "503 slow down".into() });
        }
        Ok(())
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, location: &Object, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.maybe()?;
        let result = self.bucket.put_opts(location, payload, options).await?;
        self.maybe()?;
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Object,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.bucket.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Object, options: GetOptions) -> Result<GetResult> {
        self.maybe()?;
        self.bucket.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Object>>) -> BoxStream<'static, Result<Object>> {
        self.bucket.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Object>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.maybe() {
            Ok(()) => self.bucket.list(prefix),
            Err(error) => Box::pin(futures::stream::iter([Err(error)])),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Object>) -> Result<ListResult> {
        self.bucket.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Object, to: &Object, options: CopyOptions) -> Result<()> {
        self.bucket.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_bucket_that_loses_every_second_answer_gets_every_file_once() {
    for seed in 0..10 {
        let steps = sample(seed, 40);
        let expected = undisturbed(&steps, SMALL).await;
        let flaky = Arc::new(Flaky { bucket: InMemory::new(), dice: Mutex::new(Dice::new(seed)), percent: 50 });
        let store: Arc<dyn ObjectStore> = Arc::clone(&flaky) as _;
        let (world, handles) = place(seed);
        run(&Log::of(&steps), &world, &handles, &store, SMALL).await.unwrap();
        assert_eq!(objects(&flaky.bucket).await, expected, "seed {seed}");
    }
}

/// A bucket that does not know "only if absent".
#[derive(Debug)]
struct Simple(InMemory);

impl fmt::Display for Simple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simple")
    }
}

#[async_trait]
impl ObjectStore for Simple {
    async fn put_opts(&self, location: &Object, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            return Err(Error::NotImplemented { operation: "PutMode::Create".into(), implementer: "Simple".into() });
        }
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Object,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Object, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Object>>) -> BoxStream<'static, Result<Object>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Object>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Object>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Object, to: &Object, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_store_that_can_not_keep_the_promise_is_refused_and_not_tried_for_ever() {
    let steps = sample(44, 10);
    let store: Arc<dyn ObjectStore> = Arc::new(Simple(InMemory::new()));
    let (world, handles) = place(1);
    let log = Log::of(&steps);
    let archive = open(&log, &world, &store, SMALL);
    let progress = archive.progress();
    let error = handles.clock.drive(archive.run()).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Store { .. }), "{error}");
    assert!(error.to_string().contains("mend: give the archive a store"), "{error}");
    assert_eq!(*progress.borrow(), Position(0));
}
