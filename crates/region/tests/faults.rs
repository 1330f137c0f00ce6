//! Files that are not sound: every mistake in, the whole text that the operator sees out.
//!
//! A case is the sound file below with one piece of it exchanged, so that nothing but that piece can be at fault.

use domicile_region::Topology;
use expect_test::{Expect, expect};

pub const SOUND: &str = "\
regions:
  us-west:
    country: US
    locations: [oregon-a, oregon-b]
    ingest:
      oregon: { country: US }
    border: { allow: [any] }
  eu-west:
    name: EU West
    country: IE
    locations: [dublin-a, dublin-b]
    ingest:
      dublin: { country: IE, url: https://eu1.example.com }
    border:
      allow: [EEA]
      transfers:
        - { to: US, basis: dpf, approved_by: dpo@example.com, expires: 2027-06-30 }
networks: { 10.20.0.0/16: IE }
";

pub fn read(text: &str) -> String {
    match Topology::read("topology.yml", text, "2027-01-15") {
        Ok(_) => "sound".to_owned(),
        Err(faults) => faults.to_string(),
    }
}

/// The sound file with `from` exchanged for `to`.
#[track_caller]
pub fn check(from: &str, to: &str, expected: Expect) {
    assert_eq!(SOUND.matches(from).count(), 1, "`{from}` is in the sound file once");
    expected.assert_eq(&read(&SOUND.replace(from, to)));
}

#[test]
fn the_file_of_the_cases_is_sound() {
    assert_eq!(read(SOUND), "sound");
}

#[test]
fn a_location_belongs_to_one_region_and_is_there_once() {
    check(
        "[dublin-a, dublin-b]",
        "[dublin-a, oregon-b]",
        expect![[r#"
        topology.yml:11:27  location `oregon-b` is also in region `us-west` (line 4)
          a location belongs to one region, because fail-over never leaves a region
          mend: give it another name here, or remove it from `us-west`"#]],
    );
    check(
        "[dublin-a, dublin-b]",
        "[dublin-a, dublin-a]",
        expect![[r#"
        topology.yml:11:27  location `dublin-a` is here twice (first in line 11)
          two copies in one place would count as two places
          mend: remove one, or give it its own name"#]],
    );
    check(
        "[dublin-a, dublin-b]",
        "[]",
        expect![[r#"
        topology.yml:11:16  region `eu-west` has no location
          events are kept in a data centre of the region
          mend: name its data centres, for example `[dublin-a, dublin-b]`"#]],
    );
    check(
        "[dublin-a, dublin-b]",
        "dublin-a",
        expect![[r#"
        topology.yml:11:16  `locations` is a text
          a list is needed here
          mend: write it like `[dublin-a, dublin-b]`"#]],
    );
    check(
        "[dublin-a, dublin-b]",
        "[Dublin A, {}]",
        expect![[r#"
        topology.yml:11:17  `Dublin A` is not a name for a location
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `dublin-a`
        topology.yml:11:27  a location is a mapping
          a text is needed here
          mend: write it like `dublin-a`"#]],
    );
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_known_one() {
    check(
        "    name: EU West",
        "    nmae: EU West",
        expect![[r#"
            topology.yml:9:5  unknown field `nmae` in region `eu-west`
              a misspelt field would be ignored, and with it what it was to protect
              mend: write `name`, or remove it"#]],
    );
    check(
        "networks:",
        "network:",
        expect![[r#"
        topology.yml:18:1  unknown field `network` in the topology
          a misspelt field would be ignored, and with it what it was to protect
          mend: write `networks`, or remove it"#]],
    );
    check(
        "url: https",
        "bananas: https",
        expect![[r#"
        topology.yml:13:30  unknown field `bananas` in ingest point `dublin`
          a misspelt field would be ignored, and with it what it was to protect
          mend: remove it; known here: country, url, listen"#]],
    );
    check(
        "allow: [EEA]",
        "alow: [EEA]",
        expect![[r#"
        topology.yml:15:7  unknown field `alow` in `border`
          a misspelt field would be ignored, and with it what it was to protect
          mend: write `allow`, or remove it"#]],
    );
    check(
        "basis: dpf",
        "basis: dpf, until: 2027-01-01",
        expect![[r#"
            topology.yml:17:33  unknown field `until` in the transfer
              a misspelt field would be ignored, and with it what it was to protect
              mend: remove it; known here: to, vendor, basis, approved_by, expires, fields"#]],
    );
    check(
        "    name: EU West",
        "    ? [a, b]\n    : 1",
        expect![[r#"
        topology.yml:9:7  a key that is not a text
          every field has a name
          mend: give the field a plain name"#]],
    );
}

#[test]
fn a_missing_field_is_named_with_the_reason_it_is_needed() {
    check(
        "    country: IE\n",
        "",
        expect![[r#"
        topology.yml:8:3  region `eu-west` has no `country`
          what may enter and leave depends on where the region is
          mend: add `country: IE`"#]],
    );
    check(
        "    locations: [dublin-a, dublin-b]\n",
        "",
        expect![[r#"
        topology.yml:8:3  region `eu-west` has no `locations`
          events are kept in a data centre of the region
          mend: add `locations: [dublin-a, dublin-b]`"#]],
    );
    check(
        "    ingest:\n      dublin: { country: IE, url: https://eu1.example.com }\n",
        "",
        expect![[r#"
        topology.yml:8:3  region `eu-west` has no `ingest`
          without an ingest point no event can come in
          mend: add `ingest: { dublin: { country: IE } }`"#]],
    );
    check(
        "{ country: US }",
        "{ url: https://us.example.com }",
        expect![[r#"
        topology.yml:6:7  ingest point `oregon` has no `country`
          whether it stands in the region or outside is decided by it
          mend: add `country: IE`"#]],
    );
    check(
        "to: US, ",
        "",
        expect![[r#"
        topology.yml:17:11  the transfer has no `to`
          a transfer opens the border to one country and not more
          mend: add `to: US`"#]],
    );
    check(
        "basis: dpf, ",
        "",
        expect![[r#"
        topology.yml:17:11  the transfer has no `basis`
          a transfer without a legal basis is not one
          mend: add `basis: scc`"#]],
    );
    check(
        "approved_by: dpo@example.com, ",
        "",
        expect![[r#"
        topology.yml:17:11  the transfer has no `approved_by`
          an exception has somebody who answers for it
          mend: add `approved_by: dpo@example.com`"#]],
    );
    check(
        ", expires: 2027-06-30",
        "",
        expect![[r#"
        topology.yml:17:11  the transfer has no `expires`
          an exception without an end is a rule
          mend: add `expires: 2027-06-30`"#]],
    );
}

#[test]
fn a_value_of_another_kind_is_refused() {
    check(
        "    country: IE\n",
        "    country: [IE]\n",
        expect![[r#"
        topology.yml:10:14  `country` is a list
          a text is needed here
          mend: write it like `IE`"#]],
    );
    check(
        "    country: IE\n",
        "    country:\n",
        expect![[r#"
        topology.yml:10:12  `country` is empty
          a text is needed here
          mend: write it like `IE`"#]],
    );
    check(
        "    name: EU West",
        "    name: { en: EU West }",
        expect![[r#"
        topology.yml:9:11  `name` is a mapping
          a text is needed here
          mend: write it like `EU West (Dublin)`"#]],
    );
    check(
        "{ allow: [any] }",
        "any",
        expect![[r#"
        topology.yml:7:13  `border` is a text
          a mapping is needed here
          mend: write it like `{ allow: … }`"#]],
    );
    check(
        "{ 10.20.0.0/16: IE }",
        "[10.20.0.0/16]",
        expect![[r#"
        topology.yml:18:11  `networks` is a list
          a mapping is needed here
          mend: write it like `{ 10.20.0.0/16: IE }`"#]],
    );
    check(
        "[EEA]",
        "EEA",
        expect![[r#"
        topology.yml:15:14  `allow` is a text
          a list is needed here
          mend: write it like `[EEA, CH]`"#]],
    );
    check(
        "{ country: US }",
        "US",
        expect![[r#"
        topology.yml:6:15  ingest point `oregon` is a text
          a mapping is needed here
          mend: write it like `{ country: … }`"#]],
    );
}

#[test]
fn a_region_takes_events_in_its_own_country() {
    check(
        "{ country: US }",
        "{ country: CA }",
        expect![[r#"
        topology.yml:6:7  region `us-west` has no ingest point in its own country US
          a sender in the region would have to send its events abroad first
          mend: add one with `country: US`"#]],
    );
    check(
        "oregon: { country: US }",
        "{}",
        expect![[r#"
        topology.yml:6:7  region `us-west` has no ingest point in its own country US
          a sender in the region would have to send its events abroad first
          mend: add one with `country: US`"#]],
    );
}

#[test]
fn an_ingest_point_stands_where_the_region_allows() {
    check(
        "dublin: { country: IE,",
        "zurich: { country: CH }\n      dublin: { country: IE,",
        expect![[r#"
        topology.yml:13:26  ingest point `zurich` stands in CH, which region `eu-west` does not allow
          what it takes would lie outside the countries that the region's events may be in
          mend: move it to an allowed country, or add CH to `border.allow`"#]],
    );
    check(
        "allow: [EEA]",
        "allow: [FR]",
        expect![[r#"
        topology.yml:13:26  ingest point `dublin` stands in IE, which region `eu-west` does not allow
          what it takes would lie outside the countries that the region's events may be in
          mend: move it to an allowed country, or add IE to `border.allow`"#]],
    );
}
