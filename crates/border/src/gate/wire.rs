//! What the frames say. Texts become types here and nowhere else.

use super::frame::odd;
use crate::ask::{Ask, Place, Purpose};
use crate::policy::{InForce, RuleName};
use crate::refusal::{Code, Refusal};
use domicile_event::reduce::{Draft, Reduction};
use domicile_region::{Country, RegionId, Transfer};
use domicile_workspace::WorkspaceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// The first frame of a connection.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum First {
    /// Begins a session; the connection keeps it.
    Keep(Keep),
    /// Asks within a session.
    Ask(AskFrame),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keep {
    pub region: String,
    /// Where the cell itself listens.
    pub own: Vec<SocketAddr>,
}

/// What is in force in the cell, in place of all before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InForceFrame {
    /// The region's transfers that may be used, by id.
    transfers: Vec<String>,
    /// The transfers of single workspaces.
    grants: BTreeMap<String, Vec<TransferFrame>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferFrame {
    to: String,
    vendor: Option<String>,
    basis: String,
    approved_by: String,
    expires: String,
    fields: Option<Fields>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    allow: Option<Vec<String>>,
    deny: Option<Vec<String>>,
    hash: Option<Vec<String>>,
    truncate_ip: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskFrame {
    pub session: u64,
    workspace: String,
    purpose: String,
    url: String,
    country: Option<String>,
    /// Of a partner of the catalog.
    vendor: Option<String>,
}

/// What the border process says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// What was sent is in force in this session.
    Kept(u64),
    /// It keeps no session for this cell: why.
    Unfit(String),
    Granted(GrantedFrame),
    Refused(RefusedFrame),
    Connected {
        address: SocketAddr,
        encrypted: bool,
    },
    Failed {
        failure: Failure,
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantedFrame {
    pub addresses: Vec<SocketAddr>,
    pub country: String,
    pub rule: RuleName,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedFrame {
    code: String,
    host: Option<String>,
    port: Option<u16>,
    address: Option<IpAddr>,
    country: Option<String>,
    what: String,
}

/// Why there is no connection.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    Unreachable(SocketAddr),
    Tls(SocketAddr),
    TimedOut,
}

/// Uses the permit of a connection up.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Connect {
    /// For each address.
    pub connect_ms: u64,
}

/// The transfers of single workspaces.
pub(super) type Grants = BTreeMap<WorkspaceId, Vec<Transfer>>;

impl From<&InForce> for InForceFrame {
    fn from(in_force: &InForce) -> Self {
        let transfers = in_force.policy.transfers.iter().map(Transfer::id).collect();
        let grants = in_force.grants.iter().map(|(workspace, grants)| {
            (workspace.to_string(), grants.iter().map(TransferFrame::from).collect::<Vec<_>>())
        });
        Self { transfers, grants: grants.collect() }
    }
}

impl InForceFrame {
    /// The ids of the region's transfers, and the grants.
    pub fn read(self) -> io::Result<(Vec<String>, Grants)> {
        let grants = self.grants.into_iter().map(|(workspace, grants)| {
            let grants = grants.into_iter().map(TransferFrame::read).collect::<io::Result<Vec<_>>>()?;
            Ok((WorkspaceId::new(workspace), grants))
        });
        Ok((self.transfers, grants.collect::<io::Result<_>>()?))
    }
}

impl From<&Transfer> for TransferFrame {
    fn from(transfer: &Transfer) -> Self {
        let Transfer { to, vendor, basis, approved_by, expires, fields } = transfer.clone();
        let fields = fields.map(|fields| {
            let Draft { allow, deny, hash, truncate_ip } = fields.draft().clone();
            Fields { allow, deny, hash, truncate_ip }
        });
        Self { to: to.to_string(), vendor, basis, approved_by, expires, fields }
    }
}

impl TransferFrame {
    fn read(self) -> io::Result<Transfer> {
        let Self { to, vendor, basis, approved_by, expires, fields } = self;
        let fields = fields.map(|Fields { allow, deny, hash, truncate_ip }| {
            Reduction::check(&Draft { allow, deny, hash, truncate_ip }).map_err(|_| odd())
        });
        Ok(Transfer { to: country(&to)?, vendor, basis, approved_by, expires, fields: fields.transpose()? })
    }
}

impl AskFrame {
    pub fn new(session: u64, ask: &Ask) -> Self {
        Self {
            session,
            workspace: ask.workspace.to_string(),
            purpose: ask.purpose.as_str().to_owned(),
            url: ask.url.clone(),
            country: ask.place.country().map(|country| country.to_string()),
            vendor: ask.place.vendor().map(str::to_owned),
        }
    }

    pub fn read(self) -> io::Result<Ask> {
        let country = self.country.as_deref().map(country).transpose()?;
        let place = match (self.vendor, country) {
            (None, country) => Place::Declared(country),
            (Some(vendor), Some(country)) => Place::Partner { vendor: vendor.into(), country },
            (Some(_), None) => return Err(odd()),
        };
        let purpose = Purpose::named(&self.purpose).ok_or_else(odd)?;
        Ok(Ask { workspace: WorkspaceId::new(self.workspace), purpose, url: self.url, place })
    }
}

impl From<&Refusal> for RefusedFrame {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code.as_str().to_owned(),
            host: refusal.host.clone(),
            port: refusal.port,
            address: refusal.address,
            country: refusal.country.map(|country| country.to_string()),
            what: refusal.what.clone(),
        }
    }
}

impl RefusedFrame {
    pub fn read(self, region: &RegionId, ask: &Ask) -> io::Result<Refusal> {
        let Self { code, host, port, address, country: code_of_country, what } = self;
        let (code, country) = (Code::named(&code).ok_or_else(odd)?, code_of_country.as_deref().map(country));
        let (workspace, purpose) = (ask.workspace.clone(), ask.purpose);
        let country = country.transpose()?;
        Ok(Refusal { code, region: region.clone(), workspace, purpose, host, port, address, country, what })
    }
}

pub(super) fn country(code: &str) -> io::Result<Country> {
    Country::new(code).ok_or_else(odd)
}
