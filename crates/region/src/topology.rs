//! `topology.yml`: the regions, their locations, ingest points, networks and border policy.

use crate::{Country, CountrySet, LocationName, PointName, RegionId};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Everything the cells share: which regions there are and what each allows.
#[derive(Clone, Debug)]
pub struct Topology {
    /// In the order of the file: ports and consoles follow it. Never empty.
    pub regions: Vec<Region>,
    /// The region that a new workspace gets when none is named: the file's `default`, else its first region.
    pub default_region: RegionId,
    /// Named sets of countries, the built-in ones (`EU`, `EEA`, `APAC`) and the file's.
    pub groups: BTreeMap<String, Vec<Country>>,
    /// Private ranges that exist, and where they are. All other private ranges are refused by the border.
    pub networks: Vec<Network>,
}

/// One data-processing region.
#[derive(Clone, Debug)]
pub struct Region {
    pub id: RegionId,
    /// For people, for example `EU West (Dublin)`.
    pub name: String,
    pub country: Country,
    pub locations: Vec<LocationName>,
    /// In the order of the file; the first is preselected for new sources. Never empty, and one is in `country`.
    pub ingest: Vec<IngestPoint>,
    /// The plan that a workspace needs to choose this region, if any.
    pub plan: Option<String>,
    /// The public address of the cell (API, settings, console); where it listens when absent.
    pub api: Option<String>,
    /// Where the cell's port listens, when not at its place in the order.
    pub listen: Option<SocketAddr>,
    /// What write keys made in this region begin with, before the underscore: `euw` for `eu-west`.
    pub key_prefix: String,
    /// Addresses that the border binds to when it goes out; empty: the system chooses.
    pub egress_addresses: Vec<ipnet::IpNet>,
    pub border: BorderPolicy,
}

/// A public endpoint that takes events for one region.
#[derive(Clone, Debug)]
pub struct IngestPoint {
    pub name: PointName,
    pub country: Country,
    /// The public address told to SDKs, for example `https://events.eu1.example.com`; where it listens when absent.
    pub url: Option<String>,
    pub listen: Option<SocketAddr>,
    /// Whether it stands outside the region's country: then it keeps a spool of its own and forwards.
    pub remote: bool,
}

/// What may leave a region. Default deny.
#[derive(Clone, Debug)]
pub struct BorderPolicy {
    pub allow: CountrySet,
    pub transfers: Vec<Transfer>,
}

/// A named exception: a class of data may go to another country, on a legal basis, until a date.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub to: Country,
    pub vendor: Option<String>,
    /// `adequacy`, `dpf`, `scc` or `consent`.
    pub basis: String,
    pub approved_by: String,
    /// The last day it holds, `YYYY-MM-DD`.
    pub expires: String,
}

/// A private range and where it is.
#[derive(Clone, Debug)]
pub struct Network {
    pub range: ipnet::IpNet,
    pub country: NetworkCountry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkCountry {
    Is(Country),
    /// `local`: it takes the country that the customer declares.
    Declared,
}

/// One thing wrong in a file, shown as `FILE:LINE:COLUMN  WHAT`, why, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: usize,
    pub column: usize,
    pub what: String,
    pub why: String,
    pub mend: String,
}

/// All faults of a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    pub file: String,
    pub faults: Vec<Fault>,
}
