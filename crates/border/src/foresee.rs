//! Looking ahead: what the border would say, as far as that is known without asking anything outside.
//!
//! The judgement is the one that permits come from. What is missing is the look-up: a name is taken to be where it is said to
//! be, and its addresses are judged only when it is connected to. No permit comes of it.

use crate::ask::Ask;
use crate::border::Border;
use crate::policy::{InForce, Rule};
use crate::refusal::{Code, Fault, Refusal};
use crate::target::Target;
use arc_swap::ArcSwap;
use domicile_region::{BorderPolicy, Country, Network};
use std::sync::Arc;

/// Where an ask would go, and under which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// In its canonical form.
    pub host: String,
    pub country: Country,
    pub rule: Rule,
}

impl Border {
    /// This border as it would be under another policy of the region and other networks, with the same transfers of
    /// workspaces. Nothing of it changes what is in force here.
    pub fn supposing(&self, policy: BorderPolicy, networks: &[Network]) -> Self {
        let in_force = InForce { policy: Arc::new(policy), grants: self.in_force.load().grants.clone() };
        let mut supposed = self.clone();
        supposed.in_force = Arc::new(ArcSwap::from_pointee(in_force));
        supposed.changed = Arc::default();
        // Nothing is asked outside, and what is supposed is nobody's to keep in force.
        supposed.gate = None;
        supposed.networks = networks.into();
        supposed
    }

    /// What would be said to `ask` now. Resolves no name, counts nothing, and writes nothing down.
    ///
    /// # Errors
    /// What would be refused, except for what only a name's addresses tell.
    pub fn foresee(&self, ask: &Ask) -> Result<Foreseen, Refusal> {
        let target = Target::of(ask).map_err(|fault| fault.refusal(&self.region, ask, None))?;
        let country = match target.host.known() {
            Ok(addresses) => self.country_of_all(&addresses, &target, &ask.place),
            Err(_) => ask.place.country().ok_or_else(|| {
                Fault::new(
                    Code::CountryUndeclared,
                    "nobody says in which country it is, and its name is not resolved for this",
                )
            }),
        };
        let rule = country.and_then(|country| Ok((country, self.rule_in(country, ask, &self.under(ask))?)));
        match rule {
            Ok((country, rule)) => Ok(Foreseen { host: target.host.to_string(), country, rule }),
            Err(fault) => Err(fault.refusal(&self.region, ask, Some((target.host.to_string(), target.port)))),
        }
    }
}
