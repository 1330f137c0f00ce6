//! The consumer: reads the event log, folds it into files, puts them into the store, says how far it has come.

use crate::ArchiveSettings;
use crate::cursor::{self, Resume};
use crate::fold::{ClosedFile, FileKey, Fold};
use crate::layout::{self, Day};
use crate::put::{Kept, Shelf};
use bytes::Bytes;
use domicile_ledger::{Closing, Ledger, Pending, Stored, What, all_written};
use domicile_log::{Decided, EventFrame, EventLog, EventReader, Position, ReadError};
use domicile_workspace::{Current, SourceId, SourceNumber};
use domicile_world::World;
use futures::{StreamExt, TryStreamExt};
use metrics::Gauge;
use object_store::ObjectStore;
use object_store::path::Path;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Why the archive stopped. A new start goes on where it was.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Ledger(#[from] Closing),
    #[error(
        "archive: {object} is there with other events than the event log has for it\n  \
         a file of the archive is never replaced: somebody or something changed it after it was written\n  \
         mend: keep a copy as evidence, move the file away, start again; the archive writes it anew"
    )]
    Changed { object: String },
    #[error(
        "archive: the store can't take {object}: {error}\n  mend: give the archive a store that can create an object only if it is absent"
    )]
    Store { object: String, error: object_store::Error },
}

/// Files put at once. A folder takes one after the other anyway; S3 answers in tens of milliseconds.
const PUTS_MAX: usize = 8;

/// Frames between two moments at which others may run on this thread.
const FRAMES_PER_TURN: u32 = 64;

/// The archive of one region.
pub struct Archive {
    world: World,
    current: Current,
    register: Option<Register>,
    settings: ArchiveSettings,
    shelf: Shelf,
    cursor_file: PathBuf,
    reader: EventReader,
    fold: Fold,
    /// Everything before it is passed over: it is in the store.
    from: Position,
    /// What the store has of the past, while that is not certain.
    past: Option<Past>,
    /// Ids by number, so that a source keeps its folder when it is deleted while the archive runs.
    ids: HashMap<SourceNumber, SourceId>,
    /// What the cursor file says.
    saved: Position,
    progress: watch::Sender<Position>,
    unread: Gauge,
}

/// The region's ledger, which is told of each file.
struct Register {
    ledger: Ledger,
    /// The country that the store stands in.
    place: String,
    /// Told and not written yet: the cursor waits for them.
    pending: Vec<Pending>,
}

type Spans = Arc<[RangeInclusive<Position>]>;

/// The store's files of sources and days that are being folded again.
struct Past {
    /// The end of the log when the archive was opened: nothing at or behind it is in the store.
    end: Position,
    spans: BTreeMap<FileKey, Spans>,
}

impl Archive {
    /// Takes up the archive where its cursor says. From now on the event log keeps what the archive has not stored, so
    /// open it before anything is written to the log.
    ///
    /// `store` is the region's archive itself (`cells/REGION/archive`, or a bucket). `cursor_file` is in a folder that is
    /// there.
    pub fn open(
        world: World,
        current: Current,
        events: &EventLog,
        store: Arc<dyn ObjectStore>,
        cursor_file: PathBuf,
        settings: ArchiveSettings,
    ) -> Result<Self, ArchiveError> {
        let end = events.end();
        let resume = cursor::load(world.disk.as_ref(), &cursor_file, &settings, events.start()..=end);
        let Resume { position: from, unsure } = resume;
        let reader = events.reader("archive", from)?;
        let region: Arc<str> = Arc::from(current.load().region.as_str());
        let unread = metrics::gauge!("domicile_archive_unread_events", "region" => Arc::clone(&region));
        tracing::debug!(%region, %from, unsure, "the archive goes on");
        Ok(Self {
            shelf: Shelf { store, world: world.clone(), region },
            world,
            current,
            register: None,
            settings,
            cursor_file,
            reader,
            fold: Fold::new(settings),
            from,
            past: unsure.then(|| Past { end, spans: BTreeMap::new() }),
            ids: HashMap::new(),
            saved: from,
            progress: watch::Sender::new(from),
            unread,
        })
    }

    /// Tells the ledger of each file that is in the store. `place`: the country that the store stands in.
    ///
    /// The cursor passes a file only when its entry is on disk. After a crash a file may be told twice, in the same words.
    pub fn with_ledger(self, ledger: Ledger, place: String) -> Self {
        Self { register: Some(Register { ledger, place, pending: Vec::new() }), ..self }
    }

    /// The position up to which every kept event is in the store. Rises while the archive runs.
    pub fn progress(&self) -> watch::Receiver<Position> {
        self.progress.subscribe()
    }

    /// Runs until the event log is closed and read to its end; the log's last mark has then closed all files.
    ///
    /// Reading and packing are work for a processor: give it a thread if others on this one are in a hurry. Dropping the
    /// future is as good as an end: the next start makes the same files.
    ///
    /// # Errors
    /// Damage in the log, a file that was changed, a store that can't be one. All else is tried again for ever.
    pub async fn run(mut self) -> Result<(), ArchiveError> {
        let mut frames = 0;
        loop {
            match self.reader.next()? {
                Some(EventFrame::Decided(decided)) => self.decided(&decided).await?,
                Some(EventFrame::Mark(mark)) => {
                    self.fold.mark();
                    self.store_closed().await?;
                    if self.past.as_ref().is_some_and(|past| mark.position >= past.end) {
                        self.past = None;
                    }
                    self.come_to(mark.position);
                    self.settle().await?;
                    self.save(mark.position);
                }
                None => {
                    self.unread.set(0.0);
                    self.come_to(self.reader.position());
                    if !self.reader.more().await {
                        return Ok(());
                    }
                }
            }
            frames += 1;
            if frames % FRAMES_PER_TURN == 0 {
                self.unread.set(self.reader.unread() as f64);
                tokio::task::yield_now().await;
            }
        }
    }

    async fn decided(&mut self, decided: &Decided) -> Result<(), ArchiveError> {
        let key = FileKey { source: decided.source, day: Day::of(decided.received_at) };
        let past = self.past_of(key, decided).await?;
        for (position, event) in decided.kept() {
            if position >= self.from && !past.iter().any(|span| span.contains(&position)) {
                self.fold.event(key, position, event);
            }
        }
        if self.store_closed().await? {
            self.come_to(decided.span.end);
        }
        Ok(())
    }

    /// What the store has of a source and day, of those spans that the archive can't be sure to make again.
    async fn past_of(&mut self, key: FileKey, decided: &Decided) -> Result<Spans, ArchiveError> {
        let Some(past) = &self.past else { return Ok(Spans::default()) };
        if decided.span.first >= past.end || decided.kept().len() == 0 {
            return Ok(Spans::default());
        }
        if let Some(spans) = past.spans.get(&key) {
            return Ok(Arc::clone(spans));
        }
        let id = self.id(key.source);
        let spans: Spans = self.shelf.spans(&id, key.day).await?.into();
        let told: &[_] = if self.register.is_some() { &spans } else { &[] };
        for span in told {
            // Whether the ledger was told of it is not certain either.
            let object = layout::object(&id, key.day, *span.start(), *span.end());
            if let Some((kept, events)) = self.shelf.look(&object).await? {
                self.tell(key.source, &object, kept, events);
            }
        }
        if let Some(past) = &mut self.past {
            past.spans.insert(key, Arc::clone(&spans));
        }
        Ok(spans)
    }

    /// Puts what was closed into the store; false when nothing was.
    async fn store_closed(&mut self) -> Result<bool, ArchiveError> {
        let closed = self.fold.closed();
        if closed.is_empty() {
            return Ok(false);
        }
        let files: Vec<_> = closed
            .into_iter()
            .map(|ClosedFile { key, first, last, events, gzip }| {
                (key.source, layout::object(&self.id(key.source), key.day, first, last), events, Bytes::from(gzip))
            })
            .collect();
        let puts = files.into_iter().map(|(source, object, events, gzip)| {
            let shelf = self.shelf.clone();
            async move { shelf.put(&object, gzip).await.map(|kept| (source, object, events, kept)) }
        });
        let stored: Vec<_> = futures::stream::iter(puts).buffered(PUTS_MAX).try_collect().await?;
        for (source, object, events, kept) in stored {
            self.tell(source, &object, kept, events);
        }
        Ok(true)
    }

    /// Tells the ledger that a file is in the store.
    fn tell(&mut self, source: SourceNumber, object: &Path, Kept { bytes, sha256 }: Kept, events: u64) {
        let id = self.id(source);
        let Some(register) = &mut self.register else { return };
        let workspace = match self.current.load().source_of_frame(source) {
            Some(source) => source.workspace.to_string(),
            None => "unknown".to_owned(),
        };
        let (source, object, place) = (id.to_string(), object.to_string(), register.place.clone());
        let stored = Stored { workspace, source, object, events, bytes, sha256, place };
        register.pending.push(register.ledger.enter(What::Stored(stored)));
    }

    /// Waits until the ledger has all that it was told.
    async fn settle(&mut self) -> Result<(), ArchiveError> {
        let told = self.register.as_mut().map(|register| std::mem::take(&mut register.pending));
        Ok(all_written(told.unwrap_or_default()).await?)
    }

    /// Tells how far the store has come when the log is read up to `read`.
    fn come_to(&self, read: Position) {
        let position = self.fold.first_open().unwrap_or(read);
        self.progress.send_if_modified(|progress| {
            let further = position > *progress;
            *progress = (*progress).max(position);
            further
        });
    }

    /// Writes the cursor at a mark and lets the log go up to there. A cursor that can't be written is no harm: the next
    /// mark tries again, and till then the log keeps more.
    fn save(&mut self, position: Position) {
        debug_assert!(self.fold.is_quiet(), "the cursor names only positions without an open file");
        // While the past is not certain, a cursor would say that it is.
        if position <= self.saved || self.past.is_some() {
            return;
        }
        match cursor::save(self.world.disk.as_ref(), &self.cursor_file, &self.settings, position) {
            Ok(()) => {
                self.saved = position;
                self.reader.release(position);
            }
            Err(error) => {
                let region = &self.shelf.region;
                tracing::warn!(%region, %position, %error, "the archive's cursor was not written");
            }
        }
    }

    /// The id that names a source's folder. A source that the configuration does not know (any more) keeps its number.
    fn id(&mut self, number: SourceNumber) -> SourceId {
        let current = &self.current;
        let id = self.ids.entry(number).or_insert_with(|| match current.load().source_of_frame(number) {
            Some(source) => source.id.clone(),
            None => SourceId::new(format!("source-{}", number.0)),
        });
        id.clone()
    }
}
