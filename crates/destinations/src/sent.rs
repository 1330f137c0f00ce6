//! What went out since the ledger was told last.
//!
//! - A request is counted when it may have reached the host, whatever came back.
//! - The ledger has an event's request before the cursor passes the event. After a crash between the two the event is sent
//!   again, and the ledger says so.

use crate::partner::Trip;
use domicile_ledger::{Digest, Ledger, Pending, Sent, What};
use domicile_workspace::Destination;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Where something went, and why it was let out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    host: String,
    address: SocketAddr,
    country: String,
    rule: String,
}

#[derive(Debug, Default)]
struct Sum {
    requests: u64,
    bytes: u64,
    /// Of the bodies that were taken.
    delivered: Vec<Digest>,
}

/// One destination's requests by where they went.
#[derive(Debug, Default)]
pub(crate) struct Outgoing(BTreeMap<Way, Sum>);

impl Outgoing {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes a request.
    pub fn note(&mut self, trip: &Trip) {
        let (Some(granted), Some(address), Some(bytes)) = (&trip.granted, trip.address, trip.bytes) else { return };
        let way = Way {
            host: granted.host(),
            address,
            country: granted.country().to_string(),
            rule: granted.rule().to_string(),
        };
        let sum = self.0.entry(way).or_default();
        sum.requests += 1;
        sum.bytes += bytes;
        sum.delivered.extend(&trip.delivered);
    }

    /// Hands everything to the ledger and begins anew.
    pub fn tell(&mut self, ledger: &Ledger, destination: &Destination) -> Vec<Pending> {
        let sums = std::mem::take(&mut self.0);
        let entries = sums.into_iter().map(|(way, mut sum)| {
            sum.delivered.sort_unstable();
            let digests: Vec<u8> = sum.delivered.iter().flat_map(|digest| digest.0).collect();
            What::Sent(Sent {
                workspace: destination.workspace.to_string(),
                destination: destination.id.to_string(),
                host: way.host,
                address: way.address.to_string(),
                country: way.country,
                rule: way.rule,
                requests: sum.requests,
                delivered: sum.delivered.len() as u64,
                bytes: sum.bytes,
                digest: Digest::sha256(&digests),
            })
        });
        ledger.enter_all(entries)
    }
}
