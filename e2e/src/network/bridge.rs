//! The bridge between the hosts: what crosses is counted for each ordered pair of them, and links can be cut.
//!
//! The counters stand in the bridge's own path, in front of nothing: also a frame that is not IP, or not answered, is counted.

use super::lab::{Host, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Mutex;

/// Who sent, and to whom.
pub type Pair = (&'static str, &'static str);

/// What went from one host to another; bytes are those of layer 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    pub packets: u64,
    pub bytes: u64,
}

pub struct Bridge {
    pub namespace: String,
    hosts: Vec<Host>,
    cuts: Mutex<BTreeSet<Pair>>,
}

impl Bridge {
    pub fn new(namespace: String, hosts: &[Host]) -> Self {
        Self { namespace, hosts: hosts.to_vec(), cuts: Mutex::default() }
    }

    pub fn make(&self) -> Result<(), String> {
        let bridge = "link set lo up\nlink add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0\n";
        run("ip", &["netns", "add", &self.namespace], "")?;
        run("ip", &["-n", &self.namespace, "-batch", "-"], bridge).map(drop)
    }

    /// One end of a link at the bridge, the other as `eth0` in the host's namespace.
    pub fn plug(&self, host: &Host, namespace: &str, mac: &str) -> Result<(), String> {
        let port = host.port();
        let links = format!(
            "link add {port} type veth peer name eth0 netns {namespace}\n\
             link set {port} master br0\n\
             link set {port} type bridge_slave flood off mcast_flood off bcast_flood off learning off\n\
             link set {port} up\n"
        );
        run("ip", &["-n", &self.namespace, "-batch", "-"], &links)?;
        run("bridge", &["-n", &self.namespace, "fdb", "add", mac, "dev", &port, "master", "static"], "").map(drop)
    }

    /// Lets frames through, with the counters in place.
    pub fn start(&self) -> Result<(), String> {
        let pairs = || {
            let all = self.hosts.iter().flat_map(|from| self.hosts.iter().map(move |to| (from, to)));
            all.filter(|(from, to)| from != to).map(|(from, to)| (from.port(), to.port()))
        };
        let mut rules = String::from("table bridge lab {\n");
        for (from, to) in pairs() {
            let _ = writeln!(rules, "counter c_{from}_{to} {{ }}");
        }
        let elements: Vec<_> = pairs().map(|(from, to)| format!("\"{from}\" . \"{to}\" : \"c_{from}_{to}\"")).collect();
        let _ = writeln!(
            rules,
            "map pairs {{ type ifname . ifname : counter; elements = {{ {} }}; }}\n\
             chain cuts {{ }}\n\
             chain crossing {{ type filter hook forward priority 0; policy accept; jump cuts; counter name iifname . oifname map @pairs; }}\n}}",
            elements.join(", ")
        );
        self.nft(&rules)?;
        run("ip", &["-n", &self.namespace, "link", "set", "br0", "up", "promisc", "on"], "").map(drop)
    }

    /// Drops every frame between the host and each of the others, in both directions, until it is healed. What is dropped is not counted.
    pub fn cut(&self, host: &str, others: &[&str]) -> Result<(), String> {
        self.change(|cuts, pairs| cuts.extend(pairs), host, others)
    }

    pub fn heal(&self, host: &str, others: &[&str]) -> Result<(), String> {
        self.change(|cuts, pairs| cuts.retain(|pair| !pairs.contains(pair)), host, others)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeSet<Pair>, Vec<Pair>),
        host: &str,
        others: &[&str],
    ) -> Result<(), String> {
        let named = |name: &str| {
            self.hosts.iter().find(|host| host.name == name).ok_or_else(|| format!("the lab has no host {name}"))
        };
        let host = named(host)?;
        let others = others.iter().map(|other| named(other)).collect::<Result<Vec<_>, _>>()?;
        let pairs = others.iter().flat_map(|other| [(host.name, other.name), (other.name, host.name)]).collect();
        let mut cuts = self.cuts.lock().map_err(|_| "a change of the cuts panicked".to_owned())?;
        change(&mut cuts, pairs);
        // One transaction: there is no moment without the cuts that stay.
        let mut rules = String::from("flush chain bridge lab cuts\n");
        for (from, to) in cuts.iter() {
            let (from, to) = (named(from)?.port(), named(to)?.port());
            let _ = writeln!(rules, "add rule bridge lab cuts iifname {from} oifname {to} drop");
        }
        self.nft(&rules).map(drop)
    }

    /// Every pair between which something crossed since the start or the last [`Self::reset`].
    pub fn crossed(&self) -> Result<BTreeMap<Pair, Crossed>, String> {
        let said = run("ip", &["netns", "exec", &self.namespace, "nft", "-j", "list", "counters"], "")?;
        let said: Value = serde_json::from_str(&said).map_err(|error| format!("nft's counters: {error}"))?;
        let mut crossed = BTreeMap::new();
        let mut counters = 0;
        for counter in said["nftables"].as_array().into_iter().flatten().filter_map(|row| row.get("counter")) {
            let unknown = || format!("nft counts what the lab does not know: {counter}");
            let (packets, bytes) = (counter["packets"].as_u64(), counter["bytes"].as_u64());
            let (Some(packets), Some(bytes)) = (packets, bytes) else { return Err(unknown()) };
            let pair = counter["name"].as_str().and_then(|name| self.pair(name)).ok_or_else(unknown)?;
            counters += 1;
            if packets > 0 {
                crossed.insert(pair, Crossed { packets, bytes });
            }
        }
        let expected = self.hosts.len() * (self.hosts.len() - 1);
        match counters == expected {
            true => Ok(crossed),
            false => Err(format!("{counters} counters, and {expected} ordered pairs of hosts")),
        }
    }

    pub fn reset(&self) -> Result<(), String> {
        run("ip", &["netns", "exec", &self.namespace, "nft", "reset", "counters"], "").map(drop)
    }

    /// The hosts of `c_g1h1_g2h1`.
    fn pair(&self, counter: &str) -> Option<Pair> {
        let (from, to) = counter.strip_prefix("c_")?.split_once('_')?;
        let named = |port: &str| self.hosts.iter().find(|host| host.port() == port).map(|host| host.name);
        Some((named(from)?, named(to)?))
    }

    fn nft(&self, rules: &str) -> Result<String, String> {
        run("ip", &["netns", "exec", &self.namespace, "nft", "-f", "-"], rules)
    }
}
