//! The ledger of a running cell: entries are handed in from everywhere, one writer puts them on disk in groups.
//!
//! - Entries stand in the order in which they were handed in.
//! - [`Pending::written`] means: on disk, under a signed checkpoint.
//! - A group is written 200 ms after its first entry at the latest, so a checkpoint is never more than that behind; nothing
//!   is written while there is nothing to say.

use crate::entry::{Entry, What};
use crate::tlog::{
    Book, BookError, Head, TILE_WIDTH, Tiles, TilesError, VKey, bundle_path, inclusion, split_bundle, tile_path,
    width_of,
};
use domicile_keys::{KeyError, Keyring};
use domicile_region::RegionId;
use domicile_world::World;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tlog_tiles::tlog::Hash;
use tokio::sync::{Notify, oneshot, watch};

/// How long entries are gathered before they are written.
const GATHER: Duration = Duration::from_millis(200);
/// How long to wait for room on the disk.
const WAIT_FULL: Duration = Duration::from_secs(1);
/// A partial file that is replaced while it is read is looked for again so often.
const READS_MAX: usize = 10;

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The ledger takes nothing more: the cell is closing, or its disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger is closed")]
pub struct Closing;

/// A region's ledger. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) world: World,
    pub(crate) folder: PathBuf,
    vkey: VKey,
    queue: Mutex<Queue>,
    wake: Notify,
    signed: watch::Sender<Signed>,
}

#[derive(Default)]
struct Queue {
    entries: Vec<(Vec<u8>, oneshot::Sender<u64>)>,
    closed: bool,
}

/// What is on disk.
#[derive(Clone, Debug)]
pub struct Signed {
    pub head: Head,
    /// The signed note.
    pub checkpoint: Arc<[u8]>,
}

/// An entry that is handed in. Dropping it takes nothing back.
pub struct Pending(oneshot::Receiver<u64>);

impl Pending {
    /// Returns the entry's index when it is on disk under a checkpoint.
    pub async fn written(self) -> Result<u64, Closing> {
        self.0.await.map_err(|_| Closing)
    }
}

/// Returns when all of these entries are on disk.
pub async fn all_written(pending: impl IntoIterator<Item = Pending>) -> Result<(), Closing> {
    for pending in pending {
        pending.written().await?;
    }
    Ok(())
}

/// Writes what is handed in.
pub struct Writer {
    inner: Arc<Inner>,
    book: Book,
}

impl Ledger {
    /// Opens the ledger in `folder`, or begins one where the region has none yet.
    ///
    /// Its name is the region's and the beginning of its key's hash, so that no two ledgers of the world have the same.
    ///
    /// # Errors
    /// `Changed` when what is there is not what the region's key has signed last, or nothing is there.
    pub fn open(
        world: &World,
        region: &RegionId,
        folder: &Path,
        keyring: &Keyring,
    ) -> Result<(Self, Writer), LedgerError> {
        let noted = keyring.folder().join("ledger.head");
        let (key, unkept) = match keyring.ledger_key()? {
            Some(key) => (key, None),
            None => keyring.new_ledger_key().map(|(key, unkept)| (key, Some(unkept)))?,
        };
        let name = format!("domicile/{region}/{}", &crate::Digest::sha256(&key.public()).to_string()[..8]);
        let vkey = VKey::of(&name, &key);
        let disk = Arc::clone(&world.disk);
        let book = match unkept {
            None => Book::open(disk, folder, &noted, &name, key)?,
            Some(unkept) => {
                Book::refuse_other(&*disk, folder)?;
                let book = Book::begin(disk, folder, &noted, &name, key)?;
                keyring.keep_ledger_key(&unkept)?;
                book
            }
        };
        let signed = Signed { head: book.head(), checkpoint: book.checkpoint().into() };
        let inner = Arc::new(Inner {
            world: world.clone(),
            folder: folder.to_owned(),
            vkey,
            queue: Mutex::default(),
            wake: Notify::new(),
            signed: watch::Sender::new(signed),
        });
        Ok((Self { inner: Arc::clone(&inner) }, Writer { inner, book }))
    }

    /// Hands in what happened now.
    ///
    /// # Errors
    /// An entry that is too large is a fault of the program: it is logged, and nothing is entered.
    pub fn enter(&self, what: What) -> Pending {
        self.enter_all([what]).pop().unwrap_or_else(|| Pending(oneshot::channel().1))
    }

    /// Hands in what belongs together: the entries stand one behind the other, under one checkpoint.
    pub fn enter_all(&self, all: impl IntoIterator<Item = What>) -> Vec<Pending> {
        let at = self.inner.world.clock.now();
        let mut queue = self.inner.queue();
        let mut pending = Vec::new();
        for what in all {
            let (done, written) = oneshot::channel();
            match (Entry { at, what }).to_bytes() {
                Ok(entry) if !queue.closed => queue.entries.push((entry, done)),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "an entry has no place in the ledger"),
            }
            pending.push(Pending(written));
        }
        drop(queue);
        self.inner.wake.notify_one();
        pending
    }

    /// Takes nothing more; the writer writes what waits, and ends.
    pub fn close(&self) {
        self.inner.queue().closed = true;
        self.inner.wake.notify_one();
    }

    /// Whether it takes nothing more.
    pub fn is_closed(&self) -> bool {
        self.inner.queue().closed
    }

    /// What is on disk now.
    pub fn signed(&self) -> Signed {
        self.inner.signed.borrow().clone()
    }

    /// Follows what is on disk.
    pub fn follow(&self) -> watch::Receiver<Signed> {
        self.inner.signed.subscribe()
    }

    /// The key that signs it.
    pub fn vkey(&self) -> &VKey {
        &self.inner.vkey
    }

    /// The bytes of a file of the ledger's folder: `checkpoint`, `vkey`, `tile/…`.
    pub fn file(&self, path: &str) -> io::Result<Vec<u8>> {
        self.inner.world.disk.read(&self.inner.folder.join(path))
    }

    /// The entries of a bundle of the tree of this size, as they are spelled.
    pub fn bundle(&self, number: u64) -> io::Result<Vec<Vec<u8>>> {
        self.last_of(
            0,
            number,
            |width| bundle_path(number, width),
            |bytes, width| split_bundle(bytes, width).map(|entries| entries.into_iter().map(<[u8]>::to_vec).collect()),
        )
    }

    /// One entry. `None` behind the end.
    pub fn entry(&self, index: u64) -> io::Result<Option<Entry>> {
        if index >= self.signed().head.size {
            return Ok(None);
        }
        let bundle = self.bundle(index / TILE_WIDTH)?;
        let at = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        bundle.get(at).map(|bytes| Entry::read(bytes).map_err(invalid)).transpose()
    }

    /// The entries of a range that is on disk, with their indexes.
    pub fn entries(&self, range: Range<u64>) -> impl Iterator<Item = io::Result<(u64, Entry)>> + '_ {
        let bundles = range.start / TILE_WIDTH..range.end.div_ceil(TILE_WIDTH);
        bundles.flat_map(move |number| self.entries_of(number, &range))
    }

    /// The entries of a range that stand in one bundle.
    fn entries_of(&self, number: u64, range: &Range<u64>) -> Vec<io::Result<(u64, Entry)>> {
        match self.bundle(number) {
            Err(error) => vec![Err(error)],
            Ok(bundle) => (number * TILE_WIDTH..range.end)
                .zip(bundle)
                .filter(|(index, _)| *index >= range.start)
                .map(|(index, bytes)| Entry::read(&bytes).map(|entry| (index, entry)).map_err(invalid))
                .collect(),
        }
    }

    /// The entries from the last one back, with their indexes.
    pub fn backwards(&self) -> impl Iterator<Item = io::Result<(u64, Entry)>> + '_ {
        self.backwards_from(u64::MAX)
    }

    /// The entries before an index, from the last one back.
    pub fn backwards_from(&self, before: u64) -> impl Iterator<Item = io::Result<(u64, Entry)>> + '_ {
        let size = self.signed().head.size.min(before);
        let bundles = (0..size.div_ceil(TILE_WIDTH)).rev();
        bundles.flat_map(move |number| self.entries_of(number, &(0..size)).into_iter().rev())
    }

    /// The path from entry `index` to the root of the tree with `size` entries.
    pub fn inclusion(&self, size: u64, index: u64) -> Result<Vec<Hash>, TilesError> {
        inclusion(size, index, self)
    }

    /// Reads a file that may be partial, and so may just be replaced by a longer one.
    fn last_of<T>(
        &self,
        level: u8,
        number: u64,
        path: impl Fn(u64) -> String,
        read: impl Fn(&[u8], u64) -> Option<T>,
    ) -> io::Result<T> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for _ in 0..READS_MAX {
            let Some(width) = width_of(self.signed().head.size, level, number) else { break };
            match self.file(&path(width)) {
                Ok(bytes) => return read(&bytes, width).ok_or_else(|| invalid("a tile that is not whole")),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tiles for Ledger {
    fn tile(&self, level: u8, number: u64) -> io::Result<Vec<Hash>> {
        self.last_of(level, number, |width| tile_path(level, number, width), |bytes, _| crate::tlog::hashes_of(bytes))
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Nobody waits for a writer that is gone, whatever ended it.
impl Drop for Writer {
    fn drop(&mut self) {
        let mut queue = self.inner.queue();
        queue.closed = true;
        queue.entries.clear();
    }
}

impl Writer {
    /// Writes until the ledger is closed and all of it is on disk.
    ///
    /// # Errors
    /// A disk that fails is final: the program has to stop. A full one is waited for.
    pub async fn run(mut self) -> Result<(), BookError> {
        loop {
            let closed = self.wait().await;
            loop {
                let (entries, done) = self.take();
                if entries.is_empty() {
                    break;
                }
                self.append(&entries).await?;
                self.written(done);
            }
            if closed {
                return Ok(());
            }
        }
    }

    /// Writes what waits at once: for the beginning, when the writer does not run yet.
    pub fn write_now(&mut self) -> Result<(), BookError> {
        loop {
            let (entries, done) = self.take();
            if entries.is_empty() {
                return Ok(());
            }
            self.book.append(&entries)?;
            self.written(done);
        }
    }

    /// Shows what is on disk now, takes away what the last checkpoint alone needed, and tells those whose entries were the
    /// last.
    fn written(&mut self, done: Vec<oneshot::Sender<u64>>) {
        let head = self.book.head();
        self.inner.signed.send_replace(Signed { head, checkpoint: self.book.checkpoint().into() });
        self.book.take_old_away();
        for (index, done) in (head.size - done.len() as u64..).zip(done) {
            let _ = done.send(index);
        }
    }

    /// Returns when there is something to write that was gathered long enough; true when nothing more comes.
    async fn wait(&self) -> bool {
        loop {
            let (is_empty, closed) = {
                let queue = self.inner.queue();
                (queue.entries.is_empty(), queue.closed)
            };
            if closed {
                return true;
            }
            if !is_empty {
                break;
            }
            self.inner.wake.notified().await;
        }
        let mut gather = self.inner.world.clock.sleep(GATHER);
        loop {
            tokio::select! {
                biased;
                () = &mut gather => return false,
                () = self.inner.wake.notified() => {
                    if self.inner.queue().closed {
                        return true;
                    }
                }
            }
        }
    }

    fn take(&self) -> (Vec<Vec<u8>>, Vec<oneshot::Sender<u64>>) {
        let mut queue = self.inner.queue();
        let many = queue.entries.len().min(crate::tlog::APPEND_MAX);
        queue.entries.drain(..many).unzip()
    }

    /// Appends, however long the disk is full.
    async fn append(&mut self, entries: &[Vec<u8>]) -> Result<(), BookError> {
        let mut said = false;
        loop {
            match self.book.append(entries) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_full() => {
                    if !said {
                        tracing::warn!(%error, "the ledger waits for room");
                    }
                    said = true;
                    self.inner.world.clock.sleep(WAIT_FULL).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
