//! A log as it lies there, looked at before anything opens it.

use crate::error::OpenError;
use crate::recovery::{Closed, recover};
use crate::segment::find_segments;
use crate::{Position, Span};
use domicile_world::World;
use std::path::Path;

/// Where a log begins and ends: 0 and 0 when there is none yet.
///
/// Opening a log begins a new segment. A program that opens several looks at all of them first, so that damage in the last
/// one stops the start before the first one is changed. Nothing is written here.
///
/// # Errors
/// What opening it would refuse, except for a forwarded frame whose seal does not hold.
pub fn look(world: &World, folder: &Path) -> Result<Span, OpenError> {
    let disk = world.disk.as_ref();
    if !disk.exists(folder) {
        return Ok(Span::new(Position(0), 0));
    }
    let closed = Closed::read(disk, folder)?;
    let (segments, _) = find_segments(disk, folder)?;
    match (segments.first(), segments.last()) {
        (Some(first), Some(last)) => {
            let end = recover(disk, last, closed.as_ref(), |_, _| Ok(()))?.end;
            Ok(Span { first: first.header.first, end })
        }
        _ if closed.is_some() => Err(Closed::without_segments(folder)),
        _ => Ok(Span::new(Position(0), 0)),
    }
}

/// Checks that the accepted log still has what the event log in `folder` has decided on: if it ends earlier, promised events
/// are gone.
pub fn check_ends(folder: &Path, events: Span, accepted: Span) -> Result<(), OpenError> {
    let (decided, promised) = (events.end, accepted.end);
    if decided > promised {
        let what = format!("the accepted log ends at position {promised}, but {decided} were decided");
        return Err(OpenError::damage(folder, 0, what));
    }
    if accepted.first > decided {
        let what = format!("the accepted log begins at position {}, but only {decided} are decided", accepted.first);
        return Err(OpenError::damage(folder, 0, what));
    }
    Ok(())
}
