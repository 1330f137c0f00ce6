//! The border process's side: sessions, permits, and the bytes between.

use super::frame::{BYTES_MAX, IN_FORCE_BYTES_MAX, odd, read, write};
use super::wire::{AskFrame, Connect, Failure, First, GrantedFrame, Grants, InForceFrame, Keep, RefusedFrame, Said};
use crate::ask::Ask;
use crate::border::Border;
use crate::line::{JUDGED_FOR, SendError};
use crate::outside::Stream;
use crate::permit::{Granted, Permit};
use crate::reach::Reached;
use crate::refusal::{Code, Fault};
use domicile_region::BorderPolicy;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::sync::{Semaphore, watch};

/// How long a connection may say nothing before it has said what it wants.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest time that is granted for connecting to one address.
const CONNECT_MAX: Duration = Duration::from_secs(60);
/// A region's cell has one, and a second while it starts anew.
const SESSIONS_MAX: usize = 16;
const RELAY_BYTES: usize = 16 * 1024;

/// A region's border, for cells that have no network. Serves connections of a Unix socket; who may connect is for its owner to say.
pub struct Gate {
    border: Border,
    policy: BorderPolicy,
    sessions: Mutex<Sessions>,
    room: Semaphore,
}

struct Sessions {
    next: u64,
    open: BTreeMap<u64, Session>,
}

/// What is in force for one cell.
#[derive(Clone)]
struct Session {
    border: Border,
    /// Closed at its end.
    alive: watch::Receiver<()>,
}

impl Gate {
    /// `border`: with the region's whole policy. Of its transfers a cell may use those that it names.
    pub fn new(border: Border) -> Self {
        let policy = BorderPolicy::clone(&border.in_force.load().policy);
        let mut number = [0; 8];
        border.world.random.fill(&mut number);
        // No process takes the sessions of one before it for its own.
        let sessions = Sessions { next: u64::from_be_bytes(number) >> 1, open: BTreeMap::new() };
        Self { border, policy, sessions: Mutex::new(sessions), room: Semaphore::new(SESSIONS_MAX) }
    }

    /// Serves one connection to its end. Dropping the future ends it.
    pub async fn serve(&self, stream: impl Stream) {
        if let Err(error) = self.serve_or_fail(stream).await
            && error.kind() == io::ErrorKind::InvalidData
        {
            tracing::warn!(region = %self.border.region, %error, "who connected to the border does not speak its protocol");
        }
    }

    async fn serve_or_fail(&self, mut stream: impl Stream) -> io::Result<()> {
        match self.within(FIRST_WAIT, read(&mut stream, BYTES_MAX)).await? {
            First::Keep(keep) => self.keep(stream, keep).await,
            First::Ask(ask) => self.pass(stream, ask).await,
        }
    }

    /// Keeps a session for as long as the connection is there.
    async fn keep(&self, mut stream: impl Stream, keep: Keep) -> io::Result<()> {
        if keep.region != self.border.region.as_str() {
            let what = format!("it is the border of {}", self.border.region);
            return write(&mut stream, &Said::Unfit(what), BYTES_MAX).await;
        }
        // What is in force may be large: nobody is heard who has no place.
        let Ok(_place) = self.room.try_acquire() else {
            return write(&mut stream, &Said::Unfit("it has too many sessions".to_owned()), BYTES_MAX).await;
        };
        let closed = BorderPolicy { transfers: Vec::new(), ..self.policy.clone() };
        let own = self.border.own.iter().copied().chain(keep.own).collect();
        let border = self.border.apart(closed).with_own(own);
        let (_end, alive) = watch::channel(());
        let number = self.sessions().next();
        write(&mut stream, &Said::Kept(number), BYTES_MAX).await?;
        let first: InForceFrame = self.within(FIRST_WAIT, read(&mut stream, IN_FORCE_BYTES_MAX)).await?;
        self.put(&border, first.read()?);
        self.sessions().open.insert(number, Session { border: border.clone(), alive });
        let _open = Open { gate: self, number };
        loop {
            write(&mut stream, &Said::Kept(number), BYTES_MAX).await?;
            let next: InForceFrame = read(&mut stream, IN_FORCE_BYTES_MAX).await?;
            self.put(&border, next.read()?);
        }
    }

    fn put(&self, border: &Border, (named, grants): (Vec<String>, Grants)) {
        let mut policy = self.policy.clone();
        policy.transfers.retain(|transfer| named.contains(&transfer.id()));
        border.put_policy(policy);
        border.put_grants(grants);
    }

    /// Answers one ask, connects if that is wanted, and carries bytes.
    async fn pass(&self, mut stream: impl Stream, frame: AskFrame) -> io::Result<()> {
        let session = self.sessions().open.get(&frame.session).cloned();
        let ask = frame.read()?;
        let Some(Session { border, mut alive }) = session else {
            let fault = Fault::new(Code::BorderUnreachable, "the border process has not been told what is in force");
            let refusal = fault.refusal(&self.border.region, &ask, None);
            return write(&mut stream, &Said::Refused(RefusedFrame::from(&refusal)), BYTES_MAX).await;
        };
        tokio::select! {
            biased;
            _ = alive.changed() => Ok(()),
            passed = self.pass_in(&border, stream, ask) => passed,
        }
    }

    async fn pass_in(&self, border: &Border, mut stream: impl Stream, ask: Ask) -> io::Result<()> {
        let permit = match border.permit(ask).await {
            Ok(permit) => permit,
            Err(refusal) => return write(&mut stream, &Said::Refused(RefusedFrame::from(&refusal)), BYTES_MAX).await,
        };
        let granted = permit.granted().clone();
        let frame = GrantedFrame {
            addresses: granted.addresses.clone(),
            country: granted.country.to_string(),
            rule: granted.rule.name(),
        };
        write(&mut stream, &Said::Granted(frame), BYTES_MAX).await?;
        let Connect { connect_ms } = self.within(JUDGED_FOR, read(&mut stream, BYTES_MAX)).await?;
        let connect = Duration::from_millis(connect_ms).min(CONNECT_MAX);
        match self.reach_unless_gone(border, permit, connect, &mut stream).await? {
            Ok(Reached { stream: partner, address, encrypted }) => {
                write(&mut stream, &Said::Connected { address, encrypted }, BYTES_MAX).await?;
                relay(stream, partner, border, granted, address).await
            }
            Err(error) => write(&mut stream, &failed(&error)?, BYTES_MAX).await,
        }
    }

    /// Connects, for as long as somebody waits for it: before the answer a cell sends nothing.
    async fn reach_unless_gone(
        &self,
        border: &Border,
        permit: Permit,
        connect: Duration,
        stream: &mut impl Stream,
    ) -> io::Result<Result<Reached, SendError>> {
        tokio::select! {
            biased;
            reached = border.reach(permit, connect) => Ok(reached),
            early = stream.read_u8() => Err(early.err().unwrap_or_else(odd)),
        }
    }

    async fn within<T>(&self, time: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        tokio::select! {
            biased;
            done = what => done,
            () = self.border.world.clock.sleep(time) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// A session that ends when this is dropped.
struct Open<'g> {
    gate: &'g Gate,
    number: u64,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.gate.sessions().open.remove(&self.number);
    }
}

fn failed(error: &SendError) -> io::Result<Said> {
    let (failure, what) = match error {
        SendError::Unreachable { address, error } => (Failure::Unreachable(*address), error.to_string()),
        SendError::Tls { address, error } => (Failure::Tls(*address), error.to_string()),
        SendError::TimedOut { .. } => (Failure::TimedOut, String::new()),
        // Connecting ends in no other way.
        SendError::Refused(_) | SendError::Broken | SendError::Request(_) | SendError::Unmade(_) => {
            return Err(io::Error::other("no connection"));
        }
    };
    Ok(Said::Failed { failure, what })
}

/// Carries bytes both ways until one side ends. Those of the cell go on only while the connection may be there.
async fn relay(
    cell: impl Stream,
    partner: Box<dyn Stream>,
    border: &Border,
    mut granted: Granted,
    address: SocketAddr,
) -> io::Result<()> {
    let (mut from_cell, mut to_cell) = split(cell);
    let (mut from_partner, mut to_partner) = split(partner);
    let out = async {
        let mut bytes = vec![0; RELAY_BYTES];
        loop {
            let read = from_cell.read(&mut bytes).await?;
            if read == 0 {
                return Ok(());
            }
            if border.is_stale(&granted) {
                granted = border.holds_for(&granted, address.ip()).map_err(|fault| {
                    let (region, host, code) = (&border.region, granted.host(), fault.code.as_str());
                    tracing::info!(%region, host, code, "a connection was cut: it may not be there any more");
                    io::Error::other(fault.what)
                })?;
            }
            to_partner.write_all(&bytes[..read]).await?;
            to_partner.flush().await?;
        }
    };
    let ended = tokio::select! {
        ended = out => ended,
        ended = copy(&mut from_partner, &mut to_cell) => ended.map(drop),
    };
    // Each is told in order, as far as it is there still.
    let _ = tokio::join!(to_partner.shutdown(), to_cell.shutdown());
    ended
}
