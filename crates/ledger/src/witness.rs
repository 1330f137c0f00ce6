//! Showing the ledger's heads to a witness, who signs only what goes on from all that it has signed before
//! (c2sp.org/tlog-witness, c2sp.org/tlog-cosignature).
//!
//! ```text
//! ledger ── old size, path, checkpoint ──► witness     200: its signature   409: the size that it has seen
//!        ◄───────────────────────────────
//! ```
//!
//! - A witness that is away, slow or wrong holds nothing up: the ledger is written on, and the witness is asked again.
//! - What it signed is kept in a file of its own, of which `verify` checks every signature: the ledger's entries name the
//!   witnesses, so none can be put in.
//! - Who shows two histories gets one of them signed. The witness says 409 to the other for ever.

use crate::entry::{What, WitnessNamed};
use crate::keep::{Closing, Ledger, Signed};
use crate::tlog::{Head, TilesError, VKey, consistency, witnessed_path};
use domicile_world::write_whole;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// A new head is shown at most so often.
pub const SHOWN_EVERY: Duration = Duration::from_secs(10);
/// A witness's answer is some lines.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Who is shown the heads.
#[derive(Clone, Debug)]
pub struct Witness {
    /// What comes before `/add-checkpoint`.
    pub url: String,
    pub key: VKey,
    pub country: String,
}

/// What a witness answers: the status, and the body.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<(u16, Vec<u8>)>> + Send>>;

/// The way to a witness. In the product it is the border's; it gives up after a while.
pub trait Way: Send + Sync {
    fn post(&self, url: String, body: Vec<u8>) -> Answer;
}

/// Why a head was not signed.
#[derive(Debug, thiserror::Error)]
enum NotSigned {
    #[error("it could not be asked: {0}")]
    Away(io::Error),
    #[error("it answered {0}")]
    Status(u16),
    #[error("its answer is not one of a witness")]
    Answer,
    #[error("it has seen {seen} entries, and there are {size}: the ledger was rolled back, or another one has its key")]
    Ahead { seen: u64, size: u64 },
    #[error("it has seen another history of this ledger")]
    Split,
    #[error(transparent)]
    Tiles(#[from] TilesError),
    #[error("what it signed was not kept: {0}")]
    Disk(io::Error),
}

impl NotSigned {
    /// The metric's label.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Away(_) => "away",
            Self::Status(_) => "refused",
            Self::Answer => "unreadable",
            Self::Ahead { .. } | Self::Split => "split",
            Self::Tiles(_) | Self::Disk(_) => "disk",
        }
    }
}

impl Ledger {
    /// Shows each new head to a witness until the ledger is closed. A dropped future leaves nothing behind.
    ///
    /// # Errors
    /// `Closing`: the ledger was closed before the witness was named in it.
    pub async fn show_to(&self, witness: &Witness, way: &dyn Way) -> Result<(), Closing> {
        let mut seen = self.begin_file(witness).unwrap_or_else(|error| {
            tracing::warn!(%error, witness = witness.key.name, "the witness's file was not begun");
            0
        });
        let named =
            WitnessNamed { key: witness.key.to_string(), url: witness.url.clone(), country: witness.country.clone() };
        self.enter(What::WitnessNamed(named)).written().await?;
        let (mut signed_size, mut failed) = (None, None);
        while !self.is_closed() {
            let signed = self.signed();
            if signed_size != Some(signed.head.size) {
                let answer = match self.show(witness, &signed, &mut seen, way).await {
                    Ok(()) => {
                        (signed_size, failed) = (Some(signed.head.size), None);
                        "signed"
                    }
                    Err(error) => {
                        let answer = error.as_str();
                        // Once for each way to fail, not every 10 s.
                        match (failed.replace(answer) == Some(answer), &error) {
                            (true, _) => {}
                            (false, NotSigned::Ahead { .. } | NotSigned::Split) => {
                                tracing::error!(%error, witness = witness.key.name, "a witness contradicts the ledger");
                            }
                            (false, _) => tracing::warn!(%error, witness = witness.key.name, "a witness did not sign"),
                        }
                        answer
                    }
                };
                let name = witness.key.name.clone();
                metrics::counter!("domicile_ledger_witness_asks_total", "witness" => name, "answer" => answer)
                    .increment(1);
            }
            self.inner.world.clock.sleep(SHOWN_EVERY).await;
        }
        Ok(())
    }

    /// Asks for a signature over a head; a second time when the witness has seen another size than was thought.
    async fn show(&self, witness: &Witness, signed: &Signed, seen: &mut u64, way: &dyn Way) -> Result<(), NotSigned> {
        let size = signed.head.size;
        for _ in 0..2 {
            let old = *seen;
            if old > size {
                // Perhaps only this time: an old backup of the witness is asked from the beginning again.
                *seen = 0;
                return Err(NotSigned::Ahead { seen: old, size });
            }
            let path = if old == 0 || old == size { Vec::new() } else { consistency(size, old, self)? };
            let path: String = path.iter().map(|hash| format!("{hash}\n")).collect();
            let body = [format!("old {old}\n{path}\n").as_bytes(), &*signed.checkpoint].concat();
            let (status, answer) =
                way.post(format!("{}/add-checkpoint", witness.url), body).await.map_err(NotSigned::Away)?;
            match status {
                200 => {
                    let note = self.cosigned(witness, signed, &answer).ok_or(NotSigned::Answer)?;
                    self.put_file(witness, &note).map_err(NotSigned::Disk)?;
                    *seen = size;
                    return Ok(());
                }
                409 => *seen = size_of(&answer).ok_or(NotSigned::Answer)?,
                // The path does not lead from what it has seen.
                422 => return Err(NotSigned::Split),
                status => return Err(NotSigned::Status(status)),
            }
            if *seen == old {
                return Err(NotSigned::Split);
            }
        }
        match *seen {
            seen if seen > size => Err(NotSigned::Ahead { seen, size }),
            // It goes up and down.
            _ => Err(NotSigned::Status(409)),
        }
    }

    /// The checkpoint with the witness's signature, which holds.
    fn cosigned(&self, witness: &Witness, signed: &Signed, answer: &[u8]) -> Option<Vec<u8>> {
        let lines = std::str::from_utf8(answer).ok().filter(|text| text.len() <= ANSWER_BYTES_MAX)?;
        let note = |line: &str| [&*signed.checkpoint, line.as_bytes(), b"\n"].concat();
        let holds = |note: &Vec<u8>| {
            Head::read(note, self.vkey(), std::slice::from_ref(&witness.key)).is_ok_and(|(_, by)| by.len() == 1)
        };
        // It may have more than one key.
        lines.lines().map(note).find(holds)
    }

    fn file_of(&self, witness: &Witness) -> PathBuf {
        self.inner.folder.join(witnessed_path(&witness.key))
    }

    fn put_file(&self, witness: &Witness, note: &[u8]) -> io::Result<()> {
        write_whole(&*self.inner.world.disk, &self.file_of(witness), note)
    }

    /// Begins the witness's file, so that one that is missing was taken away; gives how many entries it says were seen.
    fn begin_file(&self, witness: &Witness) -> io::Result<u64> {
        let (disk, file) = (&*self.inner.world.disk, self.file_of(witness));
        let temporary = file.with_extension("new");
        if disk.exists(&temporary) {
            disk.remove(&temporary)?;
        }
        if disk.exists(&file) {
            let read = Head::read(&disk.read(&file)?, self.vkey(), std::slice::from_ref(&witness.key));
            return Ok(read.ok().and_then(|(_, by)| by.first().map(|by| by.size)).unwrap_or(0));
        }
        disk.make_folder(file.parent().unwrap_or(&file), false)?;
        self.put_file(witness, &self.signed().checkpoint).map(|()| 0)
    }
}

fn size_of(answer: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(answer).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}
