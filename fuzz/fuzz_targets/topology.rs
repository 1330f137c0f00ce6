//! Any text as `topology.yml`: a topology that keeps its promises, or faults that say where they are and how to mend them.

#![no_main]

use domicile_region::{Faults, Topology};
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fuzz_target!(|text: &str| {
    match Topology::read("topology.yml", text, "2027-01-15") {
        Ok(topology) => holds(&topology),
        Err(faults) => mends(text, &faults),
    }
});

/// What everybody who is handed a topology takes for granted.
fn holds(topology: &Topology) {
    assert!(topology.region(&topology.default_region).is_some(), "the default region is one of the regions");
    let mut locations = HashSet::new();
    let mut prefixes = HashSet::new();
    for region in &topology.regions {
        assert!(region.ingest.iter().any(|point| point.country == region.country), "a point in its country");
        assert!(prefixes.insert(&region.key_prefix), "a write key names one region");
        for location in &region.locations {
            assert!(locations.insert(location), "a location belongs to one region");
        }
        for point in &region.ingest {
            assert!(region.border.allow.contains(point.country), "a point stands where data may be");
            assert_eq!(point.remote, point.country != region.country);
        }
        for transfer in &region.border.transfers {
            assert!(transfer.expires.as_str() >= "2027-01-15", "no transfer has expired");
        }
    }
    for (n, network) in topology.networks.iter().enumerate() {
        let others = topology.networks.iter().skip(n + 1);
        for other in others {
            let overlap = network.range.contains(&other.range) || other.range.contains(&network.range);
            assert!(!overlap, "networks do not overlap");
        }
    }
}

/// Each fault has a place in the text and a mend.
fn mends(text: &str, faults: &Faults) {
    // A lone carriage return breaks a line too, in YAML. What is missing at the end is missing behind the last line.
    let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count() + 1;
    assert!(!faults.faults.is_empty(), "a refusal has a reason");
    for fault in &faults.faults {
        assert!((1..=lines).contains(&fault.line), "line {} of {lines}", fault.line);
        assert!(fault.column >= 1 && !fault.mend.is_empty());
    }
    assert!(faults.to_string().starts_with("topology.yml:"));
}
