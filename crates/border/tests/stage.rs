//! What the tests stand on: a border with a given policy, and networks that count who connects where.

use async_trait::async_trait;
use domicile_border::{Ask, Border, Gate, Outside, Permit, Place, Purpose, Refusal, Stream};
use domicile_region::{Country, Network, NetworkCountry, Region, RegionId, Topology};
use domicile_workspace::WorkspaceId;
use domicile_world::World;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

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

/// The border of a cell without a network, which asks this one on a socket. Both live as long as what comes with it.
pub fn gated(border: &Border) -> (Border, Gated) {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("border.sock");
    let cell = border.clone().through_gate(&socket);
    let kept = cell.clone();
    let keeps = tokio::spawn(async move { kept.keep_gate().await });
    let mut gated = Gated { dir, keeps, serves: None };
    gated.start(border);
    (cell, gated)
}

/// A gate on a socket, and a cell that keeps it told.
pub struct Gated {
    dir: tempfile::TempDir,
    keeps: JoinHandle<()>,
    serves: Option<JoinHandle<()>>,
}

impl Gated {
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("border.sock")
    }

    /// The border process begins, and has nothing in force.
    pub fn start(&mut self, border: &Border) {
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        let gate = Gate::new(border.clone());
        self.serves = Some(tokio::spawn(async move {
            let gate = Arc::new(gate);
            let mut all = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let gate = Arc::clone(&gate);
                all.spawn(async move { gate.serve(stream).await });
            }
        }));
    }

    /// The border process is gone, and all its connections with it.
    pub async fn kill(&mut self) {
        let serves = self.serves.take().expect("a border process");
        serves.abort();
        let _ = serves.await;
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.keeps.abort();
        self.serves.iter().for_each(JoinHandle::abort);
    }
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
