//! Judging an ask: which addresses, which country, which rule.

use crate::address::{Standing, standing};
use crate::ask::{Ask, Place};
use crate::border::Border;
use crate::policy::{NoRule, Rule, Under, rule_for};
use crate::refusal::{Code, Fault};
use crate::target::{Host, Scheme, SslMode, Target};
use crate::witness::Testimony;
use domicile_region::{Country, NetworkCountry};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a name may take to resolve.
const RESOLVE: Duration = Duration::from_secs(5);
/// A name with more addresses is refused: judging and trying them all would be the partner's choice of our work.
const ADDRESSES_MAX: usize = 64;

impl Border {
    pub(crate) async fn judge_target(
        &self,
        ask: &Ask,
        target: &Target,
        under: &Under,
    ) -> Result<(Vec<SocketAddr>, Country, Rule), Fault> {
        let addresses = self.resolve(&target.host).await?;
        let country = self.country_of_all(&addresses, target, &ask.place)?;
        let rule = self.rule_in(country, ask, under)?;
        if let Some(what) = self.outside.has_no_source(&addresses) {
            return Err(Fault::new(Code::NoEgressAddress, what));
        }
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect();
        Ok((addresses, country, rule))
    }

    /// The one country of all addresses of a host, if each may be connected to at all.
    pub(crate) fn country_of_all(
        &self,
        addresses: &[IpAddr],
        target: &Target,
        place: &Place,
    ) -> Result<Country, Fault> {
        let mut country = None;
        for &address in addresses {
            let here = self.country_of(address, target.port, place)?;
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
        country.ok_or_else(|| Fault::new(Code::NameUnresolved, "the name has no address"))
    }

    /// The rule that lets an ask reach a country now.
    pub(crate) fn rule_in(&self, country: Country, ask: &Ask, under: &Under) -> Result<Rule, Fault> {
        rule_for(under, country, ask, self.world.clock.now()).map_err(|no| {
            let fault = match no {
                NoRule::NotAllowed => Fault::new(Code::CountryRefused, "the region's policy allows no such country"),
                NoRule::EventsOnly => Fault::new(
                    Code::CountryRefused,
                    "the transfer to this country lets out fields of events, and this is no sending of events",
                ),
                NoRule::Expired => Fault::new(Code::TransferExpired, "the transfer to this country has expired"),
            };
            fault.within(country)
        })
    }

    /// All addresses of a host: its own, or the answer of the one look-up.
    async fn resolve(&self, host: &Host) -> Result<Vec<IpAddr>, Fault> {
        let name = match host.known() {
            Ok(addresses) => return Ok(addresses),
            Err(name) => name,
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

    pub(crate) fn is_listed(&self, address: IpAddr) -> bool {
        matches!(standing(address, &self.networks), Standing::Listed(..))
    }

    /// Where an address is, if it may be connected to at all.
    fn country_of(&self, address: IpAddr, port: u16, place: &Place) -> Result<Country, Fault> {
        let is_own = |own: &SocketAddr| {
            own.port() == port && (own.ip() == address || (own.ip().is_unspecified() && address.is_loopback()))
        };
        if self.own.iter().any(is_own) {
            return Err(Fault::new(Code::OwnAddress, "this cell itself listens there").at(address));
        }
        let network = match standing(address, &self.networks) {
            Standing::Refused(what) => return Err(Fault::new(Code::AddressRefused, what).at(address)),
            Standing::Public => None,
            Standing::Listed(range, NetworkCountry::Is(country)) => Some((range, country)),
            Standing::Listed(_, NetworkCountry::Declared) => None,
        };
        let said = match place {
            Place::Declared(country) => country.map(|country| (country, format!("{country} is declared"))),
            Place::Partner { vendor, country } => {
                Some((*country, format!("the catalog says that `{vendor}` is in {country}")))
            }
        };
        let country = match (network, &said) {
            (Some((range, country)), Some((other, said))) if country != *other => {
                let what = format!("{said}, and `networks` says that {range} is in {country}");
                return Err(Fault::new(Code::CountryContradicted, what).at(address).within(country));
            }
            (Some((_, country)), _) => country,
            (None, Some((country, _))) => *country,
            (None, None) => {
                let what = "nobody says in which country it is";
                return Err(Fault::new(Code::CountryUndeclared, what).at(address));
            }
        };
        let testimony = self.witness.as_ref().map_or(Testimony::Silent, |witness| witness.asked(address));
        let what = match testimony {
            Testimony::Silent => return Ok(country),
            Testimony::Says(other) if other == country.as_str() => return Ok(country),
            Testimony::Says(other) => {
                let said = said.map_or_else(|| format!("`networks` says {country}"), |(_, said)| said);
                format!("{said}, and the operator's database of addresses says {other}")
            }
            Testimony::Unreadable => "the operator's database of addresses can't be read there".to_owned(),
        };
        Err(Fault::new(Code::CountryWitness, what).at(address).within(country))
    }
}
