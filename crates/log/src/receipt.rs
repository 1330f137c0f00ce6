//! Receipts of requests that the accepted log still has.

use crate::Position;
use crate::accepted::AcceptedLog;
use crate::error::ReadError;
use crate::recorder::leaf;
use domicile_ledger::{Accepted, Ledger, Receipt, TILE_WIDTH, What};
use domicile_workspace::{Snapshot, SourceNumber, WorkspaceId};
use std::io;

/// Below this many entries they are looked at one by one.
const SPAN_MIN: u64 = 2 * TILE_WIDTH;

/// The receipt for the request that `position` lies in, if it is the workspace's, and of this source when one is named;
/// `None` while it is in no entry yet.
///
/// Reads one window of the log again: some tens of megabytes at the most.
///
/// # Errors
/// `Damage` when the log keeps the request no more, or not as the ledger says.
pub fn receipt(
    ledger: &Ledger,
    log: &AcceptedLog,
    snapshot: &Snapshot,
    (workspace, source): (&WorkspaceId, Option<SourceNumber>),
    position: Position,
) -> Result<Option<Receipt>, ReadError> {
    let damage = |what: &str| ReadError::Damage { file: "the accepted log".into(), offset: 0, what: what.into() };
    let io = |error: io::Error| ReadError::Io { file: "the ledger".into(), error };
    let Some((index, accepted)) = entry_of(ledger, workspace, position).map_err(io)? else { return Ok(None) };
    let [first, end] = accepted.window.map(Position);
    if first < log.start() {
        return Err(damage("the window of the request is not kept any more"));
    }
    let mut reader = log.reader(first)?;
    let (mut leaves, mut place) = (Vec::new(), None);
    while reader.position() < end {
        let read = reader.next_sealed(|header, payload| {
            let is_own = snapshot.source_of_frame(header.source).is_some_and(|source| source.workspace == *workspace);
            if is_own {
                if header.span().contains(position) && source.is_none_or(|source| source == header.source) {
                    place = Some(leaves.len());
                }
                leaves.push(leaf(header, payload));
            }
        })?;
        if read.is_none() {
            break;
        }
    }
    let Some(place) = place else { return Ok(None) };
    if domicile_ledger::digest_of(&leaves) != accepted.digest {
        return Err(damage("its requests are not those that the ledger has digested"));
    }
    let signed = ledger.signed();
    let way = ledger.inclusion(signed.head.size, index).map_err(|error| io(io::Error::other(error)))?;
    let entry = ledger.bundle(index / TILE_WIDTH).map_err(io)?;
    let entry = usize::try_from(index % TILE_WIDTH).ok().and_then(|at| entry.into_iter().nth(at));
    let entry = entry.ok_or_else(|| io(io::ErrorKind::NotFound.into()))?;
    Ok(Receipt::new(&leaves, place, &entry, (index, &way), &signed.checkpoint, ledger.vkey()))
}

/// The `accepted` entry of a workspace whose window has a position, and its index. Windows stand in order, so the ledger is halved until
/// few entries are left; it costs the same however long it is.
pub fn entry_of(ledger: &Ledger, workspace: &WorkspaceId, position: Position) -> io::Result<Option<(u64, Accepted)>> {
    let size = ledger.signed().head.size;
    let (mut from, mut to) = (0, size);
    while to - from > SPAN_MIN {
        let middle = from + (to - from) / 2;
        match next_accepted(ledger, middle, to)? {
            // Its window begins at or before the position, so the one that is looked for is none of the windows before it:
            // but its own parts may stand before the middle.
            Some((index, accepted)) if accepted.window[0] <= position.0 => {
                if position.0 < accepted.window[1] {
                    from = first_of_window(ledger, index, &accepted)?;
                    break;
                }
                from = index + 1;
            }
            _ => to = middle,
        }
    }
    let mut index = from;
    while let Some((at, accepted)) = next_accepted(ledger, index, size)? {
        if accepted.window[0] > position.0 {
            return Ok(None);
        }
        if position.0 < accepted.window[1] && accepted.workspace == workspace.as_str() {
            return Ok(Some((at, accepted)));
        }
        index = at + 1;
    }
    Ok(None)
}

/// The first `accepted` entry in `from..to`.
fn next_accepted(ledger: &Ledger, from: u64, to: u64) -> io::Result<Option<(u64, Accepted)>> {
    let mut index = from;
    while index < to {
        let number = index / TILE_WIDTH;
        let bundle = ledger.bundle(number)?;
        for bytes in bundle.iter().skip(usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX)) {
            if index >= to {
                return Ok(None);
            }
            let entry = domicile_ledger::Entry::read(bytes).map_err(io::Error::other)?;
            if let What::Accepted(accepted) = entry.what {
                return Ok(Some((index, accepted)));
            }
            index += 1;
        }
        index = index.max((number + 1) * TILE_WIDTH).max(from);
    }
    Ok(None)
}

/// Where the entries of the window that `accepted` belongs to begin.
fn first_of_window(ledger: &Ledger, index: u64, accepted: &Accepted) -> io::Result<u64> {
    let mut first = index;
    while first > 0 {
        match ledger.entry(first - 1)?.map(|entry| entry.what) {
            Some(What::Accepted(before)) if before.window == accepted.window => first -= 1,
            _ => break,
        }
    }
    Ok(first)
}
