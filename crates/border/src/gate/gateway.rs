//! The cell's side: keeps the border process told of what is in force, asks, and is handed connections.

use super::frame::{BYTES_MAX, IN_FORCE_BYTES_MAX, odd, read, write};
use super::wire::{AskFrame, Connect, Failure, First, InForceFrame, Keep, Said, country};
use crate::ask::Ask;
use crate::border::Border;
use crate::line::{SendError, Stage};
use crate::outside::{Outside, Stream};
use crate::permit::Granted;
use crate::policy::InForce;
use crate::reach::Reached;
use crate::refusal::{Code, Fault, Refusal};
use crate::target::Target;
use async_trait::async_trait;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::watch;

/// How long to wait before the border process is looked for again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long the border process may take to take what is in force.
const TOLD_WAIT: Duration = Duration::from_secs(5);
/// How long an answer to an ask may take: a name's look-up has 5 s.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// The way to a border process.
pub(crate) struct Gateway {
    socket: PathBuf,
    link: watch::Sender<Link>,
}

#[derive(Clone)]
enum Link {
    /// Not tried yet.
    Beginning,
    /// The border process has this in force, in this session.
    Kept(u64, Arc<InForce>),
    Lost,
}

/// A connection to the border process, which has a permit of its own there. Connecting uses it up.
#[derive(Debug)]
pub(crate) struct Passage(UnixStream);

/// The network of a cell that has none.
pub(crate) struct Nowhere;

#[async_trait]
impl Outside for Nowhere {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::NetworkUnreachable.into())
    }

    async fn connect(&self, _address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        Err(io::ErrorKind::NetworkUnreachable.into())
    }
}

impl Gateway {
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), link: watch::Sender::new(Link::Beginning) }
    }

    /// A connection to the socket, if a process of the same user listens there.
    async fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (own, _) = UnixStream::pair()?;
        if stream.peer_cred()?.uid() != own.peer_cred()?.uid() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user listens on the border's socket"));
        }
        Ok(stream)
    }
}

impl Border {
    /// Keeps the border process told of what is in force, and finds it again when it was gone. Never returns; dropping it ends
    /// the session there. Nothing to do for a border with a network of its own.
    pub async fn keep_gate(&self) {
        let Some(gate) = &self.gate else { return std::future::pending().await };
        let mut told: Option<String> = None;
        loop {
            let Err(error) = self.keep_told(gate, &mut told).await;
            gate.link.send_replace(Link::Lost);
            let why = error.to_string();
            if told.as_ref() != Some(&why) {
                let (region, socket) = (&self.region, gate.socket.display());
                tracing::warn!(%region, %socket, error = why, mend = Code::BorderUnreachable.mend(),
                    "the border process can't be asked; what goes out waits");
                told = Some(why);
            }
            self.world.clock.sleep(AGAIN).await;
        }
    }

    async fn keep_told(&self, gate: &Gateway, told: &mut Option<String>) -> io::Result<std::convert::Infallible> {
        let mut stream = gate.connect().await?;
        let keep = Keep { region: self.region.to_string(), own: self.own.to_vec() };
        write(&mut stream, &First::Keep(keep), BYTES_MAX).await?;
        self.kept(&mut stream).await?;
        loop {
            let changed = self.changed.notified();
            let in_force = self.in_force.load_full();
            write(&mut stream, &InForceFrame::from(&*in_force), IN_FORCE_BYTES_MAX).await?;
            let session = self.kept(&mut stream).await?;
            gate.link.send_replace(Link::Kept(session, in_force));
            if told.take().is_some() {
                tracing::info!(region = %self.region, "the border process can be asked again");
            }
            // Nothing comes unasked: what can be read is the end.
            tokio::select! {
                () = changed => {}
                ended = stream.read_u8() => {
                    let _ = ended?;
                    return Err(odd());
                }
            }
        }
    }

    async fn kept(&self, stream: &mut UnixStream) -> io::Result<u64> {
        match self.within(TOLD_WAIT, read(stream, BYTES_MAX)).await? {
            Said::Kept(session) => Ok(session),
            Said::Unfit(why) => Err(io::Error::other(why)),
            _ => Err(odd()),
        }
    }

    /// Asks the border process.
    pub(crate) async fn ask_gate(&self, gate: &Gateway, ask: Ask) -> Result<(Granted, Passage), Refusal> {
        let unreachable = |what: &str| Fault::new(Code::BorderUnreachable, what).refusal(&self.region, &ask, None);
        // What may not be there when this ends.
        let told = self.within(TOLD_WAIT, async { self.told(gate).await }).await;
        let (session, in_force) = told.map_err(|_| unreachable("the border process can't be asked now"))?;
        let judged_at = self.world.clock.monotonic();
        let asked = async {
            let mut stream = gate.connect().await?;
            write(&mut stream, &First::Ask(AskFrame::new(session, &ask)), BYTES_MAX).await?;
            Ok((read(&mut stream, BYTES_MAX).await?, stream))
        };
        let asked = self.within(ANSWER_WAIT, asked).await;
        let (frame, stream) = match asked.map_err(|_| unreachable("the border process did not answer"))? {
            (Said::Granted(frame), stream) => (frame, stream),
            (Said::Refused(refused), _) => {
                return Err(refused.read(&self.region, &ask).unwrap_or_else(|_| unreachable("it answered oddly")));
            }
            _ => return Err(unreachable("the border process answered oddly")),
        };
        let target = Target::of(&ask).map_err(|fault| fault.refusal(&self.region, &ask, None))?;
        let under = in_force.for_ask(&ask);
        let country = country(&frame.country).ok().filter(|_| !frame.addresses.is_empty());
        let rule = country.and_then(|country| Some((country, under.named(&frame.rule, country)?)));
        // Both have to say yes. It passes: what changes here is told there.
        let Some((country, rule)) = rule else {
            return Err(unreachable("the border process grants it under a rule that is not in force in the cell"));
        };
        let addresses = frame.addresses;
        let listed = addresses.iter().all(|address| self.is_listed(address.ip()));
        Ok((Granted { ask, target, addresses, country, rule, listed, under, judged_at }, Passage(stream)))
    }

    /// Waits until the border process has what is in force now.
    async fn told(&self, gate: &Gateway) -> io::Result<(u64, Arc<InForce>)> {
        let mut link = gate.link.subscribe();
        loop {
            match &*link.borrow_and_update() {
                Link::Kept(session, told) if Arc::ptr_eq(told, &self.in_force.load()) => {
                    return Ok((*session, Arc::clone(told)));
                }
                Link::Lost => return Err(io::ErrorKind::NotConnected.into()),
                Link::Beginning | Link::Kept(..) => {}
            }
            link.changed().await.map_err(io::Error::other)?;
        }
    }

    /// Has the border process connect.
    pub(crate) async fn reach_by_gate(
        &self,
        Passage(mut stream): Passage,
        granted: &Granted,
        connect: Duration,
    ) -> Result<Reached, SendError> {
        let connect_ms = u64::try_from(connect.as_millis()).unwrap_or(u64::MAX);
        let tries = u32::try_from(granted.addresses.len()).unwrap_or(u32::MAX);
        let connected = async {
            write(&mut stream, &Connect { connect_ms }, BYTES_MAX).await?;
            read(&mut stream, BYTES_MAX).await
        };
        match self.within(connect.saturating_mul(tries).saturating_add(TOLD_WAIT), connected).await {
            Ok(Said::Connected { address, encrypted }) if granted.addresses.contains(&address) => {
                Ok(Reached { stream: Box::new(stream), address, encrypted })
            }
            Ok(Said::Failed { failure, what }) => Err(match failure {
                Failure::Unreachable(address) => SendError::Unreachable { address, error: io::Error::other(what) },
                Failure::Tls(address) => SendError::Tls { address, error: io::Error::other(what) },
                Failure::TimedOut => SendError::TimedOut { stage: Stage::Connecting },
            }),
            Ok(_) | Err(_) => {
                let fault = Fault::new(Code::BorderUnreachable, "the border process was gone before it had connected");
                let host = Some((granted.host(), granted.port()));
                let refusal = fault.refusal(&self.region, &granted.ask, host);
                Err(SendError::Refused(Box::new(self.refused(refusal))))
            }
        }
    }

    async fn within<T>(&self, time: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        tokio::select! {
            biased;
            done = what => done,
            () = self.world.clock.sleep(time) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
