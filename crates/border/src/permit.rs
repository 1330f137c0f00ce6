//! The border, and its yes.

use crate::address::{Place, place};
use crate::ask::Ask;
use crate::line::tls;
use crate::outside::{Outside, System};
use crate::policy::{NoRule, Rule, rule_for};
use crate::refusal::{Code, Fault, Refusal};
use crate::target::{Host, Scheme, SslMode, Target};
use arc_swap::ArcSwap;
use domicile_region::{BorderPolicy, Country, Network, NetworkCountry, Region, RegionId};
use domicile_world::World;
use rustls_pki_types::CertificateDer;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);
/// A name with more addresses is refused: judging and trying them all would be the partner's choice of our work.
const ADDRESSES_MAX: usize = 64;
/// What is spoken inside TLS, as ALPN names it.
const HTTP: &[u8] = b"http/1.1";
const POSTGRES: &[u8] = b"postgresql";

/// One region's border. Cheap to clone.
#[derive(Clone)]
pub struct Border {
    pub(crate) world: World,
    region: RegionId,
    policy: Arc<ArcSwap<BorderPolicy>>,
    networks: Arc<[Network]>,
    own: Arc<[SocketAddr]>,
    pub(crate) outside: Arc<dyn Outside>,
    pub(crate) tls: TlsConnector,
    pub(crate) database_tls: TlsConnector,
}

/// What a permit says: who, why, which host, which addresses, which country, under which rule.
#[derive(Clone, Debug)]
pub struct Granted {
    pub(crate) ask: Ask,
    pub(crate) target: Target,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) country: Country,
    pub(crate) rule: Rule,
    /// Whether all its addresses are in networks of the operator's.
    pub(crate) listed: bool,
    /// The policy that it was judged under: another one makes it void.
    under: Arc<BorderPolicy>,
    /// Monotonic time.
    pub(crate) judged_at: Duration,
}

impl Granted {
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// The host in its canonical form, an IPv6 address in brackets.
    pub fn host(&self) -> String {
        self.target.host.to_string()
    }

    pub fn port(&self) -> u16 {
        self.target.port
    }

    /// The addresses that were judged; never empty. No other is connected to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn country(&self) -> Country {
        self.country
    }

    pub fn rule(&self) -> &Rule {
        &self.rule
    }
}

/// The border's yes for one connection. [`Border::permit`] is its only maker; connecting uses it up.
#[derive(Debug)]
pub struct Permit {
    granted: Granted,
}

impl Permit {
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    pub(crate) fn used(self) -> Granted {
        self.granted
    }
}

impl Border {
    /// The border of `region`, with the operating system's network. TLS trusts the public certificate authorities.
    ///
    /// `networks`: the topology's private ranges.
    pub fn new(world: World, region: &Region, networks: &[Network]) -> Self {
        Self {
            tls: tls(&world, &[], HTTP),
            database_tls: tls(&world, &[], POSTGRES),
            world,
            region: region.id.clone(),
            policy: Arc::new(ArcSwap::from_pointee(region.border.clone())),
            networks: networks.into(),
            own: Arc::new([]),
            outside: Arc::new(System::new()),
        }
    }

    /// Trusts these certificate authorities too. One that can't be read is left out.
    pub fn with_roots(self, roots: &[CertificateDer<'_>]) -> Self {
        Self { tls: tls(&self.world, roots, HTTP), database_tls: tls(&self.world, roots, POSTGRES), ..self }
    }

    /// Goes out by another network: a simulation.
    pub fn with_outside(self, outside: Arc<dyn Outside>) -> Self {
        Self { outside, ..self }
    }

    /// Refuses to connect to where the program itself listens. An unspecified address stands for loopback too.
    pub fn with_own(self, own: Vec<SocketAddr>) -> Self {
        Self { own: own.into(), ..self }
    }

    pub fn region(&self) -> &RegionId {
        &self.region
    }

    /// Puts another policy in force, for all clones. Lines that are open are judged again before their next request.
    pub fn put_policy(&self, policy: BorderPolicy) {
        self.policy.store(Arc::new(policy));
    }

    /// May this connection be made? Resolves the name and judges every address of the answer.
    ///
    /// A dropped future asks for nothing.
    ///
    /// # Errors
    /// [`Refusal`], counted in `domicile_border_refusals_total`.
    pub async fn permit(&self, ask: Ask) -> Result<Permit, Refusal> {
        let purpose = ask.purpose.as_str();
        let region = self.region.to_string();
        match self.judge(ask).await {
            Ok(granted) => {
                metrics::counter!("domicile_border_permits_total", "region" => region, "purpose" => purpose,
                    "country" => granted.country.to_string(), "rule" => granted.rule.kind())
                .increment(1);
                Ok(Permit { granted })
            }
            Err(refusal) => {
                metrics::counter!("domicile_border_refusals_total", "region" => region, "purpose" => purpose,
                    "code" => refusal.code.as_str())
                .increment(1);
                Err(refusal)
            }
        }
    }

    /// Whether what was granted once has to be judged again.
    pub(crate) fn is_stale(&self, granted: &Granted) -> bool {
        !Arc::ptr_eq(&self.policy.load(), &granted.under)
            || self.world.clock.monotonic().saturating_sub(granted.judged_at) >= crate::line::JUDGED_FOR
    }

    async fn judge(&self, ask: Ask) -> Result<Granted, Refusal> {
        let target = match Target::of(&ask) {
            Ok(target) => target,
            Err(fault) => return Err(fault.refusal(&self.region, &ask, None)),
        };
        let under = self.policy.load_full();
        let judged_at = self.world.clock.monotonic();
        match self.judge_target(&ask, &target, &under).await {
            Ok((addresses, country, rule)) => {
                let listed = addresses.iter().all(|address| self.is_listed(address.ip()));
                Ok(Granted { ask, target, addresses, country, rule, listed, under, judged_at })
            }
            Err(fault) => {
                let host = (target.host.to_string(), target.port);
                Err(fault.refusal(&self.region, &ask, Some(host)))
            }
        }
    }

    async fn judge_target(
        &self,
        ask: &Ask,
        target: &Target,
        policy: &BorderPolicy,
    ) -> Result<(Vec<SocketAddr>, Country, Rule), Fault> {
        let addresses = self.resolve(&target.host).await?;
        let mut country = None;
        for &address in &addresses {
            let here = self.country_of(address, target.port, ask.declared)?;
            if country.is_some_and(|country| country != here) {
                let fault = Fault::new(Code::CountryContradicted, "its addresses are in more than one country");
                return Err(fault.at(address).within(here));
            }
            if target.scheme == Scheme::Postgres(SslMode::Disable) && !self.is_listed(address) {
                let what = "the database is in none of the operator's networks, and its address says not to use TLS";
                return Err(Fault::new(Code::PlaintextRefused, what).at(address));
            }
            country = Some(here);
        }
        let country = country.ok_or_else(|| Fault::new(Code::NameUnresolved, "the name has no address"))?;
        let rule = rule_for(policy, country, ask.purpose, self.world.clock.now()).map_err(|no| {
            let fault = match no {
                NoRule::NotAllowed => Fault::new(Code::CountryRefused, "the region's policy allows no such country"),
                NoRule::Expired => Fault::new(Code::TransferExpired, "the transfer to this country has expired"),
            };
            fault.within(country)
        })?;
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect();
        Ok((addresses, country, rule))
    }

    /// All addresses of a host: its own, or the answer of the one look-up.
    async fn resolve(&self, host: &Host) -> Result<Vec<IpAddr>, Fault> {
        let name = match host {
            Host::Address(address) => return Ok(vec![*address]),
            // RFC 6761: such a name is the loopback addresses, whatever a resolver says.
            Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
                return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
            }
            Host::Name(name) => name,
        };
        let answer = tokio::select! {
            biased;
            answer = self.outside.resolve(name) => answer,
            () = self.world.clock.sleep(RESOLVE) => {
                return Err(Fault::new(Code::NameUnresolved, "the name's addresses did not come within 5 s"));
            }
        };
        let Ok(mut addresses) = answer else {
            return Err(Fault::new(Code::NameUnresolved, "the name does not resolve"));
        };
        if addresses.len() > ADDRESSES_MAX {
            return Err(Fault::new(Code::TooManyAddresses, "the name has more than 64 addresses"));
        }
        let mut seen = Vec::with_capacity(addresses.len());
        addresses.retain(|address| {
            !seen.contains(address) && {
                seen.push(*address);
                true
            }
        });
        Ok(addresses)
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        matches!(place(address, &self.networks), Place::Listed(..))
    }

    /// Where an address is, if it may be connected to at all.
    fn country_of(&self, address: IpAddr, port: u16, declared: Option<Country>) -> Result<Country, Fault> {
        let is_own = |own: &SocketAddr| {
            own.port() == port && (own.ip() == address || (own.ip().is_unspecified() && address.is_loopback()))
        };
        if self.own.iter().any(is_own) {
            return Err(Fault::new(Code::OwnAddress, "this cell itself listens there").at(address));
        }
        let network = match place(address, &self.networks) {
            Place::Refused(what) => return Err(Fault::new(Code::AddressRefused, what).at(address)),
            Place::Public => None,
            Place::Listed(range, NetworkCountry::Is(country)) => Some((range, country)),
            Place::Listed(_, NetworkCountry::Declared) => None,
        };
        match (network, declared) {
            (Some((range, country)), Some(declared)) if country != declared => {
                let what = format!("{declared} is declared, and `networks` says that {range} is in {country}");
                Err(Fault::new(Code::CountryContradicted, what).at(address).within(country))
            }
            (Some((_, country)), _) => Ok(country),
            (None, Some(declared)) => Ok(declared),
            (None, None) => Err(Fault::new(Code::CountryUndeclared, "nobody says in which country it is").at(address)),
        }
    }
}
