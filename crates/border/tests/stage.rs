//! What the tests stand on: a border with a given policy, and networks that count who connects where.

use async_trait::async_trait;
use domicile_border::{Ask, Border, Outside, Permit, Place, Purpose, Refusal, Stream};
use domicile_region::{Country, Network, NetworkCountry, Region, RegionId, Topology};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

pub fn country(code: &str) -> Country {
    Country::new(code).expect("a country")
}

pub fn region(id: &str) -> Region {
    Topology::built_in().region(&RegionId::new(id)).expect("a built-in region").clone()
}

/// `("127.0.0.0/8", "local")` or `("10.20.0.0/16", "IE")`.
pub fn networks(listed: &[(&str, &str)]) -> Vec<Network> {
    let country_of = |name: &str| match name {
        "local" => NetworkCountry::Declared,
        code => NetworkCountry::Is(country(code)),
    };
    listed
        .iter()
        .map(|(range, name)| Network { range: range.parse().expect("a range"), country: country_of(name) })
        .collect()
}

/// The border of eu-west, which allows the EEA, with 127.0.0.0/8 as a local network.
pub fn eu_border(world: World) -> Border {
    Border::new(world, &region("eu-west"), &networks(&[("127.0.0.0/8", "local")]))
}

pub fn ask(url: &str, declared: &str) -> Ask {
    let place = Place::Declared((!declared.is_empty()).then(|| country(declared)));
    Ask { workspace: WorkspaceId::new("workspace-1"), purpose: Purpose::Webhook, url: url.to_owned(), place }
}

/// The same for requests that carry no events, and go out as they are.
pub fn plain_ask(url: &str, declared: &str) -> Ask {
    Ask { purpose: Purpose::SignIn, ..ask(url, declared) }
}

/// One line for a yes or a no.
pub fn shown(answer: &Result<Permit, Refusal>) -> String {
    match answer {
        Ok(permit) => {
            let granted = permit.granted();
            let addresses: Vec<String> = granted.addresses().iter().map(ToString::to_string).collect();
            format!("{} {} {}", addresses.join(" "), granted.country(), granted.rule())
        }
        Err(refusal) => format!("{}: {}", refusal.code.as_str(), refusal.what),
    }
}

/// A network of the test's own: names answer from a list, the last answer for ever; nobody is at home anywhere, and who
/// knocked where is kept.
#[derive(Default)]
pub struct Names {
    answers: Mutex<HashMap<String, VecDeque<Vec<IpAddr>>>>,
    pub asked: Mutex<Vec<String>>,
    pub knocked: Mutex<Vec<SocketAddr>>,
}

impl Names {
    /// `("partner.example", &["9.9.9.9 8.8.8.8", "127.0.0.1"])`: the first look-up gets two addresses, all others one.
    pub fn new(names: &[(&str, &[&str])]) -> Arc<Self> {
        let addresses = |text: &str| text.split_whitespace().map(|a| a.parse().expect("an address")).collect();
        let answers = names
            .iter()
            .map(|(name, answers)| ((*name).to_owned(), answers.iter().map(|text| addresses(text)).collect()))
            .collect();
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }

    /// One name with these answers.
    pub fn of(name: &str, answers: &[Vec<IpAddr>]) -> Arc<Self> {
        let answers = HashMap::from([(name.to_owned(), answers.iter().cloned().collect())]);
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }
}

#[async_trait]
impl Outside for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("lock").push(name.to_owned());
        let mut answers = self.answers.lock().expect("lock");
        let answers = answers.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Ok(answer.unwrap_or_default())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Box<dyn Stream>> {
        self.knocked.lock().expect("lock").push(address);
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}
