//! The attacks, tried on a border in force, with nobody outside: what `domicile drill` runs on a cell.
//!
//! ```text
//! attacks ──► this border's judgement: its policy, networks, own addresses, witness ──► what each came to
//!                 └──► an outside that answers look-ups from the table, connects to nothing, and keeps who was called
//! ```
//!
//! - The judgement is the one that permits come from. Only the outside is another: no name is resolved, nobody is called.
//! - Of a border process of its own it tries this side: nothing is asked of the process, which would ask outside.
//! - Each ask is for the region's own country, which a region always allows: nothing but its form is left to refuse it.
//! - What tests have of their own is replaced by what is there: where this cell listens stands for where theirs would.
//! - No refusal is written down or counted: the ledger and whoever is alerted would take it for a workspace's.

use crate::address::{Standing, standing};
use crate::ask::{Ask, Place, Purpose};
use crate::attacks::{Attack, Kind, all};
use crate::border::Border;
use crate::outside::{Outside, Stream};
use crate::refusal::Code;
use crate::request::Limits;
use async_trait::async_trait;
use domicile_region::Country;
use domicile_workspace::WorkspaceId;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One attack, and what it came to on this border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub attack: Attack,
    pub came_to: CameTo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameTo {
    Refused(Code),
    /// It was let through to addresses that the operator's `networks` list, as they ask for.
    Listed,
    /// It was let through to the addresses that were judged, and nothing else was called.
    Pinned,
    /// What got through, in words.
    Crossed(&'static str),
    /// It takes a partner or an environment of its own, and was not tried.
    NotTried,
}

impl Border {
    /// Tries all attacks that are forms of a URL or answers to a look-up on this border as it is now.
    ///
    /// `home`: the region's own country. Waits for nothing.
    pub async fn drill(&self, home: Country) -> Vec<Tried> {
        let mut tried = Vec::new();
        for attack in all() {
            // Where the tests' own cell listens, nobody does here.
            if attack.expected == Code::OwnAddress.as_str() {
                continue;
            }
            let came_to = match &attack.kind {
                Kind::Url(url) => self.drill_url(url, Purpose::Webhook, &attack, home).await,
                Kind::Database(url) => self.drill_url(url, Purpose::Warehouse, &attack, home).await,
                Kind::Names(answers) => self.drill_names(answers, &attack, home).await,
                _ => CameTo::NotTried,
            };
            tried.push(Tried { attack, came_to });
        }
        for attack in self.own_attacks() {
            let Kind::Url(url) = &attack.kind else { continue };
            let came_to = self.drill_url(url, Purpose::Webhook, &attack, home).await;
            tried.push(Tried { attack, came_to });
        }
        tried.sort_by_key(|tried| tried.attack.class);
        tried
    }

    /// A webhook to each address where this cell listens.
    fn own_attacks(&self) -> Vec<Attack> {
        let reached = |own: &SocketAddr| match own.ip() {
            IpAddr::V4(v4) if v4.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), own.port()),
            IpAddr::V6(v6) if v6.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), own.port()),
            _ => *own,
        };
        let of = |own: &SocketAddr| Attack {
            class: OWN_CLASS,
            kind: Kind::Url(format!("http://{}/v1/batch", reached(own))),
            expected: Code::OwnAddress.as_str().to_owned(),
        };
        self.own.iter().map(of).collect()
    }

    async fn drill_url(&self, url: &str, purpose: Purpose, attack: &Attack, home: Country) -> CameTo {
        let nobody = Nobody::new(&[]);
        match self.among(nobody.clone()).judge(ask(url, purpose, home)).await {
            Err(_) if nobody.was_asked() => CameTo::Crossed("its name was looked up"),
            Err(refusal) => CameTo::Refused(refusal.code),
            Ok(granted) => {
                let addresses: Vec<_> = granted.addresses().iter().map(SocketAddr::ip).collect();
                let is_of_addresses = OF_ADDRESSES.iter().any(|code| attack.expected.starts_with(code));
                self.let_through(is_of_addresses && !nobody.was_asked(), &addresses)
            }
        }
    }

    async fn drill_names(&self, answers: &[Vec<IpAddr>], attack: &Attack, home: Country) -> CameTo {
        let asked = |purpose| ask("http://partner.example/", purpose, home);
        if let Err(refusal) = self.among(Nobody::new(answers)).judge(asked(Purpose::Webhook)).await {
            return CameTo::Refused(refusal.code);
        }
        let nobody = Nobody::new(answers);
        let border = self.among(nobody.clone());
        // A permit is counted: as what it is, of an operator's command. A refusal would look like events that wait.
        let permit = match border.permit(asked(Purpose::Command)).await {
            Ok(permit) => permit,
            Err(refusal) => return CameTo::Refused(refusal.code),
        };
        let judged = permit.granted().addresses().to_vec();
        let _ = border.open(permit, &Limits::WEBHOOK).await;
        if nobody.called().iter().any(|called| !judged.contains(called)) {
            return CameTo::Crossed("an address was called that was not judged");
        }
        let is_judged_alone = attack.expected == "pinned";
        let (first, later) = (answers.first(), answers.get(1));
        match attack.expected.strip_prefix("later ") {
            None if is_judged_alone => CameTo::Pinned,
            None => self.let_through(true, first.map_or(&[], Vec::as_slice)),
            Some(_) => match border.judge(asked(Purpose::Webhook)).await {
                Err(refusal) => CameTo::Refused(refusal.code),
                Ok(_) => self.let_through(true, later.map_or(&[], Vec::as_slice)),
            },
        }
    }

    /// What it means that these addresses were let through: the operator may have listed those that are not public.
    fn let_through(&self, may_be_listed: bool, addresses: &[IpAddr]) -> CameTo {
        let is_public = |address: &IpAddr| matches!(standing(*address, &self.networks), Standing::Public);
        let is_listed = |address: &IpAddr| self.is_listed(*address);
        let all_known = addresses.iter().all(|address| is_listed(address) || is_public(address));
        match may_be_listed && all_known && addresses.iter().any(is_listed) {
            true => CameTo::Listed,
            false => CameTo::Crossed("a connection was permitted"),
        }
    }
}

/// The class of the cell's own addresses.
const OWN_CLASS: u8 = 23;
/// What is expected of addresses that `networks` may let through.
const OF_ADDRESSES: [&str; 2] = ["address_refused", "country_contradicted"];

fn ask(url: &str, purpose: Purpose, home: Country) -> Ask {
    let place = Place::Declared(Some(home));
    Ask { workspace: WorkspaceId::new("drill"), purpose, url: url.to_owned(), place }
}

/// An outside without anybody: names answer from a list, the last answer for ever.
struct Nobody {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    met: Mutex<(bool, Vec<SocketAddr>)>,
}

impl Nobody {
    fn new(answers: &[Vec<IpAddr>]) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.iter().cloned().collect()), met: Mutex::default() })
    }

    fn met(&self) -> MutexGuard<'_, (bool, Vec<SocketAddr>)> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_asked(&self) -> bool {
        self.met().0
    }

    fn called(&self) -> Vec<SocketAddr> {
        self.met().1.clone()
    }
}

#[async_trait]
impl Outside for Nobody {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.met().0 = true;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        // A form that should not have been looked up gets an address that is not refused for itself.
        Ok(answer.unwrap_or_else(|| vec![Ipv4Addr::new(9, 9, 9, 9).into()]))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        self.met().1.push(address);
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_region::{RegionId, Topology};
    use domicile_world::World;

    /// What an attack has to come to where a check is missing: an honest ask stands for one.
    #[tokio::test]
    async fn what_is_let_through_is_found() {
        let topology = Topology::built_in();
        let region = topology.region(&RegionId::new("eu-west")).expect("is built in");
        let border = Border::new(World::real(), region, &topology.networks);
        let through = CameTo::Crossed("a connection was permitted");
        for (url, expected) in [
            ("https://partner.example/", "userinfo_refused"),
            ("https://9.9.9.9/", "address_refused: loopback"),
            // The network is listed, and its form should have been refused.
            ("http://127.0.0.1/", "address_form"),
        ] {
            let attack = Attack { class: 1, kind: Kind::Url(url.to_owned()), expected: expected.to_owned() };
            assert_eq!(border.drill_url(url, Purpose::Webhook, &attack, region.country).await, through, "{url}");
        }
        let answers = [vec![IpAddr::from([9, 9, 9, 9])], vec![IpAddr::from([8, 8, 8, 8])]];
        for expected in ["address_refused: loopback", "later address_refused: private"] {
            let kind = Kind::Names(answers.to_vec());
            let attack = Attack { class: 33, kind, expected: expected.to_owned() };
            assert_eq!(border.drill_names(&answers, &attack, region.country).await, through, "{expected}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_looked_up_before_it_is_refused_is_found() {
        let topology = Topology::built_in();
        let region = topology.region(&RegionId::new("eu-west")).expect("is built in");
        let border = Border::new(World::real(), region, &topology.networks);
        let url = "https://trap.example/";
        let attack = Attack { class: 53, kind: Kind::Url(url.to_owned()), expected: "url_invalid".to_owned() };
        // Abroad, so that it is refused, and only after the look-up.
        let abroad = Country::new("US").expect("a country");
        let came_to = border.drill_url(url, Purpose::Webhook, &attack, abroad).await;
        assert_eq!(came_to, CameTo::Crossed("its name was looked up"));
    }
}
