//! Ranges of addresses: `networks` and `egress_addresses`.

use super::Reader;
use crate::fault::{Place, Read};
use crate::fields;
use crate::topology::{Network, NetworkCountry};
use crate::yaml::{Node, Value};

impl Reader<'_> {
    pub(super) fn egress(&mut self, node: &Node) -> Read<Vec<ipnet::IpNet>> {
        let items = fields::list("`egress_addresses`", node, "[198.51.100.0/29]", self.report)?;
        let ranges: Vec<Read<ipnet::IpNet>> = items
            .iter()
            .map(|item| {
                let text = fields::text("an egress address", item, "198.51.100.0/29", self.report)?;
                fields::range("an address or a range of addresses", item.at, text, self.report)
            })
            .collect();
        ranges.into_iter().collect()
    }

    pub(super) fn networks(&mut self, node: &Node) -> Read<Vec<Network>> {
        let pairs = fields::map("`networks`", node, "{ 10.20.0.0/16: IE }", self.report)?;
        let mut networks = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            let range = fields::range("a network", key.at, &key.text, self.report);
            let country = match &node.value {
                Value::Text(text) if text == "local" => Ok(NetworkCountry::Declared),
                _ => fields::country("a network's country", node, self.report).map(NetworkCountry::Is),
            };
            networks.push(range.and_then(|range| Ok((key.at, Network { range, country: country? }))));
        }
        let mut networks: Vec<(Place, Network)> = networks.into_iter().collect::<Read<_>>()?;
        self.refuse_overlaps(&networks)?;
        Ok(networks.drain(..).map(|(_, network)| network).collect())
    }

    /// Two ranges are apart, or one lies within the other: sorted, a range overlaps if it lies within the last one that
    /// lay within none.
    fn refuse_overlaps(&mut self, networks: &[(Place, Network)]) -> Read<()> {
        let mut sorted: Vec<_> = networks.iter().map(|(at, network)| (network.range, *at)).collect();
        sorted.sort_by_key(|(range, at)| (range.network(), range.prefix_len(), *at));
        let mut outer: Option<(ipnet::IpNet, Place)> = None;
        let mut result = Ok(());
        for (range, at) in sorted {
            match outer {
                Some((other, other_at)) if other.contains(&range) => {
                    let (at, range, other_at, other) =
                        if at > other_at { (at, range, other_at, other) } else { (other_at, other, at, range) };
                    result = Err(self.report.add(
                        at,
                        format!("network `{range}` overlaps `{other}` (line {})", other_at.line),
                        "an address in both would be in two countries at once",
                        "split the larger one, or remove one of the two",
                    ));
                }
                _ => outer = Some((range, at)),
            }
        }
        result
    }
}
