//! Files that are not sound: every mistake in, the whole text that the operator sees out.
//!
//! A case is the sound file below with one piece of it exchanged, so that nothing but that piece can be at fault.

use domicile_region::Topology;
use expect_test::{Expect, expect};

const SOUND: &str = "\
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

fn read(text: &str) -> String {
    match Topology::read("topology.yml", text, "2027-01-15") {
        Ok(_) => "sound".to_owned(),
        Err(faults) => faults.to_string(),
    }
}

/// The sound file with `from` exchanged for `to`.
#[track_caller]
fn check(from: &str, to: &str, expected: Expect) {
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
          mend: remove it; known here: to, vendor, basis, approved_by, expires"#]],
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

#[test]
fn a_country_or_group_that_does_not_exist_is_refused() {
    check(
        "[EEA]",
        "[EEA, XX]",
        expect![[r#"
        topology.yml:15:20  `XX` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write a country's two capital letters, or add the group to `groups`"#]],
    );
    check(
        "[EEA]",
        "[EEAA, IE]",
        expect![[r#"
        topology.yml:15:15  `EEAA` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write `EEA`, or add the group to `groups`"#]],
    );
    check(
        "[EEA]",
        "[eea]",
        expect![[r#"
        topology.yml:15:15  `eea` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write `EEA`"#]],
    );
    check(
        "    country: IE\n",
        "    country: ie\n",
        expect![[r#"
        topology.yml:10:14  `ie` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write `IE`"#]],
    );
    check(
        "    country: IE\n",
        "    country: UK\n",
        expect![[r#"
        topology.yml:10:14  `UK` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: the United Kingdom's code is `GB`"#]],
    );
    check(
        "to: US",
        "to: EEA",
        expect![[r#"
        topology.yml:17:17  `EEA` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write the two capital letters of one country, for example `IE`"#]],
    );
    check(
        "regions:\n",
        "groups: { IE: [IE], LAND: [EU, IE] }\nregions:\n",
        expect![[r#"
        topology.yml:1:11  `IE` can't be a group's name
          a name in `allow` is a country, a group or `any`, and never two of them
          mend: name it with letters, digits, `-` and `_`, and not like a country or `any`
        topology.yml:1:28  `EU` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write the two capital letters of one country, for example `IE`"#]],
    );
}

#[test]
fn a_transfer_that_has_expired_stops_the_start() {
    check(
        "2027-06-30",
        "2027-01-14",
        expect![[r#"
        topology.yml:17:72  the transfer expired on 2027-01-14
          what it let out is refused since then, and whoever wrote it may believe that it still flows
          mend: have it approved again and set a later day, or remove the transfer"#]],
    );
    check(
        "2027-06-30",
        "2027-02-30",
        expect![[r#"
        topology.yml:17:72  `2027-02-30` is not a day
          a date is written in one form only, so that nobody takes the month for the day
          mend: write YYYY-MM-DD, for example `2027-06-30`"#]],
    );
    check(
        "2027-06-30",
        "30.6.2027",
        expect![[r#"
        topology.yml:17:72  `30.6.2027` is not a day
          a date is written in one form only, so that nobody takes the month for the day
          mend: write YYYY-MM-DD, for example `2027-06-30`"#]],
    );
}

#[test]
fn a_transfer_needs_a_basis_that_the_law_knows() {
    check(
        "basis: dpf",
        "basis: handshake",
        expect![[r#"
        topology.yml:17:28  `handshake` is not a legal basis
          the ledger and the catalog know four
          mend: write one of: adequacy, dpf, scc, consent"#]],
    );
    check(
        "dpo@example.com",
        "''",
        expect![[r#"
        topology.yml:17:46  `approved_by` is not 1 to 200 characters on one line
          it is shown to people and written to the ledger
          mend: write it like `dpo@example.com`"#]],
    );
}

#[test]
fn networks_are_ranges_and_do_not_overlap() {
    check(
        "{ 10.20.0.0/16: IE }",
        "{ 10.20.0.0/16: IE, 10.20.7.0/24: US }",
        expect![[r#"
        topology.yml:18:31  network `10.20.7.0/24` overlaps `10.20.0.0/16` (line 18)
          an address in both would be in two countries at once
          mend: split the larger one, or remove one of the two"#]],
    );
    check(
        "{ 10.20.0.0/16: IE }",
        "\n  10.20.7.0/24: US\n  fd00::/8: US\n  10.0.0.0/8: IE",
        expect![[r#"
        topology.yml:21:3  network `10.0.0.0/8` overlaps `10.20.7.0/24` (line 19)
          an address in both would be in two countries at once
          mend: split the larger one, or remove one of the two"#]],
    );
    check(
        "10.20.0.0/16",
        "10.20.0.0/33",
        expect![[r#"
        topology.yml:18:13  `10.20.0.0/33` is not a network
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]],
    );
    check(
        "10.20.0.0/16",
        "10.20.0.1/16",
        expect![[r#"
        topology.yml:18:13  `10.20.0.1/16` does not begin where a range of that size begins
          it is not clear whether the one address is meant or the whole range
          mend: write `10.20.0.0/16` for the range or `10.20.0.1` for the address"#]],
    );
    check(
        "10.20.0.0/16: IE",
        "intranet: IE",
        expect![[r#"
        topology.yml:18:13  `intranet` is not a network
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]],
    );
    check(
        "10.20.0.0/16: IE",
        "10.20.0.0/16: locale",
        expect![[r#"
        topology.yml:18:27  `locale` is not a country
          countries are the codes that ISO 3166-1 has assigned (alpha-2)
          mend: write the two capital letters of one country, for example `IE`"#]],
    );
}

#[test]
fn an_address_that_can_not_be_one_is_refused() {
    check(
        "https://eu1.example.com",
        "eu1.example.com",
        expect![[r#"
        topology.yml:13:35  `eu1.example.com` is not an address that `url` can have
          SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
          mend: write it like `https://events.example.com`"#]],
    );
    check(
        "https://eu1.example.com",
        "'https://eu1.example.com?key=1'",
        expect![[r#"
        topology.yml:13:35  `https://eu1.example.com?key=1` is not an address that `url` can have
          SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
          mend: write it like `https://events.example.com`"#]],
    );
    check(
        "    name: EU West",
        "    api: ftp://eu1.example.com",
        expect![[r#"
        topology.yml:9:10  `ftp://eu1.example.com` is not an address that `api` can have
          SDKs and people are told it as it stands: http or https, a host, perhaps a port and a path, nothing else
          mend: write it like `https://events.example.com`"#]],
    );
    check(
        "    name: EU West",
        "    listen: localhost:7100",
        expect![[r#"
        topology.yml:9:13  `localhost:7100` is not an address to listen on
          it is an IP address and a port; a name could come to mean another machine
          mend: write it like `0.0.0.0:7101` or `[::]:7101`"#]],
    );
    check(
        "    name: EU West",
        "    egress_addresses: [198.51.100.1/29, here]",
        expect![[r#"
        topology.yml:9:24  `198.51.100.1/29` does not begin where a range of that size begins
          it is not clear whether the one address is meant or the whole range
          mend: write `198.51.100.0/29` for the range or `198.51.100.1` for the address
        topology.yml:9:41  `here` is not an address or a range of addresses
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]],
    );
    check(
        "{ country: US }",
        "{ country: US, listen: '0.0.0.0:80' }\n      oregon-2: { country: US, listen: '0.0.0.0:80' }",
        expect![[r#"
            topology.yml:7:40  `0.0.0.0:80` is also where line 6 listens
              only one can listen on a port
              mend: choose another port"#]],
    );
}

#[test]
fn a_name_fits_in_a_path_and_a_host_name() {
    check(
        "eu-west:",
        "EU West:",
        expect![[r#"
        topology.yml:8:3  `EU West` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `eu-west`"#]],
    );
    check(
        "eu-west:",
        "../us-west:",
        expect![[r#"
        topology.yml:8:3  `../us-west` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `us-west`"#]],
    );
    check(
        "dublin:",
        "dublin_1:",
        expect![[r#"
        topology.yml:13:7  `dublin_1` is not a name for an ingest point
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `dublin-1`"#]],
    );
    check(
        "eu-west:",
        "'-':",
        expect![[r#"
        topology.yml:8:3  `-` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: give it another name"#]],
    );
    check(
        "    name: EU West",
        "    plan: Business!",
        expect![[r#"
        topology.yml:9:11  `Business!` is not a name for a plan
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `business`"#]],
    );
}

#[test]
fn two_regions_never_share_a_key_prefix() {
    check(
        "eu-west:",
        "us-west-:",
        expect![[r#"
        topology.yml:8:3  `us-west-` is not a name for a region
          names become folders, host names and labels: 1 to 63 lower-case letters, digits, and dashes between them
          mend: name it `us-west`
        topology.yml:8:3  region `us-west-` has the key prefix `usw`, as `us-west` has (line 2)
          an ingest point names the right region of a misdirected event by its write key's prefix
          mend: give one of them another with `key_prefix:`, before its first write key is made"#]],
    );
    check(
        "eu-west:",
        "us-wide:",
        expect![[r#"
        topology.yml:8:3  region `us-wide` has the key prefix `usw`, as `us-west` has (line 2)
          an ingest point names the right region of a misdirected event by its write key's prefix
          mend: give one of them another with `key_prefix:`, before its first write key is made"#]],
    );
    check(
        "    name: EU West",
        "    key_prefix: usw",
        expect![[r#"
        topology.yml:9:17  region `eu-west` has the key prefix `usw`, as `us-west` has (line 2)
          an ingest point names the right region of a misdirected event by its write key's prefix
          mend: give one of them another with `key_prefix:`, before its first write key is made"#]],
    );
    check(
        "    name: EU West",
        "    key_prefix: EU_W",
        expect![[r#"
        topology.yml:9:17  `EU_W` can't begin a write key
          it stands before the key's first underscore: 1 to 16 lower-case letters and digits
          mend: write it like `euw`"#]],
    );
}

#[test]
fn a_default_region_is_one_of_the_file() {
    check(
        "regions:\n",
        "default: mars\nregions:\n",
        expect![[r#"
        topology.yml:1:10  the default region `mars` is not in `regions`
          a workspace made without a region would have none
          mend: name one of: us-west, eu-west"#]],
    );
}

#[test]
fn a_name_that_is_there_twice_is_refused() {
    check(
        "eu-west:",
        "us-west:",
        expect![[r#"
        topology.yml:8:3  `us-west` is here a second time (first in line 2)
          of two values for one name, one would be ignored
          mend: remove one of the two"#]],
    );
    check(
        "    country: IE\n",
        "    country: IE\n    country: FR\n",
        expect![[r#"
        topology.yml:11:5  `country` is here a second time (first in line 10)
          of two values for one name, one would be ignored
          mend: remove one of the two"#]],
    );
}

#[test]
fn aliases_tags_and_further_documents_are_refused() {
    check(
        "[dublin-a, dublin-b]",
        "&a [dublin-a, dublin-b]\n    plan: *a",
        expect![[r#"
        topology.yml:12:11  an alias (`*name`) is not taken here
          a policy says each thing where it holds, so that a change in one place can't open another
          mend: write the value out"#]],
    );
    check(
        "[EEA]",
        "*nobody",
        expect![[r#"
        topology.yml:15:14  an alias (`*name`) is not taken here
          a policy says each thing where it holds, so that a change in one place can't open another
          mend: write the value out"#]],
    );
    check(
        "    country: IE\n",
        "    country: !country IE\n",
        expect![[r#"
        topology.yml:10:23  a tag (`!name`) is not taken here
          every value of this file is a text, a list or a mapping
          mend: remove the tag"#]],
    );
    check(
        "networks:",
        "---\nnetworks:",
        expect![[r#"
        topology.yml:18:1  a second document begins here
          the file is one document, so that no part of a policy is overlooked
          mend: remove the line `---`, or move what follows it to a file of its own"#]],
    );
}

#[test]
fn what_is_not_yaml_is_told_with_its_place() {
    check(
        "[dublin-a, dublin-b]",
        "[dublin-a, dublin-b",
        expect![[r#"
        topology.yml:12:11  this is not YAML: illegal placement of ':' indicator
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "\tname: EU West",
        expect![[r#"
        topology.yml:9:2  this is not YAML: tabs disallowed within this context (block indentation)
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "    name: \"EU West",
        expect![[r#"
        topology.yml:9:11  this is not YAML: unclosed quote
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "    name: EU\u{1}West",
        expect![[r#"
        topology.yml:9:11  this is not YAML: unexpected character: `\u{1}'
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
    check(
        "    name: EU West",
        "   name: EU West",
        expect![[r#"
        topology.yml:10:12  this is not YAML: mapping values are not allowed in this context
          nothing from here on can be understood
          mend: check indentation, brackets and quotes here and on the lines before"#]],
    );
}

#[test]
fn a_file_without_regions_is_no_topology() {
    let check = |text: &str, expected: Expect| expected.assert_eq(&read(text));
    check(
        "",
        expect![[r#"
        topology.yml:1:1  the file is empty
          a cell belongs to a region, and the regions are written here
          mend: begin with `regions:`; examples/topology.yml has one to copy"#]],
    );
    check(
        "# nothing but a comment\n",
        expect![[r#"
        topology.yml:1:1  the file is empty
          a cell belongs to a region, and the regions are written here
          mend: begin with `regions:`; examples/topology.yml has one to copy"#]],
    );
    check(
        "regions:",
        expect![[r#"
        topology.yml:1:8  `regions` is empty
          a mapping is needed here
          mend: write it like `{ eu-west: { country: IE, … } }`"#]],
    );
    check(
        "regions: {}",
        expect![[r#"
        topology.yml:1:10  `regions` is empty
          a cell belongs to a region, and the regions are written here
          mend: add one; examples/topology.yml has one to copy"#]],
    );
    check(
        "networks: {}",
        expect![[r#"
        topology.yml:1:1  the topology has no `regions`
          a cell belongs to a region, and the regions are written here
          mend: add `regions: { … }`"#]],
    );
    check(
        "- eu-west",
        expect![[r#"
            topology.yml:1:1  the topology is a list
              a mapping is needed here
              mend: write it like `{ regions: … }`"#]],
    );
    check(
        "just a text",
        expect![[r#"
            topology.yml:1:1  the topology is a text
              a mapping is needed here
              mend: write it like `{ regions: … }`"#]],
    );
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = SOUND
        .replace("oregon: { country: US }", "oregon: { country: US, ulr: x }")
        .replace("    name: EU West\n", "    colour: green\n")
        .replace("[dublin-a, dublin-b]", "[oregon-b]")
        .replace("[EEA]", "[Europe]")
        .replace("2027-06-30", "2020-06-30")
        .replace("10.20.0.0/16", "10.20.0.0/99");
    expect![[r#"
        topology.yml:6:30  unknown field `ulr` in ingest point `oregon`
          a misspelt field would be ignored, and with it what it was to protect
          mend: write `url`, or remove it
        topology.yml:9:5  unknown field `colour` in region `eu-west`
          a misspelt field would be ignored, and with it what it was to protect
          mend: remove it; known here: country, name, locations, ingest, plan, api, listen, key_prefix, egress_addresses, border
        topology.yml:11:17  location `oregon-b` is also in region `us-west` (line 4)
          a location belongs to one region, because fail-over never leaves a region
          mend: give it another name here, or remove it from `us-west`
        topology.yml:15:15  `Europe` is neither a country nor a group
          countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's
          mend: write a country's two capital letters, or add the group to `groups`
        topology.yml:17:72  the transfer expired on 2020-06-30
          what it let out is refused since then, and whoever wrote it may believe that it still flows
          mend: have it approved again and set a later day, or remove the transfer
        topology.yml:18:13  `10.20.0.0/99` is not a network
          it is an address and how many of its bits count
          mend: write it like `10.20.0.0/16` or `fd00:20::/32`"#]].assert_eq(&read(&text));
}

#[test]
fn a_file_past_its_limit_is_not_read() {
    let text = format!("{SOUND}# {}", "x".repeat(1 << 20));
    expect![[r#"
        topology.yml:1:1  the file has 1049037 bytes
          a topology has at most 1 MiB, so that a wrong file is not read to its end
          mend: check that this is the right file"#]]
    .assert_eq(&read(&text));
}

#[test]
fn a_hostile_file_is_refused_without_harm() {
    let deep_flow = "[".repeat(500_000);
    let deep_block = (0..700).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
    let bomb = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        let below = n - 1;
        text + &format!("a{n}: &a{n} [*a{below}, *a{below}, *a{below}, *a{below}]\n")
    });
    let networks = (0..40_000).map(|n| format!("  10.{}.{}.0/24: IE\n", n / 256, n % 256)).collect::<String>();
    let networks = SOUND.replace("networks: { 10.20.0.0/16: IE }", &format!("networks:\n{networks}"));
    for (text, expected) in [
        (deep_flow.as_str(), "this is not YAML"),
        (&deep_block, "this is not YAML"),
        (&bomb, "an alias"),
        (&networks, "sound"),
        (&"a".repeat(1 << 20), "the topology is a text"),
        (&format!("{}: 1", "é".repeat(900)), "unknown field `ééé"),
        ("\u{feff}", "the file is empty"),
        ("%YAML 9.9\n---\n", "not YAML"),
    ] {
        let told = read(text);
        assert!(told.contains(expected), "{expected}: {}", &told[..told.len().min(300)]);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_read_or_refused_and_never_panics() {
    for end in (0..=SOUND.len()).filter(|&end| SOUND.is_char_boundary(end)) {
        read(&SOUND[..end]);
    }
}

#[test]
fn when_today_is_no_day_every_transfer_has_expired() {
    for today in ["", "today", "0000-00-00"] {
        let told = Topology::read("topology.yml", SOUND, today).unwrap_err().to_string();
        assert!(told.contains("17:72  the transfer expired on 2027-06-30"), "{told}");
    }
}
