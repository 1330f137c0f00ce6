//! `topology.yml`: the regions, their locations, ingest points, networks and border policy.

use crate::fields::is_day;
use crate::{Country, CountrySet, LocationName, PointName, RegionId};
use domicile_event::reduce::Reduction;
use std::collections::BTreeMap;
use std::fmt;
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
    /// The file with a database of addresses and countries (MMDB), as it is written: relative to the topology's own file.
    pub ip_countries: Option<String>,
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
    /// Who is shown the heads of the region's ledger, and signs that it has seen them.
    pub witnesses: Vec<Witness>,
}

/// Somebody who has seen the heads of a ledger (c2sp.org/tlog-witness).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    pub url: String,
    /// `NAME+ID+KEY`, as the witness publishes it.
    pub key: String,
    pub country: Country,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BorderPolicy {
    pub allow: CountrySet,
    pub transfers: Vec<Transfer>,
}

/// A named exception: a class of data may go to another country, on a legal basis, until a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub to: Country,
    pub vendor: Option<String>,
    /// One of [`Transfer::BASES`].
    pub basis: String,
    pub approved_by: String,
    /// The last day it holds, `YYYY-MM-DD`.
    pub expires: String,
    /// What of an event it lets out; `None`: all.
    pub fields: Option<Reduction>,
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

impl Topology {
    pub fn region(&self, id: &RegionId) -> Option<&Region> {
        self.regions.iter().find(|region| region.id == *id)
    }

    /// The region that made a write key, by what stands before its first underscore. `None` for a key brought from
    /// elsewhere: such a key says nothing about its region.
    pub fn region_of_key(&self, write_key: &str) -> Option<&Region> {
        let (prefix, _) = write_key.split_once('_')?;
        self.regions.iter().find(|region| region.key_prefix == prefix)
    }
}

impl Region {
    pub fn point(&self, name: &PointName) -> Option<&IngestPoint> {
        self.ingest.iter().find(|point| point.name == *name)
    }
}

/// What lets a class of data go to a country.
#[derive(Clone, Copy, Debug)]
pub enum Rule<'a> {
    /// The country is in `allow`.
    Allow,
    /// An exception that holds today.
    Transfer(&'a Transfer),
}

impl BorderPolicy {
    /// The rule under which data may go to `country`, if there is one.
    ///
    /// `vendor` is the catalog's name of who receives it, if it has one. A transfer that names a vendor holds for that one
    /// only. `today` is `YYYY-MM-DD`; a transfer holds up to and with its last day.
    pub fn rule(&self, country: Country, vendor: Option<&str>, today: &str) -> Option<Rule<'_>> {
        if self.allow.contains(country) {
            return Some(Rule::Allow);
        }
        self.transfers.iter().find(|transfer| transfer.holds(country, vendor, today)).map(Rule::Transfer)
    }

    /// Whether data may go to a receiver in `country` that is no vendor of the catalog, such as a webhook.
    pub fn allows(&self, country: Country, today: &str) -> bool {
        self.rule(country, None, today).is_some()
    }
}

impl Transfer {
    pub const BASES: [&str; 4] = ["adequacy", "dpf", "scc", "consent"];

    /// Whether it is to `country` and for `vendor`, whatever the day.
    pub fn is_for(&self, country: Country, vendor: Option<&str>) -> bool {
        self.to == country && (self.vendor.is_none() || self.vendor.as_deref() == vendor)
    }

    /// Whether its last day is past. Days of one form compare as texts; what is no day is after every transfer.
    pub fn has_expired(&self, today: &str) -> bool {
        !is_day(today) || today > self.expires.as_str()
    }

    /// Stands for it in the ledger and in logs: 16 hexadecimal digits that follow from all that it says.
    pub fn id(&self) -> String {
        let Self { to, vendor, basis, approved_by, expires, fields } = self;
        let vendor = vendor.as_deref().unwrap_or_default();
        let fields = fields.as_ref().map(Reduction::to_string).unwrap_or_default();
        // No text has a line break in it.
        let all = [to.as_str(), vendor, basis, approved_by, expires, &fields].join("\n");
        blake3::hash(all.as_bytes()).to_hex()[..16].to_owned()
    }

    fn holds(&self, country: Country, vendor: Option<&str>, today: &str) -> bool {
        self.is_for(country, vendor) && !self.has_expired(today)
    }
}

/// `to US for amplitude (dpf, until 2027-06-30; allow event; hash userId)`
impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, vendor, basis, expires, fields, .. } = self;
        let vendor = vendor.as_deref().unwrap_or("any vendor");
        write!(f, "to {to} for {vendor} ({basis}, until {expires}")?;
        match fields {
            Some(fields) => write!(f, "; {fields})"),
            None => f.write_str(")"),
        }
    }
}
