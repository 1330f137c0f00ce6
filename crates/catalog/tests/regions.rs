//! What regions make of entries: the built-in two, and a Swiss, a strict Swiss and an Australian one of a test's topology.

use crate::entry;
use domicile_catalog::{Catalog, Kind, Obstacle, Place};
use domicile_region::{Region, RegionId, Topology};
use expect_test::{Expect, expect};

const TODAY: &str = "2026-11-24";

const ELSEWHERE: &str = "
groups: { EU: [US] }
regions:
  alpine:
    name: Alpine
    country: CH
    locations: [zurich-a]
    ingest: { zurich: { country: CH } }
    border:
      allow: [CH, EEA]
      transfers:
        - { to: US, vendor: actions-klaviyo, basis: dpf, approved_by: dpo@example.com, expires: 2027-06-30 }
        - { to: US, vendor: slack, basis: dpf, approved_by: dpo@example.com, expires: 2026-11-24 }
  vault:
    name: Vault
    country: CH
    locations: [geneva-a]
    ingest: { geneva: { country: CH } }
    border: { allow: [CH, IE] }
  southern:
    name: Southern
    country: AU
    locations: [sydney-a]
    ingest: { sydney: { country: AU } }
    border: { allow: [AU, NZ] }
";

fn regions() -> Vec<Region> {
    let elsewhere = Topology::read("test.yml", ELSEWHERE, TODAY).expect("the topology is sound");
    Topology::built_in().regions.into_iter().chain(elsewhere.regions).collect()
}

fn region(name: &str) -> Region {
    regions().into_iter().find(|region| region.id == RegionId::new(name)).expect("a region of the test")
}

/// One line per `kind slug`: what each region makes of it.
fn check(entries: &str, expected: Expect) {
    let regions = regions();
    let mut table = format!("{:36}", "");
    table.extend(regions.iter().map(|region| format!("{:13}", region.id.as_str())));
    table = table.trim_end().to_owned() + "\n";
    for line in entries.lines().map(str::trim) {
        let (kind, slug) = line.split_once(' ').expect("a kind and a slug");
        let kind = Kind::ALL.into_iter().find(|it| it.as_str() == kind).expect("a kind");
        let mut row = format!("{line:36}");
        for region in &regions {
            row += &format!("{:13}", entry(kind, slug).availability(region, TODAY).place.as_str());
        }
        table += row.trim_end();
        table.push('\n');
    }
    expected.assert_eq(&table);
}

#[test]
fn the_same_rules_hold_in_every_region() {
    check(
        "source website
         source javascript
         source apple
         source hubspot
         source amazon-s3
         source iterable
         source airship
         source activecampaign
         destination webhook
         destination actions-amplitude
         destination actions-attio
         destination actions-intercom-web
         destination actions-klaviyo
         destination slack
         destination vidora
         warehouse postgres
         warehouse snowflake",
        expect![[r#"
                                                us-west      eu-west      alpine       vault        southern
            source website                      in region    in region    in region    in region    in region
            source javascript                   in region    in region    in region    in region    in region
            source apple                        in region    in region    in region    in region    in region
            source hubspot                      in region    in region    in region    in region    in region
            source amazon-s3                    in region    in region    in region    not here     not here
            source iterable                     in region    in region    in region    not here     not here
            source airship                      in region    not here     not here     not here     not here
            source activecampaign               in region    not here     not here     not here     not here
            destination webhook                 in region    in region    in region    in region    in region
            destination actions-amplitude       in region    in region    in region    by transfer  by transfer
            destination actions-attio           in region    in region    in region    by transfer  by transfer
            destination actions-intercom-web    in region    in region    in region    in region    in region
            destination actions-klaviyo         in region    by transfer  by transfer  by transfer  by transfer
            destination slack                   in region    by transfer  by transfer  by transfer  by transfer
            destination vidora                  in region    not here     not here     not here     not here
            warehouse postgres                  in region    in region    in region    in region    in region
            warehouse snowflake                 in region    in region    in region    in region    in region
        "#]],
    );
}

fn said(kind: Kind, slug: &str, in_region: &str) -> String {
    let region = region(in_region);
    let seen = entry(kind, slug).availability(&region, TODAY);
    let mut text = format!("{}\n", seen.place.as_str());
    if let Some(reason) = &seen.reason {
        text += &format!("{:?}: {}\nmend: {}\n", reason.obstacle, reason.what, reason.mend);
    }
    text.extend(seen.cautions.iter().map(|caution| format!("{caution}\n")));
    text
}

#[test]
fn a_reason_says_what_stands_in_the_way_and_what_to_do() {
    expect![[r#"
        not here
        TakenInOutside: the events of `airship` would be taken in outside the region: its stream ends in US, which the border of eu-west does not allow
        mend: let the partner send to a service of yours in the region, and that one to a `server` source
    "#]].assert_eq(&said(Kind::Source, "airship", "eu-west"));
    expect![[r#"
        not here
        NotOffered: `activecampaign` is offered to regions in US only, and southern is in AU
        mend: let the partner send to a service of yours in the region, and that one to a `server` source
    "#]]
    .assert_eq(&said(Kind::Source, "activecampaign", "southern"));
    expect![[r#"
        not here
        NotOffered: `vidora` is offered to regions in US only, and eu-west is in IE
        mend: choose a partner that is offered there, or a `webhook` destination to a service of yours
    "#]]
    .assert_eq(&said(Kind::Destination, "vidora", "eu-west"));
    expect![[r#"
        by transfer
        NeedsTransfer: the partner behind `actions-iterable` has endpoints in US only, where the border of eu-west lets nothing go
        mend: add a transfer to the region's border in the topology (`{ to: US, vendor: actions-iterable, basis: …, approved_by: …, expires: … }`), or choose a partner with an endpoint in the region
        The partner's region is chosen by `dataCenterLocation`: it may offer one that the border allows, which the data does not know.
    "#]].assert_eq(&said(Kind::Destination, "actions-iterable", "eu-west"));
    expect![[r#"
        by transfer
        NeedsTransfer: the partner behind `actions-attio` has endpoints in EU only, where the border of southern lets nothing go
        mend: add a transfer to the region's border in the topology (one to the country of EU in which the partner's host stands, which the partner can tell), or choose a partner with an endpoint in the region
    "#]].assert_eq(&said(Kind::Destination, "actions-attio", "southern"));
    expect![[r#"
        in region
        A page of the documentation says that regions in EU can't use it, the data says that they can.
    "#]]
    .assert_eq(&said(Kind::Destination, "actions-attio", "eu-west"));
    expect![[r#"
        in region
        The partner's region is chosen by `endpoint`: choose EU.
    "#]]
    .assert_eq(&said(Kind::Destination, "actions-amplitude", "eu-west"));
    expect![[r#"
        in region
        It gets its data from the visitor's browser or app, past the cell: no border holds that.
        The partner's region is chosen by `apiBase`: choose EU.
    "#]]
    .assert_eq(&said(Kind::Destination, "actions-intercom-web", "vault"));
}

#[test]
fn in_the_eu_the_only_sources_of_cloud_events_are_those_with_an_intake_there() {
    let region = region("eu-west");
    let streams = Catalog::get()
        .sources()
        .iter()
        .filter(|entry| matches!(&entry.detail, domicile_catalog::Detail::Source(source) if source.cloud_events));
    let taken: Vec<_> = streams.filter(|entry| entry.availability(&region, TODAY).is_available()).collect();
    assert_eq!(taken.iter().map(|entry| entry.slug.as_str()).collect::<Vec<_>>(), ["amazon-s3", "iterable"]);
}

#[test]
fn a_region_that_allows_any_country_has_everything_that_is_offered_to_it() {
    let region = region("us-west");
    for entry in Catalog::get().entries() {
        assert_eq!(entry.availability(&region, TODAY).place, Place::InRegion, "{}", entry.slug);
    }
}

#[test]
fn a_transfer_counts_for_its_vendor_up_to_its_last_day() {
    let region = region("alpine");
    let obstacle = |slug: &str, today: &str| {
        let seen = entry(Kind::Destination, slug).availability(&region, today);
        assert_eq!(seen.place, Place::ByTransfer);
        assert_eq!(seen.transfer.is_none(), seen.reason.is_some());
        seen.reason.map(|reason| reason.obstacle)
    };
    assert_eq!(obstacle("actions-klaviyo", TODAY), None);
    assert_eq!(obstacle("slack", TODAY), None, "its last day");
    assert_eq!(obstacle("slack", "2026-11-25"), Some(Obstacle::NeedsTransfer));
    assert_eq!(obstacle("actions-slack", TODAY), Some(Obstacle::NeedsTransfer), "the transfer is another's");
    assert_eq!(obstacle("slack", "today"), Some(Obstacle::NeedsTransfer), "no day");
}

#[test]
fn a_group_is_inside_only_with_all_its_countries_unless_the_partner_names_the_one() {
    let (vault, alpine) = (region("vault"), region("alpine"));
    // The test's topology says that EU means the US: that is what it allows, not where Amplitude is.
    assert!(entry(Kind::Destination, "actions-amplitude").endpoint_in(&alpine));
    assert!(!entry(Kind::Destination, "actions-amplitude").endpoint_in(&vault), "Ireland alone is not the EU");
    assert!(entry(Kind::Destination, "actions-intercom-web").endpoint_in(&vault), "its host is in Ireland");
}

#[test]
fn two_regions_that_differ_in_name_only_get_the_same_answers() {
    let one = region("eu-west");
    let mut other = one.clone();
    other.id = RegionId::new("us-west");
    for entry in Catalog::get().entries() {
        let (one, other) = (entry.availability(&one, TODAY), entry.availability(&other, TODAY));
        assert_eq!((one.place, one.endpoints_in_region), (other.place, other.endpoints_in_region), "{}", entry.slug);
    }
}

#[test]
fn what_cannot_be_used_has_a_reason_and_what_stays_inside_has_none() {
    for region in regions() {
        for entry in Catalog::get().entries() {
            let seen = entry.availability(&region, TODAY);
            let sound = match seen.place {
                Place::InRegion => seen.reason.is_none() && seen.transfer.is_none(),
                Place::ByTransfer => seen.reason.is_some() != seen.transfer.is_some(),
                Place::NotHere => seen.reason.is_some(),
            };
            assert!(sound, "{} {} in {}: {seen:?}", entry.kind(), entry.slug, region.id);
        }
    }
}
