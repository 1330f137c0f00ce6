//! What the ledger is told beside events: keys, transfers, changes of the configuration, and what the border refused.
//!
//! ```text
//! keys · transfers · audit trail ──► compared with what the ledger has said so far ──► entries
//! border ──► refusals, gathered ─────────────────────────────────────────────────────► entries
//! ```
//!
//! - A transfer is put in force only when the ledger has it: its entry is there before the first byte goes out under it.
//! - What the ledger has said is known from the ledger. The file beside the index saves reading all of it at a start.

use domicile_border::{Border, Refusal, Register};
use domicile_control::Store;
use domicile_event::Stamp;
use domicile_keys::{KeyId, Keyring};
use domicile_ledger::{Configured, Ended, Granted, Key, Ledger, Pending, Refused, What, all_written};
use domicile_region::{BorderPolicy, Transfer};
use domicile_workspace::{Current, WorkspaceNumber};
use domicile_world::{World, write_whole};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often keys, the trail and refusals are looked at. A new version of the configuration is looked at at once.
const LOOK: Duration = Duration::from_secs(5);
/// How often what the ledger has said is noted beside the index.
const NOTE_EVERY: u64 = 10_000;
/// Different refusals that are told apart between two looks.
const REFUSALS_MAX: usize = 1_000;

/// Gathers what the border refuses, until the ledger is told.
#[derive(Default)]
pub struct Refusals(Mutex<BTreeMap<Refused, u64>>);

impl Register for Refusals {
    fn refused(&self, refusal: &Refusal) {
        let mut of = Refused {
            workspace: refusal.workspace.to_string(),
            purpose: refusal.purpose.as_str().to_owned(),
            host: refusal.host.clone(),
            address: refusal.address.map(|address| address.to_string()),
            country: refusal.country.map(|country| country.to_string()),
            code: refusal.code.as_str().to_owned(),
            times: 0,
        };
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= REFUSALS_MAX && !refusals.contains_key(&of) {
            // Whoever asks for ever new hosts fills the ledger with counts, not with names.
            (of.host, of.address, of.country) = (None, None, None);
        }
        *refusals.entry(of).or_default() += 1;
    }
}

impl Refusals {
    fn take(&self) -> impl Iterator<Item = What> {
        let refusals = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        refusals.into_iter().map(|(refused, times)| What::Refused(Refused { times, ..refused }))
    }
}

/// What the ledger has said so far, up to an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    until: u64,
    /// Data keys that are there, as workspace number and generation.
    keys: BTreeSet<(u32, u32)>,
    /// Transfers that hold.
    transfers: BTreeMap<String, Option<String>>,
    /// The last line of the audit trail.
    trail: u64,
}

impl Said {
    fn take(&mut self, what: &What) {
        match what {
            What::KeyMade(Key { number, generation, .. }) => drop(self.keys.insert((*number, *generation))),
            What::KeyDestroyed(Key { number, generation, .. }) => drop(self.keys.remove(&(*number, *generation))),
            What::Granted(granted) => {
                self.transfers.insert(granted.transfer.clone(), granted.workspace.clone());
            }
            What::Ended(ended) => drop(self.transfers.remove(&ended.transfer)),
            What::Configured(configured) => self.trail = self.trail.max(configured.trail[1]),
            _ => {}
        }
    }
}

/// What a cell's register looks at.
pub struct Looked {
    pub world: World,
    pub ledger: Ledger,
    pub keyring: Keyring,
    pub store: Store,
    pub border: Border,
    /// The region's policy, with its transfers.
    pub policy: BorderPolicy,
    pub refusals: Arc<Refusals>,
    /// Where what was said is noted.
    pub file: PathBuf,
}

/// Tells the ledger.
pub struct Teller {
    at: Looked,
    current: Current,
    said: Said,
    noted: u64,
    /// Whether the store could not be read at the last look.
    unread: bool,
    stop: watch::Receiver<bool>,
}

impl Teller {
    /// Reads what the ledger has said and hands in what is new; [`Self::put_in_force`] may follow when that is on disk.
    pub fn open(at: Looked, stop: watch::Receiver<bool>) -> io::Result<Self> {
        let said = read_said(&at)?;
        let current = at.store.current();
        let mut teller = Self { noted: said.until, unread: false, said, current, at, stop };
        teller.hand_in();
        Ok(teller)
    }

    /// Tells until it is stopped, and then once more.
    pub async fn run(mut self) -> io::Result<()> {
        let mut versions = self.current.versions();
        loop {
            let stopped = *self.stop.borrow();
            let pending = self.hand_in();
            all_written(pending).await.map_err(io::Error::other)?;
            self.put_in_force();
            self.note();
            if stopped {
                return Ok(());
            }
            tokio::select! {
                _ = self.stop.changed() => {}
                _ = versions.changed() => {}
                () = self.at.world.clock.sleep(LOOK) => {}
            }
        }
    }

    /// Lets the border use the transfers that the ledger has.
    pub fn put_in_force(&self) {
        let told = |transfer: &Transfer, id: &str| !self.has_expired(transfer) && self.said.transfers.contains_key(id);
        let mut policy = self.at.policy.clone();
        // Those that have expired are kept, so that what they let out is refused by their name.
        policy.transfers.retain(|transfer| self.has_expired(transfer) || told(transfer, &transfer.id()));
        self.at.border.put_policy(policy);
        let snapshot = self.current.load();
        let mut grants: BTreeMap<_, Vec<Transfer>> = BTreeMap::new();
        for granted in snapshot.transfers.values() {
            if self.has_expired(&granted.transfer) || told(&granted.transfer, granted.id.as_str()) {
                grants.entry(granted.workspace.clone()).or_default().push(granted.transfer.clone());
            }
        }
        self.at.border.put_grants(grants);
    }

    fn has_expired(&self, transfer: &Transfer) -> bool {
        let now = Stamp::of(self.at.world.clock.now().0);
        transfer.has_expired(now.day())
    }

    /// Hands in what the ledger does not know yet.
    fn hand_in(&mut self) -> Vec<Pending> {
        let mut entries = self.keys();
        entries.extend(self.transfers());
        entries.extend(self.trail());
        entries.extend(self.at.refusals.take());
        entries.iter().for_each(|what| self.said.take(what));
        self.at.ledger.enter_all(entries)
    }

    /// What is new on the audit trail. While the store can't be read it waits: events do not depend on it.
    fn trail(&mut self) -> Option<What> {
        let trail = self.at.store.view(|view| view.trail_after(self.said.trail));
        if let Err(error) = &trail
            && !self.unread
        {
            tracing::warn!(%error, "the audit trail can't be read; the ledger is told of it later");
        }
        self.unread = trail.is_err();
        let (trail, digest) = trail.ok()??;
        let version = self.current.load().version.0;
        Some(What::Configured(Configured { version, trail, digest }))
    }

    fn keys(&self) -> Vec<What> {
        let snapshot = self.current.load();
        let key = |(number, generation): (u32, u32)| {
            let workspace = snapshot.workspaces.get(&WorkspaceNumber(number)).map(|workspace| workspace.id.to_string());
            Key { workspace, number, generation }
        };
        let there: BTreeSet<(u32, u32)> = self
            .at
            .keyring
            .data_keys()
            .into_iter()
            .map(|KeyId { workspace, generation }| (workspace, generation))
            .collect();
        let made = there.difference(&self.said.keys).map(|id| What::KeyMade(key(*id)));
        let destroyed = self.said.keys.difference(&there).map(|id| What::KeyDestroyed(key(*id)));
        made.chain(destroyed).collect()
    }

    fn transfers(&self) -> Vec<What> {
        let snapshot = self.current.load();
        let of_region = self.at.policy.transfers.iter().map(|transfer| (transfer.id(), None, transfer));
        let of_workspaces = snapshot
            .transfers
            .values()
            .map(|granted| (granted.id.to_string(), Some(granted.workspace.to_string()), &granted.transfer));
        let hold: BTreeMap<String, (Option<String>, &Transfer)> = of_region
            .chain(of_workspaces)
            .filter(|(_, _, transfer)| !self.has_expired(transfer))
            .map(|(id, workspace, transfer)| (id, (workspace, transfer)))
            .collect();
        let ended = self
            .said
            .transfers
            .iter()
            .filter(|(id, _)| !hold.contains_key(*id))
            .map(|(id, workspace)| What::Ended(Ended { transfer: id.clone(), workspace: workspace.clone() }));
        let granted =
            hold.iter().filter(|(id, _)| !self.said.transfers.contains_key(*id)).map(|(id, (workspace, of))| {
                What::Granted(Granted {
                    transfer: id.clone(),
                    workspace: workspace.clone(),
                    to: of.to.to_string(),
                    vendor: of.vendor.clone(),
                    basis: of.basis.clone(),
                    approved_by: of.approved_by.clone(),
                    expires: of.expires.clone(),
                    fields: of.fields.as_ref().map(ToString::to_string),
                })
            });
        ended.chain(granted).collect()
    }

    /// Notes what was said, from time to time: without it the next start reads more of the ledger.
    fn note(&mut self) {
        let size = self.at.ledger.signed().head.size;
        let stopped = *self.stop.borrow();
        if !stopped && size < self.noted + NOTE_EVERY {
            return;
        }
        self.noted = size;
        let said = Said { until: size, ..self.said.clone() };
        let text = serde_json::to_vec(&said).map_err(io::Error::from);
        if let Err(error) = text.and_then(|text| write_whole(self.at.world.disk.as_ref(), &self.at.file, &text)) {
            tracing::warn!(%error, "what the ledger has said was not noted; the next start reads it from the ledger");
        }
    }
}

/// What was noted, and what the ledger has said since.
fn read_said(at: &Looked) -> io::Result<Said> {
    let size = at.ledger.signed().head.size;
    let noted = at.world.disk.read(&at.file).ok().and_then(|text| serde_json::from_slice::<Said>(&text).ok());
    let mut said = noted.filter(|said| said.until <= size).unwrap_or_default();
    for entry in at.ledger.entries(said.until..size) {
        said.take(&entry?.1.what);
    }
    said.until = size;
    Ok(said)
}
