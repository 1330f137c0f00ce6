//! Putting a file into the store until it is there.

use crate::ArchiveError;
use crate::layout::{self, Day};
use bytes::Bytes;
use domicile_ledger::Digest;
use domicile_log::Position;
use domicile_workspace::SourceId;
use domicile_world::World;
use flate2::read::MultiGzDecoder;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

const RETRY_MS_MIN: u64 = 200;
const RETRY_MS_MAX: u64 = 30_000;

/// A store, and the patience to wait for it.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub store: Arc<dyn ObjectStore>,
    pub world: World,
    /// For metrics and logs.
    pub region: Arc<str>,
}

impl Shelf {
    /// Returns when the file is in the store. A full disk, a server that is away or says no for the moment: tried again
    /// for ever, with growing waits. A dropped future leaves the file there or not there, never a part of it.
    ///
    /// # Errors
    /// `Changed`: the name is taken by other events. `Store`: the store can't do what is asked, now or later.
    pub async fn put(&self, object: &Path, gzip: Bytes) -> Result<Kept, ArchiveError> {
        let mut patience = Patience::new(self, object);
        let stored = loop {
            match self.try_put(object, &gzip).await {
                Ok(stored) => break stored,
                Err(error) => patience.wait_after(error).await?,
            }
        };
        patience.end();
        match stored {
            Stored::New => {
                let region = || Arc::clone(&self.region);
                metrics::counter!("domicile_archive_files_total", "region" => region()).increment(1);
                metrics::counter!("domicile_archive_bytes_total", "region" => region()).increment(gzip.len() as u64);
                Ok(Kept::of(&gzip))
            }
            Stored::Before(kept) => Ok(kept),
            Stored::Otherwise => Err(ArchiveError::Changed { object: object.to_string() }),
        }
    }

    async fn try_put(&self, object: &Path, gzip: &Bytes) -> object_store::Result<Stored> {
        match self.store.put_opts(object, gzip.clone().into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Stored::New),
            Err(Error::AlreadyExists { .. }) => {
                let there = self.store.get(object).await?.bytes().await?;
                Ok(if same_events(&there, gzip) { Stored::Before(Kept::of(&there)) } else { Stored::Otherwise })
            }
            Err(error) => Err(error),
        }
    }

    /// What the store has under a name, and how many events that are; `None` when it is gone. Waits for the store as
    /// [`Self::put`] does.
    pub async fn look(&self, object: &Path) -> Result<Option<(Kept, u64)>, ArchiveError> {
        let mut patience = Patience::new(self, object);
        loop {
            let read = async { self.store.get(object).await?.bytes().await };
            match read.await {
                Ok(file) => {
                    patience.end();
                    return Ok(Some((Kept::of(&file), lines(&file))));
                }
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }

    /// The spans that the store has of a source and day. Waits for the store as [`Self::put`] does.
    pub async fn spans(&self, source: &SourceId, day: Day) -> Result<Vec<RangeInclusive<Position>>, ArchiveError> {
        let folder = layout::folder(source, day);
        let mut patience = Patience::new(self, &folder);
        loop {
            match layout::spans(self.store.as_ref(), source, day).await {
                Ok(spans) => {
                    patience.end();
                    return Ok(spans);
                }
                Err(error) => patience.wait_after(error).await?,
            }
        }
    }
}

/// What the store has under a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub bytes: u64,
    pub sha256: Digest,
}

impl Kept {
    fn of(file: &[u8]) -> Self {
        Self { bytes: file.len() as u64, sha256: Digest::sha256(file) }
    }
}

/// The waits between the tries of one thing.
struct Patience<'a> {
    shelf: &'a Shelf,
    object: &'a Path,
    tries: u32,
}

impl<'a> Patience<'a> {
    fn new(shelf: &'a Shelf, object: &'a Path) -> Self {
        Self { shelf, object, tries: 0 }
    }

    /// Waits, longer each time; gives up at once on what no waiting mends.
    async fn wait_after(&mut self, error: Error) -> Result<(), ArchiveError> {
        let Self { shelf, object, tries } = self;
        if let Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::InvalidPath { .. }
        | Error::UnknownConfigurationKey { .. } = error
        {
            return Err(ArchiveError::Store { object: object.to_string(), error });
        }
        if *tries == 0 {
            tracing::warn!(region = %shelf.region, %object, %error, "the archive's store fails; trying until it answers");
        }
        metrics::counter!("domicile_archive_retries_total", "region" => Arc::clone(&shelf.region)).increment(1);
        let wait = RETRY_MS_MIN.saturating_mul(1 << (*tries).min(16)).min(RETRY_MS_MAX);
        *tries = tries.saturating_add(1);
        // Half of it by chance, so that cells that lost one store do not come back in step.
        let wait = Duration::from_millis(wait / 2 + shelf.world.random.below(wait / 2 + 1));
        shelf.world.clock.sleep(wait).await;
        Ok(())
    }

    fn end(self) {
        let Self { shelf, object, tries } = self;
        if tries > 0 {
            tracing::info!(region = %shelf.region, %object, tries, "the archive's store answers again");
        }
    }
}

enum Stored {
    New,
    /// An earlier try or run has put it.
    Before(Kept),
    /// The name is taken by something else.
    Otherwise,
}

/// The lines of a file; those before the damage, when there is some.
fn lines(gzip: &[u8]) -> u64 {
    let (mut unpacked, mut lines) = (BufReader::new(MultiGzDecoder::new(gzip)), 0);
    while let Ok(piece) = unpacked.fill_buf() {
        let n = piece.len();
        if n == 0 {
            break;
        }
        lines += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        unpacked.consume(n);
    }
    lines
}

/// Whether two files hold the same events. Another version of the compressor may have packed them otherwise.
fn same_events(there: &[u8], made: &[u8]) -> bool {
    there == made || same_content(MultiGzDecoder::new(there), MultiGzDecoder::new(made)).unwrap_or(false)
}

/// Compares as it reads: what is there may be anything, and must not fill the memory.
fn same_content(a: impl Read, b: impl Read) -> io::Result<bool> {
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    loop {
        let (left, right) = (a.fill_buf()?, b.fill_buf()?);
        let n = left.len().min(right.len());
        if n == 0 {
            return Ok(left.len() == right.len());
        }
        if left[..n] != right[..n] {
            return Ok(false);
        }
        a.consume(n);
        b.consume(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Packer;

    #[test]
    fn files_are_the_same_when_their_events_are() {
        let pack = |level, parts: &[&[u8]]| {
            let mut out = Vec::new();
            parts.iter().for_each(|part| Packer::new(level).pack(part, &mut out));
            out
        };
        let events = b"{\"a\":1}\n{\"a\":2}\n".repeat(5000);
        let made = pack(2, &[&events]);
        let (head, tail) = events.split_at(777);
        let cut = &made[..made.len() - 9];
        for (name, there, expected) in [
            ("the same", made.clone(), true),
            ("another level, other members", pack(9, &[head, b"", tail]), true),
            ("fewer events", pack(2, &[head]), false),
            ("more events", pack(2, &[&events, b"{}\n"]), false),
            ("other events", pack(2, &[&events.repeat(1).to_ascii_uppercase()]), false),
            ("cut off", cut.to_vec(), false),
            ("not gzip", events.clone(), false),
            ("empty", Vec::new(), false),
        ] {
            assert_eq!(same_events(&there, &made), expected, "{name}");
        }
    }
}
