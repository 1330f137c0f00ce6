//! From a remote ingest point's spool to its region's accepted log.
//!
//! - In order, one request after the other: the region remembers of each point only how far it has come, so what
//!   overtook a request that was not taken would make it look taken.
//! - Each request goes with its place in the spool, and the region takes each place once: after a crash on either side
//!   the last one may be sent again, and is not stored again.
//! - The spool forgets a request only when it is on the region's disk.

use domicile_log::{Accepted, AcceptedLog, AcceptedReader, AppendError, FrameBuf, Origin, Position, ReadError};
use domicile_region::{InRegion, PointName};
use domicile_workspace::Current;
use domicile_world::World;
use metrics::{Counter, counter};
use std::time::Duration;
use tracing::{error, info, warn};

const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The way of one remote point's events into its region, within one process.
pub struct Uplink {
    world: World,
    point: PointName,
    region_log: AcceptedLog,
    current: Current,
    reader: AcceptedReader,
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
        Ok(Self { world, point, region_log, current, reader, forwarded })
    }

    /// Forwards until the spool is closed and everything in it is with the region, or the region's log closes; what is
    /// left then goes at the next start. May be dropped at any time.
    pub async fn run(mut self) -> Result<(), UplinkError> {
        loop {
            let next = self.reader.next();
            match next.map_err(|error| UplinkError::Spool { point: self.point.clone(), error })? {
                Some(accepted) => {
                    if !self.forward(&accepted).await? {
                        info!(point = %self.point, "the region's log is closing, the rest stays in the spool");
                        return Ok(());
                    }
                    self.reader.release(accepted.span.end);
                }
                None if self.reader.more().await => {}
                None => return Ok(()),
            }
        }
    }

    /// Puts one request into the region's log; `false` when that is closing.
    async fn forward(&self, accepted: &Accepted) -> Result<bool, UplinkError> {
        let mut receipt = accepted.receipt.clone();
        if accepted.erased {
            self.drop(accepted, "key_destroyed");
            return Ok(true);
        }
        let Some(source) = self.current.load().source_of_frame(receipt.source).cloned() else {
            self.drop(accepted, "source_gone");
            return Ok(true);
        };
        let source = InRegion::new(self.region_log.region().clone(), source);
        receipt.origin = Some(Origin { point: self.point.clone(), span: accepted.span });
        let mut wait = WAIT_MIN;
        loop {
            let mut body = FrameBuf::with_capacity(accepted.body().len());
            body.extend_from_slice(accepted.body());
            match self.region_log.append(source.clone(), receipt.clone(), &accepted.envelope, body).await {
                Ok(taken) => {
                    // Nothing is counted twice: a repeat has an empty span.
                    self.forwarded.increment(taken.events());
                    return Ok(true);
                }
                Err(AppendError::Closing) => return Ok(false),
                Err(AppendError::Failed) => return Err(UplinkError::RegionFailed { point: self.point.clone() }),
                Err(error @ (AppendError::Full | AppendError::NoKey | AppendError::WrongRegion)) => {
                    if wait == WAIT_MIN {
                        warn!(point = %self.point, %error, "the region takes no events, trying on");
                    }
                    self.world.clock.sleep(wait).await;
                    wait = (wait * 2).min(WAIT_MAX);
                }
            }
        }
    }

    /// Promised events that can't be stored any more: their workspace or source was deleted meanwhile.
    fn drop(&self, accepted: &Accepted, reason: &'static str) {
        let events = accepted.span.events();
        counter!("domicile_uplink_dropped_events_total", "point" => self.point.to_string(), "reason" => reason)
            .increment(events);
        warn!(point = %self.point, source = accepted.receipt.source.0, events, reason, "not forwarded");
    }
}
