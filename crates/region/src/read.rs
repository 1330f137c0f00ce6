//! From the text of `topology.yml` to a [`Topology`], or to all that is wrong with it.
//!
//! One walk over the tree: each part is read as far as it can be, so that one mistake does not hide another, and what a
//! mistake makes unknowable is not reported a second time.

mod border;
mod network;
mod witness;

use crate::country::BUILT_IN_GROUPS;
use crate::fault::{Faults, Place, Read, Report, shown};
use crate::fields::{self, Fields, is_day};
use crate::topology::{IngestPoint, Region, Topology};
use crate::yaml::{self, Node, Value};
use crate::{Country, CountrySet, LocationName, PointName, RegionId};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

/// A topology of a thousand regions is smaller.
const FILE_BYTES_MAX: usize = 1 << 20;

const TOP: Place = Place { line: 1, column: 1 };

impl Topology {
    /// Reads the text of a topology file.
    ///
    /// `file_name` is for messages. `today` is `YYYY-MM-DD`: a transfer whose last day is before it has expired (and when
    /// `today` is no day, every one has).
    ///
    /// # Errors
    /// All faults that could be found in one reading, sorted by place.
    pub fn read(file_name: &str, text: &str, today: &str) -> Result<Self, Faults> {
        let mut report = Report::default();
        let topology = if text.len() > FILE_BYTES_MAX {
            Err(report.add(
                TOP,
                format!("the file has {} bytes", text.len()),
                "a topology has at most 1 MiB, so that a wrong file is not read to its end",
                "check that this is the right file",
            ))
        } else {
            yaml::parse(text, &mut report).and_then(|root| {
                let mut reader = Reader {
                    today: if is_day(today) { today } else { "9999-99-99" },
                    groups: BTreeMap::new(),
                    seen: Seen::default(),
                    report: &mut report,
                };
                reader.topology(&root)
            })
        };
        report.close(file_name, topology)
    }

    /// The topology of `domicile up` when it is given none: two regions and their ingest points on this machine.
    pub fn built_in() -> Self {
        Self::read("built_in.yml", include_str!("built_in.yml"), "1970-01-01").expect("the built-in topology is sound")
    }
}

struct Reader<'a> {
    today: &'a str,
    groups: BTreeMap<String, Vec<Country>>,
    seen: Seen,
    report: &'a mut Report,
}

/// What may be in the file only once, with the region and the line where it is.
#[derive(Default)]
struct Seen {
    locations: HashMap<String, (RegionId, usize)>,
    key_prefixes: HashMap<String, (RegionId, usize)>,
    listens: HashMap<SocketAddr, usize>,
}

impl Reader<'_> {
    fn topology(&mut self, root: &Node) -> Read<Topology> {
        if let Value::Nothing = root.value {
            return Err(self.report.add(
                root.at,
                "the file is empty",
                "a cell belongs to a region, and the regions are written here",
                "begin with `regions:`; examples/topology.yml has one to copy",
            ));
        }
        const KNOWN: [&str; 5] = ["regions", "default", "groups", "networks", "ip_countries"];
        let fields = Fields::of("the topology", TOP, root, &KNOWN, self.report)?;
        self.groups = self.groups(fields.get("groups"));
        let regions = fields
            .need("regions", "a cell belongs to a region, and the regions are written here", "{ … }", self.report)
            .and_then(|node| self.regions(node));
        let default = fields.get("default").map(|node| {
            let name = fields::text("`default`", node, "eu-west", self.report)?;
            Ok((node.at, RegionId::new(name)))
        });
        let networks = fields.get("networks").map_or(Ok(Vec::new()), |node| self.networks(node));
        let ip_countries = fields
            .get("ip_countries")
            .map(|node| fields::text("`ip_countries`", node, "GeoLite2-Country.mmdb", self.report).map(str::to_owned));
        let (default, regions) = (default.transpose()?, regions?);
        let default_region = match default {
            Some((_, name)) if regions.iter().any(|region| region.id == name) => name,
            Some((at, name)) => {
                let known: Vec<&str> = regions.iter().map(|region| region.id.as_str()).collect();
                return Err(self.report.add(
                    at,
                    format!("the default region `{}` is not in `regions`", shown(name.as_str())),
                    "a workspace made without a region would have none",
                    format!("name one of: {}", known.join(", ")),
                ));
            }
            // `regions` refuses an empty list.
            None => regions[0].id.clone(),
        };
        let groups = std::mem::take(&mut self.groups);
        let ip_countries = ip_countries.transpose()?;
        Ok(Topology { regions, default_region, groups, networks: networks?, ip_countries })
    }

    /// The built-in groups, with the file's added or in their place.
    fn groups(&mut self, node: Option<&Node>) -> BTreeMap<String, Vec<Country>> {
        let mut groups: BTreeMap<String, Vec<Country>> = BUILT_IN_GROUPS
            .iter()
            .map(|(name, members)| (String::from(*name), members.split(' ').filter_map(Country::new).collect()))
            .collect();
        let pairs = node
            .and_then(|node| fields::map("`groups`", node, "{ DACH: [DE, AT, CH] }", self.report).ok())
            .unwrap_or_default();
        for (key, node) in pairs {
            let fits = key.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            if !fits || key.text.is_empty() || key.text == "any" || Country::new(&key.text).is_some() {
                self.report.add(
                    key.at,
                    format!("`{}` can't be a group's name", shown(&key.text)),
                    "a name in `allow` is a country, a group or `any`, and never two of them",
                    "name it with letters, digits, `-` and `_`, and not like a country or `any`",
                );
            }
            let what = format!("group `{}`", shown(&key.text));
            let members = fields::list(&what, node, "[AT, BE, DE]", self.report).unwrap_or_default();
            let countries = members.iter().filter_map(|member| fields::country(&what, member, self.report).ok());
            groups.insert(key.text.clone(), countries.collect());
        }
        groups
    }

    fn regions(&mut self, node: &Node) -> Read<Vec<Region>> {
        let pairs = fields::map("`regions`", node, "{ eu-west: { country: IE, … } }", self.report)?;
        if pairs.is_empty() {
            return Err(self.report.add(
                node.at,
                "`regions` is empty",
                "a cell belongs to a region, and the regions are written here",
                "add one; examples/topology.yml has one to copy",
            ));
        }
        // All are read before the first that failed is given up, so that each can report.
        let regions: Vec<Read<Region>> = pairs.iter().map(|(key, node)| self.region(key.at, &key.text, node)).collect();
        regions.into_iter().collect()
    }

    fn region(&mut self, at: Place, id: &str, node: &Node) -> Read<Region> {
        let named = fields::name("a region", at, id, self.report);
        let id = RegionId::new(id);
        let of = format!("region `{}`", shown(id.as_str()));
        const KNOWN: [&str; 11] = [
            "country",
            "name",
            "locations",
            "ingest",
            "plan",
            "api",
            "listen",
            "key_prefix",
            "egress_addresses",
            "border",
            "witnesses",
        ];
        let fields = Fields::of(&of, at, node, &KNOWN, self.report)?;
        let name = match fields.get("name") {
            Some(node) => fields::text("`name`", node, "EU West (Dublin)", self.report).map(str::to_owned),
            None => Ok(id.as_str().to_owned()),
        };
        let country = fields
            .need("country", "what may enter and leave depends on where the region is", "IE", self.report)
            .and_then(|node| fields::country("`country`", node, self.report));
        let locations = fields
            .need("locations", "events are kept in a data centre of the region", "[dublin-a, dublin-b]", self.report)
            .and_then(|node| self.locations(&id, node));
        let border = self.border(fields.get("border"), country.ok());
        let ingest = fields
            .need("ingest", "without an ingest point no event can come in", "{ dublin: { country: IE } }", self.report)
            .and_then(|node| self.ingest(&of, node, country, border.as_ref().ok().map(|border| &border.allow)));
        let plan = fields.get("plan").map(|node| fields::plan("`plan`", node, self.report).map(str::to_owned));
        let api = fields.get("api").map(|node| fields::url("`api`", node, self.report));
        let listen = fields.get("listen").map(|node| self.listen(node));
        let key_prefix = self.key_prefix(at, &id, fields.get("key_prefix"));
        let egress_addresses = fields.get("egress_addresses").map_or(Ok(Vec::new()), |node| self.egress(node));
        let witnesses = fields.get("witnesses").map_or(Ok(Vec::new()), |node| self.witnesses(node));
        named?;
        Ok(Region {
            id,
            name: name?,
            country: country?,
            locations: locations?,
            ingest: ingest?,
            plan: plan.transpose()?,
            api: api.transpose()?,
            listen: listen.transpose()?,
            key_prefix: key_prefix?,
            egress_addresses: egress_addresses?,
            border: border?,
            witnesses: witnesses?,
        })
    }

    fn locations(&mut self, id: &RegionId, node: &Node) -> Read<Vec<LocationName>> {
        let items = fields::list("`locations`", node, "[dublin-a, dublin-b]", self.report)?;
        if items.is_empty() {
            return Err(self.report.add(
                node.at,
                format!("region `{}` has no location", shown(id.as_str())),
                "events are kept in a data centre of the region",
                "name its data centres, for example `[dublin-a, dublin-b]`",
            ));
        }
        let mut locations = Vec::with_capacity(items.len());
        for item in items {
            let name = fields::text("a location", item, "dublin-a", self.report)
                .and_then(|name| fields::name("a location", item.at, name, self.report));
            locations.push(name.and_then(|name| match self.seen.locations.get(name) {
                None => {
                    self.seen.locations.insert(name.to_owned(), (id.clone(), item.at.line));
                    Ok(LocationName::new(name))
                }
                Some((region, line)) if region == id => Err(self.report.add(
                    item.at,
                    format!("location `{name}` is here twice (first in line {line})"),
                    "two copies in one place would count as two places",
                    "remove one, or give it its own name",
                )),
                Some((region, line)) => Err(self.report.add(
                    item.at,
                    format!("location `{name}` is also in region `{region}` (line {line})"),
                    "a location belongs to one region, because fail-over never leaves a region",
                    format!("give it another name here, or remove it from `{region}`"),
                )),
            }));
        }
        locations.into_iter().collect()
    }

    /// `allow` is the region's; `None` when it could not be read, and then the points are not held against it.
    fn ingest(
        &mut self,
        of: &str,
        node: &Node,
        country: Read<Country>,
        allow: Option<&CountrySet>,
    ) -> Read<Vec<IngestPoint>> {
        let pairs = fields::map("`ingest`", node, "{ dublin: { country: IE } }", self.report)?;
        let points: Vec<Read<IngestPoint>> =
            pairs.iter().map(|(key, node)| self.point(of, key, node, country, allow)).collect();
        let points: Vec<IngestPoint> = points.into_iter().collect::<Read<_>>()?;
        let country = country?;
        if points.iter().all(|point| point.country != country) {
            return Err(self.report.add(
                node.at,
                format!("{of} has no ingest point in its own country {country}"),
                "a sender in the region would have to send its events abroad first",
                format!("add one with `country: {country}`"),
            ));
        }
        Ok(points)
    }

    fn point(
        &mut self,
        of: &str,
        key: &yaml::Key,
        node: &Node,
        home: Read<Country>,
        allow: Option<&CountrySet>,
    ) -> Read<IngestPoint> {
        let name = fields::name("an ingest point", key.at, &key.text, self.report);
        let what = format!("ingest point `{}`", shown(&key.text));
        let fields = Fields::of(&what, key.at, node, &["country", "url", "listen"], self.report)?;
        let country = fields
            .need("country", "whether it stands in the region or outside is decided by it", "IE", self.report)
            .and_then(|node| {
                let country = fields::country("`country`", node, self.report)?;
                match allow {
                    Some(allow) if !allow.contains(country) => Err(self.report.add(
                        node.at,
                        format!("{what} stands in {country}, which {of} does not allow"),
                        "what it takes would lie outside the countries that the region's events may be in",
                        format!("move it to an allowed country, or add {country} to `border.allow`"),
                    )),
                    _ => Ok(country),
                }
            });
        let url = fields.get("url").map(|node| fields::url("`url`", node, self.report));
        let listen = fields.get("listen").map(|node| self.listen(node));
        let (name, country) = (PointName::new(name?), country?);
        Ok(IngestPoint { name, country, url: url.transpose()?, listen: listen.transpose()?, remote: home? != country })
    }

    fn listen(&mut self, node: &Node) -> Read<SocketAddr> {
        let address = fields::listen("`listen`", node, self.report)?;
        if address.port() == 0 {
            // The system chooses a free one each time.
            return Ok(address);
        }
        if let Some(line) = self.seen.listens.insert(address, node.at.line) {
            return Err(self.report.add(
                node.at,
                format!("`{address}` is also where line {line} listens"),
                "only one can listen on a port",
                "choose another port",
            ));
        }
        Ok(address)
    }

    fn key_prefix(&mut self, at: Place, id: &RegionId, node: Option<&Node>) -> Read<String> {
        let (at, prefix) = match node {
            None => (at, derived_key_prefix(id)),
            Some(node) => {
                let prefix = fields::text("`key_prefix`", node, "euw", self.report)?;
                if prefix.len() > 16 || !prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
                    return Err(self.report.add(
                        node.at,
                        format!("`{}` can't begin a write key", shown(prefix)),
                        "it stands before the key's first underscore: 1 to 16 lower-case letters and digits",
                        format!("write it like `{}`", derived_key_prefix(id)),
                    ));
                }
                (node.at, prefix.to_owned())
            }
        };
        if let Some((region, line)) = self.seen.key_prefixes.get(&prefix) {
            return Err(self.report.add(
                at,
                format!(
                    "region `{}` has the key prefix `{prefix}`, as `{region}` has (line {line})",
                    shown(id.as_str())
                ),
                "an ingest point names the right region of a misdirected event by its write key's prefix",
                "give one of them another with `key_prefix:`, before its first write key is made",
            ));
        }
        self.seen.key_prefixes.insert(prefix.clone(), (id.clone(), at.line));
        Ok(prefix)
    }
}

/// The first part of the region's name whole and the initials of the others: `eu-west` → `euw`.
fn derived_key_prefix(id: &RegionId) -> String {
    let (first, others) = id.as_str().split_once('-').unwrap_or((id.as_str(), ""));
    first.chars().chain(others.split('-').filter_map(|part| part.chars().next())).collect()
}
