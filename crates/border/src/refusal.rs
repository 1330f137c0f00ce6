//! The border's no.

use crate::{Ask, Purpose};
use domicile_region::{Country, RegionId};
use domicile_workspace::WorkspaceId;
use std::fmt;
use std::net::IpAddr;

/// Why the border says no. The texts ([`Code::as_str`]) are stable: API, ledger and metrics carry them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    UrlInvalid,
    SchemeRefused,
    UserinfoRefused,
    HostInvalid,
    /// An IPv4 address in a form that parsers read differently.
    AddressForm,
    PortRefused,
    /// The name has no address now, or the answer did not come in time.
    NameUnresolved,
    /// More addresses than an honest name has.
    TooManyAddresses,
    /// A private, local or otherwise special range that `networks` does not list.
    AddressRefused,
    /// An address and port where this cell itself listens.
    OwnAddress,
    CountryUndeclared,
    /// The declared country and the operator's `networks` say different things.
    CountryContradicted,
    /// The operator's database of addresses names another country.
    CountryWitness,
    CountryRefused,
    TransferExpired,
    /// No address of the region's `egress_addresses` can be used here.
    NoEgressAddress,
    /// A database outside of the operator's networks is spoken to under TLS only.
    PlaintextRefused,
    /// The border is a process of its own, and did not answer.
    BorderUnreachable,
}

impl Code {
    const ALL: [Self; 18] = [
        Self::UrlInvalid,
        Self::SchemeRefused,
        Self::UserinfoRefused,
        Self::HostInvalid,
        Self::AddressForm,
        Self::PortRefused,
        Self::NameUnresolved,
        Self::TooManyAddresses,
        Self::AddressRefused,
        Self::OwnAddress,
        Self::CountryUndeclared,
        Self::CountryContradicted,
        Self::CountryWitness,
        Self::CountryRefused,
        Self::TransferExpired,
        Self::NoEgressAddress,
        Self::PlaintextRefused,
        Self::BorderUnreachable,
    ];

    /// The code of this text.
    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::UrlInvalid => "url_invalid",
            Self::SchemeRefused => "scheme_refused",
            Self::UserinfoRefused => "userinfo_refused",
            Self::HostInvalid => "host_invalid",
            Self::AddressForm => "address_form",
            Self::PortRefused => "port_refused",
            Self::NameUnresolved => "name_unresolved",
            Self::TooManyAddresses => "too_many_addresses",
            Self::AddressRefused => "address_refused",
            Self::OwnAddress => "own_address",
            Self::CountryUndeclared => "country_undeclared",
            Self::CountryContradicted => "country_contradicted",
            Self::CountryWitness => "country_witness",
            Self::CountryRefused => "country_refused",
            Self::TransferExpired => "transfer_expired",
            Self::NoEgressAddress => "no_egress_address",
            Self::PlaintextRefused => "plaintext_refused",
            Self::BorderUnreachable => "border_unreachable",
        }
    }

    pub(crate) fn mend(self) -> &'static str {
        match self {
            Self::UrlInvalid | Self::UserinfoRefused | Self::HostInvalid => {
                "write the URL as https://HOST/PATH; credentials go into settings, not into the URL"
            }
            Self::SchemeRefused => "use a URL that begins with https:// or http://",
            Self::AddressForm => "write the address with four decimal parts, for example 192.0.2.7",
            Self::PortRefused => "use a port on which the partner speaks HTTP",
            Self::NameUnresolved => "check the name, and that the cell's resolver knows it",
            Self::TooManyAddresses => "use a name with at most 64 addresses",
            Self::AddressRefused => {
                "if this network is yours, list it with its country under `networks` in topology.yml"
            }
            Self::OwnAddress => "use another host: a cell does not send to itself",
            Self::CountryUndeclared => "declare in the settings in which country the host is",
            Self::CountryContradicted => "correct the declared country, or `networks` in topology.yml",
            Self::CountryWitness => {
                "correct the declared country, or let the operator renew the file of `ip_countries` in topology.yml"
            }
            Self::CountryRefused => {
                "use a host in an allowed country, or let the operator add a transfer to the region's `border`"
            }
            Self::TransferExpired => "let the operator renew the transfer; what waits is sent then",
            Self::NoEgressAddress => {
                "give this machine an address of the region's `egress_addresses`, of the same family as the host's"
            }
            Self::PlaintextRefused => {
                "leave out `sslmode=disable`, or list the database's network under `networks` in topology.yml"
            }
            Self::BorderUnreachable => {
                "start `domicile border` with the cell's topology, region and user, on the socket of `up --border`; what waits \
                 is sent then"
            }
        }
    }
}

/// The border's no to one [`Ask`]: what was judged, and why not. Carries no payload, path or query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub region: RegionId,
    pub workspace: WorkspaceId,
    pub purpose: Purpose,
    /// In canonical form; `None` when the URL could not be read so far.
    pub host: Option<String>,
    pub port: Option<u16>,
    /// The address that decided it, where one did.
    pub address: Option<IpAddr>,
    pub country: Option<Country>,
    /// What exactly did not hold, for example `loopback`.
    pub what: String,
}

impl Refusal {
    /// How to mend it.
    pub fn mend(&self) -> &'static str {
        self.code.mend()
    }

    /// Whether this may pass without a change of settings, policy or the name's addresses: a name that does not resolve now, a
    /// border process that does not answer now.
    pub fn may_pass(&self) -> bool {
        self.is_failed_try() || self.code == Code::BorderUnreachable
    }

    /// Whether the host is as good as down, so that this counts as a try: only a name that does not resolve. After any other
    /// refusal an event waits for as long as it takes.
    pub fn is_failed_try(&self) -> bool {
        self.code == Code::NameUnresolved
    }
}

/// One sentence: what is refused, and why.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, purpose, what, .. } = self;
        write!(f, "the border of {region} refuses this {} connection", purpose.as_str())?;
        if let Some(host) = &self.host {
            write!(f, " to {host}")?;
        }
        if let Some(address) = self.address {
            write!(f, " at {address}")?;
        }
        if let Some(country) = self.country {
            write!(f, " in {country}")?;
        }
        write!(f, " ({}): {what}", self.code.as_str())
    }
}

impl std::error::Error for Refusal {}

/// The part of a refusal that the judging step knows; the border adds who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: Code,
    pub what: String,
    pub address: Option<IpAddr>,
    pub country: Option<Country>,
}

impl Fault {
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), address: None, country: None }
    }

    pub fn at(self, address: IpAddr) -> Self {
        Self { address: Some(address), ..self }
    }

    pub fn within(self, country: Country) -> Self {
        Self { country: Some(country), ..self }
    }

    pub fn refusal(self, region: &RegionId, ask: &Ask, host: Option<(String, u16)>) -> Refusal {
        let Self { code, what, address, country } = self;
        let (host, port) = host.unzip();
        let (workspace, purpose) = (ask.workspace.clone(), ask.purpose);
        Refusal { code, region: region.clone(), workspace, purpose, host, port, address, country, what }
    }
}
