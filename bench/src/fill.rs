//! Fills a cell's two logs, for the row about the start: through the log's own writers, without a server.

use domicile_event::Envelope;
use domicile_keys::Keyring;
use domicile_log::{AcceptedLog, DecidedBuilder, EventKey, EventLog, FrameBuf, LogSettings, Position, Receipt, Span};
use domicile_region::{InRegion, PointName, RegionId};
use domicile_workspace::{ConfigVersion, Source, SourceId, SourceKind, SourceNumber, WorkspaceId, WorkspaceNumber};
use domicile_world::{Millis, World};
use std::io;
use std::path::Path;
use std::sync::Arc;

const FRAME_EVENTS: u32 = 500;
const EVENT_BYTES: usize = 850;

/// Writes half of `gigabytes` into each log; gives the bytes.
pub fn fill(cell: &Path, gigabytes: f64) -> io::Result<u64> {
    let world = World::real();
    let region = RegionId::new("eu-west");
    let keyring = Keyring::open(&world, &cell.join("keys")).map_err(io::Error::other)?;
    let settings = LogSettings::default();
    let (accepted, committer) =
        AcceptedLog::open(&world, &region, &cell.join("accepted"), &keyring, settings).map_err(io::Error::other)?;
    let (events, mut writer) =
        EventLog::open(&world, &cell.join("events"), &keyring, settings).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let committer = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().build().map(|runtime| runtime.block_on(committer.run()))
    });
    let point = PointName::new("dublin");
    let source = InRegion::new(region, Arc::new(source(&point)));
    let frames = (gigabytes * 1e9 / 2.0 / (EVENT_BYTES * FRAME_EVENTS as usize) as f64) as u64;
    let event = vec![b'x'; EVENT_BYTES];
    let mut key = 0_u64;
    let mut span = Span { first: accepted.end(), end: accepted.end() };
    for frame in 0..frames {
        let mut body = FrameBuf::with_capacity(EVENT_BYTES * FRAME_EVENTS as usize);
        let mut items = Vec::new();
        for _ in 0..FRAME_EVENTS {
            let at = u32::try_from(body.len()).map_err(io::Error::other)?;
            body.extend_from_slice(&event);
            items.push(at..at + EVENT_BYTES as u32);
        }
        let now = world.clock.now();
        let receipt = Receipt {
            source: SourceNumber(1),
            received_at: now,
            point: point.clone(),
            client: None,
            call: None,
            origin: None,
        };
        let envelope = Envelope { items, ..Envelope::default() };
        span = runtime.block_on(accepted.append(source.clone(), receipt, &envelope, body)).map_err(io::Error::other)?;
        let mut decided =
            DecidedBuilder::new(span, SourceNumber(1), now, Millis(now.0), ConfigVersion(1), point.clone(), None);
        for _ in 0..FRAME_EVENTS {
            key += 1;
            let mut bytes = [0; 10];
            // Spread over the whole range, as a hash is.
            bytes[..8].copy_from_slice(&key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            decided.out().extend_from_slice(&event);
            decided.keep(EventKey(bytes));
        }
        writer.add(decided.finish(), WorkspaceNumber(1)).map_err(io::Error::other)?;
        if frame % 16 == 0 {
            writer.commit().map_err(io::Error::other)?;
        }
    }
    writer.commit().map_err(io::Error::other)?;
    let bytes = accepted.bytes() + events.bytes();
    assert!(span.end > Position(0) && events.end() == accepted.end(), "both logs end together");
    writer.close().map_err(io::Error::other)?;
    accepted.close();
    committer.join().map_err(|_| io::Error::other("the committer panicked"))??.map_err(io::Error::other)?;
    Ok(bytes)
}

pub fn source(point: &PointName) -> Source {
    Source {
        id: SourceId::new("benchbenchbenchbench00"),
        number: SourceNumber(1),
        workspace: WorkspaceId::new("benchbenchbenchbench00"),
        workspace_number: WorkspaceNumber(1),
        slug: "bench".to_owned(),
        name: "Bench".to_owned(),
        kind: SourceKind::Server,
        enabled: true,
        ingestion_region: point.clone(),
        strict: false,
        rate_limit: None,
        write_keys: vec![domicile_workspace::WriteKey { key: crate::server::KEY.to_owned(), enabled: true }],
    }
}
