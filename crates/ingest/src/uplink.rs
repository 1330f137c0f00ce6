//! From a remote ingest point's spool to its region's accepted log.
//!
//! - In order, a window of requests at a time. The region remembers of each point only how far it has come, so it refuses
//!   whatever has a gap before it: nothing overtakes a request that was not taken.
//! - Each request goes with its place in the spool, and the region takes each place once: after a crash on either side
//!   the last one may be sent again, and is not stored again.
//! - The spool forgets a request only when it is on the region's disk.

use domicile_log::{Accepted, AcceptedLog, AcceptedReader, AppendError, Origin, Pending, Position, ReadError, Span};
use domicile_region::{InRegion, PointName};
use domicile_workspace::Current;
use domicile_world::World;
use metrics::{Counter, counter};
use std::collections::VecDeque;
use std::time::Duration;
use tracing::{error, info, warn};

const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Requests on their way at once: at most 64 bodies in memory, and as many in one commit of the region.
const WINDOW_REQUESTS: usize = 64;

/// The way of one remote point's events into its region, within one process.
pub struct Uplink {
    world: World,
    point: PointName,
    spool: AcceptedLog,
    region_log: AcceptedLog,
    current: Current,
    reader: AcceptedReader,
    /// Up to where the spool has been handed over or dropped: the next request's place begins here.
    next: Position,
    forwarded: Counter,
}

/// Why events stay in the spool.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    #[error(
        "the spool of ingest point `{point}` ends at {end}, but its region has taken it up to {taken}\n  \
         new events would be taken for old ones and be lost\n  \
         mend: put the spool's folder back as it was, or give the point another name"
    )]
    SpoolReset { point: PointName, end: Position, taken: Position },
    #[error("the spool of ingest point `{point}`: {error}")]
    Spool { point: PointName, error: ReadError },
    #[error("the region's log failed: what it has not taken stays in the spool of ingest point `{point}`")]
    RegionFailed { point: PointName },
}

impl Uplink {
    /// The way from `spool` to `region_log`. Make it before the point takes its first event.
    ///
    /// # Errors
    /// `SpoolReset` when the spool is not the one that the region knows.
    pub fn new(
        world: World,
        point: PointName,
        spool: &AcceptedLog,
        region_log: AcceptedLog,
        current: Current,
    ) -> Result<Self, UplinkError> {
        let taken = region_log.origin_end(&point);
        if spool.end() < taken {
            return Err(UplinkError::SpoolReset { point, end: spool.end(), taken });
        }
        if spool.start() > taken {
            // Released, so it was taken: the region's log is older than it was.
            let missing = spool.start().0 - taken.0;
            error!(%point, missing, "the region's log has lost events that it took from the spool");
        }
        let reader = spool
            .reader(taken.max(spool.start()))
            .map_err(|error| UplinkError::Spool { point: point.clone(), error })?;
        let labels = [("region", region_log.region().to_string()), ("point", point.to_string())];
        let forwarded = counter!("domicile_uplink_events_total", &labels);
        let spool = spool.clone();
        Ok(Self { world, point, spool, region_log, current, reader, next: taken, forwarded })
    }

    /// Forwards until the spool is closed and everything in it is with the region, or the region's log closes; what is
    /// left then goes at the next start. May be dropped at any time.
    pub async fn run(mut self) -> Result<(), UplinkError> {
        let mut window = VecDeque::with_capacity(WINDOW_REQUESTS);
        let mut wait = WAIT_MIN;
        loop {
            let mut refused = self.fill(&mut window)?.err();
            if let (None, Some((end, pending))) = (refused, window.pop_front()) {
                match Pending::answer(pending).await {
                    Ok(taken) => {
                        // Nothing is counted twice: a repeat has an empty span.
                        self.forwarded.increment(taken.events());
                        self.reader.release(end);
                        wait = WAIT_MIN;
                        continue;
                    }
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                None if self.reader.more().await => {}
                None => return Ok(()),
                Some(AppendError::Closing) => {
                    info!(point = %self.point, "the region's log is closing, the rest stays in the spool");
                    return Ok(());
                }
                Some(AppendError::Failed) => return Err(UplinkError::RegionFailed { point: self.point }),
                Some(error) => {
                    if wait == WAIT_MIN {
                        warn!(point = %self.point, %error, "the region takes no events, trying on");
                    }
                    self.world.clock.sleep(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                    window.clear();
                    self.go_back()?;
                }
            }
        }
    }

    /// Queues what the spool has, in order, as long as the window has room. The inner error: the region refused one.
    fn fill(&mut self, window: &mut VecDeque<(Position, Pending)>) -> Result<Result<(), AppendError>, UplinkError> {
        while window.len() < WINDOW_REQUESTS {
            let next = self.reader.next();
            let Some(accepted) = next.map_err(|error| self.unreadable(error))? else { break };
            let end = accepted.span.end;
            match self.enqueue(accepted) {
                Ok(Some(pending)) => {
                    window.push_back((end, pending));
                    self.next = end;
                }
                // Dropped: its place goes with the next request, so that there is no gap.
                Ok(None) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Queues one request at the region; `None` when it can't be stored any more.
    fn enqueue(&self, accepted: Accepted) -> Result<Option<Pending>, AppendError> {
        if accepted.erased {
            self.drop(&accepted, "key_destroyed");
            return Ok(None);
        }
        let mut receipt = accepted.receipt.clone();
        let Some(source) = self.current.load().source_of_frame(receipt.source).cloned() else {
            self.drop(&accepted, "source_gone");
            return Ok(None);
        };
        let source = InRegion::new(self.region_log.region().clone(), source);
        let span = Span { first: self.next, end: accepted.span.end };
        receipt.origin = Some(Origin { point: self.point.clone(), span });
        let envelope = accepted.envelope.clone();
        self.region_log.enqueue(source, receipt, &envelope, accepted.into_buf()).map(Some)
    }

    /// Reads the spool again from what the region has taken.
    fn go_back(&mut self) -> Result<(), UplinkError> {
        self.next = self.region_log.origin_end(&self.point);
        let reader = self.spool.reader(self.next.max(self.spool.start()));
        self.reader = reader.map_err(|error| self.unreadable(error))?;
        Ok(())
    }

    fn unreadable(&self, error: ReadError) -> UplinkError {
        UplinkError::Spool { point: self.point.clone(), error }
    }

    /// Promised events that can't be stored any more: their workspace or source was deleted meanwhile.
    fn drop(&self, accepted: &Accepted, reason: &'static str) {
        let events = accepted.span.events();
        counter!("domicile_uplink_dropped_events_total", "point" => self.point.to_string(), "reason" => reason)
            .increment(events);
        warn!(point = %self.point, source = accepted.receipt.source.0, events, reason, "not forwarded");
    }
}
