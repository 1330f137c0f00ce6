//! Files that are sound.

use domicile_region::{Country, CountrySet, NetworkCountry, NoPorts, PointName, RegionId, Rule, Topology};

const TODAY: &str = "2027-01-15";

fn read(text: &str) -> Topology {
    Topology::read("topology.yml", text, TODAY).unwrap_or_else(|faults| panic!("{faults}"))
}

fn country(code: &str) -> Country {
    Country::new(code).unwrap()
}

/// One line a region, one a point: what a reader of the file would want to have confirmed.
fn summary(topology: &Topology) -> String {
    let mut out = String::new();
    for region in &topology.regions {
        let locations: Vec<&str> = region.locations.iter().map(|location| location.as_str()).collect();
        let (id, country, prefix) = (&region.id, region.country, &region.key_prefix);
        out += &format!("{id} ({}) {country} {prefix}_ [{}]\n", region.name, locations.join(" "));
        for point in &region.ingest {
            let remote = if point.remote { " remote" } else { "" };
            out += &format!("  {} {}{remote}\n", point.name, point.country);
        }
    }
    out
}

#[test]
fn the_built_in_topology_has_two_regions_and_a_dublin_in_each() {
    let topology = Topology::built_in();
    assert_eq!(
        summary(&topology),
        "us-west (US West (Oregon)) US usw_ [oregon-a oregon-b]
  oregon US
  singapore SG remote
  sydney AU remote
  dublin IE remote
eu-west (EU West (Dublin)) IE euw_ [dublin-a dublin-b]
  dublin IE
"
    );
    assert_eq!(topology.default_region, RegionId::new("us-west"));
    assert_eq!(topology.regions[0].border.allow, CountrySet::Any);
    assert!(topology.regions[1].border.allows(country("NO"), TODAY));
    assert!(!topology.regions[1].border.allows(country("US"), TODAY));
    let networks: Vec<_> = topology.networks.iter().map(|n| (n.range.to_string(), n.country)).collect();
    assert_eq!(
        networks,
        [("127.0.0.0/8".into(), NetworkCountry::Declared), ("::1/128".into(), NetworkCountry::Declared)]
    );
}

#[test]
fn the_example_file_loads() {
    let topology = read(include_str!("../../../examples/topology.yml"));
    assert_eq!(topology.regions.len(), 2);
    let eu = topology.region(&RegionId::new("eu-west")).unwrap();
    assert_eq!(eu.plan.as_deref(), Some("business"));
    assert_eq!(eu.api.as_deref(), Some("https://eu1.example.com"));
    assert_eq!(eu.point(&PointName::new("dublin")).unwrap().url.as_deref(), Some("https://events.eu1.example.com"));
    assert!(eu.border.allows(country("GB"), TODAY));
    assert_eq!(topology.groups["ISLES"], [country("IE"), country("GB"), country("IM")]);
}

const SWISS_AND_AUSTRALIAN: &str = "
default: ap-southeast-2
groups: { HOME: [CH] }
regions:
  ch:
    country: CH
    locations: [zurich-a, geneva-a]
    ingest: { zurich: { country: CH }, oslo: { country: NO, url: https://oslo.example.com/v1/ } }
    border:
      allow: [HOME, EFTA]
      transfers:
        - { to: US, vendor: amplitude, basis: dpf, approved_by: dpo@example.ch, expires: 2027-01-15 }
        - { to: DE, basis: scc, approved_by: dpo@example.ch, expires: 2028-01-01 }
  ap-southeast-2:
    country: AU
    locations: [sydney-a]
    ingest: { sydney: { country: AU, listen: '0.0.0.0:8443' } }
    key_prefix: syd
    egress_addresses: [192.0.2.7, 2001:db8::/32]
    witnesses:
      - { url: 'https://w.example/a/', key: w.example+0a1b2c3d+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, country: AU }
";

#[test]
fn a_swiss_and_an_australian_region_are_regions_like_any_other() {
    let topology = read(SWISS_AND_AUSTRALIAN);
    assert_eq!(
        summary(&topology),
        "ch (ch) CH ch_ [zurich-a geneva-a]
  zurich CH
  oslo NO remote
ap-southeast-2 (ap-southeast-2) AU syd_ [sydney-a]
  sydney AU
"
    );
    assert_eq!(topology.default_region.as_str(), "ap-southeast-2");
    let australia = &topology.regions[1];
    assert!(australia.border.allows(country("AU"), TODAY), "without `allow`, the own country");
    assert!(!australia.border.allows(country("NZ"), TODAY), "and no other");
    let [witness] = &australia.witnesses[..] else { panic!("one witness") };
    assert_eq!((witness.url.as_str(), witness.country.as_str()), ("https://w.example/a", "AU"));
    let egress: Vec<String> = australia.egress_addresses.iter().map(ToString::to_string).collect();
    assert_eq!(egress, ["192.0.2.7/32", "2001:db8::/32"]);
}

#[test]
fn norway_is_a_country_and_not_a_no() {
    let topology = read(SWISS_AND_AUSTRALIAN);
    assert_eq!(topology.regions[0].ingest[1].country, country("NO"));
}

#[test]
fn a_transfer_holds_up_to_its_last_day_and_for_its_vendor_only() {
    let topology = read(SWISS_AND_AUSTRALIAN);
    let border = &topology.regions[0].border;
    for (to, vendor, today, expected) in [
        ("NO", None, "2027-01-15", "allow"),
        ("US", Some("amplitude"), "2027-01-15", "transfer dpf"),
        ("US", Some("amplitude"), "2027-01-16", "no"),
        ("US", Some("mixpanel"), "2027-01-15", "no"),
        ("US", None, "2027-01-15", "no"),
        ("DE", None, "2027-01-16", "transfer scc"),
        ("DE", Some("mixpanel"), "2028-01-01", "transfer scc"),
        ("DE", None, "2028-01-02", "no"),
        ("DE", None, "", "no"),
        ("FR", None, "2027-01-15", "no"),
    ] {
        let rule = match border.rule(country(to), vendor, today) {
            Some(Rule::Allow) => "allow".to_owned(),
            Some(Rule::Transfer(transfer)) => format!("transfer {}", transfer.basis),
            None => "no".to_owned(),
        };
        assert_eq!(rule, expected, "{to} {vendor:?} {today}");
    }
}

#[test]
fn a_write_key_names_its_region_and_a_foreign_one_names_none() {
    let topology = Topology::built_in();
    for (key, region) in [
        ("euw_0123456789", Some("eu-west")),
        ("usw_a_b", Some("us-west")),
        ("euw", None),
        ("EUW_1", None),
        ("_euw", None),
        ("abcdefghijklmnopqrstuvwxyz012345", None),
        ("", None),
    ] {
        assert_eq!(topology.region_of_key(key).map(|region| region.id.as_str()), region, "{key}");
    }
}

#[test]
fn ports_follow_the_order_of_the_file() {
    let plan = Topology::built_in().ports(7000).unwrap();
    let ports: Vec<String> = plan
        .regions
        .iter()
        .map(|region| {
            let points: Vec<String> = region.points.iter().map(|(name, at)| format!("{} {name}", at.port())).collect();
            format!("{} {}: {}", region.cell, region.region, points.join(", "))
        })
        .collect();
    assert_eq!(plan.front_door.to_string(), "127.0.0.1:7000");
    assert_eq!(
        ports,
        [
            "127.0.0.1:7100 us-west: 7101 oregon, 7102 singapore, 7103 sydney, 7104 dublin",
            "127.0.0.1:7200 eu-west: 7201 dublin"
        ]
    );
}

#[test]
fn a_listen_address_stands_in_place_of_the_order() {
    let plan = read(SWISS_AND_AUSTRALIAN).ports(9000).unwrap();
    let australia = plan.region(&RegionId::new("ap-southeast-2")).unwrap();
    assert_eq!(australia.cell.to_string(), "127.0.0.1:9200");
    assert_eq!(australia.point(&PointName::new("sydney")).unwrap().to_string(), "0.0.0.0:8443");
}

#[test]
fn with_base_0_the_system_chooses() {
    let plan = Topology::built_in().ports(0).unwrap();
    assert!(plan.regions.iter().all(|r| r.cell.port() == 0 && r.points.iter().all(|(_, at)| at.port() == 0)));
}

#[test]
fn ports_that_do_not_exist_or_are_taken_are_said_so() {
    assert_eq!(
        Topology::built_in().ports(65_400).unwrap_err().to_string(),
        "region `eu-west` would listen on port 65600, and ports end at 65535: choose a lower port base, or set its `listen`"
    );
    let text = SWISS_AND_AUSTRALIAN.replace("0.0.0.0:8443", "127.0.0.1:7101");
    let error = read(&text).ports(7000).unwrap_err();
    assert!(matches!(error, NoPorts::Twice { .. }));
    assert_eq!(
        error.to_string(),
        "ingest point `sydney` of region `ap-southeast-2` and ingest point `zurich` of region `ch` would both listen on \
         127.0.0.1:7101: choose another port base, or set `listen` of one"
    );
}

#[test]
fn a_transfer_says_what_it_lets_out_and_has_an_id_of_its_own() {
    let text = |transfer: &str, more: &str| {
        format!(
            "regions:\n  eu-west:\n    country: IE\n    locations: [a]\n    ingest: {{ dublin: {{ country: IE }} }}\n    \
             border:\n      transfers:\n        - {{ to: US, vendor: amplitude, basis: dpf, approved_by: dpo@example.com, \
             expires: 2027-06-30{transfer} }}\n{more}"
        )
    };
    let transfer = |fields: &str| read(&text(fields, "")).regions[0].border.transfers[0].clone();
    let whole = transfer("");
    let less = transfer(
        ", fields: { allow: [event, properties.plan], deny: [traits.email], hash: [userId, anonymousId], truncate_ip: true }",
    );
    assert_eq!(whole.to_string(), "to US for amplitude (dpf, until 2027-06-30)");
    assert_eq!(
        less.to_string(),
        "to US for amplitude (dpf, until 2027-06-30; allow event, properties.plan; deny traits.email; hash userId, anonymousId; truncate_ip)"
    );
    assert_eq!(less.id(), transfer(", fields: { hash: [userId, anonymousId], deny: [traits.email], allow: [event, properties.plan], truncate_ip: true }").id());
    let ids = [whole.id(), less.id(), transfer(", fields: { truncate_ip: true }").id()];
    assert!(ids.iter().all(|id| id.len() == 16) && ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    assert_eq!(
        transfer(", fields: { truncate_ip: false, hash: [userId] }").fields.map(|f| f.to_string()),
        Some("hash userId".to_owned())
    );

    assert_eq!(read(&text("", "ip_countries: geo/countries.mmdb")).ip_countries.as_deref(), Some("geo/countries.mmdb"));
    assert_eq!(read(&text("", "")).ip_countries, None);
}
