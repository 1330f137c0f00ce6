//! Which port each part listens on when all regions run on one machine.
//!
//! ```text
//! base            front door
//! base + 100 k    cell of region k, counted from 1 in the order of the file
//! the next ones   its ingest points, in the order of the file
//! ```
//!
//! A `listen` in the file says otherwise; a place in the order stays its own even when it is not used.

use crate::{PointName, RegionId, Topology};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

/// Where everything listens. No two are the same, but for port 0 (the system chooses).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    pub front_door: SocketAddr,
    /// In the order of the topology.
    pub regions: Vec<RegionPorts>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionPorts {
    pub region: RegionId,
    /// API, console, settings, metrics.
    pub cell: SocketAddr,
    /// In the order of the topology.
    pub points: Vec<(PointName, SocketAddr)>,
}

impl PortPlan {
    pub fn region(&self, id: &RegionId) -> Option<&RegionPorts> {
        self.regions.iter().find(|region| region.region == *id)
    }
}

impl RegionPorts {
    pub fn point(&self, name: &PointName) -> Option<SocketAddr> {
        self.points.iter().find(|(point, _)| point == name).map(|(_, address)| *address)
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPorts {
    #[error(
        "{part} would listen on port {port}, and ports end at 65535: choose a lower port base, or set its `listen`"
    )]
    TooHigh { part: String, port: u32 },
    #[error("{part} and {other} would both listen on {address}: choose another port base, or set `listen` of one")]
    Twice { part: String, other: String, address: SocketAddr },
}

impl Topology {
    /// The ports from `base` on, on 127.0.0.1. With `base` 0 the system chooses all that no `listen` fixes.
    pub fn ports(&self, base: u16) -> Result<PortPlan, NoPorts> {
        let mut taken = Taken { base, by: HashMap::new() };
        let front_door = taken.take("the front door".to_owned(), 0, None)?;
        let mut regions = Vec::with_capacity(self.regions.len());
        for (k, region) in (1..).zip(&self.regions) {
            let first = 100 * k;
            let cell = taken.take(format!("region `{}`", region.id), first, region.listen)?;
            let mut points = Vec::with_capacity(region.ingest.len());
            for (n, point) in (1..).zip(&region.ingest) {
                let part = format!("ingest point `{}` of region `{}`", point.name, region.id);
                points.push((point.name.clone(), taken.take(part, first + n, point.listen)?));
            }
            regions.push(RegionPorts { region: region.id.clone(), cell, points });
        }
        Ok(PortPlan { front_door, regions })
    }
}

struct Taken {
    base: u16,
    by: HashMap<SocketAddr, String>,
}

impl Taken {
    fn take(&mut self, part: String, above: u32, listen: Option<SocketAddr>) -> Result<SocketAddr, NoPorts> {
        let address = match (listen, self.base) {
            (Some(address), _) => address,
            (None, 0) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            (None, base) => {
                let port = u32::from(base) + above;
                let Ok(port) = u16::try_from(port) else { return Err(NoPorts::TooHigh { part, port }) };
                SocketAddr::from((Ipv4Addr::LOCALHOST, port))
            }
        };
        if address.port() != 0 {
            if let Some(other) = self.by.get(&address) {
                return Err(NoPorts::Twice { part, other: other.clone(), address });
            }
            self.by.insert(address, part);
        }
        Ok(address)
    }
}
