//! The border's yes.

use crate::ask::Ask;
use crate::border::Border;
use crate::gate::Passage;
use crate::policy::{Rule, Under};
use crate::refusal::{Fault, Refusal};
use crate::target::Target;
use domicile_region::Country;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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
    /// What it was judged under: anything else makes it void.
    pub(crate) under: Under,
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
    way: Way,
}

/// Who connects.
#[derive(Debug)]
pub(crate) enum Way {
    Here,
    /// The border process, which has a permit of its own for this passage.
    Gate(Passage),
}

impl Permit {
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    pub(crate) fn used(self) -> (Granted, Way) {
        (self.granted, self.way)
    }
}

impl Border {
    /// May this connection be made? Resolves the name and judges every address of the answer.
    ///
    /// A dropped future asks for nothing.
    ///
    /// # Errors
    /// [`Refusal`], counted in `domicile_border_refusals_total` and written down.
    pub async fn permit(&self, ask: Ask) -> Result<Permit, Refusal> {
        let judged = match &self.gate {
            None => self.judge(ask).await.map(|granted| (granted, Way::Here)),
            Some(gate) => self.ask_gate(gate, ask).await.map(|(granted, passage)| (granted, Way::Gate(passage))),
        };
        let (granted, way) = judged.map_err(|refusal| self.refused(refusal))?;
        metrics::counter!("domicile_border_permits_total", "region" => self.region.to_string(),
            "purpose" => granted.ask.purpose.as_str(), "country" => granted.country.to_string(),
            "rule" => granted.rule.kind())
        .increment(1);
        Ok(Permit { granted, way })
    }

    /// Counts a refusal and has it written down.
    pub(crate) fn refused(&self, refusal: Refusal) -> Refusal {
        metrics::counter!("domicile_border_refusals_total", "region" => self.region.to_string(),
            "purpose" => refusal.purpose.as_str(), "code" => refusal.code.as_str())
        .increment(1);
        self.write_down(&refusal);
        refusal
    }

    /// Whether what was granted once has to be judged again.
    pub(crate) fn is_stale(&self, granted: &Granted) -> bool {
        !self.under(&granted.ask).is(&granted.under)
            || self.world.clock.monotonic().saturating_sub(granted.judged_at) >= crate::line::JUDGED_FOR
    }

    /// What was granted, judged again for an address that is connected already. Asks nothing outside.
    pub(crate) fn holds_for(&self, granted: &Granted, address: IpAddr) -> Result<Granted, Fault> {
        let under = self.under(&granted.ask);
        let country = self.country_of_all(&[address], &granted.target, &granted.ask.place)?;
        let rule = self.rule_in(country, &granted.ask, &under)?;
        Ok(Granted { country, rule, under, judged_at: self.world.clock.monotonic(), ..granted.clone() })
    }

    /// What [`Self::permit`] says, neither counted nor written down.
    pub(crate) async fn judge(&self, ask: Ask) -> Result<Granted, Refusal> {
        let target = match Target::of(&ask) {
            Ok(target) => target,
            Err(fault) => return Err(fault.refusal(&self.region, &ask, None)),
        };
        let under = self.under(&ask);
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
}
