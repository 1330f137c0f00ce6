//! Where an event may be: regions, countries, locations, ingest points, `topology.yml`, border policy as data.
//!
//! No I/O and no clock: [`Topology::read`] takes text and today's date, and gives the regions or the faults, each with
//! line, column and mend. No code anywhere branches on a region's name: what differs between regions is data here.

mod country;
mod id;
mod topology;

mod ports;

mod fault;
mod fields;
mod read;
/// Also read by it: a workspace's configuration file.
pub mod yaml;

pub use country::{Country, CountrySet};
pub use fault::{Fault, Faults, Place, Read, Report, Reported, nearest, shown};
pub use fields::is_day;
pub use id::{InRegion, LocationName, PointName, RegionId};
pub use ports::{NoPorts, PortPlan, RegionPorts};
pub use topology::{BorderPolicy, IngestPoint, Network, NetworkCountry, Region, Rule, Topology, Transfer, Witness};

/// The plans of accounts and workspaces, each with all that those before it have. A region may need one.
pub const PLANS: [&str; 3] = ["free", "team", "business"];
